//! How much computing an experiment may take.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Architecture, DatasetChoice, MethodName, TrainSpec};

/// How much computing an experiment may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// A few epochs with three attack steps: minutes on a laptop, to see that everything works.
    #[default]
    Smoke,
    /// A tenth of the paper's epochs with seven attack steps.
    Quick,
    /// The defaults of the published methods.
    Paper,
}

impl Budget {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::Smoke, Self::Quick, Self::Paper];

    /// The name in specs and forms.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Paper => "paper",
        }
    }

    /// One sentence that says what it means.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Smoke => "A few epochs, 3 attack steps: minutes, to see that it works.",
            Self::Quick => "A tenth of the paper's epochs, 7 attack steps: a first answer.",
            Self::Paper => "The published schedules, 10 attack steps: the real thing.",
        }
    }

    /// Steps of the attack inside adversarial training.
    const fn attack_steps(self) -> usize {
        match self {
            Self::Smoke => 3,
            Self::Quick => 7,
            Self::Paper => 10,
        }
    }

    /// Epochs where the published schedule has `paper`.
    fn epochs(self, paper: usize) -> usize {
        match self {
            Self::Smoke => (paper / 40).max(2),
            Self::Quick => (paper / 10).max(3),
            Self::Paper => paper,
        }
    }

    /// The spec of one training at this budget, its teacher left open.
    pub fn train(self, method: MethodName, architecture: Architecture, dataset: DatasetChoice, seed: u64) -> TrainSpec {
        self.shorten(TrainSpec::published(method, architecture, dataset, seed))
    }

    /// A training shortened to this budget.
    pub(crate) fn shorten(self, mut spec: TrainSpec) -> TrainSpec {
        let batch = |batch_size: usize| match self {
            // So few epochs would hardly move a network in large batches.
            Self::Smoke => batch_size.min(64),
            _ => batch_size,
        };
        spec.schedule = spec.schedule.clone().stretched_to(self.epochs(spec.schedule.epochs));
        spec.schedule.batch_size = batch(spec.schedule.batch_size);
        if let Some(attack) = spec.method.inner_attack_mut() {
            attack.shorten(self.attack_steps());
        }
        if let Some(finetune) = &mut spec.finetune {
            finetune.attack.shorten(self.attack_steps());
            finetune.schedule = finetune.schedule.clone().stretched_to(self.epochs(finetune.schedule.epochs));
            finetune.schedule.batch_size = batch(finetune.schedule.batch_size);
        }
        if self == Self::Smoke {
            spec.method.shorten_classifier(40);
        }
        spec
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|b| b.id() == text)
            .ok_or_else(|| format!("there is no budget “{text}”: choose smoke, quick or paper"))
    }
}
