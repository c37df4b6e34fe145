//! What RobustBench asks of an entry (Croce et al. 2021, arXiv:2010.09670; methods.md §5.3), and whether an evaluation meets it.

use retort_spec::{EvaluateSpec, LogLevel, PixelDistance, RunSpec};

use super::RunPage;
use crate::format;

/// The radius of its ℓ∞ leaderboards for CIFAR, in 8-bit levels.
const LEVELS: f64 = 8.0;

impl RunPage {
    /// Each condition in words, with whether it is met; nothing where the run is no evaluation under AutoAttack.
    pub(super) fn robustbench(&self) -> Vec<(bool, String)> {
        let Ok(RunSpec::Evaluate(spec)) = serde_json::from_str(&self.spec_json) else { return Vec::new() };
        let warned = self.log.iter().any(|line| line.level == LogLevel::Warning && line.message.contains("gradient"));
        conditions(&spec, warned)
    }
}

fn conditions(spec: &EvaluateSpec, warned: bool) -> Vec<(bool, String)> {
    let Some(attack) = spec.attacks.iter().find(|attack| attack.is_auto_attack()) else {
        return Vec::new();
    };
    let images = match spec.dataset.test_images {
        None => "all test images".into(),
        Some(images) => format!("all test images: these are {}", format::count(images)),
    };
    let radius = PixelDistance::levels(LEVELS);
    let own = attack.eps();
    let eps =
        if own == radius { format!("ε {radius}, ℓ∞") } else { format!("ε {radius}, ℓ∞: this is {own}") };
    let gradients = if warned {
        "gradients that are in general not 0: read the log"
    } else {
        "gradients that are in general not 0"
    };
    vec![
        (true, "AutoAttack, standard version".into()),
        (spec.dataset.test_images.is_none(), images),
        (own == radius, eps),
        (true, "evaluation mode, pixels in [0, 1], logits, no optimisation inside, one answer to an image".into()),
        (!warned, gradients.into()),
    ]
}

#[cfg(test)]
mod tests {
    use retort_spec::{DatasetChoice, DeviceName, ModelRef};

    use super::*;

    #[test]
    fn the_conditions_are_met_by_autoattack_on_all_images_at_the_usual_radius_alone() {
        let spec = |attacks: &[&str], test_images| EvaluateSpec {
            model: ModelRef::Run(1),
            dataset: DatasetChoice { test_images, ..DatasetChoice::all_of("cifar10") },
            attacks: attacks.iter().map(|id| id.parse().unwrap()).collect(),
            batch_size: 100,
            seed: 1,
            device: DeviceName::Cpu,
        };
        assert!(conditions(&spec(&["pgd-20"], None), false).is_empty());
        let whole = conditions(&spec(&["pgd-20", "autoattack"], None), false);
        assert!(whole.len() == 5 && whole.iter().all(|(is_met, _)| *is_met));
        let mut few = spec(&["autoattack"], Some(1_000));
        few.attacks[0] = few.attacks[0].clone().with_eps(PixelDistance::levels(4.0));
        let missed: Vec<String> =
            conditions(&few, true).into_iter().filter(|(is_met, _)| !is_met).map(|(_, words)| words).collect();
        let expected = [
            "all test images: these are 1,000",
            "ε 8/255, ℓ∞: this is 4/255",
            "gradients that are in general not 0: read the log",
        ];
        assert_eq!(missed, expected);
    }
}
