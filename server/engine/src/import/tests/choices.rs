//! Files of several networks, and what an import is told to take.

use candle_core::{Device, Tensor};

use super::{
    super::*,
    kinds::{ten_classes, unpacked},
    names::{file, taken, tensors},
};
use crate::{golden::network, ops::testing};

pub fn refusal(tensors: &[(String, Tensor)], wanted: &Wanted) -> String {
    taken(tensors, wanted).err().expect("it was taken").to_string()
}

pub fn under(prefix: &str, network: &Network) -> Vec<(String, Tensor)> {
    tensors(network).into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

#[test]
fn where_several_networks_differ_an_import_must_name_one() {
    let file = unpacked("averages.pth.tar");
    let message = read(file.path(), &ten_classes("")).err().unwrap().to_string();
    for words in [
        "it holds 2 networks: state_dict (ResNet-8 of 10 classes); state_dict_ema (ResNet-8 of 10 classes, an average",
        "tensors differ from the first",
        "--weights PATH",
    ] {
        assert!(message.contains(words), "{words} is missing in {message}");
    }
    let message = read(file.path(), &ten_classes("ema")).err().unwrap().to_string();
    assert!(message.contains("there are no weights of a network at ema, but at: state_dict ("), "{message}");
}

#[test]
fn the_architecture_or_the_classes_tell_which_of_several_networks_is_meant() {
    let (student, teacher) = (network(Architecture::ResNet8), network(Architecture::ResNet20));
    let both = [under("student.", &student), under("teacher.", &teacher)].concat();
    assert!(refusal(&both, &ten_classes("")).contains("student (ResNet-8 of 10 classes); teacher (ResNet-20"));
    let wanted = |architecture| Wanted { architecture: Some(architecture), ..ten_classes("") };
    let (found, _, notes) = taken(&both, &wanted(Architecture::ResNet20)).unwrap();
    assert_eq!(found.architecture, Architecture::ResNet20);
    assert!(notes.iter().any(|note| note.contains("left out: student (47 tensors)")), "{notes:?}");
    assert_eq!(taken(&both, &ten_classes("student")).unwrap().0.architecture, Architecture::ResNet8);
    let message = refusal(&both, &wanted(Architecture::ResNet32));
    for words in [
        "it holds no ResNet-32, but a ResNet-8 of 10 classes at student, a ResNet-20 of 10 classes at teacher",
        "leave the architecture out",
    ] {
        assert!(message.contains(words), "{words} is missing in {message}");
    }
}

/// A teacher that fits, and a student whose shortcuts have no parameters.
fn with_an_odd_student() -> Vec<(String, Tensor)> {
    let mut student = under("student.", &network(Architecture::ResNet20));
    student.retain(|(name, _)| !name.contains("downsample"));
    [under("teacher.", &network(Architecture::ResNet8)), student].concat()
}

#[test]
fn what_fits_nothing_beside_a_network_is_listed_and_told_when_it_is_named() {
    let both = with_an_odd_student();
    let found = describe(file(&both).path()).unwrap();
    assert_eq!((found.candidates.len(), found.candidates[0].path.as_str()), (1, "teacher"));
    let [miss] = found.misses.as_slice() else { panic!("{:?}", found.misses) };
    assert_eq!((miss.path.as_str(), miss.tensors), ("student", 97));
    let notes = miss.notes().join(" ");
    assert!(notes.contains("What stands at student fits no network") && notes.contains("option A"), "{notes}");
    for named in ["student", "student."] {
        let message = refusal(&both, &ten_classes(named));
        for words in [
            "what stands at student fits no network of Retort. Its shortcuts",
            "the nearest is ResNet-20, but 10 keys are missing: student.layer2.0.downsample.0.weight",
            "option A",
            "A network stands at: teacher (ResNet-8",
        ] {
            assert!(message.contains(words), "{words} is missing in {message}");
        }
    }
}

#[test]
fn what_is_nearly_of_the_architecture_that_is_asked_for_is_told_with_what_differs() {
    let wanted = |architecture| Wanted { architecture: Some(architecture), ..ten_classes("") };
    let message = refusal(&with_an_odd_student(), &wanted(Architecture::ResNet20));
    for words in [
        "it holds no ResNet-20, but a ResNet-8 of 10 classes at teacher: leave",
        "What stands at student comes near, but 10 keys are missing: student.layer2.0.downsample.0.weight",
        "option A",
    ] {
        assert!(message.contains(words), "{words} is missing in {message}");
    }
    let named = Wanted { weights: Some("teacher".into()), ..wanted(Architecture::ResNet20) };
    let message = refusal(&with_an_odd_student(), &named);
    assert!(message.contains("what stands at teacher holds no ResNet-20, but a ResNet-8"), "{message}");
    assert!(!message.contains("student"), "{message}");
    // Held to what was asked for, although another network is nearer.
    let mut odd = under("", &network(Architecture::ResNet20));
    odd.retain(|(name, _)| !name.contains("downsample"));
    let message = refusal(&odd, &wanted(Architecture::ResNet32));
    assert!(message.contains("compared with ResNet-32, as was asked, 70 keys are missing: layer1.3"), "{message}");
}

#[test]
fn a_broken_network_is_told_with_the_whole_one_beside_it() {
    let (broken, average) = (network(Architecture::ResNet8), super::network_of_tests());
    let mut both = [under("net.", &broken), under("swa.", &average)].concat();
    both.iter_mut().find(|(name, _)| name == "net.fc.bias").unwrap().1 =
        Tensor::full(f32::NAN, 10, &Device::Cpu).unwrap();
    let message = refusal(&both, &ten_classes("net"));
    assert!(message.contains("fc.bias (at place 0 of 10: NaN and 9 more)"), "{message}");
    assert!(message.ends_with("Whole is what stands at swa (--weights swa)"), "{message}");
    assert!(refusal(&both, &ten_classes("")).contains("net (ResNet-8 of 10 classes, which cannot be imported)"));
}

#[test]
fn a_place_in_a_list_is_told_as_an_entry_and_named_either_way() {
    let both = [under("0.", &network(Architecture::ResNet8)), under("1.", &super::network_of_tests())].concat();
    assert!(
        refusal(&both, &ten_classes("")).contains("it holds 2 networks: entry 0 (ResNet-8 of 10 classes); entry 1 (")
    );
    for named in ["1", "entry 1"] {
        assert_eq!(taken(&both, &ten_classes(named)).unwrap().1.architecture, Architecture::ResNet8);
    }
}

#[test]
fn a_place_with_one_network_inside_is_that_network() {
    let (student, average) = (network(Architecture::ResNet8), super::network_of_tests());
    let both = [under("model.net.", &student), under("model_ema.net.1.", &average)].concat();
    for (named, expected) in
        [("model", &student), ("model.", &student), ("model_ema", &average), ("model_ema.net", &average)]
    {
        let found = taken(&both, &ten_classes(named)).unwrap_or_else(|fault| panic!("{named}: {fault}")).0;
        for ((name, found), (_, expected)) in tensors(&found).iter().zip(tensors(expected)) {
            assert_eq!(testing::values(found), testing::values(&expected), "{named}: {name}");
        }
    }
    let three = [both, under("model.teacher.", &network(Architecture::ResNet20))].concat();
    let message = refusal(&three, &ten_classes("model"));
    assert!(message.contains("it holds 2 networks: model.net (ResNet-8") && !message.contains("ema"), "{message}");
}

#[test]
fn which_network_and_which_normaliser_are_asked_at_once() {
    let channels = |values: [f32; 3]| Tensor::new(&values, &Device::Cpu).unwrap();
    let normaliser = [("normalize.mean", [0.4914, 0.4822, 0.4465]), ("normalize.std", [0.2471, 0.2435, 0.2616])];
    let normaliser = normaliser.map(|(key, values)| (key.to_owned(), channels(values)));
    let (one, other) = (network(Architecture::ResNet8), super::network_of_tests());
    let both = [under("student.", &one), under("teacher.", &other), normaliser.to_vec()].concat();
    let message = refusal(&both, &ten_classes(""));
    for words in [
        "by --weights PATH, and its normaliser, or none, by --normaliser",
        "as normalize.mean, normalize.std (cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616) stand beside several networks",
    ] {
        assert!(message.contains(words), "{words} is missing in {message}");
    }
    let wanted = Wanted { normaliser: NormaliserChoice::None, ..ten_classes("") };
    assert!(!refusal(&both, &wanted).contains("--normaliser"));
    let wanted = Wanted { normaliser: "cifar10".parse().unwrap(), ..ten_classes("student") };
    assert_eq!(taken(&both, &wanted).unwrap().1.normaliser, Some(retort_spec::Normaliser::PRESETS[0].1));
}

#[test]
fn equal_networks_are_one() {
    let one = network(Architecture::ResNet8);
    let both = [under("", &one), under("attack_net.", &one)].concat();
    let found = describe(file(&both).path()).unwrap();
    assert_eq!(found.candidates.len(), 1);
    assert_eq!(found.candidates[0].same_as, ["attack_net"]);
}

#[test]
fn every_place_that_is_told_is_taken_as_it_stands_there() {
    for prefix in ["module.", "ema."] {
        let (bare, moved) = (network(Architecture::ResNet8), super::network_of_tests());
        let both = [under("", &bare), under(prefix, &moved)].concat();
        let message = refusal(&both, &ten_classes(""));
        let other = prefix.trim_end_matches('.');
        let list = format!("2 networks: . (the file itself, ResNet-8 of 10 classes); {other} (ResNet-8 of 10 classes");
        assert!(message.contains(&list), "{message}");
        for (named, expected) in [(".", &bare), ("the file itself", &bare), (other, &moved), (prefix, &moved)] {
            let found = taken(&both, &ten_classes(named)).unwrap_or_else(|fault| panic!("{named}: {fault}")).0;
            for ((name, found), (_, expected)) in tensors(&found).iter().zip(tensors(expected)) {
                assert_eq!(testing::values(found), testing::values(&expected), "{named}: {name}");
            }
        }
        let names: Vec<_> = describe(file(&both).path()).unwrap().candidates.iter().map(Candidate::name).collect();
        assert_eq!(names, [".", other]);
    }
}

#[test]
fn the_classes_of_a_model_can_be_set_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let original = network(Architecture::ResNet8);
    import(file(&tensors(&original)).path(), &ten_classes(""), &path).unwrap();
    let classes: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    let header = set_classes(&path, classes.clone(), "letters".into()).unwrap();
    assert_eq!((header.classes, header.dataset.as_str(), header.method.as_str()), (classes, "letters", IMPORTED));
    let (found, header) = load_model(&path, &Device::Cpu).unwrap();
    assert_eq!(header.dataset, "letters");
    let refused = |classes: Vec<String>| set_classes(&path, classes, "again".into()).unwrap_err().to_string();
    let mut other_order: Vec<String> = header.classes.clone();
    other_order.swap(0, 9);
    let fault = refused(other_order.clone());
    assert!(fault.contains("“class 0” is its class 0, not 9 (counted from 0), and answers are matched by"), "{fault}");
    other_order[0] = "another".into();
    let fault = refused(other_order);
    assert!(fault.contains("“class 0” is its class 0, not 9 (counted from 0). If its names"), "{fault}");
    let renamed: Vec<String> = header.classes.iter().map(|class| class.replace("class 9", "ninth")).collect();
    assert_eq!(set_classes(&path, renamed, "letters".into()).unwrap().classes[9], "ninth");
    assert_eq!(found.weights.count(), original.weights.count());
    assert!(
        set_classes(&path, vec!["a".into()], String::new())
            .unwrap_err()
            .to_string()
            .contains("10 classes apart, not 1")
    );
}

