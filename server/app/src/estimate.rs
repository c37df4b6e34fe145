//! How long runs take, roughly.

use std::collections::HashMap;

use anyhow::Result;
use retort_engine::data::DatasetInfo;
use retort_spec::{Architecture, DeviceName, ExperimentSpec, RunSpec};
use retort_store::{Run, Store};

use crate::machine::images;

/// Multiply-accumulates a second that the CPU of a small machine (two cores) does, used until a run has finished there.
const CPU_RATE: f64 = 70e9;

/// Runs that tell how fast a device is; older ones tell of older programs.
const HISTORY: u32 = 50;

/// Estimates from the speed of the runs that finished on each device.
#[derive(Debug)]
pub struct Estimator {
    datasets: Vec<DatasetInfo>,
    /// Multiply-accumulates a second; none where nothing is known.
    rates: HashMap<DeviceName, Option<f64>>,
}

impl Estimator {
    /// Learns the speed of these devices.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn learn(store: &Store, datasets: Vec<DatasetInfo>, devices: &[DeviceName]) -> Result<Self> {
        let mut estimator = Self { datasets, rates: HashMap::new() };
        for device in devices {
            let (mut macs, mut seconds) = (0.0, 0.0);
            for work in store.finished_work(*device, HISTORY).await? {
                macs += estimator.macs(&work.spec, work.architecture, work.teacher);
                seconds += work.seconds;
            }
            let rate = match device {
                _ if macs > 0.0 && seconds > 0.0 => Some(macs / seconds),
                DeviceName::Cpu => Some(CPU_RATE),
                DeviceName::Cuda(_) => None,
            };
            estimator.rates.insert(*device, rate);
        }
        Ok(estimator)
    }

    /// Seconds that an experiment computes on its device; none when the device's speed is unknown.
    pub fn experiment(&self, spec: &ExperimentSpec) -> Option<f64> {
        let rate = self.rates.get(&spec.device).copied().flatten()?;
        let macs: f64 = spec.expand().iter().map(|run| self.macs(&run.spec, run.architecture, run.teacher)).sum();
        Some(macs / rate)
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
        let rate = self.rates.get(&run.device).copied().flatten()?;
        let done = run.progress.as_ref().map_or(0.0, |p| p.done);
        let macs = self.macs(&run.spec().ok()?, run.architecture, run.teacher);
        Some((1.0 - done) * macs / rate)
    }

    fn macs(&self, spec: &RunSpec, architecture: Architecture, teacher: Option<Architecture>) -> f64 {
        let (train, test) = images(&self.datasets, spec.dataset());
        spec.work(train, test, architecture, teacher).iter().map(retort_spec::StageWork::macs).sum()
    }
}
