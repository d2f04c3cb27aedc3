/* The parts of a timeline, from the back to the front. */

function drawTimeline(picture, width, select) {
  picture.width = width;
  const layout = layoutOf(picture, width);
  const count = picture.operations.length;
  const figure = svg('svg', {
    width,
    height: layout.height,
    class: layout.narrow ? 'narrow' : null,
    role: 'group',
    'aria-label':
      `Timeline of the ${count} operations that matter. ` + 'Arrow keys move between operations.',
  });
  picture.data.bands.forEach((one, i) => drawBand(figure, layout, one, i));
  drawRows(figure, picture, layout);
  if (picture.placed.length) {
    drawStates(figure, picture, layout);
    drawImpossible(figure, picture, layout);
  }
  for (const process of picture.data.rows) {
    const row = picture.operations.filter((one) => one.process === process);
    drawRow(figure, picture, layout, row, select);
  }
  drawStamps(figure, picture, layout);
  if (picture.data.must_hold.length) drawHolds(figure, picture, layout);
  return figure;
}

/* A fault window behind everything, the cut side a little darker. */
function drawBand(figure, layout, one, number) {
  const { left, right, top, bottom } = layout;
  const from = one.from_index == null ? left : layout.x(one.from_index, one.from_s);
  const to = one.to_index == null ? right : layout.x(one.to_index, one.to_s);
  const width = Math.max(1, to - from);
  const edge = { stroke: 'var(--band-line)', 'stroke-width': 1.5 };
  figure.append(box(from, top, width, bottom - top, { fill: 'var(--band)' }));
  if (one.from_index != null) figure.append(line(from, top, from, bottom, edge));
  if (one.to_index != null)
    figure.append(line(to, top, to, bottom, { ...edge, 'stroke-dasharray': '3 3' }));
  for (const head of layout.heads) {
    if (!head.group.cut) continue;
    figure.append(box(from, head.from + 2, width, head.to - head.from - 2, { fill: 'var(--cut)' }));
  }
  /* Two names have room; more windows at once are named in the faults section. */
  if (number > 1) return;
  const since = one.from_index == null ? ' (since before)' : ' · ' + seconds(one.from_s);
  const text = one.id + since;
  const fits = from + 6 + text.length * 6.4 < right;
  figure.append(
    label(fits ? from + 6 : right - 4, top + 14 + (number ? 12 : 0), text, {
      class: 'halo',
      'text-anchor': fits ? 'start' : 'end',
    }),
  );
}

function drawRows(figure, picture, layout) {
  for (const { group, from } of layout.heads) {
    if (group.label) figure.append(label(0, from + 16, group.label, { class: 'mu halo' }));
    for (const process of picture.rowsOf(group)) {
      const y = layout.rows[process];
      const node = picture.nodeOf(process);
      figure.append(
        line(layout.left, y, layout.right, y),
        label(0, y + 4, process, { class: 'm', style: 'font-weight:700' }),
        label(layout.narrow ? 26 : 40, y + 4, node ? '→ ' + node : '', { class: 'mu' }),
      );
    }
  }
}

/* What the object holds, along the top, in the longest order that was found. Where nobody can say
   what it held before, the strip begins with the first operation. */
function drawStates(figure, picture, layout) {
  const parts = [];
  if (picture.data.initial != null) parts.push({ state: picture.data.initial, from: layout.left });
  for (const one of picture.placed) {
    if (!parts.length || one.state !== parts.at(-1).state)
      parts.push({ state: one.state, from: layout.dots.get(one.id) });
  }
  const name = layout.narrow ? 'holds' : 'key ' + (picture.key || '');
  figure.append(label(0, 40, name, { class: 'mu' }));
  parts.forEach(({ state, from }, i) => {
    const width = (parts[i + 1] ? parts[i + 1].from : layout.right) - from;
    const before = i === 0 && picture.data.initial != null;
    const fill = before ? 'var(--panel)' : 'var(--okfill)';
    figure.append(box(from, 24, width, 24, { fill, stroke: 'var(--ok)' }));
    const long = state.length * layout.letter;
    if (width <= 12 + long) return;
    const text = (width > 70 + long && !before ? 'holds ' : '') + state;
    figure.append(label(from + 6, 40, text, { class: 'm' }));
  });
  const style = { stroke: 'var(--ok)', 'stroke-dasharray': '1 3', 'stroke-width': 1.3 };
  for (const one of picture.placed) {
    const x = layout.dots.get(one.id);
    figure.append(line(x, 48, x, layout.rows[one.process], style));
  }
}