#[test]
fn a_normaliser_becomes_the_networks_first_layer_unless_it_cannot_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain.safetensors");
    let channels = |values: [f32; 3]| Tensor::new(&values, &Device::Cpu).unwrap().reshape((1, 3, 1, 1)).unwrap();
    let pair = [("mu", channels([0.4914, 0.4822, 0.4465])), ("sigma", channels([0.2471, 0.2435, 0.2616]))];
    fs::write(&path, super::plain(&super::network_of_tests(), candle_core::DType::F32, &pair)).unwrap();
    assert_eq!(describe(&path).unwrap().candidates[0].normaliser, Some(retort_spec::Normaliser::PRESETS[0].1));
    let (mut found, header, _) = super::resnet8(&path).unwrap();
    let cifar10 = retort_spec::Normaliser::PRESETS[0].1;
    assert_eq!(header.normaliser, Some(cifar10));
    let images = Tensor::full(0.25f32, (1, 3, 32, 32), &Device::Cpu).unwrap();
    let logits = |network: &mut Network| network.infer(&images).unwrap().0.to_vec2::<f32>().unwrap();
    assert_eq!(logits(&mut found), logits(&mut super::network_of_tests().with_normaliser(Some(cifar10))));
    let pair = [("mu", channels([0.5; 3])), ("sigma", channels([0.25, 0.0, 1.0]))];
    fs::write(&path, super::plain(&super::network_of_tests(), candle_core::DType::F32, &pair)).unwrap();
    let message = super::resnet8(&path).err().unwrap().to_string();
    assert!(message.contains("mu and sigma") && message.contains("deviations above 0"), "{message}");
}
