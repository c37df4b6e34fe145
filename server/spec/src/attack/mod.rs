//! The attacks that a model is evaluated under, in eval mode (methods.md §5.1). Each is a file that says what it is called and
//! which parameters it has; the list below is all that knows them all.

mod apgd_ce;
mod apgd_t;
mod auto_attack;
mod cw;
mod dlr;
mod fab_t;
mod fgsm;
mod mim;
mod multi_targeted;
mod noise;
mod pgd;
mod square;
mod transfer;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ModelRef, PixelDistance, Problem, problem::expect};

pub use apgd_ce::ApgdCe;
pub use apgd_t::ApgdT;
pub use auto_attack::AutoAttack;
pub use cw::Cw;
pub use dlr::Dlr;
pub use fab_t::FabT;
pub use fgsm::Fgsm;
pub use mim::Mim;
pub use multi_targeted::MultiTargeted;
pub use noise::Noise;
pub use pgd::Pgd;
pub use square::Square;
pub use transfer::Transfer;

/// The share of images that later tries and attacks are made on, of those that a first is made on: about what robust models keep.
const LATER: f64 = 0.6;

const EPS: PixelDistance = PixelDistance::levels(8.0);
const STEP: PixelDistance = PixelDistance::levels(2.0);

/// Makes of the list of attacks what names each of them.
macro_rules! attacks {
    ($($attack:ident),+) => {
        /// An ℓ∞ attack that a model is evaluated under.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum Attack {
            $(
                #[doc = concat!("See [`", stringify!($attack), "`].")]
                $attack($attack)
            ),+
        }

        impl Attack {
            /// The kinds of attacks, as [`Attack::kind`] gives them.
            pub const KINDS: &[&str] = &[$(stringify!($attack)),+];

            /// Which of [`Attack::KINDS`] it is.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$attack(_) => stringify!($attack)),+ }
            }

            fn parameters(&self) -> &dyn Parameters {
                match self { $(Self::$attack(parameters) => parameters),+ }
            }

            fn parameters_mut(&mut self) -> &mut dyn Parameters {
                match self { $(Self::$attack(parameters) => parameters),+ }
            }
        }

        const RECORDS: &[Record] = &[$(<$attack as Described>::RECORD),+];
    };
}

attacks! { Fgsm, Pgd, Cw, Dlr, Mim, MultiTargeted, ApgdCe, ApgdT, FabT, Square, AutoAttack, Noise, Transfer }

/// How an attack is named on the command line.
struct Record {
    /// A name of it, and what other forms mean.
    help: &'static str,
    /// The names of those that a form offers.
    usual: &'static [&'static str],
    /// The attack with the defaults of methods.md §5.1 that a name means, if it is one of this kind.
    read: fn(&Name<'_>) -> Option<Attack>,
}

/// A name as it is written: `pgd-100x5@10`.
struct Name<'a> {
    whole: &'a str,
    kind: &'a str,
    count: Option<usize>,
    restarts: Option<usize>,
    scale: &'a str,
}

impl Name<'_> {
    /// The number of one of this kind that has one and nothing else.
    fn plain(&self, kind: &str) -> Option<usize> {
        self.count.filter(|_| self.kind == kind && self.restarts == Some(1) && self.scale == "1")
    }
}

/// The steps by which an attack climbs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Steps {
    count: usize,
    size: PixelDistance,
}

/// Notes what does not hold, of which field, and what must.
type Expect<'a> = dyn FnMut(bool, &str, &str) + 'a;

/// Steps of the attacks of AutoAttack that look at gradients.
const AUTO_STEPS: usize = 100;