/* From what the object holds down to the operation that needs something else. */
function drawImpossible(figure, picture, layout) {
  const { impossible, data } = picture;
  const x = layout.middle(impossible, 12);
  const style = { stroke: 'var(--bad)', 'stroke-dasharray': '5 3', 'stroke-width': 1.6 };
  const text = `needs ${data.needs}, finds ${data.holds}`;
  const left = x - text.length * 7 > 0;
  figure.append(
    line(x, 56, x, layout.rows[impossible.process], style),
    glyph('bad', x, 48, 8),
    label(left ? Math.min(layout.right, x + 12) : Math.max(0, x - 12), 16, text, {
      'text-anchor': left ? 'end' : 'start',
      style: BOLD_BAD,
    }),
  );
}

/* The operations of one process. A label stands right of its bar, else left, else above. */
function drawRow(figure, picture, layout, row, select) {
  let used = layout.left;
  row.forEach((one, i) => {
    const limit = row[i + 1] ? layout.start(row[i + 1]) - 4 : layout.right;
    const bar = operationGroup(picture, layout, one, select);
    if (one.complete_s == null) drawOpenBar(bar, layout, one);
    else used = drawClosedBar(bar, layout, one, { limit, used });
    const [x, y] = [layout.start(one), layout.rows[one.process]];
    const width = Math.max(layout.end(one) - x + 20, 44);
    bar.append(box(x - 10, y - 18, width, 36, { class: 'hit' }));
    figure.append(bar);
  });
}

/* What the pointer, a finger and the keyboard can reach. */
function operationGroup(picture, layout, one, select) {
  const [x, y] = [layout.start(one), layout.rows[one.process]];
  const became = one.complete_s == null ? 'no answer, may have happened' : one.outcome;
  const bar = svg(
    'g',
    {
      class: 'op',
      tabindex: 0,
      role: 'button',
      'data-id': one.id,
      'aria-label':
        `${one.process} on ${one.node}: ${one.f}, ${became}` +
        (one.impossible ? ', impossible' : ''),
    },
    box(x - 4, y - 14, layout.end(one) - x + 8, 28, { class: 'ring', rx: 5 }),
  );
  for (const event of ['pointerenter', 'click', 'focus'])
    bar.addEventListener(event, () => select(one.id));
  bar.addEventListener('keydown', (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const { operations } = picture;
    const next = (operations.indexOf(one) + way + operations.length) % operations.length;
    bar.ownerSVGElement.querySelector(`[data-id=${operations[next].id}]`).focus();
  });
  return bar;
}

/* A long operation is cut; whoever selects it reads all of it below. */
function barText(layout, one) {
  const more = one.impossible ? ' impossible' : '';
  const room = Math.floor(((layout.right - layout.left) * 0.7) / layout.letter) - more.length;
  return (one.f.length > room ? one.f.slice(0, room - 1) + '…' : one.f) + more;
}

/* An operation without an answer has no end. */
function drawOpenBar(bar, layout, one) {
  const [from, to, y] = [layout.start(one), layout.end(one), layout.rows[one.process]];
  const style = { stroke: 'var(--info)', 'stroke-width': 1.8 };
  const outline = `M${to} ${y - 9}H${from}V${y + 9}H${to}`;
  const long = barText(layout, one) + ' · no answer, may have happened';
  const fits = to - from - 40 > long.length * layout.letter;
  bar.append(
    svg('path', { d: outline, fill: 'var(--bg)', 'stroke-dasharray': '6 3', ...style }),
    svg('path', { d: `M${to - 12} ${y - 5}l6 5l-6 5`, fill: 'none', ...style }),
    glyph(one.impossible ? 'bad' : 'info', from + 12, y, one.impossible ? 8 : 4),
    label(from + 24, y + 4, fits ? long : barText(layout, one), { class: 'm halo' }),
  );
}

