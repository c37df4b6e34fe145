//! `retort bench load`: how the server answers when many have its pages open, read, and write, while a run reports without end.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use retort_engine::{
    RunFolder,
    rng::{Purpose, Stream},
};
use retort_spec::{DeviceName, Event, ExperimentSpec, Metric, Record, RunState, Stage};
use retort_store::Store;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::super::serve::block_on;
use super::pages::{self, PagesArgs};
use crate::{data_folder::DataFolder, live::Live, scheduler::Control};

/// How many are there, and for how long.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// Open pages, each of which listens for news and is fetched again when they concern it
    #[arg(long, default_value_t = 200)]
    tabs: usize,

    /// Clients that read pages, launch a comparison at every tenth request, and share one at every hundredth
    #[arg(long, default_value_t = 64)]
    clients: usize,

    /// Milliseconds that a client waits between two requests
    #[arg(long, default_value_t = 1_000)]
    pause: u64,

    /// Figures that the run reports a second
    #[arg(long, default_value_t = 1_000)]
    reports: u64,

    /// Seconds under load
    #[arg(long, default_value_t = 30)]
    seconds: u64,

    #[command(flatten)]
    database: PagesArgs,
}

/// A comparison that is launched.
const FORM: [(&str, &str); 8] = [
    ("dataset", retort_spec::BUNDLED_DATASET),
    ("teacher", "train:resnet20"),
    ("students", "resnet8"),
    ("methods", "ard"),
    ("attacks", "pgd-20"),
    ("eps", "8/255"),
    ("budget", "smoke"),
    ("device", "cpu"),
];
/// Reports that the run writes at a time.
const AT_ONCE: u64 = 100;
/// How long the server may take to read what the run reported before it started.
const CATCHING_UP: Duration = Duration::from_secs(5);
/// The shortest times between two fetches of a tab, as `live.js` has them.
const INTERVAL: Duration = Duration::from_secs(1);
const LEISURE: Duration = Duration::from_secs(5);

/// Milliseconds by page.
type Times = BTreeMap<&'static str, Vec<f64>>;

/// Fills a database unless it is there, starts a server on it, and prints as one JSON object how long it takes to answer without and
/// with load, and how much memory it takes at most.
///
/// # Errors
/// When the disk refuses, or the server does not start.
pub fn load(args: &LoadArgs) -> Result<()> {
    let temporary = tempfile::tempdir().context("making a temporary folder")?;
    let folder = args.database.data.as_deref().unwrap_or(temporary.path());
    let (run, experiments) = block_on(prepare(&args.database, folder))?;
    let worker = RunFolder::at(folder.join("runs").join(run.to_string()));
    let _held = worker.lock()?;
    let mut reports = Reports::begin(&worker)?;
    (0..args.reports * args.seconds / 2).try_for_each(|_| reports.write())?;
    let server = Server::start(folder)?;
    thread::sleep(CATCHING_UP);
    let draw = Stream::new(2, Purpose::Bench, 0, 0);
    let idle = server.idle(args.database.times, run, experiments, draw)?;
    let (busy, requests, failures) = server.busy(args, reports, run, experiments)?;
    let pages: serde_json::Map<String, Value> = busy
        .iter()
        .map(|(page, times)| {
            let Some(before) = idle.get(page) else {
                let shown = json!({ "p50_ms": at(times, 0.5), "p95_ms": at(times, 0.95) });
                return ((*page).to_owned(), shown);
            };
            let [idle, busy] = [before, times].map(|times| (at(times, 0.5), at(times, 0.95)));
            let ratio = (busy.0 / idle.0 * 100.0).round() / 100.0;
            let shown = json!({ "idle_p50_ms": idle.0, "idle_p95_ms": idle.1, "p50_ms": busy.0, "p95_ms": busy.1, "ratio_p50": ratio });
            ((*page).to_owned(), shown)
        })
        .collect();
    let figures = json!({
        "what": "load",
        "runs": experiments * 20,
        "start_ms": server.start_ms,
        "tabs": args.tabs,
        "clients": args.clients,
        "pause_ms": args.pause,
        "reports_per_second": args.reports,
        "seconds": args.seconds,
        "requests": requests,
        "failures": failures,
        "memory_mb": server.most_memory()? / 1_000_000,
        "cores": thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "pages": pages,
    });
    say!("{figures}");
    Ok(())
}

/// A database with many runs and one that goes on; returns that one's id, and how many experiments there are.
async fn prepare(args: &PagesArgs, folder: &Path) -> Result<(i64, u32)> {
    let data = DataFolder::open(folder)?;
    let store = Store::open(&data.database()).await?;
    let control = Control::new(store.clone(), Live::new(), &data.runs(), &data.models());
    let experiments = pages::filled(args, &store, &control).await?;
    let spec = ExperimentSpec { title: "Reports without end".into(), ..ExperimentSpec::demo() };
    let plan: Vec<_> = spec.expand().into_iter().take(1).collect();
    let run_spec = plan.first().context("the demo has runs")?.spec.clone();
    let experiment = control.launch(&spec, plan).await?;
    let run = store.runs_of_experiment(experiment).await?.first().context("the run is there")?.id;
    RunFolder::create(control.folder(run).dir(), &run_spec)?;
    store.change_state(run, RunState::Starting, "started for a measurement").await?;
    store.close().await;
    Ok((run, experiments))
}

