//! The form that imports a dataset.

use retort_spec::Problem;
use serde::Deserialize;

/// How many percent of a class can be held out as test images.
const HELD_OUT: std::ops::RangeInclusive<u8> = 1..=90;

/// The fields of the form that imports a dataset, as they were typed, but for the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DatasetForm {
    /// The name that specs will use; empty for one made of the file's name.
    pub name: String,
    /// Whether images of other sizes are made 32×32.
    pub resize: bool,
    /// How many percent of each class become test images where there are none; empty for none.
    pub test_percent: String,
}

impl DatasetForm {
    /// Whether anything stands in its fields.
    pub(crate) fn is_filled(&self) -> bool {
        *self != Self::default()
    }

    /// The address of the form with these values in its fields, and in sight.
    ///
    /// Neither value needs to be escaped: the name was taken, and the percentage is a number.
    pub(crate) fn address(&self) -> String {
        let resize = if self.resize { "&resize=true" } else { "" };
        let percent = if self.test_percent.is_empty() { "" } else { "&test_percent=" };
        format!("/datasets?name={}{resize}{percent}{}#import", self.name, self.test_percent)
    }

    /// How many percent of each class become test images; none where the field is empty.
    ///
    /// # Errors
    /// When it is no number from 1 to 90.
    pub fn held_out(&self) -> Result<Option<u8>, Problem> {
        if self.test_percent.is_empty() {
            return Ok(None);
        }
        let percent = self.test_percent.parse().ok().filter(|percent| HELD_OUT.contains(percent));
        let wrong = || Problem::new("test_percent", "write a whole number from 1 to 90, or leave it empty");
        percent.map(Some).ok_or_else(wrong)
    }
}
