//! What a share keeps: a page with its tables and figures, in a folder of its own.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use retort_engine::write_atomically;
use retort_web::{
    export::TableFormat,
    figures::{Figure, FigureFormat},
    pages::{ComparisonPage, DocumentPage, Frozen, RunDocumentPage, RunPage},
};

use super::{
    super::{
        assets,
        errors::{PageError, Result},
    },
    PAGE,
};

/// The ending of a copy's folder while it is written.
pub(super) const UNFINISHED: &str = "new";

/// What a snapshot consists of: its page, its tables as files, its figures by name.
pub(super) struct Snapshot {
    html: String,
    tables: Vec<(String, String)>,
    figures: Vec<(String, Figure)>,
}

/// The snapshot of a comparison.
pub(super) fn of_comparison(
    comparison: ComparisonPage,
    frozen: Frozen,
    picture: &dyn Fn(i64) -> Option<String>,
) -> Result<Snapshot> {
    let table = comparison.table();
    let tables = TableFormat::of(&table)
        .map(|format| (format!("table.{}", format.extension()), comparison.export(format)))
        .collect();
    let analyses = comparison.analyses.iter().filter_map(|analysis| Some((analysis.file_name(), analysis.figure()?)));
    let figures = comparison.all_figures().into_iter().chain(analyses).collect();
    let document = DocumentPage::new(comparison, assets::style(), day(Timestamp::now()), Some(frozen));
    let html = document.write(picture).map_err(|e| PageError::internal(&e))?;
    Ok(Snapshot { html, tables, figures })
}

/// The snapshot of a run's page.
pub(super) fn of_run(page: RunPage, frozen: Frozen, picture: &dyn Fn(i64) -> Option<String>) -> Result<Snapshot> {
    let figures = page.all_figures();
    let document = RunDocumentPage::new(page, assets::style(), day(Timestamp::now()), frozen);
    let html = document.write(picture).map_err(|e| PageError::internal(&e))?;
    Ok(Snapshot { html, tables: Vec::new(), figures })
}

/// Writes a snapshot, its figures in every format. The folder appears when all of it is there.
pub(super) fn keep(snapshot: &Snapshot, folder: &Path) -> Result<()> {
    let fresh = folder.with_extension(UNFINISHED);
    let kept = write(snapshot, &fresh).and_then(|()| Ok(fs::rename(&fresh, folder)?));
    kept.map_err(|fault| {
        // If even this fails, the next start of the server removes it.
        let _ = fs::remove_dir_all(&fresh);
        fault.into()
    })
}

fn write(snapshot: &Snapshot, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let keep = |name: &str, bytes: &[u8]| write_atomically(&folder.join(name), bytes);
    for (name, table) in &snapshot.tables {
        keep(name, table.as_bytes())?;
    }
    for (name, figure) in &snapshot.figures {
        for format in FigureFormat::ALL {
            keep(&format!("{name}.{}", format.extension()), &format.write(figure).map_err(anyhow::Error::msg)?)?;
        }
    }
    if let Some((_, figure)) = snapshot.figures.first() {
        keep("preview.png", &FigureFormat::Png.write(figure).map_err(anyhow::Error::msg)?)?;
    }
    Ok(keep(PAGE, snapshot.html.as_bytes())?)
}

/// A gallery's sheet as an address that holds it.
pub(super) fn picture(path: &Path) -> Option<String> {
    Some(format!("data:image/png;base64,{}", STANDARD.encode(fs::read(path).ok()?)))
}

/// A day in words.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}
