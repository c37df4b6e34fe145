//! AutoAttack (Croce and Hein 2020; methods.md §5.2): four attacks, one behind the other.

use candle_core::{Result, Tensor};
use retort_spec::{Attack, AutoAttack};

use super::{EvaluationAttack, Target, of};

impl EvaluationAttack for AutoAttack {
    fn tries(&self) -> usize {
        parts(&Attack::AutoAttack(self.clone())).iter().map(|(_, tries)| tries).sum()
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let mut attempt = attempt;
        for (part, tries) in parts(&Attack::AutoAttack(self.clone())) {
            if attempt < tries as u64 {
                return of(&part).images(target, attempt);
            }
            attempt -= tries as u64;
        }
        Ok(target.natural.clone())
    }
}

/// The attacks of which one consists, in their order, with how often each is tried; itself, where it is one attack.
pub(crate) fn parts(attack: &Attack) -> Vec<(Attack, usize)> {
    let parts = match attack.parts() {
        parts if parts.is_empty() => vec![attack.clone()],
        parts => parts,
    };
    parts.into_iter().map(|part| (part.clone(), of(&part).tries())).collect()
}
