//! Random changes and syncs against a model that keeps whole trees instead of undoing.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

use super::*;
use crate::layer::dice::Dice;

/// A path in the data folder: `a`, or `d1/a`.
type Tree = BTreeMap<String, Thing>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Folder,
    File(usize),
}

/// What is durable and what is not, by whole copies.
struct Model {
    /// The tree after each change of names, with the folders and files that each was about.
    trees: Vec<(Tree, Vec<String>, Option<usize>)>,
    /// Of each file: what it holds, and what was synced.
    files: Vec<(Vec<u8>, Vec<u8>)>,
    strict: bool,
}

impl Model {
    fn tree(&self) -> &Tree {
        &self.trees.last().expect("one at least").0
    }

    fn change(&mut self, folders: &[&str], file: Option<usize>, edit: impl FnOnce(&mut Tree)) {
        let mut tree = self.tree().clone();
        edit(&mut tree);
        let folders = folders.iter().map(|folder| folder_of(folder)).collect();
        self.trees.push((tree, folders, file));
    }

    fn settle(&mut self, last: Option<usize>) {
        if let Some(last) = last.filter(|last| *last > 0) {
            self.trees.drain(..last);
            self.trees[0].1.clear();
            self.trees[0].2 = None;
        }
    }

    fn sync_folder(&mut self, folder: &str) {
        let last = self.trees.iter().rposition(|tree| tree.1.iter().any(|one| one == folder));
        self.settle(last);
    }

    fn sync_file(&mut self, file: usize) {
        self.files[file].1 = self.files[file].0.clone();
        if !self.strict {
            let last = self.trees.iter().rposition(|tree| tree.2 == Some(file));
            self.settle(last);
        }
    }

    fn lose(&mut self) {
        self.trees.truncate(1);
        for (now, synced) in &mut self.files {
            now.clone_from(synced);
        }
    }
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
}

/// What is really there.
fn look(root: &Path, at: &str, found: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in fs::read_dir(root.join(at)).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        let path = if at.is_empty() { name } else { format!("{at}/{name}") };
        if entry.file_type().expect("a kind").is_dir() {
            found.insert(path.clone(), None);
            look(root, &path, found);
        } else {
            found.insert(path.clone(), Some(fs::read(root.join(&path)).expect("read")));
        }
    }
}

fn compare(root: &Path, model: &Model, what: &str) {
    let mut found = BTreeMap::new();
    look(root, "", &mut found);
    let expected: BTreeMap<String, Option<Vec<u8>>> = model
        .tree()
        .iter()
        .map(|(path, thing)| match thing {
            Thing::Folder => (path.clone(), None),
            Thing::File(file) => (path.clone(), Some(model.files[*file].0.clone())),
        })
        .collect();
    let names = |tree: &BTreeMap<String, Option<Vec<u8>>>| -> Vec<String> {
        tree.iter()
            .map(|(path, bytes)| format!("{path}:{:?}", bytes.as_ref().map(Vec::len)))
            .collect()
    };
    assert!(
        found == expected,
        "{what}: found {:?}, expected {:?}",
        names(&found),
        names(&expected)
    );
}

#[test]
fn leaves_what_a_model_of_whole_copies_leaves() {
    for (strict, seed) in [(false, 1), (true, 2), (false, 3), (true, 4)] {
        let Some(mounted) = Mounted::new() else { return };
        let root = mounted.data();
        let mut dice = Dice::new(seed);
        let trees = vec![(Tree::new(), Vec::new(), None)];
        let mut model = Model { trees, files: Vec::new(), strict };
        for step in 0..1500 {
            let what = act(&root, &mut model, &mut dice);
            if dice.below(40) == 0 {
                if strict {
                    mounted.lose_strictly()
                } else {
                    mounted.lose(false, 0)
                };
                model.lose();
                compare(&root, &model, &format!("seed {seed}, loss after step {step}: {what}"));
            } else if dice.below(10) == 0 {
                compare(&root, &model, &format!("seed {seed}, step {step}: {what}"));
            }
        }
    }
}

