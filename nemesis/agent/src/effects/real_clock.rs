//! `real-clock`: the clock of the whole machine jumps, drifts, or goes back and forth.
//!
//! Only for machines that are there to be thrown away. What the clock would say without us is told by
//! `CLOCK_MONOTONIC_RAW`, which nobody can set or slew: so it can be put back exactly, by the holder or
//! by whoever finds its entry.

use std::time::{Duration, Instant};

use nix::sys::time::{TimeSpec, TimeValLike as _};
use nix::time::{ClockId, clock_gettime, clock_settime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Holding, Place};

/// A tick of the kernel's clock in microseconds: what `adjtimex` changes by up to a tenth.
const TICK_US: i64 = 10_000;
/// The most that a clock can be made to drift, in parts per million.
pub const DRIFT_PPM_MAX: i32 = 100_000;

/// The clock of this machine, being held wrong.
pub(super) struct RealClock {
    offset_ms: i64,
    drift_ppm: i32,
    strobe: Option<Duration>,
    /// When the strobe turns next, and whether the clock is wrong now.
    turns: Option<Instant>,
    wrong: bool,
    base: Option<Base>,
}

/// What is needed to put the clock back.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Base {
    /// The true time less `CLOCK_MONOTONIC_RAW`, in nanoseconds.
    real_less_raw_ns: i64,
    /// How the kernel's clock was tuned.
    tick_us: i64,
    frequency: i64,
    /// A machine that was rebooted has read its clock anew, and has another `raw`.
    boot: String,
}

impl RealClock {
    pub(super) fn new(offset_ms: i64, drift_ppm: i32, strobe_ms: Option<u64>) -> Self {
        let strobe = strobe_ms.map(Duration::from_millis);
        Self { offset_ms, drift_ppm, strobe, turns: None, wrong: true, base: None }
    }
}

impl Holding for RealClock {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        if self.drift_ppm.abs() > DRIFT_PPM_MAX {
            return Err(format!("a clock drifts by {DRIFT_PPM_MAX} ppm at the most"));
        }
        let base = Base::now()?;
        let facts = serde_json::to_value(&base).map_err(|error| error.to_string())?;
        place.entry.note(facts).map_err(|error| format!("ledger: {error}"))?;
        let begun = tune(self.drift_ppm).and_then(|()| base.set(self.offset_ms));
        if let Err(problem) = begun {
            base.undo()?;
            return Err(problem);
        }
        self.turns = self.strobe.map(|strobe| Instant::now() + strobe);
        self.base = Some(base);
        Ok(())
    }

    fn tend(&mut self, _: &mut Place) -> Result<(), String> {
        let (Some(base), Some(strobe), Some(turns)) = (&self.base, self.strobe, self.turns) else {
            return Ok(());
        };
        if Instant::now() < turns {
            return Ok(());
        }
        self.wrong = !self.wrong;
        self.turns = Some(turns + strobe);
        base.set(if self.wrong { self.offset_ms } else { 0 })
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        self.base.take().map_or(Ok(()), |base| base.undo())
    }
}

/// Puts the clock back, from what the ledger says.
pub(super) fn clean(facts: &Value) -> Result<(), String> {
    // It had not begun.
    if facts.is_null() {
        return Ok(());
    }
    let base: Base = serde_json::from_value(facts.clone()).map_err(|error| error.to_string())?;
    if base.boot == boot()? { base.undo() } else { Ok(()) }
}

