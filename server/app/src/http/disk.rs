//! `GET /disk` and `POST /disk`: what fills the disk, and making room.

use std::collections::HashSet;

use axum::{
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{Redirect, Response},
};
use retort_web::pages::{DiskKind, DiskPage, DiskRow};
use serde::Deserialize;

use super::{
    App, Shared,
    errors::{PageError, Result},
    page,
};
use crate::{data_folder::Places, disk, keeping};

/// What is to be freed.
#[derive(Debug, Deserialize)]
struct FreeForm {
    kind: String,
}

/// What takes how much.
pub async fn show(State(app): Shared) -> Result<Response> {
    let (places, over) = (Places::at(&app.data), app.runs_that_are_over().await?);
    // Many small files are looked at.
    let used = tokio::task::spawn_blocking(move || keeping::usage(&places, &over)).await;
    let used = used.map_err(|e| PageError::internal(&e))?;
    let shown = DiskPage {
        frame: app.frame().await?,
        free: disk::free(&app.data),
        size: disk::size(&app.data),
        floor: disk::floor(),
        rows: used.into_iter().map(|(kind, used)| DiskRow { kind, bytes: used.bytes, free: used.free }).collect(),
    };
    page(StatusCode::OK, &shown)
}

/// Removes what of one kind can be removed.
pub async fn free(State(app): Shared, body: Bytes) -> Result<Redirect> {
    let form: FreeForm = serde_html_form::from_bytes(&body)
        .map_err(|e| PageError::bad_request(format!("It does not say what to free: {e}.")))?;
    let kind: DiskKind =
        form.kind.parse().map_err(|fault| PageError::bad_request(format!("Nothing was freed: {fault}.")))?;
    let (places, over) = (Places::at(&app.data), app.runs_that_are_over().await?);
    let freed = tokio::task::spawn_blocking(move || keeping::free(&places, &over, kind)).await;
    let freed = freed.map_err(|e| PageError::internal(&e))?.map_err(|e| PageError::internal(&format!("{e:#}")))?;
    tracing::info!("freed {freed} bytes of {}", kind.id());
    app.control.wake();
    Ok(Redirect::to("/disk"))
}

impl App {
    async fn runs_that_are_over(&self) -> Result<HashSet<i64>> {
        Ok(self.store.over_runs().await?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::RunState;

    use super::super::tests::Site;
    use super::*;

    #[tokio::test]
    async fn the_disk_is_shown_by_kind_and_what_nobody_needs_is_freed_by_its_button() {
        let site = Site::new().await;
        site.gate.launch_demo().await.unwrap();
        site.finish(1).await;
        site.store.change_state(2, RunState::Cancelled, "test").await.unwrap();
        let checkpoints = [2, 3].map(|run| site.control.folder(run).checkpoint());
        for checkpoint in &checkpoints {
            std::fs::create_dir_all(checkpoint.parent().unwrap()).unwrap();
            std::fs::write(checkpoint, vec![0; 3_000_000]).unwrap();
        }
        let shown = site.get("/disk").await;
        assert_eq!(shown.status, StatusCode::OK);
        assert!(shown.text.contains("3.0 MB of it can be freed without losing a result"), "{}", shown.text);
        assert!(shown.text.contains("Resumed, such a run begins anew") && shown.text.contains("Models of runs"));
        let freed = site.form("/disk", "kind=checkpoints").await;
        assert_eq!((freed.status, freed.header(axum::http::header::LOCATION)), (StatusCode::SEE_OTHER, "/disk"));
        assert_eq!(checkpoints.map(|file| file.exists()), [false, true]);
        assert!(site.get("/disk").await.text.contains("nothing of it can be freed"));
        assert!(
            site.form("/disk", "kind=models").await.status.is_redirection() && site.control.folder(1).model().exists()
        );
        let refused = site.form("/disk", "kind=everything").await;
        assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("no files of kind “everything”"));
    }
}
