//! What this machine offers: datasets and devices.

use std::path::PathBuf;

use anyhow::{Context, Result};
use retort_engine::{
    data::{DatasetInfo, Library},
    device::DeviceInfo,
};
use retort_spec::DatasetChoice;

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

    /// The devices, the CPU first.
    pub fn devices(&self) -> &[DeviceInfo] {
        &self.devices
    }

    /// The datasets that are there now and can be used, the bundled one first.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub async fn datasets(&self) -> Result<Vec<DatasetInfo>> {
        let library = Library::new(&self.datasets);
        let mut list = tokio::task::spawn_blocking(move || library.list()).await.context("listing the datasets")??;
        list.retain(|dataset| dataset.fault.is_none());
        list.sort_by(|a, b| (!a.bundled, &a.name).cmp(&(!b.bundled, &b.name)));
        Ok(list)
    }
}

/// How many training and test images a run uses of a dataset; what is not known counts as nothing.
pub fn images(datasets: &[DatasetInfo], choice: &DatasetChoice) -> (usize, usize) {
    let (train, test) = datasets.iter().find(|d| d.name == choice.name).map_or((0, 0), |d| (d.train, d.test));
    (choice.trained_on(train), choice.test_images.unwrap_or(test))
}
