//! `layer`: a disk of our own over the data folder, so that it can ail and lose.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Holding, Place};
use crate::layer::{self, Layer};
use crate::look::disk::{FILES, FOLDER};

/// Where a layer listens, in the folder of the ledger: there is one for a node.
const SOCKET: &str = "layer.sock";

/// The layer, while it is there.
#[derive(Default)]
pub(super) struct Mounted(Option<Layer>);

/// The socket of the node's layer.
pub(super) fn socket(place: &Place) -> PathBuf {
    place.entry.beside(SOCKET)
}

impl Holding for Mounted {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", place.data.display());
        let data = place.data.canonicalize().map_err(failed)?;
        let facts = json!({ "folder": data, "socket": socket(place) });
        place.entry.note(facts).map_err(failed)?;
        let mounted = prepare(&data)
            .map_err(|error| format!("{}: {error}", data.join(FOLDER).display()))
            .and_then(|()| Layer::mount(&data, &socket(place)));
        match mounted {
            Ok(layer) => {
                self.0 = Some(layer);
                Ok(())
            }
            // What stands there already is another's layer, and is left alone.
            Err(problem) if layer::is_mounted(&data) => Err(problem),
            Err(problem) => Err(sweep(&data).err().unwrap_or(problem)),
        }
    }

    fn end(&mut self, place: &mut Place) -> Result<(), String> {
        if let Some(mut layer) = self.0.take() {
            layer.unmount()?;
        }
        clean(&place.entry.facts)
    }
}

/// Makes the files that looks read and write, before the layer is there: nothing that a look does
/// afterwards changes a name.
fn prepare(data: &Path) -> io::Result<()> {
    let folder = data.join(FOLDER);
    fs::create_dir_all(&folder)?;
    // Targets that run as another user are none of a look's business, but the agent's look is.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    for name in FILES {
        fs::write(folder.join(name), [0; 4096])?;
    }
    Ok(())
}

/// Takes away a layer whose holder is dead.
pub(super) fn clean(facts: &Value) -> Result<(), String> {
    // Without a folder it had not begun.
    let Some(folder) = facts["folder"].as_str() else { return Ok(()) };
    if let Some(socket) = facts["socket"].as_str() {
        // One that nobody listens to does no harm if it stays.
        let _ = fs::remove_file(socket);
    }
    sweep(Path::new(folder))
}

fn sweep(data: &Path) -> Result<(), String> {
    layer::clean(data)?;
    match fs::remove_dir_all(data.join(FOLDER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", data.join(FOLDER).display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::disk::{Ailing, Losing};
    use super::*;
    use crate::effects::Effect;
    use crate::layer::tests::apart;
    use crate::layer::{Loss, Trouble};
    use crate::ledger::Ledger;
    use crate::look::disk;
    use crate::members::Members;

    fn place(folder: &Path, name: &str) -> Place {
        let data = folder.join("data");
        fs::create_dir_all(&data).expect("a folder");
        let entry = Ledger::at(folder.join("ledger")).enter(name, &Effect::Layer).expect("entered");
        // Nobody is in such a namespace.
        Place { members: Members::Network("net:[1]".into()), data, entry }
    }

    #[test]
    fn looks_see_what_is_held_and_nothing_of_it_afterwards() {
        if !apart() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut place = place(folder.path(), "layer");
        let data = place.data.clone();
        let mut layer = Mounted::default();
        layer.begin(&mut place).expect("a layer");
        let full = || disk::disk(&data, 3).expect("looked")["full"].clone();
        assert_eq!(full(), false);
        let mut ailing = Ailing::new(Trouble::Full);
        ailing.begin(&mut place).expect("full");
        assert_eq!(full(), true);
        ailing.end(&mut place).expect("well");
        while full() == true {}
        let planted = disk::loss(&data, 7).expect("planted");
        assert_eq!(planted["planted"], true);
        assert_eq!(disk::loss(&data, 7).expect("looked")["lost"], 0);
        let loss = Loss { seed: 7, ..Loss::default() };
        Losing(loss).begin(&mut place).expect("lost");
        let seen = disk::loss(&data, 7).expect("looked");
        assert_eq!((&seen["planted"], &seen["lost"]), (&Value::Bool(false), &seen["pages"]));
        layer.end(&mut place).expect("gone");
        assert_eq!(fs::read_dir(&data).expect("a folder").count(), 0);
    }

    #[test]
    fn what_a_dead_holder_left_is_cleaned_by_what_it_noted() {
        if !apart() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut place = place(folder.path(), "layer");
        let mut layer = Mounted::default();
        layer.begin(&mut place).expect("a layer");
        fs::write(place.data.join("file"), "kept").expect("written");
        // As if it had been killed: nobody ends it.
        std::mem::forget(layer);
        clean(&place.entry.facts).expect("clean");
        assert!(!socket(&place).exists());
        let names: Vec<_> = fs::read_dir(&place.data)
            .expect("a folder")
            .flatten()
            .map(|it| it.file_name())
            .collect();
        assert_eq!(names, ["file"]);
        clean(&place.entry.facts).expect("nothing is left to do");
    }
}
