//! Time in a history, and quantities with units as plans write them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since the load began, on the controller's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The beginning of the load.
    pub const ZERO: Time = Time(0);

    /// The time `seconds` after the beginning; negative and absurd values are cut to the range.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e9).clamp(0.0, u64::MAX as f64) as u64)
    }

    /// Seconds since the beginning.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for Time {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(Time::from(duration).0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3} s", self.as_secs_f64())
    }
}

/// A text that should have been a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {wanted}")]
pub struct UnitError {
    text: String,
    wanted: &'static str,
}

/// A duration as plans write it: `250ms`, `3s`, `1.5s`, `2m`, `1h`, `40us`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

const UNITS: [(&str, f64); 7] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Durations beyond this are mistakes, not plans.
const LONGEST_S: f64 = 1e9;

impl std::str::FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wanted = "duration: write a number and its unit, such as 250ms, 3s or 2m";
        let error = || UnitError { text: text.into(), wanted };
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
        let (number, unit) = text.split_at(split);
        let number: f64 = number.parse().map_err(|_| error())?;
        let unit = unit.trim();
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let seconds = number * seconds;
        if seconds > LONGEST_S {
            return Err(error());
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        for (unit, size) in [
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
        ] {
            if nanos >= size && nanos.is_multiple_of(size) {
                return write!(formatter, "{}{unit}", nanos / size);
            }
        }
        match nanos {
            0 => write!(formatter, "0s"),
            _ if nanos >= 1_000_000_000 => write!(formatter, "{}s", self.0.as_secs_f64()),
            _ if nanos >= 1_000_000 => write!(formatter, "{}ms", self.0.as_secs_f64() * 1e3),
            _ if nanos.is_multiple_of(1000) => write!(formatter, "{}us", nanos / 1000),
            _ => write!(formatter, "{nanos}ns"),
        }
    }
}

/// Arrivals a second, as plans write it: `400/s`, `0.5/s`, `30/m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Arrivals a second; finite and greater than zero.
    pub per_second: f64,
}

impl std::str::FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wanted = "rate: write a number and its unit, such as 400/s or 30/m";
        let error = || UnitError { text: text.into(), wanted };
        let (number, unit) = text.split_once('/').ok_or_else(error)?;
        let number: f64 = number.trim().parse().map_err(|_| error())?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            _ => return Err(error()),
        };
        let per_second = number / seconds;
        if !per_second.is_finite() || per_second <= 0.0 || per_second > 1e7 {
            return Err(error());
        }
        Ok(Self { per_second })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/s", self.per_second)
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(Span);
serde_as_text!(Rate);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        assert_eq!(input.parse::<Span>().ok().map(|span| span.to_string()).as_deref(), expected);
    }

    #[test]
    fn reads_and_prints_durations() {
        check("250ms", Some("250ms"));
        check("1.5s", Some("1500ms"));
        check("90s", Some("90s"));
        check("2m", Some("2m"));
        check("40us", Some("40us"));
        check("3", None);
        check("3 parsecs", None);
        check("s", None);
        check("-3s", None);
        check("1e999s", None);
    }

    #[test]
    fn reads_rates() {
        assert_eq!("400/s".parse::<Rate>().map(|rate| rate.per_second), Ok(400.0));
        assert_eq!("30/m".parse::<Rate>().map(|rate| rate.per_second), Ok(0.5));
        assert!("400".parse::<Rate>().is_err());
        assert!("0/s".parse::<Rate>().is_err());
    }
}
