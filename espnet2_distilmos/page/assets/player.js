// The player: one sound at a time, with its picture under the playhead.
const player = (() => {
  const audio = $('audio'), still = matchMedia('(prefers-reduced-motion: reduce)');
  let current = null, order = [], address = null, wanted = 0;

  function addressOf(i) {
    if (address) URL.revokeObjectURL(address);
    address = null;
    if (!CLIPS[i].embedded) return CLIPS[i].src;
    const sound = bytes(JSON.parse($(`audio-${i}`).textContent));
    address = URL.createObjectURL(new Blob([sound], { type: 'audio/ogg' }));
    return address;
  }

  function open(i, from, seconds = 0) {
    if (from) order = from;
    current = i;
    api.current = i;
    const clip = CLIPS[i];
    wanted = seconds;
    $('problem').hidden = true;
    const source = addressOf(i);
    if (source) audio.src = source;
    else audio.removeAttribute('src');
    $('player').hidden = false;
    $('now').textContent = clip.name;
    const facts = [fixed(clip.score)];
    if (clip.interval) facts.push(between(clip.interval));
    if (GROUPS.length > 1 && twinsOf(i).length < 2) facts.push(`· ${GROUPS[clip.group].name}`);
    $('facts').replaceChildren(`${DATA.axis} ${facts.join(' ')} `);
    fillWarnings($('facts'), clip);
    showTwins(i);
    drawClip($('picture'), clip, false);
    $('seek').setAttribute('aria-valuemax', (clip.seconds || 0).toFixed(2));
    tick();
    markCurrent();
  }

  function showTwins(i) {
    const twins = twinsOf(i);
    const buttons = twins.length < 2 ? [] : twins.map((other) => make('button', {
      type: 'button', 'aria-pressed': String(other === i), title: 'b: the next of these',
      text: GROUPS[CLIPS[other].group].name, click: () => change(other),
    }));
    $('twins').replaceChildren(...buttons);
  }

  // The same clip of another group, from the same place on.
  function change(other) {
    const playing = !audio.paused;
    open(other, null, audio.currentTime);
    if (playing) play();
  }

  function play() {
    // A sound that cannot be played is told by its `error`; a promise that is given up
    // since another sound was opened is none.
    audio.play().catch((error) => {
      if (error.name !== 'AbortError') tellProblem();
    });
  }

  function tellProblem() {
    const clip = CLIPS[current];
    const known = clip.embedded || clip.src;
    $('problem').textContent = !known
      ? 'No audio file of this clip is known.'
      : clip.embedded
      ? 'This browser does not play Ogg Opus.'
      : `Not played: there is no such file beside this page, or this browser does not play its format: ${decodeAddress(clip.src)}`;
    $('problem').hidden = false;
  }

  function decodeAddress(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // a name that is not UTF-8
    }
  }

  function step(by) {
    const at = order.indexOf(current);
    // A twin of a listed clip stands at the place of that clip.
    const from = at >= 0 ? at : order.findIndex((i) => twinsOf(i).includes(current));
    const next = order[from + by];
    if (from < 0 || next === undefined) return;
    const playing = !audio.paused || audio.ended;
    open(next);
    if (playing) play();
    reveal(next);
  }

  function reveal(i) {
    const line = document.querySelector(`[data-clip~="${i}"]`);
    if (line) line.scrollIntoView({ block: 'nearest', behavior: still.matches ? 'auto' : 'smooth' });
  }

  const length = () => CLIPS[current].seconds || audio.duration || 0;

  function seekTo(seconds) {
    wanted = Math.max(0, Math.min(seconds, length()));
    if (audio.readyState) audio.currentTime = wanted;
    tick();
  }

  function tick() {
    if (current === null) return;
    const seconds = audio.readyState ? audio.currentTime : wanted, total = length();
    $('head').style.left = percent(total ? Math.min(seconds / total, 1) : 0);
    const score = frameScoreAt(CLIPS[current], seconds);
    const here = score === null ? '' : `· here ${fixed(score)}`;
    $('here').textContent = here;
    $('time').textContent = `${clock(seconds)} / ${clock(total)}`;
    $('seek').setAttribute('aria-valuenow', seconds.toFixed(2));
    $('seek').setAttribute('aria-valuetext', `${seconds.toFixed(1)} of ${total.toFixed(1)} seconds ${here}`);
    if (!audio.paused && !still.matches) requestAnimationFrame(tick);
  }

  function toggle(i, from) {
    if (i !== undefined && i !== current) {
      open(i, from);
      play();
    } else if (current === null) {
      if (SCORED.length) toggle(listed()[0], listed());
    } else {
      if (from) order = from;
      if (audio.paused) play();
      else audio.pause();
    }
  }

  function close() {
    audio.pause();
    $('player').hidden = true;
    current = api.current = null;
    markCurrent();
  }

  function showState() {
    const playing = !audio.paused && !audio.ended;
    $('play').replaceChildren(icon(playing ? 'pause' : 'play'));
    $('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
    tick();
  }

  // What lies under the player can be scrolled to.
  new ResizeObserver(() => {
    document.documentElement.style.setProperty('--player', `${$('player').offsetHeight}px`);
  }).observe($('player'));
  for (const name of ['play', 'pause', 'ended']) audio.addEventListener(name, showState);
  audio.addEventListener('timeupdate', () => still.matches && tick());
  audio.addEventListener('error', () => current !== null && tellProblem());
  audio.addEventListener('loadedmetadata', () => {
    if (wanted) audio.currentTime = wanted;
    tick();
  });
  for (const name of ['play', 'next', 'previous', 'close']) $(name).append(icon(name));
  $('play').addEventListener('click', () => toggle());
  $('next').addEventListener('click', () => step(1));
  $('previous').addEventListener('click', () => step(-1));
  $('close').addEventListener('click', close);
  const place = (event) => {
    const box = $('seek').getBoundingClientRect();
    seekTo(((event.clientX - box.left) / box.width) * length());
  };
  $('seek').addEventListener('pointerdown', (event) => {
    $('seek').setPointerCapture(event.pointerId);
    place(event);
  });
  $('seek').addEventListener('pointermove', (event) => event.buttons && place(event));

  const api = { current: null, toggle, step, open };
  api.redraw = () => current !== null && drawClip($('picture'), CLIPS[current], false);
  api.other = () => {
    if (current === null) return;
    const twins = twinsOf(current);
    if (twins.length > 1) change(twins[(twins.indexOf(current) + 1) % twins.length]);
  };
  api.move = (seconds) => current !== null && seekTo(audio.currentTime + seconds);
  api.close = close;
  return api;
})();
