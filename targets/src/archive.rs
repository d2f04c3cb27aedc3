//! Programs that come in an archive, or bare, from a path or a URL: fetched and unpacked once, by the machine of
//! the controller, before there is a lab. Of most the nodes get the program alone; what is more than one
//! program is kept whole.
//!
//! An archive is known by its checksum, which the plan names: what is kept in the cache under it was
//! checked when it came.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use schism_history::{OptionError, Options};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// How long a download may take, and unpacking.
const FETCH_WITHIN: Duration = Duration::from_mins(10);
const UNPACK_WITHIN: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Release archives have their programs in a folder of their own.
const DEPTH_MAX: usize = 4;

/// The help of the options that name one.
pub(crate) const ARCHIVE: (&str, &str) = (
    "archive",
    "instead of `binary`: a tar archive that holds the program, or the program itself, as a path or a \
     URL; needs `sha256`; nodes get the program from here",
);
pub(crate) const SHA256: (&str, &str) = ("sha256", "the checksum of `archive`");

/// In a folder that was kept whole: the checksum of the archive that it came in.
pub(crate) const CONTENT: &str = "content";

/// What of an archive is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// The program of this name.
    Program(&'static str),
    /// The folder that has a folder of this name, with all that it holds.
    Whole(&'static str),
}

/// An archive with a program in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    /// A path, or a URL.
    source: String,
    sha256: String,
    keeps: Keeps,
    /// Where that is kept.
    kept: PathBuf,
}

impl Archive {
    /// The archive that the options name, if they do, of which this program is kept.
    pub(crate) fn read(
        options: &Options<'_>,
        given: &Value,
        program: &'static str,
    ) -> Result<Option<Self>, OptionError> {
        Self::named(options, given, Keeps::Program(program))
    }

    /// The archive that the options name, if they do, which is kept whole: the one folder in it that
    /// has a folder `mark`.
    pub(crate) fn read_whole(
        options: &Options<'_>,
        given: &Value,
        mark: &'static str,
    ) -> Result<Option<Self>, OptionError> {
        Self::named(options, given, Keeps::Whole(mark))
    }

    fn named(
        options: &Options<'_>,
        given: &Value,
        keeps: Keeps,
    ) -> Result<Option<Self>, OptionError> {
        let text = |key: &str| match given.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(other) => {
                Err(options.error(key, format!("`{key}` is {other}; it must be a text")))
            }
        };
        let (source, sha256) = match (text("archive")?, text("sha256")?) {
            (None, None) => return Ok(None),
            (Some(source), Some(sha256)) => (source, sha256.to_ascii_lowercase()),
            (Some(_), None) => {
                let problem = "`archive` needs the checksum that it must have: add `sha256: …`, as \
                               `sha256sum` prints it";
                return Err(options.error("archive", problem));
            }
            (None, Some(_)) => {
                return Err(
                    options.error("sha256", "`sha256` is that of `archive`, which is missing")
                );
            }
        };
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let problem = format!("`sha256` is {sha256}; it must be 64 hexadecimal digits");
            return Err(options.error("sha256", problem));
        }
        let Some(folder) = crate::cache::of("archives", &sha256) else {
            return Err(options.error("archive", crate::cache::NONE));
        };
        let kept = folder.join(match keeps {
            Keeps::Program(name) => name,
            Keeps::Whole(_) => "whole",
        });
        Ok(Some(Self { source, sha256, keeps, kept }))
    }

    /// Where the program, or the whole, is, once it was provided.
    pub(crate) fn kept(&self) -> &Path {
        &self.kept
    }

    /// Fetches, checks and unpacks the archive, unless that was done before. Blocks.
    pub(crate) fn provide(&self) -> Result<(), String> {
        if self.kept.exists() {
            return Ok(());
        }
        let broken = |error: io::Error| format!("{}: {error}", self.source);
        let work = self.kept.with_extension(format!("new-{}", std::process::id()));
        fs::create_dir_all(&work).map_err(broken)?;
        let provided = self.provide_by(&work);
        let _ = fs::remove_dir_all(&work);
        provided
    }

    fn provide_by(&self, work: &Path) -> Result<(), String> {
        let broken = |error: io::Error| format!("{}: {error}", self.source);
        let archive = if let Some(path) = self.source.strip_prefix("file://") {
            PathBuf::from(path)
        } else if self.source.contains("://") {
            let archive = work.join("archive");
            let to = archive.display().to_string();
            let words = ["-fsSL", "--proto", "=http,https", "-o", &to, "--", &self.source];
            run(Command::new("curl").args(words), FETCH_WITHIN)
                .map_err(|problem| format!("{}: {problem}", self.source))?;
            archive
        } else {
            PathBuf::from(&self.source)
        };
        let found = checksum(&archive).map_err(broken)?;
        if found != self.sha256 {
            let wanted = &self.sha256;
            return Err(format!(
                "{}: its checksum is {found}, and the plan wants {wanted}: it is another archive, or \
                 was damaged on its way",
                self.source
            ));
        }
        if matches!(self.keeps, Keeps::Program(_)) && is_program(&archive).map_err(broken)? {
            return self.keep(&archive, work).map_err(broken);
        }
        let place = work.join("unpacked");
        fs::create_dir(&place).map_err(broken)?;
        let mut tar = Command::new("tar");
        tar.arg("-x").arg("--no-same-owner").arg("-C").arg(&place).arg("-f").arg(&archive);
        run(&mut tar, UNPACK_WITHIN).map_err(|problem| format!("{}: {problem}", self.source))?;
        let mut found = Vec::new();
        let (name, what) = match self.keeps {
            Keeps::Program(name) => (name, Sought::File),
            Keeps::Whole(mark) => (mark, Sought::Folder),
        };
        find(&place, name, what, DEPTH_MAX, &mut found).map_err(broken)?;
        let [found] = &found[..] else {
            let (count, kind) = (found.len(), what.plural());
            return Err(format!("{}: it holds {count} {kind} named `{name}`", self.source));
        };
        match self.keeps {
            Keeps::Program(_) => self.keep(found, work).map_err(broken),
            Keeps::Whole(_) => self.keep_whole(found.parent().unwrap_or(found)).map_err(broken),
        }
    }

    /// Puts the folder where it is kept, as a whole; it was unpacked beside that.
    fn keep_whole(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(CONTENT), &self.sha256)?;
        match fs::rename(folder, &self.kept) {
            // Somebody else was faster with the same one.
            Err(_) if self.kept.join(CONTENT).exists() => Ok(()),
            renamed => renamed,
        }
    }

    /// Puts the program where it is kept, as a whole: what it is made of may stand on another file
    /// system, and nobody may ever find half of it.
    fn keep(&self, program: &Path, work: &Path) -> io::Result<()> {
        let whole = work.join("whole");
        fs::copy(program, &whole)?;
        fs::set_permissions(&whole, fs::Permissions::from_mode(0o755))?;
        fs::rename(&whole, &self.kept)
    }
}

