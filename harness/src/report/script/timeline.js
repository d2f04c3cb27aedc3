/* A violation as operations: processes are rows, operations bars, and the impossible one is marked.
   This file holds the picture's contents, its measures and what a reader selects; `bars.js` draws. */

const ROW_HEIGHT = 38;
const HOLD_HEIGHT = 24;

function timeline(root, violation) {
  const picture = pictureOf(violation);
  const place = root.querySelector('.plot');
  const details = root.querySelector('.det');
  const show = () => {
    for (const bar of place.querySelectorAll('.op'))
      bar.classList.toggle('sel', bar.dataset.id === picture.selected);
    details.replaceChildren(...describeOperation(picture));
  };
  const select = (id) => {
    picture.selected = id;
    show();
  };
  const draw = (width) => {
    place.replaceChildren(drawTimeline(picture, width, select));
    scale(place);
    show();
  };
  const switched = (even) => {
    picture.even = even;
    draw(picture.width);
  };
  root.querySelector('.keys').append(...timelineKeys(picture), scaleSwitch(switched));
  responsive(place, draw);
}

/* What a violation's picture shows, whatever its width. */
function pictureOf(violation) {
  const data = violation.timeline;
  const operations = data.operations;
  const impossible = operations.find((one) => one.impossible) || operations.at(-1);
  const placed = operations.filter((one) => one.place).sort((a, b) => a.place - b.place);
  const times = eventTimes(data);
  const order = [...times.keys()].sort((a, b) => a - b);
  const groups = data.groups.length ? data.groups : [{ label: '', nodes: [''], cut: false }];
  const nodeOf = (process) => operations.find((one) => one.process === process).node;
  const rowsOf = (group) =>
    data.rows.filter((process) => !nodeOf(process) || group.nodes.includes(nodeOf(process)));
  return {
    data,
    key: violation.key,
    operations,
    impossible,
    placed,
    times,
    order,
    groups,
    nodeOf,
    rowsOf,
    from_s: Math.min(...times.values()),
    to_s: Math.max(...times.values()),
    even: true,
    selected: impossible.id,
    width: 0,
  };
}

/* The events of the picture by index, with their times: the order of indexes is the proof. */
function eventTimes(data) {
  const times = new Map();
  for (const one of data.operations) {
    times.set(one.index[0], one.invoke_s);
    if (one.complete_s != null) times.set(one.index[1], one.complete_s);
  }
  for (const mark of data.marks) times.set(mark.index, mark.at_s);
  for (const hold of data.must_hold) {
    times.set(hold.from_index, hold.from_s);
    times.set(hold.to_index, hold.to_s);
  }
  return times;
}

/* Where everything stands at a width: one even step for each event, or true time. */
function layoutOf(picture, width) {
  const narrow = width < 640;
  const left = narrow ? 56 : 92;
  const right = width - 6;
  const step = (right - left) / (picture.order.length + 0.6);
  const span = Math.max(picture.to_s - picture.from_s, 1e-6);
  const evenX = (index) => left + (picture.order.indexOf(index) + 0.5) * step;
  const trueX = (time) => left + 6 + ((time - picture.from_s) / span) * (right - left - 12);
  const x = (index, time) => (picture.even ? evenX(index) : trueX(time));
  const start = (one) => x(one.index[0], one.invoke_s);
  const end = (one) =>
    one.complete_s == null ? right : Math.max(x(one.index[1], one.complete_s), start(one) + 4);
  /* Where an operation is said to take effect; the one without an answer soon after it began. */
  const middle = (one, after) =>
    one.complete_s == null ? start(one) + after : (start(one) + end(one)) / 2;
  const layout = { width, narrow, left, right, span, trueX, x, start, end, middle };
  layout.letter = narrow ? 6.7 : 7.3;
  layout.top = picture.placed.length ? 58 : 10;
  stackRows(picture, layout);
  placeDots(picture, layout);
  const holds = picture.data.must_hold.length;
  layout.holdsTop = layout.bottom + 50;
  layout.height = holds ? layout.holdsTop + holds * HOLD_HEIGHT + 12 : layout.bottom + 22;
  return layout;
}

