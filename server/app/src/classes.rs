//! The classes of a model that is imported, as people name them.

use std::collections::BTreeSet;

use retort_engine::{
    data::{DatasetInfo, official_classes},
    import::{MOST_CLASSES, Wanted},
};

/// What `text` asks for: the classes of a dataset by its name, whether it is here or can be fetched, those that it names
/// between commas, or that many numbered ones.
///
/// # Errors
/// In words, when it is neither.
pub fn wanted(text: &str, datasets: &[DatasetInfo]) -> Result<Wanted, String> {
    let text = text.trim();
    let is_whole = |dataset: &&DatasetInfo| dataset.fault.is_none();
    let by = |is_it: &dyn Fn(&str) -> bool| datasets.iter().filter(is_whole).find(|dataset| is_it(&dataset.name));
    if let Some(dataset) = by(&|name| name == text).or_else(|| by(&|name| plain(name) == plain(text))) {
        let (classes, dataset) = (dataset.classes.clone(), dataset.name.clone());
        return Ok(Wanted { classes, dataset, ..Wanted::default() });
    }
    if let Some((name, classes)) = official_classes().find(|(name, _)| plain(name) == plain(text)) {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        return Ok(Wanted { classes, dataset: name.into(), ..Wanted::default() });
    }
    if text.contains(',') {
        return named(text).map(|classes| Wanted { classes, ..Wanted::default() });
    }
    match text.parse::<usize>() {
        Ok(n) if (2..=MOST_CLASSES).contains(&n) => {
            Ok(Wanted { classes: (0..n).map(|class| class.to_string()).collect(), ..Wanted::default() })
        }
        Ok(n) => Err(format!("a model tells 2 to 1,000 classes apart, not {n}")),
        Err(_) => {
            let here = datasets.iter().map(|dataset| dataset.name.as_str());
            let known: BTreeSet<_> = here.chain(official_classes().map(|(name, _)| name)).collect();
            let known: Vec<_> = known.into_iter().collect();
            Err(format!(
                "“{text}” is no dataset here: name one of {}, or a number of classes, or the classes between commas",
                known.join(", ")
            ))
        }
    }
}

/// A dataset's name as it is compared: `CIFAR-10` is cifar10.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Classes by their names between commas; one with a comma in its name stands in double quotes.
fn named(text: &str) -> Result<Vec<String>, String> {
    let mut classes = vec![String::new()];
    let mut is_quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => classes.push(String::new()),
            _ => classes.last_mut().into_iter().for_each(|class| class.push(letter)),
        }
    }
    if is_quoted {
        return Err("a quote among the classes is not closed: \"oak, red\",elm names two".into());
    }
    let classes: Vec<String> = classes.iter().map(|class| class.trim().to_owned()).collect();
    let mut once = BTreeSet::new();
    if classes.iter().any(|class| class.is_empty() || class.contains(char::is_control)) {
        return Err("a class between the commas has no name".into());
    }
    match classes.iter().find(|class| !once.insert(*class)) {
        Some(twice) => Err(format!("the class “{twice}” stands there twice")),
        None if classes.len() > MOST_CLASSES => {
            Err(format!("a model tells 2 to 1,000 classes apart, not {}", classes.len()))
        }
        None => Ok(classes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datasets() -> Vec<DatasetInfo> {
        let dir = tempfile::tempdir().unwrap();
        retort_engine::data::Library::new(dir.path()).list().unwrap()
    }

    #[test]
    fn the_classes_of_a_dataset_that_can_be_fetched_are_known_before_that() {
        for (name, count, last) in [("cifar10", 10, "truck"), ("cifar100", 100, "worm"), ("stl10", 10, "truck")] {
            let named = wanted(name, &datasets()).unwrap();
            assert_eq!(wanted(&name.to_uppercase().replace('1', "-1"), &datasets()).unwrap(), named);
            assert_eq!(
                (named.dataset.as_str(), named.classes.len(), named.classes[count - 1].as_str()),
                (name, count, last)
            );
        }
        let message = wanted("cifar", &datasets()).unwrap_err();
        let known = official_classes().map(|(name, _)| name).chain([retort_spec::BUNDLED_DATASET]);
        let known: Vec<_> = known.collect::<BTreeSet<_>>().into_iter().collect();
        assert!(message.contains(&format!("name one of {},", known.join(", "))), "{message}");
    }

    #[test]
    fn classes_are_those_of_a_dataset_or_numbers() {
        let of = |text: &str| wanted(text, &datasets());
        let named = of(retort_spec::BUNDLED_DATASET).unwrap();
        assert_eq!((named.classes.len(), named.dataset.as_str()), (10, retort_spec::BUNDLED_DATASET));
        let numbered = of(" 3 ").unwrap();
        assert_eq!((numbered.classes, numbered.dataset), (vec!["0".into(), "1".into(), "2".into()], String::new()));
        assert_eq!(of("cat, dog").unwrap().classes, ["cat", "dog"]);
        assert_eq!(of("\"oak, red\", elm").unwrap().classes, ["oak, red", "elm"]);
        assert!(of("\"oak, red, elm").unwrap_err().contains("not closed"));
        assert!(of("cat,,dog").unwrap_err().contains("no name") && of("cat,cat").unwrap_err().contains("twice"));
        assert!(of("1").unwrap_err().contains("2 to 1,000"));
        let message = of("imagenet").unwrap_err();
        assert!(message.contains("imagenet") && message.contains(retort_spec::BUNDLED_DATASET), "{message}");
    }
}
