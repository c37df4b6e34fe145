//! Datasets over HTTP, but for reading them, which the whole program's tests show.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use super::super::tests::Site;

/// The body of a form in which a browser sends these fields and a file.
fn multipart(fields: &[(&str, &str)], file_name: &str, file: &str) -> Request<Body> {
    let start = "--limit\r\nContent-Disposition: form-data; name";
    let texts = fields.iter().map(|(name, value)| format!("{start}=\"{name}\"\r\n\r\n{value}\r\n"));
    let file = format!("{start}=\"file\"; filename=\"{file_name}\"\r\n\r\n{file}\r\n--limit--\r\n");
    let parts: Vec<_> = texts.chain([file]).collect();
    let request = Request::post("/datasets").header("host", "localhost:7878");
    let request = request.header("content-type", "multipart/form-data; boundary=limit");
    request.body(Body::from(parts.concat())).unwrap()
}

fn uploads(site: &Site) -> usize {
    std::fs::read_dir(site.dir.path().join("uploads")).unwrap().count()
}

#[tokio::test]
async fn faults_of_an_upload_come_back_at_once_and_nothing_is_kept() {
    let site = Site::new().await;
    site.import("pets");
    for (fields, words) in [
        (vec![("name", "My Pets"), ("test_percent", "100")], ["cannot be a dataset&#39;s name", "from 1 to 90"]),
        (vec![("name", "pets")], ["There is a dataset pets already", "name=\"name\" value=\"pets\""]),
        (vec![("name", "")], ["There is a dataset pets already", "name=\"name\" value=\"pets\""]),
        (vec![("name", "fashion-mnist-5k"), ("resize", "true")], ["There is a dataset fashion-mnist-5k", " checked"]),
    ] {
        let answer = site.ask(multipart(&fields, "Pets.tar.gz", "bytes")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        for words in words {
            assert!(answer.text.contains(words), "{words} is missing in {}", answer.text);
        }
    }
    let empty = site.ask(multipart(&[("name", "birds")], "", "")).await;
    assert!(empty.status == StatusCode::UNPROCESSABLE_ENTITY && empty.text.contains("Choose a file"));
    assert_eq!(site.ask(multipart(&[("colour", "red")], "a.zip", "bytes")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(uploads(&site), 0);
}

#[tokio::test]
async fn an_address_fills_in_the_form_and_shows_its_fields() {
    let site = Site::new().await;
    let page = site.get("/datasets?name=pets&resize=true&test_percent=20").await.text;
    for words in ["name=\"name\" value=\"pets\"", "<details open>", " checked", "name=\"test_percent\" value=\"20\""] {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    assert!(!site.get("/datasets").await.text.contains("<details open>"));
    assert_eq!(site.get("/datasets?resize=perhaps").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_is_announced_too_large_leaves_nothing() {
    let site = Site::new().await;
    let broken = Request::post("/datasets").header("host", "localhost:7878");
    let broken = broken.header("content-type", "multipart/form-data; boundary=limit");
    let half = "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.zip\"\r\n\r\nhalf";
    assert_eq!(site.ask(broken.body(Body::from(half)).unwrap()).await.status, StatusCode::BAD_REQUEST);
    let mut huge = multipart(&[], "b.zip", "bytes");
    huge.headers_mut().insert(header::CONTENT_LENGTH, (9_u64 << 30).into());
    let answer = site.ask(huge).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.text.contains("at most 8 GiB"), "{}", answer.text);
    assert_eq!(uploads(&site), 0);
}

#[tokio::test]
async fn every_dataset_has_a_page_and_only_official_ones_are_fetched() {
    let site = Site::new().await;
    site.import("cifar10");
    for name in ["cifar10", "fashion-mnist-5k"] {
        let page = site.get(&format!("/datasets/{name}")).await.text;
        assert!(page.contains(&format!("/experiments/new?dataset={name}")), "{page}");
        assert!(site.get("/datasets").await.text.contains(&format!("href=\"/datasets/{name}\"")));
    }
    assert_eq!(site.get("/datasets/zoo").await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.post("/datasets/zoo/fetch", String::new()).await.status, StatusCode::NOT_FOUND);
    // What is there is not fetched again.
    assert_eq!(site.post("/datasets/cifar10/fetch", String::new()).await.header(header::LOCATION), "/datasets");
    assert!(!site.get("/datasets").await.text.contains("is being"));
}

#[tokio::test]
async fn what_an_interrupted_download_left_is_shown_and_discarded() {
    let site = Site::new().await;
    let part = site.dir.path().join("datasets/cifar100.tar.gz.part");
    std::fs::create_dir(part.parent().unwrap()).unwrap();
    std::fs::write(&part, vec![0; 2_000_000]).unwrap();
    let page = site.get("/datasets").await.text;
    assert!(page.contains("2.0 MB of 169 MB are here already") && page.contains("Go on"), "{page}");
    assert_eq!(site.post("/datasets/cifar100/cancel", String::new()).await.status, StatusCode::SEE_OTHER);
    assert!(!part.exists());
}
