/* The two panels of latency. What a panel is, `panels.js` says. */

/* Fixed decades, so that runs compare: 0.1 ms to 2 s, and more only where something took longer. */
function latencyAxis() {
  let top = 2000;
  while (CHARTS.slowest_ms > top) top *= 10;
  const decades = [];
  for (let value = 0.1; value < top; value *= 10) decades.push(+value.toPrecision(1));
  const share = (value) => {
    const kept = Math.max(0.1, Math.min(top, value));
    return Math.log10(kept / 0.1) / Math.log10(top / 0.1);
  };
  const name = (value) => (value >= 1000 ? value / 1000 + ' s' : value + ' ms');
  return { decades, name, y: (height) => (value) => height - share(value) * height };
}

/* The times of the operations that are drawn one by one; the data holds their differences. */
function operationTimes() {
  const times = new Float64Array(CHARTS.operations.due_delta_ms.length);
  let time_ms = 0;
  CHARTS.operations.due_delta_ms.forEach((delta, i) => {
    time_ms += delta;
    times[i] = time_ms / 1000;
  });
  return times;
}

function latencyPanel() {
  const axis = latencyAxis();
  const operations = CHARTS.operations;
  const times = operationTimes();
  const draw = (view) => {
    const y = axis.y(view.height);
    grid(view, y, axis.decades, axis.name);
    drawColumns(view, y);
    drawPoints(view, y, times);
  };
  const around = (time) => {
    const counts = [0, 0, 0];
    times.forEach((at, i) => {
      if (Math.abs(at - time) <= 0.25) counts[+operations.outcome[i]]++;
    });
    for (const column of operations.columns)
      if (Math.abs(column.at_s - time) <= 0.25) counts[column.outcome] += column.count;
    return counts;
  };
  const read = (time) => {
    if (time != null) {
      const counts = around(time);
      const shown = OUTCOMES.map((outcome, i) => [outcome, `${outcome} ${counts[i]}`]);
      return [...shown, [null, 'within ± 0.25 s']];
    }
    const { counts } = operations;
    const mismatch = counts.mismatch
      ? `, of which ${counts.mismatch.toLocaleString('en')} were answered: another value found`
      : '';
    const more = (outcome) => (outcome === 'fail' ? mismatch : '');
    return OUTCOMES.map((outcome) => [
      outcome,
      `${outcome} ${counts[outcome].toLocaleString('en')}${more(outcome)}`,
    ]);
  };
  const columns = operations.sampled ? ' (columns: min to max light, p50 to p99 dark)' : '';
  return { title: 'Latency from the intended start' + columns, height: 220, draw, read };
}

/* Where there are too many operations for a point each. */
function drawColumns({ inside, x, from, to }, y) {
  for (const column of CHARTS.operations.columns) {
    if (column.at_s < from || column.at_s > to) continue;
    const stroke = COLORS[OUTCOMES[column.outcome]];
    const bar = (low, high) => `M${x(column.at_s)} ${y(low)}V${y(high) - 0.5}`;
    inside.append(
      svg('path', { d: bar(column.min, column.max), stroke, opacity: 0.3 }),
      svg('path', {
        d: bar(column.p50, column.p99),
        stroke,
        'stroke-width': 1.4,
        opacity: 0.8,
      }),
    );
  }
}

/* One path for each outcome, since thousands of elements would make the page slow. */
function drawPoints({ inside, x, from, to }, y, times) {
  const shapes = [
    (left, top) => `M${left} ${top}h.01`,
    (left, top) => `M${left - 3} ${+top + 2.4}l3 -5.4l3 5.4z`,
    (left, top) => `M${left - 3} ${top - 3}l6 6m0 -6l-6 6`,
  ];
  const paths = ['', '', ''];
  times.forEach((time, i) => {
    if (time < from || time > to) return;
    const outcome = +CHARTS.operations.outcome[i];
    const left = x(time).toFixed(1);
    const top = y(CHARTS.operations.latency_us[i] / 1000).toFixed(1);
    paths[outcome] += shapes[outcome](left, top);
  });
  const styles = [
    { 'stroke-width': 2.4, 'stroke-linecap': 'round', opacity: 0.5 },
    { 'stroke-width': 1.1 },
    { 'stroke-width': 1.5 },
  ];
  paths.forEach((d, i) =>
    inside.append(svg('path', { d, stroke: COLORS[OUTCOMES[i]], fill: 'none', ...styles[i] })),
  );
}

function quantilesPanel() {
  const axis = latencyAxis();
  const series = CHARTS.quantiles;
  const count = series.p50.length;
  const start = (place) => windowStart(series, place);
  const end = (place) => windowEnd(series, place, count);
  const styles = { max: ['1 3', 1.2], p99: [null, 2], p90: ['5 3', 1.5], p50: [null, 1.1] };
  const draw = (view) => {
    const y = axis.y(view.height);
    grid(view, y, axis.decades, axis.name);
    let free = -99;
    for (const [name, [dashes, width]] of Object.entries(styles)) {
      const chief = name === 'p99';
      view.inside.append(
        svg('path', {
          d: steppedPath(series[name], start, end, view.x, y),
          fill: 'none',
          stroke: chief ? 'var(--ok)' : 'var(--text)',
          'stroke-width': width,
          'stroke-dasharray': dashes,
        }),
      );
      const last = series[name][windowAt(series, view.to - 1e-9, count)];
      if (last == null) continue;
      free = Math.max(y(last) + 4, free + 13);
      const style = chief ? 'fill:var(--ok);font-weight:700' : null;
      view.outside.append(label(view.width + 6, free, name, { style }));
    }
  };
  const read = (time) => {
    const names = ['p50', 'p90', 'p99', 'max'];
    if (time == null)
      return [...names.map((name) => [null, name]), [null, `in windows of ${series.step_s} s`]];
    const at = windowAt(series, time, count);
    return names.map((name) => [null, `${name} ${milliseconds(series[name][at])}`]);
  };
  return { title: 'Latency of ok', height: 130, draw, read };
}
