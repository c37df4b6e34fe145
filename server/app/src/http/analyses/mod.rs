//! Analyses of a comparison's models: `POST /experiments/{id}/analyses`, and what they found.

mod candidates;
mod files;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use retort_spec::{AnalysedModel, Invalid, RunKind, RunSpec, RunState};
use retort_store::Run;
use retort_web::{
    RunRow, Values,
    analyses::{AnalysisView, Chosen},
    format,
};

pub(super) use self::candidates::options;
use self::candidates::{Candidate, candidates};
pub use self::files::FilesOfAnalyses;
use super::{
    App, Shared, comparison,
    errors::{PageError, Result},
    form, id,
};

/// Queues an analysis and leads back to its comparison, under the view that the address has; the same one is computed once.
pub async fn launch(
    State(app): Shared,
    Path(experiment): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Redirect> {
    let experiment = app.store.experiment(id("experiment", &experiment)?).await?;
    let spec = experiment.spec()?;
    let mut view = comparison::view(query.as_deref().unwrap_or_default())?;
    let back = format!("/experiments/{}{}", experiment.id, view.query());
    let fault = |e: &dyn std::fmt::Display| {
        let message = format!("{}.", format::upper_first(&e.to_string()));
        PageError::impossible("The analysis cannot be made", message).with_link(&back, "Back to the comparison")
    };
    let fields: Vec<(String, String)> = serde_html_form::from_bytes(&body).map_err(|e| fault(&e))?;
    let form = Chosen(&fields);
    let with: Vec<_> = app.beside(experiment.id, &mut view).await?.into_iter().map(|(other, _)| other).collect();
    let runs = app.rows(app.store.runs_of_experiment(experiment.id).await?).await?;
    let mut chosen: Vec<Candidate> = candidates(&spec, &runs, &with);
    chosen.retain(|candidate| form.all("model").any(|model| model == candidate.option.value));
    let mut analysis = form.analysis().map_err(|message| fault(&message))?;
    let kind = analysis.kind();
    if kind.is_from_teacher() {
        chosen.sort_by_key(|candidate| !candidate.is_teacher);
    }
    let Some(first) = chosen.first() else { return Err(fault(&"choose at least one model that is there")) };
    let datasets = app.machine.datasets().await?;
    if let Some(dataset) = datasets.iter().find(|dataset| dataset.name == spec.dataset.name) {
        form::name_classes(&mut analysis, dataset);
    }
    let models = candidates::named(&chosen).into_iter();
    let models = models.map(|(name, model)| AnalysedModel { name, model }).collect();
    let analysed = spec.analyse(analysis, models);
    let queued = app.gate.analyse(experiment.id, analysed, (first.method, first.architecture)).await;
    queued.map_err(|error| match error.downcast::<Invalid>() {
        Ok(Invalid(problems)) => fault(&problems.into_iter().map(|p| p.message).collect::<Vec<_>>().join("; ")),
        Err(error) => error.into(),
    })?;
    Ok(Redirect::to(&format!("/experiments/{}{}#{}", experiment.id, view.query(), kind.id())))
}

/// `GET /runs/{id}/gallery.png`
pub async fn gallery(State(app): Shared, Path(run): Path<String>) -> Result<Response> {
    let run = app.store.run(id("run", &run)?).await?;
    let sheet = tokio::fs::read(app.control.folder(run.id).gallery()).await.map_err(|_| PageError::no_page())?;
    let headers =
        [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "private, max-age=31536000, immutable")];
    Ok((headers, sheet).into_response())
}

