//! The server as a service: what it tells whoever started it and whoever watches over it, and what it ends with itself.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use retort_engine::RunFolder;
use support::{Server, TINY, figures, is_finished, retort, signal, wait_for};

const LONG: Duration = Duration::from_mins(5);

/// A server with these settings, whose log goes to a file.
fn serve(data: &Path, log: &Path, settings: &[(&str, &str)]) -> (Child, String) {
    let mut command = retort();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).envs(settings.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(File::create(log).unwrap()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let link = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    (child, link)
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_is_told_that_the_server_is_there_that_it_lives_and_that_it_stops() {
    let root = tempfile::tempdir().unwrap();
    let socket = root.path().join("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hear = || {
        let mut bytes = [0; 256];
        let length = told.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let settings = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
    let (mut server, _) = serve(&root.path().join("data"), &root.path().join("log"), &settings);
    assert_eq!(hear(), "READY=1");
    assert_eq!((hear(), hear()), ("WATCHDOG=1".into(), "WATCHDOG=1".into()));
    signal("TERM", server.id());
    let last = std::iter::repeat_with(hear).find(|said| said != "WATCHDOG=1").unwrap();
    assert_eq!(last, "STOPPING=1");
    assert!(server.wait().unwrap().success());
}

#[test]
fn the_log_has_an_object_a_line_with_the_numbers_of_requests_and_of_runs() {
    let root = tempfile::tempdir().unwrap();
    let (data, log) = (root.path().join("data"), root.path().join("log"));
    let (mut server, link) = serve(&data, &log, &[("RUST_LOG", "info"), ("RETORT_LOG_FORMAT", "json")]);
    let form = [TINY.as_slice(), &[("methods", "kd"), ("budget", "smoke"), ("epochs", "1")]].concat();
    ureq::post(format!("{link}/experiments")).send_form(form).unwrap();
    let page = || ureq::get(format!("{link}/runs/1")).call().unwrap().body_mut().read_to_string().unwrap();
    wait_for("the teacher", LONG, || page().contains("state finished").then_some(()));
    let answer = ureq::get(format!("{link}/runs/1")).header("x-request-id", "proxy-7").call().unwrap();
    assert_eq!(answer.headers()["x-request-id"], "proxy-7");
    signal("TERM", server.id());
    assert!(server.wait().unwrap().success());
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |is_it: &dyn Fn(&serde_json::Value) -> bool| assert!(lines.iter().any(is_it), "{text}");
    has(&|line| line["span"]["id"] == "proxy-7" && line["span"]["path"] == "/runs/1" && line["status"] == 200);
    has(&|line| line["run"] == 1 && line["state"] == "starting");
    has(&|line| line["run"] == 1 && line["state"] == "finished" && line["attempt"] == 1);
}

#[test]
fn the_figures_tell_of_requests_queries_and_runs() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    server.get("/runs");
    let text = server.get("/metrics");
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let of_page = r#"retort_request_duration_seconds_count{route="/runs",method="GET",status="200"}"#;
    assert!((value(of_page) - 1.0).abs() < 1e-9);
    assert!(value("retort_database_query_duration_seconds_count") > 3.0);
    assert!(value(r#"retort_runs{state="running"}"#) < 1.0 && value("retort_disk_free_bytes") > 1.0);
    assert!(value("retort_scheduler_last_round_age_seconds") < 60.0 && value("retort_memory_bytes") > 1e6);
}

#[test]
fn workers_end_with_the_server_where_that_is_asked_and_go_on_with_the_next_one() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let mut server = Server::start_with(&data, &["--stop-workers"]);
    let form = [TINY.as_slice(), &[("methods", "ard"), ("budget", "smoke"), ("epochs", "200")]].concat();
    server.post("/experiments", &form);
    let dir = server.run_dir(1);
    wait_for("the first epochs", LONG, || (figures(&dir).len() > 2).then_some(()));
    server.terminate();
    assert_eq!(RunFolder::at(&dir).worker().unwrap(), None, "its worker goes on");
    assert!(RunFolder::at(&dir).checkpoint().is_file() && !is_finished(&dir));
    let known = figures(&dir).len();
    let server = Server::start(&data);
    wait_for("the next epoch", LONG, || (figures(&dir).len() > known).then_some(()));
    assert!(server.get("/runs/1").contains("running"));
}
