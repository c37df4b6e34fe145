//! `GET /experiments/{id}`, its tables to take along, and its button.

use std::collections::{HashMap, HashSet};

use axum::{
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::Outcomes;
use retort_spec::{Attack, RunKind, RunSpec, RunState};
use retort_store::Run;
use retort_web::{
    Answers, Column, ComparisonView, Config, ExperimentForm, Row, RunRow,
    analyses::AnalysisView,
    export::TableFormat,
    figures::{CurvesData, DRAWN, Figure, FigureFormat},
    pages::{ComparisonPage, OtherExperiment},
};

use super::{
    App, Shared, analyses,
    errors::{PageError, Result},
    id, page,
    rows::moment,
    shares,
};
use crate::machine::images;

/// Experiments that one page shows together, and those that are offered to be.
pub(super) const MOST_TOGETHER: usize = 10;
const OFFERED: u32 = 50;
/// Experiments whose titles a copy's title is numbered by: the latest.
const NUMBERED: u32 = 1_000;

/// The table, the curves, the runs.
pub async fn show(State(app): Shared, Path(experiment): Path<String>, RawQuery(query): RawQuery) -> Result<Response> {
    let comparison = app.comparison(&experiment, query.as_deref().unwrap_or_default()).await?;
    page(StatusCode::OK, &comparison)
}

/// `GET /experiments/{id}/table.csv` and its like: the table as the page shows it, or one of its figures by name.
pub async fn file(
    State(app): Shared,
    Path((experiment, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    if file == "comparison.html" {
        let comparison = app.comparison(&experiment, query.as_deref().unwrap_or_default()).await?;
        return shares::document(&app, comparison).await;
    }
    if file == CURVES {
        let comparison = app.comparison(&experiment, query.as_deref().unwrap_or_default()).await?;
        return send_curves(&comparison.curves_data());
    }
    let Some(format) = file.strip_prefix("table.").and_then(TableFormat::of_extension) else {
        let (name, format) = figure_file(&file)?;
        let comparison = app.comparison(&experiment, query.as_deref().unwrap_or_default()).await?;
        let figures = match name {
            "table" => vec![(name.to_owned(), comparison.table_figure())],
            _ => comparison.all_figures(),
        };
        return send_figure(&app, figures, &comparison.file_stem(), name, format).await;
    };
    let comparison = app.comparison(&experiment, query.as_deref().unwrap_or_default()).await?;
    let text = comparison.export(format);
    let name = format!("attachment; filename=\"{}.{}\"", comparison.file_stem(), format.extension());
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-cache".into()),
    ];
    Ok((headers, text).into_response())
}

/// The file of what curves are drawn of, for the script that lets a reader look into them.
pub(super) const CURVES: &str = "curves.json";

/// What curves are drawn of.
pub(super) fn send_curves(curves: &[CurvesData]) -> Result<Response> {
    let text = serde_json::to_vec(curves).map_err(|e| PageError::internal(&e))?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, text).into_response())
}

/// The figure's name and the format that a file's name ends with.
pub(super) fn figure_file(file: &str) -> Result<(&str, FigureFormat)> {
    let parts = file.rsplit_once('.');
    let named = parts.and_then(|(name, extension)| Some((name, FigureFormat::of_extension(extension)?)));
    named.ok_or_else(PageError::no_page)
}

/// One of these figures as a file, whose name says what it is of.
pub(super) async fn send_figure(
    app: &App,
    figures: Vec<(String, Figure)>,
    about: &str,
    name: &str,
    format: FigureFormat,
) -> Result<Response> {
    let (_, figure) = figures.into_iter().find(|(own, _)| own == name).ok_or_else(PageError::no_page)?;
    let file = app.drawings.file(figure, format).await?;
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{about}-{name}.{}\"", format.extension())),
        (header::CACHE_CONTROL, "no-cache".into()),
    ];
    Ok((headers, file).into_response())
}

/// `POST /experiments/{id}/cancel`: ends all its runs that are not over.
pub async fn cancel(State(app): Shared, Path(experiment): Path<String>) -> Result<Redirect> {
    let experiment = id("experiment", &experiment)?;
    app.control.cancel_experiment(experiment).await?;
    Ok(Redirect::to(&format!("/experiments/{experiment}")))
}

