//! `GET /models/uploads/{token}`: what an uploaded file is, before a model is made of it.

use askama::Template;
use retort_spec::{Architecture, Normaliser, Problem};

use crate::{Frame, Section, format};

/// What an uploaded file is, and what a person has to decide about it.
#[derive(Clone, Debug, Template)]
#[template(path = "model_upload.html")]
pub struct ModelUploadPage {
    /// The header.
    pub frame: Frame,
    /// What stands in the upload's address.
    pub token: String,
    /// What the browser called the file.
    pub file_name: String,
    /// Its bytes.
    pub bytes: u64,
    /// How it holds its weights, in words.
    pub format: String,
    /// Where it is from, in words, where Retort wrote it.
    pub origin: Option<String>,
    /// The networks in it; with several, one is chosen.
    pub networks: Vec<FoundNetwork>,
    /// What else it holds, or holds instead, that fits none: what that is nearest to, and what differs, in sentences.
    pub misses: Vec<Vec<String>>,
    /// The values in the form.
    pub form: ModelUploadForm,
    /// Why nothing was kept; empty before anything was sent.
    pub problems: Vec<Problem>,
    /// The datasets whose classes are known and as many as a network's.
    pub datasets: Vec<String>,
}

/// The choices about an upload, as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelUploadForm {
    /// What to call the model; empty for the file's name.
    pub title: String,
    /// Which network, by its path.
    pub weights: String,
    /// A dataset's name, names between commas, or a number of classes.
    pub classes: String,
    /// What the images were normalised by outside of the network: empty for what the keys tell.
    pub normaliser: String,
    /// Whether a network is taken whose answers may be others than those of its own code.
    pub despite_doubt: bool,
}

/// A network in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundNetwork {
    /// Where it stands, as the form names it.
    pub path: String,
    /// Where it stands, in words.
    pub place: String,
    /// Whether it is an average over training steps.
    pub is_average: bool,
    /// The architecture that fits.
    pub architecture: Architecture,
    /// How many classes it tells apart.
    pub classes: usize,
    /// Its trainable parameters.
    pub parameters: usize,
    /// Its tensors, counters included.
    pub tensors: usize,
    /// The types of its numbers.
    pub dtypes: Vec<String>,
    /// How many tensors differ from the first network's.
    pub differing: Option<usize>,
    /// The normaliser among its tensors.
    pub normaliser: Option<String>,
    /// Why it is not clear whether there is one.
    pub unclear_normaliser: Option<String>,
    /// Why its answers may be others than those of its own code.
    pub doubt: Option<String>,
    /// Why it cannot be imported.
    pub fault: Option<String>,
    /// What an import takes off, leaves out or converts, in sentences.
    pub notes: Vec<String>,
}

impl ModelUploadPage {
    const SECTION: Section = Section::Models;

    fn wrong(&self, field: &str) -> String {
        let of_field: Vec<_> = self.problems.iter().filter(|p| p.field == field).map(|p| p.message.as_str()).collect();
        format::upper_first(&of_field.join("; "))
    }

    fn can_be_kept(&self) -> bool {
        self.networks.iter().any(|network| network.fault.is_none())
    }

    fn has_doubts(&self) -> bool {
        self.networks.iter().any(|network| network.doubt.is_some())
    }

    /// The normalisers that have names: the name, and the name with the numbers.
    fn normalisers() -> [(&'static str, String); Normaliser::PRESETS.len()] {
        Normaliser::PRESETS.map(|(name, preset)| (name, preset.in_full()))
    }
}

impl FoundNetwork {
    fn is_chosen(&self, form: &ModelUploadForm) -> bool {
        self.path == form.weights
    }

    /// What sets it apart from the other networks.
    fn remarks(&self) -> String {
        let average = if self.is_average { ", an average over training steps by its name" } else { "" };
        let differs = |n| format!("; {} from the first", format::plural(n, "tensor differs", "tensors differ"));
        average.to_owned() + &self.differing.map(differs).unwrap_or_default()
    }

    fn normaliser(&self) -> String {
        match (&self.unclear_normaliser, &self.normaliser) {
            (Some(unclear), _) => format::upper_first(unclear),
            (None, Some(found)) => found.clone(),
            (None, None) => "no key tells of one".into(),
        }
    }
}
