//! `GET /paper`, and `POST /paper/launch`: the paper's results, and the experiments that measure them.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{Redirect, Response},
};
use retort_spec::{Budget, DeviceName, ExperimentSpec, PaperResult, paper_results, reproduce, reproduce_sweeps};
use retort_web::{
    Compared, RunRow,
    pages::{PaperPage, PaperParts},
};
use serde::Deserialize;

use super::{
    App, Shared,
    errors::{PageError, Result},
    page,
};

/// The latest experiments on the paper's datasets, whose results may stand beside the paper's.
const EXPERIMENTS: u32 = 100;
/// The paper's datasets, by their names here.
const DATASETS: [&str; 3] = ["cifar10", "cifar100", "stl10"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LaunchForm {
    budget: String,
    /// Places in the list of the paper's results.
    result: Vec<usize>,
    /// The place of one of Figure 2's sweeps.
    sweep: Option<usize>,
}

/// The tables, with ours beside the paper's.
pub async fn show(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let form: LaunchForm = serde_html_form::from_str(&query.unwrap_or_default()).map_err(|e| unreadable(&e))?;
    let budget = if form.budget.is_empty() { Budget::Quick } else { form.budget()? };
    let device = app.first_device();
    let mut found = Vec::new();
    let experiments = app.store.experiments_on(&DATASETS, EXPERIMENTS).await?;
    let ids: Vec<i64> = experiments.iter().map(|experiment| experiment.id).collect();
    let mut rows: HashMap<i64, Vec<RunRow>> = HashMap::new();
    let runs = app.store.runs_of_experiments(&ids).await?;
    for row in app.rows(runs).await? {
        if let Some((id, _)) = row.experiment {
            rows.entry(id).or_default().push(row);
        }
    }
    for experiment in experiments {
        // One whose spec this version cannot read has nothing to show.
        if let Ok(spec) = experiment.spec() {
            found.push((experiment.id, spec, rows.remove(&experiment.id).unwrap_or_default()));
        }
    }
    let compared: Vec<Compared> = found.iter().map(|(id, spec, runs)| Compared { id: *id, spec, runs }).collect();
    let estimator = app.estimator().await?;
    let seconds = |specs: &[ExperimentSpec]| specs.iter().map(|spec| estimator.experiment(spec)).sum::<Option<f64>>();
    let estimate = |places: &[usize]| seconds(&reproduce(places.iter().map(|i| &paper_results()[*i]), budget, device));
    let datasets: Vec<String> = app.machine.datasets().await?.into_iter().map(|dataset| dataset.name).collect();
    let shown = PaperPage::new(&PaperParts {
        frame: app.frame().await?,
        budget,
        compared: &compared,
        datasets: &datasets,
        estimate: &estimate,
        sweeps: reproduce_sweeps(budget, device).map(|spec| seconds(&[spec])),
    });
    page(StatusCode::OK, &shown)
}

/// Launches the experiments that measure the results that were asked for.
pub async fn launch(State(app): Shared, body: Bytes) -> Result<Redirect> {
    let form: LaunchForm = serde_html_form::from_bytes(&body).map_err(|e| unreadable(&e))?;
    let (budget, device) = (form.budget()?, app.first_device());
    let specs: Vec<ExperimentSpec> = if let Some(place) = form.sweep {
        reproduce_sweeps(budget, device).into_iter().skip(place).take(1).collect()
    } else {
        let results: Vec<&PaperResult> = form.result.iter().filter_map(|place| paper_results().get(*place)).collect();
        reproduce(results, budget, device)
    };
    let datasets = app.machine.datasets().await?;
    for choice in specs.iter().flat_map(|spec| [&spec.dataset].into_iter().chain(&spec.probes)) {
        if !datasets.iter().any(|dataset| dataset.name == choice.name) {
            let name = &choice.name;
            return Err(PageError::bad_request(format!("{name} is not here: `retort data fetch {name}` brings it.")));
        }
    }
    if specs.is_empty() {
        return Err(PageError::bad_request("It names no result of the paper."));
    }
    let mut first = None;
    for spec in &specs {
        let id = app.control.launch(spec, spec.expand()).await?;
        first.get_or_insert(id);
    }
    Ok(match (first, specs.len()) {
        (Some(id), 1) => Redirect::to(&format!("/experiments/{id}")),
        _ => Redirect::to("/experiments"),
    })
}

fn unreadable(fault: &dyn std::fmt::Display) -> PageError {
    PageError::bad_request(format!("It asks for nothing of the paper: {fault}."))
}

impl LaunchForm {
    fn budget(&self) -> Result<Budget> {
        self.budget.parse().map_err(|fault: String| unreadable(&fault))
    }
}

impl App {
    /// Where the paper's experiments compute: on a GPU if there is one.
    fn first_device(&self) -> DeviceName {
        let devices = self.machine.devices().iter().map(|device| device.name);
        devices.max_by_key(|device| matches!(device, DeviceName::Cuda(0))).unwrap_or(DeviceName::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use retort_spec::{Architecture, MethodName, TeacherChoice};

    use super::super::tests::Site;
    use super::*;

    #[tokio::test]
    async fn the_paper_stands_with_all_its_numbers_before_anything_is_measured() {
        let site = Site::new().await;
        let page = site.get("/paper").await;
        assert_eq!(page.status, StatusCode::OK);
        for part in [
            "None of the paper&#39;s 62 results is measured here yet.",
            "85.35 / 55.19",
            "WRN-34-2* → MobileNetV2",
            "retort data fetch cifar100",
        ] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
        // Nothing can be launched on datasets that are not here.
        assert!(!page.text.contains(r#"action="/paper/launch""#));
        let answer = site.post("/paper/launch", "budget=smoke&result=0".into()).await;
        assert!(
            answer.status == StatusCode::BAD_REQUEST && answer.text.contains("cifar10 is not here"),
            "{}",
            answer.text
        );
        assert_eq!(site.get("/paper?budget=huge").await.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_cell_a_row_and_a_sweep_are_launched_at_their_budget() {
        let site = Site::new().await;
        site.import("cifar10");
        let page = site.get("/paper?budget=smoke").await.text;
        assert!(page.contains(r#"name="result" value="0""#) && page.contains("Launch what is missing"), "{page}");
        let answer = site.post("/paper/launch", "budget=smoke&result=12".into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/1");
        let spec = site.store.experiment(1).await.unwrap().spec().unwrap();
        assert_eq!(
            (spec.budget, spec.methods, spec.students),
            (Budget::Smoke, vec![MethodName::GacdAft], vec![Architecture::ResNet18])
        );
        assert_eq!(spec.teacher, TeacherChoice::Train(Architecture::ResNet18));
        // The six cells of a row have two teachers.
        let row = "budget=quick&result=0&result=1&result=2&result=3&result=4&result=5";
        let answer = site.post("/paper/launch", row.into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments");
        assert_eq!(site.store.experiment(3).await.unwrap().spec().unwrap().budget, Budget::Quick);
        let answer = site.post("/paper/launch", "budget=smoke&sweep=1".into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/4");
        let answer = site.post("/paper/launch", "budget=smoke&result=999".into()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}
