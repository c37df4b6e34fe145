//! The first layer of imported networks: what the keys of a file tell of it, and what an import asks for.

use candle_core::{Device, Tensor};
use retort_spec::Normaliser;

use super::{
    super::*,
    choices::{refusal, under},
    kinds::ten_classes,
    names::{file, taken, tensors},
};
use crate::golden::network;

const CIFAR10: Normaliser = Normaliser::PRESETS[0].1;
const HALF: Normaliser = Normaliser::PRESETS[2].1;

fn three(values: [f32; 3]) -> Tensor {
    Tensor::new(&values, &Device::Cpu).unwrap().reshape((1, 3, 1, 1)).unwrap()
}

/// The mean and the deviation of a normaliser under this prefix.
fn layer(prefix: &str, normaliser: Normaliser) -> Vec<(String, Tensor)> {
    let numbers = [("mean", normaliser.mean), ("std", normaliser.std)];
    numbers.map(|(name, values)| (format!("{prefix}{name}"), three(values.map(|v| v as f32)))).into()
}

fn wanted(weights: &str, normaliser: &str) -> Wanted {
    Wanted { normaliser: normaliser.parse().unwrap(), ..ten_classes(weights) }
}

fn found(tensors: &[(String, Tensor)], weights: &str) -> Option<Normaliser> {
    taken(tensors, &ten_classes(weights)).unwrap_or_else(|fault| panic!("{weights}: {fault}")).1.normaliser
}

#[test]
fn a_normaliser_that_no_key_tells_is_set_by_the_import() {
    let plain = tensors(&network(Architecture::ResNet8));
    let cifar10 = Normaliser::PRESETS[0].1;
    let wanted = |text: &str| Wanted { normaliser: text.parse().unwrap(), ..ten_classes("") };
    let (found, header, notes) = taken(&plain, &wanted("cifar10")).unwrap();
    assert_eq!((found.normaliser, header.normaliser), (Some(cifar10), Some(cifar10)));
    assert!(
        notes.iter().any(|note| note
            .contains("normalises pixels by cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616, as was asked")),
        "{notes:?}"
    );
    let (_, header, notes) = taken(&plain, &wanted("none")).unwrap();
    assert!(header.normaliser.is_none() && !notes.iter().any(|note| note.contains("No key tells")), "{notes:?}");
    assert_eq!(wanted("None").normaliser, NormaliserChoice::None);
    let nan = "nan 0 0 / 1 1 1".parse::<NormaliserChoice>().unwrap_err();
    assert!(nan.contains("needs means from 0 to 1"), "{nan}");
    assert!("cifar11".parse::<NormaliserChoice>().unwrap_err().ends_with("; or none"));
}

#[test]
fn a_normaliser_is_taken_by_the_network_in_whose_branch_it_stands() {
    let (teacher, student) = (network(Architecture::ResNet8), super::network_of_tests());
    for of_teacher in ["teacher.normalize.", "teacher."] {
        for of_student in ["student.", ""] {
            let weights = [under("teacher.model.", &teacher), layer(of_teacher, CIFAR10)].concat();
            let both = [weights, under(of_student, &student)].concat();
            let name = if of_student.is_empty() { "." } else { "student" };
            assert_eq!(found(&both, name), None, "{of_teacher} {of_student}");
            assert_eq!(found(&both, "teacher.model"), Some(CIFAR10), "{of_teacher} {of_student}");
            let notes = taken(&both, &ten_classes(name)).unwrap().2.join(" ");
            assert!(notes.contains("left out: teacher (") && notes.contains("No key of its own tells"), "{notes}");
            assert!(
                notes.contains("Another network in the file, teacher.model, has the normaliser cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616"),
                "{notes}"
            );
        }
    }
    let each = [
        layer("teacher.normalize.", CIFAR10),
        under("teacher.model.", &teacher),
        layer("student.normalize.", HALF),
        under("student.model.", &student),
    ];
    assert_eq!(found(&each.concat(), "teacher.model"), Some(CIFAR10));
    assert_eq!(found(&each.concat(), "student.model"), Some(HALF));
    for [of_normaliser, of_network] in [["0.", "1."], ["normalize.", "model."], ["normalize.", ""], ["", "net."]] {
        let one = [layer(of_normaliser, CIFAR10), under(of_network, &student)].concat();
        assert_eq!(found(&one, ""), Some(CIFAR10), "{of_normaliser} {of_network}");
    }
}

