//! `GET /models`, `GET /models/{id}`, and what `POST /models` answers when nothing could be read.

use askama::Template;
use retort_spec::{Architecture, Problem, PublishedModel};

use super::evaluate_form::EvaluateForm;
use crate::{
    Frame, Score, Scores, Section,
    format::{self, Moment},
    pages::{Head, ListOrder, SavedViews, SortColumn},
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
    /// Its natural and its lowest adversarial accuracy, where it was evaluated.
    pub scores: Scores,
    /// All its accuracies.
    pub accuracies: Vec<Score>,
    /// Bytes of its file; none where the file is gone.
    pub bytes: Option<u64>,
    /// Where it is from: `run 3`, or the name of the imported file.
    pub origin: String,
    /// When it was finished or imported.
    pub since: Moment,
    /// Where to download it.
    pub download: String,
    /// By what a comparison is asked for it: `run` or `model`, and its number.
    pub choice: (&'static str, i64),
    /// What its name does not say, in a line.
    pub detail: String,
}

/// What the list of models is narrowed to. An empty field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFilter {
    /// `imported` or `trained`.
    pub origin: String,
    /// A method's id.
    pub method: String,
    /// An architecture's id.
    pub architecture: String,
    /// A dataset's name.
    pub dataset: String,
    /// Words of its name or of where it is from.
    pub text: String,
}

/// All models: those that were imported, and those that finished trainings left.
#[derive(Clone, Debug, Template)]
#[template(path = "models.html")]
pub struct ModelsPage {
    /// The header.
    pub frame: Frame,
    /// Why nothing was imported; empty before anything was sent.
    pub problems: Vec<Problem>,
    /// The filter in force.
    pub filter: ModelFilter,
    /// The order in force.
    pub order: ListOrder,
    /// The heads of [`COLUMNS`](Self::COLUMNS).
    pub heads: Vec<Head>,
    /// Names of the datasets to choose from.
    pub datasets: Vec<String>,
    /// Imported models in their order.
    pub imported: Vec<ModelRow>,
    /// How many the filter lets through in all.
    pub total_imported: usize,
    /// This page's models of finished trainings in their order.
    pub trained: Vec<ModelRow>,
    /// How many the filter lets through on all pages.
    pub total_trained: usize,
    /// Address of the next page.
    pub older: Option<String>,
    /// Address of the page before.
    pub newer: Option<String>,
    /// Named addresses of this list.
    pub views: SavedViews,
}

impl ModelsPage {
    const SECTION: Section = Section::Models;

    /// The columns by which models can be ordered, in the order of the table.
    pub const COLUMNS: [SortColumn; 7] = [
        SortColumn::words("model", "Model"),
        SortColumn::words("dataset", "Dataset"),
        SortColumn::numbers("natural", "Natural, %"),
        SortColumn::numbers("pgd-20", "PGD-20, %"),
        SortColumn::numbers("autoattack", "AutoAttack, %"),
        SortColumn::numbers("size", "Size"),
        SortColumn { is_right: false, ..SortColumn::numbers("since", "Since") },
    ];

    /// The order where the address says nothing: the newest first.
    pub const NEWEST: ListOrder = ListOrder { column: Self::COLUMNS[6], is_reversed: false };

    /// The attacks that have a column of their own, by their names: those by which the field compares.
    pub const ATTACKS: [&str; 2] = ["PGD-20", AUTO_ATTACK];

    /// How the address says the order; nothing for the usual one.
    fn sort(&self) -> String {
        self.order.unless(Self::NEWEST)
    }

    /// Whether a list of models is shown: of imported or of trained ones.
    fn shows(&self, origin: &str) -> bool {
        self.filter.origin.is_empty() || self.filter.origin == origin
    }
}

impl ModelRow {
    /// Its natural accuracy, then those under [`ModelsPage::ATTACKS`], where they were measured; of several the first, which was
    /// made with the model's own evaluation.
    pub fn columns(&self) -> [Option<&Score>; 3] {
        let [first, second] = ModelsPage::ATTACKS;
        ["natural", first, second].map(|name| self.accuracies.iter().find(|score| score.name() == name))
    }

    /// Its accuracies under other attacks: `FGSM 40.10, C&W 38.00`.
    fn others(&self) -> String {
        let is_other = |score: &&Score| score.attack.is_some() && !ModelsPage::ATTACKS.contains(&score.name().as_str());
        let others =
            self.accuracies.iter().filter(is_other).map(|score| format!("{} {}", score.name(), score.percent()));
        others.collect::<Vec<_>>().join(", ")
    }

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
