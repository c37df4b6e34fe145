//! What this machine offers: datasets and devices.

use std::path::PathBuf;

use anyhow::{Context, Result};
use retort_engine::{
    data::{DatasetInfo, ImportReport, Library},
    device::DeviceInfo,
};
use retort_spec::{DatasetChoice, DeviceName, ExperimentSpec, KnownDataset, Problem};

/// The datasets in a folder, with the bundled one, and the devices that were found when the server started.
#[derive(Clone, Debug)]
pub struct Machine {
    datasets: PathBuf,
    devices: Vec<DeviceInfo>,
}

impl Machine {
    /// Looks for devices.
    pub fn explore(datasets: PathBuf) -> Self {
        Self { datasets, devices: retort_engine::device::available() }
    }

    /// The datasets' folder.
    pub fn library(&self) -> Library {
        Library::new(&self.datasets)
    }

    /// The devices, the CPU first.
    pub fn devices(&self) -> &[DeviceInfo] {
        &self.devices
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
