//! Clocks that are held wrong, of however many processes, and the way back.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::image::Image;
use super::stub::Figures;
use super::{Skew, Trouble, process};

/// How long a process may be busy in a way in which its clock cannot be set.
const BUSY_MAX: Duration = Duration::from_secs(3);
/// How long may be tried until every clock is right again, to the byte; that they show the true time
/// takes one write each, at the beginning.
const UNDO_WITHIN: Duration = Duration::from_secs(5);
const TRY_EVERY: Duration = Duration::from_millis(1);
/// More than a clock of a year hence, or past, is no test of anything.
const OFFSET_MAX_MS: u64 = 366 * 24 * 3600 * 1000;
const DRIFT_MAX_PPM: u32 = 500_000;

/// Clocks that are wrong for as long as somebody wants.
pub struct Hold {
    image: Image,
    number: u64,
    figures: Figures,
}

impl Hold {
    /// Clocks under this number, which no other hold may have; drift counts from now on. Nothing is
    /// touched yet.
    pub fn new(number: u64, skew: &Skew) -> Result<Self, String> {
        let image = Image::own()?;
        if skew.offset_ms.unsigned_abs() > OFFSET_MAX_MS {
            return Err(format!("an offset of {} ms is more than a year", skew.offset_ms));
        }
        if skew.drift_ppm.unsigned_abs() > DRIFT_MAX_PPM {
            return Err(format!("a drift of {} ppm is more than a half", skew.drift_ppm));
        }
        let strobe_ns = match skew.strobe {
            Some(strobe) => i64::try_from(strobe.as_nanos()).ok().filter(|span| *span > 0),
            None => Some(0),
        };
        let strobe_ns = strobe_ns.ok_or("a strobe needs a span")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let figures = Figures {
            offset_ns: skew.offset_ms * 1_000_000,
            since_ns: now.as_nanos() as i64,
            drift_ppm: skew.drift_ppm,
            strobe_ns,
        };
        Ok(Self { image, number, figures })
    }

    /// Sets the clocks of these processes, unless they are set. Processes that end meanwhile are left
    /// out; a problem names its process.
    pub fn set(&self, pids: &[i32]) -> Result<(), String> {
        let deadline = Instant::now() + BUSY_MAX;
        for &pid in pids {
            loop {
                match self.try_set(pid) {
                    Ok(()) | Err(Trouble::Gone) => break,
                    Err(Trouble::Busy(_)) if Instant::now() < deadline => {
                        std::thread::sleep(TRY_EVERY);
                    }
                    Err(trouble) => return Err(in_words(pid, &trouble)),
                }
            }
        }
        Ok(())
    }

    /// Sets the clock of one process, unless it is set; one that is busy is left to the next time.
    pub fn set_at_once(&self, pid: i32) -> Result<(), String> {
        match self.try_set(pid) {
            Ok(()) | Err(Trouble::Gone | Trouble::Busy(_)) => Ok(()),
            Err(trouble) => Err(in_words(pid, &trouble)),
        }
    }

    fn try_set(&self, pid: i32) -> Result<(), Trouble> {
        match process::owner(pid, &self.image)? {
            None => apart(|| process::set(pid, &self.image, self.number, &self.figures)),
            Some(number) if number == self.number => Ok(()),
            Some(_) => Err(Trouble::Refused("has a clock that is held wrong already".into())),
        }
    }

    /// Makes every clock right again.
    pub fn undo(&self) -> Result<(), String> {
        undo_all(&self.image, self.number)
    }
}

/// Makes the clocks right again of all processes that bear this number, whoever set them.
pub fn undo(number: u64) -> Result<(), String> {
    undo_all(&Image::own()?, number)
}

fn undo_all(image: &Image, number: u64) -> Result<(), String> {
    let deadline = Instant::now() + UNDO_WITHIN;
    loop {
        // A process that forks after a look at its child's number is found by the next look.
        let bearers = bearers(image, number);
        if bearers.is_empty() {
            return Ok(());
        }
        let mut troubles = Vec::new();
        for pid in &bearers {
            // The true time at once; what could not be written is told by what follows.
            let _ = process::set_true(*pid, image, number);
        }
        for pid in bearers {
            match apart(|| process::clear(pid, image, number)) {
                Ok(()) | Err(Trouble::Gone) => {}
                Err(trouble) => troubles.push(in_words(pid, &trouble)),
            }
        }
        if Instant::now() > deadline {
            return Err(troubles.join("; "));
        }
        if !troubles.is_empty() {
            std::thread::sleep(TRY_EVERY);
        }
    }
}

/// All processes whose clocks bear this number. Those that we may not look at are none of ours.
fn bearers(image: &Image, number: u64) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| process::owner(*pid, image) == Ok(Some(number)))
        .collect()
}

/// Does it on a thread of its own. Whoever is traced is traced by a thread: with its end the kernel
/// lets go even of what had not stopped yet.
fn apart(deed: impl FnOnce() -> Result<(), Trouble> + Send) -> Result<(), Trouble> {
    let done = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("clock".into())
            .spawn_scoped(scope, deed)
            .map(std::thread::ScopedJoinHandle::join)
    });
    match done {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Trouble::Refused("was left alone after a mistake of ours".into())),
        Err(error) => Err(Trouble::Busy(format!("waits for a thread of ours: {error}"))),
    }
}

fn in_words(pid: i32, trouble: &Trouble) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let problem = match trouble {
        Trouble::Gone => "is gone",
        Trouble::Busy(problem) | Trouble::Refused(problem) => problem,
    };
    format!("{} (process {pid}) {problem}", name.trim())
}