/// `POST /experiments/{id}/resume`: queues again all its runs that failed or were cancelled.
pub async fn resume(State(app): Shared, Path(experiment): Path<String>) -> Result<Redirect> {
    let experiment = id("experiment", &experiment)?;
    app.control.resume_experiment(experiment).await?;
    Ok(Redirect::to(&format!("/experiments/{experiment}")))
}

/// What the address asks to see. A form sends what was not chosen as empty fields.
pub(super) fn view(query: &str) -> Result<ComparisonView> {
    let unreadable = |e: &dyn std::fmt::Display| PageError::bad_request(format!("The address names no view: {e}."));
    let mut fields: Vec<(String, String)> = serde_html_form::from_str(query).map_err(|e| unreadable(&e))?;
    fields.retain(|(_, value)| !value.is_empty());
    if let Some((_, other)) = fields.iter().find(|(name, value)| name == "with" && value.parse::<i64>().is_err()) {
        return Err(unreadable(&format!("“{other}” is not the number of an experiment, such as with=3")));
    }
    // Of what can be chosen once, the last choice holds.
    let is_list = |name: &str| ["with", "student", "method", "column"].contains(&name);
    let mut seen = HashSet::new();
    fields.reverse();
    fields.retain(|(name, _)| is_list(name) || seen.insert(name.clone()));
    fields.reverse();
    let text = serde_html_form::to_string(&fields).map_err(|e| unreadable(&e))?;
    serde_html_form::from_str(&text).map_err(|e| unreadable(&e))
}

impl App {
    pub(super) async fn comparison(&self, experiment: &str, query: &str) -> Result<ComparisonPage> {
        let experiment = self.store.experiment(id("experiment", experiment)?).await?;
        let mut view = view(query)?;
        let own = experiment.id;
        let spec = experiment.spec()?;
        let runs = self.store.runs_of_experiment(own).await?;
        // What is over takes no more time, and needs no estimate.
        let is_over = runs.iter().all(|run| run.state.is_over());
        let seconds_left = if is_over { None } else { self.estimator().await?.remaining(&runs) };
        let mut configs: HashMap<_, _> = runs.iter().filter_map(config).collect();
        let values = view.values();
        let rows = self.rows(runs.clone()).await?;
        let mut stored = runs.clone();
        let mut analyses = self.analyses(&runs, &rows, values).await?;
        let runs = rows;
        let mut with = Vec::new();
        for (other, runs) in self.beside(own, &mut view).await? {
            configs.extend(runs.iter().filter_map(config));
            let beside = self.analyses(&runs, &other.runs, values).await?.into_iter();
            analyses.extend(beside.map(|view| AnalysisView { beside: Some(other.spec.title.clone()), ..view }));
            stored.extend(runs);
            with.push(other);
        }
        let datasets = self.machine.datasets().await?;
        let classes = datasets.iter().find(|d| d.name == spec.dataset.name).map(|d| d.classes.clone());
        let all: Vec<RunRow> = runs.iter().chain(with.iter().flat_map(|other| &other.runs)).cloned().collect();
        let right = self.right_answers.of(all.iter(), &self.control).await?;
        let spec_hashes = self.spec_hashes(&stored).await;
        let mut comparison = ComparisonPage {
            frame: self.frame().await?,
            id: own,
            images: images(&datasets, &spec.dataset),
            analyses,
            shares: self.shares(own).await?,
            configs,
            confusion: None,
            analysed: analyses::options(&spec, &runs, &with),
            classes: classes.unwrap_or_default(),
            launched: moment(experiment.created_at),
            curves: self.curves(&all, &DRAWN, view.x_axis()).await?,
            runs,
            seconds_left,
            clone_href: ExperimentForm::copy_of(&spec, &self.titles().await?).address(),
            spec,
            right,
            spec_hashes,
            is_from_bundle: self.is_from_bundle(own).await?,
            others: self.others(std::iter::once(own).chain(view.with.iter().copied()).collect()).await?,
            with,
            view,
        };
        comparison.simplify();
        comparison.confusion = self.confusion(&comparison).await?;
        Ok(comparison)
    }

