//! The vDSO as the kernel made it: where its functions begin, and how much of it is empty.
//!
//! Every process of 64 bits has the same bytes, so that our own copy is what every other is restored
//! from.

use std::fs;

use super::stub;

/// A jump as it replaces the beginning of a function: one byte, and a distance of four.
pub const JUMP: usize = 5;
const PAGE: usize = 4096;
/// Key of the auxiliary vector under which the kernel tells where the vDSO is.
const AT_SYSINFO_EHDR: u64 = 33;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;

/// The vDSO of this machine, and where things go in it.
#[derive(Clone)]
pub struct Image {
    /// All its bytes, whole pages.
    pub bytes: Vec<u8>,
    /// Where the stub goes.
    pub slot: usize,
    /// Each function that is redirected, and the jump that does it.
    pub entries: Vec<(usize, [u8; JUMP])>,
}

impl Image {
    /// Our own, which nobody has touched.
    pub fn own() -> Result<Self, String> {
        let maps =
            fs::read_to_string("/proc/self/maps").map_err(|error| format!("maps: {error}"))?;
        let range = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(range);
        let (start, end) = range.ok_or("this kernel gives its programs no vDSO")?;
        // SAFETY: the kernel maps these pages, readable, for as long as the process lives.
        let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, end - start) };
        Self::read(bytes.to_vec())
    }

    /// Finds the functions and the room for the stub.
    fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let symbols = symbols(&bytes).ok_or("the vDSO is no ELF file that can be read")?;
        let end = used(&bytes).ok_or("the vDSO is no ELF file that can be read")?;
        let slot = end.next_multiple_of(16);
        let length = stub::code().end;
        if bytes.len() < slot + length {
            let free = bytes.len().saturating_sub(slot);
            return Err(format!("the vDSO of this kernel has {free} free bytes, not {length}"));
        }
        let mut entries = Vec::new();
        for (name, place) in stub::entries() {
            let found = symbols.iter().find(|(symbol, _)| *symbol == name);
            let (_, entry) = found.ok_or_else(|| format!("the vDSO has no {name}"))?;
            // A write within one page is done or not done, whatever becomes of us meanwhile.
            if entry % PAGE + JUMP > PAGE || entry + JUMP > end {
                return Err(format!("{name} begins at the edge of a page"));
            }
            let distance = (slot + place) as i64 - (entry + JUMP) as i64;
            let distance = i32::try_from(distance).map_err(|_| "the vDSO is too large")?;
            let mut jump = [0xe9, 0, 0, 0, 0];
            jump[1..].copy_from_slice(&distance.to_le_bytes());
            if bytes[*entry..].starts_with(&jump[..1]) {
                return Err("the clock of this very process is set wrong".into());
            }
            entries.push((*entry, jump));
        }
        Ok(Self { bytes, slot, entries })
    }
}

/// Start and end of a line of /proc/PID/maps.
fn range(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// Where the vDSO of a process is, from its auxiliary vector; `None` if it has none.
pub fn base(vector: &[u8]) -> Option<u64> {
    let mut pairs = vector.chunks_exact(16);
    pairs.find_map(|pair| (u64_at(pair, 0)? == AT_SYSINFO_EHDR).then(|| u64_at(pair, 8))?)
}

/// How many bytes of the file are in use: segments, section headers, and whatever is not zero.
fn used(bytes: &[u8]) -> Option<usize> {
    let sections = u64_at(bytes, 40)? as usize
        + usize::from(u16_at(bytes, 58)?) * usize::from(u16_at(bytes, 60)?);
    let segments = headers(bytes)?
        .filter(|header| u32_at(header, 0) == Some(PT_LOAD))
        .filter_map(|header| Some(u64_at(header, 8)? as usize + u64_at(header, 40)? as usize));
    let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    Some(segments.fold(end.max(sections), usize::max))
}

/// The program headers.
fn headers(bytes: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let is_elf = bytes.starts_with(b"\x7fELF\x02\x01");
    let (start, count) = (u64_at(bytes, 32)? as usize, usize::from(u16_at(bytes, 56)?));
    let size = usize::from(u16_at(bytes, 54)?);
    let headers = bytes.get(start..start + count * size)?;
    (is_elf && size >= 56).then(|| headers.chunks_exact(size))
}

/// Names and places of the dynamic symbols. The linker puts their names right behind them, so that
/// the names' beginning is the symbols' end.
fn symbols(bytes: &[u8]) -> Option<Vec<(&str, usize)>> {
    let dynamic = headers(bytes)?.find(|header| u32_at(header, 0) == Some(PT_DYNAMIC))?;
    let (start, size) = (u64_at(dynamic, 8)? as usize, u64_at(dynamic, 32)? as usize);
    let mut tables = (None, None);
    for pair in bytes.get(start..start + size)?.chunks_exact(16) {
        match u64_at(pair, 0)? {
            DT_SYMTAB => tables.0 = Some(u64_at(pair, 8)? as usize),
            DT_STRTAB => tables.1 = Some(u64_at(pair, 8)? as usize),
            _ => {}
        }
    }
    let (table, names) = (tables.0?, tables.1?);
    let symbol = |symbol: &'_ [u8]| {
        let name = bytes.get(names + u32_at(symbol, 0)? as usize..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        let name = std::str::from_utf8(name.get(..end)?).ok()?;
        Some((name, u64_at(symbol, 8)? as usize))
    };
    bytes.get(table..names)?.chunks_exact(24).map(symbol).collect()
}

fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_room_and_every_function_in_our_own() {
        let image = Image::own().expect("a vDSO");
        assert_eq!((image.entries.len(), image.bytes.len() % PAGE), (3, 0));
        assert!(image.bytes[image.slot..].iter().all(|byte| *byte == 0));
        let vector = fs::read("/proc/self/auxv").expect("a vector");
        // SAFETY: plain numbers.
        let told = unsafe { libc::getauxval(AT_SYSINFO_EHDR) };
        assert_eq!(base(&vector), Some(told));
        let last = vector.len() - 16;
        assert_eq!(base(&vector[last..]), None);
    }

    #[test]
    fn refuses_what_it_cannot_read_or_what_has_no_room() {
        let check = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
            let mut bytes = Image::own().expect("a vDSO").bytes;
            change(&mut bytes);
            let problem = Image::read(bytes).map(drop).expect_err("it is refused");
            assert!(problem.contains(expected), "{problem}");
        };
        let own = Image::own().expect("a vDSO");
        check(&|bytes| bytes[1] = b'F', "no ELF file");
        check(&|bytes| bytes.truncate(100), "no ELF file");
        check(&|bytes| bytes.truncate(own.slot + 7), "7 free bytes");
        check(&|bytes| *bytes.last_mut().expect("bytes") = 1, " 0 free bytes");
        check(&|bytes| bytes[own.entries[1].0] = 0xe9, "this very process");
        let (name, _) = stub::entries()[0];
        let name = name.as_bytes();
        let place = own.bytes.windows(name.len()).position(|window| window == name);
        check(&|bytes| bytes[place.expect("its name")] = b'x', "has no __vdso_clock_gettime");
    }
}
