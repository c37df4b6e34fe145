//! Figures of several models, in words.

use crate::format;

/// From where to where the figures of several models reach.
pub(super) struct Range {
    pub lowest: (String, String),
    pub highest: (String, String),
    /// Whether they differ by enough to name those at the ends.
    differs: bool,
    is_single: bool,
}

impl Range {
    /// The range of these items; those that are equal as they are printed are named together.
    pub fn of<'a, T>(
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
    pub fn words(&self, unit: &str) -> String {
        let ((least, low), (most, high)) = (&self.lowest, &self.highest);
        match () {
            () if self.is_single => format!("{low}{unit}"),
            () if self.differs => format!("{low}{unit} ({least}) to {high}{unit} ({most})"),
            () if low == high => format!("{low}{unit} in all"),
            () => format!("{low} to {high}{unit}, alike in all"),
        }
    }
}

/// That these models have the same features, or the same logits, for every image, so that nothing can be told from them.
pub(super) fn collapsed_words(models: &[&str], what: &str) -> String {
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
