//! Distances between images in pixel units, written as the field writes them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An ℓ∞ distance between images whose pixels lie in `[0, 1]`, such as ε or an attack's step size.
///
/// It is written `8/255`, the notation of RobustBench, and read from that or from a plain number.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct PixelDistance(f64);

impl PixelDistance {
    /// `levels` steps of an 8-bit pixel: `levels / 255`.
    pub const fn levels(levels: f64) -> Self {
        Self(levels / 255.0)
    }

    /// A distance given as a number, where 1 is the whole range of a pixel.
    pub const fn new(value: f64) -> Self {
        Self(value)
    }

    /// The distance as a number, where 1 is the whole range of a pixel.
    pub const fn value(self) -> f64 {
        self.0
    }

    /// A multiple of it. Ten-thousandths of a level stay what they are, so that a quarter of `0.2/255` is `0.05/255`.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        let levels = (self.0 * 255.0 * 1e4).round() / 1e4;
        let exact = (levels * factor * 1e4).round() / 1e4;
        let is_close = (exact / 255.0 - self.0 * factor).abs() < 1e-12;
        if is_close { Self::levels(exact) } else { Self(self.0 * factor) }
    }

    /// What is wrong with it as the ε or the step size of an attack, if anything: it must lie in `(0, 1]`.
    pub fn fault(self) -> Option<String> {
        if self.0 > 0.0 && self.0 <= 1.0 {
            return None;
        }
        Some(format!("must be above 0 and at most 1, in pixel units (8/255 is usual); it is {}", self.0))
    }
}

impl fmt::Display for PixelDistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = self.0 * 255.0;
        // Only a notation that reads back as exactly this number may stand for it.
        for decimals in [1e2, 1e4] {
            let rounded = (levels * decimals).round() / decimals;
            let text = format!("{rounded}/255");
            // Somebody who wrote 0.031 meant that, and not 7.905/255.
            let is_usual = decimals == 1e2 || text.len() < self.0.to_string().len();
            if rounded / 255.0 == self.0 && is_usual {
                return f.write_str(&text);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl FromStr for PixelDistance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("“{text}” is not a pixel distance: write 8/255 or 0.0314");
        let number = |part: &str| part.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        let value = match text.split_once('/') {
            Some((above, below)) => {
                let below = number(below).filter(|v| *v != 0.0).ok_or_else(fault)?;
                number(above).ok_or_else(fault)? / below
            }
            None => number(text).ok_or_else(fault)?,
        };
        Ok(Self(value))
    }
}

impl Serialize for PixelDistance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PixelDistance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(Self(value)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_levels_are_written_as_robustbench_does_and_read_back() {
        let eps = PixelDistance::levels(8.0);
        assert_eq!(serde_json::to_string(&eps).unwrap(), "\"8/255\"");
        assert_eq!(serde_json::from_str::<PixelDistance>("\"8/255\"").unwrap(), eps);
    }

    #[test]
    fn a_part_of_a_distance_is_written_in_levels() {
        let part = |levels: f64, factor: f64| PixelDistance::levels(levels).times(factor).to_string();
        assert_eq!([part(8.0, 0.25), part(0.2, 0.25), part(2.0, 0.025)], ["2/255", "0.05/255", "0.05/255"]);
        assert_eq!(PixelDistance(0.031).times(0.5), PixelDistance(0.031 * 0.5));
    }

    #[test]
    fn any_number_survives_writing_and_reading() {
        for value in [0.031, 0.003, 1.0, 8.0 / 255.0, 2.5 / 255.0, 0.1 + 0.2] {
            let distance = PixelDistance(value);
            assert_eq!(distance.to_string().parse::<PixelDistance>().unwrap(), distance, "{value}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_an_example_of_what_to_write() {
        for text in ["", "8/0", "eight", "inf", "8/255/2"] {
            assert!(text.parse::<PixelDistance>().unwrap_err().contains("8/255"), "{text}");
        }
    }
}