/// One random step, in both worlds.
fn act(root: &Path, model: &mut Model, dice: &mut Dice) -> String {
    let tree = model.tree().clone();
    let name = |dice: &mut Dice| {
        let name = ["a", "b", "c", "d"][dice.below(4) as usize];
        match dice.below(3) {
            0 => name.to_owned(),
            folder => format!("d{folder}/{name}"),
        }
    };
    let path = name(dice);
    let folder = folder_of(&path);
    if !folder.is_empty() && !tree.contains_key(&folder) {
        fs::create_dir(root.join(&folder)).expect("made");
        model.change(&[&folder], None, |tree| {
            tree.insert(folder.clone(), Thing::Folder);
        });
        return format!("mkdir {folder}");
    }
    let file = match tree.get(&path) {
        Some(Thing::File(file)) => Some(*file),
        _ => None,
    };
    match (dice.below(12), file) {
        (0..=1, None) | (0, Some(_)) => replace(root, model, &path, dice.coin()),
        (1..=4, Some(file)) => {
            let (offset, length) = (dice.below(9000) as usize, 1 + dice.below(9000) as usize);
            let bytes = vec![dice.next() as u8; length];
            let open = OpenOptions::new().write(true).open(root.join(&path)).expect("open");
            open.write_all_at(&bytes, offset as u64).expect("written");
            let content = &mut model.files[file].0;
            content.resize(content.len().max(offset + length), 0);
            content[offset..offset + length].copy_from_slice(&bytes);
            format!("write {path} {offset}+{length}")
        }
        (5, Some(file)) => {
            let size = dice.below(16_000);
            let open = OpenOptions::new().write(true).open(root.join(&path)).expect("open");
            open.set_len(size).expect("cut");
            model.files[file].0.resize(size as usize, 0);
            format!("cut {path} {size}")
        }
        (6, Some(file)) => {
            sync(&root.join(&path));
            model.sync_file(file);
            format!("sync {path}")
        }
        (7, _) => {
            sync(&root.join(&folder));
            model.sync_folder(&folder);
            if !model.strict {
                // A folder that is synced keeps its own name, too; the model knows it by that.
                let made = model.trees.windows(2).rposition(|two| {
                    !two[0].0.contains_key(&folder) && two[1].0.contains_key(&folder)
                });
                model.settle(made.filter(|_| !folder.is_empty()).map(|before| before + 1));
            }
            format!("sync folder {folder:?}")
        }
        (8, Some(_)) => {
            fs::remove_file(root.join(&path)).expect("removed");
            model.change(&[&path], None, |tree| {
                tree.remove(&path);
            });
            format!("remove {path}")
        }
        (9..=10, Some(file)) => {
            let to = name(dice);
            let there = folder_of(&to);
            if to == path || (!there.is_empty() && !tree.contains_key(&there)) {
                return "nothing".into();
            }
            fs::rename(root.join(&path), root.join(&to)).expect("renamed");
            model.change(&[&path, &to], Some(file), |tree| {
                tree.remove(&path);
                tree.insert(to.clone(), Thing::File(file));
            });
            format!("rename {path} {to}")
        }
        (11, _) if !folder.is_empty() => {
            let inside = format!("{folder}/");
            let empty = !tree.keys().any(|path| path.starts_with(&inside));
            assert_eq!(fs::remove_dir(root.join(&folder)).is_ok(), empty);
            if empty {
                model.change(&[&folder], None, |tree| {
                    tree.remove(&folder);
                });
            }
            format!("rmdir {folder}")
        }
        _ => "nothing".into(),
    }
}

/// A new file, or a new one in the place of the old one.
fn replace(root: &Path, model: &mut Model, path: &str, synced: bool) -> String {
    let fresh = format!("{path}.new");
    if model.tree().contains_key(&fresh) {
        // Left over where the power failed before the renaming was durable.
        fs::remove_file(root.join(&fresh)).expect("removed");
        model.change(&[&fresh], None, |tree| {
            tree.remove(&fresh);
        });
    }
    let number = model.files.len();
    fs::write(root.join(&fresh), [number as u8]).expect("written");
    model.files.push((vec![number as u8], Vec::new()));
    model.change(&[&fresh], Some(number), |tree| {
        tree.insert(fresh.clone(), Thing::File(number));
    });
    if synced {
        sync(&root.join(&fresh));
        model.sync_file(number);
    }
    fs::rename(root.join(&fresh), root.join(path)).expect("renamed");
    model.change(&[path], Some(number), |tree| {
        tree.remove(&fresh);
        tree.insert(path.to_owned(), Thing::File(number));
    });
    format!("replace {path}")
}