fn boot() -> Result<String, String> {
    let path = "/proc/sys/kernel/random/boot_id";
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn clock(id: ClockId) -> Result<i64, String> {
    let now = clock_gettime(id).map_err(|error| format!("the clock: {error}"))?;
    Ok(now.num_nanoseconds())
}

impl Base {
    fn now() -> Result<Self, String> {
        let tuning = adjust(|_| {})?;
        let raw = clock(ClockId::CLOCK_MONOTONIC_RAW)?;
        let real_less_raw_ns = clock(ClockId::CLOCK_REALTIME)? - raw;
        let (tick_us, frequency) = (tuning.tick, tuning.freq);
        Ok(Self { real_less_raw_ns, tick_us, frequency, boot: boot()? })
    }

    /// Sets the clock to the true time plus so much.
    fn set(&self, offset_ms: i64) -> Result<(), String> {
        let raw = clock(ClockId::CLOCK_MONOTONIC_RAW)?;
        let time = TimeSpec::nanoseconds(raw + self.real_less_raw_ns + offset_ms * 1_000_000);
        let set = clock_settime(ClockId::CLOCK_REALTIME, time);
        set.map_err(|error| format!("the clock cannot be set: {error}"))
    }

    fn undo(&self) -> Result<(), String> {
        adjust(|timex| {
            timex.modes = libc::ADJ_TICK | libc::ADJ_FREQUENCY;
            timex.tick = self.tick_us;
            timex.freq = self.frequency;
        })?;
        self.set(0)
    }
}

fn tune(drift_ppm: i32) -> Result<(), String> {
    if drift_ppm == 0 {
        return Ok(());
    }
    // A microsecond of the tick is 100 ppm; the rest is the frequency's, in 2^-16 ppm.
    let (ticks, rest) = (i64::from(drift_ppm) / 100, i64::from(drift_ppm) % 100);
    let change = |timex: &mut libc::timex| {
        timex.modes = libc::ADJ_TICK | libc::ADJ_FREQUENCY;
        timex.tick = TICK_US + ticks;
        timex.freq = rest << 16;
    };
    adjust(change).map(drop)
}

/// Reads and changes how the kernel's clock is tuned.
fn adjust(change: impl FnOnce(&mut libc::timex)) -> Result<libc::timex, String> {
    // SAFETY: the structure is plain data; the kernel reads it and fills it in.
    unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        change(&mut timex);
        if libc::adjtimex(&raw mut timex) < 0 {
            let error = std::io::Error::last_os_error();
            return Err(format!("the clock cannot be tuned: {error}"));
        }
        Ok(timex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Effect;
    use crate::ledger::Ledger;
    use crate::members::Members;

    /// `CLOCK_REALTIME` less `CLOCK_MONOTONIC_RAW`, in seconds.
    fn real_less_raw() -> f64 {
        let raw = clock(ClockId::CLOCK_MONOTONIC_RAW).expect("a clock");
        (clock(ClockId::CLOCK_REALTIME).expect("a clock") - raw) as f64 / 1e9
    }

    /// A place on a machine that may be thrown away; elsewhere no test goes on.
    fn disposable() -> (tempfile::TempDir, Place) {
        let sign = std::path::Path::new("/etc/schism-disposable");
        assert!(sign.exists(), "this machine's clock is not to be touched");
        let folder = tempfile::tempdir().expect("a folder");
        let effect = Effect::RealClock { offset_ms: 0, drift_ppm: 0, strobe_ms: None };
        let entry = Ledger::at(folder.path()).enter("F1", &effect).expect("an entry");
        let data = folder.path().to_owned();
        (folder, Place { members: Members::Below(0), data, entry })
    }

    #[test]
    #[ignore = "sets this machine's clock: `make vm-test` runs it in a guest"]
    fn jumps_drifts_and_turns_and_is_put_back_exactly() {
        let (_folder, mut place) = disposable();
        let true_time = real_less_raw();
        let off = || real_less_raw() - true_time;
        for offset_ms in [3_600_000, -3_600_000] {
            let mut held = RealClock::new(offset_ms, 0, None);
            held.begin(&mut place).expect("a jump");
            let expected = offset_ms as f64 / 1e3;
            assert!((off() - expected).abs() < 0.05, "{} for {expected}", off());
            held.end(&mut place).expect("the end");
            assert!(off().abs() < 0.01, "{} after {expected}", off());
        }
        let mut held = RealClock::new(0, 50_000, None);
        held.begin(&mut place).expect("a drift");
        std::thread::sleep(Duration::from_secs(4));
        assert!((0.1..0.4).contains(&off()), "{} after 4 s of 5 %", off());
        // Its holder dies: the entry alone has to do.
        clean(&place.entry.facts.clone()).expect("cleaned");
        assert!(off().abs() < 0.01, "{} after the drift", off());
        std::thread::sleep(Duration::from_secs(2));
        assert!(off().abs() < 0.01, "it still drifts: {}", off());
        let mut held = RealClock::new(10_000, 0, Some(100));
        held.begin(&mut place).expect("a strobe");
        let mut seen = [false; 2];
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(20));
            held.tend(&mut place).expect("tended");
            seen[usize::from(off() > 5.0)] = true;
        }
        held.end(&mut place).expect("the end");
        assert_eq!(seen, [true; 2]);
        assert!(off().abs() < 0.01, "{} after the strobe", off());
    }

    #[test]
    fn leaves_the_clock_of_another_boot_alone() {
        let base =
            Base { boot: "another".into(), ..Base::now().expect("a clock that can be read") };
        clean(&serde_json::to_value(base).expect("facts")).expect("nothing to be done");
        clean(&Value::Null).expect("nothing was begun");
        assert!(clean(&serde_json::json!({ "boot": 7 })).is_err());
    }
}
