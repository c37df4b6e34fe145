//! Maps of features.

use retort_spec::{Analysis, FEATURE_IMAGES, FeatureMap, FeatureMaps, Features};

use super::{
    About, AnalysisForm, Chosen, Found,
    range::{Range, collapsed_words},
};
use crate::{
    Template,
    figures::{Figure, Key, Panel, panels, scatter},
};

/// The form that asks for one.
#[derive(Template)]
#[template(path = "analyses/features_form.html")]
struct Form<'a> {
    classes: &'a [String],
}

impl Form<'_> {
    /// Whether a class is a form's first choice: the usual one, or that of a place.
    fn is_first(&self, class: &str, usual: &str, place: usize) -> bool {
        let usual = self.classes.iter().position(|other| other == usual).unwrap_or(place);
        self.classes.get(usual).is_some_and(|chosen| chosen == class)
    }
}

pub(super) const FORM: AnalysisForm = AnalysisForm {
    summary: "Map the features of two classes and of adversarial images between them",
    button: "Map the features",
    fields: |classes| Form { classes }.render(),
    read: |chosen: &Chosen| {
        Ok(Analysis::Features(Features {
            attacked: chosen.one("attacked").to_owned(),
            target: chosen.one("target").to_owned(),
            images: chosen.images()?,
            adversarial: chosen.parsed("adversarial")?,
        }))
    },
    has_signs: false,
};

/// What was found.
#[derive(Template)]
#[template(path = "analyses/features.html")]
pub(super) struct FoundFeatures<'a> {
    pub about: About<'a>,
    pub maps: &'a FeatureMaps,
}

impl Found for FoundFeatures<'_> {
    fn finding(&self) -> String {
        finding(self.maps)
    }

    fn html(&self) -> askama::Result<String> {
        self.render()
    }

    fn figure(&self, title: String, caption: String) -> Option<Figure> {
        let maps = self.maps;
        let kinds = vec![maps.attacked.clone(), maps.target.clone(), made_on(maps)];
        Some(panels(title, caption, &Key::Kinds(kinds), &feature_panels(maps)))
    }
}

impl FoundFeatures<'_> {
    fn made_on(&self) -> String {
        made_on(self.maps)
    }

    fn panels(&self) -> Vec<Panel> {
        feature_panels(self.maps)
    }

    /// How many images of each kind feature maps have.
    fn images(&self) -> String {
        let maps = self.maps;
        let [attacked, target, adversarial] = maps.maps.first().map(|map| map.counts).unwrap_or_default();
        format!("{attacked} {} and {target} {} test images, {adversarial} adversarial ones", maps.attacked, maps.target)
    }
}

/// Silhouettes that differ by less are called alike; the margin is ours.
const SILHOUETTES: f64 = 0.05;
/// What the feature maps find: from where to where the silhouettes of the two classes reach, and the shares of adversarial images
/// that stay with their own. Which model is the best is not said: these figures have no test. What has collapsed is named, and is
/// in no range.
fn finding(maps: &FeatureMaps) -> String {
    let (collapsed, whole): (Vec<&FeatureMap>, Vec<&FeatureMap>) = maps.maps.iter().partition(|map| map.is_collapsed);
    let names: Vec<&str> = collapsed.iter().map(|map| map.model.as_str()).collect();
    [separation(maps, &whole), collapsed_words(&names, "features")].concat().trim_start().to_owned()
}

fn separation(maps: &FeatureMaps, whole: &[&FeatureMap]) -> String {
    let apart = |map: &&FeatureMap| format!("{:.3}", map.silhouette);
    let images = |map: &FeatureMap| map.counts[2].max(1) as f64;
    let own = |map: &&FeatureMap| map.among_own as f64 / images(map);
    let kept = |map: &&FeatureMap| format!("{:.0}", 100.0 * own(map));
    // Two shares of so many images that are alike differ by no more in 95 of 100 cases.
    let noise = whole.first().map_or(1.0, |map| 1.96 * (0.5 / images(map)).sqrt());
    let (Some(silhouettes), Some(shares)) = (
        Range::of(whole, |map| &map.model, |map| map.silhouette, apart, |low, high| high - low >= SILHOUETTES),
        Range::of(whole, |map| &map.model, own, kept, |low, high| high - low > noise),
    ) else {
        return String::new();
    };
    let alone = match whole {
        [only] if maps.maps.len() > 1 => format!(" in {}", only.model),
        _ => String::new(),
    };
    format!(
        "Silhouette of {} and {}{alone}: {}. Adversarial images that stay with their class: {}.",
        maps.attacked,
        maps.target,
        silhouettes.words(""),
        shares.words("\u{a0}%")
    )
}

