//! NumPy's arrays in pickles, by themselves and in what `torch.save` wrote.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::{super::*, archives::archive_of, kinds::ten_classes, names::tensors};
use crate::{golden::network, ops::testing};

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The bytes of an array: as Python 3 writes them, or as the text of protocol 2, which `torch.save` has.
fn raw(bytes: &[u8], is_text: bool) -> Vec<u8> {
    if is_text {
        let letters: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        return [&b"c_codecs\nencode\n"[..], &text(&letters), &text("latin1"), b"\x86R"].concat();
    }
    [b"B", &(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

/// A tensor as a pickled array. `is_fortran` writes it with its first dimension running fastest.
fn array(tensor: &Tensor, is_text: bool, is_fortran: bool) -> Vec<u8> {
    let shape: Vec<u8> = tensor.dims().iter().flat_map(|n| [b"J", &(*n as u32).to_le_bytes()[..]].concat()).collect();
    let transposed = if is_fortran { tensor.t().unwrap() } else { tensor.clone() };
    let bytes: Vec<u8> = testing::values(&transposed).iter().flat_map(|v| v.to_le_bytes()).collect();
    let dtype = [
        b"cnumpy\ndtype\n",
        &text("f4")[..],
        b"\x89\x88\x87R(K\x03",
        &text("<"),
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
    ]
    .concat();
    let made = [b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85", &raw(b"b", is_text)[..], b"\x87R"]
        .concat();
    let order: &[u8] = if is_fortran { b"\x88" } else { b"\x89" };
    [&made[..], b"(K\x01(", &shape, b"t", &dtype, order, &raw(&bytes, is_text), b"tb"].concat()
}

/// A dict of values that are pickled already.
fn dict(entries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let entries: Vec<u8> = entries.into_iter().flat_map(|(name, value)| [text(&name), value].concat()).collect();
    [&b"}("[..], &entries, b"u"].concat()
}

/// What is found in a whole pickle of this value, by itself or as `torch.save` keeps it.
fn taken(value: &[u8], is_saved_by_torch: bool) -> Result<(Network, ModelHeader, Vec<String>)> {
    let pickle = [b"\x80\x02", value, b"."].concat();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), if is_saved_by_torch { archive_of("net", &pickle) } else { pickle }).unwrap();
    read(file.path(), &ten_classes(""))
}

/// A network's arrays in dicts within dicts, as the dots of its names part them.
fn nested(tensors: &[(String, Tensor)], is_text: bool) -> Vec<u8> {
    let mut groups: BTreeMap<String, Vec<(String, Tensor)>> = BTreeMap::new();
    let mut entries = Vec::new();
    for (name, tensor) in tensors {
        match name.split_once('.') {
            Some((group, rest)) => groups.entry(group.into()).or_default().push((rest.into(), tensor.clone())),
            None => entries.push((name.clone(), array(tensor, is_text, false))),
        }
    }
    entries.extend(groups.into_iter().map(|(group, inside)| (group, nested(&inside, is_text))));
    dict(entries)
}

#[test]
fn arrays_are_taken_flat_or_nested_from_a_pickle_and_from_what_torch_saved() {
    let original = network(Architecture::ResNet8);
    let all = tensors(&original);
    for is_saved_by_torch in [false, true] {
        let flat = dict(
            all.iter().map(|(name, tensor)| (name.clone(), array(tensor, is_saved_by_torch, name == "fc.weight"))),
        );
        for value in [flat, nested(&all, is_saved_by_torch)] {
            let (found, ..) = taken(&value, is_saved_by_torch).unwrap();
            for ((name, found), (_, original)) in tensors(&found).iter().zip(&all) {
                assert_eq!(testing::values(found), testing::values(original), "{name} {is_saved_by_torch}");
            }
        }
    }
}

#[test]
fn arrays_that_fit_nothing_are_told_with_what_they_are_nearest_to() {
    let mut odd = tensors(&network(Architecture::ResNet8));
    odd.retain(|(name, _)| !name.contains("downsample"));
    for value in
        [nested(&odd, false), dict(odd.iter().map(|(name, tensor)| (name.clone(), array(tensor, false, false))))]
    {
        let message = taken(&value, false).err().unwrap().to_string();
        assert!(
            message.contains("the nearest is ResNet-8, but 10 keys are missing") && message.contains("option A"),
            "{message}"
        );
    }
}

#[test]
fn a_mean_and_a_deviation_beside_the_weights_are_asked_about() {
    let all = tensors(&network(Architecture::ResNet8));
    let weights = dict(all.iter().map(|(name, tensor)| (name.clone(), array(tensor, false, false))));
    for [mean, std] in [[&[0.4914f32, 0.4822, 0.4465][..], &[0.2471, 0.2435, 0.2616]], [&[0.5], &[0.5]]] {
        let [of_mean, of_std] =
            [mean, std].map(|values| array(&Tensor::new(values, &candle_core::Device::Cpu).unwrap(), false, false));
        let whole = dict([("state_dict".into(), weights.clone()), ("mean".into(), of_mean), ("std".into(), of_std)]);
        let message = taken(&whole, false).err().unwrap().to_string();
        let name = if mean.len() == 1 { "half" } else { "cifar10" };
        let words = format!("beside the weights stand mean and std ({name} = ");
        assert!(message.contains(&words), "{message}");
    }
}

#[test]
fn masks_in_a_dictionary_of_their_own_are_in_doubt() {
    let all = tensors(&network(Architecture::ResNet8));
    let arrays = |is_kept: &dyn Fn(&str) -> bool| {
        let kept = all.iter().filter(|(name, _)| is_kept(name));
        dict(kept.map(|(name, tensor)| (name.clone(), array(tensor, false, false))).collect::<Vec<_>>())
    };
    let masks = arrays(&|name| name.contains("conv"));
    let whole = dict([("state_dict".into(), arrays(&|_| true)), ("masks".into(), masks)]);
    let message = taken(&whole, false).err().unwrap().to_string();
    assert!(message.contains("masks holds masks for its weights, which are not applied"), "{message}");
}

#[test]
fn a_pickle_of_other_things_is_told_what_to_do() {
    let three = Tensor::ones(3, DType::F32, &candle_core::Device::Cpu).unwrap();
    let cut = array(&three, false, false);
    let message = taken(&cut[..cut.len() - 8], false).err().unwrap().to_string();
    assert!(
        message.contains("it is a pickle of NumPy") && message.contains("tree_map_only(numpy.ndarray,"),
        "{message}"
    );
}

#[test]
fn the_parts_of_a_nested_dict_are_told_as_the_whole_that_they_are() {
    let kernel = Tensor::ones((3, 3, 3, 16), DType::F32, &candle_core::Device::Cpu).unwrap();
    let module = || dict([("kernel".into(), array(&kernel, false, false))]);
    let params = dict([("Conv_0".into(), module()), ("Conv_1".into(), module())]);
    let message = taken(&dict([("params".into(), params)]), false).err().unwrap().to_string();
    assert!(message.contains("params.Conv_0.kernel") && message.contains("those of Flax"), "{message}");
}
