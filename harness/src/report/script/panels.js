/* The panels of the charts, top to bottom. Each has a title, a height, `draw`, which draws what a
   view shows of it, and `read`, which tells its values at a time, or its legend for null, as
   [shape or null, text].

   A view is: x (from time to place), width, height, from and to (the times that are shown), inside
   (what is cut off at the edges) and outside (what is not). */

function panels() {
  const nodes = DATA.run.nodes;
  const metrics = CHARTS.metrics;
  const told = metrics && metrics.commit.some((scrapes) => scrapes.some(([, v]) => v != null));
  return [
    DATA.faults.length ? faultsPanel() : null,
    latencyPanel(),
    quantilesPanel(),
    throughputPanel(),
    nodes.length ? nodesPanel() : null,
    metrics && metrics.leader.length ? leadersPanel() : null,
    told ? commitsPanel() : null,
  ].filter((panel) => panel);
}

/* Lines across, with their values in the left gutter. */
function grid(view, y, values, name) {
  for (const value of values) {
    view.inside.append(line(0, y(value), view.width, y(value)));
    view.outside.append(
      label(-6, y(value) + 4, name(value), { 'text-anchor': 'end', class: 'mu' }),
    );
  }
}

/* About `count` round numbers from 0 to `most`. */
function ticks(most, count) {
  const raw = most / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  const values = [];
  for (let value = 0; value <= most * 1.0001; value += step) values.push(value);
  return values;
}

function short(value) {
  if (value >= 1e6) return value / 1e6 + 'M';
  return value >= 1e3 ? value / 1e3 + 'k' : value;
}

/* Overlapping faults go to lanes of their own. */
function faultLanes() {
  const lanes = [];
  for (const fault of DATA.faults) {
    const lane = lanes.find((one) => one.at(-1).stop_s <= fault.start_s);
    if (lane) lane.push(fault);
    else lanes.push([fault]);
  }
  return lanes;
}

function faultsPanel() {
  const lanes = faultLanes();
  const draw = ({ inside, x }) => {
    lanes.forEach((lane, i) => {
      for (const fault of lane) {
        const width = x(fault.stop_s) - x(fault.start_s);
        const name = width > 92 ? fault.id + ' ' + fault.name : fault.id;
        inside.append(
          band(fault, x(fault.start_s), 2 + i * 24, width, 20, {
            stroke: 'var(--band-line)',
            'stroke-dasharray': fault.proven ? 'none' : '3 3',
          }),
          label(x(fault.start_s) + 4, 16 + i * 24, name),
        );
      }
    });
  };
  const words = (fault) =>
    `${fault.id} ${fault.name}, ${fault.detail}${fault.proven ? '' : ' (unproven)'}`;
  const read = (time) => {
    if (time == null) return [[null, 'filled: proven by its probe; dashed: unproven']];
    const open = DATA.faults.filter((fault) => time >= fault.start_s && time < fault.stop_s);
    return [[null, open.length ? open.map(words).join('; ') : 'none']];
  };
  return { title: 'Faults', height: 24 * lanes.length, plain: true, draw, read };
}

function throughputPanel() {
  const series = CHARTS.throughput;
  const count = series.ok.length;
  const start = (place) => windowStart(series, place);
  const end = (place) => windowEnd(series, place, count);
  const draw = (view) => {
    const values = ticks(Math.max(1, ...series.offered), 3);
    const most = Math.max(values.at(-1), ...series.offered) * 1.06;
    const y = (value) => view.height - (value / most) * view.height;
    grid(view, y, values, (value) => short(value) + (value === values.at(-1) ? '/s' : ''));
    const space = view.x(1) - view.x(0) > 14 ? 1 : 0;
    for (let place = 0; place < count; place++) {
      const from = view.x(start(place));
      const width = Math.max(0.5, view.x(end(place)) - from - space);
      let base = 0;
      for (const outcome of OUTCOMES) {
        const value = series[outcome][place];
        if (!value) continue;
        const top = y(base + value);
        const style =
          outcome === 'ok'
            ? { fill: 'var(--ok)', opacity: 0.55 }
            : { fill: `url(#h-${outcome})`, stroke: COLORS[outcome], 'stroke-width': 0.6 };
        view.inside.append(box(from, top, width, y(base) - top, style));
        base += value;
      }
    }
    const d = steppedPath(series.offered, start, end, view.x, y);
    const style = { fill: 'none', stroke: 'var(--text)', 'stroke-dasharray': '4 2' };
    view.inside.append(svg('path', { d, ...style }));
  };
  const { shed, counts } = CHARTS.operations;
  const legend = {
    ok: '',
    fail: counts.mismatch ? ' (with compare-and-sets that found another value)' : '',
    info: '',
    offered: shed ? '; the gap below it was shed' : '',
  };
  const read = (time) =>
    Object.entries(legend).map(([name, more]) => {
      if (time == null) return [name, name + more];
      return [name, `${name} ${series[name][windowAt(series, time, count)] ?? '–'}/s`];
    });
  return { title: 'Throughput', height: 110, draw, read };
}

