//! The attacks of AutoAttack as the authors' code makes them (`tools/golden/apgd.py`, `fab_square.py`).

use candle_core::Tensor;
use retort_spec::{Architecture, PixelDistance};

use super::{
    Memory, Starts, Target,
    auto_pgd::{Loss, climb},
};
use crate::{
    golden::{Golden, images, network},
    nn::Network,
    rng::Purpose,
};

const STEPS: usize = 30;
const SCALE: f64 = 50.0;
const CHECKS: usize = 3;

/// The network of the golden numbers, its images with their labels, and the class that is next best for each.
pub(super) struct Setting {
    pub network: Network,
    pub natural: Tensor,
    pub labels: Vec<u8>,
    pub targets: Vec<u8>,
    pub memory: Memory,
}

impl Setting {
    pub fn new() -> Self {
        let golden = Golden::read("apgd");
        let (mut network, natural) = (network(Architecture::ResNet8), images("attacked images", 24));
        let [weight, bias] = network.classifier();
        let parameters = &mut network.weights.parameters;
        parameters[weight].tensor = (&parameters[weight].tensor * SCALE).unwrap();
        parameters[bias].tensor = golden.tensor("bias");
        let bytes = |name: &str| -> Vec<u8> { golden.numbers(name).iter().map(|v| *v as u8).collect() };
        Self { network, natural, labels: bytes("labels"), targets: bytes("targets"), memory: Memory::new() }
    }

    pub fn target(&mut self) -> Target<'_> {
        Target {
            network: &mut self.network,
            surrogate: None,
            natural: self.natural.clone(),
            labels: self.labels.clone(),
            indices: (0..self.labels.len()).collect(),
            starts: Starts { seed: 7, purpose: Purpose::Attack },
            memory: &mut self.memory,
        }
    }
}

/// Holds that an attack's losses are those of the authors' code, for each image up to where it is answered wrongly, and that the
/// steps of nearly all that never are have the same size behind the first checks.
pub(super) fn hold(name: &str, eps: PixelDistance, loss: impl for<'a> Fn(&'a [u8], &'a [u8]) -> Box<dyn Loss + 'a>) {
    let golden = Golden::read("apgd");
    let mut setting = Setting::new();
    let (labels, targets) = (setting.labels.clone(), setting.targets.clone());
    let mut target = setting.target();
    let start = target.starts.stretched(&target.natural, eps, &target.indices, 0).unwrap();
    let loss = loss(&labels, &targets);
    let climbs = climb(&mut target, (eps.value() as f32, STEPS), &start, loss.as_ref()).unwrap();
    let (losses, sizes) = (golden.numbers(&format!("{name}.losses")), golden.numbers(&format!("{name}.sizes")));
    let (mut compared, mut standing, mut same) = (0, 0, 0);
    for ((climb, losses), sizes) in climbs.iter().zip(losses.chunks_exact(STEPS)).zip(sizes.chunks_exact(CHECKS)) {
        for (step, (own, theirs)) in climb.losses.iter().zip(losses).enumerate() {
            assert!((own - theirs).abs() < 1e-3 * (1.0 + theirs.abs()), "{name}, step {step}: {own} and {theirs}");
        }
        compared += climb.losses.len();
        standing += usize::from(!climb.is_lost);
        same += usize::from(!climb.is_lost && climb.sizes[..CHECKS] == *sizes);
    }
    // Where a loss gets no higher, the last digits decide whether it rose.
    assert!(compared > 300 && standing > 10, "{name}: {compared} losses, {standing} images");
    assert!(10 * same >= 8 * standing, "{name}: {same} of {standing} images have the same steps");
}