    /// The hashes of the specs of the finished evaluations among these runs.
    async fn spec_hashes(&self, runs: &[Run]) -> HashMap<i64, String> {
        let mut hashes = self.hashes(runs);
        let mut found = HashMap::new();
        let is_shown = |run: &&Run| run.kind == RunKind::Evaluate && run.state == RunState::Finished;
        for run in runs.iter().filter(is_shown) {
            found.extend(self.spec_hash(&mut hashes, run).await.map(|hash| (run.id, hash)));
        }
        found
    }

    /// The experiments that a view shows beside one, with their runs as they are stored. Those that the view names twice, or
    /// that are too many, are taken out of it.
    pub(super) async fn beside(&self, own: i64, view: &mut ComparisonView) -> Result<Vec<(OtherExperiment, Vec<Run>)>> {
        let mut seen = vec![own];
        view.with.retain(|id| {
            !seen.contains(id) && seen.len() < MOST_TOGETHER && {
                seen.push(*id);
                true
            }
        });
        let mut beside = Vec::new();
        for id in &view.with {
            let other = self.store.experiment(*id).await?;
            let runs = self.store.runs_of_experiment(other.id).await?;
            let rows = self.rows(runs.clone()).await?;
            beside.push((OtherExperiment { id: other.id, spec: other.spec()?, runs: rows }, runs));
        }
        Ok(beside)
    }

    /// What the models of a table's rows answered by class in the column that the view names; those of other classes than
    /// the first row's are left out.
    async fn confusion(&self, comparison: &ComparisonPage) -> Result<Option<Answers>> {
        if comparison.view.confusion.is_empty() {
            return Ok(None);
        }
        let table = comparison.table();
        let Some(column) = table.columns.iter().find(|column| column.name() == comparison.view.confusion) else {
            return Ok(None);
        };
        if *column == Column::WorstCase {
            return Ok(None);
        }
        let (column, files): (Option<Attack>, Vec<_>) = (column.attack().cloned(), {
            let file = |row: &Row| {
                let title = table.name(row);
                let files = row.seeds.first()?.evaluations.iter().map(|id| self.control.folder(*id).outcomes());
                Some((title, files.collect::<Vec<_>>()))
            };
            table.rows().filter_map(file).collect()
        });
        let read = move || {
            let mut answers = Answers::default();
            for (title, file) in
                files.into_iter().flat_map(|(title, files)| files.into_iter().map(move |file| (title.clone(), file)))
            {
                // A row's first evaluation that has the column is shown.
                if answers.confusion.iter().any(|(shown, _)| *shown == title) {
                    continue;
                }
                let Ok(outcomes) = Outcomes::load(&file) else { continue };
                let is_column = |(attack, _): &(Option<Attack>, Vec<Option<u8>>)| {
                    attack.as_ref().map(Attack::describe) == column.as_ref().map(Attack::describe)
                };
                let Some(place) = outcomes.predictions.iter().position(is_column) else { continue };
                if answers.classes.is_empty() {
                    answers.classes.clone_from(&outcomes.classes);
                }
                if answers.classes == outcomes.classes {
                    answers.confusion.push((title, outcomes.confusion(place)));
                }
            }
            (!answers.confusion.is_empty()).then_some(answers)
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| PageError::internal(&e))
    }

    /// The latest experiments but these, with their titles.
    async fn others(&self, shown: Vec<i64>) -> Result<Vec<(i64, String)>> {
        let latest = self.store.titles_of_experiments(OFFERED).await?;
        Ok(latest.into_iter().filter(|(id, _)| !shown.contains(id)).collect())
    }

    /// Titles that a copy of an experiment should not bear too.
    async fn titles(&self) -> Result<Vec<String>> {
        let latest = self.store.titles_of_experiments(NUMBERED).await?;
        Ok(latest.into_iter().map(|(_, title)| title).collect())
    }
}

/// The parameters of a training by their paths.
fn config(run: &Run) -> Option<(i64, Config)> {
    let RunSpec::Train(spec) = run.spec().ok().filter(|_| run.kind == RunKind::Train)? else { return None };
    let mut config = Config::new();
    flatten("", &serde_json::to_value(spec).ok()?, &mut config);
    Some((run.id, config))
}

fn flatten(path: &str, value: &serde_json::Value, config: &mut Config) {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, config);
            }
        }
        serde_json::Value::Array(items) => {
            config.insert(path.to_owned(), items.iter().map(text).collect::<Vec<_>>().join(", "));
        }
        value => {
            config.insert(path.to_owned(), text(value));
        }
    }
}
