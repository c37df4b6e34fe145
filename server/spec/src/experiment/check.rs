//! Checking a question by itself. No fault hides another: whoever mends a form mends it once.

use std::borrow::Cow;

use crate::{
    Architecture, ExperimentSpec, Invalid, MethodName, MethodSetting, ModelRef, Problem, RunSpec, Setting, Sweep,
    Variant,
};

/// Most runs of an experiment.
const MOST_RUNS: usize = 5_000;
/// Most seeds of an experiment.
const MOST_SEEDS: usize = 1_000;
/// Most values of any other list of an experiment.
const MOST_VALUES: usize = 100;

impl ExperimentSpec {
    /// Checks every value.
    ///
    /// # Errors
    /// With all problems at once, each by the field's name.
    pub fn validate(&self) -> Result<(), Invalid> {
        let mut problems = self.too_long_lists();
        let long: Vec<String> = problems.iter().map(|problem| problem.field.clone()).collect();
        let runs = self.most_runs();
        if runs > MOST_RUNS {
            let message =
                "that makes more than 5,000 runs: use fewer seeds, students or values, or several experiments";
            problems.push(Problem::new("seeds", message));
        }
        // What follows looks at every pair of values, so of lists that are too long only at their beginning.
        let short = if long.is_empty() { Cow::Borrowed(self) } else { Cow::Owned(self.cut_short()) };
        short.check(&mut problems);
        let mut told: Vec<Problem> = Vec::with_capacity(problems.len());
        for problem in problems {
            let is_of_long = long.contains(&problem.field) && told.iter().any(|other| other.field == problem.field);
            if !is_of_long && !told.contains(&problem) {
                told.push(problem);
            }
        }
        Invalid::unless_empty(told)
    }

    fn check(&self, problems: &mut Vec<Problem>) {
        let mut expect = |holds: bool, field: &str, message: String| {
            if !holds {
                problems.push(Problem::new(field, message));
            }
        };
        expect(!self.title.trim().is_empty(), "title", "give the comparison a name".into());
        expect(self.title.chars().count() <= 200, "title", "use at most 200 characters".into());
        let trains = !self.evaluates_alone();
        expect(!trains || !self.students.is_empty(), "students", "choose at least one student".into());
        expect(!trains || !self.methods.is_empty(), "methods", "choose at least one method".into());
        expect(!self.seeds.is_empty(), "seeds", "give at least one seed, such as 1".into());
        expect(!self.attacks.is_empty(), "attacks", "choose at least one attack".into());
        for (i, seed) in self.seeds.iter().enumerate() {
            expect(!self.seeds[..i].contains(seed), "seeds", format!("seed {seed} stands twice"));
        }
        for (i, method) in self.methods.iter().enumerate() {
            expect(!self.methods[..i].contains(method), "methods", format!("{method} stands twice"));
        }
        for (i, student) in self.students.iter().enumerate() {
            expect(!self.students[..i].contains(student), "students", format!("{student} stands twice"));
        }
        for (i, attack) in self.attacks.iter().enumerate() {
            expect(!self.attacks[..i].contains(attack), "attacks", format!("{attack} stands twice"));
        }
        expect(self.epochs.is_none_or(|e| (1..=10_000).contains(&e)), "epochs", "must be from 1 to 10,000".into());
        for (i, surrogate) in self.surrogates.iter().enumerate() {
            let twice = self.surrogates[..i].contains(surrogate);
            expect(!twice, "surrogates", format!("{surrogate} stands twice"));
            let message = format!("{} needs a teacher: a surrogate has none", surrogate.method);
            expect(!surrogate.method.needs_teacher(), "surrogates", message);
        }
        for attack in &self.attacks {
            let planned = attack.surrogate().is_none();
            expect(planned, "attacks", format!("{attack}: name the other model under `surrogates`"));
        }
        for (i, attack) in self.attacks.iter().enumerate() {
            attack.check(&format!("attacks[{i}]"), problems);
        }
        self.dataset.check("dataset", problems);
        self.divergence.check("divergence", problems);
        if let Some(averaging) = &self.weight_averaging {
            averaging.check("weight_averaging", problems);
        }
        for (i, probe) in self.probes.iter().enumerate() {
            probe.check(&format!("probes[{i}]"), problems);
            if probe.name == self.dataset.name || self.probes[..i].iter().any(|p| p.name == probe.name) {
                let message = format!("{} is used already: probe on another dataset", probe.name);
                problems.push(Problem::new("probes", message));
            }
        }
        if self.masking_images.is_some_and(|n| n < 10) {
            problems.push(Problem::new("masking_images", "use at least 10 images, or leave it empty for no checks"));
        }
        problems.extend(self.normaliser.and_then(|n| n.fault()).map(|fault| Problem::new("normaliser", fault)));
        self.check_analyses(problems);
        self.check_models_of_analyses(problems);
        self.check_sweeps(problems);
    }

