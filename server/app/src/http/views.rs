//! `POST /views`, `POST /views/remove`: named addresses of lists and comparisons.

use anyhow::Context;
use axum::{Form, extract::State, response::Redirect};
use retort_web::pages::{SavedView, SavedViews};
use serde::Deserialize;

use super::{
    App, Shared,
    errors::{PageError, Result},
};
use crate::views::{NotSaved, Views, is_view};

/// What is to be saved.
#[derive(Debug, Deserialize)]
pub struct NewView {
    name: String,
    address: String,
}

/// What is to be forgotten, and where to go then.
#[derive(Debug, Deserialize)]
pub struct OldView {
    name: String,
    back: String,
}

/// Saves a view and leads to it.
pub async fn save(State(app): Shared, Form(NewView { name, address }): Form<NewView>) -> Result<Redirect> {
    let lead = Redirect::to(if is_view(&address) { &address } else { "/" });
    app.change_views(move |views| views.save(&name, &address)).await?;
    Ok(lead)
}

/// Forgets a view and leads back to the list.
pub async fn remove(State(app): Shared, Form(OldView { name, back }): Form<OldView>) -> Result<Redirect> {
    app.change_views(move |views| views.remove(&name)).await?;
    Ok(Redirect::to(if is_view(&back) { &back } else { "/" }))
}

impl App {
    async fn change_views(
        &self,
        change: impl FnOnce(&Views) -> std::result::Result<(), NotSaved> + Send + 'static,
    ) -> Result<()> {
        let views = self.views.clone();
        let changed = tokio::task::spawn_blocking(move || change(&views)).await.context("saving the view")?;
        // Pages that were drawn a moment ago do not show it.
        self.live.everything_changed();
        changed.map_err(|fault| match fault {
            NotSaved::Impossible(message) => PageError::impossible("The view was not saved", message),
            NotSaved::Failed(e) => e.into(),
        })
    }

    /// The saved views of the list at `path`, or of what stands below it, for the page at `here`.
    pub(super) fn saved_views(&self, path: &str, here: String) -> SavedViews {
        let is_of = |address: &str| {
            address.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '/']))
        };
        let list = self.views.list().into_iter().filter(|view| is_of(&view.address));
        let list = list.map(|view| SavedView { name: view.name, address: view.address });
        SavedViews { list: list.collect(), here }
    }
}
