// All clips, their filters, the keyboard, and the start.
const tables = {};

function showClips() {
  const some = (test) => SCORED.some((i) => test(CLIPS[i]));
  const text = (cell, value) => value !== undefined && cell.append(value);
  const columns = [
    { label: 'play', kind: 'press', fill: (cell, i) => cell.append(playButton(i, listed)) },
    { label: 'clip', kind: 'title', value: (i) => CLIPS[i].name, fill: (cell, i) => cell.append(make('span', { class: 'name', text: shortName(CLIPS[i]) })) },
    GROUPS.length > 1 && { label: DATA.grouped_by, kind: 'group-name', value: (i) => GROUPS[CLIPS[i].group].name, fill: (cell, i) => cell.append(make('span', { class: 'name', text: GROUPS[CLIPS[i].group].name })) },
    { label: 'score', figure: true, value: (i) => CLIPS[i].score, fill: (cell, i) => cell.append(make('strong', { text: fixed(CLIPS[i].score) })) },
    some((clip) => clip.interval) && { label: '95 % interval', figure: true, value: (i) => CLIPS[i].interval && CLIPS[i].interval[0], fill: (cell, i) => text(cell, CLIPS[i].interval && between(CLIPS[i].interval)) },
    ...DATA.columns.map((label, k) => ({ label, figure: true, value: (i) => CLIPS[i].numbers[k], fill: (cell, i) => text(cell, fixed(CLIPS[i].numbers[k])) })),
    some((clip) => clip.seconds) && { label: 'seconds', figure: true, value: (i) => CLIPS[i].seconds, fill: (cell, i) => text(cell, fixed(CLIPS[i].seconds, 1)) },
    some((clip) => warningsOf(clip).length) && { label: 'warnings', value: (i) => warningsOf(CLIPS[i]).join('; ') || null, fill: (cell, i) => fillWarnings(cell, CLIPS[i]) },
    some((clip) => clip.wave) && { label: 'waveform', kind: 'picture', fill: (cell, i) => cell.append(smallPicture(CLIPS[i])) },
  ].filter(Boolean);
  const byScore = columns.findIndex((column) => column.label === 'score');
  tables.clips = makeTable($('table'), columns, 'All clips', byScore, false, (i) => ({ 'data-clip': i }));
  filter();
}

const listed = () => tables.clips.rows();

function filter() {
  const words = $('words').value.toLowerCase().split(/\s+/).filter(Boolean);
  const least = $('least').valueAsNumber, most = $('most').valueAsNumber, group = $('group').value;
  const rows = SCORED.filter((i) => {
    const clip = CLIPS[i];
    const text = [clip.name, GROUPS[clip.group].name, ...warningsOf(clip)].join('\n').toLowerCase();
    return words.every((word) => text.includes(word)) &&
      (group === '' || clip.group === Number(group)) &&
      !(clip.score < least) && !(clip.score > most) &&
      !($('odd').checked && !warningsOf(clip).length);
  });
  $('count').textContent = `${rows.length} of ${plural(SCORED.length, 'clip')}`;
  tables.clips.fill(rows);
}

function filterBy(g) {
  $('group').value = String(g);
  filter();
  $('clips-heading').scrollIntoView();
}

function setUpFilters() {
  $('group-word').textContent = DATA.grouped_by;
  $('group-choice').hidden = GROUPS.length < 2;
  $('group').replaceChildren(make('option', { value: '', text: 'all' }),
    ...GROUPS.map((group, g) => make('option', { value: g, text: group.name })));
  $('filters').addEventListener('input', filter);
  $('filters').addEventListener('submit', (event) => event.preventDefault());
}

const KEYS = {
  n: () => player.step(1), j: () => player.step(1),
  p: () => player.step(-1), k: () => player.step(-1),
  b: () => player.other(),
  ' ': () => player.toggle(),
  ArrowLeft: () => player.move(-1), ArrowRight: () => player.move(1),
  Escape: () => player.close(),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input, select, textarea')) return;
  // A button or link that has the focus takes the space for itself.
  if (event.key === ' ' && event.target.closest('button, a, summary')) return;
  const act = KEYS[event.key];
  if (!act) return;
  if (event.key.startsWith('Arrow') && player.current === null) return;
  event.preventDefault();
  act();
});

showHeader();
showGroups();
setUpFilters();
showClips();
showPairs();
showWorst();
showFailures();

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { redraw(); player.redraw(); });
let waiting = 0;
addEventListener('resize', () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { redraw(); player.redraw(); }, 100);
});
// Paper is light: pictures are drawn anew for it, and rows that nobody scrolled to are made.
addEventListener('beforeprint', () => {
  document.documentElement.classList.add('print');
  for (const table of Object.values(tables)) table.printable();
  redraw(true);
});
addEventListener('afterprint', () => {
  document.documentElement.classList.remove('print');
  redraw();
});
