//! Files that PyTorch wrote (tools/golden/checkpoints.py makes them), and files that must be refused.

mod archives;
mod choices;
mod doubts;
mod kinds;
mod names;
mod normalisers;
mod numpy;
mod questions;
mod refusals;

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Cursor, Read, Write},
    path::PathBuf,
};

use candle_core::{DType, Device, Tensor};
use retort_spec::Architecture;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::nn::{Named, load_model};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/checkpoints").join(name)
}

fn wanted(architecture: Architecture, classes: usize) -> Wanted {
    let architecture = Some(architecture);
    Wanted { architecture, classes: (0..classes).map(|c| c.to_string()).collect(), ..Wanted::default() }
}

/// What reading a golden file as a ResNet-8 of ten classes gives.
fn resnet8(path: &Path) -> Result<(Network, ModelHeader, Vec<String>)> {
    read(path, &wanted(Architecture::ResNet8, 10))
}

/// Why these bytes are refused.
fn refusal(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("teacher.pt");
    fs::write(&path, bytes).unwrap();
    let message = resnet8(&path).err().expect("it was read").to_string();
    assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
    message
}

/// The images whose logits the golden files hold.
fn images() -> Tensor {
    let pixels: Vec<f32> = (0..4 * 3 * 32 * 32).map(|i| ((i * 7919) % 256) as f32 / 255.0).collect();
    Tensor::from_vec(pixels, (4, 3, 32, 32), &Device::Cpu).unwrap()
}

fn logits(network: &mut Network) -> Vec<Vec<f32>> {
    network.infer(&images()).unwrap().0.to_vec2().unwrap()
}

/// A network as a safetensors file that Retort did not write.
fn plain(network: &Network, dtype: DType, more: &[(&str, Tensor)]) -> Vec<u8> {
    let weights = network.weights.parameters.iter().chain(&network.weights.buffers);
    let own = weights.map(|w| (w.name.as_str(), w.tensor.to_dtype(dtype).unwrap()));
    safetensors::serialize(own.chain(more.iter().map(|(name, tensor)| (*name, tensor.clone()))), None).unwrap()
}

fn network_of_tests() -> Network {
    Network::new(Architecture::ResNet8, 10, 5, &Device::Cpu).unwrap()
}

/// The checkpoint with this done to each file of its archive.
fn altered(mut change: impl FnMut(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut from = ZipArchive::new(File::open(golden("resnet8.pt")).unwrap()).unwrap();
    let mut to = ZipWriter::new(Cursor::new(Vec::new()));
    for i in 0..from.len() {
        let mut entry = from.by_index(i).unwrap();
        let (name, mut bytes) = (entry.name().unwrap().into_owned(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        change(&name, &mut bytes);
        to.start_file(name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).unwrap();
        to.write_all(&bytes).unwrap();
    }
    to.finish().unwrap().into_inner()
}

#[test]
fn a_checkpoint_of_pytorch_answers_with_pytorchs_logits() {
    let text = fs::read_to_string(golden("logits.json")).unwrap();
    let answers: HashMap<String, Vec<Vec<f32>>> = serde_json::from_str(&text).unwrap();
    assert_eq!(answers.len(), 2);
    for (name, expected) in answers {
        let (mut network, ..) = resnet8(&golden(&name)).unwrap();
        let found = logits(&mut network);
        let pairs = found.iter().flatten().zip(expected.iter().flatten());
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4 && found.len() == 4, "{name}: {worst}");
        assert_eq!(network.weights.batches_tracked, 1_234);
    }
}

#[test]
fn an_imported_model_is_one_of_retorts_and_what_was_done_to_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    let named = Wanted { dataset: "letters".into(), ..wanted(Architecture::ResNet8, 10) };
    let report = import(&golden("resnet8.pt"), &named, &out).unwrap();
    let (mut loaded, header) = load_model(&out, &Device::Cpu).unwrap();
    assert_eq!(header, report.header);
    assert_eq!((header.dataset.as_str(), header.method.as_str(), header.classes.len()), ("letters", "imported", 10));
    assert_eq!((report.parameters, report.bytes), (78_042, fs::metadata(&out).unwrap().len()));
    assert_eq!(logits(&mut loaded), logits(&mut resnet8(&golden("resnet8.pt")).unwrap().0));
    assert_eq!(
        report.notes[..3],
        [
            "The weights were taken from net.",
            "What stands beside them was left out: acc, epoch, args, history.",
            "The prefix module. was taken off the keys."
        ]
    );
    assert!(report.notes[3].starts_with("No key of its own tells of a normaliser"), "{:?}", report.notes);
    let notes = resnet8(&golden("resnet8-half.pt")).unwrap().2;
    assert_eq!(
        notes[..2],
        ["The weights were taken from state_dict.model.", "Numbers were converted from F16 to F32."]
    );
}

#[test]
fn a_safetensors_file_from_elsewhere_is_read_at_any_precision() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain.safetensors");
    for dtype in [DType::F64, DType::F32, DType::BF16] {
        let mut original = network_of_tests();
        for weight in original.weights.parameters.iter_mut().chain(&mut original.weights.buffers) {
            weight.tensor = weight.tensor.to_dtype(dtype).unwrap().to_dtype(DType::F32).unwrap();
        }
        fs::write(&path, plain(&original, dtype, &[])).unwrap();
        assert_eq!(logits(&mut resnet8(&path).unwrap().0), logits(&mut original), "{dtype:?}");
    }
}

