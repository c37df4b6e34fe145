//! The path of a proxy, on every page.

use std::collections::{HashMap, VecDeque};

use axum::http::{StatusCode, header};
use retort_spec::{AnalysisResult, Answer, GalleryImage, GalleryImages};
use retort_web::ExperimentForm;

use super::super::tests::Site;
use super::*;
use crate::http::{FIRST_PARTS, check_base};

#[test]
fn a_request_loses_the_base_and_nothing_else() {
    for (address, inner) in [
        ("/retort", Some("/")),
        ("/retort/", Some("/")),
        ("/retort?a=/retort", Some("/?a=/retort")),
        ("/retort/runs/3?text=%2Fretort", Some("/runs/3?text=%2Fretort")),
        ("http://lab.example/retort/runs", Some("http://lab.example/runs")),
        ("/retorts", None),
        ("/runs/3", None),
    ] {
        let found = inside(&address.parse().unwrap(), "/retort");
        assert_eq!(found.map(|uri| uri.to_string()).as_deref(), inner, "{address}");
    }
}

#[test]
fn addresses_get_the_base_and_words_do_not() {
    let page = "<a class=\"b\" href=\"/runs\">/runs</a><img\nsrc=\"/a.png\"><form action=\"/x\"><a href=\"#main\">\
                <a href=\"https://example/\"><input value=\"/home\" data-href=\"/y\"><p>href=/z</p>";
    let expected = "<a class=\"b\" href=\"/r/runs\">/runs</a><img\nsrc=\"/r/a.png\"><form action=\"/r/x\"><a href=\"#main\">\
                    <a href=\"https://example/\"><input value=\"/home\" data-href=\"/y\"><p>href=/z</p>";
    assert_eq!(outside(page, "/r"), expected);
}

#[test]
fn every_route_begins_with_a_part_that_no_proxy_may_use() {
    let routes = include_str!("../mod.rs").split(".route(\"/").skip(1).map(|rest| rest.split('"').next().unwrap());
    let firsts: Vec<&str> = routes.filter(|r| !r.is_empty()).map(|r| r.split('/').next().unwrap()).collect();
    assert!(firsts.len() > 20 && firsts.iter().all(|first| FIRST_PARTS.contains(first)), "{firsts:?}");
    assert!(FIRST_PARTS.iter().all(|part| firsts.contains(part)), "{firsts:?}");
}

#[test]
fn a_path_that_is_an_address_inside_is_refused() {
    let message = check_base(&"https://lab.example/runs".parse().unwrap()).unwrap_err().to_string();
    assert!(message.contains("/runs is an address inside Retort"), "{message}");
    for other in ["https://lab.example/retort/runs", "https://lab.example"] {
        check_base(&other.parse().unwrap()).unwrap();
    }
}

#[test]
fn scripts_and_styles_name_no_address_of_the_server() {
    let script = include_str!("../../../../../static/live.js");
    let style = include_str!("../../../../../static/style.css");
    for start in ["\"/", "'/", "`/", "url(/", "url(\"/"] {
        assert!(!script.contains(start) && !style.contains(start), "{start}");
    }
}

/// A server on which every kind of page has something to show.
async fn used(public: &str) -> Site {
    let site = Site::behind(Some(public)).await;
    site.gate.launch_demo().await.unwrap();
    site.import("pets");
    site.finish(1).await;
    for form in [
        "analysis=features&model=run%3A1&attacked=Bag&target=Coat&images=50",
        "analysis=gallery&model=run%3A1&images=1",
    ] {
        site.post("/experiments/1/analyses", form.into()).await;
    }
    for run in 2..=10 {
        site.finish(run).await;
    }
    let answer = || Answer { class: "Bag".into(), confidence: 50.0 };
    let image = GalleryImage { place: 0, class: "Bag".into(), answers: vec![[answer(), answer()]] };
    let gallery = GalleryImages { models: vec!["Teacher".into()], magnified: 10.0, images: vec![image] };
    site.keep_analysis(10, &AnalysisResult::Gallery(gallery));
    image::RgbImage::new(170, 34).save(site.control.folder(10).gallery()).unwrap();
    // Enough for a second page of each list.
    for place in 0..20 {
        site.send(&ExperimentForm { title: format!("Another, {place}"), ..ExperimentForm::initial() }).await;
    }
    site
}

/// What the attributes of a page say, by name.
fn attributes(page: &str) -> impl Iterator<Item = (&str, String)> {
    page.match_indices("=\"").map(|(at, _)| {
        let name = page[..at].rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap();
        let value = page[at + 2..].split('"').next().unwrap();
        (name, value.replace("&#38;", "&").replace("&amp;", "&"))
    })
}

const PUBLIC: &str = "https://lab.example/retort";

