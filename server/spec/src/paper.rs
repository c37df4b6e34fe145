//! The results that the paper prints (Bai et al., arXiv:2009.09922), to stand beside ours.
//!
//! The file holds its cells as printed. Tables 1 and 2 are distilled students, Table 3 their teachers, Table 4 linear probes of
//! CIFAR-10 models on other datasets; the ablation is of the sample weights. Every attack is at ε 8/255.

use std::sync::LazyLock;

use crate::{
    Architecture, Attack, Budget, DatasetChoice, DeviceName, ExperimentSpec, MethodName, Sweep, TeacherChoice,
};

/// The cells of the paper, a line each.
const CELLS: &str = include_str!("../data/paper_results.csv");

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
    /// What sets it apart from the method as the paper has it; mostly empty.
    pub variant: String,
    /// The natural accuracy, in percent.
    pub natural: f64,
    /// The adversarial accuracy, in percent.
    pub adversarial: f64,
    /// Steps of the PGD attack.
    pub steps: usize,
}

/// Every result of the paper, in its order.
pub fn paper_results() -> &'static [PaperResult] {
    static RESULTS: LazyLock<Vec<PaperResult>> = LazyLock::new(|| CELLS.lines().skip(1).filter_map(read).collect());
    &RESULTS
}

fn read(line: &str) -> Option<PaperResult> {
    let cells: Vec<&str> = line.split(',').collect();
    let [table, dataset, teacher, student, method, variant, natural, adversarial, attack] = cells.as_slice() else {
        return None;
    };
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
        method: method.parse().ok()?,
        variant: (*variant).to_owned(),
        natural: natural.parse().ok()?,
        adversarial: adversarial.parse().ok()?,
        steps: match attack.parse().ok()? {
            Attack::Pgd { steps, .. } => steps,
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

/// The parameter that the paper ablates, by its path.
const SAMPLE_WEIGHTING: &str = "method.sample_weighting";

/// The experiments that measure some results of the paper and nothing else. A whole table takes one for each dataset and
/// teacher; where different methods are asked for of different students, each such set has its own.
pub fn reproduce<'a>(
    results: impl IntoIterator<Item = &'a PaperResult>,
    budget: Budget,
    device: DeviceName,
) -> Vec<ExperimentSpec> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for result in results {
        let (teacher, student) = (likely(result.teacher), result.student.map(likely));
        let transfers = result.table == PaperTable::Transfer;
        let one = Wanted {
            // Table 4 is of models that were trained on CIFAR-10; a teacher alone is trained like a student without one.
            dataset: if transfers { "cifar10".into() } else { result.dataset.clone() },
            teacher,
            student: student.unwrap_or(teacher),
            probe: transfers.then(|| result.dataset.clone()),
            weighting: weighting(result),
            methods: vec![result.method],
        };
        match wanted.iter_mut().find(|other| other.is_of(&one)) {
            Some(other) => add(&mut other.methods, result.method),
            None => wanted.push(one),
        }
    }
    let mut specs: Vec<ExperimentSpec> = Vec::new();
    for one in wanted {
        let mut methods = one.methods;
        methods.sort_unstable();
        let (dataset, teacher) = (DatasetChoice::all_of(&one.dataset), TeacherChoice::Train(one.teacher));
        let sweeps: Vec<Sweep> = one.weighting.into_iter().collect();
        let fits = |spec: &ExperimentSpec| {
            (&spec.dataset, &spec.teacher, &spec.methods, &spec.sweeps) == (&dataset, &teacher, &methods, &sweeps)
                && spec.probes.is_empty() == one.probe.is_none()
        };
        let place = specs.iter().position(fits).unwrap_or_else(|| {
            specs.push(ExperimentSpec {
                title: format!("Paper: {} on {}", one.teacher, one.dataset),
                dataset: dataset.clone(),
                teacher: teacher.clone(),
                students: Vec::new(),
                methods: methods.clone(),
                attacks: vec![Attack::pgd(20)],
                sweeps: sweeps.clone(),
                budget,
                epochs: None,
                device,
                ..ExperimentSpec::demo()
            });
            specs.len() - 1
        });
        add(&mut specs[place].students, one.student);
        if let Some(probe) = one.probe {
            add(&mut specs[place].probes, DatasetChoice::all_of(probe));
        }
    }
    specs
}

/// The methods that are asked for of one student of a teacher, and where their features are probed.
struct Wanted {
    dataset: String,
    teacher: Architecture,
    student: Architecture,
    probe: Option<String>,
    weighting: Option<Sweep>,
    methods: Vec<MethodName>,
}

