//! Ways to train a model. Each is a file that says what it is called, which parameters it has, and what they mean for the
//! work; the list below is all that knows them all.

mod adaad;
mod ard;
mod fine_tuning;
mod gacd;
mod iad;
mod igdm;
mod inner_attack;
mod kd;
mod mtard;
mod natural;
mod parameter;
mod pgd_at;
mod preset;
mod rslad;
mod schedule;
mod setting;
mod trades;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Architecture, Problem};

pub use adaad::Adaad;
pub use ard::Ard;
pub use gacd::{
    Anchor, AttackedFeatures, AttackedNetwork, Coupling, Gacd, NormalisingConstant, PlanGradient, Positive,
    SampleWeighting, StudentInput, TeacherInput,
};
pub use iad::Iad;
pub use igdm::Igdm;
pub use inner_attack::{BatchNormMode, InnerAttack};
pub use kd::{Kd, Reduction};
pub use mtard::Mtard;
pub use natural::Natural;
pub use parameter::Parameter;
pub(crate) use parameter::check_smoothing;
pub use pgd_at::PgdAt;
pub use preset::Preset;
pub use rslad::Rslad;
pub use schedule::{Decay, Schedule};
pub(crate) use setting::PRESET;
pub use setting::Setting;
pub use trades::{TRADES_BETA, Trades};

/// Makes of the list of methods what names each of them: [`Method`], [`MethodName`] and its constants.
macro_rules! methods {
    ($($method:ident $constant:ident),+) => {
        /// A method with its parameters: how a batch becomes a loss.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum Method {
            $(
                #[doc = concat!("See [`", stringify!($method), "`].")]
                $method($method)
            ),+
        }

        impl Method {
            fn parameters(&self) -> &dyn Parameters {
                match self { $(Self::$method(parameters) => parameters),+ }
            }

            fn parameters_mut(&mut self) -> &mut dyn Parameters {
                match self { $(Self::$method(parameters) => parameters),+ }
            }

            /// Its name, without fine-tuning.
            pub const fn name(&self) -> MethodName {
                match self { $(Self::$method(_) => MethodName::$constant),+ }
            }
        }

        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        enum Kind { $($method),+ }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$method),+];

            const fn record(self) -> &'static Record {
                match self { $(Self::$method => &<$method as Described>::RECORD),+ }
            }

            fn defaults(self) -> Method {
                match self { $(Self::$method => Method::$method($method::default())),+ }
            }
        }

        impl MethodName {
            $(
                #[doc = concat!("That of [`", stringify!($method), "`].")]
                pub const $constant: Self = Self { kind: Kind::$method, is_fine_tuned: false };
            )+
        }
    };
}

// In the order of the tables.
methods! {
    Natural NATURAL,
    PgdAt PGD_AT,
    Trades TRADES,
    Kd KD,
    Ard ARD,
    Rslad RSLAD,
    Iad IAD,
    Adaad ADAAD,
    Igdm IGDM,
    Mtard MTARD,
    Gacd GACD
}

/// What the file of a method says about it.
struct Record {
    names: Names,
    /// Where it was published.
    source: &'static str,
    /// What it is called with adversarial fine-tuning after it; nothing for methods without a teacher, after which there is none.
    fine_tuned: Option<Names>,
    /// Its published schedule for an architecture.
    schedule: fn(Architecture) -> Schedule,
    /// The parameters that a lab may want to vary, those of its own loss first, without those of the schedule.
    parameters: &'static [&'static [Parameter]],
    /// Its published variants.
    presets: &'static [Preset],
}

/// What a method is called.
struct Names {
    /// In specs and on the command line.
    id: &'static str,
    /// By people.
    title: &'static str,
    /// One sentence that says what it does.
    summary: &'static str,
}

/// A method whose file says what it is.
trait Described: Parameters + Default {
    const RECORD: Record;
}

/// The parameters of a method: how they are checked, and what they mean for the work. The default is the published one
/// (methods.md §1–3).
trait Parameters {
    /// Adds what is wrong with them, but for their attack.
    fn check(&self, _problems: &mut Vec<Problem>) {}