    /// The lists that are longer than anybody needs. Other checks take time by the square of a length.
    fn too_long_lists(&self) -> Vec<Problem> {
        let lists = [
            ("seeds", self.seeds.len(), MOST_SEEDS),
            ("students", self.students.len(), MOST_VALUES),
            ("methods", self.methods.len(), MOST_VALUES),
            ("attacks", self.attacks.len(), MOST_VALUES),
            ("surrogates", self.surrogates.len(), MOST_VALUES),
            ("probes", self.probes.len(), MOST_VALUES),
            ("analyses", self.analyses.len(), MOST_VALUES),
            ("sweeps", self.sweeps.len(), MOST_VALUES),
        ];
        let lists = lists.map(|(field, length, most)| (field.to_owned(), length, most)).into_iter();
        let sweeps = self.sweeps.iter().map(|sweep| (field_of(sweep), sweep.values.len(), MOST_VALUES));
        let long = lists.chain(sweeps).filter(|(_, length, most)| length > most);
        long.map(|(field, length, most)| Problem::new(&field, format!("these are {length}: use at most {most}")))
            .take(MOST_VALUES)
            .collect()
    }

    /// The same with the beginnings of lists that are too long.
    fn cut_short(&self) -> Self {
        let mut short = self.clone();
        short.seeds.truncate(MOST_SEEDS);
        short.students.truncate(MOST_VALUES);
        short.methods.truncate(MOST_VALUES);
        short.attacks.truncate(MOST_VALUES);
        short.surrogates.truncate(MOST_VALUES);
        short.probes.truncate(MOST_VALUES);
        short.analyses.truncate(MOST_VALUES);
        short.sweeps.truncate(MOST_VALUES);
        short.sweeps.iter_mut().for_each(|sweep| sweep.values.truncate(MOST_VALUES));
        short
    }

    /// How many runs it makes at most, counted without making them: their product may be beyond all memory.
    fn most_runs(&self) -> usize {
        let variants = self.methods.iter().fold(0_usize, |sum, method| sum.saturating_add(self.variant_count(*method)));
        let students = self.students.len().saturating_mul(variants);
        // A training, its evaluation, those of its best epoch and its average, masking checks, and each probe with its evaluation.
        let average = usize::from(self.weight_averaging.is_some());
        let best = usize::from(self.methods.iter().any(|method| self.keeps_best(*method)));
        let of_model = 2 + best + average + usize::from(self.masking_images.is_some()) + 2 * self.probes.len();
        // Beside the teacher, which is evaluated as the students are, a natural teacher and the surrogates are trained.
        let others = self.surrogates.len() + usize::from(self.needs_natural_teacher());
        let of_seed = students.saturating_add(1).saturating_mul(of_model).saturating_add(others);
        self.seeds.len().saturating_mul(of_seed).saturating_add(self.analyses.len())
    }

    /// How many variants [`ExperimentSpec::variants`] has.
    fn variant_count(&self, method: MethodName) -> usize {
        let before = method.fine_tunes().map_or(1, |before| self.variant_count(before));
        let sweeps = self.sweeps.iter().filter(|sweep| sweep.method == method);
        sweeps.fold(before, |count, sweep| count.saturating_mul(sweep.values.len()))
    }

