//! Every lesson's example is drawn, and measured.

use std::fmt::Write as _;
use std::rc::Rc;

use schism_checkers::{Asked, Budget, Lesson, Question};
use schism_history::History;

use super::canvas::{NARROW, WIDE};
use super::letters::Letters;
use super::{Events, Stored, draw};
use crate::judge::{Circumstances, judge};
use crate::report::Drawing;

/// A history with what was found in it.
fn stored(history: History, question: Question) -> Stored {
    let verdict = judge(&question, &history, &Circumstances::default(), &Budget::default());
    let history = Rc::new(history);
    Stored::of_file(Drawing { name: "made up".into(), question, history, verdict })
}

/// The diagrams of everything that was found.
fn drawn(stored: &Stored) -> Vec<String> {
    let events = Events::of(&stored.history);
    let claims = stored.verdict.claims.iter();
    let anomalies = claims.flat_map(|claim| claim.anomalies.iter().map(move |one| (claim, one)));
    anomalies.map(|(claim, one)| draw(stored, &events, &claim.claim, one)).collect()
}

fn lessons() -> impl Iterator<Item = (&'static str, Stored)> {
    Lesson::all().map(|lesson| {
        let history = History::from_text(lesson.example).expect("the example is a history");
        let mut question = Question::new(lesson.subject, vec![Asked::new(lesson.claim)]);
        question.parameters = lesson.parameters.clone();
        (lesson.name, stored(history, question))
    })
}

/// A text of a drawing: where its line is, from where to where it may reach, and its words.
struct Text {
    y: f64,
    from: f64,
    to: f64,
    words: String,
}

fn texts(drawing: &str) -> Vec<Text> {
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!(" {name}=\"")).expect("the attribute");
        rest.split('"').next().expect("its value").to_owned()
    };
    let text = |text: &str| {
        let (head, rest) = text.split_once('>').expect("a tag");
        let (inside, _) = rest.split_once("</text>").expect("its end");
        let words = inside.rsplit("</title>").next().expect("words");
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
        let words = entities.iter().fold(words.to_owned(), |it, (from, to)| it.replace(from, to));
        let class = attribute(head, "class");
        let letters =
            [Letters::Prose, Letters::Bold, Letters::Title, Letters::Small, Letters::Code];
        let class = class.split(' ').next().expect("a class");
        let letters = letters.into_iter().find(|it| it.class() == class).expect("letters");
        let number = |name| attribute(head, name).parse::<f64>().expect("a number");
        let (x, y, wide) = (number("x"), number("y"), letters.width(&words));
        let from = if head.contains("text-anchor") { x - wide / 2.0 } else { x };
        Text { y, from, to: from + wide, words }
    };
    drawing.split("<text").skip(1).map(text).collect()
}

/// Asserts that no text of a diagram touches another or an edge, by the widest of fonts.
fn assert_readable(name: &str, svg: &str) {
    let (_, drawings) = svg.split_once("<g class=\"wide\">").expect("the wide drawing");
    let (wide, narrow) = drawings.split_once("<g class=\"narrow\"").expect("the narrow one");
    for (drawing, width) in [(wide, WIDE), (narrow, NARROW)] {
        let texts = texts(drawing);
        assert!(!texts.is_empty(), "{name}: nothing is written");
        for (place, one) in texts.iter().enumerate() {
            assert!(one.from >= 0.0 && one.to <= width, "{name}: `{}` is clipped", one.words);
            for other in &texts[place + 1..] {
                let apart = (one.y - other.y).abs() > 11.0
                    || one.to <= other.from + 0.5
                    || other.to <= one.from + 0.5;
                assert!(apart, "{name}: `{}` and `{}` touch", one.words, other.words);
            }
        }
    }
}

#[test]
fn no_text_of_a_lesson_touches_another_or_is_clipped() {
    for (name, stored) in lessons() {
        let drawn = drawn(&stored);
        assert!(!drawn.is_empty(), "{name}: nothing is drawn");
        for svg in drawn {
            assert_readable(name, &svg);
        }
    }
}

#[test]
fn the_same_is_drawn_again_byte_for_byte() {
    for ((name, one), (_, other)) in lessons().zip(lessons()) {
        assert_eq!(drawn(&one), drawn(&other), "{name}");
    }
}

#[test]
fn a_long_proof_is_drawn_in_part_and_says_so() {
    let mut text = String::new();
    for value in 1..1_000 {
        let process = value % 7;
        let _ = write!(text, "p{process} invoke write kkkkkkkkkk {value} \n p{process} ok \n");
    }
    let history = History::from_text(&format!("{text} p9 invoke read kkkkkkkkkk \n p9 ok 1"));
    let question =
        Question::new("register", vec![Asked::new(schism_checkers::Claim::Linearizable)]);
    let mut stored = stored(history.expect("a history"), question);
    let every = stored.history.operations().map(|operation| operation.invoked).collect();
    stored.verdict.claims[0].anomalies[0].operations = every;
    let svg = drawn(&stored).remove(0);
    assert_readable("a long proof", &svg);
    assert!(svg.contains("960 earlier operations of the proof are not drawn"), "{svg}");
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
}
