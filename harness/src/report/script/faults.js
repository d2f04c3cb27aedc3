/* A fault: whom it struck, and how the system took it. */

/* The nodes in a circle, with the links that a fault cut or slowed down. */
function topology(fault) {
  const nodes = DATA.run.nodes;
  const crowded = nodes.length > 12;
  const says = fault.cut.length
    ? fault.cut.map(([a, b]) => `${nodes[a]} and ${nodes[b]} cut`).join(', ')
    : `${fault.victims.join(', ')} ${fault.name}`;
  const figure = svg('svg', {
    width: 92,
    height: 92,
    role: 'img',
    'aria-label': `${fault.id}: ${says}`,
  });
  const at = (i) => {
    const angle = (i * 2 * Math.PI) / nodes.length;
    return [46 + 34 * Math.sin(angle), 48 - 34 * Math.cos(angle)];
  };
  topologyLinks(figure, fault, at, crowded);
  nodes.forEach((name, i) => topologyNode(figure, fault, name, at(i), crowded));
  topologyClients(figure, fault);
  return figure;
}

/* Clients that are processes stand in the middle, where a fault struck some. */
function topologyClients(figure, fault) {
  const struck = fault.victims.filter((name) => name.startsWith('c'));
  if (!struck.length) return;
  const inside = { killed: '✕', paused: '‖' }[fault.state] || '';
  const text = struck.length > 1 ? `c ×${struck.length}` : struck[0];
  figure.append(
    box(37, 30, 18, 18, { fill: 'var(--text)' }),
    label(46, 43, inside, { 'text-anchor': 'middle', style: 'fill:var(--bg);font-weight:700' }),
    label(46, 61, text, { 'text-anchor': 'middle', class: 'mu' }),
  );
}

function topologyLinks(figure, fault, at, crowded) {
  const count = DATA.run.nodes.length;
  const has = (pairs, a, b) => pairs.some((pair) => pair[0] === a && pair[1] === b);
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      if (has(fault.cut, a, b)) continue;
      const slow = has(fault.slow, a, b);
      const style = slow
        ? { stroke: 'var(--unsure)', 'stroke-width': 2.5, 'stroke-dasharray': '4 3' }
        : { stroke: 'var(--muted)', 'stroke-width': 1, opacity: crowded ? 0.2 : 0.55 };
      figure.append(line(...at(a), ...at(b), style));
    }
  }
}

/* A square for a node that was killed or paused, black for one that was cut off. */
function topologyNode(figure, fault, name, [x, y], crowded) {
  const r = crowded ? 4 : 10;
  const struck = fault.victims.includes(name);
  const state = struck ? fault.state : null;
  const solid = struck && fault.cut.length && fault.victims.length < DATA.run.nodes.length;
  figure.append(
    state
      ? box(x - r, y - r, 2 * r, 2 * r, { fill: 'var(--text)' })
      : svg('circle', {
          cx: x,
          cy: y,
          r,
          fill: solid ? 'var(--text)' : 'var(--bg)',
          stroke: struck ? 'var(--text)' : 'var(--muted)',
          'stroke-width': 1.5,
        }),
  );
  if (crowded) return;
  const number = name.replace(/^n/, '');
  const inside = { killed: '✕', paused: '‖' }[state] || number;
  figure.append(
    label(x, y + 4, inside, {
      'text-anchor': 'middle',
      style: state || solid ? 'fill:var(--bg);font-weight:700' : null,
    }),
  );
  if (!state) return;
  const left = x < 46;
  figure.append(
    label(x + (left ? -13 : 13), y + (y > 60 ? 4 : -6), number, {
      'text-anchor': left ? 'end' : 'start',
      class: 'mu',
    }),
  );
}

const MINI_TOP = 20;
const MINI_BASE = 74;
const MINI_GUTTER = 34;

