//! Golden tests: what PyTorch computed from the same inputs, beside what we compute.
//!
//! The numbers in `server/engine/golden` were written by the scripts in `tools/golden`, which compute them anew and compare
//! with `--check`. Inputs are not stored: both sides make them by [`values`].

mod architectures;
mod gacd;
pub(crate) mod methods;

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};
use retort_spec::Architecture;

use crate::{nn::Network, ops::testing};

/// Numbers in [−1, 1) that depend on the name and the place alone: 24 bits of `SplitMix64`, as tools/golden/common.py has them.
fn values(name: &str, count: usize) -> Vec<f32> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let value = |i: usize| {
        let mut z = hash.wrapping_add((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        2.0 * ((z >> 40) as f32 / 16_777_216.0) - 1.0
    };
    (0..count).map(value).collect()
}

pub(crate) fn tensor(name: &str, shape: &[usize]) -> Tensor {
    Tensor::from_vec(values(name, shape.iter().product()), shape, &Device::Cpu).unwrap()
}

/// Images in [0, 1).
pub(crate) fn images(name: &str, n: usize) -> Tensor {
    tensor(name, &[n, 3, 32, 32]).affine(0.5, 0.5).unwrap()
}

pub(crate) fn labels(name: &str, n: usize, classes: usize) -> Vec<u8> {
    let label = |v: f32| (f64::midpoint(f64::from(v), 1.0) * classes as f64) as u8;
    values(name, n).into_iter().map(label).collect()
}

/// A network of ten classes whose weights are made by their names, as tools/golden/networks.py makes them.
pub(crate) fn network(architecture: Architecture) -> Network {
    let mut network = Network::new(architecture, 10, 0, &Device::Cpu).unwrap();
    let weights = &mut network.weights;
    for named in weights.parameters.iter_mut().chain(&mut weights.buffers) {
        let v = tensor(&format!("{}.{}", architecture.id(), named.name), named.tensor.dims());
        let (scale, shift) = if v.dims().len() > 1 {
            ((3.0 / (v.elem_count() / v.dims()[0]) as f64).sqrt(), 0.0)
        } else if named.name.ends_with("running_var") {
            (0.3, 1.0)
        } else if named.name.ends_with("running_mean") || named.name.ends_with("bias") {
            (0.2, 0.0)
        } else {
            (0.2, 1.0)
        };
        named.tensor = v.affine(scale, shift).unwrap();
    }
    network
}

/// The numbers of one script.
pub(crate) struct Golden(HashMap<String, Tensor>);

impl Golden {
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}.safetensors"));
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    /// A tensor of it.
    pub(crate) fn tensor(&self, name: &str) -> Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("there is no golden {name}")).clone()
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<f32> {
        testing::values(&self.tensor(name))
    }

    /// Holds that each number is PyTorch's to within `tolerance` times the largest of them.
    pub(crate) fn hold(&self, name: &str, found: &[f32], tolerance: f32) {
        let expected = self.numbers(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(0f32, |most, v| most.max(v.abs()));
        let off = found.iter().zip(&expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(off <= tolerance * largest, "{name} is off by {:e} of its largest number", off / largest);
    }
}