    /// Checks that analyses have as many models as they take: one seed of the plan tells. Nothing is planned before it is known
    /// to be few, nor where models are missing that are asked for elsewhere.
    fn check_models_of_analyses(&self, problems: &mut Vec<Problem>) {
        let seed = self.seeds.first().copied().unwrap_or(1);
        let one_seed = Self { seeds: vec![seed], ..self.clone() };
        let is_whole = !self.students.is_empty()
            && !self.methods.is_empty()
            && self.sweeps.iter().all(|sweep| !sweep.values.is_empty());
        if self.analyses.is_empty() || !is_whole || one_seed.most_runs() > MOST_RUNS {
            return;
        }
        let has_teacher = self.has_teacher();
        for run in one_seed.expand() {
            if let RunSpec::Analyse(own) = run.spec
                && (has_teacher || !own.analysis.kind().is_from_teacher())
            {
                problems.extend(own.fault_of_models().map(|fault| Problem::new("analyses", fault)));
            }
        }
    }

    fn has_teacher(&self) -> bool {
        self.methods.iter().any(|method| method.needs_teacher())
    }

    fn check_analyses(&self, problems: &mut Vec<Problem>) {
        let has_teacher = self.has_teacher();
        let mut found = Vec::new();
        for (i, analysis) in self.analyses.iter().enumerate() {
            analysis.check(&mut found);
            if self.analyses[..i].contains(analysis) {
                found.push(Problem::new("", format!("{} stands twice", analysis.title())));
            }
            // Without any method that is what is missing.
            if analysis.kind().is_from_teacher() && !has_teacher && !self.methods.is_empty() {
                found.push(Problem::new("", "differences from a teacher need a method that has one"));
            }
        }
        let own = |field: &str| if field.is_empty() { "analyses".to_owned() } else { format!("analyses.{field}") };
        problems.extend(found.into_iter().map(|problem| Problem { field: own(&problem.field), ..problem }));
    }

    /// Checks that every value can be had by its parameter, and the values together with each other.
    fn check_sweeps(&self, problems: &mut Vec<Problem>) {
        let before = problems.len();
        for (i, sweep) in self.sweeps.iter().enumerate() {
            let Sweep { method, path, values } = sweep;
            let field = field_of(sweep);
            let used = self.methods.iter().any(|m| m == method || m.fine_tunes() == Some(*method));
            if !used {
                problems.push(Problem::new(&field, format!("{method} is not among the methods")));
            }
            if values.is_empty() || self.sweeps[..i].iter().any(|s| s.has_same_parameter(sweep)) {
                problems.push(Problem::new(&field, "give each parameter once, with at least one value"));
            }
            for (i, value) in values.iter().enumerate() {
                if values[..i].contains(value) {
                    problems.push(Problem::new(&field, format!("{value} stands twice")));
                }
                let faults = self.faults_of_training(*method, &Variant::of(*method, Setting::new(path, value)));
                let own = faults.into_iter().filter(|fault| fault.field == *path);
                problems.extend(own.map(|fault| Problem::new(&field, fault.message)));
            }
        }
        if problems.len() == before && self.most_runs() <= MOST_RUNS {
            self.check_variants(problems);
        }
    }

    /// Checks values that can be had one by one together, such as a warm-up with the epochs that it is a part of.
    fn check_variants(&self, problems: &mut Vec<Problem>) {
        let mut methods = self.methods.clone();
        methods.dedup();
        for method in methods {
            let plain = self.faults_of_training(method, &Variant::default());
            for variant in self.variants(method) {
                let mut faults = self.faults_of_training(method, &variant);
                // What is wrong with the experiment itself is told elsewhere.
                faults.retain(|fault| !plain.contains(fault));
                for fault in faults {
                    let is_own = |set: &&MethodSetting| set.setting.path == fault.field;
                    let set = variant.settings.iter().rfind(is_own).or(variant.settings.last());
                    let Some(MethodSetting { method, setting }) = set else { continue };
                    let field = format!("sweeps.{}.{}", method.id(), setting.path);
                    let message = if setting.path == fault.field {
                        format!("{}: {}", setting.value, fault.message)
                    } else {
                        format!("{}: {} {}", setting.value, fault.field, fault.message)
                    };
                    problems.push(Problem::new(field, message));
                }
            }
        }
    }

    /// What is wrong with one training, by its spec's fields.
    fn faults_of_training(&self, method: MethodName, variant: &Variant) -> Vec<Problem> {
        match self.train(method, Architecture::ResNet8, 1, variant) {
            Ok(spec) => {
                let valid = RunSpec::Train(spec.taught_by(&ModelRef::Planned(0))).validate();
                valid.err().map_or_else(Vec::new, |Invalid(faults)| faults)
            }
            Err(fault) => vec![fault],
        }
    }
}

