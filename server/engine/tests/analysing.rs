//! Analyses in their folders, on a few images.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{fs, path::Path};

use retort_engine::{Outcome, RunFolder, nn::StateFile};
use retort_spec::{
    AdversarialImages, Analysis, AnalysisResult, Correlation, Features, Gallery, LogitStatistic, MethodName,
};
use support::{analyse, run, spec, teacher};

fn result(dir: &Path) -> AnalysisResult {
    serde_json::from_slice(&fs::read(RunFolder::at(dir).analysis()).unwrap()).unwrap()
}

/// A PGD-AT model and a KD student of it.
fn two_models(root: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let teacher = teacher(root);
    let student = root.join("student");
    run(&student, &spec(MethodName::KD, Some(&teacher)), 1, None);
    (teacher, RunFolder::at(&student).model())
}

#[test]
fn feature_maps_show_the_same_images_to_every_model_and_repeat() {
    let root = tempfile::tempdir().unwrap();
    let (teacher, student) = two_models(root.path());
    let features = |adversarial| {
        Analysis::Features(Features { attacked: "Trouser".into(), target: "Bag".into(), images: 35, adversarial })
    };
    let models = [("teacher", teacher.as_path()), ("again", teacher.as_path()), ("KD", student.as_path())];
    let [one, again, white_box] = ["one", "again", "white-box"].map(|name| root.path().join(name));
    run(&one, &analyse(features(AdversarialImages::Shared), &models, 350), 1, None);
    run(&again, &analyse(features(AdversarialImages::Shared), &models, 350), 1, None);
    run(&white_box, &analyse(features(AdversarialImages::WhiteBox), &models[1..], 350), 1, None);
    assert_eq!(result(&one), result(&again));
    let (AnalysisResult::Features(shared), AnalysisResult::Features(own)) = (result(&one), result(&white_box)) else {
        panic!("they are of features")
    };
    assert_eq!((shared.made_on.as_deref(), own.made_on), (Some("teacher"), None));
    let [first, same, other] = shared.maps.as_slice() else { panic!("three models") };
    assert_eq!((&first.points, first.counts, first.points.len()), (&same.points, [35; 3], 105));
    assert_ne!(first.points, other.points);
    for map in &shared.maps {
        assert!(
            (-1.0..=1.0).contains(&map.silhouette)
                && map.fooled <= 35
                && map.mistaken.unwrap() <= 35
                && map.among_own <= 35,
            "{map:?}"
        );
        assert!(map.centroid_distances.iter().all(|d| d.is_finite() && *d >= 0.0));
    }
    // On itself the teacher is attacked as it was for all.
    assert_eq!(own.maps[0].points, first.points);
}

