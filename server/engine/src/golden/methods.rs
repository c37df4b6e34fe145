//! Losses, the optimiser, attacks, and whole training steps (tools/golden/methods.py).

use candle_core::{Device, Var};
use retort_spec::{Architecture, Attack, Method, MethodName, Schedule, Setting};

use super::{Golden, images, labels, network, tensor};
use crate::{
    answers::answers,
    attacks::{Attacker, Starts, sinkhorn},
    loss::cross_entropy_gradient,
    methods::{self, Batch, Objective, StudentOutput, ard::ArdObjective, kd::KdObjective, trades::TradesObjective},
    nn::{Named, Network, Sgd},
    ops::{self, SgdStep, testing},
    rng::Purpose,
    train::update,
};

/// Relative to the largest number. A divergence between softened answers is a small difference of larger numbers.
const TOLERANCE: f32 = 1e-4;

const BATCH_MEAN: (&str, &str) = ("method.reduction", "batch_mean");

/// A method with parameters that differ from its defaults.
pub(crate) fn method(name: MethodName, settings: &[(&str, &str)]) -> Method {
    let dataset = retort_spec::DatasetChoice::all_of("golden");
    let mut spec = retort_spec::TrainSpec::published(name, Architecture::ResNet8, dataset, 0);
    for (path, value) in settings {
        spec.set(&Setting::new(*path, *value)).unwrap();
    }
    spec.method
}

#[test]
fn losses_and_their_gradients_are_pytorchs() {
    let golden = Golden::read("methods");
    let (n, classes) = (16, 10);
    let y = labels("loss labels", n, classes);
    let logits = |name: &str| (tensor(name, &[n, classes]) * 4.0).unwrap();
    let teacher = logits("teacher logits");
    let natural = Var::from_tensor(&logits("natural logits")).unwrap();
    let attacked = Var::from_tensor(&logits("attacked logits")).unwrap();
    let answer = |logits| StudentOutput { logits, features: &teacher };
    let kd = |settings: &[(&str, &str)]| {
        let Method::Kd(kd) = method(MethodName::KD, settings) else { panic!("it is KD") };
        KdObjective::new(kd, network(Architecture::ResNet8)).loss_of(&teacher, &[answer(&natural)], &y).unwrap()
    };
    let ard = |settings: &[(&str, &str)]| {
        let Method::Ard(ard) = method(MethodName::ARD, settings) else { panic!("it is ARD") };
        ArdObjective::new(ard, network(Architecture::ResNet8))
            .loss_of(&teacher, &[answer(&attacked), answer(&natural)], &y)
            .unwrap()
    };
    let Method::Trades(trades) = method(MethodName::TRADES, &[]) else { panic!("it is TRADES") };
    let trades = TradesObjective::new(trades).loss_of(&[answer(&natural), answer(&attacked)], &y).unwrap();
    for (name, loss) in [
        ("kd", kd(&[])),
        ("kd_batch_mean", kd(&[BATCH_MEAN])),
        (
            "kd_repdistiller",
            kd(&[("method.temperature", "4"), ("method.alpha", "0.9"), ("method.gamma", "0.1"), BATCH_MEAN]),
        ),
        ("ard", ard(&[])),
        ("ard_batch_mean", ard(&[BATCH_MEAN])),
        ("ard_alpha", ard(&[("method.alpha", "0.5")])),
        ("ard_weighted", ard(&[("method.sample_weighting", "teacher")])),
        ("trades", trades),
    ] {
        golden.hold(&format!("{name}.loss"), &[loss.to_scalar().unwrap()], TOLERANCE);
        let gradients = loss.backward().unwrap();
        for (side, leaf) in [("natural", &natural), ("attacked", &attacked)] {
            let key = format!("{name}.{side}");
            match gradients.get(leaf) {
                Some(gradient) => golden.hold(&key, &testing::values(gradient), TOLERANCE),
                None => assert!(!golden.0.contains_key(&key), "{key}"),
            }
        }
    }
}

#[test]
fn twenty_steps_of_sgd_are_pytorchs() {
    let golden = Golden::read("methods");
    let (x, y) = (tensor("sgd images", &[32, 12]), labels("sgd labels", 32, 5));
    let named = |name: &str, shape: &[usize]| Named { name: name.into(), tensor: tensor(name, shape) };
    let mut layer = vec![named("sgd weight", &[5, 12]), named("sgd bias", &[5])];
    let mut sgd = Sgd::new(&layer).unwrap();
    let mut trajectory = Vec::new();
    for step in 0..20 {
        let logits = ops::linear(&x, &layer[0].tensor, &layer[1].tensor).unwrap();
        let slope = (cross_entropy_gradient(&logits, &y).unwrap() / 32.0).unwrap();
        let (_, dw, db) = ops::linear_gradients(&x, &layer[0].tensor, &slope).unwrap();
        let learning_rate = if step < 10 { 0.1 } else { 0.01 };
        let step = SgdStep { learning_rate, momentum: 0.9, weight_decay: 5e-4 };
        sgd.step(&mut layer, &[Some(dw), Some(db)], step).unwrap();
        trajectory.extend(layer.iter().flat_map(|named| testing::values(&named.tensor)));
    }
    golden.hold("sgd.trajectory", &trajectory, TOLERANCE);
}

