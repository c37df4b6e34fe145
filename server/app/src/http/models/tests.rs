//! Models over HTTP, but for reading them, which the whole program's tests show.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use retort_spec::{Architecture, BUNDLED_DATASET, EvaluateSpec, ModelRef, RunSpec, RunState};
use retort_store::NewModel;
use retort_web::ExperimentForm;

use super::super::tests::Site;

/// Keeps a ResNet-18 with these classes as model 1, with a file in its place.
async fn imported(site: &Site, classes: Vec<String>) {
    let about = NewModel {
        title: "ARD <teacher>".into(),
        file_name: "epoch=199.t7".into(),
        architecture: Architecture::ResNet18,
        classes,
        dataset: BUNDLED_DATASET.into(),
        method: "imported".into(),
        parameters: 11_173_962,
        bytes: 7,
        notes: vec!["The weights were taken from net.".into()],
    };
    site.store.add_models(&[about]).await.unwrap().keep().await.unwrap();
    std::fs::write(site.control.model_file(1), "weights").unwrap();
}

fn bundled_classes(site: &Site) -> Vec<String> {
    retort_engine::data::Library::new(site.dir.path()).list().unwrap().remove(0).classes
}

/// The body of a form in which a browser sends these fields and a file.
fn multipart(fields: &[(&str, &str)], file: &str) -> Request<Body> {
    let start = "--limit\r\nContent-Disposition: form-data; name";
    let texts = fields.iter().map(|(name, value)| format!("{start}=\"{name}\"\r\n\r\n{value}\r\n"));
    let file = format!("{start}=\"file\"; filename=\"a/b.pt\"\r\n\r\n{file}\r\n--limit--\r\n");
    let parts: Vec<_> = texts.chain([file]).collect();
    let request = Request::post("/models").header("host", "localhost:7878");
    let request = request.header("content-type", "multipart/form-data; boundary=limit");
    request.body(Body::from(parts.concat())).unwrap()
}

#[tokio::test]
async fn the_model_of_a_finished_run_is_listed_and_downloaded() {
    let site = Site::new().await;
    site.gate.launch_demo().await.unwrap();
    assert_eq!(site.get("/runs/1/model.safetensors").await.status, StatusCode::NOT_FOUND);
    site.finish(1).await;
    let list = site.get("/models").await.text;
    assert!(list.contains("1 model of a finished run") && list.contains("/runs/1/model.safetensors"), "{list}");
    let answer = site.get("/runs/1/model.safetensors").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "weights"));
    assert_eq!(answer.header(header::CONTENT_LENGTH), "7");
    assert_eq!(answer.header(header::CONTENT_DISPOSITION), "attachment; filename=\"resnet8-run-1.safetensors\"");
    assert_eq!(site.get("/runs/2/model.safetensors").await.status, StatusCode::NOT_FOUND);
    std::fs::remove_file(site.control.folder(1).model()).unwrap();
    assert_eq!(site.get("/runs/1/model.safetensors").await.status, StatusCode::GONE);
}

#[tokio::test]
async fn an_imported_model_has_a_page_a_file_and_a_way_to_teach() {
    let site = Site::new().await;
    imported(&site, bundled_classes(&site)).await;
    let shown = site.get("/models/1").await.text;
    assert!(shown.contains("taken from net") && shown.contains("teacher=model%3A1"), "{shown}");
    assert!(shown.contains("ARD &#60;teacher&#62;") && site.get("/models").await.text.contains("1 imported model"));
    assert_eq!(site.get("/models/1/model.safetensors").await.text, "weights");
    let form = ExperimentForm { teacher: "model:1".into(), ..ExperimentForm::initial() };
    assert_eq!(site.send(&form).await.status, StatusCode::SEE_OTHER);
    let run = site.store.run(1).await.unwrap();
    let RunSpec::Evaluate(EvaluateSpec { model, .. }) = run.spec().unwrap() else { panic!("the teacher is evaluated") };
    assert_eq!((model, run.architecture), (ModelRef::Imported(1), Architecture::ResNet18));
    assert!(site.get("/runs/1").await.text.contains("imported · ResNet-18 · seed 1"));
    assert!(site.get("/experiments/1").await.text.contains("imported as model 1"));
}

