// Waveforms with their frame scores, on canvases; distributions as SVG.
const FRAMED = CLIPS.filter((clip) => clip.frames !== undefined);
const LEAST_SPAN = 1; // of an axis of frame scores: less would blow up what is no dip

const axisFrom = (low, high) => {
  const missing = Math.max(LEAST_SPAN - (high - low), 0) / 2;
  return [low - missing, high + missing];
};

// Small pictures have one axis, so that they can be compared by eye; a few extreme frames
// are cut off, which would flatten all others.
const SMALL_AXIS = (() => {
  const lows = FRAMED.map((clip) => clip.from).sort((a, b) => a - b);
  const highs = FRAMED.map((clip) => clip.to).sort((a, b) => a - b);
  const at = (sorted, part) => sorted[Math.round(part * (sorted.length - 1))];
  return FRAMED.length ? axisFrom(at(lows, 0.05), at(highs, 0.95)) : [0, 1];
})();

// The large picture's: that of the clip and of its twins, which one switches between.
function largeAxis(clip) {
  const shown = twinsOf(CLIPS.indexOf(clip)).map((i) => CLIPS[i]).filter((c) => c.frames !== undefined);
  return axisFrom(Math.min(...shown.map((c) => c.from)), Math.max(...shown.map((c) => c.to)));
}

// [time, score] of a clip's frame scores.
function frameScores(clip) {
  if (clip.frames === undefined) return [];
  const values = bytes(clip.frames);
  const step = (clip.to - clip.from) / 255;
  return Array.from(values, (v, i) => [((i + 0.5) * clip.span) / values.length, clip.from + v * step]);
}

function frameScoreAt(clip, seconds) {
  const scores = frameScores(clip);
  if (!scores.length || !clip.span) return null;
  const i = Math.floor((seconds / clip.span) * scores.length);
  return scores[Math.max(0, Math.min(scores.length - 1, i))][1];
}

// Draw a clip: its waveform above its frame scores, or (small) one over the other.
function drawClip(canvas, clip, small) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const style = getComputedStyle(document.documentElement);
  const paint = (name) => style.getPropertyValue(name).trim();
  const g = canvas.getContext('2d');
  g.scale(ratio, ratio);
  const frames = frameScores(clip);
  const waveHeight = small || !frames.length ? height : Math.round(height * 0.45);
  if (clip.wave) {
    const peaks = bytes(clip.wave);
    g.fillStyle = paint('--wave');
    const step = width / peaks.length, middle = waveHeight / 2;
    peaks.forEach((peak, i) => {
      const tall = Math.max((peak / 255) * (waveHeight - 2), 1);
      g.fillRect(i * step, middle - tall / 2, Math.max(step * 0.8, 0.5), tall);
    });
  }
  if (!frames.length) return;
  const top = small ? 3 : waveHeight + 6, bottom = height - 3;
  const seconds = clip.seconds || clip.span;
  const x = (t) => (t / seconds) * width;
  const [low, high] = small ? SMALL_AXIS : largeAxis(clip);
  const y = (s) => bottom - Math.max(0, Math.min(1, (s - low) / (high - low))) * (bottom - top);
  if (!small && clip.score !== null) {
    drawDips(g, frames, clip.score, x, y, paint('--dip'));
    g.strokeStyle = paint('--muted');
    g.setLineDash([4, 4]);
    g.beginPath();
    g.moveTo(0, y(clip.score));
    g.lineTo(width, y(clip.score));
    g.stroke();
    g.setLineDash([]);
  }
  g.strokeStyle = paint('--frames');
  g.lineWidth = small ? 1.5 : 2;
  g.lineJoin = 'round';
  g.beginPath();
  frames.forEach(([t, s], i) => (i ? g.lineTo(x(t), y(s)) : g.moveTo(x(t), y(s))));
  g.stroke();
  if (small) return;
  g.fillStyle = paint('--muted');
  g.font = '11px system-ui, sans-serif';
  g.fillText(fixed(high, 1), 2, top + 8);
  g.fillText(fixed(low, 1), 2, bottom);
}

// Fill what lies below the clip's own score: where one should listen.
function drawDips(g, frames, score, x, y, paint) {
  g.fillStyle = paint;
  g.beginPath();
  g.moveTo(x(frames[0][0]), y(score));
  for (const [t, s] of frames) g.lineTo(x(t), y(Math.min(s, score)));
  g.lineTo(x(frames[frames.length - 1][0]), y(score));
  g.fill();
}

// Small pictures are drawn when they come into sight, and again when colours change.
const drawn = new Map();
const inSight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    inSight.unobserve(entry.target);
    drawClip(entry.target, drawn.get(entry.target), true);
  }
}, { rootMargin: '200px' });

function smallPicture(clip) {
  const canvas = make('canvas', { 'aria-hidden': 'true' });
  drawn.set(canvas, clip);
  inSight.observe(canvas);
  return canvas;
}

// Rows are about to go.
function forget(element) {
  for (const canvas of element.querySelectorAll('canvas')) {
    inSight.unobserve(canvas);
    drawn.delete(canvas);
  }
}

function redraw(atOnce) {
  for (const [canvas, clip] of drawn) {
    if (atOnce) drawClip(canvas, clip, true);
    else inSight.observe(canvas);
  }
}

const percent = (part) => `${(100 * part).toFixed(3)}%`;

// A histogram with a mean and its interval, on an axis from `low` to `high`.
function histogram(values, low, high, paint, mean, interval, label, zero) {
  const chart = svg('svg', { class: 'chart', role: 'img', 'aria-label': label });
  const n = 48, counts = new Array(n).fill(0);
  const place = (v) => (v - low) / (high - low);
  for (const v of values) counts[Math.max(0, Math.min(n - 1, Math.floor(place(v) * n)))] += 1;
  const most = Math.max(...counts, 1);
  counts.forEach((count, i) => {
    if (!count) return;
    const height = Math.max((count / most) * 30, 1);
    const bar = { x: percent(i / n), width: percent(0.9 / n), y: 32 - height, height, opacity: 0.45 };
    chart.append(svg('rect', { ...bar, fill: paint }));
  });
  chart.append(svg('line', { class: 'base', x1: '0%', x2: '100%', y1: 32, y2: 32 }));
  if (zero) chart.append(svg('line', { class: 'zero', x1: percent(place(0)), x2: percent(place(0)), y1: 0, y2: 44 }));
  if (interval) {
    const ends = { x1: percent(place(interval[0])), x2: percent(place(interval[1])) };
    chart.append(svg('line', { ...ends, y1: 39, y2: 39, stroke: paint, 'stroke-width': 3 }));
  }
  if (mean !== undefined) chart.append(svg('circle', { cx: percent(place(mean)), cy: 39, r: 5, fill: paint }));
  return chart;
}

function axisBelow(low, high) {
  const chart = svg('svg', { class: 'chart axis', 'aria-hidden': 'true' });
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((s) => (high - low) / s <= 8) || high - low;
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) {
    const part = (v - low) / (high - low);
    const anchor = part < 0.03 ? 'start' : part > 0.97 ? 'end' : 'middle';
    chart.append(svg('text', { x: percent(part), y: 13, 'text-anchor': anchor }, fixed(v, step < 1 ? 1 : 0)));
  }
  return chart;
}
