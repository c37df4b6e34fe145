//! How long runs take, roughly.
//!
//! [`RunSpec::work`] counts the seconds that a run takes on a machine that was measured. What another machine makes of them is
//! learnt from the runs that finished on it: first as one factor for all, then, the more there is to learn from, as one of its own
//! for each kind of run and network. So a first run already tells of all others, and what the count is wrong about is made good by
//! the second run of its kind.

use std::collections::HashMap;

use anyhow::Result;
use retort_engine::data::DatasetInfo;
use retort_spec::{Architecture, Attack, DeviceName, ExperimentSpec, RunKind, RunSpec, StageWork};
use retort_store::{Run, Store};

use crate::machine::images;

/// Runs that tell how fast a device is; older ones tell of older programs.
const HISTORY: u32 = 200;

/// Seconds that every run takes on any machine, to start its process, read its images and models, and make way for the next.
const START: f64 = 0.4;

/// Counted seconds of runs of one kind that weigh as much as what is known of all kinds together.
const OF_ALL: f64 = 5.0;

/// Counted seconds of all runs that weigh as much as what is known of a machine before its first run.
const OF_NONE: f64 = 2.0;

/// What runs have in common whose speed is alike: what they do, with which network, and whether under AutoAttack, which takes as
/// long as images withstand it.
type Likeness = (RunKind, Architecture, bool);

/// Estimates from the speed of the runs that finished on each device.
#[derive(Debug)]
pub struct Estimator {
    datasets: Vec<DatasetInfo>,
    /// What is known of each device; nothing of one on which it cannot be told.
    speeds: HashMap<DeviceName, Speed>,
}

/// How long a device takes for a counted second.
#[derive(Debug)]
struct Speed {
    of_all: f64,
    of_alike: HashMap<Likeness, f64>,
}

/// Counted and real seconds of finished runs.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    counted: f64,
    real: f64,
}

impl Spent {
    fn add(&mut self, counted: f64, real: f64) {
        self.counted += counted;
        self.real += real;
    }

    /// How long a counted second takes, if it is `before` as long as nothing is known, which weighs as so many seconds.
    fn factor(self, before: f64, weight: f64) -> f64 {
        (self.real + weight * before) / (self.counted + weight)
    }
}

impl Speed {
    /// What these runs tell, each with what it has in common with others. None where they tell nothing, and nothing is known
    /// `before`.
    fn learn(runs: &[(Likeness, Spent)], before: Option<f64>) -> Option<Self> {
        let (mut sure, mut all) = (Spent::default(), Spent::default());
        let mut alike: HashMap<Likeness, Spent> = HashMap::new();
        for (likeness, Spent { counted, real }) in runs {
            alike.entry(*likeness).or_default().add(*counted, *real);
            all.add(*counted, *real);
            // How long others take depends on what their models withstand, which says nothing of the device.
            if !likeness.2 && likeness.0 != RunKind::Masking {
                sure.add(*counted, *real);
            }
        }
        let told = if sure.counted > 0.0 { sure } else { all };
        let of_all = match before {
            Some(before) => told.factor(before, OF_NONE),
            None if told.counted > 0.0 => told.factor(1.0, 0.0),
            None => return None,
        };
        let of_alike = alike.into_iter().map(|(likeness, spent)| (likeness, spent.factor(of_all, OF_ALL))).collect();
        Some(Self { of_all, of_alike })
    }

    fn of(&self, likeness: Likeness) -> f64 {
        self.of_alike.get(&likeness).copied().unwrap_or(self.of_all)
    }
}

