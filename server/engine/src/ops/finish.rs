//! What follows an operation's sums before they are written: steps that would otherwise be a pass over memory each.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor, bail};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    data::{Data, tensor},
    simd::{dispatch, load, registers, store, written},
};

/// `out = gate(relu(sum · scale + shift + add))`, each step only where it is asked for.
///
/// A forward pass scales, shifts, adds the residual and applies the ReLU; a backward pass adds the gradient that came
/// another way and lets it through where the ReLU in front was open.
#[derive(Clone, Copy, Default)]
pub struct Finish<'a> {
    /// By channel: factors and summands, `[C]` each.
    pub affine: Option<(&'a Tensor, &'a Tensor)>,
    /// By element of the output.
    pub add: Option<&'a Tensor>,
    /// Negative results become 0.
    pub relu: bool,
    /// By element of the output: results are 0 where this is not positive.
    pub gate: Option<&'a Tensor>,
}

impl Finish<'_> {
    /// The same in Candle's own operations.
    pub(super) fn plain(&self, x: &Tensor) -> Result<Tensor> {
        let mut out = x.clone();
        if let Some((scale, shift)) = self.affine {
            out = out.broadcast_mul(scale)?.broadcast_add(shift)?;
        }
        if let Some(add) = self.add {
            out = (out + add)?;
        }
        if self.relu {
            out = out.relu()?;
        }
        if let Some(gate) = self.gate {
            out = (&out * gate.gt(0f64)?.to_dtype(out.dtype())?)?;
        }
        Ok(out)
    }

    /// The numbers, for an output of these dimensions.
    pub(super) fn data(&self, dims: &[usize]) -> Result<FinishData<'_>> {
        let channels = dims.last().copied().unwrap_or(1);
        if self.affine.is_some_and(|(scale, shift)| scale.dims() != [channels] || shift.dims() != [channels]) {
            bail!("scale and shift are not one number for each of {channels} channels");
        }
        for other in [self.add, self.gate].into_iter().flatten() {
            if other.dims() != dims {
                bail!("shapes differ: {dims:?} and {:?}", other.dims());
            }
        }
        let affine =
            self.affine.map(|(scale, shift)| Ok::<_, candle_core::Error>((Data::of(scale)?, Data::of(shift)?)));
        Ok(FinishData {
            affine: affine.transpose()?,
            add: self.add.map(Data::of).transpose()?,
            relu: self.relu,
            gate: self.gate.map(Data::of).transpose()?,
        })
    }
}

/// The numbers of a [`Finish`] on the CPU.
pub(super) struct FinishData<'a> {
    affine: Option<(Data<'a>, Data<'a>)>,
    add: Option<Data<'a>>,
    relu: bool,
    gate: Option<Data<'a>>,
}

impl FinishData<'_> {
    pub(super) fn finisher(&self) -> Finisher<'_> {
        Finisher {
            affine: self.affine.as_ref().map(|(scale, shift)| (&**scale, &**shift)),
            add: self.add.as_deref(),
            relu: self.relu,
            gate: self.gate.as_deref(),
        }
    }
}

/// A [`Finish`] as kernels apply it.
#[derive(Clone, Copy, Default)]
pub(super) struct Finisher<'a> {
    affine: Option<(&'a [f32], &'a [f32])>,
    add: Option<&'a [f32]>,
    relu: bool,
    gate: Option<&'a [f32]>,
}

/// Elements of an output beside each other: `width` from `at` on, which are of the channels from `channel` on.
#[derive(Clone, Copy)]
pub(super) struct Elements {
    pub at: usize,
    pub channel: usize,
    pub width: usize,
}

impl<'a> Finisher<'a> {
    /// The part for the elements `range` of the output, as images are shared out among threads.
    pub(super) fn part(self, range: std::ops::Range<usize>) -> Self {
        let of = |values: Option<&'a [f32]>| values.map(|v| &v[range.clone()]);
        Self { add: of(self.add), gate: of(self.gate), ..self }
    }

    /// Whether it fits an output of so many elements with at least so many channels.
    pub(super) fn fits(&self, elements: usize, channels: usize) -> bool {
        self.affine.is_none_or(|(scale, shift)| scale.len() >= channels && shift.len() >= channels)
            && self.add.is_none_or(|v| v.len() == elements)
            && self.gate.is_none_or(|v| v.len() == elements)
    }

