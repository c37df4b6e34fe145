//! Whole training steps of GACD (tools/golden/gacd.py).

use candle_core::{Device, Tensor};
use retort_spec::{Architecture, MethodName};

use super::{
    Golden,
    methods::{BATCH, context, hold_steps, method},
    network, tensor,
};
use crate::{
    methods::{self, Objective},
    nn::Named,
    ops::SgdStep,
};

const ROWS: usize = 60;
const DIM: usize = 128;

/// GACD with the golden heads and memory. It has so many negatives that all images of other classes are.
fn gacd<'a>(settings: &[(&str, &str)], all: &'a [u8], device: &'a Device) -> Box<dyn Objective + 'a> {
    let settings: Vec<_> = [("method.negatives", "45000")].into_iter().chain(settings.iter().copied()).collect();
    let teacher = network(Architecture::ResNet20);
    let mut gacd = methods::objective(&method(MethodName::GACD, &settings), context(teacher, all, device)).unwrap();
    let mut state: Vec<Named> = gacd.state().into_iter().filter(|named| named.name == "log_normalisers").collect();
    let mut keep = |name: String, tensor: Tensor| state.push(Named { name, tensor });
    for which in 0..2 {
        let head = [(format!("head {which} weight"), vec![DIM, 64]), (format!("head {which} bias"), vec![DIM])];
        for (i, (name, shape)) in head.into_iter().enumerate() {
            let values = (tensor(&name, &shape) / 8.0).unwrap();
            keep(format!("head_velocity.{}", 2 * which + i), values.zeros_like().unwrap());
            keep(format!("head.{}", 2 * which + i), values);
        }
        let bank = tensor(&format!("bank {which}"), &[ROWS, DIM]);
        keep(format!("memory_bank.{which}"), (bank / (DIM as f64 / 3.0).sqrt()).unwrap());
    }
    gacd.restore(state).unwrap();
    gacd
}

fn hold(golden: &Golden, name: &str, gacd: &mut dyn Objective, all: &[u8], tolerance: f32) {
    let step = SgdStep { learning_rate: 0.05, momentum: 0.9, weight_decay: 5e-4 };
    let batch = |i: u64| {
        let indices: Vec<u32> = (0..BATCH as u32).map(|k| k + BATCH as u32 * i as u32).collect();
        (indices.iter().map(|k| all[*k as usize]).collect(), indices)
    };
    hold_steps((golden, name), gacd, step, batch, tolerance);
}

fn labels() -> Vec<u8> {
    (0..ROWS as u8).map(|i| i % 10).collect()
}

#[test]
fn three_steps_by_default_are_pytorchs() {
    let (golden, all) = (Golden::read("gacd"), labels());
    let mut gacd = gacd(&[], &all, &Device::Cpu);
    hold(&golden, "gacd_steps", gacd.as_mut(), &all, 1e-3);
    for named in gacd.state() {
        match named.name.as_str() {
            "log_normalisers" => {
                let found: Vec<f32> = named.tensor.to_vec1::<f64>().unwrap().iter().map(|v| *v as f32).collect();
                golden.hold("gacd_steps.normalisers", &found, 1e-4);
            }
            "memory_bank.1" => {
                let rows: Vec<f32> = named.tensor.to_vec2::<f32>().unwrap().into_iter().step_by(7).flatten().collect();
                golden.hold("gacd_steps.bank", &rows, 1e-2);
            }
            _ => {}
        }
    }
}

#[test]
fn a_step_with_every_other_option_is_pytorchs() {
    let (golden, all) = (Golden::read("gacd"), labels());
    let variants: [(&str, &[(&str, &str)]); 12] = [
        ("teacher_live", &[("anchor", "teacher_live")]),
        ("student_only", &[("anchor", "student_only")]),
        ("constant_one", &[("normalising_constant", "one")]),
        ("unweighted", &[("sample_weighting", "none")]),
        ("normalised_weights", &[("sample_weighting", "teacher_normalised")]),
        ("natural_teacher", &[("teacher_input", "natural")]),
        ("both_inputs", &[("student_input", "both")]),
        ("joint", &[("contrast_weight", "0.8"), ("cross_entropy_weight", "1")]),
        ("attack_on_teacher", &[("attacked_network", "teacher")]),
        ("attack_on_logits", &[("attacked_features", "logits")]),
        ("attack_on_embeddings", &[("attacked_features", "embedding")]),
        ("identity_coupling", &[("coupling", "identity")]),
    ];
    // One step is closer than three: near enough to tell each option from the default.
    for (name, settings) in variants {
        let paths: Vec<_> = settings.iter().map(|(name, value)| (format!("method.{name}"), *value)).collect();
        let settings: Vec<_> = paths.iter().map(|(path, value)| (path.as_str(), *value)).collect();
        hold(&golden, name, gacd(&settings, &all, &Device::Cpu).as_mut(), &all, 1e-4);
    }
}
