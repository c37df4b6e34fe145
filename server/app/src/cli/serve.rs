//! `retort serve`: the server, from its start to its graceful end.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use retort_spec::{DeviceName, RunState};
use retort_store::Store;
use rustix::process::{Pid, Signal};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal as Signals, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    arrivals::Arrivals,
    config::ServeArgs,
    connections,
    data_folder::DataFolder,
    http::{self, App, Hosts},
    keeping,
    launch::Gate,
    live::Live,
    public_url::PublicUrl,
    scheduler::{Control, LocalExecutor, Scheduler},
    service,
};

/// How long open connections may take to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// How long workers may take to keep a checkpoint when the server takes them down with it; less than the ten seconds that
/// `docker stop` grants.
const LAST_CHECKPOINT: Duration = Duration::from_secs(6);

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// When the server cannot start.
pub fn serve(args: &ServeArgs) -> Result<()> {
    block_on(async {
        let server = Server::start(args).await?;
        server.announce();
        server.until_stopped().await
    })
}

/// Runs the server's tasks.
pub(super) fn block_on<T>(task: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the server")?;
    runtime.block_on(task)
}

/// A server that answers.
pub(super) struct Server {
    pub(super) gate: Gate,
    control: Control,
    address: SocketAddr,
    public: Option<PublicUrl>,
    store: Store,
    stop: watch::Sender<bool>,
    pages: JoinHandle<io::Result<()>>,
    scheduler: JoinHandle<()>,
    data: DataFolder,
    /// Whether workers end with the server.
    stops_workers: bool,
    /// Ctrl-C and SIGTERM, listened for before the server says that it is there.
    ends: [Signals; 2],
}