/* The rows of each group of nodes, one group below the other. */
function stackRows(picture, layout) {
  layout.rows = {};
  layout.heads = [];
  let y = layout.top + (picture.data.bands.length ? 22 : 0) + 4;
  for (const group of picture.groups) {
    const from = y;
    if (group.label) y += 24;
    for (const process of picture.rowsOf(group)) {
      layout.rows[process] = y + ROW_HEIGHT / 2;
      y += ROW_HEIGHT;
    }
    layout.heads.push({ group, from, to: y });
    y += 6;
  }
  layout.bottom = y;
}

/* The dots of the order, each a little to the right of the one before. */
function placeDots(picture, layout) {
  layout.dots = new Map();
  let before = -1;
  for (const one of picture.placed) {
    before = Math.max(layout.middle(one, 8), before + 6);
    layout.dots.set(one.id, before);
  }
}

function timelineKeys(picture) {
  const key = (text, ...shapes) => {
    const shape = svg('svg', { viewBox: '0 0 26 14', 'aria-hidden': 'true' }, ...shapes);
    return html('span', { class: 'key' }, shape, text);
  };
  const has = (outcome) => picture.operations.some((one) => one.outcome === outcome);
  const bar = (style) => box(2, 1.5, 22, 11, style);
  const ordered = picture.placed.length > 0;
  const ok = { rx: 2, fill: 'var(--okfill)', stroke: 'var(--ok)', 'stroke-width': 1.4 };
  const keys = [
    key(
      ordered ? 'ok, dot where it took effect' : 'ok',
      bar(ok),
      ordered ? svg('circle', { cx: 13, cy: 7, r: 3.8, fill: 'var(--ok)' }) : null,
    ),
  ];
  if (has('info')) {
    const open = { d: 'M26 1.5H2v11H26', fill: 'none', stroke: 'var(--info)' };
    const style = { 'stroke-width': 1.6, 'stroke-dasharray': '5 2' };
    const shapes = [svg('path', { ...open, ...style }), glyph('info', 9, 7, 3)];
    keys.push(key('info: no answer, open-ended', ...shapes));
  }
  if (has('fail')) keys.push(key('fail', bar({ fill: 'url(#h-fail)', stroke: 'var(--fail)' })));
  keys.push(key('impossible', glyph('bad', 13, 7, 7)));
  if (picture.data.bands.length)
    keys.push(key('fault window', box(0, 0, 26, 14, { fill: 'var(--band)' })));
  return keys;
}

/* Even steps by default, since order is the proof; true time on a switch. */
function scaleSwitch(switched) {
  const choices = [
    ['Even steps', true],
    ['True time', false],
  ].map(([text, even]) => [html('button', { type: 'button', 'aria-pressed': even }, text), even]);
  for (const [button, even] of choices) {
    button.addEventListener('click', () => {
      for (const [other] of choices) other.setAttribute('aria-pressed', other === button);
      switched(even);
    });
  }
  return html('span', { class: 'switch' }, ...choices.map(([button]) => button));
}

/* What stands below the picture of the selected operation. */
function describeOperation(picture) {
  const one = picture.operations.find((other) => other.id === picture.selected);
  const row = (name, value) =>
    value == null ? null : html('div', {}, html('dt', {}, name), html('dd', { class: 'n' }, value));
  const end = one.complete_s ?? one.gave_up_s;
  const style = one.impossible ? 'color:var(--bad);font-weight:700' : '';
  return [
    html('b', { class: 'm' }, one.f),
    ' ',
    html('span', { style }, sayOperation(picture, one)),
    html(
      'dl',
      {},
      row('process → node', one.node ? `${one.process} → ${one.node}` : one.process),
      row('invoked', seconds(one.invoke_s)),
      row(one.complete_s == null ? 'gave up' : 'completed', end == null ? 'never' : seconds(end)),
      row('took', end == null ? null : milliseconds((end - one.invoke_s) * 1000)),
      row('events', one.index.join(', ')),
      row('error', one.error),
    ),
  ];
}

function sayOperation(picture, one) {
  const { needs, holds } = picture.data;
  if (one.impossible)
    return needs ? `impossible: it needs ${needs}, and finds ${holds}` : 'this is what cannot be';
  if (one.complete_s == null)
    return 'no answer: may have happened at any time after its invocation, or never';
  if (one.place)
    return `placed ${one.place} of ${picture.placed.length}; the key then holds ${one.state}`;
  return one.outcome;
}
