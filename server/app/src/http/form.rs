//! `GET /experiments/new` and `POST /experiments`: the form, its estimate, and the launch.

use std::collections::HashSet;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::{class_order, data::DatasetInfo};
use retort_spec::{Analysis, Architecture, ExperimentSpec, MethodName, ModelRef, Problem, RunKind};
use retort_store::Run;
use retort_web::{
    ExperimentForm,
    pages::{DatasetOption, DeviceOption, ImportedOption, NewExperimentPage, Plan, TeacherOption},
    settings,
    words::shown,
};

use super::{
    App, Shared,
    errors::{PageError, Result},
    page,
    rows::measured,
};
use crate::launch::found;

/// Models that are offered as teachers.
const TEACHERS: u32 = 50;
/// The methods whose models are offered as teachers.
const TEACHER_METHODS: [MethodName; 2] = [MethodName::PGD_AT, MethodName::NATURAL];

/// A form that was looked at.
struct Reading {
    sent: Sent,
    /// The experiment that it asks for, or what is wrong.
    outcome: std::result::Result<ExperimentSpec, Vec<Problem>>,
}

/// What was sent.
struct Sent {
    form: ExperimentForm,
    /// The days that the sender agreed to, of a launch that takes longer than one.
    agreed: Option<u64>,
}

/// A page to answer with.
struct Answer {
    status: StatusCode,
    reading: Reading,
    /// What launching would do.
    plan: Option<Plan>,
}

/// The form with the values that the address names, and what launching it would do.
pub async fn show(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let sent = prefilled(&query.unwrap_or_default())?;
    let datasets = app.machine.datasets().await?;
    let reading = app.read(sent, &datasets).await?;
    let plan = app.plan(&reading).await?;
    app.form_page(Answer { status: StatusCode::OK, reading, plan }, datasets).await
}

/// Launches the experiment, or shows the form with what is wrong beside each field; one that takes more than a day is launched
/// where the sender agreed to that. With `?beside=3` in the address it leads to
/// comparison 3, as the rest of the address shows it, with the new experiment beside it.
pub async fn launch(State(app): Shared, RawQuery(query): RawQuery, body: Bytes) -> Result<Response> {
    let sent = read(serde_html_form::from_bytes(&body).map_err(|e| unreadable(&e))?)?;
    let datasets = app.machine.datasets().await?;
    let mut reading = app.read(sent, &datasets).await?;
    let plan = app.plan(&reading).await?;
    match (&reading.outcome, plan.filter(|plan| !plan.is_agreed(reading.sent.agreed))) {
        (Ok(spec), None) => {
            let id = app.gate.launch(spec).await?;
            return Ok(Redirect::to(&place_of(id, query.as_deref().unwrap_or_default())?).into_response());
        }
        (Ok(_), Some(plan)) => reading.outcome = Err(vec![plan.question()]),
        (Err(_), _) => {}
    }
    app.form_page(Answer { status: StatusCode::UNPROCESSABLE_ENTITY, reading, plan }, datasets).await
}

/// Where a new experiment is seen.
fn place_of(id: i64, query: &str) -> Result<String> {
    let fields: Vec<(String, String)> = serde_html_form::from_str(query).map_err(|e| unreadable(&e))?;
    let (beside, view): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name == "beside");
    let beside: Option<i64> = beside.first().and_then(|(_, other)| other.parse().ok());
    let Some(other) = beside else { return Ok(format!("/experiments/{id}")) };
    let view: Vec<_> = view.into_iter().chain([("with".to_owned(), id.to_string())]).collect();
    let view = serde_html_form::to_string(view).map_err(|e| PageError::internal(&e))?;
    Ok(format!("/experiments/{other}?{view}"))
}

/// The form that a query fills in. One that was sent from the page as a whole is taken as it is, its lists perhaps empty; a
/// link names only some fields and leaves the others as they are at first.
fn prefilled(query: &str) -> Result<Sent> {
    let sent: Vec<(String, String)> = serde_html_form::from_str(query).map_err(|e| unreadable(&e))?;
    let names: HashSet<&str> = sent.iter().map(|(name, _)| name.as_str()).collect();
    if names.contains("whole") {
        return read(sent);
    }
    let initial = serde_html_form::to_string(ExperimentForm::initial()).map_err(|e| PageError::internal(&e))?;
    let mut fields: Vec<(String, String)> = serde_html_form::from_str(&initial).map_err(|e| PageError::internal(&e))?;
    fields.retain(|(name, _)| !names.contains(name.as_str()));
    fields.extend(sent.iter().cloned());
    read(fields)
}

/// The form of these fields. Those of parameters are gathered into its settings; an empty value of a list is none.
fn read(fields: Vec<(String, String)>) -> Result<Sent> {
    let agreed = fields.iter().find(|(name, _)| name == "confirmed").and_then(|(_, days)| days.parse().ok());
    let gather = |(name, value): (String, String)| match name.strip_prefix(settings::PREFIX) {
        Some(_) if value.trim().is_empty() => None,
        Some(parameter) => Some(("settings".to_owned(), format!("{parameter}={value}"))),
        None if value.is_empty() && ExperimentForm::is_list(&name) => None,
        None => Some((name, value)),
    };
    let fields: Vec<_> = fields.into_iter().filter_map(gather).collect();
    let text = serde_html_form::to_string(&fields).map_err(|e| PageError::internal(&e))?;
    Ok(Sent { form: serde_html_form::from_str(&text).map_err(|e| unreadable(&e))?, agreed })
}

