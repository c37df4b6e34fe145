//! The data folder, as an option of commands.

use std::path::PathBuf;

use clap::Args;

/// Where the datasets are.
#[derive(Args, Clone, Debug)]
pub struct DataDir {
    /// Folder that holds the datasets, the same as the server's
    #[arg(long, env = "RETORT_DATA", value_name = "DIR", default_value = "./retort-data", global = true)]
    data: PathBuf,
}

impl DataDir {
    /// The folder of datasets inside it.
    pub fn datasets(&self) -> PathBuf {
        self.data.join("datasets")
    }

    /// The folder itself.
    pub fn root(&self) -> &PathBuf {
        &self.data
    }
}
