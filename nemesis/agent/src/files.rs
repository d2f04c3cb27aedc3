//! Files of the node that the controller reads while they grow: logs.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};

use crate::protocol::{Answer, Bytes};

/// A piece that is longer would hold up everything else on the channel.
const PIECE_MAX: usize = 1 << 20;

/// A piece of a file; nothing of one that is not there, or has no more.
pub fn read(path: &str, offset: u64, bytes_max: usize) -> Answer {
    let piece = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(bytes_max.min(PIECE_MAX) as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match piece() {
        Ok(bytes) => Answer::Piece { bytes: Bytes(bytes) },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Answer::Piece { bytes: Bytes::default() }
        }
        Err(error) => Answer::Refused(format!("{path}: {error}")),
    }
}

/// The plain files of a folder with their sizes, by name; none of one that is not there.
pub fn list(folder: &str) -> Answer {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Answer::Files(Vec::new()),
        Err(error) => return Answer::Refused(format!("{folder}: {error}")),
    };
    let file = |entry: fs::DirEntry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((entry.file_name().into_string().ok()?, metadata.len()))
    };
    let mut files: Vec<(String, u64)> = entries.flatten().filter_map(file).collect();
    files.sort();
    Answer::Files(files)
}
