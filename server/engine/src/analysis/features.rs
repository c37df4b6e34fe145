//! t-SNE maps of penultimate features of two classes and of adversarial images between them (Figure 5; methods.md §7).

use std::ops::ControlFlow;

use candle_core::Tensor;
use retort_spec::{AdversarialImages, AnalyseSpec, FEATURE_IMAGES, FeatureMap, FeatureMaps, Features};

use super::{
    BATCH, Part, class_of, infer, load_models, pgd, proceed,
    separation::{among_own, centroid_distance, silhouette},
    tsne,
};
use crate::{
    EngineError, Result,
    answers::answers,
    attacks::{Starts, targeted_pgd},
    context::Context,
    data::{Dataset, Split},
    loader::images,
    natural::Spread,
    nn::Network,
    rng::Purpose,
};

/// t-SNE's perplexity, and how many neighbours say where an adversarial image lies.
const PERPLEXITY: f64 = 30.0;
const NEIGHBOURS: usize = 10;

pub(super) fn compute(
    Features { attacked, target, images: count, adversarial }: &Features,
    spec: &AnalyseSpec,
    dataset: &Dataset,
    context: &mut Context,
) -> Part<FeatureMaps> {
    let (own, other) = (class_of(attacked, dataset)?, class_of(target, dataset)?);
    let [own_places, other_places] = [own, other].map(|class| first_of(&dataset.test, class, *count));
    let least = own_places.len().min(other_places.len());
    if least < *FEATURE_IMAGES.start() {
        let (enough, name) = (FEATURE_IMAGES.start(), &dataset.name);
        let fault = format!("{least} test images of a class are too few for t-SNE: use {enough} or more of {name}");
        return Err(EngineError::Data(fault));
    }
    let mut models = load_models(spec, dataset, context)?;
    let total = models.len() as f64 + 1.0;
    let (natural_own, natural_other) =
        (images(&dataset.test, &own_places, &context.device)?, images(&dataset.test, &other_places, &context.device)?);
    let targets = vec![other; own_places.len()];
    let made_on = (*adversarial == AdversarialImages::Shared).then(|| models[0].0.clone());
    let shared = match &made_on {
        Some(_) => Some(attack(&mut models[0].1, spec, &natural_own, &targets, &own_places)?),
        None => None,
    };
    let mut maps = Vec::new();
    for (done, (name, network)) in models.iter_mut().enumerate() {
        if let ControlFlow::Break(outcome) = proceed(context, (done as f64 + 1.0) / total)? {
            return Ok(ControlFlow::Break(outcome));
        }
        let adversarial = match &shared {
            Some(images) => images.clone(),
            None => attack(network, spec, &natural_own, &targets, &own_places)?,
        };
        let shown = [(&natural_own, &own_places), (&natural_other, &other_places), (&adversarial, &own_places)];
        maps.push(map(network, name, shown, other, spec.seed)?);
    }
    let (attacked, target) = (attacked.clone(), target.clone());
    Ok(ControlFlow::Continue(FeatureMaps { attacked, target, made_on, maps }))
}

/// The places of the first images of a class.
fn first_of(split: &Split, class: u8, count: usize) -> Vec<usize> {
    (0..split.len()).filter(|i| split.labels[*i] == class).take(count).collect()
}

/// Images attacked so that the network takes them for their targets.
fn attack(
    network: &mut Network,
    spec: &AnalyseSpec,
    natural: &Tensor,
    targets: &[u8],
    places: &[usize],
) -> Result<Tensor> {
    let (eps, pgd) = pgd(spec);
    let starts = Starts { seed: spec.seed, purpose: Purpose::Analysis };
    let start = starts.uniform(natural, eps, places, 0)?;
    Ok(targeted_pgd(network, natural, targets, pgd, start)?)
}

/// The features of images, a row each, and what the network takes them for; nothing where its logits are not finite.
type FeaturesWithAnswers = (Vec<Vec<f32>>, Vec<Option<u8>>);

/// Those of images that stand at these places.
fn features(
    (name, network): (&str, &mut Network),
    (images, places): (&Tensor, &Vec<usize>),
) -> Result<FeaturesWithAnswers> {
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for (batch, places) in places.chunks(BATCH).enumerate() {
        let images = images.narrow(0, batch * BATCH, places.len())?;
        let (logits, features) = infer((name, network), &images, places)?;
        rows.extend(features.to_vec2::<f32>()?);
        found.extend(answers(&logits)?);
    }
    Ok((rows, found))
}

/// One model's map: of the attacked class, the target class, and the adversarial images.
fn map(
    network: &mut Network,
    model: &str,
    shown: [(&Tensor, &Vec<usize>); 3],
    target: u8,
    seed: u64,
) -> Result<FeatureMap> {
    let mut of = |shown: (&Tensor, &Vec<usize>)| features((model, &mut *network), shown);
    let [(own, natural_answers), (other, _), (adversarial, attacked_answers)] =
        [of(shown[0])?, of(shown[1])?, of(shown[2])?];
    let counts = [own.len(), other.len(), adversarial.len()];
    let natural = [own.clone(), other.clone()].concat();
    let groups: Vec<usize> = (0..natural.len()).map(|i| usize::from(i >= own.len())).collect();
    let all = [natural.clone(), adversarial.clone()].concat();
    let length = all.first().map_or(0, Vec::len);
    let all = Tensor::from_vec(all.concat(), (counts.iter().sum::<usize>(), length), &candle_core::Device::Cpu)?;
    let taken = |answers: Vec<Option<u8>>| answers.into_iter().filter(|answer| *answer == Some(target)).count();
    let mut spread = Spread::default();
    spread.add_rows(&natural);
    // Centroids that coincide are no unit.
    let between = centroid_distance(&own, &other);
    let relative = |distance: f64| if between > 0.0 { distance / between } else { 0.0 };
    Ok(FeatureMap {
        model: model.to_owned(),
        points: tsne(&all, PERPLEXITY, seed)?.points,
        counts,
        fooled: taken(attacked_answers),
        mistaken: Some(taken(natural_answers)),
        silhouette: silhouette(&natural, &groups),
        among_own: among_own(&adversarial, &natural, &groups, 0, NEIGHBOURS),
        centroid_distances: [&own, &other].map(|rows| relative(centroid_distance(&adversarial, rows))),
        is_collapsed: spread.is_collapsed(),
    })
}
