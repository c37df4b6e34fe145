//! The metrics that curves are drawn of, in words.

use retort_spec::Metric;

use crate::format;

/// Those that are drawn, in the order of the figures.
pub const DRAWN: [Metric; 5] = [
    Metric::NaturalAccuracy,
    Metric::ValidationPgdAccuracy,
    Metric::ValidationNaturalAccuracy,
    Metric::TrainAccuracy,
    Metric::TrainLoss,
];

/// Those that are drawn on the page of one training: how it went, beside what came of it.
pub const OF_A_RUN: [Metric; 9] = [
    Metric::NaturalAccuracy,
    Metric::ValidationPgdAccuracy,
    Metric::ValidationNaturalAccuracy,
    Metric::TrainAccuracy,
    Metric::TrainLoss,
    Metric::GradientNorm,
    Metric::LearningRate,
    Metric::Throughput,
    Metric::Memory,
];

/// The heading of a metric's figure.
pub(super) const fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::NaturalAccuracy => "Natural accuracy on the test images, %",
        Metric::ValidationPgdAccuracy => "PGD-10 accuracy on the validation images, %",
        Metric::ValidationNaturalAccuracy => "Natural accuracy on the validation images, %",
        Metric::TrainAccuracy => "Accuracy on the training images, %",
        Metric::TrainLoss => "Training loss, nats",
        Metric::GradientNorm => "Norm of the gradient",
        Metric::LearningRate => "Learning rate",
        Metric::Memory => "Most memory of the process, MiB",
        Metric::Throughput => "Training images a second, evaluation included",
        Metric::WallTime => "Wall time, s",
    }
}

/// A metric as it stands in a sentence.
pub(super) const fn noun(metric: Metric) -> &'static str {
    match metric {
        Metric::NaturalAccuracy => "the natural accuracy",
        Metric::ValidationPgdAccuracy => "the PGD-10 accuracy on validation images",
        Metric::ValidationNaturalAccuracy => "the natural accuracy on validation images",
        Metric::TrainAccuracy => "the accuracy on training images",
        Metric::TrainLoss => "the training loss",
        Metric::GradientNorm => "the norm of the gradient",
        Metric::LearningRate => "the learning rate",
        Metric::Memory => "the memory of the process",
        Metric::Throughput => "the throughput",
        Metric::WallTime => "the wall time",
    }
}

/// A value of a metric.
pub(super) fn say(metric: Metric, value: f64) -> String {
    match metric {
        Metric::TrainLoss
        | Metric::GradientNorm
        | Metric::LearningRate
        | Metric::Memory
        | Metric::Throughput
        | Metric::WallTime => format::figure(value),
        _ => format!("{} %", format::percent(value)),
    }
}