#[test]
fn a_model_correlates_with_itself_without_a_difference_and_a_finished_map_is_not_computed_again() {
    let root = tempfile::tempdir().unwrap();
    let (teacher, student) = two_models(root.path());
    let models = [("teacher", teacher.as_path()), ("itself", teacher.as_path()), ("KD", student.as_path())];
    let dir = root.path().join("correlation");
    assert_eq!(
        run(&dir, &analyse(Analysis::Correlation(Correlation::default()), &models, 120), 1, None),
        Outcome::Finished
    );
    let AnalysisResult::Correlation(first) = result(&dir) else { panic!("it is of correlations") };
    let found = &first;
    assert_eq!((found.images, found.classes.len(), found.teacher.as_str()), (120, 10, "teacher"));
    let [itself, kd] = found.maps.as_slice() else { panic!("two models but the teacher") };
    assert!(itself.natural.values.iter().chain(&itself.adversarial.values).all(|v| *v == 0.0));
    assert!(kd.natural.max > 0.0 && kd.natural.max <= 2.0 && kd.natural.mean <= kd.natural.max);
    assert_ne!(kd.natural.values, kd.adversarial.values);
    // Each on its own adversarial images: nothing changes for what shares them anyway, nor on natural images.
    let [own, mean] = ["own", "mean"].map(|name| root.path().join(name));
    let white_box = Analysis::Correlation(Correlation {
        statistic: LogitStatistic::Correlation,
        adversarial: AdversarialImages::WhiteBox,
    });
    run(&own, &analyse(white_box, &models, 120), 1, None);
    let AnalysisResult::Correlation(found) = result(&own) else { panic!("it is of correlations") };
    assert_eq!((&found.maps[0], &found.maps[1].natural), (itself, &kd.natural));
    assert_ne!(found.maps[1].adversarial.values, kd.adversarial.values);
    let class_mean = Analysis::Correlation(Correlation {
        statistic: LogitStatistic::ClassMean,
        adversarial: AdversarialImages::Shared,
    });
    run(&mean, &analyse(class_mean, &models, 120), 1, None);
    let AnalysisResult::Correlation(found) = result(&mean) else { panic!("it is of means") };
    assert!(found.maps[0].natural.max == 0.0 && found.maps[1].natural.max > 0.0);
    assert!((0..10).all(|class| found.maps[1].natural.values[11 * class] == 0.0));
    // A run that was stopped behind its first map, which is marked here to be recognised.
    let resumed = root.path().join("resumed");
    let spec = analyse(Analysis::Correlation(Correlation::default()), &models, 120);
    let folder = RunFolder::create(&resumed, &spec).unwrap();
    let mut marked = itself.clone();
    marked.natural.mean = 0.125;
    // The teacher's correlations, which are marked too: all are nought.
    let teacher_of_noughts = serde_json::json!({ "natural": vec![0.0; 100], "white_box": null });
    let state = serde_json::json!({ "teacher": teacher_of_noughts, "maps": [&marked], "seconds": 60.0 }).to_string();
    StateFile { tensors: Vec::new(), state }.save(&folder.checkpoint()).unwrap();
    run(&resumed, &spec, 1, None);
    let AnalysisResult::Correlation(found) = result(&resumed) else { panic!("it is of correlations") };
    assert_eq!((&found.maps[0], &found.maps[1].adversarial), (&marked, &kd.adversarial));
    assert!((0..10).all(|class| found.maps[1].natural.values[11 * class] == -1.0), "{:?}", found.maps[1]);
}

#[test]
fn a_gallery_holds_the_images_that_were_asked_for_with_their_pictures() {
    let root = tempfile::tempdir().unwrap();
    let (teacher, student) = two_models(root.path());
    let models = [("teacher", teacher.as_path()), ("KD", student.as_path())];
    let gallery = |classes: &[&str], images, differ| {
        Analysis::Gallery(Gallery {
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            images,
            differ,
        })
    };
    let [plain, differing, unknown] = ["plain", "differing", "unknown"].map(|name| root.path().join(name));
    run(&plain, &analyse(gallery(&["Bag", "Coat"], 4, false), &models, 100), 1, None);
    let AnalysisResult::Gallery(found) = result(&plain) else { panic!("it is a gallery") };
    let mut classes: Vec<_> = found.images.iter().map(|image| image.class.as_str()).collect();
    classes.sort_unstable();
    assert_eq!(classes, ["Bag", "Bag", "Coat", "Coat"]);
    assert!(found.images.iter().all(|image| image.answers.len() == 2 && image.answers[0][0].confidence <= 100.0));
    let sheet = image::open(RunFolder::at(&plain).gallery()).unwrap();
    assert_eq!((sheet.width() / 34, sheet.height() / 34), (5, 4));
    run(&differing, &analyse(gallery(&[], 5, true), &models, 100), 1, None);
    let AnalysisResult::Gallery(found) = result(&differing) else { panic!("it is a gallery") };
    for image in &found.images {
        let right = |model: usize| image.answers[model][1].class == image.class;
        assert_ne!(right(0), right(1), "{image:?}");
    }
    let folder = RunFolder::create(&unknown, &analyse(gallery(&["whale"], 4, false), &models, 100)).unwrap();
    let library = retort_engine::data::Library::new(unknown.clone());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let refused = retort_engine::run_folder(&folder, &library, 1, &stop, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("“whale”") && refused.contains("Coat"), "{refused}");
}