impl Estimator {
    /// Learns the speed of these devices. Before a run has finished on it, a CPU is taken to be `cpu` times as slow as the one by
    /// which seconds are counted; of a GPU nothing is known.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn learn(store: &Store, datasets: Vec<DatasetInfo>, devices: &[DeviceName], cpu: f64) -> Result<Self> {
        let mut estimator = Self { datasets, speeds: HashMap::new() };
        for device in devices {
            let mut runs = Vec::new();
            for work in store.finished_work(*device, HISTORY).await? {
                let counted = estimator.counted(&work.spec, work.architecture, work.teacher);
                let real = (work.seconds - START).max(0.0);
                if counted > 0.0 {
                    runs.push((likeness(&work.spec, work.architecture), Spent { counted, real }));
                }
            }
            let before = (*device == DeviceName::Cpu).then_some(cpu);
            estimator.speeds.extend(Speed::learn(&runs, before).map(|speed| (*device, speed)));
        }
        Ok(estimator)
    }

    /// Seconds that an experiment computes on its device; none when the device's speed is unknown.
    pub fn experiment(&self, spec: &ExperimentSpec) -> Option<f64> {
        let runs = spec.expand();
        runs.iter().map(|run| self.run(spec.device, &run.spec, run.architecture, run.teacher)).sum()
    }

    /// Seconds until the last of these runs ends, when nothing else computes; devices work side by side, the runs of one
    /// device one after the other. None when there is nothing to wait for or nothing is known.
    pub fn remaining<'a>(&self, runs: impl IntoIterator<Item = &'a Run>) -> Option<f64> {
        let mut devices: HashMap<DeviceName, f64> = HashMap::new();
        for run in runs.into_iter().filter(|run| !run.state.is_over()) {
            *devices.entry(run.device).or_default() += self.left(run)?;
        }
        devices.into_values().reduce(f64::max)
    }

    /// Seconds that one run still computes.
    fn left(&self, run: &Run) -> Option<f64> {
        if let Some(progress) = run.progress.as_ref().filter(|p| run.state.is_active() && p.done > 0.0) {
            return Some(progress.seconds_left);
        }
        let done = run.progress.as_ref().map_or(0.0, |p| p.done);
        let seconds = self.run(run.device, &run.spec().ok()?, run.architecture, run.teacher)?;
        Some((1.0 - done) * seconds)
    }

    /// Seconds of one run on a device; none where nothing is known of it.
    fn run(
        &self,
        device: DeviceName,
        spec: &RunSpec,
        architecture: Architecture,
        teacher: Option<Architecture>,
    ) -> Option<f64> {
        let speed = self.speeds.get(&device)?.of(likeness(spec, architecture));
        Some(START + speed * self.counted(spec, architecture, teacher))
    }

    /// Seconds of a run on the machine by which they are counted.
    fn counted(&self, spec: &RunSpec, architecture: Architecture, teacher: Option<Architecture>) -> f64 {
        let (train, test) = images(&self.datasets, spec.dataset());
        spec.work(train, test, architecture, teacher).iter().map(StageWork::seconds).sum()
    }
}

fn likeness(spec: &RunSpec, architecture: Architecture) -> Likeness {
    let is_auto = matches!(spec, RunSpec::Evaluate(own) if own.attacks.iter().any(Attack::is_auto_attack));
    (spec.kind(), architecture, is_auto)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAIN: Likeness = (RunKind::Train, Architecture::ResNet8, false);
    const EVALUATE: Likeness = (RunKind::Evaluate, Architecture::ResNet8, false);
    const AUTO: Likeness = (RunKind::Evaluate, Architecture::ResNet8, true);

    fn speed(runs: &[(Likeness, f64, f64)], before: Option<f64>) -> Option<Speed> {
        let runs: Vec<_> =
            runs.iter().map(|(of, counted, real)| (*of, Spent { counted: *counted, real: *real })).collect();
        Speed::learn(&runs, before)
    }

    #[test]
    fn a_first_run_tells_of_all_others() {
        assert!(speed(&[], None).is_none(), "nothing is known of a GPU");
        assert!((speed(&[], Some(0.5)).unwrap().of(TRAIN) - 0.5).abs() < 1e-9);
        let slow = speed(&[(TRAIN, 60.0, 180.0)], Some(1.0)).unwrap();
        for likeness in [TRAIN, EVALUATE, AUTO] {
            assert!((2.8..=3.0).contains(&slow.of(likeness)), "{likeness:?}: {slow:?}");
        }
        assert!((speed(&[(TRAIN, 60.0, 6.0)], None).unwrap().of(EVALUATE) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn what_is_known_of_a_kind_counts_for_it_alone_the_more_the_longer_it_took() {
        let known = speed(&[(TRAIN, 100.0, 100.0), (EVALUATE, 50.0, 100.0)], Some(1.0)).unwrap();
        assert!((0.95..1.1).contains(&known.of(TRAIN)) && (1.9..2.0).contains(&known.of(EVALUATE)), "{known:?}");
        let moments = speed(&[(TRAIN, 100.0, 100.0), (EVALUATE, 0.1, 1.0)], Some(1.0)).unwrap();
        assert!((1.0..1.25).contains(&moments.of(EVALUATE)), "a moment tells little: {moments:?}");
    }

    #[test]
    fn what_models_withstand_tells_nothing_of_the_device() {
        let known = speed(&[(TRAIN, 100.0, 100.0), (AUTO, 900.0, 90.0)], Some(1.0)).unwrap();
        assert!((0.99..1.01).contains(&known.of(EVALUATE)) && known.of(AUTO) < 0.11, "{known:?}");
    }
}
