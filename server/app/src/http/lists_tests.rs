//! The lists over HTTP: their orders, their searches, what is chosen in them, and saved views.

use axum::http::{StatusCode, header};
use retort_spec::{Accuracy, Attack, DeviceName, Event, MethodName, Record, RunState};
use retort_web::ExperimentForm;

use super::tests::Site;

/// The parts of a page that stand behind `before` up to the next quotation mark, in their order.
fn behind(page: &str, before: &str) -> Vec<String> {
    page.split(before).skip(1).filter_map(|rest| Some(rest.split('"').next()?.to_owned())).collect()
}

async fn runs(site: &Site, query: &str) -> Vec<i64> {
    let answer = site.get(&format!("/runs{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
    behind(&answer.text, "name=\"run\" value=\"").iter().map(|id| id.parse().unwrap()).collect()
}

async fn comparisons(site: &Site, query: &str) -> Vec<i64> {
    let answer = site.get(&format!("/experiments{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
    behind(&answer.text, "name=\"experiment\" value=\"").iter().map(|id| id.parse().unwrap()).collect()
}

/// Finishes an evaluation with these numbers of right answers of 100.
async fn evaluate(site: &Site, run: i64, natural: usize, attacked: usize) {
    site.store.change_state(run, RunState::Starting, "test").await.unwrap();
    let event = |attack, correct| Event::Evaluation {
        attack,
        accuracy: Accuracy { correct, n: 100 },
        unanswered: 0,
        standing: Vec::new(),
        variety: None,
    };
    let events = [
        Event::Started { device: DeviceName::Cpu, threads: 1, version: "0".into(), resumed_epochs: 0 },
        event(None, natural),
        event(Some(Attack::pgd(20)), attacked),
        Event::Finished { seconds: run as f64 },
    ];
    let record = |event| Record { at: "2026-01-01T00:00:00Z".into(), attempt: 1, event };
    site.store.record_journal(run, 0..10, &events.map(record)).await.unwrap();
}

/// The demo, whose runs 1 to 4 are over, and a comparison of GACD and KD with two seeds, which waits.
async fn lab() -> Site {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let form = ExperimentForm {
        title: "Two seeds".into(),
        methods: vec![MethodName::GACD.id().into(), MethodName::KD.id().into()],
        seeds: "1, 2".into(),
        ..ExperimentForm::initial()
    };
    assert_eq!(site.send(&form).await.status, StatusCode::SEE_OTHER);
    for run in [1, 3] {
        site.finish(run).await;
    }
    evaluate(&site, 2, 90, 50).await;
    evaluate(&site, 4, 80, 60).await;
    site
}

#[tokio::test]
async fn runs_are_sorted_by_any_column_and_the_head_says_so() {
    let site = lab().await;
    assert_eq!(runs(&site, "").await, (1..=20).rev().collect::<Vec<_>>());
    assert_eq!(runs(&site, "?sort=-run").await, (1..=20).collect::<Vec<_>>());
    assert_eq!(runs(&site, "?sort=result").await[..2], [2, 4]);
    assert_eq!(runs(&site, "?sort=-result").await[..2], [4, 2]);
    assert_eq!(runs(&site, "?sort=took").await[..4], [3, 1, 4, 2]);
    assert_eq!(runs(&site, "?sort=-state").await[..4], [4, 3, 2, 1]);
    for sort in ["model", "kind", "state", "since", "-model", "-kind", "-took", "-since"] {
        assert_eq!(runs(&site, &format!("?sort={sort}")).await.len(), 20, "{sort}");
    }
    let page = site.get("/runs?sort=took&state=finished").await.text;
    assert!(page.contains("aria-sort=\"descending\"><a href=\"/runs?state=finished&#38;sort=-took\">Took"), "{page}");
    assert_eq!(page.matches("aria-sort").count(), 1);
    assert_eq!(site.get("/runs?sort=colour").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn runs_are_found_by_the_words_of_their_rows_and_by_kind() {
    let site = lab().await;
    assert_eq!(runs(&site, "?text=seed+2+GACD").await.len(), 2);
    assert_eq!(runs(&site, "?text=two+seeds+gacd&kind=train").await.len(), 2);
    assert_eq!(runs(&site, "?kind=evaluate&state=over").await, [4, 2]);
    assert_eq!(runs(&site, "?state=open&method=gacd%2Baft").await, [8, 7]);
    assert_eq!(runs(&site, "?text=temperature").await.len(), 0);
    assert_eq!(site.get("/runs?kind=dance").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn consecutive_runs_of_an_experiment_stand_under_its_title_and_in_another_order_each_says_it() {
    let site = lab().await;
    let titles = |page: &str| page.matches(">Two seeds</a>").count();
    let page = site.get("/runs").await.text;
    assert_eq!((titles(&page), page.matches("class=\"group\"").count()), (1, 2));
    let page = site.get("/runs?sort=model").await.text;
    assert_eq!((titles(&page), page.matches("class=\"group\"").count()), (12, 0));
}

#[tokio::test]
async fn comparisons_are_sorted_found_and_filtered() {
    let site = lab().await;
    assert_eq!(comparisons(&site, "").await, [2, 1]);
    for (query, expected) in [
        ("?sort=-launched", vec![1, 2]),
        ("?sort=title", vec![1, 2]),
        ("?sort=-title", vec![2, 1]),
        ("?sort=natural", vec![1, 2]),
        ("?sort=-adversarial", vec![1, 2]),
        ("?sort=state", vec![2, 1]),
        ("?sort=dataset", vec![2, 1]),
        ("?text=seeds", vec![2]),
        ("?text=ard", vec![1]),
        ("?text=resnet-8+gacd", vec![2, 1]),
        ("?state=finished", vec![]),
        ("?state=open", vec![2, 1]),
        ("?state=cancelled", vec![]),
    ] {
        assert_eq!(comparisons(&site, query).await, expected, "{query}");
    }
    site.post("/experiments/2/cancel", String::new()).await;
    assert_eq!(comparisons(&site, "?state=cancelled").await, [2]);
    assert_eq!(comparisons(&site, "?sort=state").await, [1, 2]);
    assert_eq!(site.get("/experiments?state=asleep").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn models_are_sorted_by_their_accuracies_and_filtered() {
    let site = lab().await;
    let models = async |query: &str| {
        let page = site.get(&format!("/models{query}")).await.text;
        behind(&page, "name=\"run\" value=\"")
    };
    for (query, expected) in [
        ("?sort=natural", vec!["1", "3"]),
        ("?sort=pgd-20", vec!["3", "1"]),
        ("?sort=-pgd-20", vec!["1", "3"]),
        ("?sort=autoattack", vec!["3", "1"]),
        ("?sort=model", vec!["3", "1"]),
        ("?method=kd", vec!["3"]),
        ("?text=pgd-at+demo", vec!["1"]),
        ("?origin=imported", vec![]),
        ("?dataset=cifar10", vec![]),
    ] {
        assert_eq!(models(query).await, expected, "{query}");
    }
    let page = site.get("/models").await.text;
    assert!(page.contains("data-label=\"PGD-20\"") && page.contains(">60.00</td>") && page.contains("run 3 · Demo"));
}

#[tokio::test]
async fn chosen_rows_lead_to_their_comparison() {
    let site = lab().await;
    for (query, to) in [
        ("experiment=2&experiment=1", "/experiments/1?with=2"),
        ("experiment=2", "/experiments/2"),
        ("run=4&run=3", "/experiments/1?student=resnet8&method=kd"),
        ("run=3&run=2", "/experiments/1?student=resnet8&method=kd"),
        ("run=1", "/experiments/1"),
        ("run=5&run=20", "/experiments/1?with=2&student=resnet8&method=ard&method=gacd"),
        ("run=5&experiment=2", "/experiments/1?with=2"),
    ] {
        let answer = site.get(&format!("/compare?{query}")).await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, to), "{query}");
        assert_eq!(site.get(answer.header(header::LOCATION)).await.status, StatusCode::OK, "{query}");
    }
    for (query, status) in [
        ("", StatusCode::BAD_REQUEST),
        ("run=x", StatusCode::BAD_REQUEST),
        ("run=99", StatusCode::NOT_FOUND),
        ("model=1", StatusCode::NOT_FOUND),
        (
            "experiment=1&experiment=2&experiment=3&experiment=4&experiment=5&experiment=6&experiment=7&experiment=8\
          &experiment=9&experiment=10&experiment=11",
            StatusCode::BAD_REQUEST,
        ),
    ] {
        assert_eq!(site.get(&format!("/compare?{query}")).await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_view_is_saved_shown_above_its_list_and_removed() {
    let site = Site::sharing_drawings().await;
    assert!(!site.get("/runs").await.text.contains("Failed lately"));
    let saved = site.form("/views", "name=Failed+lately&address=%2Fruns%3Fstate%3Dfailed").await;
    assert_eq!(saved.header(header::LOCATION), "/runs?state=failed");
    let page = site.get("/runs").await.text;
    assert!(page.contains("<a href=\"/runs?state=failed\">Failed lately</a>"), "{page}");
    assert!(!site.get("/models").await.text.contains("Failed lately"));
    site.form("/views", "name=Ours&address=%2Fexperiments%2F1%3Fwith%3D2").await;
    assert!(site.get("/experiments").await.text.contains("href=\"/experiments/1?with=2\">Ours"));
    let removed = site.form("/views/remove", "name=Failed+lately&back=%2Fruns").await;
    assert_eq!(removed.header(header::LOCATION), "/runs");
    assert!(!site.get("/runs").await.text.contains("Failed lately"));
    assert!(std::fs::read_to_string(site.dir.path().join("views.json")).unwrap().contains("Ours"));
}

#[tokio::test]
async fn an_address_of_another_place_is_no_view_and_leads_nowhere() {
    let site = Site::new().await;
    for address in ["https%3A%2F%2Fevil.example%2Fruns", "%2F%2Fevil.example", "%2Fdisk", "%2Fruns%0D%0Aa"] {
        let answer = site.form("/views", &format!("name=a&address={address}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{address}");
        let back = site.form("/views/remove", &format!("name=a&back={address}")).await;
        assert_eq!(back.header(header::LOCATION), "/", "{address}");
    }
    assert!(!site.dir.path().join("views.json").exists() || site.get("/runs").await.status == StatusCode::OK);
}

#[tokio::test]
async fn what_ended_lately_is_one_line_for_each_experiment_with_failures_first() {
    let site = lab().await;
    site.store.change_state(10, RunState::Cancelled, "test").await.unwrap();
    site.store.change_state(5, RunState::Starting, "test").await.unwrap();
    site.store.change_state(5, RunState::Failed, "The disk is full.").await.unwrap();
    let page = site.get("/").await.text;
    let ended = page.split("id=\"ended\"").nth(1).unwrap();
    assert_eq!(ended.matches("<li>").count(), 2, "{ended}");
    let demo = ended.split("<li>").find(|line| line.contains("5 of 8 runs")).unwrap();
    let (failed, finished) = (demo.find("1 failed").unwrap(), demo.find("4 finished").unwrap());
    assert!(failed < finished && demo.contains("The disk is full.") && demo.contains("/runs/5"), "{demo}");
}

#[tokio::test]
async fn an_idle_server_says_so_in_a_line_and_names_its_devices() {
    let site = Site::new().await;
    let page = site.get("/").await.text;
    let now = page.split("id=\"now\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(now.contains("Idle: nothing runs and nothing waits.") && !now.contains("Waiting"), "{now}");
    assert!(now.contains("<b>cpu</b>") && now.contains("free"), "{now}");
    site.gate.launch_demo().await.unwrap();
    let page = site.get("/").await.text;
    assert!(!page.contains("Idle:") && page.contains("<b>8 runs</b> waiting"));
}
