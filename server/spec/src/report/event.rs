//! What a run reports: the lines of its journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Accuracy, Attack, DeviceName, MaskingCheck, Metric, Variety, Verdict};

/// One line of `journal.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it was written: RFC 3339, UTC.
    pub at: String,
    /// Which attempt at the run wrote it, counted from 1.
    pub attempt: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// A part of a run with its own loss and schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The method's own training.
    Train,
    /// The linear classifier on the frozen backbone.
    Classifier,
    /// Adversarial fine-tuning.
    Finetune,
    /// Evaluation.
    Evaluate,
}

impl Stage {
    /// The word on the pages.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Classifier => "linear classifier",
            Self::Finetune => "fine-tuning",
            Self::Evaluate => "evaluation",
        }
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For information.
    Info,
    /// Something that the reader of the numbers should know.
    Warning,
}

/// What happened. `Metrics`, `Evaluation` and `Check` depend on the spec alone, to the last bit; the others tell of this attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A worker took up the run.
    Started {
        /// The device that it computes on, which is the CPU where the one that the spec names is missing.
        device: DeviceName,
        /// Threads it computes with.
        threads: usize,
        /// Version of the program.
        version: String,
        /// Epochs that a checkpoint spared this attempt; 0 for a run from the start.
        resumed_epochs: usize,
    },
    /// How far the run is. Written about once a second.
    Progress {
        /// The part that it is in.
        stage: Stage,
        /// Epochs done over all stages; in an evaluation, 0.
        epoch: usize,
        /// Epochs of all stages; in an evaluation, 0.
        epochs: usize,
        /// Share of the run's work that is done, from 0 to 1.
        done: f64,
        /// Seconds that remain, judged by this attempt's speed.
        seconds_left: f64,
        /// The attack under way, in an evaluation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attack: Option<AttackProgress>,
    },
    /// The figures of one epoch.
    Metrics {
        /// The part of the run.
        stage: Stage,
        /// The epoch, counted from 1 over all stages.
        epoch: usize,
        /// Its figures.
        #[serde(deserialize_with = "metrics")]
        values: BTreeMap<Metric, f64>,
    },
    /// An accuracy over the test images.
    Evaluation {
        /// The attack; absent for the natural accuracy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attack: Option<Attack>,
        /// The accuracy.
        #[serde(flatten)]
        accuracy: Accuracy,
        /// Images that were not answered, as the model's logits were not finite numbers; they count as wrong.
        #[serde(default, skip_serializing_if = "is_zero")]
        unanswered: usize,
        /// How many images were still answered rightly behind each of the attacks that it consists of; empty where it is one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        standing: Vec<usize>,
        /// How varied the answers and the features are, without an attack; earlier versions did not measure it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variety: Option<Variety>,
    },
    /// A masking check that was made.
    Check(CheckResult),
    /// A sentence for the person who reads the log.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The sentence.
        message: String,
    },
    /// The worker was asked to stop, kept a checkpoint and left; the run can go on later.
    Stopped {},
    /// Done; the last line.
    Finished {
        /// Seconds of computing, summed over all attempts.
        seconds: f64,
    },
    /// The run cannot go on; the last line of this attempt.
    Failed {
        /// What was wrong, where, and what to do.
        reason: String,
    },
    /// The training was given up, as its loss or its accuracies show that nothing comes of it; the last line of this attempt.
    Diverged {
        /// What shows it, and what to do.
        reason: String,
    },
    /// Ended because a person asked for it; the last line of this attempt.
    Cancelled {},
}

/// How far an attack is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackProgress {
    /// The attack; of one that consists of several, the one that is made.
    pub attack: Attack,
    /// Images on which it is made: those that stood when its try began.
    pub standing: usize,
    /// Seconds until it is done, if all of them go on standing.
    pub seconds_left: f64,
}

/// What a masking check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The check.
    pub check: MaskingCheck,
    /// What it comes to.
    #[serde(alias = "passed")]
    pub verdict: Verdict,
    /// What was found, in a sentence with its numbers.
    pub finding: String,
    /// The numbers by name: accuracies in percent, by attack.
    #[serde(deserialize_with = "numbers")]
    pub figures: BTreeMap<String, f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Numbers by name. Earlier versions wrote what was not finite as `null`; such a figure is left out.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let written = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(written.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// Figures of an epoch. One that this version does not know is left out, as what was not finite is.
fn metrics<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Metric, f64>, D::Error> {
    Ok(numbers(deserializer)?.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_from_its_line() {
        let accuracy = Accuracy { correct: 431, n: 1000 };
        let event = Event::Evaluation {
            attack: Some(Attack::pgd(20)),
            accuracy,
            unanswered: 0,
            standing: Vec::new(),
            variety: None,
        };
        let record = Record { at: "2026-01-01T00:00:00Z".into(), attempt: 2, event };
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
        assert!(line.contains(r#""event":"evaluation""#) && line.contains(r#""correct":431"#), "{line}");
        // Nothing is said of what is as usual, so that journals stay as earlier versions wrote them.
        assert!(!line.contains("unanswered") && !line.contains("variety"), "{line}");
    }

    #[test]
    fn a_worker_says_which_gpu_it_computes_on_and_one_of_earlier_versions_means_the_first() {
        for (device, written) in
            [(DeviceName::Cpu, "cpu"), (DeviceName::Cuda(1), "cuda:1"), (DeviceName::Cuda(0), "cuda")]
        {
            let line = format!(
                r#"{{"at":"","attempt":1,"event":"started","device":"{written}","threads":2,"version":"0","resumed_epochs":0}}"#
            );
            let record: Record = serde_json::from_str(&line).unwrap();
            assert!(matches!(&record.event, Event::Started { device: read, .. } if *read == device), "{record:?}");
            assert!(written == "cuda" || serde_json::to_string(&record).unwrap() == line);
        }
    }

    #[test]
    fn a_figure_that_an_earlier_version_wrote_as_null_is_left_out_and_the_others_are_read() {
        let line = r#"{"at":"2026-01-01T00:00:00Z","attempt":1,"event":"metrics","stage":"classifier","epoch":3,
            "values":{"train_loss":null,"train_accuracy":10.0,"of_a_later_version":1.0}}"#;
        let record: Record = serde_json::from_str(line).unwrap();
        let Event::Metrics { values, .. } = record.event else { panic!("{record:?}") };
        assert_eq!(values, BTreeMap::from([(Metric::TrainAccuracy, 10.0)]));
        let line = r#"{"at":"2026-01-01T00:00:00Z","attempt":1,"event":"check","check":"gradients","passed":false,
            "finding":"NaN","figures":{"zero_gradients":0.0,"gradient_error":null}}"#;
        let record: Record = serde_json::from_str(line).unwrap();
        assert!(matches!(record.event, Event::Check(check) if check.figures.len() == 1));
    }
}
