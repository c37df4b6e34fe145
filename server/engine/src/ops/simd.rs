//! The vector registers of the processor: which are used, and how kernels read and write them.
//!
//! A kernel is written once over [`Simd`] and compiled for each instruction set; [`dispatch`] runs the one that this
//! processor has. Kernels sum every output in one fixed order, whatever the width of a register, so that AVX2 and AVX-512
//! give the same bits where a sum does not run across the lanes of a register.

use std::{mem::MaybeUninit, sync::OnceLock};

use pulp::{Arch, Simd, WithSimd};

/// Floats of the widest register (AVX-512). Channel counts that are multiples of it fill every register.
pub(super) const WIDEST: usize = 16;

/// Runs a kernel on the best instruction set of this processor, or on the one that `RETORT_SIMD` names.
pub(super) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    arch().dispatch(kernel)
}

/// Floats in a register.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Lanes)
}

/// The instruction set that the kernels use: `avx512`, `avx2`, `neon` or `scalar`.
pub fn instruction_set() -> &'static str {
    match lanes() {
        16 => "avx512",
        8 => "avx2",
        1 => "scalar",
        _ => "neon",
    }
}

/// `RETORT_SIMD=avx2` and `RETORT_SIMD=scalar` ask for less than the processor has: to measure, to test, and to get the
/// same numbers on machines of different ages.
fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| match std::env::var("RETORT_SIMD").as_deref() {
        Ok("scalar") => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        Ok(other) if !other.is_empty() => panic!("RETORT_SIMD is “{other}”: it can be avx2 or scalar, or not set"),
        _ => Arch::new(),
    })
}

/// A register read from `width` floats at `from`, the rest of it zeros.
///
/// # Safety
/// `from` must be valid for reads of `width` floats, and `width` at most a register's.
#[inline(always)]
#[expect(unsafe_code, reason = "kernels read where bounds were checked for the whole loop")]
pub(super) unsafe fn load<S: Simd>(simd: S, from: *const f32, width: usize) -> S::f32s {
    // SAFETY: the caller's promise; a masked read touches only the floats of its mask.
    unsafe {
        if width == S::F32_LANES {
            from.cast::<S::f32s>().read_unaligned()
        } else {
            simd.mask_load_ptr_f32s(simd.mask_between_m32s(0, width as u32), from)
        }
    }
}

/// Writes the first `width` floats of a register to `to`.
///
/// # Safety
/// `to` must be valid for writes of `width` floats, and `width` at most a register's.
#[inline(always)]
#[expect(unsafe_code, reason = "kernels write where bounds were checked for the whole loop")]
pub(super) unsafe fn store<S: Simd>(simd: S, to: *mut f32, width: usize, values: S::f32s) {
    // SAFETY: the caller's promise; a masked write touches only the floats of its mask.
    unsafe {
        if width == S::F32_LANES {
            to.cast::<S::f32s>().write_unaligned(values);
        } else {
            simd.mask_store_ptr_f32s(simd.mask_between_m32s(0, width as u32), to, values);
        }
    }
}

/// Calls `f` with the start and the width of every register over `n` floats; only the last may be narrower.
#[inline(always)]
pub(super) fn registers<S: Simd>(_: S, n: usize, mut f: impl FnMut(usize, usize)) {
    let whole = n - n % S::F32_LANES;
    let mut at = 0;
    while at < whole {
        f(at, S::F32_LANES);
        at += S::F32_LANES;
    }
    if at < n {
        f(at, n - at);
    }
}

/// `n` floats, every one of which `write` writes.
///
/// Outputs are as large as the network's activations; filling them with zeros first would cost as much as a layer.
///
/// # Safety
/// `write` must write each of the n floats.
#[expect(unsafe_code, reason = "the floats are written before anybody can read them")]
pub(super) unsafe fn written(n: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut values = Vec::with_capacity(n);
    write(&mut values.spare_capacity_mut()[..n]);
    // SAFETY: the capacity is at least n, and the caller promises that all n floats have been written.
    unsafe { values.set_len(n) };
    values
}
