//! A YAML document as a tree in which every key and value knows its place in the text.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

/// Deeper nesting is a mistake, not a plan.
const DEPTH_MAX: usize = 64;

/// A node of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands, in bytes of the text; empty for what an override put there.
    pub place: Range<usize>,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A number, a text, a truth value or nothing.
    Scalar(Value),
    /// Nodes in order.
    List(Vec<Node>),
    /// Keys in order, each with its place.
    Map(Vec<(String, Range<usize>, Node)>),
}

/// What is wrong with a text that is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, in bytes of the text.
    pub place: Range<usize>,
    /// What is wrong, as a title.
    pub title: String,
    /// What to do about it, where that can be said.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at `place`.
    pub fn new(place: Range<usize>, title: impl Into<String>) -> Self {
        Self { place, title: title.into(), help: None }
    }

    /// The same, with a remedy.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Node {
    /// The tree of `text`.
    pub fn parse(text: &str) -> Result<Node, Problem> {
        let mut bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        bytes.push(text.len());
        Builder { text, bytes, parser: Parser::new_from_str(text) }.document()
    }

    /// The value of `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Content::Map(entries) = &self.content else { return None };
        entries.iter().find(|(name, _, _)| name == key).map(|(_, _, node)| node)
    }

    /// The place of the key at the end of `path`, or of the last part of it that is there.
    pub fn place_of(&self, path: &[String]) -> Range<usize> {
        let Some((first, rest)) = path.split_first() else { return self.place.clone() };
        match &self.content {
            Content::Map(entries) => match entries.iter().find(|(name, _, _)| name == first) {
                Some((_, place, _)) if rest.is_empty() => place.clone(),
                Some((_, _, node)) => node.place_of(rest),
                None => self.place.clone(),
            },
            Content::List(items) => match first.parse::<usize>().ok().and_then(|i| items.get(i)) {
                Some(node) => node.place_of(rest),
                None => self.place.clone(),
            },
            Content::Scalar(_) => self.place.clone(),
        }
    }

    /// The tree without its places.
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Node::to_value).collect(),
            Content::Map(entries) => {
                let entries = entries.iter().map(|(key, _, node)| (key.clone(), node.to_value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// Puts `value` where the dotted path leads; missing maps on the way are made.
    pub fn set(&mut self, path: &[&str], value: Node) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        if matches!(self.content, Content::Scalar(Value::Null)) {
            self.content = Content::Map(Vec::new());
        }
        // `target: memory` is short for `target: { memory: {} }`.
        if let Content::Scalar(Value::String(name)) = &self.content {
            let empty = Node { place: self.place.clone(), content: Content::Map(Vec::new()) };
            self.content = Content::Map(vec![(name.clone(), self.place.clone(), empty)]);
        }
        match &mut self.content {
            Content::Map(entries) => {
                if let Some((_, _, node)) = entries.iter_mut().find(|(name, _, _)| name == first) {
                    return node.set(rest, value);
                }
                let mut node = Node { place: 0..0, content: Content::Scalar(Value::Null) };
                node.set(rest, value)?;
                entries.push(((*first).to_owned(), 0..0, node));
                Ok(())
            }
            Content::List(items) => {
                match first.parse::<usize>().ok().and_then(|i| items.get_mut(i)) {
                    Some(node) => node.set(rest, value),
                    None => Err(format!("`{first}` is no place of a list of {}", items.len())),
                }
            }
            Content::Scalar(_) => Err(format!("`{first}` cannot be set inside a single value")),
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    /// The byte at which each character stands, and the end.
    bytes: Vec<usize>,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
}

impl<'a> Builder<'a> {
    fn document(mut self) -> Result<Node, Problem> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => {
                    return Err(Problem::new(0..0, "the file holds no plan").with_help(
                        "`schism list` shows what a plan can ask for; plans/ has examples",
                    ));
                }
                event => {
                    let node = self.node(event, span, 0)?;
                    return self.end().map(|()| node);
                }
            }
        }
    }

    /// A file holds one plan.
    fn end(&mut self) -> Result<(), Problem> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd => {}
                _ => {
                    let place = self.place(&span);
                    return Err(Problem::new(place, "a second document begins here")
                        .with_help("a file holds one plan: split it in two"));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        let end = self.text.len();
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = self.byte(error.marker().index());
                Err(Problem::new(at..at, format!("this is no YAML: {}", error.info())))
            }
            None => Err(Problem::new(end..end, "the file ends too early")),
        }
    }

    /// The byte at which a character stands.
    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.text.len())
    }

    fn place(&self, span: &Span) -> Range<usize> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        // A block ends where the next begins; the line is what a reader looks for.
        let line = self.text[start..end.max(start)].find('\n').map_or(end, |length| start + length);
        start..line.max(start)
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Problem> {
        let mut place = self.place(&span);
        if depth > DEPTH_MAX {
            return Err(Problem::new(place, format!("nested more than {DEPTH_MAX} deep")));
        }
        let content = match event {
            Event::Scalar(text, style, _, _) => Content::Scalar(scalar(&text, style)),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                Content::List(items)
            }
            Event::MappingStart(..) => Content::Map(self.entries(depth)?),
            Event::Alias(_) => {
                return Err(Problem::new(place, "aliases (`*name`) are not read in plans")
                    .with_help("write the value out"));
            }
            _ => return Err(Problem::new(place, "a value was expected here")),
        };
        if place.is_empty()
            && let Content::Map(entries) = &content
            && let Some((_, first, _)) = entries.first()
        {
            place = first.clone();
        }
        Ok(Node { place, content })
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(String, Range<usize>, Node)>, Problem> {
        let mut entries: Vec<(String, Range<usize>, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(Problem::new(self.place(&span), "a key is a word")),
            };
            let place = self.place(&span);
            if entries.iter().any(|(name, _, _)| *name == key) {
                return Err(Problem::new(place, format!("`{key}` stands here twice")));
            }
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            entries.push((key, place, node));
        }
    }
}

