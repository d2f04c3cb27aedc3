//! The machine code that answers for the clock of a process, and the figures that it reads.
//!
//! It lies in the zero tail of the process' vDSO and is reached by a jump from each entry. It asks
//! the kernel for the true time and adds what the figures say. Three rules make it safe to put in and
//! to take out while the process runs:
//!
//! - It uses no stack and calls nothing, so that nothing but an instruction pointer leads into it.
//! - `r8` keeps the first argument from the first instruction on, and `rsp` never changes: a thread
//!   that stands anywhere inside can be sent back to the entry, and asks again.
//! - The figures are never changed where they are read: there are two sets of them, the second of
//!   which is the true time, and one number of eight bytes says which holds.

use std::arch::global_asm;
use std::ops::Range;

global_asm!(
    r#"
.pushsection .rodata.schism_clock,"a",@progbits
.globl schism_clock_stub, schism_clock_which, schism_clock_figures
.globl schism_clock_gettime, schism_clock_gettimeofday, schism_clock_time, schism_clock_end
.balign 16
schism_clock_stub:
    .ascii "schismCK"           # by this a stub is known
    .quad 0                     # whose it is
schism_clock_which:
    .quad 0                     # 0: the figures hold; 32: the true time
    .quad 0
schism_clock_figures:
    .quad 0                     # added, in nanoseconds
    .quad 0                     # since when, in nanoseconds of the true time
    .quad 0                     # faster by so many millionths since then
    .quad 0                     # added in every other span of so many nanoseconds; 0: always
    .quad 0, 0, 0, 0            # the true time, in the same shape

# rax: the true time in nanoseconds, which becomes what the process sees.
.macro schism_clock_skew
    lea r9, [rip + schism_clock_figures]
    add r9, qword ptr [rip + schism_clock_which]
    mov r11, rax
    sub rax, qword ptr [r9 + 8]
    mov r10, rax
    imul qword ptr [r9 + 16]
    mov ecx, 1000000
    idiv rcx
    add r11, rax
    mov rcx, qword ptr [r9 + 24]
    test rcx, rcx
    jz 8f
    mov rax, r10
    cqo
    idiv rcx
    test al, 1
    jnz 9f
8:  add r11, qword ptr [r9]
9:  mov rax, r11
.endm

.balign 16
schism_clock_gettime:           # int clock_gettime(clockid_t edi, struct timespec *rsi)
    mov r8, rdi
    mov eax, 228
    syscall                     # changes rax, rcx and r11 alone
    test eax, eax
    jnz 2f
    test edi, edi               # CLOCK_REALTIME
    je 3f
    cmp edi, 5                  # CLOCK_REALTIME_COARSE
    je 3f
    cmp edi, 11                 # CLOCK_TAI
    jne 2f
3:  imul rax, qword ptr [rsi], 1000000000
    add rax, qword ptr [rsi + 8]
    schism_clock_skew
    cqo
    mov ecx, 1000000000
    idiv rcx
    mov qword ptr [rsi], rax
    mov qword ptr [rsi + 8], rdx
    xor eax, eax
2:  ret

.balign 16
schism_clock_gettimeofday:      # int gettimeofday(struct timeval *rdi, struct timezone *rsi)
    mov r8, rdi
    mov eax, 96
    syscall
    test eax, eax
    jnz 2f
    test rdi, rdi
    jz 2f
    imul rax, qword ptr [rdi], 1000000
    add rax, qword ptr [rdi + 8]
    imul rax, rax, 1000
    schism_clock_skew
    cqo
    mov ecx, 1000
    idiv rcx
    cqo
    mov ecx, 1000000
    idiv rcx
    mov qword ptr [rdi], rax
    mov qword ptr [rdi + 8], rdx
    xor eax, eax
2:  ret

.balign 16
schism_clock_time:              # time_t time(time_t *rdi)
    mov r8, rdi
    xor edi, edi
    lea rsi, [rsp - 24]         # below the stack's end, which signals leave alone for 128 bytes
    mov eax, 228
    syscall
    imul rax, qword ptr [rsp - 24], 1000000000
    add rax, qword ptr [rsp - 16]
    schism_clock_skew
    cqo
    mov ecx, 1000000000
    idiv rcx
    test r8, r8
    jz 2f
    mov qword ptr [r8], rax
2:  ret

.balign 16
schism_clock_end:
.popsection
"#
);

