//! Texts by key that are read, replaced and appended to.

use rustc_hash::FxHashMap;

use super::model::{Model, Want};

/// What is done to a text; texts are nodes of [`Texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TextAction {
    /// Returned the text.
    Get(u32),
    /// Replaces whatever is there.
    Put(u32),
    /// Adds the text at the end.
    Append(u32),
}

/// The texts of one key as a tree of bytes, so that every text, however it came about, has one
/// number: the node at its end.
#[derive(Debug)]
pub(crate) struct Texts {
    /// The node before each, and the byte that leads from there.
    nodes: Vec<(u32, u8)>,
    children: FxHashMap<(u32, u8), u32>,
    /// The bytes of what is appended, by node.
    appended: FxHashMap<u32, Box<[u8]>>,
    steps: FxHashMap<(u32, u32), u32>,
    initial: u32,
}

impl Texts {
    /// The empty text.
    const EMPTY: u32 = 0;

    /// Only the text that is there before everything.
    pub fn new(initial: &str) -> Self {
        let mut texts = Self {
            nodes: vec![(Self::EMPTY, 0)],
            children: FxHashMap::default(),
            appended: FxHashMap::default(),
            steps: FxHashMap::default(),
            initial: Self::EMPTY,
        };
        texts.initial = texts.number(initial);
        texts
    }

    /// The number of a text.
    pub fn number(&mut self, text: &str) -> u32 {
        self.walk(Self::EMPTY, text.as_bytes())
    }

    /// The number of a text that is appended.
    pub fn appended(&mut self, text: &str) -> u32 {
        let number = self.number(text);
        self.appended.entry(number).or_insert_with(|| text.as_bytes().into());
        number
    }

    /// Appends `bytes` to the text `from`.
    fn walk(&mut self, from: u32, bytes: &[u8]) -> u32 {
        bytes.iter().fold(from, |at, &byte| {
            let next = self.nodes.len() as u32;
            let child = *self.children.entry((at, byte)).or_insert(next);
            if child == next {
                self.nodes.push((at, byte));
            }
            child
        })
    }

    fn text(&self, number: u32) -> String {
        /// So many of the last bytes are shown.
        const SHOWN_MAX: usize = 60;
        let mut bytes = Vec::new();
        let mut at = number;
        while at != Self::EMPTY && bytes.len() < SHOWN_MAX {
            let (before, byte) = self.nodes[at as usize];
            bytes.push(byte);
            at = before;
        }
        bytes.reverse();
        let dots = if at == Self::EMPTY { "" } else { "…" };
        // A cut may go through a letter.
        let text = String::from_utf8_lossy(&bytes);
        format!("\"{dots}{}\"", text.trim_start_matches(char::REPLACEMENT_CHARACTER))
    }
}

impl Model for Texts {
    type Action = TextAction;

    fn initial(&mut self) -> u32 {
        self.initial
    }

    fn step(&mut self, state: u32, action: TextAction) -> Option<u32> {
        match action {
            TextAction::Get(text) => (text == state).then_some(state),
            TextAction::Put(text) => Some(text),
            TextAction::Append(text) => {
                if let Some(&known) = self.steps.get(&(state, text)) {
                    return Some(known);
                }
                let bytes = self.appended.remove(&text).unwrap_or_default();
                let next = self.walk(state, &bytes);
                self.appended.insert(text, bytes);
                self.steps.insert((state, text), next);
                Some(next)
            }
        }
    }

    fn observes(&self, action: TextAction) -> bool {
        matches!(action, TextAction::Get(_))
    }

    fn is_blind(&self, action: TextAction) -> bool {
        matches!(action, TextAction::Put(_))
    }

    fn wants(&self, action: TextAction) -> Want {
        match action {
            TextAction::Get(text) => Want::Only(text),
            TextAction::Put(_) => Want::Nothing,
            TextAction::Append(_) => Want::Anything,
        }
    }

    fn show(&self, state: u32) -> String {
        self.text(state)
    }

    fn needs(&self, action: TextAction) -> String {
        match action {
            TextAction::Get(text) => self.text(text),
            TextAction::Put(_) | TextAction::Append(_) => "anything".into(),
        }
    }

    fn bytes(&self) -> usize {
        self.nodes.capacity() * 8 + (self.children.capacity() + self.steps.capacity()) * 16
    }
}