/// A plain scalar by YAML's core schema; a quoted one is a text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.into());
    }
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::Number(number.into());
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    if numeric && let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
        return Value::Number(number);
    }
    Value::String(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = Node::parse(text).map(|node| node.to_value().to_string());
        let parsed = parsed.map_err(|problem| problem.title);
        assert_eq!(parsed.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn reads_what_plans_are_made_of() {
        check(
            "a: { b: [1, 2.5, x], c: }\nd: '3'",
            Ok(r#"{"a":{"b":[1,2.5,"x"],"c":null},"d":"3"}"#),
        );
        check("# nothing\n", Err("the file holds no plan"));
        check("a: 1\n---\na: 2", Err("a second document begins here"));
        check("a: 1\na: 2", Err("`a` stands here twice"));
        check("a: *x", Err("this is no YAML: while parsing node, found unknown anchor"));
    }

    #[test]
    fn knows_where_keys_stand() {
        let text = "name: x\nload:\n  clients: 3\n  rate: 4\n";
        let node = Node::parse(text).expect("a document");
        let place = node.place_of(&["load".into(), "rate".into()]);
        assert_eq!(&text[place], "rate");
    }

    #[test]
    fn refuses_what_is_nested_too_deep() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        assert!(Node::parse(&deep).is_err());
    }

    #[test]
    fn puts_overrides_where_their_path_leads() {
        let mut node = Node::parse("target: memory\nload: { clients: 3 }").expect("a document");
        let value = |text| Node::parse(text).expect("a value");
        node.set(&["load", "clients"], value("20")).expect("a path");
        node.set(&["target", "memory", "x"], value("1")).expect("a path");
        let expected = r#"{"target":{"memory":{"x":1}},"load":{"clients":20}}"#;
        assert_eq!(node.to_value().to_string(), expected);
    }
}
