//! `GET /models`, `GET /models/{id}`, and what `POST /models` answers when nothing could be read.

use askama::Template;
use retort_spec::{Architecture, Problem, PublishedModel};

use super::evaluate_form::EvaluateForm;
use crate::{
    Frame, Scores, Section,
    format::{self, Moment},
};

/// One model with what a list says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRow {
    /// What it is called.
    pub name: String,
    /// The page that tells more: that of its run, or its own.
    pub href: String,
    /// Its architecture.
    pub architecture: Architecture,
    /// The dataset that it was trained on, or whose classes it tells apart.
    pub dataset: String,
    /// The method that trained it, or `imported`.
    pub method: String,
    /// Its accuracies, where it was evaluated.
    pub scores: Scores,
    /// Bytes of its file; none where the file is gone.
    pub bytes: Option<u64>,
    /// Where it is from: `run 3`, or the name of the imported file.
    pub origin: String,
    /// When it was finished or imported.
    pub since: Moment,
    /// Where to download it.
    pub download: String,
}

/// All models: those that were imported, and those that finished trainings left.
#[derive(Clone, Debug, Template)]
#[template(path = "models.html")]
pub struct ModelsPage {
    /// The header.
    pub frame: Frame,
    /// Why nothing was imported; empty before anything was sent.
    pub problems: Vec<Problem>,
    /// Imported models, newest first.
    pub imported: Vec<ModelRow>,
    /// How many there are in all.
    pub total_imported: usize,
    /// This page's models of finished trainings, newest first.
    pub trained: Vec<ModelRow>,
    /// How many there are on all pages.
    pub total_trained: usize,
    /// Address of the page with older ones.
    pub older: Option<String>,
    /// Address of the page with newer ones.
    pub newer: Option<String>,
}

impl ModelsPage {
    const SECTION: Section = Section::Models;
}

impl ModelRow {
    fn size(&self) -> String {
        self.bytes.map_or_else(|| "the file is gone".into(), format::bytes)
    }
}

/// One imported model.
#[derive(Clone, Debug, Template)]
#[template(path = "model.html")]
pub struct ModelPage {
    /// The header.
    pub frame: Frame,
    /// Its id.
    pub id: i64,
    /// The model.
    pub model: ModelRow,
    /// Its trainable parameters.
    pub parameters: usize,
    /// The names of its classes, in label order.
    pub classes: Vec<String>,
    /// What was done at the import, in sentences.
    pub notes: Vec<String>,
    /// What RobustBench publishes of the model that its title names.
    pub published: Option<&'static PublishedModel>,
    /// The form of a new experiment with this teacher; none where no dataset here has its classes.
    pub teach: Option<String>,
    /// The form of an evaluation of it; none where no dataset here has its classes.
    pub evaluate: Option<EvaluateForm>,
    /// The datasets here with as many classes, whose names its classes can be given.
    pub datasets: Vec<String>,
    /// Why its classes were not named as the form asked.
    pub fault: Option<String>,
}

impl ModelPage {
    const SECTION: Section = Section::Models;

    /// What RobustBench publishes, with what was measured here beside it: `natural 89.69 (here −0.09), AutoAttack 59.53`.
    fn published_figures(&self, model: &PublishedModel) -> String {
        let beside = |ours: Option<f64>, theirs: f64| {
            let here = ours.map(|ours| format!(" (here {})", format::signed(ours - theirs))).unwrap_or_default();
            format!("{}{here}", format::percent(theirs))
        };
        let scores = &self.model.scores;
        let auto_attack = scores.adversarial.as_ref().filter(|(attack, _)| attack == AUTO_ATTACK);
        let natural = beside(scores.natural, model.natural);
        format!("natural {natural}, {AUTO_ATTACK} {}", beside(auto_attack.map(|(_, ours)| *ours), model.autoattack))
    }
}

/// What the attack of RobustBench is called.
const AUTO_ATTACK: &str = "AutoAttack";
