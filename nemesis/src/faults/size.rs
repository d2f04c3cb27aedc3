//! Sizes as plans write them: `200MiB`.

const UNITS: [(&str, u64); 4] = [("MiB", 1 << 20), ("GiB", 1 << 30), ("KiB", 1 << 10), ("B", 1)];

/// So many bytes; `None` of what is no size.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (number, size) =
        UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn reads_binary_units_and_no_others() {
        assert_eq!(bytes("200MiB"), Some(200 << 20));
        assert_eq!(
            (bytes("4 KiB"), bytes("512B"), bytes("1GiB")),
            (Some(4096), Some(512), Some(1 << 30))
        );
        assert_eq!([bytes("200MB"), bytes("4k"), bytes("B"), bytes("-1B"), bytes("7")], [None; 5]);
    }
}
