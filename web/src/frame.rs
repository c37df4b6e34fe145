//! What every page has around its content.

/// What the header of every page says beside its links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Runs that have a worker now.
    pub running: usize,
    /// Runs that wait for a device or for other runs.
    pub waiting: usize,
    /// Why nothing is started at present, in a sentence.
    pub pause: Option<String>,
}

/// The part of the site that a page belongs to, marked in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `/`
    Overview,
    /// `/experiments` and each comparison.
    Comparisons,
    /// `/runs` and each run.
    Runs,
    /// `/models` and each imported model.
    Models,
    /// `/datasets`
    Datasets,
    /// `/paper`
    Paper,
    /// `/experiments/new`
    New,
    /// None of them: an error page.
    Elsewhere,
}

impl Section {
    /// Those that the navigation leads to.
    pub(crate) const ALL: [Self; 7] =
        [Self::Overview, Self::Comparisons, Self::Runs, Self::Models, Self::Datasets, Self::Paper, Self::New];

    /// The addresses of those that many people have open: all but the form.
    pub fn shared() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(|section| *section != Self::New).map(|section| section.link().0)
    }

    /// Its address, and its name in the navigation: what stands on every screen, and what follows on wide ones.
    pub(crate) const fn link(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overview => ("/", "Overview", ""),
            Self::Comparisons => ("/experiments", "Comparisons", ""),
            Self::Runs => ("/runs", "Runs", ""),
            Self::Models => ("/models", "Models", ""),
            Self::Datasets => ("/datasets", "Datasets", ""),
            Self::Paper => ("/paper", "Paper", ""),
            Self::New => ("/experiments/new", "New", " experiment"),
            Self::Elsewhere => ("", "", ""),
        }
    }
}

impl Frame {
    /// What runs and waits, in words: `1 running · 5 waiting`, or `idle`.
    pub fn who(&self) -> String {
        match (self.running, self.waiting) {
            (0, 0) => "idle".into(),
            (running, waiting) => format!("{running} running · {waiting} waiting"),
        }
    }
}
