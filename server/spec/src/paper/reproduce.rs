//! Experiments that measure the results of the paper's tables.

use super::{PaperResult, PaperTable, likely};
use crate::{
    Architecture, Attack, Budget, DatasetChoice, DeviceName, ExperimentSpec, MethodName, MethodSetting, Setting, Sweep,
    TeacherChoice,
};

/// At what something of the paper is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// The budget. The smallest takes few of the images too, to be minutes on any machine.
    pub budget: Budget,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Where it computes.
    pub device: DeviceName,
}

/// Training and test images at the budget `smoke`: of CIFAR-10, 100 of each class to test on, as Figure 5 takes.
const SMOKE_IMAGES: [usize; 2] = [2_000, 1_000];

impl Conditions {
    /// Training and test images, where not all are taken.
    pub fn images(&self) -> Option<[usize; 2]> {
        (self.budget == Budget::Smoke).then_some(SMOKE_IMAGES)
    }

    /// Whether an experiment is made at this budget or a larger one, with as many images, and with as many epochs as the budget
    /// has. How many seeds it has, its table tells.
    pub fn are_met_by(&self, spec: &ExperimentSpec) -> bool {
        let asked = self.dataset(&spec.dataset.name);
        let has_enough =
            |own: Option<usize>, asked: Option<usize>| own.is_none_or(|own| asked.is_some_and(|n| own >= n));
        spec.budget as u8 >= self.budget as u8
            && spec.epochs.is_none()
            && has_enough(spec.dataset.train_images, asked.train_images)
            && has_enough(spec.dataset.test_images, asked.test_images)
    }

    fn dataset(&self, name: &str) -> DatasetChoice {
        let [train_images, test_images] = self.images().map_or([None; 2], |images| images.map(Some));
        DatasetChoice { train_images, test_images, ..DatasetChoice::all_of(name) }
    }

    /// An experiment without a question.
    pub(super) fn experiment(&self, dataset: &str) -> ExperimentSpec {
        ExperimentSpec {
            dataset: self.dataset(dataset),
            attacks: vec![Attack::pgd(20)],
            seeds: self.seeds.clone(),
            budget: self.budget,
            epochs: None,
            device: self.device,
            ..ExperimentSpec::demo()
        }
    }
}

/// The experiments that measure some results of the paper and nothing else. A whole table takes one for each dataset and
/// teacher; where different methods are asked for of different students, each such set has its own.
pub fn reproduce<'a>(
    results: impl IntoIterator<Item = &'a PaperResult>,
    conditions: &Conditions,
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
        let (dataset, teacher) = (conditions.dataset(&one.dataset), TeacherChoice::Train(one.teacher));
        let sweeps: Vec<Sweep> = one.weighting.into_iter().collect();
        let fits = |spec: &ExperimentSpec| {
            (&spec.dataset, &spec.teacher, &spec.methods, &spec.sweeps) == (&dataset, &teacher, &methods, &sweeps)
                && spec.probes.is_empty() == one.probe.is_none()
        };
        let place = specs.iter().position(fits).unwrap_or_else(|| {
            specs.push(ExperimentSpec {
                teacher: teacher.clone(),
                students: Vec::new(),
                methods: methods.clone(),
                sweeps: sweeps.clone(),
                ..conditions.experiment(&one.dataset)
            });
            specs.len() - 1
        });
        add(&mut specs[place].students, one.student);
        if let Some(probe) = one.probe {
            add(&mut specs[place].probes, conditions.dataset(&probe));
        }
    }
    for spec in &mut specs {
        spec.title = title(spec);
    }
    specs
}

