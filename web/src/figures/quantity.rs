//! What curves are drawn of.

use crate::format;

/// A quantity that a training reports after each epoch, in the order of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// The natural accuracy on the test images.
    NaturalAccuracy,
    /// The accuracy under PGD-10 on images held out of training, by which the best epoch is chosen.
    ValidationPgd,
    /// The natural accuracy on images held out of training.
    ValidationNatural,
    /// The accuracy on the training images as the method sees them.
    TrainAccuracy,
    /// The training loss.
    TrainLoss,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NaturalAccuracy, Self::ValidationPgd, Self::ValidationNatural, Self::TrainAccuracy, Self::TrainLoss];

    /// Its name in journals and in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::NaturalAccuracy => "natural_accuracy",
            Self::ValidationPgd => "validation_pgd_10_accuracy",
            Self::ValidationNatural => "validation_natural_accuracy",
            Self::TrainAccuracy => "train_accuracy",
            Self::TrainLoss => "train_loss",
        }
    }

    /// The quantity of this name.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.key() == key)
    }

    /// The heading of its figure.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::NaturalAccuracy => "Natural accuracy on the test images, %",
            Self::ValidationPgd => "PGD-10 accuracy on the validation images, %",
            Self::ValidationNatural => "Natural accuracy on the validation images, %",
            Self::TrainAccuracy => "Accuracy on the training images, %",
            Self::TrainLoss => "Training loss, nats",
        }
    }

    /// As it stands in a sentence.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::NaturalAccuracy => "the natural accuracy",
            Self::ValidationPgd => "the PGD-10 accuracy on validation images",
            Self::ValidationNatural => "the natural accuracy on validation images",
            Self::TrainAccuracy => "the accuracy on training images",
            Self::TrainLoss => "the training loss",
        }
    }

    pub(super) fn say(self, value: f64) -> String {
        match self {
            Self::TrainLoss => format::figure(value),
            _ => format!("{} %", format::percent(value)),
        }
    }
}