/// What the adversarial images of feature maps are.
fn made_on(maps: &FeatureMaps) -> String {
    let (attacked, target) = (&maps.attacked, &maps.target);
    match &maps.made_on {
        Some(model) => format!("adversarial {attacked}, made on {model} to be taken for {target}"),
        None => format!("adversarial {attacked}, made on each model to be taken for {target}"),
    }
}

/// The maps of features, side by side.
fn feature_panels(maps: &FeatureMaps) -> Vec<Panel> {
    let panel = |map: &FeatureMap| {
        let lines = feature_lines(map, maps);
        let description = format!("t-SNE map of {}'s features. {}", map.model, lines.join(". "));
        Panel { title: map.model.clone(), svg: scatter(&map.points, &map.counts, &description), lines }
    };
    maps.maps.iter().map(panel).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn map(model: &str, silhouette: f64, among_own: usize) -> FeatureMap {
        FeatureMap {
            model: model.into(),
            points: vec![],
            counts: [100; 3],
            fooled: 0,
            mistaken: Some(0),
            silhouette,
            among_own,
            centroid_distances: [0.0; 2],
            is_collapsed: false,
        }
    }

    fn maps(maps: Vec<FeatureMap>) -> FeatureMaps {
        FeatureMaps { attacked: "truck".into(), target: "bird".into(), made_on: None, maps }
    }

    #[test]
    fn figures_that_clearly_differ_name_the_models_at_their_ends_and_crown_none() {
        let three = vec![map("Natural", 0.1, 55), map("ARD", 0.29601, 97), map("GACD", 0.29604, 97)];
        assert_eq!(
            finding(&maps(three)),
            "Silhouette of truck and bird: 0.100 (Natural) to 0.296 (ARD and GACD). Adversarial images that stay with their \
             class: 55\u{a0}% (Natural) to 97\u{a0}% (ARD and GACD)."
        );
        assert_eq!(finding(&maps(vec![])), "");
    }

    #[test]
    fn figures_that_hardly_differ_are_alike() {
        assert_eq!(
            finding(&maps(vec![map("ARD", 0.29, 90), map("KD", 0.3, 84)])),
            "Silhouette of truck and bird: 0.290 to 0.300, alike in all. Adversarial images that stay with their class: 84 to \
             90\u{a0}%, alike in all."
        );
        assert_eq!(
            finding(&maps(vec![map("ARD", 0.2, 90)])),
            "Silhouette of truck and bird: 0.200. Adversarial images that stay with their class: 90\u{a0}%."
        );
    }

    #[test]
    fn a_model_whose_features_are_all_equal_is_called_collapsed_and_is_at_no_end() {
        let collapsed = |model| FeatureMap { is_collapsed: true, ..map(model, 0.0, 100) };
        // Among coinciding points every adversarial image is with its own class, and a silhouette of 0 beats a negative one.
        let words = finding(&maps(vec![map("ARD", -0.01, 60), collapsed("KD"), map("GACD", -0.2, 40)]));
        assert_eq!(
            words,
            "Silhouette of truck and bird: -0.200 (GACD) to -0.010 (ARD). Adversarial images that stay with their class: \
             40\u{a0}% (GACD) to 60\u{a0}% (ARD). KD has collapsed: its features are the same for every image, so its figures \
             mean nothing."
        );
        let words = finding(&maps(vec![map("ARD", 0.2, 90), collapsed("KD")]));
        assert!(words.starts_with("Silhouette of truck and bird in ARD: 0.200. Adversarial"), "{words}");
        let words = finding(&maps(vec![collapsed("KD"), collapsed("ARD")]));
        assert!(words.starts_with("KD and ARD have collapsed: each has the same features for every image"), "{words}");
    }
}