fn unreadable(fault: &dyn std::fmt::Display) -> PageError {
    PageError::bad_request(format!("It is not the form of a new experiment: {fault}."))
}

impl App {
    /// Reads the form and checks it against what is on this machine.
    async fn read(&self, sent: Sent, datasets: &[DatasetInfo]) -> Result<Reading> {
        let stored = self.architecture_of_stored(&sent.form).await?;
        let (mut spec, mut problems) = sent.form.read(|_| stored);
        if let Some(dataset) = datasets.iter().find(|dataset| dataset.name == spec.dataset.name) {
            for analysis in &mut spec.analyses {
                name_classes(analysis, dataset);
            }
        }
        ExperimentForm::add(self.gate.faults(&spec, datasets).await?, &mut problems);
        let outcome = if problems.is_empty() { Ok(spec) } else { Err(problems) };
        Ok(Reading { sent, outcome })
    }

    /// What launching the form would do, where nothing is wrong with it.
    async fn plan(&self, reading: &Reading) -> Result<Option<Plan>> {
        let Ok(spec) = &reading.outcome else { return Ok(None) };
        Ok(Some(Plan::of(spec, self.estimator().await?.experiment(spec))))
    }

    /// The architecture of the model that the form names as its teacher, if there is such a one.
    async fn architecture_of_stored(&self, form: &ExperimentForm) -> Result<Option<Architecture>> {
        Ok(match form.stored_teacher() {
            Some(ModelRef::Run(id)) => {
                // Whether it left a model, or will, the gate tells.
                found(self.store.run(id).await)?.map(|run| run.architecture)
            }
            Some(ModelRef::Imported(id)) => found(self.store.model(id).await)?.map(|model| model.about.architecture),
            _ => None,
        })
    }

    async fn form_page(&self, answer: Answer, datasets: Vec<DatasetInfo>) -> Result<Response> {
        let Answer { status, reading: Reading { sent: Sent { form, agreed }, outcome }, plan } = answer;
        let devices = self.machine.devices().iter();
        let chosen = datasets.iter().find(|dataset| dataset.name == form.dataset);
        let filled = NewExperimentPage {
            frame: self.frame().await?,
            teachers: self.teachers(&form).await?,
            imported: self.imported_teachers(&form, chosen).await?,
            form,
            problems: outcome.err().unwrap_or_default(),
            plan,
            agreed,
            datasets: datasets
                .into_iter()
                .map(|d| DatasetOption { name: d.name, train_images: d.train, test_images: d.test, classes: d.classes })
                .collect(),
            devices: devices.map(|d| DeviceOption { name: d.name, description: d.description.clone() }).collect(),
        };
        page(status, &filled)
    }

    /// The models of runs on the form's dataset that may be chosen as teachers, and the one that is chosen, with what is known
    /// of them.
    async fn teachers(&self, form: &ExperimentForm) -> Result<Vec<TeacherOption>> {
        let mut runs = self.store.trained_models(&TEACHER_METHODS, TEACHERS).await?;
        let chosen = form.stored_teacher();
        let is_chosen = |run: &Run| chosen == Some(ModelRef::Run(run.id));
        runs.retain(|run| run.dataset == form.dataset || is_chosen(run));
        if let Some(ModelRef::Run(id)) = chosen
            && !runs.iter().any(|run| run.id == id)
        {
            runs.extend(found(self.store.run(id).await)?.filter(|run| run.kind == RunKind::Train));
        }
        let mut teachers = Vec::new();
        for run in runs {
            let scores = measured(&self.store.evaluations_of_model(run.id).await?);
            teachers.push(TeacherOption {
                run: run.id,
                method: run.method,
                architecture: run.architecture,
                seed: run.seed,
                dataset: run.dataset,
                scores,
            });
        }
        Ok(teachers)
    }

    /// The imported models that may be chosen, and the one that is: those that tell the classes of the form's dataset apart.
    async fn imported_teachers(
        &self,
        form: &ExperimentForm,
        dataset: Option<&DatasetInfo>,
    ) -> Result<Vec<ImportedOption>> {
        let chosen = form.stored_teacher();
        let mut teachers = Vec::new();
        for model in self.store.models(TEACHERS).await? {
            let fits = dataset.is_some_and(|own| class_order(&model.about.classes, &own.classes).is_some());
            if fits || chosen == Some(ModelRef::Imported(model.id)) {
                teachers.push(ImportedOption {
                    id: model.id,
                    scores: measured(&self.store.evaluations_of_imported(model.id).await?),
                    title: model.about.title,
                    architecture: model.about.architecture,
                    dataset: model.about.dataset,
                });
            }
        }
        Ok(teachers)
    }
}

/// Gives an analysis the names of a dataset's classes where it has them as pages show them.
pub(super) fn name_classes(analysis: &mut Analysis, dataset: &DatasetInfo) {
    for class in analysis.classes_mut() {
        if let Some(own) = dataset.classes.iter().find(|own| shown(own) == *class) {
            class.clone_from(own);
        }
    }
}

#[cfg(test)]
mod tests;