struct Server {
    child: Child,
    link: String,
    start_ms: u64,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(process, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(folder: &Path) -> Result<Self> {
        let began = Instant::now();
        let mut command = Command::new(crate::program::this_program()?);
        command
            .args(["serve", "--stop-workers", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("starting the server")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let link = line.split_whitespace().find(|word| word.starts_with("http://")).context("it does not start")?;
        Ok(Self { link: link.to_owned(), start_ms: began.elapsed().as_millis() as u64, child })
    }

    /// How long each page takes while nobody else asks.
    fn idle(&self, times: usize, run: i64, experiments: u32, mut draw: Stream) -> Result<Times> {
        let agent = agent();
        let mut all = Times::new();
        for page in PAGES {
            for time in 0..=times {
                let took = self.read(&agent, &page.address(run, experiments, &mut draw), true)?;
                // The first answer also reads what the others find in memory.
                if time > 0 {
                    all.entry(page.name()).or_default().push(took);
                }
            }
        }
        Ok(all)
    }

    /// How long each page takes under load, how many requests there were, and how many failed.
    fn busy(&self, args: &LoadArgs, reports: Reports, run: i64, experiments: u32) -> Result<(Times, usize, usize)> {
        let is_over = AtomicBool::new(false);
        let all: Arc<Mutex<Times>> = Arc::default();
        let [requests, failures] = [const { AtomicUsize::new(0) }; 2];
        let note = |outcome: Result<f64>, page: &'static str| {
            requests.fetch_add(1, Ordering::Relaxed);
            match outcome {
                Ok(took) => all.lock().unwrap_or_else(PoisonError::into_inner).entry(page).or_default().push(took),
                Err(_) => {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let (is_over, note) = (&is_over, &note);
        thread::scope(|scope| {
            let reports = scope.spawn(move || reports.go_on(args.reports, is_over));
            for tab in 0..args.tabs {
                scope.spawn(move || {
                    let mut draw = Stream::new(3, Purpose::Bench, tab as u64, 0);
                    let page = PAGES[tab % PAGES.len()];
                    let address = page.address(run, experiments, &mut draw);
                    // A tab that the server lets go is a failure.
                    if self.tab(page, &address, is_over, note).is_err() && !is_over.load(Ordering::Relaxed) {
                        note(Err(anyhow::anyhow!("closed")), page.name());
                    }
                });
            }
            for client in 0..args.clients {
                scope.spawn(move || {
                    let (agent, mut draw) = (agent(), Stream::new(4, Purpose::Bench, client as u64, 0));
                    thread::sleep(Duration::from_millis(u64::from(draw.below(args.pause.max(1) as u32))));
                    let mut turn = client;
                    while !is_over.load(Ordering::Relaxed) {
                        let page = PAGES[turn % PAGES.len()];
                        if turn % 100 == 99 {
                            note(self.share(&agent, 1 + draw.below(experiments)), "share");
                        } else if turn % 10 == 9 {
                            note(self.launch(&agent, turn), "launch");
                        } else {
                            note(self.read(&agent, &page.address(run, experiments, &mut draw), false), page.name());
                        }
                        turn += 1;
                        thread::sleep(Duration::from_millis(args.pause));
                    }
                });
            }
            thread::sleep(Duration::from_secs(args.seconds));
            is_over.store(true, Ordering::Relaxed);
            // Tabs wait for news: the server's end is theirs.
            match reports.join() {
                Ok(written) => written,
                Err(_) => bail!("the reports failed"),
            }
        })?;
        let times = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((times, requests.load(Ordering::Relaxed), failures.load(Ordering::Relaxed)))
    }

    /// An open page: listens for news, and is fetched again when they concern it, at most once a second.
    fn tab(
        &self,
        page: Page,
        address: &str,
        is_over: &AtomicBool,
        note: &impl Fn(Result<f64>, &'static str),
    ) -> Result<()> {
        let agent = agent();
        let stream = agent.get(format!("{}/live", self.link)).call()?;
        let mut last = Instant::now();
        for line in BufReader::new(stream.into_body().into_reader()).lines() {
            let line = line?;
            if is_over.load(Ordering::Relaxed) {
                return Ok(());
            }
            let Some(news) = line.strip_prefix("data:") else { continue };
            let news: Value = serde_json::from_str(news)?;
            if page.interval(address, &news).is_some_and(|interval| last.elapsed() >= interval) {
                note(self.read(&agent, address, false), page.name());
                last = Instant::now();
            }
        }
        bail!("the stream ended")
    }

    /// Reads a page, drawn for this request alone if it is `anew`; returns how many milliseconds that took.
    fn read(&self, agent: &ureq::Agent, address: &str, anew: bool) -> Result<f64> {
        let began = Instant::now();
        let mut request = agent.get(format!("{}{address}", self.link));
        if anew {
            request = request.header("cache-control", "no-cache");
        }
        request.call()?.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        Ok(1e3 * began.elapsed().as_secs_f64())
    }

    /// Queues a comparison. The device is the reporting run's, so that nothing starts.
    fn launch(&self, agent: &ureq::Agent, seed: usize) -> Result<f64> {
        let began = Instant::now();
        let seed = seed.to_string();
        let form = [("title", "Launched under load"), ("seeds", &seed)].into_iter().chain(FORM);
        agent.post(format!("{}/experiments", self.link)).send_form(form)?.body_mut().read_to_vec()?;
        Ok(1e3 * began.elapsed().as_secs_f64())
    }

    fn share(&self, agent: &ureq::Agent, experiment: u32) -> Result<f64> {
        let began = Instant::now();
        let form = [("title", "Shared under load"), ("note", ""), ("days", "1")];
        agent
            .post(format!("{}/experiments/{experiment}/shares", self.link))
            .send_form(form)?
            .body_mut()
            .read_to_vec()?;
        Ok(1e3 * began.elapsed().as_secs_f64())
    }

    /// Most bytes of memory that the server had in use.
    fn most_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).context("its memory")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("its memory is not told")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("its memory")?;
        Ok(kilobytes * 1_024)
    }
}

/// The pages that are read.
#[derive(Clone, Copy, Debug)]
enum Page {
    Overview,
    Runs,
    Run,
    LiveRun,
    Comparison,
    Comparisons,
}

const PAGES: [Page; 6] = [Page::Overview, Page::Runs, Page::Run, Page::LiveRun, Page::Comparison, Page::Comparisons];

impl Page {
    const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Runs => "runs",
            Self::Run => "run",
            Self::LiveRun => "live_run",
            Self::Comparison => "comparison_of_20_runs",
            Self::Comparisons => "comparisons",
        }
    }

    /// How long after its last fetch an open page is fetched again for these news, as `live.js` has it; none where they do not
    /// concern it.
    fn interval(self, address: &str, news: &Value) -> Option<Duration> {
        let id: Option<i64> = address.rsplit('/').next().and_then(|id| id.parse().ok());
        let names = |what: &str| news[what].as_array().is_some_and(|all| all.iter().any(|one| one.as_i64() == id));
        match self {
            Self::Run | Self::LiveRun => names("runs").then_some(INTERVAL),
            Self::Comparison => names("experiments").then_some(INTERVAL),
            _ if news["states"] == true => Some(INTERVAL),
            _ => Some(LEISURE),
        }
    }

    fn address(self, run: i64, experiments: u32, draw: &mut Stream) -> String {
        match self {
            Self::Overview => "/".into(),
            Self::Runs => "/runs".into(),
            Self::Run => format!("/runs/{}", 1 + draw.below(experiments * 20)),
            Self::LiveRun => format!("/runs/{run}"),
            Self::Comparison => format!("/experiments/{}", 1 + draw.below(experiments)),
            Self::Comparisons => "/experiments".into(),
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::new_with_defaults()
}

/// What the run reports, as a worker writes it into its journal.
struct Reports {
    journal: File,
    epoch: usize,
    began: Instant,
}

impl Reports {
    fn begin(worker: &RunFolder) -> Result<Self> {
        let journal =
            OpenOptions::new().create(true).append(true).open(worker.journal()).context("opening a journal")?;
        let mut reports = Self { journal, epoch: 0, began: Instant::now() };
        reports.append(Event::Started {
            device: DeviceName::Cpu,
            threads: 1,
            version: "0".into(),
            resumed_epochs: 0,
        })?;
        Ok(reports)
    }

    fn append(&mut self, event: Event) -> Result<()> {
        let record = Record { at: Timestamp::now().to_string(), attempt: 1, event };
        writeln!(self.journal, "{}", serde_json::to_string(&record)?).context("writing a journal")
    }

    /// One epoch with one figure.
    fn write(&mut self) -> Result<()> {
        self.epoch += 1;
        let values = BTreeMap::from([(Metric::TrainLoss, 1.0 / self.epoch as f64)]);
        self.append(Event::Metrics { stage: Stage::Train, epoch: self.epoch, values })
    }

    /// So many a second until it is over.
    fn go_on(mut self, per_second: u64, is_over: &AtomicBool) -> Result<()> {
        let (first, began) = (self.epoch, Instant::now());
        while !is_over.load(Ordering::Relaxed) {
            (0..AT_ONCE.min(per_second)).try_for_each(|_| self.write())?;
            let due = Duration::from_secs_f64((self.epoch - first) as f64 / per_second.max(1) as f64);
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let seconds = self.began.elapsed().as_secs_f64();
        self.append(Event::Finished { seconds })
    }
}

/// The time below which this share of them lies.
fn at(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(place).map_or(f64::NAN, |ms| (ms * 100.0).round() / 100.0)
}