#[test]
fn a_normaliser_whose_network_is_not_clear_must_be_said() {
    let (teacher, student) = (network(Architecture::ResNet8), super::network_of_tests());
    let shared = [layer("normalize.", CIFAR10), under("teacher.", &teacher), under("student.", &student)].concat();
    let message = refusal(&shared, &ten_classes("student"));
    assert!(message.contains("normalize.mean, normalize.std (cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616) stand beside several networks"), "{message}");
    let apart = [layer("attack.normalize.", CIFAR10), under("net.", &student)].concat();
    let message = refusal(&apart, &ten_classes(""));
    assert!(
        message.contains(
            "attack.normalize.std (cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616) stand apart from the network"
        ),
        "{message}"
    );
    for (tensors, weights) in [(&shared, "student"), (&apart, "")] {
        assert_eq!(taken(tensors, &wanted(weights, "cifar10")).unwrap().1.normaliser, Some(CIFAR10));
        assert_eq!(taken(tensors, &wanted(weights, "none")).unwrap().1.normaliser, None);
    }
}

#[test]
fn what_is_asked_for_counts_whatever_the_keys_hold() {
    let tensors = [layer("norm.", CIFAR10), under("net.", &network(Architecture::ResNet8))].concat();
    for (text, asked) in [("none", None), ("half", Some(HALF))] {
        let (found, header, notes) = taken(&tensors, &wanted("", text)).unwrap();
        assert_eq!((found.normaliser, header.normaliser), (asked, asked));
        let notes = notes.join(" ");
        assert!(notes.contains("norm.mean and norm.std hold the normaliser cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616, which was not taken"), "{notes}");
        assert!(!notes.contains("found in norm.mean"), "{notes}");
    }
    let (_, header, notes) = taken(&tensors, &wanted("", "cifar10")).unwrap();
    assert_eq!(header.normaliser, Some(CIFAR10));
    assert!(!notes.join(" ").contains("not taken"), "{notes:?}");
}

#[test]
fn one_number_stands_for_all_colour_planes_where_it_is_called_a_mean_or_a_deviation() {
    for shape in [&[][..], &[1], &[1, 1, 1, 1]] {
        let half = || Tensor::full(0.5f32, shape, &Device::Cpu).unwrap();
        let pair = vec![("norm.mean".into(), half()), ("norm.std".into(), half())];
        let tensors = [pair, under("net.", &network(Architecture::ResNet8))].concat();
        assert_eq!(found(&tensors, ""), Some(HALF), "{shape:?}");
        let alone: Vec<_> = tensors.into_iter().filter(|(name, _)| name != "norm.std").collect();
        assert!(describe(file(&alone).path()).unwrap().candidates[0].normaliser.is_none());
    }
}

#[test]
fn what_may_be_a_normaliser_and_is_not_clear_must_be_said() {
    let mut tensors = tensors(&network(Architecture::ResNet8));
    tensors.push(("a".into(), three([0.5; 3])));
    tensors.push(("b".into(), three([0.5; 3])));
    let message = refusal(&tensors, &ten_classes(""));
    assert!(message.contains("which of a and b is the mean") && message.contains("--normaliser"), "{message}");
    let half = Wanted { normaliser: "half".parse().unwrap(), ..ten_classes("") };
    assert_eq!(taken(&tensors, &half).unwrap().1.normaliser, Some(Normaliser::PRESETS[2].1));
    tensors.push(("c".into(), three([0.1; 3])));
    assert!(refusal(&tensors, &ten_classes("")).contains("it cannot be told which of these are the mean"));
}