function nodesPanel() {
  const series = CHARTS.node_answered_share;
  const nodes = DATA.run.nodes;
  const draw = (view) => nodes.forEach((_, i) => drawNodeShare(view, series, i));
  const read = (time) => {
    if (time == null)
      return [[null, 'bar: 0 to 100 %; thick base: none answered; hatched: nothing sent']];
    return nodes.map((node, i) => {
      const share = series.nodes[i][windowAt(series, time, series.nodes[i].length)];
      return [null, `${node} ${share == null ? '–' : Math.round(share * 100) + ' %'}`];
    });
  };
  return { title: 'Share answered by node', height: nodes.length * 24, draw, read };
}

function drawNodeShare({ inside, outside, x, width }, series, node) {
  const base = node * 24 + 21;
  const shares = series.nodes[node];
  inside.append(line(0, base, width, base));
  outside.append(label(-6, base - 3, DATA.run.nodes[node], { 'text-anchor': 'end', class: 'mu' }));
  let d = '';
  shares.forEach((share, place) => {
    const from = x(windowStart(series, place));
    const to = x(windowEnd(series, place, shares.length));
    if (share == null) {
      inside.append(box(from, base - 17, to - from, 17, { fill: 'url(#h-none)' }));
      return;
    }
    d += `M${from} ${base}V${base - share * 17}H${to}V${base}Z`;
    if (share < 0.02)
      inside.append(
        line(from, base - 1.5, to, base - 1.5, { stroke: 'var(--fail)', 'stroke-width': 3 }),
      );
  });
  inside.append(svg('path', { d, fill: 'var(--ok)', opacity: 0.55 }));
}

function leadersPanel() {
  const nodes = DATA.run.nodes;
  const reigns = CHARTS.metrics.leader;
  const row = (node) => nodes.indexOf(node) * 22;
  const draw = (view) => {
    const { inside, outside, x, width } = view;
    for (const node of nodes) {
      inside.append(line(0, row(node) + 11, width, row(node) + 11));
      outside.append(label(-6, row(node) + 15, node, { 'text-anchor': 'end', class: 'mu' }));
    }
    for (const reign of reigns) {
      const from = x(reign.from_s);
      const long = Math.max(2, x(reign.to_s) - from);
      inside.append(box(from, row(reign.node) + 3, long, 16, { fill: 'var(--text)', rx: 2 }));
      if (long <= 16 || reign.term == null) continue;
      const style = 'fill:var(--bg);font-weight:700';
      const name = (long > 60 ? 'term ' : '') + reign.term;
      inside.append(label(Math.max(from, 0) + 5, row(reign.node) + 15, name, { style }));
    }
    drawTwoLeaders(view, reigns);
  };
  const words = ({ node, term }) => node + (term == null ? '' : ` (term ${term})`);
  const read = (time) => {
    if (time == null) return [[null, 'as scraped, once a second']];
    const now = reigns.filter((reign) => time >= reign.from_s && time < reign.to_s);
    return [[null, now.length ? now.map(words).join(' and ') : 'nobody']];
  };
  const title = 'Who says that it leads, with its term';
  return { title, height: nodes.length * 22, draw, read };
}

/* Two that say so at once. Between two scrapes nobody knows, so one step is not enough. */
function drawTwoLeaders({ inside, x, height }, reigns) {
  reigns.forEach((one, i) => {
    for (const other of reigns.slice(i + 1)) {
      const from = Math.max(one.from_s, other.from_s);
      const to = Math.min(one.to_s, other.to_s);
      if (to - from <= CHARTS.metrics.step_s * 1.01) continue;
      const width = x(to) - x(from);
      inside.append(
        box(x(from), 0, width, height, { fill: 'url(#h-bad)', opacity: 0.5 }),
        label(x(from) + 4, height - 6, width > 78 ? 'two leaders' : '2', {
          style: BOLD_BAD,
          class: 'halo',
        }),
      );
    }
  });
}

/* Lines from scrape to scrape, at the times at which they were answered. */
function commitsPanel() {
  const nodes = DATA.run.nodes;
  const { commit, step_s } = CHARTS.metrics;
  const told = commit.flat().flatMap(([, index]) => (index == null ? [] : [index]));
  const dashes = [null, '6 3', '2 3', '8 3 2 3', '1 2'];
  const draw = (view) => {
    const values = ticks(Math.max(1, ...told), 3);
    const most = Math.max(values.at(-1), ...told);
    const y = (value) => view.height - (value / most) * view.height;
    grid(view, y, values, short);
    commit.forEach((scrapes, i) => {
      let d = '';
      let drawing = false;
      for (const [time, index] of scrapes) {
        if (index != null)
          d += `${drawing ? 'L' : 'M'}${view.x(time).toFixed(1)} ${y(index).toFixed(1)}`;
        drawing = index != null;
      }
      view.inside.append(
        svg('path', {
          d,
          fill: 'none',
          stroke: i ? 'var(--muted)' : 'var(--text)',
          'stroke-width': i ? 1.2 : 2,
          'stroke-dasharray': dashes[i % dashes.length],
        }),
      );
    });
  };
  /* The last scrape that was due by then; at the end, the last that told anything. */
  const indexAt = (scrapes, time) => {
    if (time == null) return scrapes.findLast(([, index]) => index != null);
    return scrapes.findLast(([at]) => at <= time && time - at < 1.5 * step_s);
  };
  const read = (time) =>
    nodes.map((node, i) => {
      const index = indexAt(commit[i], time)?.[1];
      return [null, `${node} ${index == null ? 'no answer' : index.toLocaleString('en')}`];
    });
  return { title: 'Commit index', height: 96, draw, read };
}
