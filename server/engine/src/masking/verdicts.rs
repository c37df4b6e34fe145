//! The rules of the checks: from accuracies and measures to a pass or a warning.

use std::collections::BTreeMap;

use retort_spec::{Accuracy, Attack, CheckResult, MaskingCheck, MaskingSpec, PixelDistance};

use super::{measures::Measures, right_under};
use crate::{Outcomes, evaluate::accuracy};

/// Percentage points that PGD-20 may leave more than FGSM.
const ONE_STEP: f64 = 0.1;
/// Percentage points that more steps and restarts may find beyond PGD-20.
const MORE_EFFORT: f64 = 1.0;
/// Percentage points that another logit scale may find beyond PGD-20. Large logits turn the cross-entropy into a margin,
/// which is somewhat stronger on honest models too.
const LOGIT_SCALE: f64 = 3.0;
/// The share of itself by which the mean loss may rise over the second half of PGD-100.
const LOSS_RISE: f64 = 0.05;
/// Percentage points by which the accuracy may rise from one radius to the next.
const RADIUS_RISE: f64 = 0.5;
/// The radius, in 8-bit levels, from which on the accuracy must be nothing, and how much counts as nothing, in percent.
const LARGE_RADIUS: f64 = 64.0;
const NOTHING: f64 = 1.0;
/// Percentage points between the accuracies under different losses.
const LOSSES: f64 = 5.0;
/// Images with a zero gradient, in percent.
const ZERO_GRADIENTS: f64 = 1.0;
/// The relative distance between the gradient and finite differences.
const GRADIENT_ERROR: f64 = 0.1;
/// What is equal but for rounding is equal.
const ROUNDING: f64 = 1e-9;

/// Accuracies by attack, with the numbers that a result is to show.
struct Judge<'a> {
    outcomes: &'a Outcomes,
    figures: BTreeMap<String, f64>,
}

/// Every check that can be made, in their order.
pub(super) fn verdicts(spec: &MaskingSpec, outcomes: &Outcomes, measures: &Measures) -> Vec<CheckResult> {
    let judge = || Judge { outcomes, figures: BTreeMap::new() };
    let results = [
        judge().iterative(spec),
        judge().converged(spec, measures),
        judge().transfer(spec),
        judge().noise(spec),
        judge().radius_sweep(),
        judge().unbounded(),
        judge().losses(spec),
        judge().gradients(measures),
        judge().logit_scale(spec, measures),
    ];
    results.into_iter().flatten().collect()
}

