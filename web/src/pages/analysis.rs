//! Analyses on pages: maps of features, differences of correlations, galleries.

use std::sync::Arc;

use retort_spec::{
    AdversarialImages, AnalyseSpec, Analysis, AnalysisResult, CorrelationMaps, Difference, FeatureMaps, Gallery,
    GalleryImage, LogitStatistic,
};

use crate::{
    RunRow,
    figures::{self, AnalysisFiles, Figure, answer_words},
    findings, format,
    tables::Values,
    words::{escape, shown},
};

/// One analysis with what it found.
#[derive(Clone, Debug)]
pub struct AnalysisView {
    /// Its run.
    pub run: RunRow,
    /// What it computes.
    pub spec: AnalyseSpec,
    /// What it left, once it has finished.
    pub files: Option<Arc<AnalysisFiles>>,
    /// How differences of correlations are drawn.
    pub values: Values,
    /// The title of its experiment, where that is shown beside another one.
    pub beside: Option<String>,
}

/// Two classes with the differences of their values.
pub(super) struct Pair {
    pub classes: String,
    pub natural: String,
    pub adversarial: String,
}

/// An image of a gallery.
pub(super) struct GalleryRow {
    pub picture: String,
    pub class: String,
    pub place: usize,
    pub cells: Vec<GalleryCell>,
}

/// An image as one model sees it.
pub(super) struct GalleryCell {
    pub natural: String,
    pub natural_is_right: bool,
    pub change: String,
    pub picture: String,
    pub attacked: String,
    pub attacked_is_right: bool,
}

/// Pairs of classes that a table lists of a map.
const PAIRS: usize = 10;

impl AnalysisView {
    pub(super) fn is_features(&self) -> bool {
        matches!(self.spec.analysis, Analysis::Features { .. })
    }

    pub(super) fn is_correlation(&self) -> bool {
        matches!(self.spec.analysis, Analysis::Correlation { .. })
    }

    pub(super) fn is_gallery(&self) -> bool {
        matches!(self.spec.analysis, Analysis::Gallery { .. })
    }

    /// What it is, with a capital; of differences also from whom.
    pub(super) fn title(&self) -> String {
        let title = format::upper_first(&self.spec.analysis.title());
        match (&self.spec.analysis, self.spec.models.as_slice()) {
            (Analysis::Correlation { .. }, [teacher, student]) => {
                format!("{title}: {} less {}", teacher.name, student.name)
            }
            (Analysis::Correlation { .. }, [teacher, ..]) => format!("{title}: {} less each model", teacher.name),
            _ => title,
        }
    }

    /// Of which experiment if that is not the page's, which models, on which images.
    pub(super) fn about(&self) -> String {
        let about = findings::models_and_attack(&self.spec);
        self.beside.as_ref().map_or_else(|| about.clone(), |title| format!("{title} · {about}"))
    }

    fn result(&self) -> Option<&AnalysisResult> {
        self.files.as_ref().map(|files| &files.result)
    }

    pub(super) fn features(&self) -> Option<&FeatureMaps> {
        match self.result()? {
            AnalysisResult::Features(maps) => Some(maps),
            _ => None,
        }
    }

    pub(super) fn correlation(&self) -> Option<&CorrelationMaps> {
        match self.result()? {
            AnalysisResult::Correlation(maps) => Some(maps),
            _ => None,
        }
    }

    pub(super) fn gallery(&self) -> Option<&Gallery> {
        match self.result()? {
            AnalysisResult::Gallery(gallery) => Some(gallery),
            _ => None,
        }
    }

    /// What it finds; empty before it has finished.
    pub(super) fn finding(&self) -> String {
        self.result().map(|result| findings::analysis_finding(&self.spec, result)).unwrap_or_default()
    }

    /// How many images of each kind feature maps have.
    pub(super) fn feature_images(maps: &FeatureMaps) -> String {
        let [attacked, target, adversarial] = maps.maps.first().map(|map| map.counts).unwrap_or_default();
        format!("{attacked} {} and {target} {} test images, {adversarial} adversarial ones", maps.attacked, maps.target)
    }

    /// All of it as one drawing, to take along; none before it has finished.
    pub fn figure(&self) -> Option<Figure> {
        figures::analysis_figure(&self.spec, self.files.as_deref()?, self.values)
    }

    /// Whether it has a figure to take along.
    pub(super) fn has_figure(&self) -> bool {
        self.files
            .as_ref()
            .is_some_and(|files| !matches!(files.result, AnalysisResult::Gallery(_)) || files.sheet.is_some())
    }

    /// The name of its figure's file in a frozen copy.
    pub fn file_name(&self) -> String {
        format!("analysis-{}", self.run.label.id)
    }

