//! Figures of analyses: maps of features and differences of correlations, side by side.

mod gallery;
mod heat_map;
mod panels;
mod scatter;

use retort_spec::{AnalyseSpec, AnalysisResult, CorrelationMap, CorrelationMaps, Difference, FeatureMap, FeatureMaps};

pub(crate) use self::gallery::answer_words;
use self::gallery::gallery_figure;
pub(super) use self::heat_map::LEVELS;
pub use self::{
    heat_map::{heat_map, scale},
    panels::{Key, Panel, panels},
    scatter::{kind_swatch, scatter},
};
use super::Figure;
use crate::{findings, format, tables::Values};

/// What an analysis leaves in its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisFiles {
    /// What it found.
    pub result: AnalysisResult,
    /// Of a gallery: the sheet of its pictures, as PNG.
    pub sheet: Option<Vec<u8>>,
}

/// All of an analysis as one drawing; none of a gallery whose sheet is not there. Signed differences of
/// correlations have one colour below zero and another above.
pub fn analysis_figure(spec: &AnalyseSpec, files: &AnalysisFiles, values: Values) -> Option<Figure> {
    let title = format::upper_first(&spec.analysis.title());
    let finding = findings::analysis_finding(spec, &files.result);
    let caption = format!("{finding} {}.", findings::models_and_attack(spec));
    match &files.result {
        AnalysisResult::Features(maps) => {
            let kinds = vec![maps.attacked.clone(), maps.target.clone(), findings::made_on(maps)];
            Some(panels(title, caption, &Key::Kinds(kinds), &feature_panels(maps)))
        }
        AnalysisResult::Correlation(maps) => {
            let how = if values == Values::Signed { "with their sign" } else { "as their size" };
            let title = format!("{title}: {} less each model, {how}", maps.teacher);
            let key = Key::Colours { most: largest_difference(maps), values };
            Some(panels(title, caption, &key, &correlation_panels(spec, maps, values)))
        }
        AnalysisResult::Gallery(gallery) => gallery_figure(title, caption, gallery, files.sheet.as_deref()?),
    }
}

/// The maps, natural and adversarial for each model.
pub(crate) fn correlation_panels(spec: &AnalyseSpec, maps: &CorrelationMaps, values: Values) -> Vec<Panel> {
    let most = largest_difference(maps);
    let panel = |model: &str, images: &str, difference: &Difference, is_collapsed: bool| {
        // As large as what a table of the values prints.
        let largest = difference.values.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        let mut lines = vec![format!("mean {:.4}, most {largest:.3}, ‖D‖ {:.2}", difference.mean, difference.norm)];
        if is_collapsed {
            lines.push("collapsed: the same logits for every image".into());
        }
        let title = format!("{model}, {images}");
        let description = format!("Differences of {} of {title}: {}", spec.analysis.title(), lines[0]);
        let svg = heat_map(&difference.values, &maps.classes, (most, values), &description);
        Panel { title, svg, lines }
    };
    let pair = |map: &CorrelationMap| {
        let of =
            |images, difference| panel(&map.model, images, difference, map.is_collapsed || maps.teacher_is_collapsed);
        [of("natural", &map.natural), of("adversarial", &map.adversarial)]
    };
    maps.maps.iter().flat_map(pair).collect()
}

/// The maps of features, side by side.
pub(crate) fn feature_panels(maps: &FeatureMaps) -> Vec<Panel> {
    let panel = |map: &FeatureMap| {
        let lines = feature_lines(map, maps);
        let description = format!("t-SNE map of {}'s features. {}", map.model, lines.join(". "));
        Panel { title: map.model.clone(), svg: scatter(&map.points, &map.counts, &description), lines }
    };
    maps.maps.iter().map(panel).collect()
}

/// The largest difference of all maps, which the deepest colour shows.
pub(crate) fn largest_difference(maps: &CorrelationMaps) -> f64 {
    maps.maps.iter().flat_map(|map| [map.natural.max, map.adversarial.max]).fold(0.0, f64::max)
}

fn feature_lines(map: &FeatureMap, maps: &FeatureMaps) -> Vec<String> {
    if map.is_collapsed {
        return vec!["collapsed: the same features for every image".into(), "its figures mean nothing".into()];
    }
    let n = map.counts[2];
    let [to_own, to_target] = map.centroid_distances;
    vec![
        format!("silhouette {:.3}", map.silhouette),
        format!("{} of {n} adversarial images among {}", map.among_own, maps.attacked),
        match map.mistaken {
            Some(mistaken) => format!("{} of {n} taken for {}, natural {mistaken}", map.fooled, maps.target),
            None => format!("{} of {n} taken for {}", map.fooled, maps.target),
        },
        format!("centroids: {to_own:.2} to {}, {to_target:.2} to {}", maps.attacked, maps.target),
    ]
}
