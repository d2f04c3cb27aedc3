//! What is read depends on nothing but the bytes: not on how they are cut, and no bytes panic.

use proptest::prelude::*;

use super::Format;
use super::form::{Notation, Scanner, Stop};
use super::jepsen::Document;
use super::jepsen_log::Log;
use super::keys::Keys;
use super::pieces::{Size, read_in};
use super::recognise::format_of;
use crate::{History, ReadError, Value};

fn cases() -> u32 {
    let cases = std::env::var("SCHISM_CASES").ok().and_then(|cases| cases.parse().ok());
    cases.unwrap_or(20_000) / 10
}

/// The events, or what is wrong and where.
fn said(history: Result<History, ReadError>) -> Result<String, String> {
    match history {
        Ok(history) => Ok(history.to_text()),
        Err(error) => Err(error.to_string()),
    }
}

fn read(bytes: &[u8], format: Format, size: Size) -> Result<String, String> {
    said(match format {
        Format::Edn => read_in(bytes, "f", Document::new(Notation::Edn), size),
        Format::Json => read_in(bytes, "f", Document::new(Notation::Json), size),
        _ => read_in(bytes, "f", Log, size),
    })
}

/// What stands between two maps, and inside of values: whatever could be taken for a beginning.
fn any_space() -> impl Strategy<Value = String> {
    prop::sample::select(
        [" ", "\n", "\n ", ",\n", "\n;{\n", "\n#_{:a 1}\n", "\n#_ #_ 1\n{}\n", ""].to_vec(),
    )
    .prop_map(str::to_owned)
}

fn any_edn_value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        ["nil", "-7", "12345", "\"\n{:type\"", "\"\\\"\n \"", ":a", "\\{", "1.5", "#{1\n 2}"]
            .to_vec(),
    );
    leaf.prop_map(str::to_owned).prop_recursive(3, 8, 3, |inner| {
        (0..4, prop::collection::vec(inner, 0..3)).prop_map(|(shape, items)| match shape {
            0 => format!("[{}]", items.join("\n")),
            1 => format!("(#_ {{:a 1}} {})", items.join(" ")),
            2 => format!("\n{{:k {}}}", items.first().map_or("1", |item| item)),
            _ => format!("[[:r 1 {}]\n[:append 2 3]]", items.first().map_or("nil", |item| item)),
        })
    })
}

fn any_edn() -> impl Strategy<Value = String> {
    let entry = (0..3u8, any_edn_value(), any_space(), any::<bool>());
    (prop::collection::vec(entry, 1..6), 0..3).prop_map(|(entries, brackets)| {
        let mut text = String::new();
        for (number, (kind, value, space, more)) in entries.into_iter().enumerate() {
            let op = format!(":process {number}, :f\n:f {space} :value {value}");
            text.extend([format!("{{:type :invoke {op}}}{space}")]);
            let kind = ["ok", "fail", "info"][usize::from(kind)];
            let done = format!("#jepsen.history.Op{{:type :{kind}\n{{:x 1}} 2 {op}}}{space}");
            text.extend(more.then_some(done));
        }
        match brackets {
            0 => text,
            1 => format!("; {{\n[{text}\n]\n; end\n"),
            _ => format!("({text})"),
        }
    })
}

fn any_size() -> impl Strategy<Value = Size> {
    (1..80usize, 1..5usize).prop_map(|(piece, threads)| Size { piece, threads })
}

const WHOLE: Size = Size { piece: 1 << 20, threads: 1 };

const LOG: &str = "INFO  jepsen.core - {:a 1}\nINFO  jepsen.util - 0\t:invoke\t:cas\t[2 4]\n\
    WARN x\nINFO  jepsen.util - 1\t:invoke\t:read\tnil\nINFO  jepsen.util - 1\t:ok\t:read\t[1 \"a\"]\n\
    INFO  jepsen.util - 0\t:info\t:cas\t:timed-out\nINFO  jepsen.util - 0\t:invoke\t:read\tnil";

const JSON: &str = "[{\"type\":\"invoke\",\"f\":\"txn\",\"value\":[[\"r\",1,null]],\"process\":0},\n\
    {\"type\":\"ok\",\"f\":\"txn\",\"value\":[[\"r\",1,[1,2.5]]],\"process\":0},{\"type\":\"info\",\n\
    \"process\":\"nemesis\"},\n{\"type\":\"invoke\",\"f\":\"a\\n\",\"value\":{\"1\":true},\"process\":2}]\n";

