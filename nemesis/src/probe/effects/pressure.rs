//! Looks at what is left for the node's programs: memory and descriptors.

use async_trait::async_trait;

use super::{Look, Sight, Spot};

/// Other programs take and give memory, too: so much of what was taken must be seen.
const SEEN: f64 = 0.7;

/// Memory that is taken: how many bytes.
pub(super) struct Memory(pub(super) u64);

#[async_trait]
impl Look for Memory {
    /// What the kernel says that programs may still get, in MiB.
    async fn look(&self, spot: &Spot) -> Sight {
        let seen = spot.look(&["memory"]).await?;
        let bytes = seen["available"].as_f64();
        bytes.map(mebibytes).ok_or_else(|| "a look at its memory saw nothing".into())
    }

    fn bites(&self, before: f64, now: f64) -> Result<String, String> {
        let text = format!("{now:.0} MiB of memory are available, {before:.0} MiB before");
        if before - now > SEEN * mebibytes(self.0 as f64) { Ok(text) } else { Err(text) }
    }

    fn gone(&self, before: f64, held: f64, now: f64) -> Result<String, String> {
        let text = format!("{now:.0} MiB of memory are available again");
        let filled = mebibytes(self.0 as f64);
        // Others may have taken some meanwhile, or given it back before.
        let well = now - held > SEEN * filled || before - now < (1.0 - SEEN) * filled;
        if well { Ok(text) } else { Err(text) }
    }
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

/// Descriptors: how many are left.
pub(super) struct Descriptors(pub(super) u64);

#[async_trait]
impl Look for Descriptors {
    /// The fewest that any of the node's processes may still open.
    async fn look(&self, spot: &Spot) -> Sight {
        let seen = spot.look(&["descriptors"]).await?;
        seen["free"]
            .as_f64()
            .ok_or_else(|| "no process runs whose descriptors could be seen".into())
    }

    fn bites(&self, before: f64, now: f64) -> Result<String, String> {
        let text = format!("a process may open {now:.0} descriptors more, {before:.0} before");
        // It may have closed some since.
        let few = f64::midpoint(self.0 as f64, before);
        if now < few { Ok(text) } else { Err(text) }
    }

    fn gone(&self, before: f64, held: f64, now: f64) -> Result<String, String> {
        let text = format!("each process may open {now:.0} descriptors more again");
        if now > f64::midpoint(before, held) { Ok(text) } else { Err(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_was_taken_and_given_back() {
        let memory = Memory(100 << 20);
        assert!(memory.bites(1000.0, 905.0).is_ok() && memory.bites(1000.0, 960.0).is_err());
        assert!(memory.gone(1000.0, 900.0, 990.0).is_ok());
        assert!(memory.gone(1000.0, 900.0, 910.0).is_err());
        let few = Descriptors(2);
        assert!(few.bites(1000.0, 2.0).is_ok() && few.bites(1000.0, 990.0).is_err());
        assert!(few.gone(1000.0, 2.0, 998.0).is_ok() && few.gone(1000.0, 2.0, 4.0).is_err());
    }
}