unsafe extern "C" {
    static schism_clock_stub: u8;
    static schism_clock_which: u8;
    static schism_clock_figures: u8;
    static schism_clock_gettime: u8;
    static schism_clock_gettimeofday: u8;
    static schism_clock_time: u8;
    static schism_clock_end: u8;
}

/// By this the stub is known, also to a program of another build.
pub const MAGIC: [u8; 8] = *b"schismCK";
/// Magic and owner: enough to know a stub.
pub const HEAD: usize = 16;
/// What `which` is while the figures do not hold.
pub const TRUE_TIME: u64 = 32;

/// How a clock goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Nanoseconds that are added.
    pub offset_ns: i64,
    /// The true time, in nanoseconds since 1970, from which on drift and strobe count.
    pub since_ns: i64,
    /// Millionths by which the time runs faster (or slower) from then on; at most a million.
    pub drift_ppm: i32,
    /// The offset holds in every other span of this length, the first included; 0: always.
    pub strobe_ns: i64,
}

/// The functions of the vDSO that are redirected, with their places in the stub.
pub fn entries() -> [(&'static str, usize); 3] {
    [
        ("__vdso_clock_gettime", place(&raw const schism_clock_gettime)),
        ("__vdso_gettimeofday", place(&raw const schism_clock_gettimeofday)),
        ("__vdso_time", place(&raw const schism_clock_time)),
    ]
}

/// The stub of this owner with these figures, as it stands in a process.
pub fn bytes(owner: u64, figures: &Figures) -> Vec<u8> {
    let length = place(&raw const schism_clock_end);
    // SAFETY: the assembly above lays these bytes down, and nothing changes them.
    let mut stub =
        unsafe { std::slice::from_raw_parts(&raw const schism_clock_stub, length) }.to_vec();
    let Figures { offset_ns, since_ns, drift_ppm, strobe_ns } = *figures;
    stub[8..HEAD].copy_from_slice(&owner.to_le_bytes());
    let numbers = [offset_ns, since_ns, i64::from(drift_ppm), strobe_ns];
    let start = place(&raw const schism_clock_figures);
    for (place, number) in stub[start..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    stub
}

/// Where the number stands that says which figures hold.
pub fn which() -> usize {
    place(&raw const schism_clock_which)
}

/// Where threads run, if they are inside.
pub fn code() -> Range<usize> {
    place(&raw const schism_clock_gettime)..place(&raw const schism_clock_end)
}

/// Whose stub begins with these bytes, if one does.
pub fn owner(head: &[u8]) -> Option<u64> {
    let owner = head.strip_prefix(&MAGIC)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*owner))
}

/// Where a label stands, from the stub's beginning on.
fn place(label: *const u8) -> usize {
    label as usize - &raw const schism_clock_stub as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_known_by_its_owner_and_is_all_true_time_but_for_its_figures() {
        let figures = Figures { offset_ns: -1, since_ns: 2, drift_ppm: -3, strobe_ns: 4 };
        let stub = bytes(0x0123_4567_89ab_cdef, &figures);
        assert_eq!(owner(&stub), Some(0x0123_4567_89ab_cdef));
        assert_eq!(owner(&[0; HEAD]), None);
        let number = |place: usize| i64::from_le_bytes(*stub[place..].first_chunk().expect("8"));
        assert_eq!([number(32), number(40), number(48), number(56)], [-1, 2, -3, 4]);
        assert_eq!(which(), 16);
        let truth = place(&raw const schism_clock_figures) + TRUE_TIME as usize;
        assert!(stub[truth..truth + 32].iter().all(|byte| *byte == 0));
        assert_eq!(code().end, stub.len());
    }
}
