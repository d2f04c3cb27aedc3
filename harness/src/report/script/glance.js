/* The run at a glance: the answered share of what was offered, the faults, the violations. */

const GLANCE_TOP = 24;
const GLANCE_BASE = 46;

function glance(place) {
  responsive(place, (width) => {
    const x = (time) => (Math.min(time, CHARTS.to_s) / CHARTS.to_s) * (width - 1);
    const figure = svg('svg', {
      width,
      height: GLANCE_BASE + 20,
      role: 'img',
      'aria-label':
        'The run at a glance: answered share of the offered load, ' +
        `${DATA.faults.length} faults, ${DATA.violations.length} violations`,
    });
    glanceFaults(figure, x, width);
    glanceShare(figure, x);
    figure.append(line(0, GLANCE_BASE, width, GLANCE_BASE));
    glanceViolations(figure, x, width);
    if (DATA.run.torn) {
      figure.append(
        line(width - 1, 0, width - 1, GLANCE_BASE, { stroke: 'var(--text)', 'stroke-width': 2 }),
        label(width - 6, 13, 'recording ends here', { 'text-anchor': 'end', class: 'halo' }),
      );
    }
    place.replaceChildren(figure);
  });
}

function glanceFaults(figure, x, width) {
  let free = -1;
  for (const fault of DATA.faults) {
    const [from, to] = [x(fault.start_s), x(fault.stop_s)];
    figure.append(band(fault, from, GLANCE_TOP - 4, to - from, GLANCE_BASE - GLANCE_TOP + 4));
    const long = fault.id + ' ' + fault.name;
    const name = width < 560 || to - from < long.length * 6.5 ? fault.id : long;
    if (from + 2 > free) {
      figure.append(label(from + 2, GLANCE_BASE + 14, name, { class: 'mu' }));
      free = from + 2 + name.length * 6.5;
    }
  }
}

/* Where nothing was offered there is no share: the line breaks. */
function glanceShare(figure, x) {
  const { answered, offered } = CHARTS.throughput;
  const start = (place) => windowStart(CHARTS.throughput, place);
  const end = (place) => windowEnd(CHARTS.throughput, place, offered.length);
  const shares = offered.map((all, place) => (all ? Math.min(1, answered[place] / all) : null));
  const y = (share) => GLANCE_BASE - (GLANCE_BASE - GLANCE_TOP) * share;
  shares.forEach((share, place) => {
    if (share == null) return;
    const from = x(start(place));
    const size = [x(end(place)) - from, GLANCE_BASE - y(share)];
    figure.append(box(from, y(share), ...size, { fill: 'var(--okfill)' }));
  });
  const d = steppedPath(shares, start, end, x, y);
  figure.append(svg('path', { d, fill: 'none', stroke: 'var(--ok)', 'stroke-width': 1.2 }));
}

/* Violations that stand too near each other share one mark. */
function glanceViolations(figure, x, width) {
  const marks = [];
  for (const violation of DATA.violations) {
    const last = marks.at(-1);
    if (last && Math.abs(x(violation.at_s) - x(last.at)) < 70) last.ids.push(violation.id);
    else marks.push({ at: violation.at_s, ids: [violation.id] });
  }
  for (const { at, ids } of marks) {
    const names = ids.length > 3 ? ids.length + ' violations' : ids.join(' ');
    const text = `${names} at ${at.toFixed(1)} s`;
    const right = x(at) + 13 + text.length * 7 < width;
    figure.append(
      line(x(at), 16, x(at), GLANCE_BASE, { stroke: 'var(--bad)', 'stroke-width': 1.5 }),
      glyph('bad', x(at), 9, 8),
      label(x(at) + (right ? 13 : -13), 13, text, {
        'text-anchor': right ? 'start' : 'end',
        style: BOLD_BAD,
      }),
    );
  }
  if (!marks.length || x(marks[0].at) > 130)
    figure.append(label(0, 13, 'answered / offered', { class: 'mu' }));
}
