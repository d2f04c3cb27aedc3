//! Draws a problem of a plan: the file, the line, the words, and what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::document::Problem;

/// The problem as a reader of terminals expects it, without colours: errors are also logged.
pub fn draw(name: &str, text: &str, problem: &Problem) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(&problem.title));
    // What stands nowhere in the file (a missing key, an override) has no line to show.
    let shown = !problem.place.is_empty() || problem.place.start > 0;
    if shown {
        let end = problem.place.end.min(text.len());
        let start = problem.place.start.min(end);
        let snippet = Snippet::source(text).path(name).fold(true);
        group = group.element(snippet.annotation(AnnotationKind::Primary.span(start..end)));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help));
    }
    let drawn = Renderer::plain().render(&[group]).clone();
    if shown { drawn } else { format!("{name}: {drawn}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_line_the_key_and_the_remedy() {
        let problem = Problem::new(8..13, "load has no key `cilents`").with_help("`clients`?");
        let drawn = draw("p.yaml", "name: x\nload: { cilents: 3 }\n", &problem);
        for part in
            ["p.yaml:2:1", "load has no key `cilents`", "load: { cilents: 3 }", "`clients`?"]
        {
            assert!(drawn.contains(part), "{part} is missing in:\n{drawn}");
        }
    }
}
