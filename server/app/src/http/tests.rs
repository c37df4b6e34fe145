//! The pages, asked in process.

use std::{io::Write, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, Request, StatusCode, header},
};
use futures_util::StreamExt;
use retort_engine::data::{ImportOptions, Library};
use retort_spec::{AnalysisResult, DeviceName, Event, FeatureMap, LogLevel, Record, RunState};
use retort_store::Store;
use retort_web::ExperimentForm;
use tokio::sync::watch;
use tower::ServiceExt;

use super::{App, Hosts, router};
use crate::{data_folder::Places, launch::Gate, live::Live, public_url::PublicUrl, scheduler::Control};

pub(super) struct Site {
    pub(super) dir: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) control: Control,
    pub(super) gate: Gate,
    router: Router,
    stop: watch::Sender<bool>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: header::HeaderMap,
    pub(super) text: String,
    bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Site {
    pub(super) async fn new() -> Self {
        Self::behind(None).await
    }

    /// A server whose pages are drawn once until something changes; others draw them for each request.
    pub(super) async fn sharing_drawings() -> Self {
        Self::with(None, Duration::from_hours(1)).await
    }

    /// A server that a proxy shows under another address.
    pub(super) async fn behind(public: Option<&str>) -> Self {
        Self::with(public, Duration::ZERO).await
    }

    async fn with(public: Option<&str>, life: Duration) -> Self {
        let public: Option<PublicUrl> = public.map(|url| url.parse().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("retort.db")).await.unwrap();
        let live = Live::new();
        let [models, uploads] = ["models", "uploads"].map(|part| dir.path().join(part));
        for part in [&models, &uploads] {
            std::fs::create_dir(part).unwrap();
        }
        let control = Control::new(store.clone(), live.clone(), &dir.path().join("runs"), &models);
        let (stop, stopping) = watch::channel(false);
        let app = App::over(&Places::at(dir.path()), store.clone(), control.clone(), stopping).unwrap();
        let (gate, drawn) = (app.gate.clone(), super::Drawn::for_at_most(life));
        let hosts = Hosts::of(([127, 0, 0, 1], 7878).into(), public.as_ref());
        let router = router(Arc::new(App { drawn, hosts, public, ..app }));
        Self { dir, store, control, gate, router, stop }
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 10 << 20).await.unwrap().to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text, bytes }
    }

    pub(super) async fn get(&self, address: &str) -> Answer {
        self.ask(Request::get(address).header("host", "localhost:7878").body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&self, address: &str, body: String) -> Answer {
        let request = Request::post(address).header("host", "localhost:7878").header("sec-fetch-site", "same-origin");
        self.ask(request.body(Body::from(body)).unwrap()).await
    }

    /// Posts a form whose text is written as in an address.
    pub(super) async fn form(&self, address: &str, body: &str) -> Answer {
        let request = Request::post(address).header("host", "localhost:7878");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(super) async fn send(&self, form: &ExperimentForm) -> Answer {
        self.post("/experiments", serde_html_form::to_string(form).unwrap()).await
    }

    /// Stores two classes of one image each under this name.
    pub(super) fn import(&self, name: &str) {
        let images = self.dir.path().join("images");
        for (place, grey) in [("train/cat", 1), ("train/squirrel", 2), ("test/cat", 3), ("test/squirrel", 4)] {
            std::fs::create_dir_all(images.join(place)).unwrap();
            let image = image::RgbImage::from_pixel(32, 32, image::Rgb([grey; 3]));
            image.save(images.join(place).join("1.png")).unwrap();
        }
        let library = Library::new(self.dir.path().join("datasets"));
        library.import(&images, name, &ImportOptions::default(), &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    }

    /// Stores so many black images of these classes under this name; on the disk they take no room.
    pub(super) fn pretend(&self, name: &str, classes: &[&str], train: usize, test: usize) {
        let description = serde_json::json!({
            "name": name, "title": name, "classes": classes, "origin": "a test", "sha256": "",
        });
        let mut header = serde_json::json!({ "__metadata__": { "retort.dataset": description.to_string() } });
        let mut end = 0;
        for (split, count) in [("train", train), ("test", test)] {
            for (part, shape) in [("images", vec![count, 3, 32, 32]), ("labels", vec![count])] {
                let start = end;
                end += shape.iter().product::<usize>();
                header[format!("{split}_{part}")] =
                    serde_json::json!({ "dtype": "U8", "shape": shape, "data_offsets": [start, end] });
            }
        }
        let header = header.to_string();
        let folder = self.dir.path().join("datasets").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut file = std::fs::File::create(folder.join("dataset.safetensors")).unwrap();
        file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        file.set_len((8 + header.len() + end) as u64).unwrap();
    }

    /// Finishes a queued run.
    pub(super) async fn finish(&self, run: i64) {
        self.store.change_state(run, RunState::Starting, "test").await.unwrap();
        let events = [
            Event::Started { device: DeviceName::Cpu, threads: 1, version: "0".into(), resumed_epochs: 0 },
            Event::Finished { seconds: 10.0 },
        ];
        let record = |event| Record { at: "2026-01-01T00:00:00Z".into(), attempt: 1, event };
        self.store.record_journal(run, 0..10, &events.map(record)).await.unwrap();
        let folder = self.control.folder(run);
        std::fs::create_dir_all(folder.dir()).unwrap();
        for model in [folder.model(), folder.best_model()] {
            std::fs::write(model, "weights").unwrap();
        }
    }

    /// Writes what an analysis found into its run's folder.
    pub(super) fn keep_analysis(&self, run: i64, result: &AnalysisResult) {
        let folder = self.control.folder(run);
        std::fs::create_dir_all(folder.dir()).unwrap();
        std::fs::write(folder.analysis(), serde_json::to_vec(result).unwrap()).unwrap();
    }
}

/// A map of three images.
pub(super) fn feature_map(model: &str) -> FeatureMap {
    FeatureMap {
        model: model.into(),
        points: vec![[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]],
        counts: [1, 1, 1],
        fooled: 1,
        mistaken: Some(0),
        silhouette: 0.25,
        among_own: 1,
        centroid_distances: [0.5, 0.75],
        is_collapsed: false,
    }
}

#[tokio::test]
async fn every_page_of_a_fresh_and_of_a_used_server_is_served() {
    let site = Site::new().await;
    for address in ["/", "/experiments", "/experiments/new", "/runs", "/models", "/datasets"] {
        assert_eq!(site.get(address).await.status, StatusCode::OK, "{address}");
    }
    site.gate.launch_demo().await.unwrap();
    for address in
        ["/", "/experiments", "/experiments/1", "/runs", "/runs?state=queued&text=demo", "/runs/1", "/runs/8"]
    {
        let answer = site.get(address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_table_is_taken_along_as_the_address_shows_it() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    site.send(&ExperimentForm { title: "Demo again".into(), ..ExperimentForm::initial() }).await;
    // The form sends what was not chosen as empty fields.
    let query = "?method=ard&baseline=&with=&with=2";
    for (file, media_type, part) in [
        ("table.csv", "text/csv; charset=utf-8", "student,ResNet-8,ResNet-8,ARD"),
        ("table.tsv", "text/tab-separated-values; charset=utf-8", "student\tResNet-8\tResNet-8\tARD"),
        ("table.tex", "application/x-latex; charset=utf-8", "\\toprule"),
        ("table.md", "text/markdown; charset=utf-8", "| ARD |"),
        ("table.json", "application/json", "\"method\": \"ard\""),
    ] {
        let answer = site.get(&format!("/experiments/1/{file}{query}")).await;
        assert_eq!((answer.status, answer.header(header::CONTENT_TYPE)), (StatusCode::OK, media_type));
        let extension = file.split('.').next_back().unwrap();
        let expected = format!(
            "attachment; filename=\"retort-1-demo-kd-ard-and-gacd-aft-from-one-robust-teacher-with-demo-a.{extension}\""
        );
        assert_eq!(answer.header(header::CONTENT_DISPOSITION), expected);
        assert!(answer.text.contains(part), "{}", answer.text);
        assert!(!answer.text.contains("student,ResNet-8,ResNet-8,KD"), "{}", answer.text);
    }
    assert!(site.get(&format!("/experiments/1{query}")).await.text.contains("checked><span>with Demo"));
    for (address, status) in [
        ("/experiments/1/table.xlsx", StatusCode::NOT_FOUND),
        ("/experiments/1/table.csv?with=99", StatusCode::NOT_FOUND),
        ("/experiments/1?with=two", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(site.get(address).await.status, status, "{address}");
    }
}

#[tokio::test]
async fn the_demo_is_launched_once() {
    let site = Site::new().await;
    for _ in 0..2 {
        assert_eq!(site.post("/demo", String::new()).await.header(header::LOCATION), "/experiments/1");
    }
    assert_eq!(site.store.state_counts().await.unwrap().total(), 8);
}

#[tokio::test]
async fn what_is_not_there_is_told_by_a_page_with_a_way_back() {
    let site = Site::new().await;
    for (address, words) in [
        ("/runs/42", "There is no run 42"),
        ("/runs/forty-two", "There is no run forty-two"),
        ("/experiments/7", "There is no experiment 7"),
        ("/models/7", "There is no model 7"),
        ("/models/7/model.safetensors", "There is no model 7"),
        ("/datasets/zoo/samples.png", "There is no dataset zoo"),
        ("/datasets/..%2Fdatasets%2Fzoo/samples.png", "There is no dataset"),
        ("/nowhere", "There is no such page"),
        ("/static/../Cargo.toml", "There is no such page"),
    ] {
        let answer = site.get(address).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{address}");
        assert!(answer.text.contains(words) && answer.text.contains("href=\"/\""), "{address}: {}", answer.text);
    }
    let answer = site.post("/runs", String::new()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.get("/runs?state=asleep").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.get("/runs?before=x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_run_is_cancelled_and_resumed_by_its_buttons_and_only_where_that_makes_sense() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    assert_eq!(site.post("/runs/1/resume", String::new()).await.status, StatusCode::CONFLICT);
    assert_eq!(site.post("/runs/1/cancel", String::new()).await.header(header::LOCATION), "/runs/1");
    assert_eq!(site.store.run(1).await.unwrap().state, RunState::Cancelled);
    assert_eq!(site.post("/runs/1/resume", String::new()).await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.store.run(1).await.unwrap().state, RunState::Queued);
    assert_eq!(site.post("/experiments/1/cancel", String::new()).await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.store.state_counts().await.unwrap().of(RunState::Cancelled), 8);
}

#[tokio::test]
async fn a_stored_model_is_evaluated_alone_by_the_form_of_its_page() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    site.finish(1).await;
    let folder = site.dir.path().join("runs/1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.safetensors"), "weights").unwrap();
    assert!(site.get("/runs/1").await.text.contains(r#"name="teacher" value="run:1""#));
    let form = "title=Evaluation+of+run+1&teacher=run%3A1&seeds=1&budget=smoke&attacks=fgsm&attacks=mim-10&dataset=fashion-mnist-5k\
                &test_images=50&eps=4%2F255&device=cpu";
    let answer = site.form("/experiments", form).await;
    assert_eq!(answer.header(header::LOCATION), "/experiments/2", "{}", answer.text);
    let runs = site.store.runs_of_experiment(2).await.unwrap();
    let spec = runs[0].spec().unwrap();
    let retort_spec::RunSpec::Evaluate(spec) = spec else { panic!("it evaluates") };
    assert_eq!((runs.len(), spec.model, spec.attacks.len()), (1, retort_spec::ModelRef::Run(1), 2));
    assert!(site.get("/experiments/2").await.text.contains("Teacher ResNet-8"));
}

#[tokio::test]
async fn the_whole_log_of_a_run_is_searched_and_taken_along() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    for (level, message) in
        [(LogLevel::Info, "epoch one"), (LogLevel::Warning, "<b>slow</b> disk"), (LogLevel::Info, "epoch two")]
    {
        site.store.log(1, 1, level, message).await.unwrap();
    }
    let found = site.get("/runs/1/log?text=TWO+epoch").await.text;
    assert!(found.contains("1 line</h2>") && found.contains("epoch two") && !found.contains("epoch one"), "{found}");
    assert!(site.get("/runs/1/log").await.text.contains("&#60;b&#62;slow"));
    let file = site.get("/runs/1/log.txt").await;
    assert_eq!(file.header(header::CONTENT_DISPOSITION), "attachment; filename=\"retort-run-1-log.txt\"");
    let lines: Vec<&str> = file.text.lines().collect();
    assert!(lines.len() == 3 && lines[1].ends_with("attempt 1 warning: <b>slow</b> disk"), "{}", file.text);
    assert_eq!(site.get("/runs/9/log").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_training_is_cloned_as_an_experiment_of_it_alone() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let page = site.get("/runs/5").await.text;
    let href = page.split("class=\"button\" href=\"").find(|rest| rest.starts_with("/experiments/new?")).unwrap();
    let href = href.split('"').next().unwrap().replace("&#38;", "&");
    let methods = href.split(['?', '&']).filter(|field| field.starts_with("methods=")).collect::<Vec<_>>();
    assert_eq!(methods, ["methods=ard"], "{href}");
    assert_eq!(site.get(&href).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nothing_changes_by_a_post_from_another_site_or_under_a_foreign_name() {
    let site = Site::new().await;
    let foreign = Request::post("/demo").header("host", "localhost:7878").header("sec-fetch-site", "cross-site");
    let answer = site.ask(foreign.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let rebound = Request::get("/").header("host", "evil.example:7878").body(Body::empty()).unwrap();
    let answer = site.ask(rebound).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("evil.example"));
    assert_eq!(site.store.state_counts().await.unwrap().total(), 0);
}

#[tokio::test]
async fn every_answer_bears_the_headers_that_keep_foreign_script_out() {
    let site = Site::new().await;
    for address in ["/", "/nowhere", "/static/style.css", "/health"] {
        let answer = site.get(address).await;
        assert!(answer.header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"), "{address}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin");
    }
    // The policy forbids what is written into the page itself.
    let page = site.get("/experiments/new").await.text;
    assert!(!page.contains("<script>") && !page.contains(" style=\"") && !page.contains(" onclick="));
}

#[tokio::test]
async fn a_browser_that_has_the_style_sheet_does_not_load_it_again() {
    let site = Site::new().await;
    let first = site.get("/static/style.css").await;
    assert_eq!(first.header(header::CONTENT_TYPE), "text/css; charset=utf-8");
    let tag = first.header(header::ETAG).to_owned();
    let request = Request::get("/static/style.css").header("host", "localhost").header("if-none-match", tag);
    let again = site.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status, again.text.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn every_dataset_is_shown_with_its_samples_and_the_others_with_how_to_get_them() {
    let site = Site::new().await;
    site.import("cifar10");
    let page = site.get("/datasets").await.text;
    for words in ["/datasets/fashion-mnist-5k/samples.png", "/datasets/cifar10/samples.png", "Ankle boot", "squirrel"] {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    for (command, is_said) in [("cifar10", false), ("cifar100", true), ("stl10", true)] {
        assert_eq!(page.contains(&format!("<code>retort data fetch {command}</code>")), is_said, "{command}");
    }
    let answer = site.get("/datasets/cifar10/samples.png").await;
    assert_eq!((answer.status, answer.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/png"));
    let sheet = image::load_from_memory(&answer.bytes).unwrap().into_rgba8();
    assert_eq!((sheet.get_pixel(0, 0).0, sheet.get_pixel(0, 34).0), ([1, 1, 1, 255], [2, 2, 2, 255]));

    std::fs::write(site.dir.path().join("datasets/cifar10/dataset.safetensors"), "cut").unwrap();
    let page = site.get("/datasets").await.text;
    assert!(page.contains("the dataset cifar10 is damaged") && !page.contains("cifar10/samples.png"), "{page}");
    assert_eq!(site.get("/datasets/cifar10/samples.png").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn samples_are_drawn_again_only_when_the_dataset_has_changed() {
    let site = Site::new().await;
    let ask = async |tag: &str| {
        let request = Request::get("/datasets/fashion-mnist-5k/samples.png").header("host", "localhost");
        site.ask(request.header("if-none-match", tag).body(Body::empty()).unwrap()).await
    };
    let first = ask("\"another\"").await;
    assert_eq!(image::load_from_memory(&first.bytes).unwrap().into_rgba8().dimensions(), (338, 338));
    let again = ask(first.header(header::ETAG)).await;
    assert_eq!((again.status, again.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again.header(header::ETAG), first.header(header::ETAG));
    site.import("pets");
    let pets = site.get("/datasets/pets/samples.png").await;
    assert_ne!(pets.header(header::ETAG), first.header(header::ETAG));
}

#[tokio::test]
async fn an_open_page_hears_of_changes_until_the_server_stops() {
    let site = Site::new().await;
    let request = Request::get("/live").header("host", "localhost:7878").body(Body::empty()).unwrap();
    let response = site.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    site.gate.launch_demo().await.unwrap();
    site.control.cancel(3).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    let heard = stream.next().await.unwrap().unwrap();
    site.stop.send_replace(true);
    assert!(stream.next().await.is_none());
    assert_eq!(
        String::from_utf8_lossy(&heard),
        "event: changed\ndata: {\"runs\":[3],\"experiments\":[1],\"states\":true,\"who\":\"0 running · 7 waiting\"}\n\n"
    );
}

#[tokio::test]
async fn health_says_whether_the_database_answers() {
    let site = Site::new().await;
    assert_eq!(site.get("/health").await.text, "ok\n");
    site.store.close().await;
    assert_eq!(site.get("/health").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(site.get("/").await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn what_the_framework_refuses_is_shown_as_a_page_too() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let broken = site.get("/runs/%ff").await;
    assert_eq!(
        (broken.status, broken.header(header::CONTENT_TYPE)),
        (StatusCode::BAD_REQUEST, "text/html; charset=utf-8")
    );
    assert!(
        broken.text.contains("This request cannot be understood") && broken.text.contains("UTF-8"),
        "{}",
        broken.text
    );
    let long = site.form("/experiments", &"a".repeat(3 << 20)).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(long.text.contains("A form may have 2 MB."), "{}", long.text);
}

#[tokio::test]
async fn whoever_is_refused_does_not_learn_what_is_going_on() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    assert!(site.get("/").await.text.contains("8 waiting"));
    let foreign = Request::get("/").header("host", "evil.example").body(Body::empty()).unwrap();
    let answer = site.ask(foreign).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.text.contains("waiting"), "{}", answer.text);
}
