//! What the allocator does with memory that is freed.

/// Makes the allocator keep the memory that this process frees for its next allocations, instead of giving it back to the
/// system after a while.
///
/// A training step allocates and frees the same tensors as the step before. Pages that went back to the system meanwhile
/// come again one fault at a time, each filled with zeros: a twentieth of the time of a ResNet-18's step. It is without
/// effect where the program does not use mimalloc.
#[expect(unsafe_code, reason = "the allocator's options are C functions")]
pub fn keep_freed_memory() {
    // SAFETY: the option is a number that mimalloc reads when it frees pages; any value at any time is allowed, and a
    // value that another thread misses once only delays the effect.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) }
}

/// `mi_option_purge_delay` of mimalloc's `mi_option_t`, in milliseconds; −1 is never.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the allocator's options are C functions")]
    fn the_option_is_the_one_whose_default_is_a_second() {
        // SAFETY: as above.
        assert_eq!(unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }, 1000);
        keep_freed_memory();
        // SAFETY: as above.
        assert_eq!(unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }, -1);
    }
}
