//! What analyses find, in words.

use std::fmt::Write;

use retort_spec::{
    AnalyseSpec, Analysis, AnalysisResult, CorrelationMap, CorrelationMaps, FeatureMap, FeatureMaps, Gallery,
};

use crate::format;

/// What an analysis finds, in a sentence or two; empty if it is of nothing.
pub fn analysis_finding(spec: &AnalyseSpec, result: &AnalysisResult) -> String {
    match result {
        AnalysisResult::Features(maps) => features(maps),
        AnalysisResult::Correlation(maps) => correlation(maps),
        AnalysisResult::Gallery(images) => gallery(spec, images),
    }
}

/// Which models, on which images.
pub(crate) fn models_and_attack(spec: &AnalyseSpec) -> String {
    let models: Vec<_> = spec.models.iter().map(|model| model.name.as_str()).collect();
    format!("{} · {}", models.join(", "), spec.attack().describe())
}

/// Silhouettes that differ by less are called alike; the margin is ours.
const SILHOUETTES: f64 = 0.05;
/// Mean differences of correlations are called alike where the larger is less than so many times the smaller; likewise ours.
const CORRELATIONS: f64 = 1.1;

/// What the feature maps find: from where to where the silhouettes of the two classes reach, and the shares of adversarial images
/// that stay with their own. Which model is the best is not said: these figures have no test. What has collapsed is named, and is
/// in no range.
pub(crate) fn features(maps: &FeatureMaps) -> String {
    let (collapsed, whole): (Vec<&FeatureMap>, Vec<&FeatureMap>) = maps.maps.iter().partition(|map| map.is_collapsed);
    let names: Vec<&str> = collapsed.iter().map(|map| map.model.as_str()).collect();
    [separation(maps, &whole), collapsed_words(&names, "features")].concat().trim_start().to_owned()
}