/// The steps that a name of this kind asks for: those of AutoAttack, or a number behind a hyphen.
fn auto_steps(name: &Name<'_>, kind: &str) -> Option<usize> {
    match name.whole.strip_prefix(kind)? {
        "" => Some(AUTO_STEPS),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

/// The same, written.
fn auto_id(kind: &str, steps: usize) -> String {
    if steps == AUTO_STEPS { kind.to_owned() } else { format!("{kind}-{steps}") }
}

/// What must hold of how many steps an attack takes.
fn check_steps(steps: usize, expect: &mut Expect<'_>) {
    expect((1..=10_000).contains(&steps), "steps", "must be from 1 to 10,000");
}

/// What [`Parameters`] has of every attack with `eps`.
macro_rules! in_ball {
    () => {
        fn eps(&self) -> PixelDistance {
            self.eps
        }

        fn eps_mut(&mut self) -> &mut PixelDistance {
            &mut self.eps
        }
    };
}
use in_ball;

/// What [`Parameters`] has of an attack with `eps`, `steps` and `step_size`.
macro_rules! climbs {
    () => {
        super::in_ball!();

        fn steps(&self) -> Option<super::Steps> {
            Some(super::Steps { count: self.steps, size: self.step_size })
        }

        fn step_size_mut(&mut self) -> Option<&mut PixelDistance> {
            Some(&mut self.step_size)
        }
    };
}
use climbs;

/// An attack whose file says how it is named.
trait Described: Parameters {
    const RECORD: Record;
}

/// The parameters of an attack, and what they mean.
trait Parameters {
    /// The radius of the ball.
    fn eps(&self) -> PixelDistance;

    /// The radius of the ball, to change it.
    fn eps_mut(&mut self) -> &mut PixelDistance;

    /// Its steps, where it climbs by several.
    fn steps(&self) -> Option<Steps> {
        None
    }

    /// The size of its steps, to change it.
    fn step_size_mut(&mut self) -> Option<&mut PixelDistance> {
        None
    }

    /// The name on the command line.
    fn id(&self) -> String;

    /// The name that people read.
    fn title(&self) -> String;

    /// What there is to say beside ε and the size of a step, behind a comma.
    fn detail(&self) -> String {
        String::new()
    }

    /// Forward and backward passes for one image, in units of a forward pass.
    fn passes(&self) -> f64 {
        // A gradient costs one forward pass and one backward pass to the input; the outcome one forward pass more.
        2.0 * self.steps().map_or(0, |steps| steps.count) as f64 + 1.0
    }

    /// The tries that it makes, each on the images that withstood those before.
    fn tries(&self) -> usize {
        1
    }

    /// By how many gradients it finds an image: the most are the strongest attack of a comparison.
    fn strength(&self) -> usize {
        self.steps().map_or(0, |steps| steps.count)
    }

    /// The attacks that it consists of, each made on the images that withstood those before; none where it is one attack.
    fn parts(&self) -> Vec<Attack> {
        Vec::new()
    }

    /// Fewest classes that it works with.
    fn fewest_classes(&self) -> usize {
        2
    }

    /// The other model that it reads.
    fn surrogate(&self) -> Option<&ModelRef> {
        None
    }

    /// The other model that it reads, to change it.
    fn surrogate_mut(&mut self) -> Option<&mut ModelRef> {
        None
    }

    /// Notes what is wrong beside radius and steps.
    fn check(&self, _expect: &mut Expect<'_>) {}
}

/// What two attacks must share to be the same column: all but the place at which a surrogate lies.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackKey(Attack);

impl Attack {
    /// PGD with `steps` steps of 2/255 at ε 8/255, the default of methods.md.
    pub const fn pgd(steps: usize) -> Self {
        Self::Pgd(Pgd::new(EPS, STEP, steps))
    }

    /// Those that a form offers, in the order of the kinds.
    pub fn usual() -> impl Iterator<Item = Self> {
        RECORDS.iter().flat_map(|record| record.usual).filter_map(|name| name.parse().ok())
    }

    /// How attacks are named, in words: `fgsm, fgsm-rs for a random start, … or noise-1000`.
    pub fn names() -> String {
        let known: Vec<&str> = RECORDS.iter().map(|record| record.help).filter(|help| !help.is_empty()).collect();
        let (last, others) = known.split_last().unwrap_or((&"", &[]));
        format!("{} or {last}", others.join(", "))
    }

    /// PGD-20 at ε 8/255 on `surrogate`, which `from` describes.
    pub fn transfer(from: impl Into<String>, surrogate: ModelRef) -> Self {
        Self::Transfer(Transfer::new(from, surrogate))
    }

    /// What tells whether another attack is the same.
    pub fn key(&self) -> AttackKey {
        let mut attack = self.clone();
        if let Some(surrogate) = attack.surrogate_mut() {
            *surrogate = ModelRef::Run(0);
        }
        AttackKey(attack)
    }

    /// The radius of the ball.
    pub fn eps(&self) -> PixelDistance {
        self.parameters().eps()
    }

    /// The same attack at another radius, its steps in proportion.
    #[must_use]
    pub fn with_eps(mut self, radius: PixelDistance) -> Self {
        let before = self.eps().value();
        let parameters = self.parameters_mut();
        if let Some(step_size) = parameters.step_size_mut() {
            *step_size = PixelDistance::new(radius.value() * (step_size.value() / before));
        }
        *parameters.eps_mut() = radius;
        self
    }

    /// The name on the command line: `fgsm`, `pgd-20`, `pgd-100x5` with restarts, `pgd-20@10` on logits × 10, `cw-30`,
    /// `dlr-20`, `mim-10`, `noise-1000`, `transfer-20`.
    pub fn id(&self) -> String {
        self.parameters().id()
    }

    /// The attack with its ε and steps, as a page names it: `PGD-20, ε 8/255, step 2/255`.
    pub fn describe(&self) -> String {
        format!("{self}, {}", self.details())
    }

    /// Its ε and steps: `ε 8/255, step 2/255`.
    pub fn details(&self) -> String {
        let parameters = self.parameters();
        let step = parameters.steps().map_or_else(String::new, |steps| format!(", step {}", steps.size));
        format!("ε {}{step}{}", self.eps(), parameters.detail())
    }

    /// By how many gradients it finds an image: the most are the strongest attack of a comparison. 0 for those that look at no
    /// gradient of the model itself.
    pub fn strength(&self) -> usize {
        self.parameters().strength()
    }

    /// Whether it is the one by which the field compares.
    pub const fn is_auto_attack(&self) -> bool {
        matches!(self, Self::AutoAttack(_))
    }

    /// The attacks that it consists of, each made on the images that withstood those before; none where it is one attack.
    pub fn parts(&self) -> Vec<Self> {
        self.parameters().parts()
    }

    /// Fewest classes that it works with.
    pub fn fewest_classes(&self) -> usize {
        self.parameters().fewest_classes()
    }

    /// The other model that it reads, for a transfer.
    pub fn surrogate(&self) -> Option<&ModelRef> {
        self.parameters().surrogate()
    }

    /// The other model that it reads, to change it.
    pub fn surrogate_mut(&mut self) -> Option<&mut ModelRef> {
        self.parameters_mut().surrogate_mut()
    }

    /// Forward and backward passes for one image, in units of a forward pass. A transfer's are those of a surrogate as
    /// large as the model.
    pub fn passes(&self) -> f64 {
        self.parameters().passes()
    }

    /// The same for an image on which it begins: later tries are made on what withstood the first.
    pub fn expected_passes(&self) -> f64 {
        let tries = self.parameters().tries().max(1) as f64;
        self.passes() * (1.0 + LATER * (tries - 1.0)) / tries
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        let mut distance = |name: &str, value: PixelDistance| {
            problems.extend(value.fault().map(|fault| Problem::new(format!("{field}.{name}"), fault)));
        };
        distance("eps", self.eps());
        let parameters = self.parameters();
        let steps = parameters.steps();
        if let Some(steps) = steps {
            distance("step_size", steps.size);
        }
        let expect: &mut Expect<'_> =
            &mut |holds, name, message| expect(holds, &format!("{field}.{name}"), message, problems);
        if let Some(steps) = steps {
            check_steps(steps.count, expect);
        }
        parameters.check(expect);
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parameters().title())
    }
}

impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = text.trim().to_lowercase();
        if whole == "autoattack-rand" {
            return Err("the version “rand” is for models that answer at random; every network that Retort knows answers an image in \
                        one way: write autoattack"
                .into());
        }
        let (kind, numbers) = whole.split_once('-').unwrap_or((&whole, ""));
        let (numbers, scale) = numbers.split_once('@').unwrap_or((numbers, "1"));
        let (count, restarts) = numbers.split_once('x').unwrap_or((numbers, "1"));
        let name = Name { whole: &whole, kind, count: count.parse().ok(), restarts: restarts.parse().ok(), scale };
        let attack = RECORDS.iter().find_map(|record| (record.read)(&name));
        let mut problems = Vec::new();
        if let Some(attack) = &attack {
            attack.check("attack", &mut problems);
        }
        attack
            .filter(|_| problems.is_empty())
            .ok_or_else(|| format!("there is no attack “{text}”: write {}", Self::names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_attacks_they_name() {
        for id in [
            "fgsm",
            "fgsm-rs",
            "pgd-7",
            "pgd-20",
            "pgd-100x5",
            "pgd-20@0.1",
            "pgd-5x2@10",
            "cw-30",
            "dlr-20",
            "mim-10",
            "mim-20",
            "mt-20",
            "apgd-ce",
            "apgd-ce-50",
            "apgd-t",
            "fab-t",
            "fab-t-20",
            "square",
            "square-500",
            "autoattack",
            "noise-1000",
        ] {
            assert_eq!(id.parse::<Attack>().unwrap().id(), id);
        }
        assert_eq!("PGD-20".parse::<Attack>().unwrap(), Attack::pgd(20));
        let usual: Vec<String> = Attack::usual().map(|attack| attack.id()).collect();
        assert_eq!(usual, RECORDS.iter().flat_map(|record| record.usual).copied().collect::<Vec<_>>());
    }

    #[test]
    fn names_of_no_attack_are_refused_with_those_that_there_are() {
        for text in [
            "",
            "pgd",
            "pgd-0",
            "pgd-20x0",
            "cw-30x2",
            "mim-",
            "noise-x",
            "fgsm-7",
            "fgsm@2",
            "cw-30@2",
            "pgd-20@0",
            "transfer-20",
            "autoattack-100",
            "autoattack-plus",
            "square-0",
        ] {
            assert!(text.parse::<Attack>().unwrap_err().contains("pgd-100x5"), "{text}");
        }
    }

    #[test]
    fn a_page_names_an_attack_with_its_radius_and_parameters() {
        assert_eq!(Attack::pgd(20).describe(), "PGD-20, ε 8/255, step 2/255");
        let described = |id: &str| id.parse::<Attack>().unwrap().describe();
        assert_eq!(described("cw-30"), "C&W-30, ε 8/255, step 2/255, κ 50");
        assert_eq!(described("mim-10"), "MIM-10, ε 8/255, step 0.8/255, μ 1");
        assert_eq!(described("pgd-20@10"), "PGD-20 on logits × 10, ε 8/255, step 2/255");
        assert_eq!(described("pgd-100x5"), "PGD-100 × 5, ε 8/255, step 2/255");
    }

    #[test]
    fn autoattack_is_its_four_attacks_in_their_order_at_its_radius_and_the_strongest() {
        let attack = "autoattack".parse::<Attack>().unwrap().with_eps(PixelDistance::levels(4.0));
        let parts: Vec<String> = attack.parts().iter().map(Attack::describe).collect();
        let expected = [
            "APGD-CE, ε 4/255, 100 steps",
            "APGD-T, ε 4/255, 9 targets, 100 steps",
            "FAB-T, ε 4/255, 9 targets, 100 steps",
            "Square, ε 4/255, 5000 queries",
        ];
        assert_eq!(parts, expected);
        assert!(Attack::usual().all(|other| other == attack || other.strength() <= attack.strength()));
        assert!("autoattack-rand".parse::<Attack>().unwrap_err().contains("one way"));
    }

    #[test]
    fn another_radius_moves_the_step_in_proportion() {
        let attack = Attack::pgd(20).with_eps(PixelDistance::levels(4.0));
        assert_eq!(attack.describe(), "PGD-20, ε 4/255, step 1/255");
    }

    #[test]
    fn an_attack_of_earlier_versions_reads_back_with_one_restart() {
        let text = r#"{"name":"pgd","eps":"8/255","step_size":"2/255","steps":20}"#;
        let attack: Attack = serde_json::from_str(text).unwrap();
        assert_eq!(attack, Attack::pgd(20));
        assert_eq!(serde_json::to_string(&attack).unwrap(), text);
    }
}
