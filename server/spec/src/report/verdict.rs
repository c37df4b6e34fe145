//! What a masking check comes to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a masking check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "Kept")]
pub enum Verdict {
    /// What has to hold holds.
    Pass,
    /// It does not: a reason to look closer.
    Warning,
    /// Too few images were there to say it.
    CannotTell,
}

/// A verdict as journals hold it: before there was a third one, whether the check passed.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Passed(bool),
    Verdict(Named),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    Pass,
    Warning,
    CannotTell,
}

impl From<Kept> for Verdict {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Passed(true) | Kept::Verdict(Named::Pass) => Self::Pass,
            Kept::Passed(false) | Kept::Verdict(Named::Warning) => Self::Warning,
            Kept::Verdict(Named::CannotTell) => Self::CannotTell,
        }
    }
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pass, Self::Warning, Self::CannotTell];

    /// The name in journals and in the database.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warning => "warning",
            Self::CannotTell => "cannot-tell",
        }
    }

    /// The words on pages.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warning => "warning",
            Self::CannotTell => "cannot tell",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|verdict| verdict.id() == text);
        found.ok_or_else(|| format!("there is no verdict “{text}”"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Record};

    #[test]
    fn every_verdict_reads_back_from_its_name_as_journals_write_it() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.id().parse::<Verdict>().unwrap(), verdict);
            assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("\"{}\"", verdict.id()));
            assert_eq!(serde_json::from_str::<Verdict>(&format!("\"{}\"", verdict.id())).unwrap(), verdict);
        }
    }

    #[test]
    fn a_check_of_a_journal_without_verdicts_passed_or_warned() {
        for (passed, verdict) in [(true, Verdict::Pass), (false, Verdict::Warning)] {
            let line = format!(
                r#"{{"at":"2026-01-01T00:00:00Z","attempt":1,"event":"check","check":"noise","passed":{passed},
                    "finding":"Of the 9 images that PGD-20 left, noise fools 0.","figures":{{}}}}"#
            );
            let record: Record = serde_json::from_str(&line).unwrap();
            let Event::Check(result) = record.event else { panic!("it is a check") };
            assert_eq!(result.verdict, verdict);
        }
    }
}
