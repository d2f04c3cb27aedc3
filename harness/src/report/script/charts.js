/* The charts: panels on one time axis, with one left gutter, one right gutter and one cursor. */

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600];
const ZOOM_MIN_S = 0.2;
/* A pointer that moved by no more than this was a tap. */
const TAP_PX = 8;

function charts(root) {
  const stack = root.querySelector('.stack');
  const chart = { root, stack, panels: panels(), width: 0, cursor: null };
  Object.assign(chart, { from: CHARTS.from_s, to: CHARTS.to_s });
  for (const panel of chart.panels) {
    panel.values = html('span', { class: 'r' });
    panel.place = html('div');
    const head = html('div', { class: 'phead' }, html('b', {}, panel.title), panel.values);
    stack.append(html('div', { class: 'panel' }, head, panel.place));
  }
  listenToPointers(chart);
  listenToKeys(chart);
  listenToButtons(chart);
  responsive(stack, (width) => drawCharts(chart, width));
  addEventListener('beforeprint', () => {
    Object.assign(chart, { from: CHARTS.from_s, to: CHARTS.to_s, cursor: null });
    drawCharts(chart, Math.min(chart.width, 720));
  });
  addEventListener('afterprint', () => drawCharts(chart, Math.floor(stack.clientWidth)));
}

/* From times to places and back. */
function axisOf(chart) {
  const narrow = chart.width < 560;
  const left = narrow ? 42 : 52;
  const width = chart.width - left - (narrow ? 30 : 40);
  const { from, to } = chart;
  const x = (time) => ((time - from) / (to - from)) * width;
  const time = (place) => from + (place / width) * (to - from);
  return { left, width, x, time };
}

function drawCharts(chart, width) {
  chart.width = width || chart.width;
  const last = chart.panels.length - 1;
  chart.panels.forEach((panel, i) => drawPanel(chart, panel, i < 2 || i === last));
  nameViolations(chart);
  scale(chart.stack);
  readCursor(chart);
}

function drawPanel(chart, panel, hasAxis) {
  const { left, width, x } = axisOf(chart);
  const height = panel.height;
  const figure = svg('svg', {
    width: chart.width,
    height: height + (hasAxis ? 20 : 4),
    role: 'img',
    'aria-label': panel.title,
  });
  /* A little room above and below, so that shapes at the edge are whole. */
  const cut = svg('svg', {
    x: 0,
    y: -8,
    width,
    height: height + 16,
    viewBox: `0 -8 ${width} ${height + 16}`,
    style: 'overflow:hidden',
  });
  const view = { x, width, height, from: chart.from, to: chart.to };
  Object.assign(view, { inside: svg('g'), outside: svg('g') });
  if (!panel.plain) {
    for (const fault of DATA.faults)
      cut.append(band(fault, x(fault.start_s), 0, x(fault.stop_s) - x(fault.start_s), height));
  }
  panel.draw(view);
  cut.append(view.inside);
  if (!panel.plain) {
    for (const { at_s } of shownViolations())
      cut.append(line(x(at_s), 0, x(at_s), height, { stroke: 'var(--bad)', 'stroke-width': 1.2 }));
  }
  panel.chosen = box(0, 0, 0, height, { fill: 'var(--okfill)', visibility: 'hidden' });
  panel.cursor = line(0, 0, 0, height, { stroke: 'var(--text)', visibility: 'hidden' });
  cut.append(panel.chosen, panel.cursor);
  panel.frame = svg('g', { transform: `translate(${left} 0)` }, cut, view.outside);
  if (hasAxis) drawTimes(chart, panel.frame, height);
  figure.append(panel.frame);
  panel.place.replaceChildren(figure);
}

function drawTimes(chart, frame, height) {
  const { width, x } = axisOf(chart);
  const { from, to } = chart;
  const fits = (step) => (to - from) / step <= Math.max(4, width / 70);
  const step = STEPS_S.find(fits) || 3600;
  for (let time = Math.ceil(from / step) * step; time <= to + 1e-9; time += step) {
    const name = +time.toFixed(2) + (time + step > to + 1e-9 ? ' s' : '');
    frame.append(label(x(time), height + 15, name, { 'text-anchor': 'middle', class: 'mu' }));
  }
}

const shownViolations = () => DATA.violations.filter((one) => one.at_s <= CHARTS.to_s);

/* In the first panel with a chart, where there is room. */
function nameViolations(chart) {
  const { width, x } = axisOf(chart);
  const { frame } = chart.panels.find((panel) => !panel.plain);
  let free = -99;
  for (const { id, at_s } of shownViolations()) {
    const at = x(at_s);
    if (at <= Math.max(0, free) || at >= width - 16) continue;
    frame.append(label(at + 5, 11, id, { style: BOLD_BAD, class: 'halo' }));
    free = at + 24;
  }
}

function legendShape(kind) {
  const dashes = { d: 'M0 6H14', stroke: 'var(--text)', 'stroke-dasharray': '4 2' };
  const shape = kind === 'offered' ? svg('path', dashes) : glyph(kind, 7, 6, 4);
  return svg('svg', { width: 14, height: 12, 'aria-hidden': 'true' }, shape);
}

