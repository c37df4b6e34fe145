//! The numbers of a network: read into their places, and held to what they can be.

use candle_core::{DType, Device, Tensor};

use super::{file::Source, fit::Fit, miss::listed, shown};
use crate::nn::{Named, Network};

/// Reads the network that was found, whose numbers must be finite and its variances not negative.
///
/// # Errors
/// In words that follow the file's name: every tensor that holds what cannot be, or the first that cannot be read.
pub fn load(fit: &Fit, source: &mut Source) -> Result<Network, String> {
    let mut network = Network::outline(fit.architecture, fit.classes).map_err(|e| e.to_string())?;
    let weights = &mut network.weights;
    let mut faults = Vec::new();
    for (weight, place) in weights.parameters.iter_mut().chain(&mut weights.buffers).zip(&fit.weights) {
        let Some((key, tensor)) = place else {
            weight.tensor = Tensor::zeros(weight.tensor.dims(), DType::F32, &Device::Cpu).map_err(|e| e.to_string())?;
            continue;
        };
        weight.tensor = source.read(tensor).map_err(|fault| format!("{}: {fault}", shown(key)))?;
        faults.extend(fault(weight, key)?);
    }
    if !faults.is_empty() {
        return Err(format!(
            "it holds numbers that no trained network has: {}. Where its training broke down, take a checkpoint of before that",
            listed(&faults)
        ));
    }
    // Layers of a network count the same passes; a file with odd counters is no worse a model.
    for (key, counter) in fit.counters.iter().filter(|(_, counter)| counter.count() == Some(1)) {
        let read = source.read(counter).map_err(|fault| format!("{}: {fault}", shown(key)))?;
        let passes = read.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| e.to_string())?;
        weights.batches_tracked = weights.batches_tracked.max(passes[0] as u64);
    }
    Ok(network)
}

/// What is wrong with a tensor's numbers, if anything.
fn fault(weight: &Named, key: &str) -> Result<Option<String>, String> {
    let values = weight.tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| e.to_string())?;
    let is_variance = weight.name.ends_with("running_var");
    let is_wrong = |v: &f32| !v.is_finite() || is_variance && *v < 0.0;
    let Some(first) = values.iter().position(is_wrong) else { return Ok(None) };
    let count = values.iter().filter(|v| is_wrong(v)).count();
    let what = match values[first] {
        v if v.is_nan() => "NaN".to_owned(),
        v if v.is_infinite() => "infinity".to_owned(),
        v => format!("{v}, and a variance is never negative"),
    };
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Ok(Some(format!("{} (at place {first} of {}: {what}{more})", shown(key), values.len())))
}

/// How many tensors of two networks of the same architecture differ in any number.
///
/// # Errors
/// When a tensor cannot be read, in words.
pub fn differing(one: &Network, other: &Network) -> Result<usize, String> {
    let pairs = |of: fn(&Network) -> &Vec<Named>| of(one).iter().zip(of(other)).map(|(a, b)| (&a.tensor, &b.tensor));
    let mut count = 0;
    for (a, b) in pairs(|n| &n.weights.parameters).chain(pairs(|n| &n.weights.buffers)) {
        let is_same = a.dims() == b.dims() && numbers(a)? == numbers(b)?;
        count += usize::from(!is_same);
    }
    Ok(count)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, String> {
    tensor.flatten_all().and_then(|t| t.to_vec1()).map_err(|e| e.to_string())
}

/// Refuses a network whose answers to some images are not numbers.
///
/// # Errors
/// In words that follow the file's name.
pub fn answers(network: &mut Network) -> Result<(), String> {
    let size = 3 * 32 * 32;
    // A black one, a white one, and one of all shades.
    let pixels = (0..3 * size).map(|i| match i / size {
        0 => 0.0,
        1 => 1.0,
        _ => ((i * 7919) % 256) as f32 / 255.0,
    });
    let images = Tensor::from_vec(pixels.collect(), (3, 3, 32, 32), &Device::Cpu);
    let logits = images.and_then(|images| numbers_of(network, &images)).map_err(|e| e.to_string())?;
    if logits.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    let weights = network.weights.parameters.iter().chain(&network.weights.buffers);
    let mut largest = ("", 0.0);
    for weight in weights {
        let most = numbers(&weight.tensor)?.into_iter().fold(0.0, |most: f32, v| most.max(v.abs()));
        if most > largest.1 {
            largest = (&weight.name, most);
        }
    }
    Err(format!(
        "its answers to images are no numbers: somewhere in the network they grow too large for single precision. The \
         largest number is {:e}, in {}: was the training lost, or the file damaged?",
        largest.1, largest.0
    ))
}

fn numbers_of(network: &mut Network, images: &Tensor) -> candle_core::Result<Vec<f32>> {
    network.infer(images)?.0.flatten_all()?.to_vec1()
}
