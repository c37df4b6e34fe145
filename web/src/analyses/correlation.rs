//! Differences between the logits of the teacher and those of other models.

use retort_spec::{
    AdversarialImages, Analysis, Correlation, CorrelationMap, CorrelationMaps, Difference, LogitStatistic,
};

use super::{
    About, AnalysisForm, Chosen, Found,
    range::{Range, collapsed_words},
};
use crate::{
    Template,
    figures::{Figure, Key, Panel, heat_map, panels, scale},
    format,
    tables::Values,
    words::shown,
};

#[derive(Template)]
#[template(path = "analyses/correlation_form.html")]
struct Form;

pub(super) const FORM: AnalysisForm = AnalysisForm {
    summary: "Compare the correlations of logits with those of the teacher",
    button: "Compare correlations",
    fields: |_| Form.render(),
    read: |chosen: &Chosen| {
        let (statistic, adversarial) = (chosen.parsed("statistic")?, chosen.parsed("adversarial")?);
        Ok(Analysis::Correlation(Correlation { statistic, adversarial }))
    },
    has_signs: true,
};

/// What was found.
#[derive(Template)]
#[template(path = "analyses/correlation.html")]
pub(super) struct FoundCorrelation<'a> {
    pub about: About<'a>,
    pub chosen: &'a Correlation,
    pub maps: &'a CorrelationMaps,
}

/// Two classes with the differences of their values.
struct Pair {
    classes: String,
    natural: String,
    adversarial: String,
}

/// Pairs of classes that a table lists of a map.
const PAIRS: usize = 10;

impl Found for FoundCorrelation<'_> {
    fn finding(&self) -> String {
        finding(self.maps)
    }

    fn html(&self) -> askama::Result<String> {
        self.render()
    }

    fn figure(&self, title: String, caption: String) -> Option<Figure> {
        let (maps, values) = (self.maps, self.about.values);
        let how = if values == Values::Signed { "with their sign" } else { "as their size" };
        let title = format!("{title}: {} less each model, {how}", maps.teacher);
        let key = Key::Colours { most: largest_difference(maps), values };
        Some(panels(title, caption, &key, &self.panels()))
    }
}

impl FoundCorrelation<'_> {
    fn scale(&self) -> String {
        scale(largest_difference(self.maps), self.about.values)
    }

    /// How the values of its maps are computed, in a few sentences.
    fn method(&self) -> String {
        let (maps, Correlation { statistic, adversarial }) = (self.maps, self.chosen);
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
        let size = if self.about.values == Values::Signed { "" } else { ", as their size" };
        let shown = match adversarial {
            AdversarialImages::Shared => "made on the model and shown to both",
            AdversarialImages::WhiteBox => "made on each of the two itself",
        };
        format!("{what}: those of {teacher} less those of the model{size}. Adversarial images are {shown}.")
    }

    /// For each model: the places of two classes whose values differ most, on natural or on adversarial images.
    fn pairs(&self) -> Vec<(String, Vec<Pair>)> {
        let (maps, is_symmetric) = (self.maps, self.chosen.statistic == LogitStatistic::Correlation);
        let count = maps.classes.len().max(1);
        let is_listed = |place: &usize| {
            let (row, column) = (place / count, place % count);
            if is_symmetric { row < column } else { row != column }
        };
        let list = |map: &CorrelationMap| {
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

    /// The maps, natural and adversarial for each model.
    fn panels(&self) -> Vec<Panel> {
        let (maps, values) = (self.maps, self.about.values);
        let most = largest_difference(maps);
        let panel = |model: &str, images: &str, difference: &Difference, is_collapsed: bool| {
            // As large as what a table of the values prints.
            let largest = difference.values.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
            let mut lines = vec![format!("mean {:.4}, most {largest:.3}, ‖D‖ {:.2}", difference.mean, difference.norm)];
            if is_collapsed {
                lines.push("collapsed: the same logits for every image".into());
            }
            let title = format!("{model}, {images}");
            let description = format!("Differences of {} of {title}: {}", self.about.spec.analysis.title(), lines[0]);
            let svg = heat_map(&difference.values, &maps.classes, (most, values), &description);
            Panel { title, svg, lines }
        };
        let pair = |map: &CorrelationMap| {
            let of = |images, difference| {
                panel(&map.model, images, difference, map.is_collapsed || maps.teacher_is_collapsed)
            };
            [of("natural", &map.natural), of("adversarial", &map.adversarial)]
        };
        maps.maps.iter().flat_map(pair).collect()
    }

    /// The class names as a page's script reads them.
    fn class_list(&self) -> String {
        serde_json::to_string(&self.maps.classes.iter().map(|class| shown(class)).collect::<Vec<_>>())
            .unwrap_or_default()
    }
}

/// Mean differences of correlations are called alike where the larger is less than so many times the smaller; likewise ours.
const CORRELATIONS: f64 = 1.1;

/// How far the models are from the teacher, on average. What has collapsed is named, and is in no range.
fn finding(maps: &CorrelationMaps) -> String {
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

/// The largest difference of all maps, which the deepest colour shows.
fn largest_difference(maps: &CorrelationMaps) -> f64 {
    maps.maps.iter().flat_map(|map| [map.natural.max, map.adversarial.max]).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_nearest_to_the_teacher_and_farthest_from_it_are_named_where_they_differ() {
        let difference = |mean: f64| Difference { values: vec![], mean, norm: 0.0, max: 0.0 };
        let map = |model: &str, natural: f64, adversarial: f64| CorrelationMap {
            model: model.into(),
            natural: difference(natural),
            adversarial: difference(adversarial),
            is_collapsed: false,
        };
        let found = finding(&CorrelationMaps {
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
        let words = finding(&maps);
        assert!(words.contains("0.2000 (ARD) to 0.3000 (GACD)") && !words.contains("0.1000"), "{words}");
        assert!(
            words.ends_with("KD has collapsed: its logits are the same for every image, so its figures mean nothing.")
        );
        let words = finding(&CorrelationMaps { teacher_is_collapsed: true, ..maps });
        assert!(
            words.starts_with("PGD-AT has collapsed") && words.ends_with("no difference means anything."),
            "{words}"
        );
    }
}
