//! Auto-PGD as the authors' code does it (tools/golden/apgd.py).

use retort_spec::{Architecture, PixelDistance};

use super::{
    Starts, Target,
    auto_pgd::{Loss, climb},
};
use crate::{
    golden::{Golden, images, network},
    rng::Purpose,
};

const STEPS: usize = 30;
const SCALE: f64 = 50.0;
const CHECKS: usize = 3;

/// Holds that an attack's losses are those of the authors' code, for each image up to where it is answered wrongly, and that the
/// steps of nearly all that never are have the same size behind the first checks.
pub(super) fn hold(name: &str, eps: PixelDistance, loss: impl for<'a> Fn(&'a [u8], &'a [u8]) -> Box<dyn Loss + 'a>) {
    let golden = Golden::read("apgd");
    let (mut network, natural) = (network(Architecture::ResNet8), images("attacked images", 24));
    let [weight, bias] = network.classifier();
    let parameters = &mut network.weights.parameters;
    parameters[weight].tensor = (&parameters[weight].tensor * SCALE).unwrap();
    parameters[bias].tensor = golden.tensor("bias");
    let bytes = |name: &str| -> Vec<u8> { golden.numbers(name).iter().map(|v| *v as u8).collect() };
    let (labels, targets) = (bytes("labels"), bytes("targets"));
    let starts = Starts { seed: 7, purpose: Purpose::Attack };
    let indices: Vec<usize> = (0..24).collect();
    let start = starts.stretched(&natural, eps, &indices, 0).unwrap();
    let mut target =
        Target { network: &mut network, surrogate: None, natural, labels: labels.clone(), indices, starts };
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
