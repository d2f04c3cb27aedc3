//! What a program finds in files of the node's data folder.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::disk::FOLDER;
use crate::beneath::{files, open_file};
use crate::effects::Wound;
use crate::glob;

/// So many files are listed at the most, and so many that do not match are named.
const LISTED_MAX: usize = 2000;
const OTHERS_MAX: usize = 12;
const BLOCK: usize = 64 << 10;

/// The files that match, each with the length of what is written in it: zeros at its end, which
/// programs put there in advance, are none of that. Without one, some files that are there.
pub(super) fn list(data: &Path, pattern: &str) -> io::Result<Value> {
    // Those of other looks are no files of the target.
    let ours = |path: &str| path.starts_with(FOLDER);
    let matching = files(data, &|path| !ours(path) && glob::matches(pattern, path))?;
    let mut found = Vec::new();
    for path in matching.into_iter().take(LISTED_MAX) {
        let file = open_file(data, &path, false)?;
        let length = file.metadata()?.len();
        found.push(json!({ "file": path, "length": length, "written": written(&file, length)? }));
    }
    let mut others = if found.is_empty() { files(data, &|path| !ours(path))? } else { Vec::new() };
    others.truncate(OTHERS_MAX);
    Ok(json!({ "files": found, "others": others }))
}

/// Up to where the file is more than zeros.
fn written(file: &File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let (zeros, mut block) = (vec![0; BLOCK], vec![0; BLOCK]);
    while end > 0 {
        let from = end.saturating_sub(BLOCK as u64);
        let part = &mut block[..(end - from) as usize];
        file.read_exact_at(part, from)?;
        // Whole blocks are compared at once: what is reserved may be much.
        if *part != zeros[..part.len()]
            && let Some(last) = part.iter().rposition(|byte| *byte != 0)
        {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// The length of each file, and its bytes at these bits; a place behind its end has none.
pub(super) fn bytes(data: &Path, wounds: &[Wound]) -> io::Result<Value> {
    let mut seen = Vec::new();
    for wound in wounds {
        let file = open_file(data, &wound.file, false)?;
        let length = file.metadata()?.len();
        let byte = |bit: &u64| -> io::Result<Option<u8>> {
            let mut byte = [0];
            if bit / 8 >= length {
                return Ok(None);
            }
            file.read_exact_at(&mut byte, bit / 8)?;
            Ok(Some(byte[0]))
        };
        let bytes = wound.flip.iter().map(byte).collect::<io::Result<Vec<_>>>()?;
        seen.push(json!({ "length": length, "bytes": bytes }));
    }
    Ok(json!({ "files": seen }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn tells_what_is_written_from_what_was_reserved() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut content = vec![0; 200_000];
        content[70_000] = 1;
        fs::write(folder.path().join("one.wal"), &content).expect("a file");
        fs::write(folder.path().join("two.wal"), "").expect("a file");
        fs::create_dir(folder.path().join(FOLDER)).expect("a folder");
        fs::write(folder.path().join(FOLDER).join("three.wal"), "x").expect("a file");
        let seen = list(folder.path(), "*.wal").expect("seen");
        let expected = json!([
            { "file": "one.wal", "length": 200_000, "written": 70_001 },
            { "file": "two.wal", "length": 0, "written": 0 },
        ]);
        assert_eq!((&seen["files"], &seen["others"]), (&expected, &json!([])));
        let none = list(folder.path(), "*.aof").expect("seen");
        assert_eq!(none["others"], json!(["one.wal", "two.wal"]));
    }

    #[test]
    fn sees_the_bytes_at_places_and_none_behind_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("file"), [7, 9]).expect("a file");
        let wound = Wound { file: "file".into(), flip: vec![3, 8, 99], cut_to: None };
        let seen = bytes(folder.path(), &[wound]).expect("seen");
        assert_eq!(seen, json!({ "files": [{ "length": 2, "bytes": [7, 9, null] }] }));
    }
}