impl Server {
    /// Takes the address and the data folder, opens the database, and starts to answer and to schedule.
    ///
    /// # Errors
    /// When the address is in use, another server has the data folder, or the database cannot be opened.
    pub(super) async fn start(args: &ServeArgs) -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        let ends = [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?];
        args.public_url.as_ref().map_or(Ok(()), http::check_base)?;
        let listener = TcpListener::bind(&args.listen).await.map_err(|e| cannot_listen(&args.listen, e))?;
        let address = listener.local_addr()?;
        let data = DataFolder::open(&args.data)?;
        let store = Store::open(&data.database()).await?;
        let (run, model) = data.highest_numbers();
        store.start_numbers_above(run, model).await?;
        if let Err(error) = http::tidy_shares(&store, data.root()).await {
            tracing::warn!("what is left of ended shares stays: {error:#}");
        }
        let control = Control::new(store.clone(), Live::new(), &data.runs(), &data.models());
        let arrivals = Arrivals::new(data.datasets(), args.mirror.clone(), control.live.clone())
            .context("finding the program to add datasets with")?;
        if let Err(error) = arrivals.tidy(data.left_uploads()) {
            tracing::warn!("what is left of unfinished imports stays: {error:#}");
        }
        let executor = LocalExecutor::new(&data.datasets()).context("finding the program to start workers with")?;
        let (stop, stopping) = watch::channel(false);
        let scheduler = Scheduler::new(control.clone(), Box::new(executor));
        let hosts = Hosts::of(address, args.public_url.as_ref());
        let app = App::over(&data, store.clone(), control.clone(), stopping.clone())?;
        let app = App { arrivals, hosts, public: args.public_url.clone(), ..app };
        let gate = app.gate.clone();
        if store.finished_work(DeviceName::Cpu, 1).await?.is_empty() {
            // Nobody waits for it, not even the server's end: until then estimates go by the number of threads.
            let machine = app.machine.clone();
            std::thread::spawn(move || {
                if let Err(error) = machine.measure_cpu() {
                    tracing::warn!("estimates before the first run are rough: {error:#}");
                }
            });
        }
        if let Some(keep) = args.daily_backups.filter(|keep| *keep > 0) {
            tokio::spawn(keeping::daily((*data).clone(), keep, stopping.clone()));
        }
        let pages = connections::serve(listener, http::router(Arc::new(app)), stopping.clone());
        Ok(Self {
            gate,
            control,
            address,
            public: args.public_url.clone(),
            store,
            stop,
            pages: tokio::spawn(pages),
            scheduler: tokio::spawn(scheduler.run(stopping)),
            data,
            // In a container the end of process 1 is the end of all others.
            stops_workers: args.stop_workers || std::process::id() == 1,
            ends,
        })
    }

    /// Where a browser finds it: through its proxy, if it was told of one.
    pub(super) fn link(&self) -> String {
        self.public.as_ref().map_or_else(|| self.own_link(), PublicUrl::to_string)
    }

    /// Where a browser on this machine finds it.
    fn own_link(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            // A browser on this machine cannot open “any address”.
            address.set_ip(if address.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        format!("http://{address}")
    }

    /// Says where it is and how to stop it.
    pub(super) fn announce(&self) {
        say!("Retort is at {} with its data in {}.", self.own_link(), self.data.root().display());
        if let Some(public) = &self.public {
            say!("Through its proxy it is at {public}.");
        }
        if self.stops_workers {
            say!("Ctrl-C stops the server, and its workers at their next step.");
        } else {
            say!("Ctrl-C stops the server; runs that compute go on.");
        }
        if !self.address.ip().is_loopback() {
            say!(
                "{} can be reached from other machines, and there are no accounts yet: whoever reaches it can launch \
                 and cancel runs.",
                self.address
            );
        }
    }

    /// Answers until Ctrl-C or SIGTERM.
    ///
    /// # Errors
    /// When it stops answering by itself.
    pub(super) async fn until_stopped(mut self) -> Result<()> {
        service::ready();
        let watchdog = tokio::spawn(service::watch(self.store.clone(), self.control.clone()));
        let [interrupt, terminate] = &mut self.ends;
        let early = tokio::select! {
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
            ended = &mut self.pages => Some(ended),
        };
        service::stopping();
        self.stop.send_replace(true);
        watchdog.abort();
        self.scheduler.await.context("the scheduler failed")?;
        if let Some(ended) = early {
            ended.context("the server failed")?.context("the server failed")?;
        } else if tokio::time::timeout(FAREWELL, &mut self.pages).await.is_err() {
            self.pages.abort();
        }
        if self.stops_workers {
            stop_workers(&self.store, &self.control).await?;
        }
        let counts = self.store.state_counts().await?;
        let working = counts.of(RunState::Starting) + counts.of(RunState::Running);
        self.store.close().await;
        match working {
            0 => say!("Retort has stopped."),
            1 => say!("Retort has stopped. One worker goes on; the next start on this folder takes it over."),
            n => say!("Retort has stopped. {n} workers go on; the next start on this folder takes them over."),
        }
        Ok(())
    }
}

/// Asks every worker to keep a checkpoint and leave, and waits for them a while.
async fn stop_workers(store: &Store, control: &Control) -> Result<()> {
    let runs = store.active_runs().await?;
    let folders: Vec<_> = runs.iter().map(|run| control.folder(run.id)).collect();
    for folder in &folders {
        if let Some(worker) = folder.worker()?.and_then(|id| Pid::from_raw(id.cast_signed()))
            && worker.as_raw_nonzero().get() > 1
        {
            // A worker that has just ended by itself needs no signal.
            let _ = rustix::process::kill_process(worker, Signal::TERM);
        }
    }
    let deadline = Instant::now() + LAST_CHECKPOINT;
    while Instant::now() < deadline && folders.iter().any(|f| f.worker().is_ok_and(|w| w.is_some())) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn cannot_listen(listen: &str, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{listen} is in use, perhaps by another Retort: stop that one, or choose another port, such as \
             --listen 127.0.0.1:7979"
        ),
        _ => {
            anyhow!(error).context(format!("cannot listen on “{listen}” (write an address and a port: 127.0.0.1:7878)"))
        }
    }
}
