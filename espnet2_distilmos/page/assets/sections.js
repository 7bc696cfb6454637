// The parts of the page, from top to bottom.
const SHOWN_GROUPS = 12;
const N_WORST = 20;
const BY_SCORE = [...SCORED].sort((a, b) => CLIPS[a].score - CLIPS[b].score);

function showHeader() {
  $('title').textContent = DATA.title;
  $('predicts').textContent = `${plural(SCORED.length, 'clip')} scored; ${DATA.predicts}.`;
  $('notes').replaceChildren(...DATA.notes.map((text) => make('li', { text })));
  $('model').textContent = `Model: ${DATA.model}.`;
}

function axisOf(values, ends) {
  const low = Math.min(...ends, ...values), high = Math.max(...ends, ...values);
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

function showGroups() {
  const scores = SCORED.map((i) => CLIPS[i].score);
  const [low, high] = axisOf(scores, DATA.scale);
  const lines = GROUPS.map((group, g) => {
    const own = SCORED.filter((i) => CLIPS[i].group === g && !CLIPS[i].silent).map((i) => CLIPS[i].score);
    const name = make('button', { type: 'button', title: 'Show its clips', click: () => filterBy(g) },
      make('span', { class: 'swatch' }), make('span', { class: 'name', text: group.name }));
    name.firstChild.style.background = colour(g);
    const figures = make('div', { class: 'figures number', text: fixed(group.mean) });
    if (group.interval) figures.append(` ${between(group.interval)}`);
    const failed = group.failed ? `, ${group.failed} not scored` : '';
    const silent = group.silent ? `, ${group.silent} silent left out` : '';
    const spread = group.deviation === undefined ? '' : `, deviation ${fixed(group.deviation)}`;
    figures.append(make('small', { text: `${plural(group.n, 'clip')}${spread}${failed}${silent}` }));
    const label = `${group.name}: mean ${fixed(group.mean)}`;
    return make('div', { class: 'group' }, name, figures,
      histogram(own, low, high, colour(g), group.mean, group.interval, label));
  });
  const axis = make('div', { class: 'group' }, make('span'), make('span'), axisBelow(low, high));
  const rest = lines.slice(SHOWN_GROUPS);
  const all = make('button', { type: 'button', class: 'more', text: `Show all ${lines.length} ${DATA.grouped_by}s`,
    click: () => { axis.before(...rest); all.remove(); } });
  $('groups').replaceChildren(...lines.slice(0, SHOWN_GROUPS), axis, ...(rest.length ? [all] : []));
  $('groups-hint').textContent =
    `Bars: clips. Dot and line: mean and its 95 % interval (Student's t), which says how well the mean of such clips is known, not how far the model is from listeners. Axis: ${DATA.axis}.`;
}

function showPairs() {
  if (!DATA.pairs.length) return;
  const named = (p) => `${GROUPS[p.b].name} minus ${GROUPS[p.a].name}`;
  $('pairs').hidden = false;
  $('pair-choice').hidden = DATA.pairs.length < 2;
  $('pair').replaceChildren(...DATA.pairs.map((p, i) => make('option', { value: i, text: named(p) })));
  const select = () => showPair(DATA.pairs[Number($('pair').value)], named);
  $('pair').addEventListener('change', select);
  select();
}

function showPair(pair, named) {
  const rows = [...TWINS.values()]
    .map((twins) => [pair.a, pair.b].map((g) => twins.find((i) => CLIPS[i].group === g)))
    .filter((both) => both.every((i) => i !== undefined && CLIPS[i].score !== null && !CLIPS[i].silent))
    .map(([a, b]) => ({ a, b, key: CLIPS[a].key, difference: CLIPS[b].score - CLIPS[a].score }));
  const p = pair.p_holm < 0.0015 ? '≤ 0.001' : `= ${pair.p_holm.toFixed(3)}`;
  const corrected = DATA.pairs.length > 1 ? `, corrected for ${DATA.pairs.length} pairs (Holm)` : '';
  const alone = [pair.a, pair.b].map((g) => GROUPS[g].n - pair.n).reduce((x, y) => x + y);
  $('pair-result').replaceChildren(
    make('strong', { class: 'name', text: `${named(pair)}: ${signed(pair.difference)}` }),
    ` ${between(pair.interval)}, p ${p}${corrected}; ${pair.n} shared clips` +
      (alone ? `, ${plural(alone, 'clip')} without a partner left out.` : '.') +
      ` 95 % interval: ${pair.method} over clips.`,
  );
  const [low, high] = axisOf(rows.map((row) => row.difference), [0, 0]);
  $('pair-chart').replaceChildren(
    histogram(rows.map((row) => row.difference), low, high, colour(pair.b), pair.difference,
      pair.interval, 'differences of all shared clips', true),
    axisBelow(low, high),
  );
  const side = (which) => ({
    label: GROUPS[pair[which]].name, figure: true, value: (row) => CLIPS[row[which]].score,
    fill: (cell, row) => cell.append(playButton(row[which], () => order(which), fixed(CLIPS[row[which]].score))),
  });
  forget($('pair-table'));
  const order = (which) => table.rows().map((row) => row[which]);
  const table = makeTable($('pair-table'), [
    { label: 'clip', kind: 'title', value: (row) => row.key, fill: (cell, row) => cell.append(make('span', { class: 'name', text: row.key })) },
    side('a'), side('b'),
    { label: 'difference', figure: true, value: (row) => row.difference, fill: (cell, row) => cell.append(signed(row.difference)) },
  ], 'Shared clips', 3, false, (row) => ({ 'data-clip': `${row.a} ${row.b}` }));
  table.fill(rows);
  tables.pairs = table;
}

function showWorst() {
  const worst = BY_SCORE.slice(0, N_WORST);
  $('worst-heading').textContent = worst.length < N_WORST ? 'Lowest scores first' : `The ${N_WORST} lowest scores`;
  $('worst-heading').parentElement.hidden = !worst.length;
  $('worst').replaceChildren(...worst.map((i) => {
    const clip = CLIPS[i];
    const group = GROUPS.length > 1 ? GROUPS[clip.group].name : '';
    const button = make('button', { type: 'button', class: 'card', 'data-clip': i, click: () => player.toggle(i, worst) },
      make('span', { class: 'top' }, make('span', { class: 'name', text: shortName(clip) }), make('strong', { class: 'number', text: fixed(clip.score) })),
      smallPicture(clip),
      make('span', { class: 'under', text: [group, clip.seconds && `${clip.seconds.toFixed(1)} s`].filter(Boolean).join(' · ') }));
    button.lastChild.append(' ');
    fillWarnings(button.lastChild, clip);
    return make('li', {}, button);
  }));
}

function showFailures() {
  const failed = CLIPS.filter((clip) => clip.score === null);
  $('failed').hidden = !failed.length;
  $('failed-heading').textContent = `${plural(failed.length, 'clip')} without a score`;
  $('failures').replaceChildren(...failed.map((clip) =>
    make('li', {}, make('span', { class: 'name', text: clip.name }), make('span', { class: 'problem', text: ` ${clip.error || ''}` }))));
}
