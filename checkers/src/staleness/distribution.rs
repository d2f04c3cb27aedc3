//! How far all reads of a history lag, for whoever draws it.

use std::time::Duration;

use schism_history::{History, Value};

use super::lag::lags;
use super::registers::Registers;

/// How long a newer version had been acknowledged when each ok read of a register was invoked, at
/// least; zero for reads that missed nothing. Sorted. Empty where the history tells no times.
pub fn lags_of_reads(history: &History, initial: &Value) -> Vec<Duration> {
    if !history.has_real_time() || !history.has_times() {
        return Vec::new();
    }
    let registers = Registers::of(history).registers;
    let each = registers.iter().flat_map(|register| lags(register, initial).least);
    let mut times: Vec<Duration> = each.map(|lag| lag.time).collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_long_what_a_read_missed_had_been_there() {
        let text = "
            1s p0 invoke write x 1
            2s p0 ok
            3s p1 invoke read x
            3s p1 ok 1
            5s p1 invoke read x
            5s p1 ok _";
        let history = History::from_text(text).expect("a history");
        let lags = lags_of_reads(&history, &Value::Nil);
        assert_eq!(lags, [Duration::ZERO, Duration::from_secs(3)]);
    }
}