/// What an experiment measures of the paper, in words.
fn title(spec: &ExperimentSpec) -> String {
    let titles = |all: Vec<&'static str>, many: &str| match all.as_slice() {
        [one] => (*one).to_owned(),
        all => format!("{} {many}", all.len()),
    };
    let methods = titles(spec.methods.iter().map(|method| method.title()).collect(), "methods");
    let students = titles(spec.students.iter().map(|student| student.title()).collect(), "students");
    let has_teacher = spec.methods.iter().any(|method| method.needs_teacher());
    let from = if has_teacher { format!(" from {}", spec.teacher.architecture()) } else { String::new() };
    format!("Paper: {methods} for {students}{from} on {}", spec.dataset.name)
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
    let MethodSetting { method, setting: Setting { path, value } } = result.variant.settings.first()?.clone();
    Some(Sweep { method, path, values: vec![value] })
}

#[cfg(test)]
mod tests {
    use super::{super::paper_results, *};

    fn at(budget: Budget) -> Conditions {
        Conditions { budget, seeds: vec![1], device: DeviceName::Cpu }
    }

    #[test]
    fn a_table_is_reproduced_by_an_experiment_for_each_teacher_and_a_cell_by_its_own() {
        let of = |table| paper_results().iter().filter(move |r| r.table == table);
        let specs = reproduce(of(PaperTable::Cifar10), &at(Budget::Quick));
        assert_eq!(specs.len(), 2);
        assert_eq!(specs[1].teacher, TeacherChoice::Train(Architecture::Wrn34x10));
        let students = [Architecture::ResNet18, Architecture::Wrn34x10, Architecture::MobileNetV2];
        assert!(
            specs.iter().all(|spec| spec.students == students && spec.methods.len() == 4 && spec.validate().is_ok())
        );
        assert_eq!(specs[0].title, "Paper: 4 methods for 3 students from ResNet-18 on cifar10");
        let teacher = reproduce(of(PaperTable::Teachers).take(1), &at(Budget::Smoke));
        assert_eq!(teacher[0].title, "Paper: PGD-AT for ResNet-18 on cifar10");
        let cell = reproduce(of(PaperTable::Cifar100).take(1), &at(Budget::Smoke));
        assert_eq!((cell.len(), &cell[0].methods[..]), (1, &[MethodName::KD][..]));
        let transfer = reproduce(of(PaperTable::Transfer), &at(Budget::Smoke));
        let probes: Vec<_> = transfer[0].probes.iter().map(|probe| probe.name.as_str()).collect();
        assert_eq!(
            (transfer.len(), transfer[0].dataset.name.as_str(), probes),
            (1, "cifar10", vec!["stl10", "cifar100"])
        );
        let ablation = reproduce(of(PaperTable::Ablation), &at(Budget::Smoke));
        assert!(ablation.iter().all(|spec| spec.sweeps.len() == 1 && spec.validate().is_ok()), "{ablation:?}");
    }

    #[test]
    fn nothing_is_launched_that_was_not_asked_for() {
        let of = |method, student| {
            let is_own = move |r: &&PaperResult| {
                r.table == PaperTable::Cifar10 && r.method == method && r.is_of(Architecture::ResNet18, Some(student))
            };
            paper_results().iter().find(is_own).unwrap()
        };
        let asked = [of(MethodName::KD, Architecture::MobileNetV2), of(MethodName::GACD, Architecture::ResNet18)];
        let specs = reproduce(asked, &at(Budget::Smoke));
        let cells: Vec<_> = specs.iter().map(|spec| (spec.methods.clone(), spec.students.clone())).collect();
        assert_eq!(
            cells,
            [
                (vec![MethodName::KD], vec![Architecture::MobileNetV2]),
                (vec![MethodName::GACD], vec![Architecture::ResNet18])
            ]
        );
    }

    #[test]
    fn the_ablation_is_planned_under_the_variants_that_the_file_names() {
        for result in paper_results().iter().filter(|r| r.table == PaperTable::Ablation) {
            let specs = reproduce([result], &at(Budget::Smoke));
            let plan = specs[0].expand();
            assert!(plan.iter().any(|run| run.method == result.method && run.variant == result.variant), "{result:?}");
        }
    }
}