#[test]
fn a_model_of_retort_keeps_its_header_and_no_other_architecture_is_read_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let classes = (0..10).map(|c| format!("class {c}")).collect();
    let (dataset, method) = ("letters".into(), "ard".into());
    let architecture = Architecture::ResNet8;
    let own = ModelHeader { architecture, normaliser: None, classes, dataset, method, seed: 7, epoch: None };
    save_model(&path, &network_of_tests(), &own).unwrap();
    assert_eq!(resnet8(&path).unwrap().1, own);
    let message = read(&path, &wanted(Architecture::ResNet20, 10)).err().unwrap().to_string();
    assert!(
        message.contains("it holds no ResNet-20, but a ResNet-8 of 10 classes in the file itself: leave"),
        "{message}"
    );
    let message = read(&path, &wanted(Architecture::ResNet8, 100)).err().unwrap().to_string();
    assert!(message.contains("it tells 10 classes apart, not 100"), "{message}");
    assert_eq!(describe(&path).unwrap().header.as_ref(), Some(&own));
    save_model(&path, &network_of_tests(), &ModelHeader { method: "\u{1b}[2J".into(), ..own }).unwrap();
    assert_eq!(describe(&path).unwrap().header, None);
}

#[test]
fn a_file_tells_which_architecture_it_fits() {
    let found = describe(&golden("resnet8.pt")).unwrap();
    let [network] = found.candidates.as_slice() else { panic!("{found:?}") };
    assert_eq!((found.format, network.container.as_slice()), (Format::PyTorch, &["net".to_owned()][..]));
    assert_eq!((network.architecture, network.classes), (Architecture::ResNet8, 10));
    assert_eq!((network.parameters, network.tensors), (78_042, 56));
    assert_eq!((network.dtypes.as_slice(), found.header, network.normaliser), (&["F32".to_owned()][..], None, None));
    assert_eq!((network.path.as_str(), network.prefix.as_str()), ("net.module", "module."));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain.safetensors");
    let fits_none = [("layer1.4.conv1.weight", Tensor::ones(3, DType::F32, &Device::Cpu).unwrap())];
    fs::write(&path, plain(&network_of_tests(), DType::F32, &fits_none)).unwrap();
    let found = describe(&path).unwrap();
    let nearest = found.misses[0].nearest.as_ref().unwrap();
    assert!(found.candidates.is_empty() && nearest.unexpected == ["layer1.4.conv1.weight"], "{found:?}");
}

#[test]
fn what_does_not_fit_is_told_by_name_and_what_is_not_finite_too() {
    let message = read(&golden("resnet8.pt"), &wanted(Architecture::ResNet8, 100)).err().unwrap().to_string();
    assert!(message.contains("it tells 10 classes apart, not 100"), "{message}");
    let mut broken = network_of_tests();
    for name in ["conv1.weight", "fc.bias"] {
        let weight: &mut Named = broken.weights.parameters.iter_mut().find(|w| w.name == name).unwrap();
        weight.tensor = (&weight.tensor / 0.0).unwrap();
    }
    let message = refusal(&plain(&broken, DType::F32, &[]));
    assert!(
        message.contains("conv1.weight (at place 0 of 432: ") && message.contains("fc.bias (at place 0 of 10: "),
        "{message}"
    );
}

#[test]
fn nothing_that_a_pickle_names_is_run() {
    for (name, words) in [
        ("command.pt", "it holds no tensors, but epoch (a number), net (an object of posix.system)"),
        ("object.pt", "the first of its 2 tensors are bias, weight"),
        ("legacy.pt", "the first of its 2 tensors are conv1.weight, fc.bias"),
    ] {
        let message = resnet8(&golden(name)).err().unwrap().to_string();
        assert!(message.contains(words), "{message}");
    }
    assert!(!Path::new("unpickled").exists());
}

#[test]
fn a_pickle_without_weights_is_told_what_it_holds() {
    let none = altered(|name, bytes| {
        if name.ends_with("data.pkl") {
            *bytes = b"\x80\x02K\x01K\x02\x86.".to_vec();
        }
    });
    assert!(refusal(&none).contains("it holds a tuple and no tensors: in PyTorch"), "{}", refusal(&none));
}

