//! How an agent is called: it serves one controller below a watcher, or cleans what one left.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::claim::Claim;
use crate::lease::{self, Lease, Leash};
use crate::leftovers::Undone;
use crate::protocol::Answer;
use crate::session::{Out, Session};
use crate::watch::watched;

const USAGE: &str = "agent --folder FOLDER --token TOKEN [--lease TIME] [--connection TEXT] \
                     [--schism FILE] [--fresh] [--disposable]\n       agent --clean --folder FOLDER";
/// The agent's exit code when it may not or cannot work on this node.
const REFUSED: i32 = 3;
/// Its exit code when it could not undo everything.
pub const DIRTY: i32 = 4;

/// What the command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub folder: PathBuf,
    pub token: String,
    pub connection: String,
    pub schism: Option<PathBuf>,
    pub lease: Option<Duration>,
    pub fresh: bool,
    /// Whether the machine may be done anything to.
    pub disposable: bool,
    /// Nobody is served: what an agent left is undone.
    pub clean: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Option<Self> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--fresh" => options.fresh = true,
                "--disposable" => options.disposable = true,
                "--clean" => options.clean = true,
                "--lease" => options.lease = Some(lease::parse(words.next()?)?),
                "--folder" => options.folder = words.next()?.into(),
                "--token" => options.token.clone_from(words.next()?),
                "--connection" => options.connection.clone_from(words.next()?),
                "--schism" => options.schism = Some(words.next()?.into()),
                _ => return None,
            }
        }
        let given = options.folder.is_absolute() && (options.clean || !options.token.is_empty());
        given.then_some(options)
    }
}

/// Serves one controller, below a watcher, and returns when both have nothing more to do. With
/// `--clean` it undoes what an agent left.
///
/// Must be called while the process has one thread: it forks, and blocks signals for all threads.
pub fn main(arguments: &[String]) -> i32 {
    let Some(options) = Options::parse(arguments) else {
        eprintln!("usage: {USAGE}");
        return 64;
    };
    if options.clean {
        return clean(&options.folder);
    }
    let out = Arc::new(Out(Mutex::new(io::stdout())));
    let refuse = |problem: String| {
        out.answer(0, Answer::Refused(problem));
        REFUSED
    };
    let mut claim = match Claim::take(&options.folder, &options.token) {
        Ok(claim) => claim,
        Err(problem) => return refuse(problem),
    };
    // Before the fork: nobody has begun anything yet, and nobody else reaps.
    let before = Undone::by_a_successor(&options.folder);
    let (folder, length) = (options.folder.clone(), options.lease.unwrap_or(lease::USUAL));
    let agent =
        |leash: Leash| match Session::begin(options, Lease::begin(length, leash), before, &out) {
            Ok(session) => session.serve(),
            Err(problem) => refuse(problem),
        };
    watched(&folder, length, &mut claim, agent).unwrap_or_else(|error| refuse(error.to_string()))
}

/// For people and the boot: undoes what an agent of this folder left, and says what that was.
fn clean(folder: &Path) -> i32 {
    let claim = Claim::take(folder, "clean");
    if let Err(problem) = claim {
        eprintln!("{problem}");
        return REFUSED;
    }
    let Undone { cleaned, dirty } = Undone::by_a_successor(folder);
    for one in &cleaned {
        println!("cleaned: {one}");
    }
    for one in &dirty {
        eprintln!("dirty: {one}");
    }
    if cleaned.is_empty() && dirty.is_empty() {
        println!("clean: nothing of schism is left here");
    }
    if dirty.is_empty() { 0 } else { DIRTY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_node_only_with_a_folder_and_a_token() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            Options::parse(&words)
        };
        let options = parse("--folder /var/tmp/x --token t --fresh").expect("options");
        assert!(options.fresh && options.folder == Path::new("/var/tmp/x"));
        assert_eq!(parse("--folder x --token t"), None);
        assert_eq!(parse("--folder /x"), None);
        assert_eq!(parse("--folder /x --token t --what"), None);
        let options = parse("--folder /x --token t --lease 1500ms").expect("options");
        assert_eq!(options.lease, Some(Duration::from_millis(1500)));
        assert_eq!(parse("--folder /x --token t --lease soon"), None);
        assert!(parse("--clean --folder /x").is_some_and(|options| options.clean));
    }
}