/// Whether a file is a program of Linux itself, and no archive.
fn is_program(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut begin)?;
    Ok(begin == *b"\x7fELF")
}

fn checksum(path: &Path) -> io::Result<String> {
    use std::fmt::Write as _;

    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            length => hash.update(&bytes[..length]),
        }
    }
    Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes every write");
        text
    }))
}

/// What is looked for in an archive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sought {
    File,
    Folder,
}

impl Sought {
    fn plural(self) -> &'static str {
        match self {
            Sought::File => "files",
            Sought::Folder => "folders",
        }
    }
}

/// Plain files, or folders, of this name; links lead who knows where.
fn find(
    folder: &Path,
    name: &str,
    what: Sought,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let wanted = if what == Sought::File { kind.is_file() } else { kind.is_dir() };
        if wanted && entry.file_name() == name {
            found.push(entry.path());
        } else if kind.is_dir() && depth > 1 {
            find(&entry.path(), name, what, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Runs a program of this machine to its end.
pub(crate) fn run(command: &mut Command, within: Duration) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let log = std::env::temp_dir().join(format!("schism-{name}-{}", std::process::id()));
    let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let ended = command.spawn().map_err(|error| {
        format!("{name} cannot be started ({error}); install it: apt-get install {name}")
    });
    let ended = ended.and_then(|mut child| {
        let deadline = Instant::now() + within;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("{name} was not done within {within:?}"));
                }
                Err(error) => return Err(format!("{name}: {error}")),
            }
        }
    });
    let said = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    match ended? {
        status if status.success() => Ok(()),
        status => Err(format!("{name}: {status}: {}", said.trim())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An archive with these files, each of which holds its own name; and its checksum.
    fn packed(files: &[&str]) -> (tempfile::TempDir, String, String) {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join("in").join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, file).expect("a file");
        }
        let archive = folder.path().join("it.tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(folder.path().join("in")).arg(".");
        assert!(tar.status().expect("tar is everywhere").success());
        let sum = checksum(&archive).expect("it is there");
        (folder, archive.display().to_string(), sum)
    }

    fn provided(source: &str, sha256: &str, kept: PathBuf) -> Result<PathBuf, String> {
        let (source, sha256) = (source.to_owned(), sha256.to_owned());
        let archive = Archive { source, sha256, keeps: Keeps::Program("etcd"), kept };
        archive.provide().map(|()| archive.kept)
    }

    #[test]
    fn unpacks_the_program_and_nothing_else() {
        let (folder, source, sum) = packed(&["v1/etcd", "v1/etcdctl", "v1/README"]);
        let kept = folder.path().join("cache").join("etcd");
        let url = format!("file://{source}");
        let program = provided(&url, &sum, kept.clone()).expect("it is good");
        assert_eq!(fs::read_to_string(&program).expect("the program"), "v1/etcd");
        let mode = fs::metadata(&program).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        let beside: Vec<_> = fs::read_dir(folder.path().join("cache")).expect("it").collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
        // What is kept needs the archive no more.
        fs::remove_file(&source).expect("it was there");
        provided(&source, &sum, kept).expect("it is kept");
    }

    #[test]
    fn keeps_whole_what_is_more_than_a_program() {
        let (folder, source, sum) = packed(&["kafka-4/libs/a.jar", "kafka-4/bin/start.sh"]);
        let kept = folder.path().join("cache/whole");
        let whole = |source: &str, sum: &str, kept: &Path| {
            let (source, sha256, kept) = (source.to_owned(), sum.to_owned(), kept.to_owned());
            Archive { source, sha256, keeps: Keeps::Whole("libs"), kept }.provide()
        };
        whole(&source, &sum, &kept).expect("it is good");
        let text = |path: &str| fs::read_to_string(kept.join(path)).expect("it is there");
        assert_eq!(text("libs/a.jar"), "kafka-4/libs/a.jar");
        assert_eq!(text("bin/start.sh"), "kafka-4/bin/start.sh");
        assert_eq!(text(CONTENT), sum);
        fs::remove_file(&source).expect("it was there");
        whole(&source, &sum, &kept).expect("it is kept");
        let (other, source, sum) = packed(&["kafka-4/bin/start.sh"]);
        let without = whole(&source, &sum, &other.path().join("cache/whole")).expect_err("no libs");
        assert!(without.contains("holds 0 folders named `libs`"), "{without}");
    }

    #[test]
    fn takes_a_program_that_is_not_packed() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("etcd-for-linux");
        fs::write(&source, b"\x7fELF and so on").expect("a file");
        let sum = checksum(&source).expect("it is there");
        let kept = folder.path().join("cache/etcd");
        let program = provided(&source.display().to_string(), &sum, kept).expect("it is good");
        assert_eq!(fs::read(&program).expect("the program"), b"\x7fELF and so on");
        assert!(source.exists(), "it is somebody else's");
    }

    #[test]
    fn fetches_from_a_url_and_says_what_the_server_said() {
        use std::io::Write as _;
        let missing = match Command::new("curl").arg("--version").output() {
            Err(error) => Some(format!("curl: {error}; install the package curl")),
            // It would be asked in the place of the server.
            Ok(_) if std::env::var_os("http_proxy").is_some() => Some("http_proxy is set".into()),
            Ok(_) => None,
        };
        if let Some(reason) = missing {
            let test = "fetches_from_a_url_and_says_what_the_server_said";
            let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
            return;
        }
        let (folder, source, sum) = packed(&["v1/etcd"]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = std::thread::spawn(move || {
            for body in [Some(fs::read(&source).expect("the archive")), None] {
                let (mut stream, _) = listener.accept().expect("somebody asks");
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).expect("a request");
                let (status, body) =
                    body.map_or(("404 Not Found", Vec::new()), |it| ("200 OK", it));
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
                stream.write_all(head.as_bytes()).expect("it listens");
                stream.write_all(&body).expect("it listens");
            }
        });
        let url = format!("{base}/etcd.tar.gz");
        let kept = folder.path().join("cache/etcd");
        let program = provided(&url, &sum, kept).expect("it is served");
        assert_eq!(fs::read_to_string(program).expect("the program"), "v1/etcd");
        let absent = provided(&url, &sum, folder.path().join("other/etcd")).expect_err("404");
        assert!(absent.contains(&url) && absent.contains("404"), "{absent}");
        server.join().expect("both were asked for");
    }

    #[test]
    fn refuses_an_archive_that_is_another() {
        let (folder, source, sum) = packed(&["v1/etcdctl"]);
        let kept = || folder.path().join("cache/etcd");
        let wrong = provided(&source, &"0".repeat(64), kept()).expect_err("another checksum");
        assert!(wrong.contains("its checksum is") && wrong.contains(&sum), "{wrong}");
        let without = provided(&source, &sum, kept()).expect_err("no program");
        assert!(without.contains("holds 0 files named `etcd`"), "{without}");
        let (two, source, sum) = packed(&["a/etcd", "b/etcd"]);
        let both = provided(&source, &sum, two.path().join("cache/etcd")).expect_err("two");
        assert!(both.contains("holds 2 files"), "{both}");
        assert!(!kept().exists());
    }

    #[test]
    fn an_archive_is_known_by_its_checksum() {
        let check = |given: Value, expected: Result<bool, &str>| {
            let options = Options::read(&given, &["archive", "sha256"]).expect("known keys");
            let found = Archive::read(&options, &given, "etcd");
            let found = found.as_ref().map(Option::is_some).map_err(|error| error.path[0].as_str());
            assert_eq!(found, expected, "{given}");
        };
        let sum = "a".repeat(64);
        check(json!({}), Ok(false));
        check(json!({ "archive": "/x.tar.gz", "sha256": sum }), Ok(true));
        check(json!({ "archive": "/x.tar.gz" }), Err("archive"));
        check(json!({ "sha256": sum }), Err("sha256"));
        check(json!({ "archive": "/x.tar.gz", "sha256": "../../x" }), Err("sha256"));
    }
}