impl Wanted {
    /// Whether it differs from another in the methods alone.
    fn is_of(&self, other: &Self) -> bool {
        (&self.dataset, self.teacher, self.student, &self.probe, &self.weighting)
            == (&other.dataset, other.teacher, other.student, &other.probe, &other.weighting)
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The setting that makes a result of the ablation.
fn weighting(result: &PaperResult) -> Option<Sweep> {
    let value = result.variant.strip_prefix("sample weighting ")?;
    let method = result.method.fine_tunes().unwrap_or(result.method);
    Some(Sweep { method, path: SAMPLE_WEIGHTING.into(), values: vec![value.to_owned()] })
}

/// Figure 2 of the paper: GACD's accuracies against the number of negatives and against the temperature.
pub fn reproduce_sweeps(budget: Budget, device: DeviceName) -> [ExperimentSpec; 2] {
    let sweep = |name: &str, path: &str, values: &[&str]| ExperimentSpec {
        title: format!("Paper: Figure 2, {name}"),
        dataset: DatasetChoice::all_of("cifar10"),
        teacher: TeacherChoice::Train(Architecture::ResNet18),
        students: vec![Architecture::ResNet18],
        methods: vec![MethodName::Gacd],
        attacks: vec![Attack::pgd(20)],
        sweeps: vec![Sweep {
            method: MethodName::Gacd,
            path: path.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }],
        budget,
        epochs: None,
        device,
        ..ExperimentSpec::demo()
    };
    [
        sweep("negatives k", "method.negatives", &["16", "64", "256", "1024", "4096", "16384"]),
        sweep("temperature T", "method.temperature", &["0.02", "0.05", "0.07", "0.1", "0.2"]),
    ]
}

impl PaperResult {
    /// The accuracy in percent of this row without an attack, or under one; none where the paper did not measure that. Of an
    /// attack its kind, steps and ε count: the paper gives no step size.
    pub fn accuracy(&self, attack: Option<&Attack>) -> Option<f64> {
        match attack {
            None => Some(self.natural),
            Some(Attack::Pgd { eps, steps, restarts: 1, .. }) => {
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
            mean(&of(MethodName::Gacd)) - mean(&of(MethodName::PgdAt))
        };
        assert!((gain(|r| r.natural) - 11.795).abs() < 1e-9);
        assert!((gain(|r| r.adversarial) - 5.84).abs() < 1e-9);
    }

    #[test]
    fn a_table_is_reproduced_by_an_experiment_for_each_teacher_and_a_cell_by_its_own() {
        let of = |table| paper_results().iter().filter(move |r| r.table == table);
        let specs = reproduce(of(PaperTable::Cifar10), Budget::Quick, DeviceName::Cpu);
        assert_eq!(specs.len(), 2);
        assert_eq!(specs[1].teacher, TeacherChoice::Train(Architecture::Wrn34x10));
        let students = [Architecture::ResNet18, Architecture::Wrn34x10, Architecture::MobileNetV2];
        assert!(
            specs.iter().all(|spec| spec.students == students && spec.methods.len() == 4 && spec.validate().is_ok())
        );
        let cell = reproduce(of(PaperTable::Cifar100).take(1), Budget::Smoke, DeviceName::Cpu);
        assert_eq!((cell.len(), &cell[0].methods[..]), (1, &[MethodName::Kd][..]));
        let transfer = reproduce(of(PaperTable::Transfer), Budget::Smoke, DeviceName::Cpu);
        let probes: Vec<_> = transfer[0].probes.iter().map(|probe| probe.name.as_str()).collect();
        assert_eq!(
            (transfer.len(), transfer[0].dataset.name.as_str(), probes),
            (1, "cifar10", vec!["stl10", "cifar100"])
        );
        let ablation = reproduce(of(PaperTable::Ablation), Budget::Smoke, DeviceName::Cpu);
        assert!(ablation.iter().all(|spec| spec.sweeps.len() == 1 && spec.validate().is_ok()), "{ablation:?}");
        for spec in ablation.iter().chain(&reproduce_sweeps(Budget::Smoke, DeviceName::Cpu)) {
            spec.validate().unwrap();
        }
    }

    #[test]
    fn nothing_is_launched_that_was_not_asked_for() {
        let of = |method, student| {
            let is_own = move |r: &&PaperResult| {
                r.table == PaperTable::Cifar10 && r.method == method && r.is_of(Architecture::ResNet18, Some(student))
            };
            paper_results().iter().find(is_own).unwrap()
        };
        let asked = [of(MethodName::Kd, Architecture::MobileNetV2), of(MethodName::Gacd, Architecture::ResNet18)];
        let specs = reproduce(asked, Budget::Smoke, DeviceName::Cpu);
        let cells: Vec<_> = specs.iter().map(|spec| (spec.methods.clone(), spec.students.clone())).collect();
        assert_eq!(
            cells,
            [
                (vec![MethodName::Kd], vec![Architecture::MobileNetV2]),
                (vec![MethodName::Gacd], vec![Architecture::ResNet18])
            ]
        );
    }

    #[test]
    fn the_ablation_is_planned_under_the_variants_that_the_file_names() {
        for result in paper_results().iter().filter(|r| r.table == PaperTable::Ablation) {
            let specs = reproduce([result], Budget::Smoke, DeviceName::Cpu);
            let plan = specs[0].expand();
            assert!(plan.iter().any(|run| run.method == result.method && run.variant == result.variant), "{result:?}");
        }
    }

    #[test]
    fn a_result_is_found_by_its_likely_networks_and_attack() {
        let rows: Vec<_> = paper_results()
            .iter()
            .filter(|r| r.method == MethodName::GacdAft && r.variant.is_empty())
            .filter(|r| r.is_of(Architecture::ResNet18, Some(Architecture::Wrn34x10)))
            .collect();
        let [row] = rows.as_slice() else { panic!("it stands once: {rows:?}") };
        assert_eq!((row.accuracy(None), row.accuracy(Some(&Attack::pgd(20)))), (Some(85.35), Some(55.19)));
        assert_eq!(row.accuracy(Some(&Attack::pgd(100))), None);
        assert!(!row.is_of(Architecture::ResNet18, Some(Architecture::Wrn34x2)));
    }
}