impl Judge<'_> {
    /// The accuracy under an attack in percent, noted down among the figures by `name`; none where it was not made.
    fn percent(&mut self, name: &str, attack: Option<&Attack>) -> Option<f64> {
        let Accuracy { correct, n } = accuracy(self.outcomes.under(attack)?, &self.outcomes.labels);
        Some(self.note(name, Accuracy { correct, n }.percent()))
    }

    fn under(&mut self, attack: &Attack) -> Option<f64> {
        self.percent(&attack.id(), Some(attack))
    }

    fn note(&mut self, name: &str, value: f64) -> f64 {
        self.figures.insert(name.to_owned(), value);
        value
    }

    #[expect(clippy::unnecessary_wraps, reason = "a check that cannot be made is none")]
    fn result(self, check: MaskingCheck, passed: bool, finding: String) -> Option<CheckResult> {
        Some(CheckResult { check, passed, finding, figures: self.figures })
    }

    fn iterative(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let (one, many) = (self.under(&spec.one_step())?, self.under(&spec.iterative())?);
        let finding = format!("PGD-20 leaves {many:.2} %, FGSM {one:.2} %.");
        self.result(MaskingCheck::Iterative, many <= one + ONE_STEP + ROUNDING, finding)
    }

    fn converged(mut self, spec: &MaskingSpec, measures: &Measures) -> Option<CheckResult> {
        let (few, many) = (self.under(&spec.iterative())?, self.under(&spec.converged())?);
        let mut course = "PGD-20 left no image whose loss could rise.".to_owned();
        let mut flat = true;
        if let (Some(half), Some(last)) = (measures.loss.get(measures.loss.len() / 2), measures.loss.last()) {
            for step in [0, 10, 20, 50] {
                self.note(&format!("loss_before_step_{}", step + 1), measures.loss.get(step).copied().unwrap_or(*last));
            }
            self.note("loss_before_last_step", *last);
            flat = last - half <= LOSS_RISE * half.abs();
            course = format!("the loss of what PGD-20 left goes from {half:.3} half-way to {last:.3}.");
        }
        let finding = format!("PGD-20 leaves {few:.2} %, PGD-100 × 5 {many:.2} %; {course}");
        self.result(MaskingCheck::Converged, few - many <= MORE_EFFORT + ROUNDING && flat, finding)
    }

    fn transfer(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let own = self.under(&spec.iterative())?;
        let mut others = Vec::new();
        for attack in &spec.transfers {
            others.push((attack.to_string(), self.percent(&attack.to_string(), Some(attack))?));
        }
        let (name, least) = others.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let finding = format!("PGD-20 leaves {own:.2} %, {name} {least:.2} %.");
        self.result(MaskingCheck::Transfer, own <= least + ROUNDING, finding)
    }

    fn noise(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let noise = self.outcomes.under(Some(&spec.noise()))?;
        let left = right_under(self.outcomes, Some(&spec.iterative()));
        let fooled = left.iter().filter(|i| noise[**i] != self.outcomes.labels[**i]).count();
        self.note("left_by_pgd_20", left.len() as f64);
        self.note("fooled_by_noise", fooled as f64);
        let finding = format!("Of the {} images that PGD-20 left, noise fools {fooled}.", left.len());
        self.result(MaskingCheck::Noise, fooled == 0, finding)
    }

    fn radius_sweep(mut self) -> Option<CheckResult> {
        let mut sweep = vec![(0.0, self.percent("eps_0", None)?)];
        for levels in MaskingSpec::RADII {
            let attack = MaskingSpec::at_radius(PixelDistance::levels(levels));
            sweep.push((levels, self.percent(&format!("eps_{levels}"), Some(&attack))?));
        }
        let falls = sweep.windows(2).all(|pair| pair[1].1 <= pair[0].1 + RADIUS_RISE + ROUNDING);
        let vanishes = sweep.iter().all(|(levels, percent)| *levels < LARGE_RADIUS || *percent <= NOTHING);
        let shown: Vec<_> = sweep.iter().map(|(levels, percent)| format!("{levels}/255: {percent:.1} %")).collect();
        self.result(MaskingCheck::RadiusSweep, falls && vanishes, format!("{}.", shown.join(", ")))
    }

    fn unbounded(mut self) -> Option<CheckResult> {
        let percent = self.percent("unbounded", Some(&MaskingSpec::unbounded()))?;
        let finding = format!("PGD-100 with ε = 1 leaves {percent:.2} %.");
        self.result(MaskingCheck::Unbounded, percent <= ROUNDING, finding)
    }

    fn losses(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let mut found = vec![("cross-entropy", self.under(&spec.iterative())?)];
        for (name, attack) in ["C&W", "DLR"].into_iter().zip(spec.other_losses()) {
            found.extend(self.under(&attack).map(|percent| (name, percent)));
        }
        let least = found.iter().map(|f| f.1).fold(f64::INFINITY, f64::min);
        let most = found.iter().map(|f| f.1).fold(0.0, f64::max);
        let shown: Vec<_> = found.iter().map(|(name, percent)| format!("{name} {percent:.2} %")).collect();
        let finding = format!("Left after 20 steps: {}.", shown.join(", "));
        self.result(MaskingCheck::Losses, most - least <= LOSSES + ROUNDING, finding)
    }

    fn gradients(mut self, measures: &Measures) -> Option<CheckResult> {
        let zero = self.note("zero_gradients", measures.zero_gradients);
        let error = self.note("gradient_error", measures.gradient_error);
        let finding = format!(
            "{zero:.2} % of the images have a zero gradient; finite differences are {:.2} % away.",
            100.0 * error
        );
        self.result(MaskingCheck::Gradients, zero < ZERO_GRADIENTS && error <= GRADIENT_ERROR, finding)
    }

    fn logit_scale(mut self, spec: &MaskingSpec, measures: &Measures) -> Option<CheckResult> {
        let own = self.under(&spec.iterative())?;
        let (small, large) = (self.under(&spec.scaled(0.1))?, self.under(&spec.scaled(10.0))?);
        let confidence = self.note("confidence", measures.confidence);
        let finding = format!(
            "PGD-20 leaves {own:.2} %, on logits × 0.1 {small:.2} %, × 10 {large:.2} %; mean confidence {confidence:.1} %."
        );
        self.result(MaskingCheck::LogitScale, own - small.min(large) <= LOGIT_SCALE + ROUNDING, finding)
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::{DatasetChoice, DeviceName, ModelRef};

    use super::*;

    fn spec() -> MaskingSpec {
        MaskingSpec {
            model: ModelRef::File("model.safetensors".into()),
            dataset: DatasetChoice::all_of("d"),
            eps: PixelDistance::levels(8.0),
            transfers: vec![Attack::transfer("another", ModelRef::File("other.safetensors".into()))],
            batch_size: 100,
            seed: 1,
            device: DeviceName::Cpu,
        }
    }

    const N: usize = 1_000;

    /// Answers where each attack leaves the first so many of a thousand images right, in percent.
    fn outcomes(left: &dyn Fn(&Attack) -> f64) -> Outcomes {
        let answers = |percent: f64| (0..N).map(|i| u8::from(i as f64 >= percent * 10.0 - 1e-6)).collect::<Vec<u8>>();
        let attacks = spec().evaluation().attacks;
        let under = attacks.into_iter().map(|a| (Some(a.clone()), answers(left(&a))));
        let predictions = std::iter::once((None, answers(80.0))).chain(under).collect();
        let classes = vec!["right".into(), "wrong".into()];
        Outcomes { classes, dataset: DatasetChoice::all_of("d"), labels: vec![0; N], predictions }
    }

    /// What an honest robust model leaves under each attack.
    fn honest(attack: &Attack) -> f64 {
        let spec = spec();
        let radius = MaskingSpec::RADII
            .into_iter()
            .find(|levels| *attack == MaskingSpec::at_radius(PixelDistance::levels(*levels)));
        match attack {
            _ if *attack == MaskingSpec::unbounded() => 0.0,
            Attack::Fgsm { .. } => 50.0,
            Attack::Noise { .. } => 79.0,
            Attack::Transfer { .. } => 70.0,
            _ if *attack == spec.converged() => 44.5,
            _ => radius.map_or(45.0, |levels| (80.0 - 4.0 * levels).max(0.0)),
        }
    }

    fn measures() -> Measures {
        Measures { zero_gradients: 0.0, gradient_error: 0.01, confidence: 60.0, loss: vec![0.3, 0.5, 0.6, 0.61] }
    }

    /// The checks that warn.
    fn warned(left: &dyn Fn(&Attack) -> f64, measures: &Measures) -> Vec<MaskingCheck> {
        let results = verdicts(&spec(), &outcomes(left), measures);
        assert_eq!(results.iter().map(|r| r.check).collect::<Vec<_>>(), MaskingCheck::ALL);
        results.into_iter().filter(|r| !r.passed).map(|r| r.check).collect()
    }

    /// What is left under each attack, in percent.
    type Left<'a> = &'a dyn Fn(&Attack) -> f64;

    #[test]
    fn an_honest_model_passes_every_check() {
        assert_eq!(warned(&honest, &measures()), []);
    }

    #[test]
    fn each_sign_of_masking_is_named_by_its_check_alone() {
        let with = |attack: Attack, percent: f64| move |a: &Attack| if *a == attack { percent } else { honest(a) };
        let at = |levels: f64| MaskingSpec::at_radius(PixelDistance::levels(levels));
        let [margin, dlr] = spec().other_losses();
        let cases: [(Left, MaskingCheck); 9] = [
            (&with(spec().one_step(), 44.8), MaskingCheck::Iterative),
            (&with(spec().converged(), 43.9), MaskingCheck::Converged),
            (&with(spec().transfers[0].clone(), 44.9), MaskingCheck::Transfer),
            (&with(spec().noise(), 44.9), MaskingCheck::Noise),
            (&with(at(4.0), 72.6), MaskingCheck::RadiusSweep),
            (&with(at(64.0), 1.1), MaskingCheck::RadiusSweep),
            (&with(MaskingSpec::unbounded(), 0.1), MaskingCheck::Unbounded),
            (&with(margin, 39.9), MaskingCheck::Losses),
            (&with(dlr, 50.1), MaskingCheck::Losses),
        ];
        for (left, expected) in cases {
            assert_eq!(warned(left, &measures()), [expected]);
        }
        for scale in [0.1, 10.0] {
            assert_eq!(warned(&with(spec().scaled(scale), 41.9), &measures()), [MaskingCheck::LogitScale]);
        }
    }

    #[test]
    fn a_rising_loss_and_gradients_that_are_none_are_warnings() {
        let rising = Measures { loss: vec![0.3, 0.5, 0.6, 0.7], ..measures() };
        assert_eq!(warned(&honest, &rising), [MaskingCheck::Converged]);
        let flat = Measures { zero_gradients: 1.0, ..measures() };
        assert_eq!(warned(&honest, &flat), [MaskingCheck::Gradients]);
        let wrong = Measures { gradient_error: 0.11, ..measures() };
        assert_eq!(warned(&honest, &wrong), [MaskingCheck::Gradients]);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let mut outcomes = outcomes(&honest);
        outcomes.predictions.retain(|(attack, _)| !matches!(attack, Some(Attack::Dlr { .. })));
        let spec = MaskingSpec { transfers: vec![], ..spec() };
        let results = verdicts(&spec, &outcomes, &measures());
        assert!(results.iter().all(|r| r.passed && r.check != MaskingCheck::Transfer));
        let losses = results.iter().find(|r| r.check == MaskingCheck::Losses).unwrap();
        assert_eq!(losses.finding, "Left after 20 steps: cross-entropy 45.00 %, C&W 45.00 %.");
    }

    #[test]
    fn a_model_that_no_image_survives_on_passes_without_a_loss_to_follow() {
        let natural = |attack: &Attack| match attack {
            Attack::Noise { .. } | Attack::Transfer { .. } => 70.0,
            Attack::Fgsm { .. } => 5.0,
            _ => 0.0,
        };
        assert_eq!(warned(&natural, &Measures { loss: vec![], ..measures() }), []);
    }
}
