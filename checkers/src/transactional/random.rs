//! Chance for tests, the same in every run.

/// `SplitMix64`.
pub(crate) struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000.
pub(crate) fn cases(usual: u64) -> u64 {
    let asked = std::env::var("SCHISM_CASES").ok().and_then(|asked| asked.parse::<u64>().ok());
    asked.map_or(usual, |asked| (usual * asked / 20_000).max(100))
}
