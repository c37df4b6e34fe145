//! The rules of the checks: from accuracies and measures to verdicts.

use std::collections::BTreeMap;

use retort_spec::{Accuracy, Attack, CheckResult, MaskingCheck, MaskingSpec, PixelDistance, Verdict};

use super::{correct_under, measures::Measures};
use crate::{Outcomes, answers::accuracy, evaluate::GRADIENT_FREE};

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
/// The images that a check stands on, in words.
const RIGHT: &str = "that the model answers rightly";
const LEFT: &str = "that PGD-20 leaves right";

/// Accuracies by attack, with the numbers that a result is to show.
struct Judge<'a> {
    check: MaskingCheck,
    outcomes: &'a Outcomes,
    /// Naturally correct images: the others tell nothing of an attack.
    right: usize,
    figures: BTreeMap<String, f64>,
}

/// What a check allows, and so what few images say.
#[derive(Clone, Copy, PartialEq)]
enum Allows {
    /// Not one image: one that fails is a sign, however few there are.
    None,
    /// A share of the images: of few it says nothing.
    AShare,
}

/// Every check that can be made, in their order.
pub(super) fn verdicts(spec: &MaskingSpec, outcomes: &Outcomes, measures: &Measures) -> Vec<CheckResult> {
    let right = correct_under(outcomes, None).len();
    let judge = |check| Judge { check, outcomes, right, figures: BTreeMap::new() };
    let results = [
        judge(MaskingCheck::Iterative).iterative(spec),
        judge(MaskingCheck::Converged).converged(spec, measures),
        judge(MaskingCheck::Transfer).transfer(spec),
        judge(MaskingCheck::Noise).noise(spec),
        judge(MaskingCheck::RadiusSweep).radius_sweep(),
        judge(MaskingCheck::Unbounded).unbounded(),
        judge(MaskingCheck::Losses).losses(spec),
        judge(MaskingCheck::Gradients).gradients(measures),
        judge(MaskingCheck::LogitScale).logit_scale(spec, measures),
        judge(MaskingCheck::GradientFree).gradient_free(spec),
        judge(MaskingCheck::AutoAttack).auto_attack(spec),
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

    /// A number that is not finite is none that a journal could hold.
    fn note(&mut self, name: &str, value: f64) -> f64 {
        if value.is_finite() {
            self.figures.insert(name.to_owned(), value);
        }
        value
    }

    /// The verdict of a check that stands on the naturally correct images.
    fn result(self, holds: bool, allows: Allows, finding: String) -> Option<CheckResult> {
        let images = (self.right, RIGHT);
        self.result_on(holds, allows, images, finding)
    }

    /// The verdict of a check that stands on so many images, of this kind.
    #[expect(clippy::unnecessary_wraps, reason = "a check that cannot be made is none")]
    fn result_on(
        mut self,
        holds: bool,
        allows: Allows,
        (images, kind): (usize, &str),
        mut finding: String,
    ) -> Option<CheckResult> {
        let verdict = match holds {
            false if allows == Allows::None => Verdict::Warning,
            _ if images < MaskingCheck::LEAST_IMAGES => Verdict::CannotTell,
            true => Verdict::Pass,
            false => Verdict::Warning,
        };
        if verdict == Verdict::CannotTell {
            self.note("images", images as f64);
            finding += &self.too_few(images, kind);
        }
        Some(CheckResult { check: self.check, verdict, finding, figures: self.figures })
    }

    /// How many images are too few, and how many would do.
    fn too_few(&self, images: usize, kind: &str) -> String {
        let least = MaskingCheck::LEAST_IMAGES;
        let about = if images == 0 {
            String::new()
        } else {
            let tested = (least * self.outcomes.labels.len()).div_ceil(images).next_multiple_of(10);
            format!("; about {tested} test images would have them")
        };
        format!(" Too few images to tell: {least} {kind} are needed, here are {images}{about}.")
    }

    fn iterative(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let (one, many) = (self.under(&spec.one_step())?, self.under(&spec.iterative())?);
        let finding = format!("PGD-20 leaves {many:.2} %, FGSM {one:.2} %.");
        self.result(many <= one + ONE_STEP + ROUNDING, Allows::None, finding)
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
        let finds_little = few - many <= MORE_EFFORT + ROUNDING;
        let left = correct_under(self.outcomes, Some(&spec.iterative())).len();
        // The course of the loss stands on what PGD-20 left; where that is nothing, there was nothing more to find.
        let images = if left > 0 && finds_little { (left, LEFT) } else { (self.right, RIGHT) };
        self.result_on(finds_little && flat, Allows::AShare, images, finding)
    }

    fn transfer(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let own = self.under(&spec.iterative())?;
        let mut others = Vec::new();
        for attack in &spec.transfers {
            others.push((attack.to_string(), self.percent(&attack.to_string(), Some(attack))?));
        }
        let (name, least) = others.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let finding = format!("PGD-20 leaves {own:.2} %, {name} {least:.2} %.");
        self.result(own <= least + ROUNDING, Allows::None, finding)
    }

    fn noise(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let noise = self.outcomes.under(Some(&spec.noise()))?;
        let left = correct_under(self.outcomes, Some(&spec.iterative()));
        let fooled = left.iter().filter(|i| noise[**i] != Some(self.outcomes.labels[**i])).count();
        self.note("left_by_pgd_20", left.len() as f64);
        self.note("fooled_by_noise", fooled as f64);
        let finding = format!("Of the {} images that PGD-20 left, noise fools {fooled}.", left.len());
        let images = (left.len(), LEFT);
        self.result_on(fooled == 0, Allows::None, images, finding)
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
        let finding = format!("{}.", shown.join(", "));
        self.result(falls && vanishes, Allows::AShare, finding)
    }

    fn unbounded(mut self) -> Option<CheckResult> {
        let percent = self.percent("unbounded", Some(&MaskingSpec::unbounded()))?;
        let finding = format!("PGD-100 with ε = 1 leaves {percent:.2} %.");
        self.result(percent <= ROUNDING, Allows::None, finding)
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
        self.result(most - least <= LOSSES + ROUNDING, Allows::AShare, finding)
    }

    fn gradients(mut self, measures: &Measures) -> Option<CheckResult> {
        let zero = self.note("zero_gradients", measures.zero_gradients);
        let error = self.note("gradient_error", measures.gradient_error);
        let broken = measures.broken_gradients;
        if broken > 0 || !error.is_finite() {
            self.note("broken_gradients", broken as f64);
            let finding = format!("The gradients of {broken} images are not finite: no attack can follow them.");
            return self.result(false, Allows::None, finding);
        }
        let finding = format!(
            "{zero:.2} % of the images have a zero gradient; finite differences are {:.2} % away.",
            100.0 * error
        );
        let holds = zero < ZERO_GRADIENTS && error <= GRADIENT_ERROR;
        self.result(holds, Allows::AShare, finding)
    }

    fn logit_scale(mut self, spec: &MaskingSpec, measures: &Measures) -> Option<CheckResult> {
        let own = self.under(&spec.iterative())?;
        let (small, large) = (self.under(&spec.scaled(0.1))?, self.under(&spec.scaled(10.0))?);
        let confidence = self.note("confidence", measures.confidence);
        let finding = format!(
            "PGD-20 leaves {own:.2} %, on logits × 0.1 {small:.2} %, × 10 {large:.2} %; mean confidence {confidence:.1} %."
        );
        let holds = own - small.min(large) <= LOGIT_SCALE + ROUNDING;
        self.result(holds, Allows::AShare, finding)
    }

    fn gradient_free(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let standing = self.outcomes.standing(&spec.auto_attack());
        let [.., by_gradients, by_all] = standing.as_slice() else { return None };
        let n = self.outcomes.labels.len();
        let [before, after] = [by_gradients, by_all].map(|correct| Accuracy { correct: *correct, n }.percent());
        let [before, after] = [self.note("left_by_gradients", before), self.note("left_by_square", after)];
        let finding = format!("Attacks by gradients leave {before:.2} %, Square of that {after:.2} %.");
        self.result(before - after <= GRADIENT_FREE + ROUNDING, Allows::AShare, finding)
    }

    fn auto_attack(mut self, spec: &MaskingSpec) -> Option<CheckResult> {
        let (pgd, auto) = (self.under(&spec.iterative())?, self.under(&spec.auto_attack())?);
        let finding = format!("PGD-20 leaves {pgd:.2} %, AutoAttack {auto:.2} %.");
        self.result(pgd - auto <= MaskingCheck::BEYOND_PGD + ROUNDING, Allows::AShare, finding)
    }
}

#[cfg(test)]
mod tests;
