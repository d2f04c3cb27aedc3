//! Operations as bars: a row for each process, from the invocation to the completion, and without an
//! end where none was seen.

use super::axis::Axis;
use super::canvas::{Canvas, MARGIN};
use super::letters::Letters;
use crate::report::data::{Band, Operation, Timeline};

const BAR: f64 = 16.0;
/// The lines of names under the bars of a row.
const LINE: f64 = 17.0;
/// Fault windows beyond these are counted only.
const BANDS_MAX: usize = 4;

/// A name under its bar.
struct Name {
    /// Its operation, by its place in the picture.
    operation: usize,
    /// Where it begins and ends.
    from: f64,
    to: f64,
    /// The line, counted from 0.
    line: usize,
    text: String,
}

/// A process.
struct Row<'a> {
    process: &'a str,
    node: &'a str,
    /// The middle of its bars.
    y: f64,
    names: Vec<Name>,
}

/// Draws the operations from the pen on.
pub fn draw(canvas: &mut Canvas, picture: &Timeline, axis: &Axis) {
    let bands = &picture.bands[..picture.bands.len().min(BANDS_MAX)];
    let top = canvas.y + 10.0;
    canvas.y = top + LINE * bands.len() as f64 + 2.0;
    let rows = rows(canvas, picture, axis);
    let bottom = canvas.y;
    for (number, band) in bands.iter().enumerate() {
        draw_band(canvas, axis, band, (top, bottom), number);
    }
    for row in &rows {
        draw_row(canvas, picture, axis, row);
    }
    axis.stamps(canvas, picture, bottom);
    let more = picture.bands.len() - bands.len();
    if more > 0 {
        let note = format!("{more} more fault windows are not drawn.");
        canvas.paragraph((Letters::Prose, "mu"), 0.0, &note);
    }
}

/// Where the rows stand; moves the pen below them.
fn rows<'a>(canvas: &mut Canvas, picture: &'a Timeline, axis: &Axis) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for process in &picture.rows {
        let operations = picture.operations.iter().enumerate();
        let own: Vec<usize> =
            operations.filter(|(_, one)| one.process == *process).map(|(place, _)| place).collect();
        let names = names(picture, axis, &own);
        let lines = names.iter().map(|name| name.line + 1).max().unwrap_or(0);
        let y = canvas.y + 6.0 + BAR / 2.0;
        canvas.y = y + BAR / 2.0 + LINE * lines as f64 + 8.0;
        let node = own.first().map_or("", |place| picture.operations[*place].node.as_str());
        rows.push(Row { process, node, y, names });
    }
    rows
}

/// The names of a row's operations, from the last to the first: each in the highest line in which it
/// touches no other. So a name is never under the end of a bar to the right of its own.
fn names(picture: &Timeline, axis: &Axis, own: &[usize]) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for operation in own.iter().rev().copied() {
        let one = &picture.operations[operation];
        let text = Letters::Code.cut_inside(&name_of(one), axis.right - axis.left);
        let wide = Letters::Code.width(&text);
        let from = axis.start(one).min(axis.right - wide).max(axis.left);
        let to = from + wide;
        let free = |line: &usize| {
            let on_it = names.iter().filter(|name| name.line == *line);
            on_it.into_iter().all(|name| to + 10.0 < name.from || name.to + 10.0 < from)
        };
        // As many lines as names, and one, are enough.
        let line = (0..=names.len()).find(free).unwrap_or(names.len());
        names.push(Name { operation, from, to, line, text });
    }
    names
}

/// What was asked and answered, and how that stands out.
fn name_of(one: &Operation) -> String {
    let more = match (one.impossible, one.outcome) {
        (true, _) => "impossible: ",
        (_, "info") => "no answer: ",
        (_, "fail") => "failed: ",
        _ => "",
    };
    let place = one.place.map(|place| format!("{place}. ")).unwrap_or_default();
    super::letters::visible(&format!("{more}{place}{}", one.whole))
}

fn draw_band(
    canvas: &mut Canvas,
    axis: &Axis,
    band: &Band,
    (top, bottom): (f64, f64),
    number: usize,
) {
    let from = band.from_index.map_or(axis.left, |index| axis.x(index));
    let to = band.to_index.map_or(axis.right, |index| axis.x(index));
    canvas.open("data-fault=\"\"", &band.id);
    canvas.rect("band", (from, top), ((to - from).max(1.0), bottom - top));
    let since = if band.from_index.is_none() { " (since before)" } else { "" };
    let text = Letters::Small.cut(&format!("{}{since}", band.id), axis.right - axis.left - 8.0);
    let wide = Letters::Small.width(&text);
    let x = (from + 4.0).min(axis.right - wide).max(axis.left);
    let y = top + LINE * number as f64 + 13.0;
    canvas.text((Letters::Small, "halo"), (x, y), &text, wide);
    canvas.close();
}