const EDN: &str = "[{:type :invoke, :f :txn, :value [[:r :x nil] [:poll {0 [[1 2]]}]], :process 0}\n\
    {:type :ok :f :txn :value [[:r :x #{1 2}] [:send 0 [1 2]]] :process 0 :time 12}\n\
    #_{:a \"b\"} #a.b{:type :invoke :f :read :value nil :process :nemesis} ; c\n\
    {:type :invoke :f :cas :value [1/2 \\a] :error \"\\u00fc\" :process 2N}]\n";

const PLUME: &str = "w(1,2,0,1)\nr(1,2,0,2)\nr(2,0,1,1)\nw(3,4,1,-1)\n";

const AWDIT: &str = "w 1 2\nr 2 0\n-----\nr 1 2\n=====\nw 1 3\n";

const OURS: &str = "{\"schism\":\"history\",\"version\":1}\n\
    {\"index\":0,\"time\":1,\"process\":3,\"type\":\"invoke\",\"f\":\"write\",\"key\":\"x\",\"value\":7}\n\
    {\"index\":1,\"time\":5,\"process\":3,\"type\":\"ok\",\"f\":\"write\",\"key\":\"x\",\"value\":7}\n";

/// One byte or some of them changed.
fn any_change() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select([LOG, JSON, EDN, PLUME, AWDIT, OURS].to_vec());
    let byte =
        prop_oneof![any::<u8>(), prop::sample::select(b"{}[]()\"\\#_:;,-=0 \n\0nr".to_vec())];
    let change = (any::<prop::sample::Index>(), byte, 0..4u8);
    (text, prop::collection::vec(change, 1..5)).prop_map(|(text, changes)| {
        let mut bytes = text.as_bytes().to_vec();
        for (place, byte, how) in changes {
            let at = place.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn edn_does_not_depend_on_how_it_is_cut(text in any_edn(), size in any_size()) {
        let whole = read(text.as_bytes(), Format::Edn, WHOLE);
        prop_assert_eq!(read(text.as_bytes(), Format::Edn, size), whole, "{}", text);
    }

    #[test]
    fn changed_bytes_do_not_depend_on_how_they_are_cut(bytes in any_change(), size in any_size()) {
        for format in [Format::Edn, Format::Json, Format::JepsenLog] {
            let whole = read(&bytes, format, WHOLE);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(read(&bytes, format, size), whole, "{:?} {}", format, text);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in any_change()) {
        let found = format_of(&bytes);
        for format in Format::ALL.into_iter().chain(found) {
            // Whatever is wrong has a place, and only our own format may end anywhere.
            if let Err(error) = super::read::read_as(format, bytes.as_slice(), "f") {
                prop_assert!(error.to_string().starts_with("f:"), "{}", error);
            }
        }
    }

    #[test]
    fn micro_operations_are_read_as_their_values_would_be(text in any_edn_value()) {
        let scan = |mops: bool| -> Result<Value, Stop> {
            let mut scanner = Scanner::new(text.as_bytes(), Notation::Edn, true);
            if mops { scanner.value_or_mops(&mut Keys::default()) } else { scanner.value(0) }
        };
        let (plain, direct) = (scan(false), scan(true));
        let mops = match &plain {
            Ok(Value::List(items)) if !items.is_empty() => {
                Value::List(items.clone()).into_mops()
            }
            _ => None,
        };
        prop_assert_eq!(direct, mops.map_or(plain, Ok), "{}", text);
    }
}

#[test]
fn what_is_generated_is_both_read_and_refused() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut count = |of: &dyn Fn(&mut proptest::test_runner::TestRunner) -> bool| {
        (0..400).filter(|_| of(&mut runner)).count()
    };
    let edn = count(&|runner| {
        let text = any_edn().new_tree(runner).expect("a text").current();
        read(text.as_bytes(), Format::Edn, WHOLE).is_ok()
    });
    let changed = count(&|runner| {
        let bytes = any_change().new_tree(runner).expect("bytes").current();
        format_of(&bytes)
            .is_ok_and(|format| super::read::read_as(format, bytes.as_slice(), "f").is_ok())
    });
    assert!(edn > 200, "{edn} of 400 texts are histories");
    assert!((40..360).contains(&changed), "{changed} of 400 changed texts are histories");
}
