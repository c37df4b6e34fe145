//! The form of an evaluation of a model that is there already. It is sent as an experiment that trains nothing.

use retort_spec::Attack;

/// What an evaluation of a model can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateForm {
    /// What the experiment will be called.
    pub title: String,
    /// The model, as the experiment's form names its teacher: `run:7`, `model:3`.
    pub model: String,
    /// The datasets that it can be evaluated on, the one that it was trained on first.
    pub datasets: Vec<String>,
    /// The devices to choose from.
    pub devices: Vec<String>,
}

impl EvaluateForm {
    /// The attacks to choose from, each with whether it is chosen at first.
    pub(super) fn attacks() -> impl Iterator<Item = (Attack, bool)> {
        let first = Attack::pgd(20);
        Attack::usual().map(move |attack| {
            let is_first = attack == first;
            (attack, is_first)
        })
    }
}