#[test]
fn pgd_from_the_same_starts_fools_the_network_into_the_same_answers() {
    let golden = Golden::read("methods");
    let (mut network, x) = (network(Architecture::ResNet8), images("attacked images", 24));
    let [_, bias] = network.classifier();
    network.weights.parameters[bias].tensor = golden.0["pgd.bias"].clone();
    let bytes = |name: &str| -> Vec<u8> { golden.numbers(name).iter().map(|v| *v as u8).collect() };
    let given = |answers: Vec<Option<u8>>| -> Vec<u8> { answers.into_iter().map(Option::unwrap).collect() };
    let y = bytes("pgd.labels");
    assert_eq!(given(answers(&network.infer(&x).unwrap().0).unwrap()), y);
    for steps in [1, 20] {
        let starts = Starts { seed: 7, purpose: Purpose::Attack };
        let mut attacker = Attacker { attack: &Attack::pgd(steps), surrogate: None, starts };
        let indices: Vec<usize> = (0..24).collect();
        let found = given(crate::attacks::testing::answers(&mut attacker, &mut network, (&x, &y, &indices), 24));
        assert_eq!(found, bytes(&format!("pgd.{steps}.answers")), "PGD-{steps}");
        assert_ne!(found, y, "PGD-{steps}");
    }
}

#[test]
fn the_transport_plan_and_its_value_are_pytorchs() {
    let golden = Golden::read("methods");
    let unit = |name: &str| {
        let t = tensor(name, &[12, 32]);
        t.broadcast_div(&t.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap()).unwrap()
    };
    let cost = unit("plan a").matmul(&unit("plan b").t().unwrap()).unwrap().affine(-1.0, 1.0).unwrap().relu().unwrap();
    for epsilon in [0.01, 0.1] {
        let plan = sinkhorn(&cost.to_vec2().unwrap(), epsilon).concat();
        let value: f64 = plan.iter().zip(testing::values(&cost)).map(|(p, c)| f64::from(p * c)).sum();
        // At little entropy a difference of 1e-7 in the cost is one of 1e-5 in the logarithm of the plan.
        golden.hold(&format!("sinkhorn.{epsilon}.plan"), &plan, 1e-4);
        golden.hold(&format!("sinkhorn.{epsilon}.value"), &[value as f32], 1e-4);
    }
}

pub(crate) const BATCH: usize = 12;
pub(crate) const SEED: u64 = 11;

/// As many steps from the golden weights as the golden file has losses of. The steps of an attack are signs: where a slope is almost 0, rounding decides, so that
/// the numbers agree less closely than a single pass does.
pub(crate) fn hold_steps(
    (golden, name): (&Golden, &str),
    objective: &mut dyn Objective,
    step: SgdStep,
    batch: impl Fn(u64) -> (Vec<u8>, Vec<u32>),
    tolerance: f32,
) {
    let mut student = network(Architecture::ResNet8);
    let mut sgd = Sgd::new(&student.weights.parameters).unwrap();
    let mut losses = Vec::new();
    for i in 0..golden.numbers(&format!("{name}.losses")).len() as u64 {
        let (labels, indices) = batch(i);
        let images = images(&format!("step {i}"), BATCH);
        let batch = Batch { images, labels: &labels, indices: &indices, seed: SEED, epoch: 0, step: i };
        losses.push(update(&mut student, objective, &batch, &mut sgd, step).unwrap().loss as f32);
    }
    golden.hold(&format!("{name}.losses"), &losses, tolerance);
    let (logits, _) = student.infer(&images("shown", 4)).unwrap();
    golden.hold(&format!("{name}.logits"), &testing::values(&logits), 10.0 * tolerance);
    let mut parameters = student.weights.parameters;
    parameters.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let size = |named: &Named| testing::values(&named.tensor).iter().map(|v| f64::from(v.abs())).sum::<f64>() as f32;
    golden.hold(&format!("{name}.sizes"), &parameters.iter().map(size).collect::<Vec<_>>(), tolerance);
}

pub(crate) fn context<'a>(teacher: Network, labels: &'a [u8], device: &'a Device) -> methods::ObjectiveContext<'a> {
    let teacher = Some(teacher);
    let natural_teacher = Some(network(Architecture::ResNet32));
    let schedule = Schedule::new(20, BATCH, 0.1, 0.0, &[]);
    methods::ObjectiveContext {
        teacher,
        natural_teacher,
        student_features: 64,
        labels,
        classes: 10,
        schedule,
        seed: SEED,
        device,
    }
}

/// Holds that three steps of a distillation by this method, from a ResNet-20 to a ResNet-8 at the decay of its schedule, are
/// PyTorch's.
pub(crate) fn hold_method(golden: (&str, &str), method: &Method, weight_decay: f64, tolerance: f32) {
    let (file, name) = golden;
    let context = context(network(Architecture::ResNet20), &[], &Device::Cpu);
    let mut objective = methods::objective(method, context).unwrap();
    let step = SgdStep { learning_rate: 0.1, momentum: 0.9, weight_decay };
    let batch = |i| (labels(&format!("labels {i}"), BATCH, 10), (0..BATCH as u32).collect());
    hold_steps((&Golden::read(file), name), objective.as_mut(), step, batch, tolerance);
}

#[test]
fn three_steps_of_ard_are_pytorchs() {
    hold_method(("methods", "ard_steps"), &method(MethodName::ARD, &[]), 2e-4, 1e-3);
}
