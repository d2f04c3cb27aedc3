//! Keys and functions that were seen before, so that most of them need no look at the table of
//! interned texts, which all threads share.

use rustc_hash::FxHashMap;

use super::mops::name_of;
use crate::{F, Key, Value};

/// A history of so many keys gains nothing from keeping them twice.
const MOST: usize = 1 << 16;

/// The keys and functions that one thread has seen.
#[derive(Default)]
pub(super) struct Keys {
    numbers: FxHashMap<i64, Key>,
    texts: FxHashMap<Box<str>, Key>,
    functions: Vec<(Box<str>, F)>,
}

impl Keys {
    /// The key that `value` names; `None` if it names none.
    pub fn key(&mut self, value: &Value) -> Option<Key> {
        match value {
            Value::Int(number) => Some(self.number(*number)),
            Value::Text(text) => {
                if let Some(&key) = self.texts.get(text) {
                    return Some(key);
                }
                let key = Key::new(text);
                if self.texts.len() < MOST {
                    self.texts.insert(text.clone(), key);
                }
                Some(key)
            }
            value => Some(Key::new(&name_of(value)?)),
        }
    }

    /// The key written as `number`.
    pub fn number(&mut self, number: i64) -> Key {
        if let Some(&key) = self.numbers.get(&number) {
            return key;
        }
        let key = Key::new(&number.to_string());
        if self.numbers.len() < MOST {
            self.numbers.insert(number, key);
        }
        key
    }

    /// The function named `name`. Histories have few.
    pub fn function(&mut self, name: &str) -> F {
        if let Some((_, f)) = self.functions.iter().find(|(known, _)| **known == *name) {
            return *f;
        }
        let f = F::new(name);
        if self.functions.len() < 32 {
            self.functions.push((name.into(), f));
        }
        f
    }
}
