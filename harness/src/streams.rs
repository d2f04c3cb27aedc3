//! One seed, named streams: what one part of a run draws does not change what another draws.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The stream `name` of the run's seed.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(crc32(name.as_bytes())));
    rng
}

/// CRC-32 (IEEE 802.3), bit by bit: a number for a name that never changes with a version.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = !0u32;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::Rng;

    #[test]
    fn gives_each_name_its_own_numbers_and_the_same_again() {
        let draw = |seed, name| stream(seed, name).next_u64();
        assert_eq!(draw(7, "faults"), draw(7, "faults"));
        assert_ne!(draw(7, "faults"), draw(7, "load"));
        assert_ne!(draw(7, "faults"), draw(8, "faults"));
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
