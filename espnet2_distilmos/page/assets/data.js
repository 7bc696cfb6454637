// What the page was given, and the few ways to make elements. Text is always text.
const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($('data').textContent);
const CLIPS = DATA.clips;
const SCORED = CLIPS.map((_, i) => i).filter((i) => CLIPS[i].score !== null);
const GROUPS = DATA.groups;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'text') element.textContent = value;
    else if (name === 'click') element.addEventListener('click', value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

function svg(tag, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const ICONS = {
  play: 'M3 1l12 7-12 7z', pause: 'M3 1h4v14H3zM9 1h4v14H9z',
  next: 'M1 1l9 7-9 7zM12 1h3v14h-3z', previous: 'M15 1L6 8l9 7zM1 1h3v14H1z',
  close: 'M3 1l5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z',
};

// Drawn, since not every machine has a font with these signs.
function icon(name) {
  const image = svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' });
  image.append(svg('path', { d: ICONS[name] }));
  return image;
}

// A minus sign and not a hyphen, which lines break at.
const fixed = (x, digits = 2) =>
  x === null || x === undefined ? '–' : x.toFixed(digits).replace('-', '−');
const signed = (x, digits = 2) => (x > 0 ? '+' : '') + fixed(x, digits);
const between = (pair, digits = 2) => `[${fixed(pair[0], digits)}, ${fixed(pair[1], digits)}]`;
// Without the folder that stands beside it.
function shortName(clip) {
  const folder = `${GROUPS[clip.group].name}/`;
  return GROUPS.length > 1 && clip.name.startsWith(folder) ? clip.name.slice(folder.length) : clip.name;
}
const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
const clock = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, '0')}`;
const colour = (group) => `var(--g${group % 6})`;

function bytes(base64) {
  const text = atob(base64);
  const values = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) values[i] = text.charCodeAt(i);
  return values;
}

// Numbers of the clips of one key, in the order of their groups.
const TWINS = new Map();
CLIPS.forEach((clip, i) => {
  if (clip.key === undefined) return;
  if (!TWINS.has(clip.key)) TWINS.set(clip.key, []);
  TWINS.get(clip.key).push(i);
});
const twinsOf = (i) => (CLIPS[i].key === undefined ? [i] : TWINS.get(CLIPS[i].key));