#[test]
fn a_file_of_another_kind_is_told_what_it_is_and_what_to_do() {
    let whole = fs::read(golden("resnet8.pt")).unwrap();
    let tensors = plain(&network_of_tests(), DType::F32, &[]);
    for (bytes, words) in [
        (fs::read(golden("packed.pt")).unwrap(), "compressed, which torch.save never does"),
        (whole[..whole.len() / 2].to_vec(), "cut off or damaged"),
        (tensors[..tensors.len() / 2].to_vec(), "not as long as its safetensors header says"),
        (b"\x80\x02}.".to_vec(), "a bare pickle"),
        (b"neither one nor the other".to_vec(), "neither a checkpoint that torch.save wrote nor"),
        (Vec::new(), "it is empty"),
        (b"\n<!DOCTYPE html><html><title>Virus scan warning</title>".to_vec(), "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n".to_vec(), "run git lfs pull"),
        (b"\x80\x04\x95cnumpy.core.multiarray\n_reconstruct".to_vec(), "it is a pickle of NumPy, and no arrays"),
        (b"(dp0\nS'w'\ncnumpy.core.multiarray\n".to_vec(), "tree_map_only(numpy.ndarray, torch.from_numpy, arrays)"),
        (b"\x1f\x8b\x08\x00".to_vec(), "it is packed by gzip: unpack it"),
        // A header of 128 bytes begins as a bare pickle does.
        ([&128_u64.to_le_bytes()[..], b"{\"a\"", &[b' '; 124]].concat(), "safetensors header cannot be read"),
        ([&u64::MAX.to_le_bytes()[..], b"{}"].concat(), "more than 1 MiB is not read"),
        ([&12_u64.to_le_bytes()[..], br#"{"a":{"x":1}"#].concat(), "safetensors header cannot be read"),
    ] {
        let message = refusal(&bytes);
        assert!(message.contains(words), "{words} is missing in {message}");
    }
    let message = resnet8(Path::new(env!("CARGO_MANIFEST_DIR"))).err().unwrap().to_string();
    assert!(message.ends_with("it is not a file"), "{message}");
}

#[test]
fn a_file_above_two_gibibytes_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.pt");
    File::create(&path).unwrap().set_len(LARGEST_FILE + 1).unwrap();
    assert!(resnet8(&path).err().unwrap().to_string().contains("larger than 2 GiB"));
}

#[test]
fn shapes_are_compared_before_memory_is_taken() {
    let bytes = altered(|name, bytes| {
        if name.ends_with("data.pkl") {
            // The shape of conv1.weight, 16×3×3×3: now four billion numbers.
            let at = bytes.windows(8).position(|w| w == b"K\x10K\x03K\x03K\x03").unwrap();
            bytes[at..at + 8].copy_from_slice(b"K\xffK\xffK\xffK\xff");
        }
    });
    let message = refusal(&bytes);
    assert!(message.contains("conv1.weight is [255, 255, 255, 255], expected [16, 3, 3, 3]"), "{message}");
}

#[test]
fn storage_that_is_short_missing_or_damaged_is_told_with_its_tensor() {
    let short = altered(|name, bytes| {
        if name.ends_with("data/0") {
            bytes.truncate(100);
        }
    });
    assert!(refusal(&short).contains("module.conv1.weight: it needs more numbers than its 100 bytes of storage hold"));
    let missing = altered(|name, bytes| {
        if name.ends_with("data.pkl") {
            // The key of the first storage, by a name that is not there.
            let key = b"X\x01\x00\x00\x000q";
            let at = bytes.windows(key.len()).position(|w| w == key).unwrap();
            bytes[at + 5] = b'x';
        }
    });
    assert!(refusal(&missing).contains("module.conv1.weight: its numbers are not in the file"));
    let mut damaged = fs::read(golden("resnet8.pt")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    assert!(refusal(&damaged).contains("damaged (Invalid checksum)"), "{}", refusal(&damaged));
}

#[test]
fn a_checkpoint_with_the_wrong_end_first_is_refused() {
    let bytes = altered(|name, bytes| {
        if name.ends_with("byteorder") {
            *bytes = b"big".to_vec();
        }
    });
    assert!(refusal(&bytes).contains("most significant byte first"));
}

#[test]
fn a_name_in_a_message_is_short_and_without_control_characters() {
    assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
    assert_eq!(shown("ModelCheckpoint{'monitor': \"acc\"}"), "ModelCheckpoint{'monitor': \"acc\"}");
    assert_eq!(shown(&"x".repeat(1_000)).chars().count(), 81);
}
