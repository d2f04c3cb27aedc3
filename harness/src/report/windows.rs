//! Windows of time: what a chart counts together.

/// Windows of half a second, or longer ones where there would be too many.
const STEP_S: f64 = 0.5;
const WINDOWS_MAX: f64 = 240.0;
/// A last window shorter than this share of the others is joined to the one before it, since a rate
/// over so little time is noise.
const SHORTEST: f64 = 0.2;

/// Equal windows from 0 to the end of the load. The last one ends with the load, and may be shorter
/// or a little longer than the others, so that no chart shows time in which nothing was asked.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// The length of each but the last.
    pub step_s: f64,
    /// How many there are.
    pub count: usize,
    to_s: f64,
}

impl Windows {
    /// Windows up to `to_s`.
    pub fn until(to_s: f64) -> Self {
        let step_s = STEP_S * (to_s / STEP_S / WINDOWS_MAX).ceil().max(1.0);
        let count = ((to_s / step_s + 1.0 - SHORTEST).floor() as usize).max(1);
        Self { step_s, count, to_s }
    }

    /// The window of a time; a time after the end belongs to the last.
    pub fn of(&self, time_s: f64) -> usize {
        ((time_s / self.step_s) as usize).min(self.count - 1)
    }

    /// How long a window is, in seconds.
    pub fn length_s(&self, window: usize) -> f64 {
        if window + 1 < self.count {
            return self.step_s;
        }
        (self.to_s - window as f64 * self.step_s).max(f64::EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to_s: f64, (count, last_s): (usize, f64)) {
        let windows = Windows::until(to_s);
        assert_eq!(windows.count, count, "windows of {to_s} s");
        assert!((windows.length_s(count - 1) - last_s).abs() < 1e-9, "the last of {to_s} s");
        assert_eq!(windows.of(to_s + 1.0), count - 1);
    }

    #[test]
    fn the_last_window_ends_with_the_load() {
        check(20.0, (40, 0.5));
        check(4.2, (9, 0.2));
        check(4.05, (8, 0.55));
        check(0.01, (1, 0.01));
        check(240.0, (240, 1.0));
    }
}
