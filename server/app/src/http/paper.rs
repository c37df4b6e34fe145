//! `GET /paper`, and `POST /paper/launch`: the paper's results, and the experiments that measure them.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use retort_spec::{
    Budget, Conditions, DeviceName, DivergenceRules, ExperimentSpec, Invalid, MethodName, PaperFigure, PaperResult,
    PlannedRun, RunKind, RunSpec, RunState, TeacherChoice, paper_results, reproduce,
};
use retort_store::Run;
use retort_web::{
    Compared, ExperimentForm, RunRow, Values,
    analyses::AnalysisView,
    format,
    pages::{A_DAY, ConfirmPage, DeviceOption, FoundAnalysis, PaperPage, PaperParts},
};
use serde::Deserialize;

use super::{
    App, Shared,
    errors::{PageError, Result},
    page,
};

/// The latest experiments on the paper's datasets, whose results may stand beside the paper's.
const EXPERIMENTS: u32 = 100;
/// Seeds that can be launched at once; every button's time is estimated from a plan of them.
const MOST_SEEDS: usize = 20;
/// The paper's datasets, by their names here.
const DATASETS: [&str; 3] = ["cifar10", "cifar100", "stl10"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LaunchForm {
    budget: String,
    seeds: String,
    device: String,
    /// Places in the list of the paper's results.
    result: Vec<usize>,
    /// One of the paper's figures.
    figure: Option<String>,
    /// Whether what takes very long is really meant.
    confirmed: bool,
}

/// The tables and figures, with ours beside the paper's.
pub async fn show(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let form: LaunchForm = serde_html_form::from_str(&query.unwrap_or_default()).map_err(|e| unreadable(&e))?;
    let conditions = form.conditions(&app)?;
    let mut found = Vec::new();
    let experiments = app.store.experiments_on(&DATASETS, EXPERIMENTS).await?;
    let ids: Vec<i64> = experiments.iter().map(|experiment| experiment.id).collect();
    let runs = app.store.runs_of_experiments(&ids).await?;
    let analyses: Vec<Run> = runs.iter().filter(|run| run.kind == RunKind::Analyse).cloned().collect();
    let mut rows: HashMap<i64, Vec<RunRow>> = HashMap::new();
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
    let (estimator, frame) = (app.estimator().await?, app.frame().await?);
    let analyses = app.analyses_of_figures(&compared, &analyses).await?;
    // The captions of sweeps say what their tests carry; the tables only set numbers side by side.
    let is_swept = |own: &&Compared| !own.spec.sweeps.is_empty() && PaperFigure::ALL.iter().any(|f| f.is_of(own.spec));
    let swept = compared.iter().filter(is_swept).flat_map(|own| own.runs);
    let right = app.right_answers.of(swept, &app.control).await?;
    let datasets: Vec<String> = app.machine.datasets().await?.into_iter().map(|dataset| dataset.name).collect();
    let trainings = app.store.trainings_by(MethodName::PGD_AT).await?;
    let seconds = |specs: Vec<ExperimentSpec>| {
        let known = specs.into_iter().map(|spec| with_known_teacher(spec, &trainings));
        known.map(|spec| estimator.experiment(&spec)).sum::<Option<f64>>()
    };
    let estimate = |places: &[usize]| seconds(reproduce(places.iter().map(|i| &paper_results()[*i]), &conditions));
    let devices = app.machine.devices().iter();
    let shown = PaperPage::new(&PaperParts {
        frame,
        conditions: conditions.clone(),
        devices: devices.map(|d| DeviceOption { name: d.name, description: d.description.clone() }).collect(),
        compared: &compared,
        right: &right,
        datasets: &datasets,
        estimate: &estimate,
        estimate_figure: &|figure| seconds(vec![figure.experiment(&conditions)]),
        analyses,
    });
    page(StatusCode::OK, &shown)
}

/// Launches the experiments that measure the results that were asked for.
pub async fn launch(State(app): Shared, body: Bytes) -> Result<Response> {
    let form: LaunchForm = serde_html_form::from_bytes(&body).map_err(|e| unreadable(&e))?;
    let conditions = form.conditions(&app)?;
    let asked: Vec<ExperimentSpec> = if let Some(id) = &form.figure {
        let figure = PaperFigure::of_id(id).ok_or_else(|| unreadable(&format!("there is no figure “{id}”")))?;
        vec![figure.experiment(&conditions)]
    } else {
        let results: Vec<&PaperResult> = form.result.iter().filter_map(|place| paper_results().get(*place)).collect();
        reproduce(results, &conditions)
    };
    let datasets = app.machine.datasets().await?;
    for choice in asked.iter().flat_map(|spec| [&spec.dataset].into_iter().chain(&spec.probes)) {
        if !datasets.iter().any(|dataset| dataset.name == choice.name) {
            let name = &choice.name;
            return Err(PageError::bad_request(format!("{name} is not here: `retort data fetch {name}` brings it.")));
        }
    }
    if asked.is_empty() {
        return Err(PageError::bad_request("It names no result of the paper."));
    }
    for spec in &asked {
        Invalid::unless_empty(app.gate.faults(spec, &datasets).await?).map_err(|e| unreadable(&e))?;
    }
    let trainings = app.store.trainings_by(MethodName::PGD_AT).await?;
    let (mut first, mut specs) = (None, Vec::new());
    for asked in asked {
        let spec = with_known_teacher(asked.clone(), &trainings);
        // What a second click asks for is under way already, with the teacher that was trained for it or known by then.
        let twins = [app.unfinished_like(&asked).await?, app.unfinished_like(&spec).await?];
        match twins.into_iter().flatten().next() {
            Some(id) => first = first.or(Some(id)),
            None => specs.push(spec),
        }
    }
    let estimator = app.estimator().await?;
    let seconds = specs.iter().map(|spec| estimator.experiment(spec)).sum::<Option<f64>>().unwrap_or(0.0);
    if seconds > A_DAY && !form.confirmed {
        // What takes so long is looked at in the form, where it can be made smaller, and confirmed there.
        if let [spec] = specs.as_slice() {
            let form = ExperimentForm::from_spec(spec);
            if form.to_spec(|_| Some(spec.teacher.architecture())).as_ref() == Ok(spec) {
                return Ok(Redirect::to(&form.address()).into_response());
            }
        }
        return app.ask(&specs, seconds, &body, &conditions).await;
    }
    for spec in &specs {
        let id = app.gate.launch(spec).await?;
        first.get_or_insert(id);
    }
    let address = match (first, specs.len()) {
        (Some(id), 0 | 1) => format!("/experiments/{id}"),
        _ => "/experiments".into(),
    };
    Ok(Redirect::to(&address).into_response())
}

fn unreadable(fault: &dyn std::fmt::Display) -> PageError {
    let message = format!("{}.", format::upper_first(&fault.to_string()));
    PageError::impossible("Nothing of the paper is measured so", message).with_link("/paper", "The paper's results")
}

/// The experiment with a teacher that is trained already, or is being trained, in place of the same training once more. Several
/// seeds have a teacher each, which one run cannot be.
fn with_known_teacher(spec: ExperimentSpec, trainings: &HashMap<String, i64>) -> ExperimentSpec {
    let (TeacherChoice::Train(architecture), [_]) = (&spec.teacher, spec.seeds.as_slice()) else { return spec };
    let is_teacher = |run: &PlannedRun| run.is_teacher && run.spec.kind() == RunKind::Train;
    let mut teacher = spec.expand().into_iter().find(is_teacher).map(|run| run.spec);
    let known = |teacher: &RunSpec| trainings.get(&serde_json::to_string(teacher).ok()?).copied();
    let id = teacher.as_ref().and_then(known).or_else(|| {
        // Those of before there were rules to give up by have the same numbers.
        let RunSpec::Train(training) = teacher.as_mut()? else { return None };
        training.divergence = DivergenceRules::default();
        teacher.as_ref().and_then(known)
    });
    match id {
        Some(id) => ExperimentSpec { teacher: TeacherChoice::Run { id, architecture: *architecture }, ..spec },
        None => spec,
    }
}

impl LaunchForm {
    /// What is not named is as it is at first: a quick look with one seed, on a GPU if there is one.
    fn conditions(&self, app: &App) -> Result<Conditions> {
        let budget = match self.budget.as_str() {
            "" => Budget::Quick,
            text => text.parse().map_err(|fault: String| unreadable(&fault))?,
        };
        let words = self.seeds.split([',', ';', ' ']).filter(|word| !word.is_empty());
        let seeds = words.map(|word| word.parse().map_err(|_| unreadable(&format!("“{word}” is not a seed"))));
        let mut seeds: Vec<u64> = seeds.collect::<Result<_>>()?;
        if seeds.is_empty() {
            seeds.push(1);
        }
        let devices = || app.machine.devices().iter().map(|device| device.name);
        let device = match self.device.as_str() {
            "" => devices().max_by_key(|device| matches!(device, DeviceName::Cuda(0))).unwrap_or(DeviceName::Cpu),
            text => {
                let named = text.parse().ok().filter(|name| devices().any(|device| device == *name));
                named.ok_or_else(|| unreadable(&format!("there is no device “{text}” here")))?
            }
        };
        if seeds.len() > MOST_SEEDS {
            return Err(unreadable(&format!("these are {} seeds: use at most {MOST_SEEDS}", seeds.len())));
        }
        let conditions = Conditions { budget, seeds, device };
        // What no experiment may have is refused before it is estimated.
        PaperFigure::Features.experiment(&conditions).validate().map_err(|e| unreadable(&e))?;
        Ok(conditions)
    }
}

impl App {
    /// The experiment that was launched with this spec before and is not over.
    async fn unfinished_like(&self, spec: &ExperimentSpec) -> Result<Option<i64>> {
        let Some(id) = self.control.experiment_like(spec).await? else { return Ok(None) };
        let counts = self.store.experiment(id).await?.counts;
        Ok((counts.over() < counts.total()).then_some(id))
    }

    /// Asks whether experiments that take very long are really meant.
    async fn ask(
        &self,
        specs: &[ExperimentSpec],
        seconds: f64,
        body: &[u8],
        conditions: &Conditions,
    ) -> Result<Response> {
        let what = format::plural(specs.len(), "experiment", "experiments");
        let seeds: Vec<String> = conditions.seeds.iter().map(u64::to_string).collect();
        let runs = specs.iter().map(|spec| spec.expand().len()).sum();
        let question = ConfirmPage {
            frame: self.frame().await?,
            question: format!("Launch {what}, {}?", format::estimate(seconds)),
            message: format!(
                "They are {} on {} at the budget {}. What is launched later waits for them.",
                format::plural(runs, "run", "runs"),
                conditions.device,
                conditions.budget
            ),
            action: "/paper/launch",
            fields: serde_html_form::from_bytes(body).map_err(|e| unreadable(&e))?,
            button: format!("Launch {what}"),
            back: format!(
                "/paper?budget={}&seeds={}&device={}",
                conditions.budget.id(),
                seeds.join(","),
                conditions.device
            ),
        };
        page(StatusCode::OK, &question)
    }

    /// For each figure of the paper that an analysis makes: what ours found at the largest budget, the latest of them.
    async fn analyses_of_figures<'a>(
        &self,
        compared: &'a [Compared<'a>],
        runs: &[Run],
    ) -> Result<Vec<FoundAnalysis<'a>>> {
        let mut candidates = Vec::new();
        for run in runs.iter().filter(|run| run.state == RunState::Finished) {
            let Some(own) = compared.iter().find(|own| own.id == run.experiment) else { continue };
            // One that this version cannot read has nothing to show.
            let Ok(RunSpec::Analyse(spec)) = run.spec() else { continue };
            let Some(row) = own.runs.iter().find(|row| row.label.id == run.id) else { continue };
            if let Some(figure) = PaperFigure::ALL.into_iter().find(|figure| figure.shows(&spec, own.spec)) {
                candidates.push((figure, own, spec, row));
            }
        }
        candidates.sort_by_key(|(_, own, _, row)| std::cmp::Reverse((own.spec.budget as u8, row.label.id)));
        let mut found: Vec<FoundAnalysis> = Vec::new();
        for (figure, own, spec, row) in candidates {
            if found.iter().any(|found| found.figure == figure) {
                continue;
            }
            let run = row.label.id;
            let files = self.analyses.of(run, self.control.folder(run)).await?;
            if files.is_some() {
                let view = AnalysisView { run: row.clone(), spec, files, values: Values::Sizes, beside: None };
                found.push(FoundAnalysis { figure, experiment: own.id, spec: own.spec, view });
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use retort_spec::Architecture;

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
            r#"colspan="3">Teacher WRN-34-2*<"#,
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
        let many = (1..=30).map(|seed: u64| seed.to_string()).collect::<Vec<_>>().join(",");
        for wrong in ["budget=huge", "seeds=1,1", "device=cuda:7", &format!("seeds={many}")] {
            assert_eq!(site.get(&format!("/paper?{wrong}")).await.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_the_images_here_are_not_enough_for_is_refused_with_all_that_is_wrong() {
        let site = Site::new().await;
        site.import("cifar10");
        let answer = site.post("/paper/launch", "budget=smoke&device=cpu&figure=5".into()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        for words in ["cifar10 has 2 training images", "cifar10 has 2 test images", "“truck” is no class of cifar10"]
        {
            assert!(answer.text.contains(words), "{words}: {}", answer.text);
        }
        assert_eq!(site.store.state_counts().await.unwrap().total(), 0);
    }

    #[tokio::test]
    async fn a_cell_a_row_and_a_sweep_are_launched_at_their_budget() {
        let site = Site::new().await;
        let classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
        site.pretend("cifar10", &classes, 50_000, 10_000);
        let page = site.get("/paper?budget=smoke").await.text;
        assert!(page.contains(r#"name="result" value="0""#) && page.contains("All that is missing"), "{page}");
        let answer = site.post("/paper/launch", "budget=smoke&result=12".into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/1");
        let spec = site.store.experiment(1).await.unwrap().spec().unwrap();
        assert_eq!(
            (spec.budget, spec.methods, spec.students),
            (Budget::Smoke, vec![MethodName::GACD.fine_tuned()], vec![Architecture::ResNet18])
        );
        assert_eq!(spec.teacher, TeacherChoice::Train(Architecture::ResNet18));
        // What is under way is not launched beside itself.
        let answer = site.post("/paper/launch", "budget=smoke&result=12".into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/1");
        // Another student of the same teacher waits for it, and does not train it again.
        let answer = site.post("/paper/launch", "budget=smoke&result=2".into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/2");
        let spec = site.store.experiment(2).await.unwrap().spec().unwrap();
        assert_eq!(spec.teacher, TeacherChoice::Run { id: 1, architecture: Architecture::ResNet18 });
        let runs = site.store.runs_of_experiment(2).await.unwrap();
        assert_eq!(runs.iter().filter(|run| run.kind == RunKind::Train).count(), 1);
        for run in &runs {
            let needs: Vec<i64> = site.store.needs(run.id).await.unwrap().iter().map(|need| need.id).collect();
            assert!(!needs.is_empty() && needs.iter().all(|need| *need == 1 || *need == runs[1].id), "{needs:?}");
        }
        let answer = site.post("/paper/launch", "budget=smoke&result=2".into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/2");
        // The six cells of a row have two teachers.
        let row = "budget=paper&confirmed=true&result=0&result=1&result=2&result=3&result=4&result=5";
        let answer = site.post("/paper/launch", row.into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments");
        assert_eq!(site.store.experiment(4).await.unwrap().spec().unwrap().budget, Budget::Paper);
        let answer = site.post("/paper/launch", "budget=smoke&seeds=1,+2&device=cpu&figure=2b".into()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/5");
        let spec = site.store.experiment(5).await.unwrap().spec().unwrap();
        assert_eq!((spec.sweeps.len(), &spec.seeds[..]), (1, &[1, 2][..]));
        for wrong in ["budget=smoke&figure=6", "seeds=one&figure=5", "device=cuda:7&figure=5", "seeds=1,1&figure=5"] {
            assert_eq!(site.post("/paper/launch", wrong.into()).await.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        // One experiment that takes days is looked at in the form, which launches the same.
        let seeds: Vec<String> = (1..=20).map(|seed: u32| seed.to_string()).collect();
        let answer = site.post("/paper/launch", format!("budget=paper&seeds={}&figure=2b", seeds.join(","))).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let form = answer.header(header::LOCATION).to_owned();
        assert!(form.starts_with("/experiments/new?") && form.contains("budget=paper"), "{form}");
        let page = site.get(&form).await.text;
        assert!(page.contains(r#"name="confirmed""#) && !page.contains(r#"id="problems""#), "{page}");
        let page = site.get(&format!("/paper?budget=paper&seeds={}", seeds.join(","))).await.text;
        assert!(page.contains("opens the form</button>") && page.contains("asks first</button>"), "{page}");
        // The whole of Table 1 with twenty seeds takes days even on the few images here: it is asked about first.
        let seeds: Vec<String> = (1..=20).map(|seed: u32| seed.to_string()).collect();
        let table: String = (0..24).flat_map(|place| ["&result=".to_owned(), place.to_string()]).collect();
        let table = format!("budget=paper&seeds={}{table}", seeds.join(","));
        let answer = site.post("/paper/launch", table.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.header(header::LOCATION));
        assert!(answer.text.contains("Launch 2 experiments, about") && answer.text.contains(r#"name="confirmed""#));
        assert_eq!(answer.text.matches(r#"type="hidden" name="result""#).count(), 24);
        let answer = site.post("/paper/launch", format!("{table}&confirmed=true")).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments");
        let answer = site.post("/paper/launch", "budget=smoke&result=999".into()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}