impl App {
    /// The analyses among these runs, newest first, with what they found.
    pub(super) async fn analyses(&self, runs: &[Run], rows: &[RunRow], values: Values) -> Result<Vec<AnalysisView>> {
        let mut views = Vec::new();
        for (run, row) in runs.iter().zip(rows).filter(|(run, _)| run.kind == RunKind::Analyse).rev() {
            let RunSpec::Analyse(spec) = run.spec()? else { continue };
            let is_finished = run.state == RunState::Finished;
            let files = if is_finished { self.analyses.of(run.id, self.control.folder(run.id)).await? } else { None };
            views.push(AnalysisView { run: row.clone(), spec, files, values, beside: None });
        }
        Ok(views)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use retort_spec::{ExperimentSpec, FeatureMaps, ModelRef};

    use super::super::tests::{Site, feature_map};
    use super::*;

    #[tokio::test]
    async fn an_analysis_is_queued_once_with_the_models_that_were_chosen() {
        let site = Site::new().await;
        site.gate.launch_demo().await.unwrap();
        assert!(!site.get("/experiments/1").await.text.contains("Map the features"));
        site.finish(1).await;
        assert!(site.get("/experiments/1").await.text.contains(r#"name="model" value="run:1" checked"#));
        let form =
            "analysis=features&model=run%3A1&model=run%3A3&attacked=Bag&target=Coat&images=50&adversarial=white-box";
        for _ in 0..2 {
            let answer = site.post("/experiments/1/analyses", form.into()).await;
            assert_eq!(answer.header(header::LOCATION), "/experiments/1#features");
        }
        let run = site.store.run(9).await.unwrap();
        assert_eq!((run.kind, run.title().as_str()), (RunKind::Analyse, "features of Bag and Coat, white-box"));
        let RunSpec::Analyse(spec) = run.spec().unwrap() else { panic!("it analyses") };
        // Run 3 has not finished: it is no model yet.
        assert_eq!(spec.models, [AnalysedModel { name: "Teacher".into(), model: ModelRef::Run(1) }]);
        assert_eq!(site.store.runs_of_experiment(1).await.unwrap().len(), 9);
        let page = site.get("/experiments/1").await.text;
        assert!(page.contains("Features of Bag and Coat") && page.contains("/runs/9"), "{page}");
    }

    #[tokio::test]
    async fn models_of_an_experiment_beside_are_analysed_with_a_comparisons_own() {
        let site = Site::new().await;
        let spec = ExperimentSpec::demo();
        for title in ["one", "another"] {
            let spec = ExperimentSpec { title: title.into(), ..spec.clone() };
            site.control.launch(&spec, spec.expand()).await.unwrap();
        }
        site.finish(1).await;
        site.finish(9).await;
        assert!(!site.get("/experiments/1").await.text.contains(r#"value="run:9""#));
        let page = site.get("/experiments/1?with=2").await.text;
        assert!(page.contains(r#"name="model" value="run:9"><"#), "{page}");
        let form = "analysis=correlation&model=run%3A1&model=run%3A9";
        let answer = site.post("/experiments/1/analyses?with=2", form.into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/1?with=2#correlation");
        let RunSpec::Analyse(spec) = site.store.run(17).await.unwrap().spec().unwrap() else { panic!("it analyses") };
        let models: Vec<_> = spec.models.iter().map(|m| (m.name.as_str(), m.model.clone())).collect();
        assert_eq!(models, [("Teacher", ModelRef::Run(1)), ("Teacher, experiment 2", ModelRef::Run(9))]);
        // It stands on the page of the other one too, where that is shown with this.
        assert!(site.get("/experiments/2?with=1").await.text.contains("/runs/17"));
    }

    #[tokio::test]
    async fn the_best_epoch_of_the_teacher_is_chosen_where_students_learn_from_it() {
        let site = Site::new().await;
        let demo = ExperimentSpec::demo();
        let dataset = retort_spec::DatasetChoice { validation_images: Some(200), ..demo.dataset.clone() };
        let spec = ExperimentSpec { dataset, ..demo };
        site.control.launch(&spec, spec.expand()).await.unwrap();
        site.finish(1).await;
        let page = site.get("/experiments/1").await.text;
        assert!(page.contains(r#"value="best:1" checked"#) && page.contains(r#"value="run:1"><"#), "{page}");
        let form = "analysis=correlation&model=best%3A1&model=run%3A1";
        site.post("/experiments/1/analyses", form.into()).await;
        let run = site.store.runs_of_experiment(1).await.unwrap().pop().unwrap();
        let RunSpec::Analyse(spec) = run.spec().unwrap() else { panic!("it analyses") };
        let models: Vec<_> = spec.models.into_iter().map(|m| (m.name, m.model)).collect();
        let best = ModelRef::Best(Box::new(ModelRef::Run(1)));
        assert_eq!(models, [("Teacher".into(), ModelRef::Run(1)), ("Teacher (best epoch)".into(), best)]);
    }

    #[tokio::test]
    async fn an_analysis_that_cannot_be_made_says_why() {
        let site = Site::new().await;
        site.gate.launch_demo().await.unwrap();
        site.finish(1).await;
        for (form, words) in [
            ("analysis=features&attacked=Bag&target=Coat&images=50", "Choose at least one model"),
            ("analysis=features&model=run%3A1&attacked=Bag&target=Bag&images=50", "another class"),
            ("analysis=gallery&model=run%3A1&images=many", "“many” is not a number of images"),
            ("analysis=correlation&model=run%3A1", "can be of 2 to 8 models, not of 1"),
            ("analysis=horoscope&model=run%3A1", "no analysis “horoscope”"),
            ("analysis=gallery&model=run%3A1&images=9&class=Lorry", "“Lorry” is no class of fashion-mnist-5k"),
            ("analysis=correlation&model=run%3A1&statistic=mood", "no statistic “mood”"),
        ] {
            let answer = site.post("/experiments/1/analyses", form.into()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form}");
            assert!(answer.text.contains(words), "{form}: {}", answer.text);
            assert!(answer.text.contains(r#"href="/experiments/1">Back to the comparison"#), "{}", answer.text);
        }
        assert_eq!(site.get("/runs/1/gallery.png").await.status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn what_an_analysis_found_stands_on_its_comparison_and_on_its_own_page() {
        let site = Site::new().await;
        site.gate.launch_demo().await.unwrap();
        site.finish(1).await;
        let form = "analysis=features&model=run%3A1&attacked=Bag&target=Coat&images=50";
        site.post("/experiments/1/analyses", form.into()).await;
        let (attacked, target, made_on) = ("Bag".into(), "Coat".into(), Some("Teacher".into()));
        let maps = FeatureMaps { attacked, target, made_on, maps: vec![feature_map("Teacher")] };
        site.finish(9).await;
        site.keep_analysis(9, &retort_spec::AnalysisResult::Features(maps));
        for address in ["/experiments/1", "/runs/9"] {
            let page = site.get(address).await.text;
            assert!(page.contains("silhouette 0.250") && page.contains(r#"<svg class="scatter""#), "{address}: {page}");
        }
        for (file, media_type) in
            [("figure.svg", "image/svg+xml"), ("figure.png", "image/png"), ("figure.pdf", "application/pdf")]
        {
            let answer = site.get(&format!("/runs/9/{file}")).await;
            assert_eq!((answer.status, answer.header(header::CONTENT_TYPE)), (StatusCode::OK, media_type));
        }
        assert!(site.get("/runs/9/figure.svg").await.text.contains("silhouette 0.250"));
        for address in ["/runs/9/training-loss-nats.svg", "/runs/9/figure.gif", "/runs/1/figure.svg"] {
            assert_eq!(site.get(address).await.status, StatusCode::NOT_FOUND, "{address}");
        }
    }
}