#[tokio::test]
async fn a_teacher_with_other_classes_or_without_its_file_is_refused() {
    let site = Site::new().await;
    imported(&site, (0..10).map(|class| class.to_string()).collect()).await;
    assert!(site.get("/models/1").await.text.contains("it cannot teach"));
    std::fs::remove_file(site.control.model_file(1)).unwrap();
    for (teacher, words) in [
        ("model:1", "does not have the classes of fashion-mnist-5k: if its answers mean them, say so"),
        ("model:1", "the file of model 1 is gone"),
        ("model:2", "there is no imported model 2"),
    ] {
        let answer = site.send(&ExperimentForm { teacher: teacher.into(), ..ExperimentForm::initial() }).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains(words), "{words} is missing in {}", answer.text);
    }
    assert_eq!(site.store.state_counts().await.unwrap().of(RunState::Queued), 0);
}

#[tokio::test]
async fn classes_are_named_after_the_import_and_then_the_model_teaches() {
    let site = Site::new().await;
    imported(&site, (0..10).map(|class| class.to_string()).collect()).await;
    site.import("pets");
    let page = site.get("/models/1").await.text;
    assert!(page.contains("Say below which dataset") && !page.contains("<option value=\"pets\""), "{page}");
    for (dataset, words) in [("pets", "tells 10 classes apart, and pets has 2"), ("zoo", "There is no dataset “zoo”")]
    {
        let answer = site.form("/models/1/classes", &format!("dataset={dataset}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains(words), "{words} is missing in {}", answer.text);
    }
    // A file that is no model is left alone, and so are the classes.
    let broken = site.form("/models/1/classes", &format!("dataset={BUNDLED_DATASET}")).await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(site.store.model(1).await.unwrap().about.dataset, BUNDLED_DATASET);
    std::fs::remove_file(site.control.model_file(1)).unwrap();
    let gone = site.form("/models/1/classes", &format!("dataset={BUNDLED_DATASET}")).await;
    assert_eq!(gone.status, StatusCode::GONE);
}

#[tokio::test]
async fn an_upload_without_a_file_or_with_other_fields_is_refused_and_leaves_nothing() {
    let site = Site::new().await;
    let empty = site.ask(multipart(&[], "")).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.text.contains("choose a file"), "{}", empty.text);
    let unknown = site.ask(multipart(&[("run", "7")], "bytes")).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(std::fs::read_dir(site.dir.path().join("uploads")).unwrap().count(), 0);
    assert_eq!(site.store.count_models().await.unwrap(), 0);
}

#[tokio::test]
async fn an_upload_that_no_longer_waits_is_gone_with_a_way_to_upload_it_again() {
    let site = Site::new().await;
    for answer in [site.get("/models/uploads/abc").await, site.form("/models/uploads/abc", "classes=10").await] {
        assert_eq!(answer.status, StatusCode::GONE);
        assert!(answer.text.contains("Upload it again"), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_is_announced_too_large_is_refused() {
    let site = Site::new().await;
    let broken = Request::post("/models").header("host", "localhost:7878");
    let broken = broken.header("content-type", "multipart/form-data; boundary=limit");
    let half = "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.pt\"\r\n\r\nhalf";
    assert_eq!(site.ask(broken.body(Body::from(half)).unwrap()).await.status, StatusCode::BAD_REQUEST);
    let mut huge = multipart(&[], "bytes");
    huge.headers_mut().insert(header::CONTENT_LENGTH, u64::MAX.into());
    let answer = site.ask(huge).await;
    assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{}", answer.status);
    assert_eq!(std::fs::read_dir(site.dir.path().join("uploads")).unwrap().count(), 0);
}
