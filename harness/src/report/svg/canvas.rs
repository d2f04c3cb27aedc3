//! What is drawn on: elements are appended, and a paragraph moves the pen down.

use std::fmt::{Display, Write as _};

use super::letters::{Letters, escaped, visible};

/// A drawing is laid out twice: for a window, and for a telephone or a narrow column.
pub const WIDE: f64 = 960.0;
/// See `WIDE`.
pub const NARROW: f64 = 380.0;
/// Free on the left and on the right.
pub const MARGIN: f64 = 16.0;
/// A paragraph of more lines than these says how many are left out.
const LINES_MAX: usize = 30;

/// A drawing of one width.
pub struct Canvas {
    /// How wide it is.
    pub width: f64,
    /// Down to here it is taken.
    pub y: f64,
    body: String,
}

impl Canvas {
    /// An empty one.
    pub fn new(width: f64) -> Self {
        Self { width, y: 12.0, body: String::new() }
    }

    /// Whether it is for a telephone.
    pub fn narrow(&self) -> bool {
        self.width < WIDE
    }

    /// Where what can be drawn on ends.
    pub fn right(&self) -> f64 {
        self.width - MARGIN
    }

    /// Opens a group, with its tooltip.
    pub fn open(&mut self, attributes: &str, tooltip: &str) {
        let _ = write!(self.body, "<g {attributes}>");
        self.tooltip(tooltip);
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.body.push_str("</g>\n");
    }

    fn tooltip(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = write!(self.body, "<title>{}</title>", escaped(text));
        }
    }

    /// A rectangle.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             rx=\"2\"/>",
            width.max(0.0),
            height.max(0.0)
        );
    }

    /// A path, its data as SVG writes them.
    pub fn path(&mut self, class: &str, data: impl Display) {
        let _ = write!(self.body, "<path class=\"{class}\" d=\"{data}\"/>");
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.path(class, format_args!("M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}"));
    }

    /// A triangle whose tip is at a point, turned by so many degrees from pointing right.
    pub fn tip(&mut self, (x, y): (f64, f64), turned: i32) {
        let _ = write!(
            self.body,
            "<path class=\"tip\" d=\"M0 0l-10 -5v10Z\" \
             transform=\"translate({x:.1} {y:.1}) rotate({turned})\"/>"
        );
    }

    /// A sign of what cannot be.
    pub fn cross(&mut self, (x, y): (f64, f64)) {
        let _ = write!(self.body, "<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7\"/>");
        let (left, top) = (x - 3.0, y - 3.0);
        self.path("cross", format_args!("M{left:.1} {top:.1}l6 6m0 -6l-6 6"));
    }

    /// A line of text that begins at a point of its base line; what does not fit into `room` is
    /// cut off, and then the whole is its tooltip. Returns how wide it may be.
    pub fn text(
        &mut self,
        (letters, more): (Letters, &str),
        (x, y): (f64, f64),
        text: &str,
        room: f64,
    ) -> f64 {
        let text = visible(text);
        let shown = letters.cut(&text, room);
        let _ = write!(
            self.body,
            "<text class=\"{} {more}\" x=\"{x:.1}\" y=\"{y:.1}\">",
            letters.class()
        );
        if shown != text {
            self.tooltip(&text);
        }
        let _ = write!(self.body, "{}</text>", escaped(&shown));
        letters.width(&shown)
    }

    /// A short line of text around a point of its base line.
    pub fn centred(&mut self, (letters, more): (Letters, &str), (x, y): (f64, f64), text: &str) {
        let _ = write!(
            self.body,
            "<text class=\"{} {more}\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            letters.class(),
            escaped(text)
        );
    }

    /// Lines of text from the pen on, over the whole width but `indent`; moves the pen below them.
    pub fn paragraph(&mut self, (letters, more): (Letters, &str), indent: f64, text: &str) {
        let height = if letters == Letters::Title { 22.0 } else { 18.0 };
        let room = self.width - 2.0 * MARGIN - indent;
        let text = visible(text);
        let lines = letters.lines(&text, room);
        for line in lines.iter().take(LINES_MAX) {
            self.y += height;
            self.text((letters, more), (MARGIN + indent, self.y), line, room);
        }
        let more = lines.len().saturating_sub(LINES_MAX);
        if more > 0 {
            self.y += height;
            let note = format!("… {more} more lines are left out.");
            self.text((Letters::Prose, "mu"), (MARGIN + indent, self.y), &note, room);
        }
    }

    /// How high the drawing is.
    fn height(&self) -> f64 {
        (self.y + 20.0).ceil()
    }
}

/// The file: the wide drawing, and the narrow one for windows in which letters of the wide one would
/// be too small to read. A program that knows no media queries shows the wide one.
pub fn document(title: &str, description: &str, wide: &Canvas, narrow: &Canvas) -> String {
    let (width, height) = (wide.width, wide.height());
    // The narrow drawing is scaled up as much as the file is scaled down around it.
    let scale = width / narrow.width;
    let low = narrow.height();
    let css = format!(
        "{}.narrow{{display:none}}\n@media(max-width:600px){{\
         :root{{width:100%;max-width:480px;height:min({low}px*480/{n},100vw*{low}/{n})}}\
         .wide{{display:none}}.narrow{{display:inline}}}}\n",
        include_str!("style.css"),
        n = narrow.width,
    );
    let ground = |canvas: &Canvas| {
        let (width, height) = (canvas.width, canvas.height());
        format!("<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>")
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{MARKER}\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"xMinYMin\">\n\
         <title>{}</title>\n<desc>{}</desc>\n<style>\n{css}</style>\n\
         <g class=\"wide\">{}\n{}</g>\n\
         <g class=\"narrow\" display=\"none\" transform=\"scale({scale:.5})\">{}\n{}</g>\n</svg>\n",
        escaped(title),
        escaped(description),
        ground(wide),
        wide.body,
        ground(narrow),
        narrow.body,
    )
}

/// By this line a file is known as ours.
pub const MARKER: &str = "<!-- A diagram by schism -->";
