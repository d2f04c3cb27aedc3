//! Where the stub does not run: a refusal, in words.

use super::Skew;

/// Clocks that cannot be set here.
pub struct Hold(());

impl Hold {
    /// Refuses.
    pub fn new(_: u64, _: &Skew) -> Result<Self, String> {
        Err(refusal())
    }

    /// Refuses.
    pub fn set(&self, _: &[i32]) -> Result<(), String> {
        Err(refusal())
    }

    /// Refuses.
    pub fn set_at_once(&self, _: i32) -> Result<(), String> {
        Err(refusal())
    }

    /// Nothing was done.
    pub fn undo(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Nothing was done.
pub fn undo(_: u64) -> Result<(), String> {
    Ok(())
}

fn refusal() -> String {
    format!(
        "clocks of processes can be set on x86-64 alone, and this is {}",
        std::env::consts::ARCH
    )
}
