//! The settings of the server: flags, each with an environment variable of the same meaning.

use std::path::PathBuf;

use clap::Args;

use crate::public_url::PublicUrl;

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

    /// Make a backup a day, in the folder `backups` of the data folder, and keep so many
    ///
    /// Each is what `retort backup` writes, without models.
    #[arg(long, env = "RETORT_DAILY_BACKUPS", value_name = "N")]
    pub daily_backups: Option<usize>,

    /// End workers with the server: each keeps a checkpoint and leaves, within ten seconds
    ///
    /// Without it they go on, and the next start on the folder takes them over. As process 1 of a container the server always ends
    /// them, as its end would.
    #[arg(long, env = "RETORT_STOP_WORKERS")]
    pub stop_workers: bool,

    /// Address of a folder with the official archives of CIFAR-10, CIFAR-100 and STL-10, to fetch them from
    ///
    /// For a network that does not reach their makers. The files have their official names, such as
    /// cifar-10-binary.tar.gz, and their official checksums.
    #[arg(long, env = "RETORT_MIRROR", value_name = "URL")]
    pub mirror: Option<String>,

    /// Address that browsers open where a proxy stands in front, such as `https://lab.example/retort`
    ///
    /// Links and shares lead there, and forms are taken from there. The proxy may keep the name of the host or rewrite it, and
    /// keep the path or take it off.
    #[arg(long, env = "RETORT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
}