/// That these models have the same features, or the same logits, for every image, so that nothing can be told from them.
fn collapsed_words(models: &[&str], what: &str) -> String {
    match models {
        [] => String::new(),
        [model] => {
            format!(" {model} has collapsed: its {what} are the same for every image, so its figures mean nothing.")
        }
        models => {
            let models = format::list(models);
            format!(
                " {models} have collapsed: each has the same {what} for every image, so their figures mean nothing."
            )
        }
    }
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

/// From where to where the figures of several models reach.
struct Range {
    lowest: (String, String),
    highest: (String, String),
    /// Whether they differ by enough to name those at the ends.
    differs: bool,
    is_single: bool,
}

impl Range {
    /// The range of these items; those that are equal as they are printed are named together.
    fn of<'a, T>(
        items: &'a [T],
        name: impl Fn(&'a T) -> &'a String,
        value: impl Fn(&T) -> f64,
        print: impl Fn(&T) -> String,
        differs: impl Fn(f64, f64) -> bool,
    ) -> Option<Self> {
        let low = items.iter().min_by(|a, b| value(a).total_cmp(&value(b)))?;
        let high = items.iter().max_by(|a, b| value(a).total_cmp(&value(b)))?;
        let end = |of: &T| {
            let printed = print(of);
            let equal = items.iter().filter(|item| print(item) == printed).map(|item| name(item).as_str());
            (format::list(&equal.collect::<Vec<_>>()), printed)
        };
        Some(Self {
            lowest: end(low),
            highest: end(high),
            differs: differs(value(low), value(high)),
            is_single: items.len() == 1,
        })
    }

    /// `0.100 (Natural) to 0.296 (ARD)`; `0.290 to 0.296, alike in all`; `0.296` of a single one.
    fn words(&self, unit: &str) -> String {
        let ((least, low), (most, high)) = (&self.lowest, &self.highest);
        match () {
            () if self.is_single => format!("{low}{unit}"),
            () if self.differs => format!("{low}{unit} ({least}) to {high}{unit} ({most})"),
            () if low == high => format!("{low}{unit} in all"),
            () => format!("{low} to {high}{unit}, alike in all"),
        }
    }
}

/// What the adversarial images of feature maps are.
pub(crate) fn made_on(maps: &FeatureMaps) -> String {
    let (attacked, target) = (&maps.attacked, &maps.target);
    match &maps.made_on {
        Some(model) => format!("adversarial {attacked}, made on {model} to be taken for {target}"),
        None => format!("adversarial {attacked}, made on each model to be taken for {target}"),
    }
}

/// How far the models are from the teacher, on average. What has collapsed is named, and is in no range.
pub(crate) fn correlation(maps: &CorrelationMaps) -> String {
    if maps.teacher_is_collapsed {
        let teacher = &maps.teacher;
        return format!(
            "{teacher} has collapsed: its logits are the same for every image, so no difference means anything."
        );
    }
    let (collapsed, whole): (Vec<_>, Vec<_>) = maps.maps.iter().partition(|map| map.is_collapsed);
    let names: Vec<&str> = collapsed.iter().map(|map| map.model.as_str()).collect();
    [mean_differences(maps, &whole), collapsed_words(&names, "logits")].concat().trim_start().to_owned()
}

fn mean_differences(maps: &CorrelationMaps, whole: &[&CorrelationMap]) -> String {
    let range = |of: fn(&CorrelationMap) -> f64| {
        let print = |map: &&CorrelationMap| format!("{:.4}", of(map));
        Range::of(whole, |map| &map.model, |map| of(map), print, |low, high| high > CORRELATIONS * low)
    };
    match (range(|map| map.natural.mean), range(|map| map.adversarial.mean)) {
        (Some(natural), Some(adversarial)) if whole.len() == 1 => format!(
            "{} differs from {} by {} on average on natural images, by {} on adversarial ones.",
            natural.lowest.0, maps.teacher, natural.lowest.1, adversarial.lowest.1
        ),
        (Some(natural), Some(adversarial)) => format!(
            "Mean difference from {}: on natural images {}; on adversarial ones {}.",
            maps.teacher,
            natural.words(""),
            adversarial.words("")
        ),
        _ => String::new(),
    }
}

/// How many of the images each model answers wrongly, before and after they are attacked; and how the images were chosen, as
/// that says which models must be wrong.
pub(crate) fn gallery(spec: &AnalyseSpec, gallery: &Gallery) -> String {
    let wrong = |model: usize, attacked: usize| {
        gallery.images.iter().filter(|image| image.answers[model][attacked].class != image.class).count()
    };
    let counts = gallery.models.iter().enumerate();
    let counts: Vec<_> =
        counts.map(|(place, model)| format!("{model} {} → {}", wrong(place, 0), wrong(place, 1))).collect();
    let mut words = String::new();
    if let (Analysis::Gallery { images, differ, .. }, found) = (&spec.analysis, gallery.images.len()) {
        if let (true, [one, other, ..]) = (differ, gallery.models.as_slice()) {
            words = format!("Chosen where {one} or {other}, but not both, answers the attacked image rightly. ");
        }
        if found < *images {
            let _ = write!(words, "No more than {found} of the {images} that were asked for are there. ");
        }
    }
    let images = format::plural(gallery.images.len(), "image", "images");
    format!("{words}Wrong answers to {images}, natural → attacked: {}.", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use retort_spec::{
        AnalysedModel, Answer, DatasetChoice, DeviceName, Difference, GalleryImage, ModelRef, PixelDistance,
    };

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
            features(&maps(three)),
            "Silhouette of truck and bird: 0.100 (Natural) to 0.296 (ARD and GACD). Adversarial images that stay with their \
             class: 55\u{a0}% (Natural) to 97\u{a0}% (ARD and GACD)."
        );
        assert_eq!(features(&maps(vec![])), "");
    }

    #[test]
    fn figures_that_hardly_differ_are_alike() {
        assert_eq!(
            features(&maps(vec![map("ARD", 0.29, 90), map("KD", 0.3, 84)])),
            "Silhouette of truck and bird: 0.290 to 0.300, alike in all. Adversarial images that stay with their class: 84 to \
             90\u{a0}%, alike in all."
        );
        assert_eq!(
            features(&maps(vec![map("ARD", 0.2, 90)])),
            "Silhouette of truck and bird: 0.200. Adversarial images that stay with their class: 90\u{a0}%."
        );
    }

    #[test]
    fn the_models_nearest_to_the_teacher_and_farthest_from_it_are_named_where_they_differ() {
        let difference = |mean: f64| Difference { values: vec![], mean, norm: 0.0, max: 0.0 };
        let map = |model: &str, natural: f64, adversarial: f64| CorrelationMap {
            model: model.into(),
            natural: difference(natural),
            adversarial: difference(adversarial),
            is_collapsed: false,
        };
        let found = correlation(&CorrelationMaps {
            teacher: "Teacher".into(),
            teacher_is_collapsed: false,
            classes: vec![],
            images: 0,
            maps: vec![map("KD", 0.08, 0.0412), map("ARD", 0.05, 0.0409)],
        });
        assert_eq!(
            found,
            "Mean difference from Teacher: on natural images 0.0500 (ARD) to 0.0800 (KD); on adversarial ones 0.0409 to 0.0412, \
             alike in all."
        );
    }

    #[test]
    fn a_model_whose_features_are_all_equal_is_called_collapsed_and_is_at_no_end() {
        let collapsed = |model| FeatureMap { is_collapsed: true, ..map(model, 0.0, 100) };
        // Among coinciding points every adversarial image is with its own class, and a silhouette of 0 beats a negative one.
        let words = features(&maps(vec![map("ARD", -0.01, 60), collapsed("KD"), map("GACD", -0.2, 40)]));
        assert_eq!(
            words,
            "Silhouette of truck and bird: -0.200 (GACD) to -0.010 (ARD). Adversarial images that stay with their class: \
             40\u{a0}% (GACD) to 60\u{a0}% (ARD). KD has collapsed: its features are the same for every image, so its figures \
             mean nothing."
        );
        let words = features(&maps(vec![map("ARD", 0.2, 90), collapsed("KD")]));
        assert!(words.starts_with("Silhouette of truck and bird in ARD: 0.200. Adversarial"), "{words}");
        let words = features(&maps(vec![collapsed("KD"), collapsed("ARD")]));
        assert!(words.starts_with("KD and ARD have collapsed: each has the same features for every image"), "{words}");
    }

    #[test]
    fn a_model_whose_logits_are_all_equal_is_not_the_nearest_to_its_teacher() {
        let difference = |mean: f64| Difference { values: vec![], mean, max: mean, norm: mean };
        let map = |model: &str, mean, is_collapsed| CorrelationMap {
            model: model.into(),
            natural: difference(mean),
            adversarial: difference(mean),
            is_collapsed,
        };
        let maps = CorrelationMaps {
            classes: vec![],
            teacher: "PGD-AT".into(),
            teacher_is_collapsed: false,
            images: 100,
            maps: vec![map("KD", 0.1, true), map("ARD", 0.2, false), map("GACD", 0.3, false)],
        };
        let words = correlation(&maps);
        assert!(words.contains("0.2000 (ARD) to 0.3000 (GACD)") && !words.contains("0.1000"), "{words}");
        assert!(
            words.ends_with("KD has collapsed: its logits are the same for every image, so its figures mean nothing.")
        );
        let words = correlation(&CorrelationMaps { teacher_is_collapsed: true, ..maps });
        assert!(
            words.starts_with("PGD-AT has collapsed") && words.ends_with("no difference means anything."),
            "{words}"
        );
    }

    #[test]
    fn a_gallery_says_how_its_images_were_chosen_and_what_was_wrong_before() {
        let answer = |class: &str| Answer { class: class.into(), confidence: 50.0 };
        let image = |answers: [[&str; 2]; 2]| GalleryImage {
            class: "cat".into(),
            place: 0,
            answers: answers.map(|pair| pair.map(answer)).to_vec(),
        };
        let images = vec![image([["cat", "cat"], ["dog", "dog"]]), image([["cat", "cat"], ["cat", "dog"]])];
        let gallery = Gallery { models: vec!["ARD".into(), "KD".into()], images, magnified: 16.0 };
        let spec = |differ, images| AnalyseSpec {
            analysis: Analysis::Gallery { classes: vec![], images, differ },
            models: vec![AnalysedModel { name: "ARD".into(), model: ModelRef::Run(1) }],
            dataset: DatasetChoice::all_of("cifar10"),
            eps: PixelDistance::levels(8.0),
            seed: 1,
            device: DeviceName::Cpu,
        };
        let plain = "Wrong answers to 2 images, natural → attacked: ARD 0 → 0, KD 1 → 2.";
        assert_eq!(super::gallery(&spec(false, 2), &gallery), plain);
        assert_eq!(
            super::gallery(&spec(true, 10), &gallery),
            format!(
                "Chosen where ARD or KD, but not both, answers the attacked image rightly. No more than 2 of the 10 that were \
                 asked for are there. {plain}"
            )
        );
    }
}
