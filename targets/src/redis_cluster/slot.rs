//! Which of the cluster's slots a key belongs to.

/// How many slots there are.
pub(super) const SLOTS: u16 = 16384;

/// The slot of `key`: CRC-16 (XMODEM) of its hash tag, or of all of it where it has none. The tag is
/// what stands between the first `{` and the next `}`, if that is anything.
pub(crate) fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16(hashed.as_bytes()) % SLOTS
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        // As `CLUSTER KEYSLOT` answers.
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("0", 13907), ("", 0)] {
            assert_eq!(slot_of(key), slot, "{key}");
        }
    }

    #[test]
    fn keys_of_one_tag_share_a_slot() {
        assert_eq!(slot_of("{foo}:1"), slot_of("foo"));
        assert_eq!(slot_of("x{foo}{bar}"), slot_of("foo"));
        assert_eq!(slot_of("x{{foo}}"), slot_of("{foo"));
        assert_eq!(slot_of("{}foo"), crc16(b"{}foo") % SLOTS, "an empty tag is none");
        assert_eq!(slot_of("{foo"), crc16(b"{foo") % SLOTS, "a tag that never ends is none");
    }
}