/// A sweep's field.
fn field_of(sweep: &Sweep) -> String {
    format!("sweeps.{}.{}", sweep.method.id(), sweep.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Analysis, Attack, Correlation, DatasetChoice, Surrogate, TeacherChoice, WeightAveraging};

    fn fields(spec: &ExperimentSpec) -> Vec<String> {
        let Invalid(problems) = spec.validate().unwrap_err();
        problems.into_iter().map(|p| p.field).collect()
    }

    #[test]
    fn a_question_without_students_or_with_a_seed_twice_is_refused_by_field() {
        let spec = ExperimentSpec { students: vec![], seeds: vec![2, 2], ..ExperimentSpec::demo() };
        assert_eq!(fields(&spec), ["students", "seeds"]);
    }

    #[test]
    fn a_stored_model_is_evaluated_without_a_student_and_one_to_be_trained_is_not() {
        let alone = |teacher| ExperimentSpec { teacher, students: vec![], methods: vec![], ..ExperimentSpec::demo() };
        let stored = alone(TeacherChoice::Imported { id: 3, architecture: Architecture::ResNet8 });
        stored.validate().unwrap();
        let runs = stored.expand();
        let RunSpec::Evaluate(evaluation) = &runs[0].spec else { panic!("it evaluates") };
        assert_eq!((runs.len(), &evaluation.model, runs[0].is_teacher), (1, &ModelRef::Imported(3), true));
        assert_eq!(fields(&alone(TeacherChoice::Train(Architecture::ResNet8))), ["students", "methods"]);
    }

    #[test]
    fn a_sweep_is_refused_by_its_parameter_when_a_value_cannot_be_had() {
        let sweep = |method, path: &str, values: &[&str]| Sweep {
            method,
            path: path.into(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        let sweeps = vec![
            sweep(MethodName::KD, "method.temperature", &["30", "0"]),
            sweep(MethodName::ARD, "method.anchor", &["symmetric"]),
            sweep(MethodName::TRADES, "method.beta", &["1"]),
            sweep(MethodName::GACD, "method.negatives", &["16", "64", "16"]),
            sweep(MethodName::GACD.fine_tuned(), "preset", &["trades", "none"]),
        ];
        let found = fields(&ExperimentSpec { sweeps, ..ExperimentSpec::demo() });
        let expected = [
            "sweeps.kd.method.temperature",
            "sweeps.ard.method.anchor",
            "sweeps.trades.method.beta",
            "sweeps.gacd.method.negatives",
            "sweeps.gacd+aft.preset",
        ];
        assert_eq!(found, expected);
    }

    /// So many values of each of these parameters of GACD.
    fn sweeps(paths: &[&str], values: usize) -> Vec<Sweep> {
        let values: Vec<String> = (1..=values).map(|value| value.to_string()).collect();
        let sweep = |path: &&str| Sweep { method: MethodName::GACD, path: (*path).into(), values: values.clone() };
        paths.iter().map(sweep).collect()
    }

    #[test]
    fn sweeps_that_multiply_beyond_all_memory_are_refused_before_they_are_multiplied() {
        let methods = vec![MethodName::GACD, MethodName::GACD.fine_tuned()];
        let paths: Vec<String> = (0..90).map(|i| format!("method.{i}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let spec = ExperimentSpec { methods, sweeps: sweeps(&paths, 100), ..ExperimentSpec::demo() };
        let Invalid(problems) = spec.validate().unwrap_err();
        assert!(problems.iter().any(|p| p.field == "seeds" && p.message.contains("more than 5,000 runs")));
    }

    #[test]
    fn lists_that_are_too_long_are_refused_before_their_values_are_compared() {
        let spec = ExperimentSpec {
            seeds: (0..3_000_000).collect(),
            attacks: vec![Attack::pgd(20); 1_000_000],
            sweeps: sweeps(&["method.negatives"], 200_000),
            ..ExperimentSpec::demo()
        };
        assert_eq!(fields(&spec), ["seeds", "attacks", "sweeps.gacd.method.negatives"]);
    }

    #[test]
    fn runs_are_counted_as_they_are_planned() {
        for spec in [
            ExperimentSpec::demo(),
            ExperimentSpec {
                seeds: vec![1, 2, 3],
                students: vec![Architecture::ResNet8, Architecture::ResNet20],
                methods: vec![MethodName::GACD, MethodName::GACD.fine_tuned()],
                masking_images: Some(100),
                probes: vec![DatasetChoice::all_of("stl10")],
                surrogates: vec![Surrogate { method: MethodName::NATURAL, architecture: Architecture::ResNet8 }],
                sweeps: sweeps(&["method.negatives"], 3),
                ..ExperimentSpec::demo()
            },
        ] {
            let (counted, planned) = (spec.most_runs(), spec.expand().len());
            let spared = spec.seeds.len() * spec.surrogates.len();
            assert!((planned..=planned + spared).contains(&counted), "{counted} counted, {planned} planned");
        }
    }

    #[test]
    fn a_surrogate_that_needs_a_teacher_is_refused() {
        let surrogates = vec![Surrogate { method: MethodName::KD, architecture: Architecture::ResNet8 }];
        assert_eq!(fields(&ExperimentSpec { surrogates, ..ExperimentSpec::demo() }), ["surrogates"]);
    }

    #[test]
    fn values_that_cannot_be_had_together_are_refused_by_the_parameter_that_says_so() {
        let kd = MethodName::KD;
        let sweep = |method: MethodName, path: &str, value: &str| Sweep {
            method,
            path: path.into(),
            values: vec![value.into()],
        };
        let sweeps = vec![sweep(kd, "schedule.epochs", "3"), sweep(kd, "schedule.warm_up", "3")];
        let spec = ExperimentSpec { sweeps, epochs: None, ..ExperimentSpec::demo() };
        let Invalid(problems) = spec.validate().unwrap_err();
        let expected = Problem::new("sweeps.kd.schedule.warm_up", "3: must be less than the epochs");
        assert_eq!(problems, [expected]);
        // The method before a fine-tuning has the schedule, and is named.
        let gacd = MethodName::GACD;
        let sweeps = vec![sweep(gacd, "schedule.decay", "cyclic"), sweep(gacd, "schedule.warm_up", "1")];
        let found = fields(&ExperimentSpec { sweeps, ..ExperimentSpec::demo() });
        assert_eq!(found, ["sweeps.gacd.schedule.warm_up"]);
    }

    #[test]
    fn no_fault_of_an_experiment_hides_another() {
        let analysis = Analysis::Correlation(Correlation::default());
        let spec = ExperimentSpec {
            title: " ".into(),
            students: vec![],
            seeds: (0..1_001).collect(),
            attacks: vec![],
            epochs: Some(0),
            surrogates: vec![Surrogate { method: MethodName::KD, architecture: Architecture::ResNet8 }],
            weight_averaging: Some(WeightAveraging { decay: 1.0 }),
            probes: vec![DatasetChoice::all_of(crate::BUNDLED_DATASET)],
            masking_images: Some(9),
            analyses: vec![analysis.clone(), analysis],
            sweeps: sweeps(&["method.negatives"], 101),
            ..ExperimentSpec::demo()
        };
        let found = fields(&spec);
        for field in [
            "title",
            "students",
            "seeds",
            "attacks",
            "epochs",
            "surrogates",
            "weight_averaging",
            "probes",
            "masking_images",
            "analyses",
            "sweeps.gacd.method.negatives",
        ] {
            assert!(found.iter().any(|other| other == field), "{field} is not among {found:?}");
        }
        // That an analysis is of too few models is told beside a fault elsewhere.
        let one = Analysis::Gallery(crate::Gallery { classes: vec![], images: 10, differ: true });
        let methods = vec![MethodName::PGD_AT];
        let alone = ExperimentSpec { analyses: vec![one], methods, epochs: Some(0), ..ExperimentSpec::demo() };
        assert_eq!(fields(&alone), ["epochs", "analyses"]);
    }

    #[test]
    fn an_experiment_of_earlier_versions_reads_back() {
        let mut json = serde_json::to_value(ExperimentSpec::demo()).unwrap();
        assert!(json.get("sweeps").is_none() && json.get("probes").is_none() && json.get("surrogates").is_none());
        json["title"] = "old".into();
        assert_eq!(serde_json::from_value::<ExperimentSpec>(json).unwrap().title, "old");
    }
}
