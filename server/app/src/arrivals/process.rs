//! The process that fetches or imports one dataset: what it is told, and what it says.

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use retort_engine::data::{Progress, ProgressUnit};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::scheduler::how_it_ended;

/// Bytes of what a failed process printed.
const PRINTED: u64 = 2_000;

/// What the process is told, as one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The folder of datasets.
    pub datasets: PathBuf,
    /// The name under which the dataset is kept.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a dataset comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The address of an official archive.
    Address(String),
    /// A file that somebody uploaded.
    File(Upload),
}

/// An uploaded file, and what is decided about its import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// Where it is.
    pub path: PathBuf,
    /// What the browser called it.
    pub file_name: String,
    /// Whether images of other sizes are made 32×32.
    pub resize: bool,
    /// How many percent of each class are held out as test images where there are none.
    pub test_percent: Option<u8>,
}

/// What the process says, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// How far it is.
    Progress {
        /// What is being done.
        what: String,
        /// How much is done.
        done: u64,
        /// How much there is to do, where that is known.
        total: Option<u64>,
        /// Whether bytes are counted; else images are.
        in_bytes: bool,
    },
    /// Its last words: the dataset is kept, or why not.
    Ended(Result<(), String>),
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The dataset is in the library.
    Arrived,
    /// It is not, and why.
    Failed(String),
    /// Somebody cancelled it.
    Cancelled,
}

impl From<Progress> for Message {
    fn from(progress: Progress) -> Self {
        let Progress { done, total, what, unit } = progress;
        Self::Progress { what: what.into(), done, total, in_bytes: unit == ProgressUnit::Bytes }
    }
}

/// Carries out an order in a process of the program `program`, which is stopped when `stop` ends; `hear` is told every
/// progress. The process is gone when this returns. It ends by itself when this server does, as it then reads the end
/// of its input.
pub async fn carry_out(
    program: &Path,
    order: &Order,
    hear: &mut (dyn FnMut(Message) + Send),
    stop: impl Future<Output = Ending>,
) -> Ending {
    let child = Command::from(crate::program::command(program))
        .arg("add-dataset")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child.context("the process that adds datasets cannot be started") {
        Ok(child) => child,
        Err(fault) => return Ending::Failed(format!("{fault:#}")),
    };
    let ending = tokio::select! {
        ended = converse(&mut child, order, hear) => match ended {
            Ok(()) => Ending::Arrived,
            Err(fault) => Ending::Failed(format!("{fault:#}")),
        },
        stopped = stop => stopped,
    };
    // One that has ended by itself needs no killing.
    let _ = child.kill().await;
    ending
}

async fn converse(child: &mut Child, order: &Order, hear: &mut (dyn FnMut(Message) + Send)) -> Result<()> {
    let (Some(mut to), Some(from), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        bail!("the process that adds datasets has no pipes");
    };
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    // A process that ended without listening says why below.
    let _ = to.write_all(&line).await;
    let mut lines = BufReader::new(from).lines();
    let mut last = None;
    while let Some(line) = lines.next_line().await.context("listening to the process that adds datasets")? {
        match serde_json::from_str(&line) {
            Ok(Message::Ended(ended)) => last = Some(ended),
            Ok(progress) => hear(progress),
            Err(_) => {}
        }
    }
    let mut printed = String::new();
    let _ = errors.take(PRINTED).read_to_string(&mut printed).await;
    let status = child.wait().await.context("waiting for the process that adds datasets")?;
    match last {
        Some(Ok(())) => Ok(()),
        Some(Err(fault)) => bail!(fault),
        None => bail!("the process that read it failed: {}. It printed: {}", how_it_ended(status), printed.trim()),
    }
}
