//! Transactions in a circle: a box for each, an arrow to the one that must come after it, and below
//! the sentences that prove the arrows.

use super::canvas::{Canvas, MARGIN, NARROW};
use super::letters::Letters;
use crate::report::data::{Cycle, Edge, Transaction};

/// So many transactions, and so many lines of one, are drawn.
const TRANSACTIONS_MAX: usize = 16;
const LINES_MAX: usize = 12;
const LINE: f64 = 18.0;
/// Between two boxes side by side, and one below the other.
const ACROSS: f64 = 116.0;
const DOWN: f64 = 50.0;
/// Boxes that would be narrower than this stand one below the other.
const BOX_MIN: f64 = 200.0;
/// Arrows that go round boxes are so far apart.
const TRACK: f64 = 28.0;

/// Where the boxes stand: (x, y, width, height) each.
struct Layout {
    boxes: Vec<(f64, f64, f64, f64)>,
    beside: bool,
    bottom: f64,
    tracks: usize,
}

/// An arrow that was drawn, with its name.
struct Arrow<'a> {
    from: usize,
    to: usize,
    number: usize,
    kind: &'a str,
}

/// Draws the circle from the pen on.
pub fn draw(canvas: &mut Canvas, circle: &Cycle, times: bool) {
    let shown = &circle.transactions[..circle.transactions.len().min(TRANSACTIONS_MAX)];
    let place = |id: &str| shown.iter().position(|one| one.id == id);
    let numbered = circle.edges.iter().enumerate();
    let arrows: Vec<Arrow<'_>> = numbered
        .filter_map(|(number, edge)| {
            let (from, to) = (place(&edge.from)?, place(&edge.to)?);
            Some(Arrow { from, to, number: number + 1, kind: &edge.r#type })
        })
        .collect();
    // An arrow to the neighbour is straight, if it is the only one; the others go round.
    let straight = |(at, arrow): (usize, &Arrow<'_>)| {
        let same = |other: &Arrow<'_>| (other.from, other.to) == (arrow.from, arrow.to);
        arrow.to == arrow.from + 1 && !arrows[..at].iter().any(same)
    };
    let straight: Vec<bool> = arrows.iter().enumerate().map(straight).collect();
    let round = straight.iter().filter(|straight| !**straight).count();
    let mut layout = layout(canvas, shown, round, times);
    for (arrow, straight) in arrows.iter().zip(straight) {
        let kind = if arrow.kind == "process" { "session" } else { arrow.kind };
        canvas.open(&format!("class=\"{kind}\" data-edge=\"{}\"", arrow.number), "");
        let name = format!("{} {}", arrow.number, kind.replace("realtime", "real time"));
        match (straight, layout.beside) {
            (true, true) => next_beside(canvas, &layout, arrow, &name),
            (true, false) => next_below(canvas, &layout, arrow, &name),
            (false, true) => round_below(canvas, &mut layout, arrow, &name),
            (false, false) => round_beside(canvas, &mut layout, arrow, &name),
        }
        canvas.close();
    }
    for (one, place) in shown.iter().zip(&layout.boxes) {
        transaction(canvas, one, *place, times);
    }
    canvas.y = layout.bottom;
    let more = circle.transactions.len() - shown.len();
    if more > 0 {
        let note = format!("{more} more transactions of the circle are not drawn.");
        canvas.paragraph((Letters::Prose, "mu"), 0.0, &note);
    }
    sentences(canvas, &circle.edges, &arrows);
}

/// Side by side where there is room, otherwise one below the other.
fn layout(canvas: &Canvas, shown: &[Transaction], round: usize, times: bool) -> Layout {
    let count = shown.len().max(1) as f64;
    let room = canvas.right() - MARGIN;
    let beside_width = ((room - ACROSS * (count - 1.0)) / count).min(420.0);
    let beside = canvas.width > NARROW && beside_width >= BOX_MIN;
    let head = if times { 46.0 } else { 28.0 };
    let height = |one: &Transaction| head + LINE * one.whole.len().min(LINES_MAX + 1) as f64 + 10.0;
    let highest = shown.iter().map(height).fold(0.0, f64::max);
    let (mut boxes, mut y) = (Vec::new(), canvas.y + 14.0);
    let width = if beside { beside_width } else { (room - TRACK * round as f64).min(520.0) };
    for (number, one) in shown.iter().enumerate() {
        if beside {
            boxes.push((MARGIN + number as f64 * (width + ACROSS), y, width, highest));
        } else {
            boxes.push((MARGIN, y, width, height(one)));
            y += height(one) + DOWN;
        }
    }
    let bottom = if beside { y + highest + TRACK * round as f64 + 16.0 } else { y - DOWN / 2.0 };
    Layout { boxes, beside, bottom, tracks: 0 }
}

/// A name that does not hide the line that it crosses.
fn name_at(canvas: &mut Canvas, name: &str, middle: f64, y: f64) {
    canvas.centred((Letters::Bold, "halo"), (middle, y), name);
}

fn next_beside(canvas: &mut Canvas, layout: &Layout, arrow: &Arrow<'_>, name: &str) {
    let ((x, y, width, height), (to, ..)) = (layout.boxes[arrow.from], layout.boxes[arrow.to]);
    let (from, middle) = (x + width + 3.0, y + height / 2.0);
    canvas.line("edge", (from, middle), (to - 9.0, middle));
    canvas.tip((to - 2.0, middle), 0);
    name_at(canvas, name, f64::midpoint(from, to - 8.0), middle - 9.0);
}

fn next_below(canvas: &mut Canvas, layout: &Layout, arrow: &Arrow<'_>, name: &str) {
    let ((x, y, _, height), (_, to, ..)) = (layout.boxes[arrow.from], layout.boxes[arrow.to]);
    let (x, from) = (x + 26.0, y + height + 3.0);
    canvas.line("edge", (x, from), (x, to - 9.0));
    canvas.tip((x, to - 2.0), 90);
    let wide = Letters::Bold.width(name);
    canvas.text((Letters::Bold, "halo"), (x + 14.0, f64::midpoint(from, to) + 4.0), name, wide);
}

/// Below the boxes, from one's bottom to the other's.
fn round_below(canvas: &mut Canvas, layout: &mut Layout, arrow: &Arrow<'_>, name: &str) {
    let shift = 14.0 * layout.tracks as f64;
    let bottom = |place: usize| {
        let (x, y, width, height) = layout.boxes[place];
        (x + width / 2.0, y + height)
    };
    let ((from, y), (to, _)) = (bottom(arrow.from), bottom(arrow.to));
    let (from, to) = (from + shift + 12.0, to + shift - 12.0);
    let track = y + TRACK * (layout.tracks + 1) as f64;
    let data = format!("M{from:.1} {:.1}V{track:.1}H{to:.1}V{:.1}", y + 3.0, y + 9.0);
    canvas.path("edge", data);
    canvas.tip((to, y + 2.0), -90);
    let wide = Letters::Bold.width(name);
    // A circle of one has no room above its line.
    if (from - to).abs() < wide + 16.0 {
        let x = from.max(to) + 8.0;
        canvas.text((Letters::Bold, "halo"), (x, track), name, wide);
    } else {
        name_at(canvas, name, f64::midpoint(from, to), track - 7.0);
    }
    layout.tracks += 1;
}

/// Right of the boxes, from one's side to the other's; the name stands between two boxes.
fn round_beside(canvas: &mut Canvas, layout: &mut Layout, arrow: &Arrow<'_>, name: &str) {
    let side = |place: usize, shift: f64| {
        let (x, y, width, height) = layout.boxes[place];
        (x + width, y + height / 2.0 + shift, y + height)
    };
    let (right, from, _) = side(arrow.from, 6.0);
    let (_, to, _) = side(arrow.to, -6.0);
    let (_, _, under) = side(arrow.from.min(arrow.to), 0.0);
    let track = right + TRACK * (layout.tracks as f64 + 0.8);
    let data = format!("M{:.1} {from:.1}H{track:.1}V{to:.1}H{:.1}", right + 3.0, right + 9.0);
    canvas.path("edge", data);
    canvas.tip((right + 2.0, to), 180);
    let wide = Letters::Bold.width(name);
    let x = right - wide - 100.0 * layout.tracks as f64;
    canvas.text((Letters::Bold, "halo"), (x, under + DOWN / 2.0 + 4.0), name, wide);
    layout.tracks += 1;
}

fn transaction(
    canvas: &mut Canvas,
    one: &Transaction,
    (x, y, width, height): (f64, f64, f64, f64),
    times: bool,
) {
    let who = if one.node.is_empty() {
        one.process.clone()
    } else {
        format!("{} → {}", one.process, one.node)
    };
    let when = match one.complete_s {
        Some(end) => format!("{:.4}–{end:.4} s", one.invoke_s),
        None => format!("from {:.4} s, no ok answer", one.invoke_s),
    };
    let tooltip = format!("{} ({who}): {}", one.id, one.whole.join(", "));
    canvas.open(&format!("data-operation=\"{}\"", one.operation), &tooltip);
    canvas.rect("box", (x, y), (width, height));
    let (left, room) = (x + 10.0, width - 20.0);
    let used = canvas.text((Letters::Bold, ""), (left, y + 20.0), &one.id, room) + 8.0;
    canvas.text((Letters::Prose, "mu"), (left + used, y + 20.0), &who, room - used);
    let mut line = y + 20.0;
    if times {
        line += LINE;
        canvas.text((Letters::Prose, "mu"), (left, line), &when, room);
    }
    for mop in one.whole.iter().take(LINES_MAX) {
        line += LINE;
        canvas.text((Letters::Code, ""), (left, line), mop, room);
    }
    let more = one.whole.len().saturating_sub(LINES_MAX);
    if more > 0 {
        let note = format!("… and {more} more");
        canvas.text((Letters::Prose, "mu"), (left, line + LINE), &note, room);
    }
    canvas.close();
}

/// What proves each arrow, and those that have none.
fn sentences(canvas: &mut Canvas, edges: &[Edge], arrows: &[Arrow<'_>]) {
    for (number, edge) in edges.iter().enumerate().take(TRANSACTIONS_MAX) {
        let drawn = arrows.iter().any(|arrow| arrow.number == number + 1);
        let kind = match edge.r#type.as_str() {
            "process" => "session",
            "realtime" => "real time",
            kind => kind,
        };
        let aside = if drawn { "" } else { " (not drawn)" };
        let head = format!("{}. {} before {}: {kind}{aside}", number + 1, edge.from, edge.to);
        canvas.y += 6.0;
        canvas.paragraph((Letters::Bold, ""), 0.0, &head);
        canvas.paragraph((Letters::Prose, ""), 0.0, &edge.says);
    }
    let more = edges.len().saturating_sub(TRANSACTIONS_MAX);
    if more > 0 {
        let note = format!("{more} more edges of the circle are not told.");
        canvas.paragraph((Letters::Prose, "mu"), 0.0, &note);
    }
}
