//! Analyses on pages: maps of features, differences of correlations, galleries.

use retort_spec::{
    AnalyseSpec, Analysis, AnalysisResult, Answer, CorrelationMaps, Difference, FeatureMap, FeatureMaps, Gallery,
    GalleryImage,
};

use crate::{
    RunRow,
    figures::{self, Figure, Key, Panel},
    format,
};

/// One analysis with what it found.
#[derive(Clone, Debug)]
pub struct AnalysisView {
    /// Its run.
    pub run: RunRow,
    /// What it computes.
    pub spec: AnalyseSpec,
    /// What it found, once it has finished.
    pub result: Option<AnalysisResult>,
    /// Whether differences of correlations are drawn with their sign.
    pub is_signed: bool,
}

/// Two classes with the differences of their correlation.
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

/// Distances of a gallery's sheet: from one picture to the next.
const PITCH: usize = 34;

/// Pairs of classes that a table lists of a map.
const PAIRS: usize = 10;

impl AnalysisView {
    pub(super) fn is_features(&self) -> bool {
        matches!(self.spec.analysis, Analysis::Features { .. })
    }

    pub(super) fn is_correlation(&self) -> bool {
        matches!(self.spec.analysis, Analysis::Correlation {})
    }

    pub(super) fn is_gallery(&self) -> bool {
        matches!(self.spec.analysis, Analysis::Gallery { .. })
    }

    /// Which models, on which images.
    pub(super) fn about(&self) -> String {
        let models: Vec<_> = self.spec.models.iter().map(|model| model.name.as_str()).collect();
        format!("{} · {}", models.join(", "), self.spec.attack().describe())
    }

    pub(super) fn features(&self) -> Option<&FeatureMaps> {
        match &self.result {
            Some(AnalysisResult::Features(maps)) => Some(maps),
            _ => None,
        }
    }

    pub(super) fn correlation(&self) -> Option<&CorrelationMaps> {
        match &self.result {
            Some(AnalysisResult::Correlation(maps)) => Some(maps),
            _ => None,
        }
    }

    pub(super) fn gallery(&self) -> Option<&Gallery> {
        match &self.result {
            Some(AnalysisResult::Gallery(gallery)) => Some(gallery),
            _ => None,
        }
    }

    /// All its panels as one drawing, to take along; none before it has finished, and none of a gallery.
    pub fn figure(&self) -> Option<Figure> {
        let (key, panels, caption) = match self.result.as_ref()? {
            AnalysisResult::Features(maps) => {
                let kinds = vec![maps.attacked.clone(), maps.target.clone(), made_on(maps)];
                (Key::Kinds(kinds), feature_panels(maps), feature_finding(maps))
            }
            AnalysisResult::Correlation(maps) => {
                let key = Key::Colours { most: most(maps), is_signed: self.is_signed };
                (key, self.correlation_panels(maps), correlation_finding(maps))
            }
            AnalysisResult::Gallery(_) => return None,
        };
        let title = format::upper_first(&self.spec.analysis.title());
        Some(figures::panels(title, format!("{caption} {}.", self.about()), &key, &panels))
    }

    /// The name of its figure's file in a frozen copy.
    pub fn file_name(&self) -> String {
        format!("analysis-{}", self.run.label.id)
    }

    /// The address of its figure as a file.
    pub(super) fn figure_href(&self, format: figures::FigureFormat) -> String {
        let signed = if self.is_signed { "?correlation=signed" } else { "" };
        format!("/runs/{}/figure.{}{signed}", self.run.label.id, format.extension())
    }

    pub(super) fn scale(&self, maps: &CorrelationMaps) -> String {
        figures::scale(most(maps), self.is_signed)
    }

    /// The maps, natural and adversarial for each model.
    pub(super) fn correlation_panels(&self, maps: &CorrelationMaps) -> Vec<Panel> {
        let most = most(maps);
        let panel = |model: &str, images: &str, difference: &Difference| {
            let lines =
                vec![format!("mean {:.4}, most {:.3}, ‖D‖ {:.2}", difference.mean, difference.max, difference.norm)];
            let title = format!("{model}, {images}");
            let description = format!("Differences of logit correlations of {title}: {}", lines[0]);
            let svg = figures::heat_map(&difference.values, maps.classes.len(), most, self.is_signed, &description);
            Panel { title, svg, lines }
        };
        let pair = |map: &retort_spec::CorrelationMap| {
            [panel(&map.model, "natural", &map.natural), panel(&map.model, "adversarial", &map.adversarial)]
        };
        maps.maps.iter().flat_map(pair).collect()
    }

