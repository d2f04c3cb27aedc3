//! `damage`: the victims' files are damaged while they are down; then they start again on what is there.

mod draw;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::{OptionError, Options};
use serde_json::Value;

use super::size::bytes;
use crate::victims::Victims;
use crate::{Damage, Fault, FaultEntry, Flip, Injection, View};

pub(crate) use draw::Found;

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "damage",
    summary: "kill -9, and bits of a node's files are flipped, or an end is cut off; started again",
    forms: &[
        "damage: { of: one | n1 …, files: \"*.wal\", flip: 8 }       so many bits of all files that match",
        "damage: { of: VICTIMS, files: \"**/snap/db\", flip: 10ppm | 0.1% }   each bit with this chance",
        "damage: { of: VICTIMS, files: \"*.aof\", truncate: 4KiB }   one of the files loses up to so much",
    ],
    construct,
};

const UNITS: [(&str, f64); 2] = [("ppm", 1.0), ("%", 10_000.0)];
/// A wish to see a file gone would be another fault.
const TRUNCATE_MAX: u64 = 1 << 40;

struct Damaged {
    of: Victims,
    /// Its seed is drawn when it begins.
    damage: Damage,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let missing = |problem: &str| OptionError::new(Vec::<String>::new(), problem.to_owned());
    if !given.is_object() {
        return Err(missing("damage is a map such as { of: one, files: \"*.wal\", flip: 8 }"));
    }
    let options = Options::read(given, &["of", "files", "flip", "truncate"])?;
    let of = match given.get("of") {
        Some(of) => Victims::parse(of).map_err(|problem| options.error("of", problem))?,
        None => return Err(missing("damage: `of` is missing; whose files? write `of: one`")),
    };
    let files = match given.get("files") {
        Some(Value::String(files)) => files.clone(),
        Some(other) => {
            let problem = format!("`files` is {other}; it must be a pattern such as \"*.wal\"");
            return Err(options.error("files", problem));
        }
        None => {
            return Err(missing("damage: `files` is missing; write a pattern such as \"*.wal\""));
        }
    };
    let upwards = files.split('/').any(|name| name == "..");
    if files.is_empty() || files.starts_with('/') || upwards {
        let problem = format!("`{files}` is no pattern of paths below a node's data folder");
        return Err(options.error("files", problem));
    }
    let flip = given.get("flip").map(flip).transpose();
    let flip = flip.map_err(|problem| options.error("flip", problem))?;
    let truncate = given.get("truncate").map(truncate).transpose();
    let truncate = truncate.map_err(|problem| options.error("truncate", problem))?;
    if flip.is_none() && truncate.is_none() {
        return Err(missing("damage: add `flip: 8`, `flip: 10ppm` or `truncate: 4KiB`"));
    }
    Ok(Box::new(Damaged { of, damage: Damage { files, flip, truncate, seed: 0 } }))
}

fn flip(given: &Value) -> Result<Flip, String> {
    let wrong = || {
        let most = draw::BITS_MAX;
        format!(
            "`flip` is {given}; it must be a count of bits up to {most}, or a chance such as 10ppm or 0.1%"
        )
    };
    if let Some(count) = given.as_u64() {
        let count = u32::try_from(count).ok().filter(|count| (1..=draw::BITS_MAX).contains(count));
        return count.map(Flip::Count).ok_or_else(wrong);
    }
    let text = given.as_str().ok_or_else(wrong)?;
    let parse = |(unit, size): (&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * size)
    };
    let ppm = UNITS.into_iter().find_map(parse).ok_or_else(wrong)?;
    // In billionths: a chance of 1ppm is one bit in 125 KB already.
    let billionths = (ppm * 1e3).round();
    if (1.0..=1e9).contains(&billionths) {
        Ok(Flip::Chance(billionths as u32))
    } else {
        Err(wrong())
    }
}

fn truncate(given: &Value) -> Result<u64, String> {
    let size = given.as_str().and_then(bytes).filter(|size| (1..=TRUNCATE_MAX).contains(size));
    size.ok_or_else(|| format!("`truncate` is {given}; it must be a size such as 512B or 4KiB"))
}

impl Fault for Damaged {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        format!("{}, {}", self.of.words(), self.damage)
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.of.fit(nodes)
    }

    fn roles(&self) -> Vec<&'static str> {
        self.of.roles()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let damage = Damage { seed: rng.next_u64(), ..self.damage.clone() };
        match self.of.resolve(view, &view.down, rng) {
            Ok(victims) => Injection::Damage { victims, damage },
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_its_forms() {
        let check = |given: Value, detail: &str| {
            assert_eq!(construct(&given).expect("it").detail(), detail, "{given}");
        };
        check(json!({ "of": "one", "files": "*.wal", "flip": 8 }), "one, 8 bits of *.wal flipped");
        check(
            json!({ "of": "n1", "files": "**/snap/db", "flip": "0.1%" }),
            "n1, each bit of **/snap/db flipped with a chance of 1000 ppm",
        );
        check(
            json!({ "of": "leader", "files": "log", "flip": 1, "truncate": "4KiB" }),
            "leader, 1 bit of log flipped, and up to 4096 bytes cut off",
        );
        check(
            json!({ "of": "n2", "files": "log", "truncate": "9B" }),
            "n2, up to 9 bytes of log cut off",
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |given: Value, part: &str| {
            let error = construct(&given).err().expect("an error").to_string();
            assert!(error.contains(part), "{given}: {error}");
        };
        check(json!("one"), "damage is a map");
        check(json!({ "files": "log", "flip": 1 }), "`of` is missing");
        check(json!({ "of": "one", "flip": 1 }), "`files` is missing");
        check(json!({ "of": "one", "files": "log" }), "add `flip: 8`");
        check(json!({ "of": "one", "files": "../log", "flip": 1 }), "no pattern of paths below");
        check(json!({ "of": "one", "files": "/etc/*", "flip": 1 }), "no pattern of paths below");
        check(json!({ "of": "one", "files": "log", "flip": 0 }), "a count of bits");
        check(json!({ "of": "one", "files": "log", "flip": "2" }), "10ppm or 0.1%");
        check(json!({ "of": "one", "files": "log", "truncate": "4kb" }), "4KiB");
        let clients = json!({ "clients": "one" });
        check(json!({ "of": clients, "files": "log", "flip": 1 }), "strikes nodes and no clients");
    }
}
