//! `GET /compare`: from chosen rows of a list to the comparison in which they stand together.

use std::collections::BTreeSet;

use axum::{
    extract::{RawQuery, State},
    response::Redirect,
};
use retort_spec::RunKind;
use retort_web::ComparisonView;
use serde::Deserialize;

use super::{
    Shared,
    comparison::MOST_TOGETHER,
    errors::{PageError, Result},
    paging::href,
};

/// Rows that one form can send.
const MOST_CHOSEN: usize = 200;

/// The rows that were chosen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chosen {
    experiment: Vec<i64>,
    run: Vec<i64>,
    model: Vec<i64>,
}

/// Leads to the comparison of the experiments that were chosen, or whose runs or models were. Where only students' runs were, it
/// shows their methods and networks alone; a teacher's row stands above its students in any case.
pub async fn lead(State(app): Shared, RawQuery(query): RawQuery) -> Result<Redirect> {
    let chosen: Chosen = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address names no rows to compare: {e}.")))?;
    if chosen.run.len() + chosen.model.len() > MOST_CHOSEN {
        return Err(refused(format!("Of {MOST_CHOSEN} rows at most one comparison can be made.")));
    }
    let mut experiments: BTreeSet<i64> = chosen.experiment.iter().copied().collect();
    let (mut methods, mut students) = (BTreeSet::new(), BTreeSet::new());
    for run in chosen.run {
        let run = app.store.run(run).await?;
        experiments.insert(run.experiment);
        if !run.is_teacher && run.kind != RunKind::Analyse {
            methods.insert(run.method.id().to_owned());
            students.insert(run.architecture.id().to_owned());
        }
    }
    let is_narrowed = chosen.experiment.is_empty() && chosen.model.is_empty();
    for model in chosen.model {
        let of_model =
            app.store.experiments_of_imported(app.store.model(model).await?.id, MOST_TOGETHER as u32).await?;
        if of_model.is_empty() {
            return Err(refused(format!("Model {model} has not been evaluated in any comparison yet.")));
        }
        experiments.extend(of_model);
    }
    if experiments.len() > MOST_TOGETHER {
        return Err(refused(format!(
            "The chosen rows are of {} comparisons, and {MOST_TOGETHER} can be shown together.",
            experiments.len()
        )));
    }
    let mut experiments = experiments.into_iter();
    let Some(first) = experiments.next() else {
        return Err(refused("No row was ticked. Go back, and tick those that are to be compared.".into()));
    };
    let none = BTreeSet::new();
    let (methods, students) = if is_narrowed { (&methods, &students) } else { (&none, &none) };
    let view = ComparisonView {
        with: experiments.collect(),
        method: methods.iter().cloned().collect(),
        student: students.iter().cloned().collect(),
        ..ComparisonView::default()
    };
    Ok(Redirect::to(&href(&format!("/experiments/{first}"), &view)))
}

fn refused(message: String) -> PageError {
    PageError::impossible("These cannot be compared", message).with_link("/experiments", "All comparisons")
}