/// The addresses of the server that a page names, as a request names them. None leads out of the path.
fn addresses(page: &str, from: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in attributes(page) {
        if !ADDRESSES.contains(&name) {
            // What a person typed, or read, may begin as it likes.
            let is_text = ["value", "title", "placeholder"].contains(&name);
            assert!(!value.starts_with('/') || is_text, "{from}: {name}={value}");
            continue;
        }
        let is_of_page = value.is_empty() || value.starts_with(['#', '?']) || value.starts_with("data:");
        let is_of_others = value.starts_with("https://") && !value.starts_with(PUBLIC);
        if is_of_page || is_of_others {
            continue;
        }
        let inner = value.strip_prefix("https://lab.example").unwrap_or(&value);
        assert!(inner.starts_with("/retort/"), "{from} leads to {value}");
        found.push(inner.split('#').next().unwrap().to_owned());
    }
    found
}

/// Enough for all ten runs of the first experiment, which are of every kind.
const MOST_OF_ONE_SHAPE: usize = 12;

#[tokio::test]
async fn no_address_on_any_page_leads_out_of_the_path_or_to_nothing() {
    let site = used(PUBLIC).await;
    site.post("/retort/experiments/1/shares", "title=&note=&days=".into()).await;
    let shared = site.get("/retort/shares/1").await;
    let lost = site.get("/retort/nowhere").await;
    let fresh = Site::behind(Some(PUBLIC)).await.get("/retort").await;
    assert_eq!((shared.status, lost.status), (StatusCode::OK, StatusCode::NOT_FOUND));
    let mut waiting = VecDeque::from([("/retort".to_owned(), String::new())]);
    for (from, page) in [("a share", &shared.text), ("nowhere", &lost.text), ("a fresh server", &fresh.text)] {
        waiting.extend(addresses(page, from).into_iter().map(|address| (address, from.to_owned())));
    }
    // Of addresses that differ in a number or in what they choose, some say as much as all.
    let shape = |address: &str| address.split('?').next().unwrap().replace(|c: char| c.is_ascii_digit(), "");
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut asked: Vec<String> = Vec::new();
    while let Some((address, from)) = waiting.pop_front() {
        let often = seen.entry(shape(&address)).or_default();
        if *often == MOST_OF_ONE_SHAPE || asked.contains(&address) {
            continue;
        }
        *often += 1;
        let answer = site.get(&address).await;
        // A form's address may take what is sent to it alone.
        let is_there =
            matches!(answer.status, StatusCode::OK | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST);
        assert!(is_there, "{from} leads to {address}: {}", answer.status);
        if answer.header(header::CONTENT_TYPE).starts_with("text/html") {
            // The proxy may have taken the path off before it asks.
            let inner = address.strip_prefix("/retort").unwrap();
            let inner = if inner.starts_with('/') { inner.to_owned() } else { format!("/{inner}") };
            // How busy the machine is changes from one moment to the next, and with it the page's version.
            let is_steady = |line: &&str| !line.contains("memory ") && !line.contains("data-version=");
            let steady = |page: &str| page.lines().filter(is_steady).collect::<Vec<_>>().join("\n");
            assert_eq!(steady(&site.get(&inner).await.text), steady(&answer.text), "{address}");
            waiting.extend(addresses(&answer.text, &address).into_iter().map(|found| (found, address.clone())));
        }
        asked.push(address);
    }
    // The script finds its way to the one by itself, and the other is for those who watch over the server.
    for part in FIRST_PARTS.iter().filter(|part| !["live", "health", "metrics"].contains(part)) {
        let start = format!("/retort/{part}");
        assert!(asked.iter().any(|address| address.starts_with(&start)), "nothing leads to {start}: {asked:?}");
    }
    for kind in
        ["/retort/static/live.js", "/retort/static/style.css", "gallery.png", "table.tex", "samples.png", "safetensors"]
    {
        assert!(asked.iter().any(|address| address.contains(kind)), "nothing leads to {kind}: {asked:?}");
    }
}

#[tokio::test]
async fn what_is_sent_leads_back_to_the_path() {
    let site = used(PUBLIC).await;
    for (address, location) in [
        ("/retort/demo", "/retort/experiments/1"),
        ("/demo", "/retort/experiments/1"),
        ("/retort/runs/11/cancel", "/retort/runs/11"),
        ("/retort/experiments/2/cancel", "/retort/experiments/2"),
    ] {
        let answer = site.post(address, String::new()).await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, location), "{address}");
    }
}

#[tokio::test]
async fn a_file_to_take_along_and_a_frozen_copy_know_nothing_of_the_path() {
    let site = used(PUBLIC).await;
    let file = site.get("/retort/experiments/1/comparison.html").await;
    assert!(file.status == StatusCode::OK && !file.text.contains("/retort"), "{}", file.text);
    site.post("/retort/experiments/1/shares", "title=&note=&days=".into()).await;
    let folder = std::fs::read_dir(site.dir.path().join("shares")).unwrap().next().unwrap().unwrap().path();
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.contains("@@LINK@@/table.csv") && !page.contains("/retort"), "{page}");
}