    /// Finishes sums of these elements.
    ///
    /// # Safety
    /// [`Self::fits`] must hold of the output that they belong to, and they must lie inside it and its channels.
    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds were checked once for the whole output")]
    pub(super) unsafe fn apply<S: Simd>(
        &self,
        simd: S,
        sum: S::f32s,
        Elements { at, channel, width }: Elements,
    ) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        let mut out = sum;
        // SAFETY: `at + width` and `channel + width` lie inside the output and its channels, and so inside these slices.
        unsafe {
            if let Some((scale, shift)) = self.affine {
                let scale = load(simd, scale.as_ptr().add(channel), width);
                out = simd.mul_add_f32s(out, scale, load(simd, shift.as_ptr().add(channel), width));
            }
            if let Some(add) = self.add {
                out = simd.add_f32s(out, load(simd, add.as_ptr().add(at), width));
            }
            if self.relu {
                // A NaN is not less than 0 and stays one, so that a training that diverges is noticed.
                out = simd.select_f32s(simd.less_than_f32s(out, zero), zero, out);
            }
            if let Some(gate) = self.gate {
                let open = simd.greater_than_f32s(load(simd, gate.as_ptr().add(at), width), zero);
                out = simd.select_f32s(open, out, zero);
            }
        }
        out
    }
}

/// Elements that one task of a pass goes over: they and those read beside them stay in a core's cache.
const CHUNK: usize = 1 << 15;

/// Whole pixels of about [`CHUNK`] elements.
pub(super) fn chunk(channels: usize) -> usize {
    (CHUNK / channels.max(1)).max(1) * channels
}

/// Finishes `[…, C]` as a pass of its own.
///
/// # Errors
/// When the shapes do not fit.
pub fn finish(x: &Tensor, finish: &Finish) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return finish.plain(x);
    }
    let channels = x.dims().last().copied().unwrap_or(1);
    let (values, data) = (Data::of(x)?, finish.data(x.dims())?);
    let chunk = chunk(channels);
    let write = |out: &mut [MaybeUninit<f32>]| {
        out.par_chunks_mut(chunk).zip(values.par_chunks(chunk)).enumerate().for_each(|(i, (out, x))| {
            let start = i * chunk;
            dispatch(Pass { x, channels, finish: data.finisher().part(start..start + x.len()), out });
        });
    };
    // SAFETY: the chunks cover x, and each writes as many floats as it reads.
    #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
    let out = unsafe { written(values.len(), write) };
    tensor(out, x.shape())
}

struct Pass<'a> {
    x: &'a [f32],
    channels: usize,
    finish: Finisher<'a>,
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for the whole output")]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.x.len();
        assert!(self.out.len() == n && self.finish.fits(n, self.channels) && n.is_multiple_of(self.channels));
        for pixel in (0..n).step_by(self.channels) {
            registers(
                simd,
                self.channels,
                #[inline(always)]
                |channel, width| {
                    let at = pixel + channel;
                    // SAFETY: whole pixels lie inside x and out, and the finish fits them.
                    unsafe {
                        let x = load(simd, self.x.as_ptr().add(at), width);
                        let value = self.finish.apply(simd, x, Elements { at, channel, width });
                        store(simd, self.out.as_mut_ptr().add(at).cast(), width, value);
                    }
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn every_combination_of_steps_equals_the_plain_expression() {
        // 19 channels fill no register; 4,000 pixels are several tasks.
        let shape = (4, 1000, 19);
        let (x, add, gate) = (testing::tensor(1, shape), testing::tensor(2, shape), testing::tensor(3, shape));
        let (scale, shift) = (testing::tensor(4, 19), testing::tensor(5, 19));
        for steps in 0..16 {
            let with = |bit: i32| steps & bit != 0;
            let steps = Finish {
                affine: with(1).then_some((&scale, &shift)),
                add: with(2).then_some(&add),
                relu: with(4),
                gate: with(8).then_some(&gate),
            };
            testing::assert_close(&finish(&x, &steps).unwrap(), &steps.plain(&x).unwrap(), 1e-6);
        }
    }

    #[test]
    fn a_gate_of_zero_is_shut_and_a_nan_stays_one() {
        let cpu = candle_core::Device::Cpu;
        let x = Tensor::new(&[[1f32, -1.0, f32::NAN, 2.0]], &cpu).unwrap();
        let gate = Tensor::new(&[[0f32, 1.0, 1.0, -0.0]], &cpu).unwrap();
        let found = testing::values(&finish(&x, &Finish { gate: Some(&gate), ..Finish::default() }).unwrap());
        assert!(found[..2] == [0.0, -1.0] && found[2].is_nan() && found[3] == 0.0);
        let found = testing::values(&finish(&x, &Finish { relu: true, ..Finish::default() }).unwrap());
        assert!(found[..2] == [1.0, 0.0] && found[2].is_nan());
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let (x, other) = (testing::tensor(1, (2, 3)), testing::tensor(2, (3, 2)));
        assert!(finish(&x, &Finish { add: Some(&other), ..Finish::default() }).is_err());
        let scale = testing::tensor(1, 2);
        assert!(finish(&x, &Finish { affine: Some((&scale, &scale)), ..Finish::default() }).is_err());
    }
}
