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

/// What the feature maps find: where the classes lie furthest apart, where the adversarial images stay with their own.
pub(crate) fn features(maps: &FeatureMaps) -> String {
    let apart = |map: &FeatureMap| format!("{:.3}", map.silhouette);
    let own = |map: &FeatureMap| map.among_own as f64 / map.counts[2].max(1) as f64;
    let kept = |map: &FeatureMap| format!("{:.0}\u{a0}%", 100.0 * own(map));
    let (Some(furthest), Some(most), Some(least)) = (
        extreme(&maps.maps, |map| map.silhouette, apart),
        extreme(&maps.maps, own, kept),
        extreme(&maps.maps, |map| -own(map), kept),
    ) else {
        return String::new();
    };
    let (attacked, target) = (format::upper_first(&maps.attacked), &maps.target);
    let stay = match () {
        () if maps.maps.len() == 1 => format!("{} of the adversarial images stay with their class", most.1),
        () if most.1 == least.1 => format!("adversarial images stay with their class alike in all ({})", most.1),
        () => format!(
            "adversarial images stay with their class most in {} ({}), least in {} ({})",
            most.0, most.1, least.0, least.1
        ),
    };
    if maps.maps.len() == 1 {
        return format!("{attacked} and {target} lie apart by a silhouette of {}; {stay}.", furthest.1);
    }
    format!("{attacked} and {target} lie furthest apart in {} (silhouette {}); {stay}.", furthest.0, furthest.1)
}

/// The models that have the highest value as it is printed, with that value.
fn extreme(
    maps: &[FeatureMap],
    value: impl Fn(&FeatureMap) -> f64,
    print: impl Fn(&FeatureMap) -> String,
) -> Option<(String, String)> {
    let printed = print(maps.iter().max_by(|a, b| value(a).total_cmp(&value(b)))?);
    let equal = maps.iter().filter(|map| print(map) == printed).map(|map| map.model.as_str());
    Some((format::list(&equal.collect::<Vec<_>>()), printed))
}

/// What the adversarial images of feature maps are.
pub(crate) fn made_on(maps: &FeatureMaps) -> String {
    let (attacked, target) = (&maps.attacked, &maps.target);
    match &maps.made_on {
        Some(model) => format!("adversarial {attacked}, made on {model} to be taken for {target}"),
        None => format!("adversarial {attacked}, made on each model to be taken for {target}"),
    }
}

/// Which model is nearest to the teacher.
pub(crate) fn correlation(maps: &CorrelationMaps) -> String {
    if let [map] = maps.maps.as_slice() {
        let (natural, adversarial) = (map.natural.mean, map.adversarial.mean);
        return format!(
            "{} differs from {} by {natural:.4} on average on natural images, by {adversarial:.4} on adversarial ones.",
            map.model, maps.teacher
        );
    }
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
    use retort_spec::{AnalysedModel, Answer, DatasetChoice, DeviceName, GalleryImage, ModelRef, PixelDistance};

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
        }
    }

    #[test]
    fn models_that_are_equal_as_printed_are_all_named() {
        let maps = |maps| FeatureMaps { attacked: "truck".into(), target: "bird".into(), made_on: None, maps };
        let three = vec![map("Natural", 0.1, 55), map("ARD", 0.29601, 97), map("GACD", 0.29604, 97)];
        assert_eq!(
            features(&maps(three)),
            "Truck and bird lie furthest apart in ARD and GACD (silhouette 0.296); adversarial images stay with their class \
             most in ARD and GACD (97\u{a0}%), least in Natural (55\u{a0}%)."
        );
        assert!(features(&maps(vec![map("ARD", 0.2, 90), map("KD", 0.1, 90)])).ends_with("alike in all (90\u{a0}%)."));
        assert!(
            features(&maps(vec![map("ARD", 0.2, 90)]))
                .ends_with("90\u{a0}% of the adversarial images stay with their class.")
        );
        assert_eq!(features(&maps(vec![])), "");
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
