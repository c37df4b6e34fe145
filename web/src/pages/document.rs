//! A comparison as one file: everything inside, nothing that leads elsewhere.

use std::ops::Deref;

use askama::Template;

use super::{ComparisonPage, RunPage};
use crate::RunRow;

/// What stands in a frozen copy where its own address belongs, which only its server knows.
pub const LINK: &str = "@@LINK@@";

/// A comparison as one HTML file that opens from a disk, or as the page of a share.
#[derive(Clone, Debug, Template)]
#[template(path = "document.html")]
pub struct DocumentPage {
    /// The comparison.
    comparison: ComparisonPage,
    /// The style sheet.
    style: &'static str,
    /// The day on which it was made.
    date: String,
    /// What a share adds; none for a file.
    frozen: Option<Frozen>,
}

/// What the sender of a share says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// The title; empty for that of the comparison.
    pub title: String,
    /// A note to the reader; mostly empty.
    pub note: String,
}

impl Deref for DocumentPage {
    type Target = ComparisonPage;

    fn deref(&self) -> &ComparisonPage {
        &self.comparison
    }
}

/// Forgets why runs stand as they do: a cause may name files of the server.
fn forget_causes<'a>(runs: impl IntoIterator<Item = &'a mut RunRow>) {
    for run in runs {
        run.cause = None;
    }
}

impl DocumentPage {
    /// A document of a comparison; nothing of the machine stays in it.
    pub fn new(mut comparison: ComparisonPage, style: &'static str, date: String, frozen: Option<Frozen>) -> Self {
        forget_causes(&mut comparison.runs);
        forget_causes(comparison.with.iter_mut().flat_map(|other| &mut other.runs));
        forget_causes(comparison.analyses.iter_mut().map(|analysis| &mut analysis.run));
        Self { comparison, style, date, frozen }
    }

    fn heading(&self) -> String {
        let own = self.frozen.as_ref().map_or("", |frozen| frozen.title.trim());
        if own.is_empty() { self.comparison.title() } else { own.to_owned() }
    }

    /// What a preview of its link says.
    fn summary(&self) -> String {
        self.finding(&self.table()).unwrap_or_else(|| self.setting())
    }

    /// The file. `picture` gives the pictures of a run's gallery, as an address that holds them.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn write(&self, picture: impl Fn(i64) -> Option<String>) -> askama::Result<String> {
        let galleries = self.comparison.analyses.iter().map(|analysis| analysis.run.label.id);
        Ok(seal(&self.render()?, galleries, picture))
    }
}

/// A run as the page of a share.
#[derive(Clone, Debug, Template)]
#[template(path = "run_document.html")]
pub struct RunDocumentPage {
    /// The run.
    page: RunPage,
    /// The style sheet.
    style: &'static str,
    /// The day on which it was made.
    date: String,
    /// What its sender says.
    frozen: Frozen,
}

impl Deref for RunDocumentPage {
    type Target = RunPage;

    fn deref(&self) -> &RunPage {
        &self.page
    }
}

impl RunDocumentPage {
    /// A document of a run; nothing of the machine stays in it.
    pub fn new(mut page: RunPage, style: &'static str, date: String, frozen: Frozen) -> Self {
        forget_causes([&mut page.run]);
        forget_causes(page.analysis.as_mut().map(|analysis| &mut analysis.run));
        Self { page, style, date, frozen }
    }

    fn heading(&self) -> String {
        let own = self.frozen.title.trim();
        if own.is_empty() { self.page.title() } else { own.to_owned() }
    }

    /// What a preview of its link says.
    fn summary(&self) -> String {
        let result = self.page.run.result();
        if result.is_empty() { self.page.title() } else { result }
    }

    /// The file, as [`DocumentPage::write`].
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn write(&self, picture: impl Fn(i64) -> Option<String>) -> askama::Result<String> {
        Ok(seal(&self.render()?, [self.page.run.label.id], picture))
    }
}

/// The HTML with its pictures inside, and without links to other pages.
fn seal(html: &str, galleries: impl IntoIterator<Item = i64>, picture: impl Fn(i64) -> Option<String>) -> String {
    let mut html = unlinked(html);
    for id in galleries {
        let address = format!("/runs/{id}/gallery.png");
        let start = html.find(&format!("<image href=\"{address}\""));
        let tag = start.and_then(|start| html[start..].split_once('>')).map(|(tag, _)| format!("{tag}>"));
        if let (Some(tag), Some(picture)) = (tag, picture(id)) {
            // The sheet stands in the file once; each picture shows a piece of it.
            let sheet =
                tag.replace("<image href", &format!("<image id=\"gallery-{id}\" href")).replace(&address, &picture);
            html = html.replace(&tag, &format!("<use href=\"#gallery-{id}\"/>"));
            let hidden = format!("<svg class=\"out\" aria-hidden=\"true\">{sheet}</svg></main>");
            html = html.replacen("</main>", &hidden, 1);
        }
    }
    html
}

/// The HTML without links to other pages of the site; their words stay.
fn unlinked(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find("<a ") {
        let (before, link) = rest.split_at(start);
        out.push_str(before);
        let Some((tag, behind)) = link.split_once('>') else { break };
        let Some((words, behind)) = behind.split_once("</a>") else { break };
        if tag.contains("href=\"/") {
            out.push_str(words);
        } else {
            for part in [tag, ">", words, "</a>"] {
                out.push_str(part);
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_other_pages_become_their_words_and_others_stay() {
        let html =
            r#"<p><a href="/runs/7">KD</a> and <a class="b" href="@@LINK@@/table.csv" download>CSV</a><b>!</b></p>"#;
        assert_eq!(unlinked(html), r#"<p>KD and <a class="b" href="@@LINK@@/table.csv" download>CSV</a><b>!</b></p>"#);
    }
}