    /// The address of its figure as a file.
    pub(super) fn figure_href(&self, format: figures::FigureFormat) -> String {
        let signed = if self.values == Values::Signed { "?correlation=signed" } else { "" };
        format!("/runs/{}/figure.{}{signed}", self.run.label.id, format.extension())
    }

    /// How the values of its maps are computed, in a few sentences.
    pub(super) fn correlation_method(&self, maps: &CorrelationMaps) -> String {
        let Analysis::Correlation { statistic, adversarial } = self.spec.analysis else { return String::new() };
        let (images, teacher) = (format::count(maps.images), &maps.teacher);
        let what = match statistic {
            LogitStatistic::Correlation => {
                format!("Pearson correlations between the logits of each pair of classes over {images} test images")
            }
            LogitStatistic::ClassMean => format!(
                "Mean logits of each class (columns) over the images of each class (rows), of {images} test images; they are \
                 divided by 3 to lie in the range of the published notebook's colours, and the diagonal is left out"
            ),
        };
        let size = if self.values == Values::Signed { "" } else { ", as their size" };
        let shown = match adversarial {
            AdversarialImages::Shared => "made on the model and shown to both",
            AdversarialImages::WhiteBox => "made on each of the two itself",
        };
        format!("{what}: those of {teacher} less those of the model{size}. Adversarial images are {shown}.")
    }

    pub(super) fn scale(&self, maps: &CorrelationMaps) -> String {
        figures::scale(figures::largest_difference(maps), self.values)
    }

    /// For each model: the places of two classes whose values differ most, on natural or on adversarial images.
    pub(super) fn pairs(&self, maps: &CorrelationMaps) -> Vec<(String, Vec<Pair>)> {
        let is_symmetric =
            matches!(self.spec.analysis, Analysis::Correlation { statistic: LogitStatistic::Correlation, .. });
        let count = maps.classes.len().max(1);
        let is_listed = |place: &usize| {
            let (row, column) = (place / count, place % count);
            if is_symmetric { row < column } else { row != column }
        };
        let list = |map: &retort_spec::CorrelationMap| {
            let larger = |place: usize| map.natural.values[place].abs().max(map.adversarial.values[place].abs());
            let mut places: Vec<usize> = (0..count * count).filter(is_listed).collect();
            places.sort_by(|a, b| larger(*b).total_cmp(&larger(*a)));
            let row = |place: &usize| {
                let value = |difference: &Difference| format::signed_to(f64::from(difference.values[*place]), 3);
                let (row, column) = (&maps.classes[place / count], &maps.classes[place % count]);
                let classes = if is_symmetric {
                    format!("{row} – {column}")
                } else {
                    format!("images of {row}, logit of {column}")
                };
                Pair { classes, natural: value(&map.natural), adversarial: value(&map.adversarial) }
            };
            (map.model.clone(), places.iter().take(PAIRS).map(row).collect())
        };
        maps.maps.iter().map(list).collect()
    }

    /// The rows of a gallery's table.
    pub(super) fn gallery_rows(&self, gallery: &Gallery) -> Vec<GalleryRow> {
        const PITCH: usize = Gallery::PITCH;
        let (width, height) = ((1 + 2 * gallery.models.len()) * PITCH, gallery.images.len() * PITCH);
        // The piece of the sheet that shows one picture.
        let picture = |row: usize, column: usize, words: &str| {
            format!(
                r#"<svg class="picture" viewBox="{} {} 32 32" role="img" aria-label="{}"><image href="/runs/{}/gallery.png" width="{width}" height="{height}"/></svg>"#,
                column * PITCH,
                row * PITCH,
                escape(words),
                self.run.label.id
            )
        };
        let row = |(row, image): (usize, &GalleryImage)| GalleryRow {
            picture: picture(row, 0, &image.class),
            class: image.class.clone(),
            place: image.place,
            cells: image
                .answers
                .iter()
                .enumerate()
                .map(|(model, [natural, attacked])| GalleryCell {
                    natural: answer_words(natural, &image.class),
                    natural_is_right: natural.class == image.class,
                    change: picture(row, 2 * model + 1, "what the attack changed"),
                    picture: picture(row, 2 * model + 2, "attacked image"),
                    attacked: answer_words(attacked, &image.class),
                    attacked_is_right: attacked.class == image.class,
                })
                .collect(),
        };
        gallery.images.iter().enumerate().map(row).collect()
    }
}

/// The class names as a page's script reads them.
pub(super) fn class_list(maps: &CorrelationMaps) -> String {
    serde_json::to_string(&maps.classes.iter().map(|class| shown(class)).collect::<Vec<_>>()).unwrap_or_default()
}
