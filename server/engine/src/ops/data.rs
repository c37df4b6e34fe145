//! The numbers behind a tensor on the CPU.

use std::ops::Deref;

use candle_core::{CpuStorage, Result, Storage, Tensor, bail};
use parking_lot::RwLockReadGuard;

/// The elements of a contiguous f32 tensor on the CPU, read in place.
pub(super) struct Data<'a> {
    storage: RwLockReadGuard<'a, Storage>,
    start: usize,
    end: usize,
}

impl<'a> Data<'a> {
    pub(super) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("the kernel wants a contiguous tensor, not {layout:?}");
        };
        if !matches!(&*storage, Storage::Cpu(CpuStorage::F32(_))) {
            bail!("the kernel wants f32 numbers on the CPU, not {:?} on {:?}", tensor.dtype(), tensor.device());
        }
        Ok(Self { storage, start, end })
    }
}

impl Deref for Data<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.start..self.end],
            // `of` let nothing else in.
            _ => &[],
        }
    }
}

/// A CPU tensor that owns `values`.
pub(super) fn tensor(values: Vec<f32>, shape: impl Into<candle_core::Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &candle_core::Device::Cpu)
}
