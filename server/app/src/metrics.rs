//! Figures of the server for whoever watches over it: how long requests and queries take, what waits, what is free.

use std::{
    fmt, fs,
    sync::{LazyLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use retort_spec::RunState;
use retort_store::StateCounts;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// The target of sqlx's events, one for each query.
pub const QUERIES: &str = "sqlx::query";

/// Seconds by which queries and requests are told apart.
const QUERY_STEPS: [f64; 9] = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 1.0, 10.0];
const REQUEST_STEPS: [f64; 9] = [1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// How long queries took. [`QueryTimes`] hears them, and is there before any server.
static QUERY_TIMES: LazyLock<Histogram> = LazyLock::new(|| Histogram::new(QUERY_STEPS));

/// A gauge of bytes.
type Bytes = Gauge<u64, AtomicU64>;

/// The figures.
#[derive(Default)]
pub struct Metrics {
    requests: Requests,
    gauges: Gauges,
}

/// The figures that are read when somebody asks for them.
#[derive(Clone, Debug, Default)]
struct Gauges {
    runs: Family<State, Gauge>,
    disk_free: Bytes,
    disk_size: Bytes,
    memory: Bytes,
    open_pages: Gauge,
    paused: Gauge,
    since_last_round: Gauge<f64, AtomicU64>,
}

#[derive(Clone)]
struct Requests(Family<Request, Histogram>);

/// What is told apart of requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// What the gauges show at this moment.
#[derive(Debug)]
pub struct Now {
    /// Runs by state.
    pub runs: StateCounts,
    /// Free bytes on the data folder's disk.
    pub disk_free: u64,
    /// Bytes of that disk.
    pub disk_size: u64,
    /// Pages that listen for news.
    pub open_pages: usize,
    /// Whether nothing is started, as the disk is full.
    pub is_paused: bool,
    /// How long ago the scheduler was last through with a round.
    pub since_last_round: Duration,
}

impl Default for Requests {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(REQUEST_STEPS)))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("gauges", &self.gauges).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Notes that a request was answered. `route` is its address with names for what varies: `/runs/{id}`.
    pub fn answered(&self, route: &str, method: &str, status: u16, time: Duration) {
        let request = Request { route: route.to_owned(), method: method.to_owned(), status };
        self.requests.0.get_or_create(&request).observe(time.as_secs_f64());
    }

    /// All figures in Prometheus' text form.
    ///
    /// # Errors
    /// Never, as long as text can be written to memory.
    pub fn text(&self, now: &Now) -> Result<String, fmt::Error> {
        let gauges = &self.gauges;
        for state in RunState::ALL {
            let count = i64::try_from(now.runs.of(state)).unwrap_or(i64::MAX);
            gauges.runs.get_or_create(&State { state: state.id() }).set(count);
        }
        gauges.disk_free.set(now.disk_free);
        gauges.disk_size.set(now.disk_size);
        gauges.memory.set(memory());
        gauges.open_pages.set(i64::try_from(now.open_pages).unwrap_or(i64::MAX));
        gauges.paused.set(now.is_paused.into());
        gauges.since_last_round.set(now.since_last_round.as_secs_f64());
        let mut text = String::new();
        encode(&mut text, &self.registry())?;
        Ok(text)
    }

    /// The figures under their names. They are shared with this value.
    fn registry(&self) -> Registry {
        let Gauges { runs, disk_free, disk_size, memory, open_pages, paused, since_last_round } = self.gauges.clone();
        let mut all = Registry::with_prefix("retort");
        all.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        all.register("runs", "Runs by state", runs);
        all.register("open_pages", "Pages that listen for news", open_pages);
        all.register("paused", "1 while nothing is started, as the disk is full", paused);
        let mut timed = |name: &str, what: &str, times| all.register_with_unit(name, what, Unit::Seconds, times);
        timed("database_query_duration", "Time of a query of the database", QUERY_TIMES.clone());
        let what = "Time from a request to the head of its answer";
        all.register_with_unit("request_duration", what, Unit::Seconds, self.requests.0.clone());
        let what = "Time since the scheduler was last through with a round";
        all.register_with_unit("scheduler_last_round_age", what, Unit::Seconds, since_last_round);
        let mut sized = |name: &str, what: &str, bytes| all.register_with_unit(name, what, Unit::Bytes, bytes);
        sized("disk_free", "Room on the data folder's disk", disk_free);
        sized("disk_size", "Size of the data folder's disk", disk_size);
        sized("memory", "Memory of the server, without its workers", memory);
        all
    }
}

/// Bytes of memory that this process has in use; 0 where the system does not tell.
pub fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    let resident = pages.and_then(|pages| pages.split_whitespace().nth(1)?.parse::<u64>().ok());
    resident.unwrap_or(0) * rustix::param::page_size() as u64
}

/// Hears how long queries of the database take.
#[derive(Debug)]
pub struct QueryTimes;

impl<S: Subscriber> Layer<S> for QueryTimes {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Seconds);
    }
}

struct Seconds;

impl Visit for Seconds {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            QUERY_TIMES.observe(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_stands_under_its_name_with_its_unit() {
        let metrics = Metrics::default();
        metrics.answered("/runs/{id}", "GET", 200, Duration::from_millis(5));
        metrics.answered("/runs/{id}", "GET", 200, Duration::from_millis(50));
        let now = Now {
            runs: StateCounts::default(),
            disk_free: 7,
            disk_size: 70,
            open_pages: 3,
            is_paused: true,
            since_last_round: Duration::from_millis(1_500),
        };
        let text = metrics.text(&now).unwrap();
        for line in [
            r#"retort_request_duration_seconds_count{route="/runs/{id}",method="GET",status="200"} 2"#,
            r#"retort_request_duration_seconds_bucket{le="0.01",route="/runs/{id}",method="GET",status="200"} 1"#,
            r#"retort_runs{state="queued"} 0"#,
            "retort_disk_free_bytes 7",
            "retort_open_pages 3",
            "retort_paused 1",
            "retort_scheduler_last_round_age_seconds 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
        assert!(text.contains("retort_build_info{version=") && text.contains("retort_database_query_duration_seconds"));
        assert!(memory() > 1 << 20);
    }
}
