//! Figures of analyses: maps of features, differences of correlations, and what they find in words.

use retort_spec::{
    AnalyseSpec, AnalysisResult, CorrelationMap, CorrelationMaps, Difference, FeatureMap, FeatureMaps, Gallery,
};

use super::{Figure, Key, Panel, heat_map, scatter};
use crate::format;

/// All panels of an analysis as one drawing; none of a gallery, whose pictures are a sheet of their own. With `is_signed`,
/// differences of correlations have one colour below zero and another above.
pub fn analysis_figure(spec: &AnalyseSpec, result: &AnalysisResult, is_signed: bool) -> Option<Figure> {
    let (key, panels, caption) = match result {
        AnalysisResult::Features(maps) => {
            let kinds = vec![maps.attacked.clone(), maps.target.clone(), made_on(maps)];
            (Key::Kinds(kinds), feature_panels(maps), feature_finding(maps))
        }
        AnalysisResult::Correlation(maps) => (
            Key::Colours { most: most(maps), is_signed },
            correlation_panels(maps, is_signed),
            correlation_finding(maps),
        ),
        AnalysisResult::Gallery(_) => return None,
    };
    let title = format::upper_first(&spec.analysis.title());
    Some(super::panels(title, format!("{caption} {}.", about(spec)), &key, &panels))
}

/// What an analysis finds, in a sentence; empty if it is of nothing.
pub fn analysis_finding(result: &AnalysisResult) -> String {
    match result {
        AnalysisResult::Features(maps) => feature_finding(maps),
        AnalysisResult::Correlation(maps) => correlation_finding(maps),
        AnalysisResult::Gallery(gallery) => gallery_finding(gallery),
    }
}

/// Which models, on which images.
pub(crate) fn about(spec: &AnalyseSpec) -> String {
    let models: Vec<_> = spec.models.iter().map(|model| model.name.as_str()).collect();
    format!("{} · {}", models.join(", "), spec.attack().describe())
}

/// The maps, natural and adversarial for each model.
pub(crate) fn correlation_panels(maps: &CorrelationMaps, is_signed: bool) -> Vec<Panel> {
    let most = most(maps);
    let panel = |model: &str, images: &str, difference: &Difference| {
        let lines =
            vec![format!("mean {:.4}, most {:.3}, ‖D‖ {:.2}", difference.mean, difference.max, difference.norm)];
        let title = format!("{model}, {images}");
        let description = format!("Differences of logit correlations of {title}: {}", lines[0]);
        let svg = heat_map(&difference.values, &maps.classes, most, is_signed, &description);
        Panel { title, svg, lines }
    };
    let pair = |map: &CorrelationMap| {
        [panel(&map.model, "natural", &map.natural), panel(&map.model, "adversarial", &map.adversarial)]
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

/// What the feature maps find: where the classes lie furthest apart, where the adversarial images stay with their own.
pub(crate) fn feature_finding(maps: &FeatureMaps) -> String {
    let Some(apart) = maps.maps.iter().max_by(|a, b| a.silhouette.total_cmp(&b.silhouette)) else {
        return String::new();
    };
    let own = |map: &FeatureMap| map.among_own as f64 / map.counts[2].max(1) as f64;
    let Some(kept) = maps.maps.iter().max_by(|a, b| own(a).total_cmp(&own(b))) else { return String::new() };
    format!(
        "{} and {} lie furthest apart in {} (silhouette {:.3}); in {} most adversarial images stay with their class ({:.0} %).",
        format::upper_first(&maps.attacked),
        maps.target,
        apart.model,
        apart.silhouette,
        kept.model,
        100.0 * own(kept)
    )
}

pub(crate) fn made_on(maps: &FeatureMaps) -> String {
    let (attacked, target) = (&maps.attacked, &maps.target);
    match &maps.made_on {
        Some(model) => format!("adversarial {attacked}, made on {model} to be taken for {target}"),
        None => format!("adversarial {attacked}, made on each model to be taken for {target}"),
    }
}

/// The most that the colours of all maps show.
pub(crate) fn most(maps: &CorrelationMaps) -> f64 {
    maps.maps.iter().flat_map(|map| [map.natural.max, map.adversarial.max]).fold(0.0, f64::max)
}

/// Which model is nearest to the teacher.
pub(crate) fn correlation_finding(maps: &CorrelationMaps) -> String {
    let nearest = |of: fn(&CorrelationMap) -> f64| {
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

/// How many of the attacked images each model answers wrongly.
pub(crate) fn gallery_finding(gallery: &Gallery) -> String {
    let wrong =
        |model: usize| gallery.images.iter().filter(|image| image.answers[model][1].class != image.class).count();
    let counts: Vec<_> =
        gallery.models.iter().enumerate().map(|(place, model)| format!("{model} {}", wrong(place))).collect();
    let images = format::plural(gallery.images.len(), "attacked image", "attacked images");
    format!("Of {images} answered wrongly: {}.", counts.join(", "))
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
