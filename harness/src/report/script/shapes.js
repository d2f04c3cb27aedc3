'use strict';
/* What every figure is made of: elements, texts, the shapes of outcomes, windows of faults.
   All text reaches the page through text nodes: values of the system under test are never markup. */

addEventListener('error', (event) => {
  document.documentElement.dataset.failed = event.message;
});

const DATA = JSON.parse(document.getElementById('report-data').textContent);
/* The run over time; null if no load was put on the system. */
const CHARTS = DATA.charts;
const OUTCOMES = ['ok', 'fail', 'info'];
const COLORS = { ok: 'var(--ok)', fail: 'var(--fail)', info: 'var(--info)' };
const BOLD_BAD = 'fill:var(--bad);font-weight:700';

const byId = (id) => document.getElementById(id);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    if (value != null) element.setAttribute(name, value);
  for (const child of children) if (child != null) element.append(child);
  return element;
}
const svg = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
const html = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);
const label = (x, y, text, attributes = {}) => svg('text', { x, y, ...attributes }, text);
const line = (x1, y1, x2, y2, attributes = {}) =>
  svg('line', { x1, y1, x2, y2, stroke: 'var(--line)', ...attributes });
const box = (x, y, width, height, attributes = {}) =>
  svg('rect', { x, y, width: Math.max(0, width), height, ...attributes });

const seconds = (time) => time.toFixed(3) + ' s';
function milliseconds(value) {
  if (value == null) return '–';
  if (value >= 1000) return (value / 1000).toFixed(2) + ' s';
  return (value < 10 ? +value.toPrecision(2) : Math.round(value)) + ' ms';
}

/* One shape per outcome, everywhere: dot = ok, triangle = fail, cross = info, and an octagon with a
   cross for what is impossible. */
function glyph(kind, x, y, r = 4) {
  if (kind === 'ok') return svg('circle', { cx: x, cy: y, r: r * 0.75, fill: 'var(--ok)' });
  if (kind === 'fail') {
    const d = `M${x - r} ${y + r * 0.8}L${x} ${y - r}L${x + r} ${y + r * 0.8}Z`;
    return svg('path', { d, fill: 'none', stroke: 'var(--fail)', 'stroke-width': 1.6 });
  }
  if (kind === 'info') {
    const d = `M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`;
    return svg('path', { d, stroke: 'var(--info)', 'stroke-width': 1.8, fill: 'none' });
  }
  const a = r * 0.41;
  const c = r * 0.42;
  const corners = [
    [-a, -r],
    [a, -r],
    [r, -a],
    [r, a],
    [a, r],
    [-a, r],
    [-r, a],
    [-r, -a],
  ];
  const points = corners.map(([dx, dy]) => `${x + dx},${y + dy}`).join(' ');
  const d = `M${x - c} ${y - c}l${2 * c} ${2 * c}m0 ${-2 * c}l${-2 * c} ${2 * c}`;
  return svg(
    'g',
    {},
    svg('polygon', { points, fill: 'var(--bad)' }),
    svg('path', {
      d,
      stroke: 'var(--on-bad)',
      'stroke-width': Math.max(1.6, r * 0.22),
      fill: 'none',
    }),
  );
}

/* The window of a fault: filled if it was proven, dashed otherwise. */
const band = (fault, x, y, width, height, more = {}) =>
  box(x, y, Math.max(1, width), height, {
    fill: fault.proven ? 'var(--band)' : 'none',
    stroke: fault.proven ? null : 'var(--band-line)',
    'stroke-dasharray': '3 3',
    ...more,
  });

/* The windows of a series: equal ones, but for the last, which ends with the load. */
const windowStart = (series, place) => place * series.step_s;
const windowEnd = (series, place, count) =>
  place + 1 === count ? CHARTS.to_s : (place + 1) * series.step_s;
const windowAt = (series, time, count) => Math.min(count - 1, Math.floor(time / series.step_s));

/* A stepped line. Where a value is missing, it breaks: nothing is interpolated. */
function steppedPath(values, startOf, endOf, x, y) {
  let d = '';
  let drawing = false;
  values.forEach((value, place) => {
    if (value == null) {
      drawing = false;
      return;
    }
    const height = y(value).toFixed(1);
    const start = x(startOf(place)).toFixed(1);
    const end = x(endOf(place)).toFixed(1);
    d += `${drawing ? 'L' : 'M'}${start} ${height}L${end} ${height}`;
    drawing = true;
  });
  return d;
}

/* A viewBox on every figure, so that print can scale what it has no time to redraw. */
function scale(place) {
  for (const figure of place.querySelectorAll('svg[role][width]')) {
    const size = `${figure.getAttribute('width')} ${figure.getAttribute('height')}`;
    figure.setAttribute('viewBox', '0 0 ' + size);
  }
}

/* Draws a figure now, and again whenever its place changes its width. */
function responsive(place, drawAt) {
  let width = 0;
  const draw = (wanted) => {
    drawAt(wanted);
    scale(place);
  };
  if (place.classList.contains('mini')) {
    addEventListener('beforeprint', () => draw(290));
    addEventListener('afterprint', () => draw(width));
  }
  new ResizeObserver(() => {
    const now = Math.floor(place.clientWidth);
    if (now && now !== width) draw((width = now));
  }).observe(place);
  draw((width = Math.floor(place.clientWidth)));
}
