//! Interned strings, so that keys and function names compare and hash as integers.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{OnceLock, RwLock};

use rustc_hash::FxHashMap;

/// A string that is stored once for the life of the process.
///
/// Two symbols are equal exactly if their texts are. Interning costs one hash and a read lock;
/// comparing and hashing cost what they cost for a `u32`. The order is that of the texts, so that
/// no output depends on the order of interning. Symbols are never freed: they are meant for keys
/// and for the names of functions, not for values.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Symbol(NonZeroU32);

#[derive(Default)]
struct Table {
    ids: FxHashMap<&'static str, NonZeroU32>,
    texts: Vec<&'static str>,
}

fn table() -> &'static RwLock<Table> {
    static TABLE: OnceLock<RwLock<Table>> = OnceLock::new();
    TABLE.get_or_init(RwLock::default)
}

impl Symbol {
    /// The symbol of `text`.
    pub fn new(text: &str) -> Self {
        let poisoned = "no code panics while it holds the table of symbols";
        if let Some(&id) = table().read().expect(poisoned).ids.get(text) {
            return Self(id);
        }
        let mut table = table().write().expect(poisoned);
        if let Some(&id) = table.ids.get(text) {
            return Self(id);
        }
        let text: &'static str = Box::leak(text.into());
        table.texts.push(text);
        // Counted from 1, so that an optional key takes no more room than a key.
        let id = u32::try_from(table.texts.len()).ok().and_then(NonZeroU32::new);
        let id = id.expect("fewer than 2^32 distinct keys");
        table.ids.insert(text, id);
        Self(id)
    }

    /// The text that the symbol stands for.
    pub fn as_str(self) -> &'static str {
        let table = table().read().expect("no code panics while it holds the table");
        table.texts[self.0.get() as usize - 1]
    }
}

impl PartialOrd for Symbol {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Symbol {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self.0 == other.0 {
            return std::cmp::Ordering::Equal;
        }
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
