//! What a training reports after each epoch.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// A figure of an epoch, in the order of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Metric {
    /// The mean over the epoch's steps of the norm (ℓ2, over all parameters) of the loss's gradient, before weight decay.
    GradientNorm,
    /// The learning rate in force.
    LearningRate,
    /// The most memory that the run's process has had by then, in MiB. It depends on the machine.
    Memory,
    /// The accuracy on the test images without an attack, in percent.
    NaturalAccuracy,
    /// Training images a second over an epoch with its evaluation. Workers do not report it: it follows from the wall time.
    Throughput,
    /// The accuracy on the training images as the method sees them, in percent.
    TrainAccuracy,
    /// The mean of the method's own loss, in nats.
    TrainLoss,
    /// The accuracy on images held out of training, without an attack, in percent.
    ValidationNaturalAccuracy,
    /// The accuracy on images held out of training under PGD with [`VALIDATION_STEPS`](crate::VALIDATION_STEPS) steps, by which
    /// the best epoch is chosen, in percent.
    ValidationPgdAccuracy,
    /// Seconds from the run's first start to the epoch's end, pauses included. Workers do not report it: it is added where their
    /// journals are read.
    WallTime,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::GradientNorm,
        Self::LearningRate,
        Self::Memory,
        Self::NaturalAccuracy,
        Self::Throughput,
        Self::TrainAccuracy,
        Self::TrainLoss,
        Self::ValidationNaturalAccuracy,
        Self::ValidationPgdAccuracy,
        Self::WallTime,
    ];

    /// The name in journals and in the database.
    pub const fn id(self) -> &'static str {
        match self {
            Self::GradientNorm => "gradient_norm",
            Self::LearningRate => "learning_rate",
            Self::Memory => "memory",
            Self::NaturalAccuracy => "natural_accuracy",
            Self::Throughput => "throughput",
            Self::TrainAccuracy => "train_accuracy",
            Self::TrainLoss => "train_loss",
            Self::ValidationNaturalAccuracy => "validation_natural_accuracy",
            Self::ValidationPgdAccuracy => "validation_pgd_10_accuracy",
            Self::WallTime => "wall_time",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|metric| metric.id() == text).ok_or_else(|| format!("there is no metric “{text}”"))
    }
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_reads_back_from_its_name_and_they_stand_in_the_order_of_names() {
        let names: Vec<&str> = Metric::ALL.map(Metric::id).to_vec();
        assert!(names.is_sorted() && Metric::ALL.is_sorted());
        assert!(Metric::ALL.iter().all(|metric| metric.id().parse() == Ok(*metric)));
        assert!(Metric::ValidationPgdAccuracy.id().contains(&format!("_pgd_{}_", crate::VALIDATION_STEPS)));
    }
}