fn draw_row(canvas: &mut Canvas, picture: &Timeline, axis: &Axis, row: &Row<'_>) {
    let y = row.y;
    let used =
        canvas.text((Letters::Code, "b"), (MARGIN, y + 4.0), row.process, axis.left - MARGIN) + 8.0;
    let room = axis.left - MARGIN - used - 4.0;
    if !row.node.is_empty() && room > 30.0 {
        let node = format!("→ {}", row.node);
        canvas.text((Letters::Prose, "mu"), (MARGIN + used, y + 4.0), &node, room);
    }
    canvas.line("row", (axis.left, y), (axis.right, y));
    // Lines from bars to their names lie under all names.
    for name in row.names.iter().filter(|name| name.line > 0) {
        let x = (axis.start(&picture.operations[name.operation]) + 0.7).clamp(name.from, name.to);
        let bar = y + BAR / 2.0;
        canvas.line("lead", (x, bar), (x, bar + LINE * name.line as f64 + 4.0));
    }
    for name in row.names.iter().rev() {
        let one = &picture.operations[name.operation];
        let impossible = if one.impossible { " data-impossible=\"\"" } else { "" };
        let names = format!("data-operation=\"{}\"{impossible}", one.index[0]);
        canvas.open(&names, &tooltip(one, axis.times));
        bar(canvas, axis, one, y);
        let class = if one.impossible { "b halo alarm" } else { "halo" };
        let line = y + BAR / 2.0 + LINE * (name.line + 1) as f64 - 3.0;
        canvas.text((Letters::Code, class), (name.from, line), &name.text, name.to - name.from);
        canvas.close();
    }
}

fn bar(canvas: &mut Canvas, axis: &Axis, one: &Operation, y: f64) {
    let (from, top) = (axis.start(one), y - BAR / 2.0);
    let class = if one.impossible { "bad" } else { one.outcome };
    let middle = if let Some(to) = axis.end(one) {
        canvas.rect(class, (from, top), (to - from, BAR));
        f64::midpoint(from, to)
    } else {
        let (right, bottom) = (axis.right, top + BAR);
        let data = format!("M{right:.1} {top:.1}H{from:.1}V{bottom:.1}H{right:.1}");
        canvas.path(&format!("{class} open"), data);
        let data = format!("M{:.1} {:.1}l6 5l-6 5", right - 12.0, y - 5.0);
        canvas.path("info", data);
        from + 14.0
    };
    if one.impossible {
        canvas.cross((middle, y));
    }
}

/// All that is known of an operation.
fn tooltip(one: &Operation, times: bool) -> String {
    let who = if one.node.is_empty() { String::new() } else { format!(" → {}", one.node) };
    let indexes: Vec<String> = one.index.iter().map(ToString::to_string).collect();
    let end = one.complete_s.or(one.gave_up_s).filter(|_| times);
    let order = one.place.zip(one.state.as_ref());
    let parts = [
        Some(format!("{}{who}: {}", one.process, one.whole)),
        Some(format!("\n{}, events {}", one.outcome, indexes.join(" and "))),
        times.then(|| format!(", invoked at {:.6} s", one.invoke_s)),
        end.map(|end| format!(", ended at {end:.6} s")),
        order.map(|(place, state)| format!("\nplace {place} of the order; after it: {state}")),
        one.error.as_ref().map(|error| format!("\n{error}")),
    ];
    parts.into_iter().flatten().collect()
}

/// The order that was found, and where it ends.
pub fn tell_order(canvas: &mut Canvas, picture: &Timeline) {
    const PLACES_MAX: usize = 20;
    let mut placed: Vec<&Operation> =
        picture.operations.iter().filter(|one| one.place.is_some()).collect();
    placed.sort_by_key(|one| one.place);
    if placed.is_empty() {
        return;
    }
    canvas.y += 6.0;
    canvas.paragraph((Letters::Bold, ""), 0.0, "The longest order that was found");
    let left = placed.len().saturating_sub(PLACES_MAX);
    if left > 0 {
        let note = format!("… {left} before these");
        canvas.paragraph((Letters::Prose, "mu"), 0.0, &note);
    }
    for one in &placed[left..] {
        let (place, state) = (one.place.unwrap_or_default(), one.state.as_deref().unwrap_or(""));
        let line = format!("{place}. {} ({}), then {state}", one.whole, one.process);
        canvas.paragraph((Letters::Code, ""), 0.0, &line);
    }
    if let (Some(holds), Some(needs)) = (&picture.holds, &picture.needs) {
        let line = format!("Then there is {holds}; the impossible one needs {needs}.");
        canvas.paragraph((Letters::Prose, ""), 0.0, &line);
    }
}
