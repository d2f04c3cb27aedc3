//! `damage`: bits of files at rest are flipped, and ends of files cut off.

use std::io;
use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};

use super::{Holding, Place};
use crate::beneath::open_file;

/// What is done to one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wound {
    /// The file's path below the data folder.
    pub file: String,
    /// The bits that are flipped, counted from the file's beginning: bit 8 is the lowest of the second
    /// byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flip: Vec<u64>,
    /// The length that is left of it; otherwise all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_to: Option<u64>,
}

/// Damage of files: it happens at once, and what is held is no more than that it has happened. No end
/// of it makes the files whole, since nobody would do that for a real disk either.
pub(super) struct Damaging(pub(super) Vec<Wound>);

impl Holding for Damaging {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let running = place.members.list().map_err(|error| format!("/proc: {error}"))?;
        if let Some(process) = running.first() {
            let (name, pid) = (&process.name, process.pid);
            return Err(format!("{name} (process {pid}) runs: its files are not at rest"));
        }
        let failed = |error: io::Error| error.to_string();
        // All files are opened before any is touched: a path that is refused leaves all whole.
        let data = place.data.canonicalize().map_err(failed)?;
        let open = |wound: &Wound| open_file(&data, &wound.file, true);
        let files = self.0.iter().map(open).collect::<io::Result<Vec<_>>>().map_err(failed)?;
        for (wound, file) in self.0.iter().zip(&files) {
            inflict(wound, file).map_err(|error| format!("{}: {error}", wound.file))?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        Ok(())
    }
}

fn inflict(wound: &Wound, file: &std::fs::File) -> io::Result<()> {
    for bit in &wound.flip {
        let mut byte = [0];
        file.read_exact_at(&mut byte, bit / 8)?;
        file.write_all_at(&[byte[0] ^ (1 << (bit % 8))], bit / 8)?;
    }
    if let Some(length) = wound.cut_to {
        if length > file.metadata()?.len() {
            return Err(io::Error::other(format!("it is shorter than {length} bytes already")));
        }
        file.set_len(length)?;
    }
    // What a disk has lost no later loss of power brings back.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::effects::Effect;
    use crate::ledger::Ledger;
    use crate::members::Members;

    fn begin(folder: &std::path::Path, wounds: Vec<Wound>) -> Result<(), String> {
        let entry = Ledger::at(folder.join("ledger")).enter("F1", &Effect::Damage(wounds.clone()));
        // Nobody is in such a namespace.
        let members = Members::Network("net:[1]".into());
        let data = folder.join("data");
        Damaging(wounds).begin(&mut Place { members, data, entry: entry.expect("entered") })
    }

    #[test]
    fn flips_and_cuts_what_is_named_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("data/deep/file");
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, [0u8; 16]).expect("a file");
        let wound = Wound { file: "deep/file".into(), flip: vec![0, 7, 8, 43], cut_to: Some(10) };
        begin(folder.path(), vec![wound]).expect("damaged");
        assert_eq!(fs::read(&file).expect("a file"), [0x81, 1, 0, 0, 0, 8, 0, 0, 0, 0]);
    }

    #[test]
    fn leaves_all_whole_where_one_path_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("data/file");
        fs::create_dir_all(folder.path().join("data")).expect("a folder");
        fs::write(&file, [0u8; 4]).expect("a file");
        let wound = |file: &str| Wound { file: file.into(), flip: vec![0], cut_to: None };
        let both = vec![wound("file"), wound("../data/file")];
        assert!(begin(folder.path(), both).is_err_and(|problem| problem.contains("no path below")));
        assert_eq!(fs::read(&file).expect("a file"), [0; 4]);
    }
}
