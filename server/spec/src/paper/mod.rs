//! The results that the paper prints (Bai et al., arXiv:2009.09922), to stand beside ours.
//!
//! The file holds its cells as printed. Tables 1 and 2 are distilled students, Table 3 their teachers, Table 4 linear probes of
//! CIFAR-10 models on other datasets; the ablation is of the sample weights. Every attack is at ε 8/255.

mod figure;
mod reproduce;

use std::sync::LazyLock;

pub use self::{
    figure::PaperFigure,
    reproduce::{Conditions, reproduce},
};
use crate::{Architecture, Attack, MethodName, Pgd, Setting, Variant};

/// The cells of the paper, a line each.
const CELLS: &str = include_str!("../../data/paper_results.csv");

/// A table of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaperTable {
    /// Table 1: students on CIFAR-10.
    Cifar10,
    /// Table 2: students on CIFAR-100.
    Cifar100,
    /// Table 3: the teachers.
    Teachers,
    /// Table 4: linear probes on STL-10 and CIFAR-100.
    Transfer,
    /// The ablation of the sample weights, which the paper gives in its text.
    Ablation,
}

/// One row of results: a natural accuracy, and one under an attack.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperResult {
    /// Where it stands.
    pub table: PaperTable,
    /// The dataset that it was measured on, by its name here.
    pub dataset: String,
    /// The teacher, as printed.
    pub teacher: Architecture,
    /// The student, as printed; none for a teacher.
    pub student: Option<Architecture>,
    /// The method.
    pub method: MethodName,
    /// What sets it apart from the method as the paper has it; mostly nothing.
    pub variant: Variant,
    /// The natural accuracy, in percent.
    pub natural: f64,
    /// The adversarial accuracy, in percent.
    pub adversarial: f64,
    /// Steps of the PGD attack.
    pub steps: usize,
}

/// Every result of the paper, in its order.
pub fn paper_results() -> &'static [PaperResult] {
    static RESULTS: LazyLock<Vec<PaperResult>> = LazyLock::new(|| {
        let mut reader = csv::Reader::from_reader(CELLS.as_bytes());
        reader.records().filter_map(|record| read(&record.ok()?)).collect()
    });
    &RESULTS
}

fn read(record: &csv::StringRecord) -> Option<PaperResult> {
    let cells: Vec<&str> = record.iter().collect();
    let [table, dataset, teacher, student, method, variant, natural, adversarial, attack] = cells.as_slice() else {
        return None;
    };
    let method: MethodName = method.parse().ok()?;
    // The setting is of what goes before a fine-tuning.
    let owner = method.fine_tunes().unwrap_or(method);
    let variant = variant.split_once('=').map(|(path, value)| Variant::of(owner, Setting::new(path, value)));
    Some(PaperResult {
        table: match *table {
            "1" => PaperTable::Cifar10,
            "2" => PaperTable::Cifar100,
            "3" => PaperTable::Teachers,
            "4" => PaperTable::Transfer,
            "ablation" => PaperTable::Ablation,
            _ => return None,
        },
        dataset: (*dataset).to_owned(),
        teacher: teacher.parse().ok()?,
        student: if student.is_empty() { None } else { Some(student.parse().ok()?) },
        method,
        variant: variant.unwrap_or_default(),
        natural: natural.parse().ok()?,
        adversarial: adversarial.parse().ok()?,
        steps: match attack.parse().ok()? {
            Attack::Pgd(pgd) => pgd.steps,
            _ => return None,
        },
    })
}

/// The network that the paper most likely means where it prints this one. Table 1 prints WRN-34-2; Table 3, the setup and the
/// ablation say WRN-34-10 of the same numbers.
pub const fn likely(printed: Architecture) -> Architecture {
    match printed {
        Architecture::Wrn34x2 => Architecture::Wrn34x10,
        other => other,
    }
}

impl PaperTable {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 5] = [Self::Cifar10, Self::Cifar100, Self::Teachers, Self::Transfer, Self::Ablation];

    /// The name in addresses.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Cifar10 => "1",
            Self::Cifar100 => "2",
            Self::Teachers => "3",
            Self::Transfer => "4",
            Self::Ablation => "ablation",
        }
    }
}

impl PaperResult {
    /// The accuracy in percent of this row without an attack, or under one; none where the paper did not measure that. Of an
    /// attack its kind, steps and ε count: the paper gives no step size.
    pub fn accuracy(&self, attack: Option<&Attack>) -> Option<f64> {
        match attack {
            None => Some(self.natural),
            Some(Attack::Pgd(Pgd { eps, steps, restarts: 1, .. })) => {
                let same = *steps == self.steps && (eps.value() - 8.0 / 255.0).abs() < 1e-9;
                same.then_some(self.adversarial)
            }
            Some(_) => None,
        }
    }

    /// Whether it is of this teacher and student (none: of the teacher itself), whichever reading of the paper is meant.
    pub fn is_of(&self, teacher: Architecture, student: Option<Architecture>) -> bool {
        let same = |printed: Architecture, asked: Architecture| likely(printed) == asked;
        same(self.teacher, teacher)
            && match (self.student, student) {
                (None, None) => true,
                (Some(printed), Some(asked)) => same(printed, asked),
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn every_line_of_the_file_is_a_result() {
        assert_eq!(paper_results().len(), CELLS.lines().count() - 1);
        let count = |table| paper_results().iter().filter(|r| r.table == table).count();
        let tables = [
            PaperTable::Cifar10,
            PaperTable::Cifar100,
            PaperTable::Teachers,
            PaperTable::Transfer,
            PaperTable::Ablation,
        ];
        assert_eq!(tables.map(count), [24, 24, 4, 8, 2]);
    }

    #[test]
    fn the_gain_in_transfer_is_the_one_that_the_papers_text_states() {
        // “+11.8 and +5.84” on average over both datasets.
        let gain = |value: fn(&PaperResult) -> f64| {
            let of = |method| -> Vec<f64> {
                let rows = paper_results().iter().filter(|r| r.table == PaperTable::Transfer && r.method == method);
                rows.map(value).collect()
            };
            mean(&of(MethodName::GACD)) - mean(&of(MethodName::PGD_AT))
        };
        assert!((gain(|r| r.natural) - 11.795).abs() < 1e-9);
        assert!((gain(|r| r.adversarial) - 5.84).abs() < 1e-9);
    }

    #[test]
    fn a_result_is_found_by_its_likely_networks_and_attack() {
        let rows: Vec<_> = paper_results()
            .iter()
            .filter(|r| r.method == MethodName::GACD.fine_tuned() && r.variant.is_plain())
            .filter(|r| r.is_of(Architecture::ResNet18, Some(Architecture::Wrn34x10)))
            .collect();
        let [row] = rows.as_slice() else { panic!("it stands once: {rows:?}") };
        assert_eq!((row.accuracy(None), row.accuracy(Some(&Attack::pgd(20)))), (Some(85.35), Some(55.19)));
        assert_eq!(row.accuracy(Some(&Attack::pgd(100))), None);
        assert!(!row.is_of(Architecture::ResNet18, Some(Architecture::Wrn34x2)));
    }
}
