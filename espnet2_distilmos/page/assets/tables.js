// Tables that sort. Rows are made a hundred at a time, as one scrolls to them.
const AT_A_TIME = 100;
const MOST_PRINTED = 500;

// columns: {label, value(row), fill(cell, row), figure, kind}; without `value`, no sorting.
function makeTable(place, columns, caption, start, descending, rowOf) {
  let rows = [], shown = 0, sortBy = start, down = descending;
  const body = make('tbody', { role: 'rowgroup' });
  const more = make('button', { type: 'button', class: 'more', click: () => append(AT_A_TIME) });
  const heads = columns.map((column, i) => {
    const kind = [column.figure && 'figure', !column.value && 'silent', column.kind];
    const head = make('th', { role: 'columnheader', scope: 'col', class: kind.filter(Boolean).join(' ') });
    if (column.value) head.dataset.label = column.label;
    if (column.value) head.append(make('button', { type: 'button', text: column.label, click: () => sort(i) }));
    else head.append(make('span', { text: column.label }));
    return head;
  });
  const top = make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' }, ...heads));
  const table = make('table', { role: 'table', 'aria-label': caption }, top, body);
  place.replaceChildren(table, more);
  new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && append(AT_A_TIME),
    { rootMargin: '400px' },
  ).observe(more);

  function compare(a, b) {
    const { value } = columns[sortBy];
    const x = value(a), y = value(b);
    const noX = x === null || x === undefined, noY = y === null || y === undefined;
    if (noX || noY) return noX - noY; // what has no value comes last, both ways
    const order = typeof x === 'string' ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return down ? -order : order;
  }

  function sort(i) {
    down = i === sortBy ? !down : false;
    sortBy = i;
    fill(rows);
  }

  function fill(given) {
    rows = [...given].sort(compare);
    heads.forEach((head, i) => {
      if (!columns[i].value) return;
      const order = down ? 'descending' : 'ascending';
      head.setAttribute('aria-sort', i === sortBy ? order : 'none');
    });
    forget(body);
    body.replaceChildren();
    shown = 0;
    append(AT_A_TIME);
  }

  function append(count) {
    for (const row of rows.slice(shown, shown + count)) {
      const line = make('tr', { role: 'row', ...rowOf(row) });
      for (const column of columns) {
        const kind = [column.figure && 'figure number', column.kind].filter(Boolean).join(' ');
        const label = column.kind === 'title' || !column.value ? null : column.label;
        const cell = make('td', { role: 'cell', class: kind, 'data-label': label });
        column.fill(cell, row);
        if (!cell.hasChildNodes()) cell.classList.add('empty');
        line.append(cell);
      }
      body.append(line);
    }
    shown = Math.min(shown + count, rows.length);
    more.hidden = shown >= rows.length;
    more.textContent = `Show more (${rows.length - shown} left)`;
    markCurrent();
  }

  return { fill, rows: () => rows, printable: () => append(Math.max(MOST_PRINTED - shown, 0)) };
}

const playButton = (i, order, text) =>
  make('button', {
    type: 'button', class: 'play', 'data-plays': i,
    'aria-label': text ? `Play ${CLIPS[i].name}, ${text}` : `Play ${CLIPS[i].name}`,
    click: () => player.toggle(i, order()),
  }, icon('play'), text ? ` ${text}` : '');

// Mark the clip in the player wherever it is listed.
function markCurrent() {
  for (const element of document.querySelectorAll('[data-clip]')) {
    const on = element.dataset.clip.split(' ').includes(String(player.current));
    if (on) element.setAttribute('aria-current', 'true');
    else element.removeAttribute('aria-current');
  }
  for (const button of document.querySelectorAll('[data-plays]')) {
    button.classList.toggle('on', Number(button.dataset.plays) === player.current);
  }
}

function warningsOf(clip) {
  return [...(clip.warnings || []), ...(clip.note && !clip.embedded ? [clip.note] : [])];
}

function fillWarnings(cell, clip) {
  cell.append(...warningsOf(clip).map((text) => make('span', { class: 'tag', text })));
}
