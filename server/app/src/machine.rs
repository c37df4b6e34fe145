//! What this machine offers: datasets and devices.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, OnceLock},
};

use anyhow::{Context, Result};
use retort_engine::{
    data::{DatasetInfo, ImportReport, Library},
    device::{DeviceInfo, threads},
};
use retort_spec::{Architecture, DatasetChoice, DeviceName, ExperimentSpec, KnownDataset, Problem};
use serde::Deserialize;

use crate::program::{self, this_program};

/// The datasets in a folder, with the bundled one, and the devices that were found when the server started.
#[derive(Clone, Debug)]
pub struct Machine {
    datasets: PathBuf,
    devices: Vec<DeviceInfo>,
    /// How slow the CPU was when it was measured.
    cpu: Arc<OnceLock<f64>>,
}

/// What `retort bench` prints, as far as it is read.
#[derive(Deserialize)]
struct Measured {
    seconds: Vec<f64>,
}

/// Threads of the machine by which the seconds of runs are counted.
const COUNTED_THREADS: f64 = 2.0;

impl Machine {
    /// Looks for devices.
    pub fn explore(datasets: PathBuf) -> Self {
        Self { datasets, devices: retort_engine::device::available(), cpu: Arc::default() }
    }

    /// The datasets' folder.
    pub fn library(&self) -> Library {
        Library::new(&self.datasets)
    }

    /// The devices, the CPU first.
    pub fn devices(&self) -> &[DeviceInfo] {
        &self.devices
    }

    /// How slow the CPU is beside the one by which the seconds of runs are counted: as it was measured, or else by its threads.
    pub fn cpu_factor(&self) -> f64 {
        self.cpu.get().copied().unwrap_or_else(|| COUNTED_THREADS / threads().max(1) as f64)
    }

    /// Measures that by a quarter of a second of attacks in a process of its own, for estimates before a first run has finished.
    ///
    /// # Errors
    /// When the process cannot be started, or says nothing.
    pub fn measure_cpu(&self) -> Result<()> {
        let network = Architecture::ResNet8;
        let mut bench = program::command(&this_program().context("finding this program")?);
        bench.args(["bench", "eval", "--model", network.id(), "--batch", "64", "--pgd-steps", "1", "--runs", "3"]);
        let output = bench.stdin(Stdio::null()).stderr(Stdio::null()).output().context("starting a measurement")?;
        let measured: Measured = serde_json::from_slice(&output.stdout).context("reading a measurement")?;
        // A forward and a backward pass, and a forward pass on what was found. Whatever else computes makes it slower only.
        let counted = 64.0 * 3.0 * network.forward_seconds();
        let best = measured.seconds.into_iter().fold(f64::INFINITY, f64::min);
        // It is measured once: a second outcome would say no more.
        let _ = self.cpu.set((best / counted).clamp(0.01, 20.0));
        Ok(())
    }

    /// What keeps an experiment from being computed here, on these datasets: all problems, each by the spec's field.
    pub fn faults(&self, spec: &ExperimentSpec, datasets: &[DatasetInfo]) -> Vec<Problem> {
        let mut problems = spec.faults_on(&datasets.iter().map(known).collect::<Vec<_>>());
        problems.extend(self.fault_of_device(spec.device));
        problems
    }

    /// What is wrong with computing on this device: it is not here.
    pub fn fault_of_device(&self, name: DeviceName) -> Option<Problem> {
        let known: Vec<_> = self.devices.iter().map(|device| device.name.to_string()).collect();
        let message = || format!("{name} is not on this machine: choose {}", known.join(" or "));
        (!self.devices.iter().any(|device| device.name == name)).then(|| Problem::new("device", message()))
    }

    /// The datasets that are there now and can be used, the bundled one first.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub async fn datasets(&self) -> Result<Vec<DatasetInfo>> {
        let mut list = self.all_datasets().await?;
        list.retain(|dataset| dataset.fault.is_none());
        Ok(list)
    }

    /// The datasets that are there now, the bundled one first; those that cannot be used say why.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub async fn all_datasets(&self) -> Result<Vec<DatasetInfo>> {
        let library = self.library();
        Ok(tokio::task::spawn_blocking(move || library.list()).await.context("listing the datasets")??)
    }

    /// What the import of a dataset took, left out and changed; none where no report was kept.
    ///
    /// # Errors
    /// When there is no such dataset, or it is damaged.
    pub async fn report(&self, name: String) -> Result<Option<ImportReport>> {
        let library = self.library();
        Ok(tokio::task::spawn_blocking(move || library.report(&name)).await.context("reading the report")??)
    }

    /// Bytes that an interrupted download of this dataset left.
    pub fn downloaded(&self, name: &str) -> u64 {
        self.library().downloaded(name)
    }

    /// Whether a dataset of this name could be kept.
    ///
    /// # Errors
    /// When no dataset can be called so, or one is already.
    pub fn check_free(&self, name: &str) -> retort_engine::Result<()> {
        self.library().check_free(name)
    }

    /// The sheet with samples of a dataset, as a PNG.
    ///
    /// # Errors
    /// When there is no such dataset, or it is damaged.
    pub async fn samples(&self, name: String) -> Result<Vec<u8>> {
        let library = self.library();
        Ok(tokio::task::spawn_blocking(move || library.samples(&name)).await.context("drawing samples")??)
    }
}

/// A dataset as a spec is checked against it.
pub fn known(dataset: &DatasetInfo) -> KnownDataset<'_> {
    let DatasetInfo { name, classes, train, test, .. } = dataset;
    KnownDataset { name, classes, train: *train, test: *test }
}

/// How many training and test images a run uses of a dataset; what is not known counts as nothing.
pub fn images(datasets: &[DatasetInfo], choice: &DatasetChoice) -> (usize, usize) {
    let (train, test) = datasets.iter().find(|d| d.name == choice.name).map_or((0, 0), |d| (d.train, d.test));
    (choice.trained_on(train), choice.test_images.unwrap_or(test))
}