/* Returns how far to the right the row is now taken. */
function drawClosedBar(bar, layout, one, { limit, used }) {
  const [from, to, y] = [layout.start(one), layout.end(one), layout.rows[one.process]];
  const color = one.outcome === 'fail' ? 'var(--fail)' : 'var(--ok)';
  const fill = one.outcome === 'fail' ? 'url(#h-fail)' : 'var(--okfill)';
  const ground = one.impossible ? 'url(#h-bad)' : 'var(--bg)';
  const style = one.impossible
    ? { fill: 'none', stroke: 'var(--bad)', 'stroke-width': 2.2 }
    : { fill, stroke: color, 'stroke-width': 1.4 };
  bar.append(
    box(from, y - 9, to - from, 18, { rx: 2, fill: ground }),
    box(from, y - 9, to - from, 18, { rx: 2, ...style }),
  );
  if (one.impossible) bar.append(glyph('bad', layout.middle(one, 12), y, 8));
  else if (one.place) bar.append(glyph('ok', layout.dots.get(one.id), y, 5.2));
  const width = barText(layout, one).length * layout.letter + 4;
  let at = { x: to + 7, y: y + 4, anchor: 'start' };
  if (to + 7 + width > limit) {
    at = { x: from - 7, y: y + 4, anchor: 'end' };
    if (from - 7 - width <= used) {
      const x = Math.max(layout.left, Math.min(from, layout.right - width));
      at = { x, y: y - 13, anchor: 'start' };
    }
  }
  bar.append(
    label(at.x, at.y, barText(layout, one), {
      class: 'm halo',
      'text-anchor': at.anchor,
      style: one.impossible ? BOLD_BAD : null,
    }),
  );
  return at.anchor === 'start' ? at.x + width : to;
}

/* Times: in even steps those of the events that fit, the impossible one first; in true time a scale. */
function drawStamps(figure, picture, layout) {
  const y = layout.bottom + 14;
  const taken = [];
  const stamp = (wanted, text) => {
    const x = Math.min(wanted, layout.right - 20);
    const half = text.length * 3.4 + 4;
    if (taken.some(([from, to]) => x + half > from && x - half < to)) return;
    taken.push([x - half, x + half]);
    figure.append(label(x, y, text, { 'text-anchor': 'middle', class: 'mu' }));
  };
  if (picture.even) {
    const marks = picture.data.marks.map((mark) => mark.index);
    for (const index of [picture.impossible.index[0], ...marks, ...picture.order]) {
      const time = picture.times.get(index);
      stamp(layout.x(index, time), time.toFixed(3));
    }
    figure.append(label(0, y, layout.narrow ? 'at, s' : 'at, seconds', { class: 'mu' }));
    return;
  }
  const room = (layout.right - layout.left) / 60;
  const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
  const step = steps.find((one) => layout.span / one < room) || 30;
  const { from_s, to_s } = picture;
  for (let time = Math.ceil(from_s / step) * step; time <= to_s; time += step)
    stamp(layout.trueX(time), time.toFixed(step < 0.1 ? 3 : 1));
  figure.append(label(0, y, 'seconds', { class: 'mu' }));
}

/* Two values that one register would have to hold at once: the proof in one picture. */
function drawHolds(figure, picture, layout) {
  const holds = picture.data.must_hold;
  const top = layout.holdsTop;
  const moment = holds.some((hold) => !hold.throughout);
  const long =
    'Each value must hold from its first completion to its last invocation' +
    (moment ? ' (dashed: at some moment in between)' : '') +
    '. A register holds one value at a time.';
  const brief = 'Must hold' + (moment ? '; dashed: at some moment' : '');
  figure.append(label(0, top - 8, layout.narrow ? brief : long, { class: 'mu' }));
  const from = (hold) => layout.x(hold.from_index, hold.from_s);
  const to = (hold) => layout.x(hold.to_index, hold.to_s);
  const [start, end] = [Math.max(...holds.map(from)), Math.min(...holds.map(to))];
  const style = { fill: 'url(#h-bad)', stroke: 'var(--bad)', opacity: 0.55 };
  figure.append(box(start, top, Math.max(2, end - start), holds.length * HOLD_HEIGHT + 4, style));
  holds.forEach((hold, i) => {
    const y = top + 4 + i * HOLD_HEIGHT;
    drawHold(figure, layout, hold, [from(hold), to(hold), y]);
  });
}

/* The value stands on its bar where it fits, otherwise beside it. */
function drawHold(figure, layout, hold, [from, to, y]) {
  const width = hold.value.length * layout.letter;
  const inside = to - from > width + 24;
  const beside = to + 8 + width < layout.right ? to + 8 + width / 2 : from - 8 - width / 2;
  const middle = inside ? (from + to) / 2 : beside;
  const style = { stroke: 'var(--text)', 'stroke-width': 1.6, fill: 'none' };
  figure.append(
    svg('path', { d: `M${from} ${y}v16M${to} ${y}v16`, ...style }),
    line(from, y + 8, to, y + 8, { ...style, 'stroke-dasharray': hold.throughout ? null : '3 2' }),
    box(middle - width / 2 - 4, y, width + 8, 16, { fill: 'var(--bg)' }),
    label(middle, y + 12, hold.value, {
      class: 'm halo',
      'text-anchor': 'middle',
      style: 'font-weight:700',
    }),
  );
}
