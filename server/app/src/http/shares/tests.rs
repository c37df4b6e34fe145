//! Shares, asked in process.

use axum::{
    body::Body,
    http::{Request, request::Builder},
};

use super::super::tests::{Answer, Site, feature_map};
use super::*;

/// Makes a share; returns the page with its link.
async fn made(site: &Site, address: &str, form: &str) -> Answer {
    let answer = site.post(address, form.into()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let shown = site.get(answer.header(header::LOCATION)).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    shown
}

/// Makes a share; returns its token.
async fn share(site: &Site, form: &str) -> String {
    let answer = made(site, "/experiments/1/shares", form).await;
    let link = answer.text.split("/s/").nth(1).unwrap();
    link.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_opens_a_sealed_copy_that_names_nothing_of_the_server() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let token = share(&site, "title=For+%3Cyou%3E&note=Look+at+ARD&days=7").await;
    let page = site.get(&format!("/s/{token}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("'self'"), "{policy}");
    assert_eq!(page.header(header::REFERRER_POLICY), "no-referrer");
    assert_eq!(page.header(HeaderName::from_static("x-robots-tag")), "noindex, nofollow");
    assert!(page.text.contains("Look at ARD") && page.text.contains("For &#60;you&#62;"), "{}", page.text);
    let image = format!(r#"og:image" content="http://localhost:7878/s/{token}/preview.png""#);
    assert!(page.text.contains(&image) && !page.text.contains(LINK), "{}", page.text);
    for inner in ["href=\"/", "/runs/", "/static/", "<script", site.dir.path().to_str().unwrap()] {
        assert!(!page.text.contains(inner), "{inner}");
    }
    let table = site.get(&format!("/s/{token}/table.csv")).await;
    assert_eq!((table.status, table.header(header::CONTENT_TYPE)), (StatusCode::OK, "text/csv; charset=utf-8"));
    for file in ["page.html", "..%2F..%2Fretort.db", "table.exe", "missing.svg"] {
        assert_eq!(site.get(&format!("/s/{token}/{file}")).await.status, StatusCode::NOT_FOUND, "{file}");
    }
}

#[tokio::test]
async fn the_page_with_a_link_can_be_loaded_again_and_makes_no_second_share() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let answer = site.post("/experiments/1/shares", "title=&note=&days=".into()).await;
    let address = answer.header(header::LOCATION).to_owned();
    assert_eq!(address, "/shares/1");
    assert_eq!(site.get(&address).await.text, site.get(&address).await.text);
    assert_eq!(site.store.shares_of_experiment(1, 9).await.unwrap().len(), 1);
    assert_eq!(site.get("/shares/2").await.status, StatusCode::GONE);
}

#[tokio::test]
async fn a_run_is_shared_like_a_comparison() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    site.finish(1).await;
    let answer = made(&site, "/runs/1/shares", "title=&note=The+teacher&days=").await;
    assert!(answer.text.contains(r#"href="/runs/1""#), "{}", answer.text);
    let token = answer.text.split("/s/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = site.get(&format!("/s/{token}")).await;
    assert!(page.text.contains("The teacher") && page.text.contains("PGD-AT · ResNet-8 · seed 1"), "{}", page.text);
    for inner in ["href=\"/", "/static/", "<script", "Demo:"] {
        assert!(!page.text.contains(inner), "{inner}");
    }
    assert!(site.get("/experiments/1").await.text.contains("/shares/1/revoke"));
}

#[tokio::test]
async fn names_with_signs_that_nobody_sees_are_shown_drawn_and_shared() {
    let site = Site::new().await;
    let name = "c\u{1}a\u{202e}t 犬";
    let demo = retort_spec::ExperimentSpec { title: name.into(), ..retort_spec::ExperimentSpec::demo() };
    site.control.launch(&demo, demo.expand()).await.unwrap();
    site.finish(1).await;
    let form = "analysis=features&model=run%3A1&attacked=Bag&target=Coat&images=50";
    site.post("/experiments/1/analyses", form.into()).await;
    let (attacked, target, maps) = (name.into(), "dog".into(), vec![feature_map(name)]);
    let maps = retort_spec::FeatureMaps { attacked, target, made_on: None, maps };
    site.finish(9).await;
    site.keep_analysis(9, &retort_spec::AnalysisResult::Features(maps));
    for file in ["figure.svg", "figure.png", "figure.pdf"] {
        assert_eq!(site.get(&format!("/runs/9/{file}")).await.status, StatusCode::OK, "{file}");
    }
    let token = share(&site, "title=&note=%1B%5B31m&days=").await;
    let shared = format!("/s/{token}");
    for page in ["/", "/experiments/1", "/runs", "/runs/9", "/experiments/1/comparison.html", &shared] {
        let answer = site.get(page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.text);
        assert!(answer.text.contains("c⟨U+0001⟩a⟨U+202E⟩t 犬"), "{page}: {}", answer.text);
        assert!(!answer.text.contains(['\u{1}', '\u{202e}', '\u{1b}']), "{page}");
    }
    let unfinished = std::fs::read_dir(site.dir.path().join("shares")).unwrap();
    assert_eq!(unfinished.count(), 1, "a copy and nothing half made");
}

#[tokio::test]
async fn a_copy_stays_what_it_is_until_it_is_revoked() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let token = share(&site, "title=&note=&days=").await;
    let before = site.get(&format!("/s/{token}")).await.text;
    site.control.cancel_experiment(1).await.unwrap();
    assert_eq!(site.get(&format!("/s/{token}")).await.text, before);
    let listed = site.get("/experiments/1").await.text;
    assert!(listed.contains("/shares/1/revoke") && !listed.contains(&token));
    assert!(site.store.share_by_hash(&hash(&token)).await.unwrap().unwrap().last_opened_at.is_some());
    assert!(site.store.share_by_hash(&token).await.unwrap().is_none(), "the token itself is not kept");
    let answer = site.post("/shares/1/revoke", String::new()).await;
    assert_eq!(answer.header(header::LOCATION), "/experiments/1#shares");
    assert_eq!(std::fs::read_dir(site.dir.path().join("shares")).unwrap().count(), 0, "its files are gone");
    let ended = site.get(&format!("/s/{token}")).await;
    let never = site.get("/s/abc").await;
    assert_eq!((ended.status, ended.text), (never.status, never.text));
    assert!(site.get("/experiments/1").await.text.contains("revoked"));
}

#[tokio::test]
async fn a_share_that_cannot_be_made_says_why_and_leaves_nothing() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let answer = site.post("/experiments/1/shares", "days=soon".into()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("“soon” is not a number of days"), "{}", answer.text);
    let answer = site.post("/experiments/1/shares", format!("title={}", "犬".repeat(201))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("The title has 201 letters: write at most 200."), "{}", answer.text);
    assert!(!site.dir.path().join("shares").exists());
    assert_eq!(site.post("/shares/9/revoke", String::new()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_comparison_is_one_file_without_links_to_the_server() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let file = site.get("/experiments/1/comparison.html?method=ard").await;
    assert_eq!(
        file.header(header::CONTENT_DISPOSITION),
        "attachment; filename=\"retort-1-demo-kd-ard-and-gacd-aft-from-one-robust-teacher.html\""
    );
    assert!(file.text.contains("<style>") && file.text.contains("ARD"), "{}", file.text);
    for inner in ["href=\"/", "src=\"/", LINK, "noindex", "<script"] {
        assert!(!file.text.contains(inner), "{inner}");
    }
}

#[tokio::test]
async fn a_copy_does_not_say_where_the_servers_files_lie() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let cause = "/home/alice/retort-data/runs/1/spec.json: no such file";
    site.store.change_state(1, retort_spec::RunState::Starting, "test").await.unwrap();
    site.store.change_state(1, retort_spec::RunState::Failed, cause).await.unwrap();
    assert!(site.get("/runs/1").await.text.contains("alice"));
    for address in ["/experiments/1/shares", "/runs/1/shares"] {
        let link = made(&site, address, "title=&note=&days=").await.text;
        let token = link.split("/s/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let page = site.get(&format!("/s/{token}")).await;
        assert!(page.status == StatusCode::OK && !page.text.contains("alice"), "{}", page.text);
    }
    assert!(!site.get("/experiments/1/comparison.html").await.text.contains("alice"));
}

#[tokio::test]
async fn a_link_leads_where_the_server_was_told_that_it_is_or_else_to_the_name_that_was_asked_for() {
    for (public, host, link) in [
        (None, "localhost:7878", "http://localhost:7878/s/"),
        (Some("https://lab.example/retort"), "127.0.0.1:7878", "https://lab.example/retort/s/"),
        (Some("https://lab.example"), "lab.example", "https://lab.example/s/"),
    ] {
        let site = Site::behind(public).await;
        site.gate.launch_demo().await.unwrap();
        let ask = |request: Builder, address: &str, body: &'static str| {
            // What a proxy says of itself is not believed.
            let request = request.uri(address).header("host", host).header("x-forwarded-proto", "gopher");
            site.ask(request.header("x-forwarded-host", "evil.example").body(Body::from(body)).unwrap())
        };
        ask(Request::builder().method("POST"), "/experiments/1/shares", "title=&note=&days=").await;
        let made = ask(Request::builder(), "/shares/1", "").await;
        let (shown, is_told) = (format!("value=\"{link}"), public.is_some());
        assert!(made.text.contains(&shown) && made.text.contains("--public-url") != is_told, "{}", made.text);
        let token = made.text.split(link).nth(1).unwrap().split('"').next().unwrap();
        let page = ask(Request::builder(), &format!("/s/{token}"), "").await.text;
        for own in
            [format!("og:image\" content=\"{link}{token}/preview.png\""), format!("href=\"{link}{token}/table.csv\"")]
        {
            assert!(page.contains(&own), "{own}: {page}");
        }
    }
}

#[tokio::test]
async fn a_start_removes_the_files_of_ended_shares_and_of_unfinished_ones_alone() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let open = share(&site, "title=&note=&days=1").await;
    let ended = share(&site, "title=&note=&days=").await;
    let shares = site.dir.path().join(FOLDER);
    let folder = |token: &str| shares.join(hash(token));
    // Ended while the server was away, so that its files are still there.
    site.store.revoke_share(2).await.unwrap();
    std::fs::create_dir_all(shares.join("abc.new")).unwrap();
    // Nobody knows of what share this is: perhaps of a database that is about to be put back.
    std::fs::create_dir_all(shares.join("unknown")).unwrap();
    tidy(&site.store, site.dir.path()).await.unwrap();
    let stays = [folder(&open), folder(&ended), shares.join("abc.new"), shares.join("unknown")].map(|f| f.exists());
    assert_eq!(stays, [true, false, false, true]);
    assert_eq!(site.get(&format!("/s/{open}")).await.status, StatusCode::OK);
    tidy(&site.store, &site.dir.path().join("nowhere")).await.unwrap();
}

#[tokio::test]
async fn a_share_whose_time_is_over_stays_closed_when_the_clock_goes_back() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    let over = Timestamp::now() - SignedDuration::from_secs(1);
    site.store.create_share(1, &hash("token"), "Over", Some(over)).await.unwrap();
    assert_eq!(site.get("/s/token").await.status, StatusCode::NOT_FOUND);
    let share = site.store.share_by_hash(&hash("token")).await.unwrap().unwrap();
    assert!(!share.is_open(over - SignedDuration::from_hours(24)), "it would open again");
}
