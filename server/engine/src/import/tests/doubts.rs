//! What may be lost of a network, or be otherwise than its keys tell.

use candle_core::{DType, Device, Tensor};

use super::{
    super::*,
    choices::{refusal, under},
    kinds::ten_classes,
    names::{file, taken, tensors},
};
use crate::golden::network;

/// The name and the shape of a tensor.
type Shaped<'a> = (&'a str, &'a [usize]);

fn ones(name: &str, shape: &[usize]) -> (String, Tensor) {
    (name.into(), Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap())
}

fn doubt(tensors: &[(String, Tensor)]) -> Option<String> {
    describe(file(tensors).path()).unwrap().candidates[0].doubt.clone()
}

#[test]
fn what_computes_something_and_is_lost_must_be_confirmed() {
    let bare = tensors(&network(Architecture::ResNet8));
    let cases: [(&[Shaped], &str); 6] = [
        (&[("neck.0.weight", &[64, 64]), ("neck.0.bias", &[64])], "neck.0.bias, neck.0.weight are no part of"),
        (&[("act.beta", &[1]), ("alpha", &[])], "act.beta, alpha are no part"),
        (&[("temperature", &[1])], "temperature is no part of Retort's network, and what it computes is lost"),
        (&[("logit_scale", &[])], "logit_scale is"),
        (&[("fc_adv.weight", &[10, 64]), ("fc_adv.bias", &[10])], "fc_adv.bias, fc_adv.weight are"),
        (
            &[("denoiser.conv1.weight", &[64, 3, 3, 3]), ("denoiser.conv2.weight", &[3, 64, 3, 3])],
            "denoiser.conv1.weight",
        ),
    ];
    for (more, words) in cases {
        let all: Vec<_> = bare.iter().cloned().chain(more.iter().map(|(name, shape)| ones(name, shape))).collect();
        let message = refusal(&all, &ten_classes(""));
        assert!(message.contains(words) && message.contains("--despite-doubt"), "{words} is missing in {message}");
        let (.., notes) = taken(&all, &Wanted { despite_doubt: true, ..ten_classes("") }).unwrap();
        assert!(
            notes.iter().any(|note| note.starts_with("It was taken although") && note.contains(words)),
            "{notes:?}"
        );
    }
    // In front of a network under a prefix of its own.
    let behind =
        [under("classifier.", &network(Architecture::ResNet8)), vec![ones("denoiser.conv1.weight", &[64, 3, 3, 3])]];
    assert!(refusal(&behind.concat(), &ten_classes("")).contains("denoiser.conv1.weight is no part"));
}

#[test]
fn what_training_leaves_beside_a_network_is_no_doubt() {
    let (student, teacher) = (network(Architecture::ResNet8), network(Architecture::ResNet20));
    let aids = [
        "ema.decay",
        "adv_acc.correct",
        "kd_loss.temperature",
        "n_averaged",
        "criterion.weight",
        "model_ema.conv1weight",
    ];
    let aids = aids.map(|name| ones(name, &[1])).to_vec();
    assert_eq!(doubt(&[tensors(&student), aids.clone()].concat()), None);
    // Beside two networks it is not the one's or the other's: a projection of features is the distillation's.
    let both =
        [under("net_s.", &student), under("net_t.", &teacher), aids, vec![ones("proj.weight", &[64, 64])]].concat();
    assert!(describe(file(&both).path()).unwrap().candidates.iter().all(|one| one.doubt.is_none()));
    // A further head, of a task with another number of classes.
    let rotation = [ones("rot_head.weight", &[4, 64]), ones("rot_head.bias", &[4])].to_vec();
    assert_eq!(doubt(&[tensors(&student), rotation].concat()), None);
    let auxiliary = [ones("aux_fc.weight", &[10, 64]), ones("aux_fc.bias", &[10])].to_vec();
    assert_eq!(doubt(&[tensors(&student), auxiliary].concat()), None);
    // A whole classifier that is of no known architecture.
    let unknown = [ones("net_t.features.weight", &[64, 3, 3, 3]), ones("net_t.verdict.weight", &[10, 64])];
    assert_eq!(doubt(&[under("net_s.", &student), unknown.to_vec()].concat()), None);
    let unused = ones("sub_block1.layer.0.conv1.weight", &[32, 32, 3, 3]);
    assert_eq!(doubt(&[tensors(&network(Architecture::Wrn16x2)), vec![unused]].concat()), None);
}

#[test]
fn what_the_keys_cannot_tell_is_said_unless_retort_wrote_them() {
    let notes = |tensors: &[(String, Tensor)]| taken(tensors, &ten_classes("")).unwrap().2.join(" ");
    let preact = tensors(&network(Architecture::PreActResNet18));
    assert!(notes(&preact).contains("as Wong et al.'s (fast_adversarial) does"), "{}", notes(&preact));
    let resnet18 = tensors(&network(Architecture::ResNet18));
    assert!(!notes(&resnet18).contains("max-pool"));
    let name = |name: &str| name.replace("shortcut", "downsample").replace("linear", "fc");
    let torchvision: Vec<_> = resnet18.iter().map(|(key, tensor)| (name(key), tensor.clone())).collect();
    assert!(notes(&torchvision).contains("a max-pool behind the first convolution"), "{}", notes(&torchvision));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    import(file(&preact).path(), &ten_classes(""), &path).unwrap();
    assert!(describe(&path).unwrap().candidates[0].remarks.is_empty());
}