    /// The rows of a gallery's table.
    pub(super) fn gallery_rows(&self, gallery: &Gallery) -> Vec<GalleryRow> {
        let (width, height) = ((1 + 2 * gallery.models.len()) * PITCH, gallery.images.len() * PITCH);
        // The piece of the sheet that shows one picture.
        let picture = |row: usize, column: usize, words: &str| {
            format!(
                r#"<svg class="picture" viewBox="{} {} 32 32" role="img" aria-label="{}"><image href="/runs/{}/gallery.png" width="{width}" height="{height}"/></svg>"#,
                column * PITCH,
                row * PITCH,
                figures::escape(words),
                self.run.label.id
            )
        };
        // A cross too, for those who cannot tell red.
        let words = |answer: &Answer, class: &str| {
            let cross = if answer.class == class { "" } else { "✗ " };
            format!("{cross}{} {:.0} %", answer.class, answer.confidence)
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
                    natural: words(natural, &image.class),
                    natural_is_right: natural.class == image.class,
                    change: picture(row, 2 * model + 1, "what the attack changed"),
                    picture: picture(row, 2 * model + 2, "attacked image"),
                    attacked: words(attacked, &image.class),
                    attacked_is_right: attacked.class == image.class,
                })
                .collect(),
        };
        gallery.images.iter().enumerate().map(row).collect()
    }
}

/// The maps of features, side by side.
pub(super) fn feature_panels(maps: &FeatureMaps) -> Vec<Panel> {
    let panel = |map: &FeatureMap| {
        let lines = feature_lines(map, maps);
        let description = format!("t-SNE map of {}'s features. {}", map.model, lines.join(". "));
        Panel { title: map.model.clone(), svg: figures::scatter(&map.points, &map.counts, &description), lines }
    };
    maps.maps.iter().map(panel).collect()
}

/// What the feature maps find: where the classes lie furthest apart, where the adversarial images stay with their own.
pub(super) fn feature_finding(maps: &FeatureMaps) -> String {
    let Some(apart) = maps.maps.iter().max_by(|a, b| a.silhouette.total_cmp(&b.silhouette)) else {
        return String::new();
    };
    let own = |map: &FeatureMap| map.among_own as f64 / map.counts[2].max(1) as f64;
    let Some(kept) = maps.maps.iter().max_by(|a, b| own(a).total_cmp(&own(b))) else { return String::new() };
    format!(
        "{} and {} lie furthest apart in {} (silhouette {:.3}); in {} most adversarial images stay with their class ({:.0} %).",
        maps.attacked,
        maps.target,
        apart.model,
        apart.silhouette,
        kept.model,
        100.0 * own(kept)
    )
}

pub(super) fn made_on(maps: &FeatureMaps) -> String {
    let (attacked, target) = (&maps.attacked, &maps.target);
    match &maps.made_on {
        Some(model) => format!("adversarial {attacked}, made on {model} to be taken for {target}"),
        None => format!("adversarial {attacked}, made on each model to be taken for {target}"),
    }
}

/// The most that the colours of all maps show.
pub(super) fn most(maps: &CorrelationMaps) -> f64 {
    maps.maps.iter().flat_map(|map| [map.natural.max, map.adversarial.max]).fold(0.0, f64::max)
}

/// Which model is nearest to the teacher.
pub(super) fn correlation_finding(maps: &CorrelationMaps) -> String {
    let nearest = |of: fn(&retort_spec::CorrelationMap) -> f64| {
        maps.maps.iter().min_by(|a, b| of(a).total_cmp(&of(b))).map(|map| (map.model.as_str(), of(map)))
    };
    match (nearest(|map| map.natural.mean), nearest(|map| map.adversarial.mean)) {
        (Some((natural, a)), Some((adversarial, b))) => format!(
            "Nearest to {} on average: {natural} on natural images ({a:.4}), {adversarial} on adversarial ones ({b:.4}).",
            maps.teacher
        ),
        _ => String::new(),
    }
}

/// The class names as a page's script reads them.
pub(super) fn class_list(maps: &CorrelationMaps) -> String {
    serde_json::to_string(&maps.classes).unwrap_or_default()
}

/// For each model: the pairs of classes whose correlations differ most on natural images, with both differences.
pub(super) fn pairs(maps: &CorrelationMaps) -> Vec<(String, Vec<Pair>)> {
    let count = maps.classes.len();
    let list = |map: &retort_spec::CorrelationMap| {
        let mut places: Vec<usize> = (0..count * count).filter(|p| p / count.max(1) < p % count.max(1)).collect();
        places.sort_by(|a, b| map.natural.values[*b].abs().total_cmp(&map.natural.values[*a].abs()));
        let row = |place: &usize| {
            let value = |difference: &Difference| format::signed_to(f64::from(difference.values[*place]), 3);
            let names = format!("{} – {}", maps.classes[place / count], maps.classes[place % count]);
            Pair { classes: names, natural: value(&map.natural), adversarial: value(&map.adversarial) }
        };
        (map.model.clone(), places.iter().take(PAIRS).map(row).collect())
    };
    maps.maps.iter().map(list).collect()
}

fn feature_lines(map: &FeatureMap, maps: &FeatureMaps) -> Vec<String> {
    let n = map.counts[2];
    let [to_own, to_target] = map.centroid_distances;
    vec![
        format!("silhouette {:.3}", map.silhouette),
        format!("{} of {n} adversarial images among {}", map.among_own, maps.attacked),
        format!("{} of {n} taken for {}", map.fooled, maps.target),
        format!("centroids: {to_own:.2} to {}, {to_target:.2} to {}", maps.attacked, maps.target),
    ]
}