/* Moves the cursor's line, and turns legends into values. */
function readCursor(chart) {
  const { cursor, from, to } = chart;
  const { x } = axisOf(chart);
  const visible = cursor != null && cursor >= from && cursor <= to;
  for (const panel of chart.panels) {
    const entry = ([kind, text]) => html('span', {}, kind ? legendShape(kind) : null, text);
    panel.values.replaceChildren(...panel.read(cursor).map(entry));
    panel.cursor.setAttribute('visibility', visible ? 'visible' : 'hidden');
    if (!visible) continue;
    panel.cursor.setAttribute('x1', x(cursor));
    panel.cursor.setAttribute('x2', x(cursor));
  }
  const shown = `${from.toFixed(1)} – ${to.toFixed(1)} s`;
  const text = cursor == null ? shown : `at ${cursor.toFixed(2)} s`;
  chart.root.querySelector('.at').textContent = text;
}

function moveCursor(chart, time) {
  const kept = (value) => Math.max(chart.from, Math.min(chart.to - 1e-6, value));
  chart.cursor = time == null ? null : kept(time);
  readCursor(chart);
}

/* For whoever cannot see the legends change. */
function sayCursor(chart) {
  if (chart.cursor == null) return;
  const values = (panel) => panel.read(chart.cursor).map(([, text]) => text);
  const says = chart.panels.map((panel) => `${panel.title}: ${values(panel).join(', ')}`);
  byId('live').textContent = `${chart.cursor.toFixed(2)} s. ${says.join('. ')}`;
}

function zoom(chart, from, to) {
  if (to - from < ZOOM_MIN_S) {
    const middle = (from + to) / 2;
    from = middle - ZOOM_MIN_S / 2;
    to = middle + ZOOM_MIN_S / 2;
  }
  chart.from = Math.max(CHARTS.from_s, from);
  chart.to = Math.min(CHARTS.to_s, to);
  if (chart.to - chart.from < ZOOM_MIN_S)
    Object.assign(chart, { from: CHARTS.from_s, to: CHARTS.to_s });
  drawCharts(chart);
}

/* Hover or tap moves the cursor, a drag zooms, a double click shows all. */
function listenToPointers(chart) {
  const { stack } = chart;
  let down = null;
  const placeOf = (event) =>
    event.clientX - stack.getBoundingClientRect().left - axisOf(chart).left;
  const timeOf = (event) => axisOf(chart).time(placeOf(event));
  const pointAt = (time) => moveCursor(chart, time < chart.from || time > chart.to ? null : time);
  const choose = (from, to) => {
    const { x } = axisOf(chart);
    for (const { chosen } of chart.panels) {
      chosen.setAttribute('visibility', from == null ? 'hidden' : 'visible');
      if (from == null) continue;
      chosen.setAttribute('x', x(from));
      chosen.setAttribute('width', x(to) - x(from));
    }
  };
  const release = () => {
    down = null;
    choose(null);
  };
  stack.addEventListener('pointermove', (event) => {
    const time = timeOf(event);
    if (down != null) choose(Math.min(down, time), Math.max(down, time));
    pointAt(time);
  });
  stack.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'mouse' && event.button) return;
    down = timeOf(event);
  });
  addEventListener('pointerup', (event) => {
    if (down == null) return;
    const [from, to] = [Math.min(down, timeOf(event)), Math.max(down, timeOf(event))];
    release();
    const { x } = axisOf(chart);
    if (x(to) - x(from) > TAP_PX) zoom(chart, from, to);
    else pointAt(timeOf(event));
  });
  stack.addEventListener('pointercancel', release);
  stack.addEventListener('pointerleave', (event) => {
    /* A finger that is lifted leaves, too; the cursor stays where it tapped. */
    if (event.pointerType !== 'touch' && down == null) moveCursor(chart, null);
  });
  stack.addEventListener('dblclick', () => zoom(chart, CHARTS.from_s, CHARTS.to_s));
}

function listenToKeys(chart) {
  chart.stack.addEventListener('keydown', (event) => {
    const width = chart.to - chart.from;
    const step = width / (event.shiftKey ? 10 : 82);
    const at = chart.cursor ?? (chart.from + chart.to) / 2;
    const go = (time) => {
      moveCursor(chart, time);
      sayCursor(chart);
    };
    const all = () => {
      moveCursor(chart, null);
      zoom(chart, CHARTS.from_s, CHARTS.to_s);
    };
    const actions = {
      ArrowRight: () => go(at + step),
      ArrowLeft: () => go(at - step),
      '+': () => zoom(chart, at - width / 4, at + width / 4),
      '=': () => zoom(chart, at - width / 4, at + width / 4),
      '-': () => zoom(chart, at - width, at + width),
      0: all,
      Escape: all,
    };
    const action = actions[event.key];
    if (!action) return;
    action();
    event.preventDefault();
  });
}

/* A button for the whole load, each fault and each violation. */
function listenToButtons(chart) {
  const buttons = [...chart.root.querySelectorAll('[data-zoom]')];
  for (const button of buttons) {
    button.addEventListener('click', () => {
      const [from, to] = button.dataset.zoom.split(' ').map(Number);
      zoom(chart, from, to);
      for (const other of buttons) other.setAttribute('aria-pressed', other === button);
    });
  }
}