/* The share of what was offered that was answered, from before a fault to some time after. */
function mini(place, fault) {
  const { from_s, step_s, answered_of_offered: shares } = fault.around;
  const to_s = from_s + shares.length * step_s;
  responsive(place, (width) => {
    const part = (time) => (Math.min(time, to_s) - from_s) / (to_s - from_s);
    const x = (time) => MINI_GUTTER + part(time) * (width - MINI_GUTTER - 4);
    const y = (share) => MINI_BASE - share * (MINI_BASE - MINI_TOP);
    const figure = svg('svg', {
      width,
      height: 110,
      role: 'img',
      'aria-label':
        `${fault.id}: share of operations that were answered, ` +
        `from 1 s before to ${to_s} s after its start`,
    });
    miniBands(figure, fault, x, to_s);
    for (const share of [0, 1]) {
      const name = share * 100 + (share ? ' %' : '');
      figure.append(
        line(MINI_GUTTER, y(share), width, y(share)),
        label(MINI_GUTTER - 6, y(share) + 4, name, { 'text-anchor': 'end', class: 'mu' }),
      );
    }
    const start = (i) => from_s + i * step_s;
    const d = steppedPath(shares, start, (i) => start(i + 1), x, y);
    figure.append(svg('path', { d, fill: 'none', stroke: 'var(--ok)', 'stroke-width': 1.6 }));
    for (let time = 0; time <= to_s; time += 2) {
      const last = time === to_s;
      const anchor = last ? 'end' : 'middle';
      const name = time + (last ? ' s' : '');
      figure.append(label(x(time), MINI_BASE + 14, name, { class: 'mu', 'text-anchor': anchor }));
    }
    miniMarks(figure, fault, x, to_s, width);
    if (!fault.proven) {
      const style = 'fill:var(--unsure);font-weight:700';
      figure.append(label(x(0) + 6, MINI_TOP + 22, 'no effect seen', { style }));
    }
    const axis = { 'text-anchor': 'end', class: 'mu' };
    figure.append(label(width, MINI_BASE + 30, 'seconds after its start', axis));
    place.replaceChildren(figure);
  });
}

/* The fault's own window, and fainter and named those of later faults that reach into the picture. */
function miniBands(figure, fault, x, to_s) {
  const height = MINI_BASE - MINI_TOP;
  const own = fault.stop_s - fault.start_s;
  figure.append(band(fault, x(0), MINI_TOP, x(own) - x(0), height));
  for (const other of DATA.faults) {
    const from = other.start_s - fault.start_s;
    if (other === fault || from <= 0 || from >= to_s) continue;
    const width = x(other.stop_s - fault.start_s) - x(from);
    figure.append(
      band(other, x(from), MINI_TOP, width, height, { opacity: 0.6 }),
      label(x(to_s) - 4, MINI_BASE - 6, other.id, { 'text-anchor': 'end', class: 'mu' }),
    );
  }
}

/* Moments above the chart, named where there is room. */
function miniMarks(figure, fault, x, to_s, width) {
  const diamond = svg('path', { d: 'M0 -5l5 5l-5 5l-5 -5Z', fill: 'var(--text)' });
  const tick = svg('path', {
    d: 'M-5 0l4 4l7 -8',
    stroke: 'var(--good)',
    'stroke-width': 2.4,
    fill: 'none',
  });
  const length_ms = (fault.stop_s - fault.start_s) * 1000;
  const recovered = fault.recovered_ms == null ? null : length_ms + fault.recovered_ms;
  const leads = fault.detected_by;
  const marks = [
    [fault.first_error_ms, [], glyph('info', 0, 0, 3.5)],
    [fault.detected_ms, leads ? [leads, leads.split(' ')[0] + ' leads'] : [], diamond],
    [recovered, ['recovered'], tick],
  ].filter(([time]) => time != null && time / 1000 < to_s);
  marks.forEach(([time, names, shape], i) => {
    const at = x(time / 1000);
    const next = marks[i + 1] ? x(marks[i + 1][0] / 1000) : width;
    shape.setAttribute('transform', `translate(${at} ${MINI_TOP - 10})`);
    figure.append(
      line(at, MINI_TOP - 4, at, MINI_BASE, { stroke: 'var(--muted)', 'stroke-dasharray': '1 3' }),
      shape,
    );
    const name = names.find((text) => at + 10 + text.length * 6.3 < next);
    if (name) figure.append(label(at + 10, MINI_TOP - 6, name, { class: 'mu' }));
  });
}
