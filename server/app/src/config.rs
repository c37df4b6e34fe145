//! The settings of the server: flags, each with an environment variable of the same meaning.

use std::path::PathBuf;

use clap::Args;

/// Where the server keeps its data and listens.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Folder that holds the database, the runs and the datasets; created when missing
    #[arg(long, env = "RETORT_DATA", value_name = "DIR", default_value = "./retort-data")]
    pub data: PathBuf,

    /// Address and port to listen on
    ///
    /// The default reaches this machine only. There are no accounts yet: whoever can reach another address can launch
    /// and cancel runs.
    #[arg(long, env = "RETORT_LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:7878")]
    pub listen: String,
}