    /// The attack inside the training.
    fn attack(&self) -> Option<&InnerAttack> {
        None
    }

    /// The attack inside the training, to change it.
    fn attack_mut(&mut self) -> Option<&mut InnerAttack> {
        None
    }

    /// The linear classifier that is trained after the method's own stage.
    fn classifier(&self) -> Option<&Schedule> {
        None
    }

    /// Lets that classifier train for at most so many epochs.
    fn shorten_classifier(&mut self, _most: usize) {}

    /// Forward passes of the student over the batch that its parameters are trained by.
    fn student_passes(&self) -> usize {
        1
    }

    /// Passes of the teacher over the batch, in units of a forward pass.
    fn teacher_passes(&self) -> usize {
        1
    }

    /// Whether it learns from a naturally trained teacher beside the robust one.
    fn needs_natural_teacher(&self) -> bool {
        false
    }
}

/// What [`Parameters`] has of every method that attacks images while it trains.
macro_rules! has_inner_attack {
    () => {
        fn attack(&self) -> Option<&InnerAttack> {
            Some(&self.attack)
        }

        fn attack_mut(&mut self) -> Option<&mut InnerAttack> {
            Some(&mut self.attack)
        }
    };
}
use has_inner_attack;

const fn one() -> f64 {
    1.0
}

impl Method {
    /// Whether it learns from a teacher.
    pub const fn needs_teacher(&self) -> bool {
        self.name().needs_teacher()
    }

    /// Whether it learns from a naturally trained teacher beside the robust one.
    pub fn needs_natural_teacher(&self) -> bool {
        self.parameters().needs_natural_teacher()
    }

    /// The attack inside the training, if there is one.
    pub fn inner_attack(&self) -> Option<&InnerAttack> {
        self.parameters().attack()
    }

    /// The attack inside the training, to change it.
    pub fn inner_attack_mut(&mut self) -> Option<&mut InnerAttack> {
        self.parameters_mut().attack_mut()
    }

    /// The linear classifier that is trained after the method's own stage, if there is one.
    pub fn classifier(&self) -> Option<&Schedule> {
        self.parameters().classifier()
    }

    /// Lets that classifier train for at most so many epochs.
    pub(crate) fn shorten_classifier(&mut self, most: usize) {
        self.parameters_mut().shorten_classifier(most);
    }

    /// Forward passes of the student over the batch that its parameters are trained by.
    pub fn student_passes(&self) -> usize {
        self.parameters().student_passes()
    }

    /// Passes of the teacher over the batch, in units of a forward pass.
    pub(crate) fn teacher_passes(&self) -> usize {
        self.parameters().teacher_passes()
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        if let Some(attack) = self.inner_attack() {
            attack.check("method.attack", problems);
        }
        self.parameters().check(problems);
    }
}

/// A method as it is chosen and compared: the name of a row of the table. After a distillation the whole network may be
/// fine-tuned adversarially (AFT), which has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodName {
    kind: Kind,
    is_fine_tuned: bool,
}

