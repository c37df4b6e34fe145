//! The highest accuracies of a comparison, and what may be said of them.

use retort_spec::{Attack, MethodName};

use super::{Beside, Cell, Column, ComparisonTable, Lead, Row};
use crate::format;

/// The highest accuracy among the students of a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Highest {
    /// Its attack; none for the natural accuracy.
    pub attack: Option<Attack>,
    /// In percent.
    pub percent: f64,
    /// The method that has it, or the first of those that do.
    pub method: MethodName,
    /// The row that has it, with its student where there are several; untested, every row that has it as it is printed.
    pub rows: Vec<String>,
    /// Whether it has others to compete with.
    pub has_others: bool,
    /// Whether the test tells it from every other.
    pub is_best: bool,
    /// Unless it is the best: what is to be said of that, such as `not distinguishable from KD (p = 0.310)`.
    pub remark: String,
    /// How the first of them compares to the baseline, where it is tested.
    pub against: Option<Beside>,
    /// Over how many test images.
    pub images: usize,
}

impl ComparisonTable {
    /// The highest accuracy of a student without an attack, and under the strongest attack (the one with the most steps), of a
    /// setting: what was made otherwise is no match for it.
    pub fn highest(&self, setting: usize) -> [Option<Highest>; 2] {
        let natural = self.columns.iter().position(|column| *column == Column::Natural);
        let attacked = (0..self.columns.len()).filter_map(|i| Some((i, self.columns[i].attack()?.strength())));
        let strongest = attacked.max_by_key(|(_, strength)| *strength).map(|(i, _)| i);
        [natural, strongest].map(|column| column.and_then(|column| self.highest_of(setting, column)))
    }

    fn highest_of(&self, setting: usize, column: usize) -> Option<Highest> {
        let students = self.groups.iter().filter(|g| !g.is_teacher);
        let many = students.clone().filter(|g| g.rows.iter().any(|row| row.setting == setting)).count() > 1;
        let rows: Vec<&Row> = students.flat_map(|g| &g.rows).filter(|row| row.setting == setting).collect();
        let cells: Vec<Option<&Cell>> = rows.iter().map(|row| row.competing(column)).collect();
        let lead = Lead::among(&cells)?;
        let name = |place: usize| {
            let row = rows[place];
            if many { format!("{} ({})", row.title(), row.architecture) } else { row.title() }
        };
        let cell = cells[lead.highest]?;
        let named = lead.named(&cells);
        Some(Highest {
            attack: self.columns[column].attack().cloned(),
            percent: cell.mean,
            method: rows[named[0]].method,
            rows: named.into_iter().map(name).collect(),
            has_others: !lead.others.is_empty(),
            is_best: lead.is_best(),
            remark: lead.remark(name),
            against: cell.against,
            images: cell.images,
        })
    }
}

impl Highest {
    /// Who has it: `GACD+AFT`, or `GACD+AFT (ResNet-8)` where there are several students; of many that are equal, how many.
    pub fn who(&self) -> String {
        match self.rows.as_slice() {
            [first, rest @ ..] if rest.len() > 2 => format!("{first} and {} others", rest.len()),
            rows => format::list(rows),
        }
    }

    /// Whether it is more than guessing among so many classes gives, beyond what the choice of images explains (95 %).
    pub fn is_above_chance(&self, classes: usize) -> bool {
        let chance = 1.0 / classes.max(1) as f64;
        let error = (chance * (1.0 - chance) / self.images.max(1) as f64).sqrt();
        self.percent > 100.0 * (chance + 1.96 * error)
    }

    /// What was measured: `natural`, `PGD-20`.
    pub fn what(&self) -> String {
        self.attack.as_ref().map_or_else(|| "natural".into(), Attack::to_string)
    }
}