impl MethodName {
    /// All of them, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Self> {
        Kind::ALL.iter().flat_map(|kind| {
            let plain = Self { kind: *kind, is_fine_tuned: false };
            [plain, plain.fine_tuned()].into_iter().take(if plain.needs_teacher() { 2 } else { 1 })
        })
    }

    /// The same with adversarial fine-tuning after it. What has no teacher stays as it is: nothing is fine-tuned after it.
    #[must_use]
    pub const fn fine_tuned(self) -> Self {
        Self { is_fine_tuned: self.needs_teacher(), ..self }
    }

    const fn names(self) -> &'static Names {
        match &self.kind.record().fine_tuned {
            Some(names) if self.is_fine_tuned => names,
            _ => &self.kind.record().names,
        }
    }

    /// The name in specs and on the command line.
    pub const fn id(self) -> &'static str {
        self.names().id
    }

    /// The name that people read.
    pub const fn title(self) -> &'static str {
        self.names().title
    }

    /// One sentence that says what it does.
    pub const fn summary(self) -> &'static str {
        self.names().summary
    }

    /// Where it was published.
    pub const fn source(self) -> &'static str {
        self.kind.record().source
    }

    /// Whether it learns from a teacher.
    pub const fn needs_teacher(self) -> bool {
        self.kind.record().fine_tuned.is_some()
    }

    /// The method that is fine-tuned, for those that end with AFT.
    pub const fn fine_tunes(self) -> Option<Self> {
        if self.is_fine_tuned { Some(Self { is_fine_tuned: false, ..self }) } else { None }
    }

    /// The method with the defaults of methods.md §1–3.
    pub fn defaults(self) -> Method {
        self.kind.defaults()
    }

    /// Its published schedule for an architecture (methods.md §1.2, §2.2, §3.1, §3.2).
    pub fn schedule(self, architecture: Architecture) -> Schedule {
        (self.kind.record().schedule)(architecture)
    }

    /// The parameters that a lab may want to vary, those of its own loss first. For a method that ends with AFT they are
    /// those of the fine-tuning; what goes before has the parameters of the method that is fine-tuned.
    pub fn parameters(self) -> Vec<Parameter> {
        if self.is_fine_tuned {
            return fine_tuning::PARAMETERS.to_vec();
        }
        let own = self.kind.record().parameters.iter().copied();
        own.chain([&parameter::SCHEDULE[..]]).flatten().copied().collect()
    }

    /// Its published variants.
    pub const fn presets(self) -> &'static [Preset] {
        if self.is_fine_tuned { &fine_tuning::PRESETS } else { self.kind.record().presets }
    }

    /// The preset of this name.
    ///
    /// # Errors
    /// With those that there are.
    pub fn preset(self, name: &str) -> Result<Preset, String> {
        self.presets().iter().find(|preset| preset.name == name).copied().ok_or_else(|| {
            let known: Vec<_> = self.presets().iter().map(|preset| preset.name).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("choose {}", known.join(" or ")) };
            format!("{self} has no preset “{name}”: {known}")
        })
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for MethodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|m| m.id() == text.to_lowercase()).ok_or_else(|| {
            let known: Vec<_> = Self::all().map(Self::id).collect();
            format!("there is no method “{text}”: choose one of {}", known.join(", "))
        })
    }
}

impl Serialize for MethodName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for MethodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_reads_back_from_its_name_and_its_defaults_bear_it() {
        for method in MethodName::all() {
            assert_eq!(method.id().parse(), Ok(method));
            assert_eq!(serde_json::from_str::<MethodName>(&serde_json::to_string(&method).unwrap()).unwrap(), method);
            assert_eq!(method.defaults().name(), method.fine_tunes().unwrap_or(method));
            let json = serde_json::to_value(method.defaults()).unwrap();
            assert_eq!(
                json["name"],
                method.fine_tunes().unwrap_or(method).id(),
                "the spec names it as its record does"
            );
        }
    }

    #[test]
    fn the_readme_has_the_table_of_all_methods() {
        let (tuned, plain): (Vec<_>, Vec<_>) = MethodName::all().partition(|method| method.fine_tunes().is_some());
        let row = |method: &MethodName| format!("| `{}` | {} | {} |\n", method.id(), method.summary(), method.source());
        let rows: String = plain.iter().map(row).collect();
        let tuned: Vec<_> = tuned.iter().map(|method| format!("`{}`", method.id())).collect();
        let last = format!(
            "| {} | The same, then adversarial fine-tuning of the whole network by PGD-AT or TRADES. |",
            tuned.join(", ")
        );
        let readme = include_str!("../../../../README.md");
        assert!(readme.contains(&rows) && readme.contains(&last), "put into the README:\n{rows}{last} as above |");
    }

    #[test]
    fn fine_tuning_follows_a_distillation_and_its_name_says_so() {
        for method in MethodName::all().filter(|method| method.needs_teacher() && method.fine_tunes().is_none()) {
            let tuned = method.fine_tuned();
            assert_eq!((tuned.id(), tuned.title()), (&*format!("{}+aft", method.id()), &*format!("{method}+AFT")));
            assert_eq!(tuned.fine_tunes(), Some(method));
        }
        assert_eq!(MethodName::PGD_AT.fine_tuned(), MethodName::PGD_AT);
    }
}
