//! Adversarial images with what models answer to them.

use std::{io::Cursor, ops::ControlFlow};

use candle_core::Tensor;
use candle_nn::ops::softmax;
use image::{ImageFormat, RgbImage};
use retort_spec::{AnalyseSpec, Answer, Gallery, GalleryImage, GalleryImages};

use super::{BATCH, Part, class_of, infer, load_models, pgd, proceed};
use crate::{
    EngineError, Result,
    answers::answers,
    attacks::{Starts, cross_entropy_pgd},
    context::Context,
    data::{Dataset, SIDE},
    loader::images,
    nn::Network,
    rng::Purpose,
    write_atomically,
};

/// One image as each model sees it.
struct Found {
    image: GalleryImage,
    natural: Vec<f32>,
    attacked: Vec<Vec<f32>>,
}

pub(super) fn compute(
    Gallery { classes, images: count, differ }: &Gallery,
    spec: &AnalyseSpec,
    dataset: &Dataset,
    context: &mut Context,
) -> Part<GalleryImages> {
    let wanted: Vec<u8> = classes.iter().map(|class| class_of(class, dataset)).collect::<Result<_>>()?;
    let labels = &dataset.test.labels;
    let places: Vec<usize> = (0..labels.len()).filter(|i| wanted.is_empty() || wanted.contains(&labels[*i])).collect();
    let mut models = load_models(spec, dataset, context)?;
    let mut found: Vec<Found> = Vec::new();
    let places = dataset.test.class_by_class(places);
    // With a condition more images are looked at than are shown.
    for batch in places.chunks(if *differ { BATCH } else { BATCH.min(*count) }) {
        let done = found.len() as f64 / *count as f64;
        if let ControlFlow::Break(outcome) = proceed(context, done)? {
            return Ok(ControlFlow::Break(outcome));
        }
        let seen = look(&mut models, batch, spec, dataset, context)?;
        let is_wanted = |one: &Found| {
            let right = |model: usize| one.image.answers[model][1].class == one.image.class;
            !differ || right(0) != right(1)
        };
        found.extend(seen.into_iter().filter(is_wanted));
        if found.len() >= *count {
            break;
        }
    }
    found.truncate(*count);
    let magnified = 0.5 / spec.eps.value();
    write_atomically(&context.folder.gallery(), &sheet(&found, models.len(), magnified as f32)?)?;
    Ok(ControlFlow::Continue(GalleryImages {
        models: models.into_iter().map(|(name, _)| name).collect(),
        magnified,
        images: found.into_iter().map(|one| one.image).collect(),
    }))
}

/// What every model answers to some images, and to them attacked on it.
fn look(
    models: &mut [(String, Network)],
    places: &[usize],
    spec: &AnalyseSpec,
    dataset: &Dataset,
    context: &Context,
) -> Result<Vec<Found>> {
    let natural = images(&dataset.test, places, &context.device)?;
    let labels: Vec<u8> = places.iter().map(|i| dataset.test.labels[*i]).collect();
    let rows = |images: &Tensor| images.flatten_from(1)?.to_vec2::<f32>();
    let mut found: Vec<Found> = places
        .iter()
        .zip(rows(&natural)?)
        .zip(&labels)
        .map(|((place, natural), label)| Found {
            image: GalleryImage {
                place: *place,
                class: dataset.classes[usize::from(*label)].clone(),
                answers: Vec::new(),
            },
            natural,
            attacked: Vec::new(),
        })
        .collect();
    let (eps, pgd) = pgd(spec);
    for (name, network) in models {
        let start = Starts { seed: spec.seed, purpose: Purpose::Analysis }.uniform(&natural, eps, places, 0)?;
        let attacked = cross_entropy_pgd(network, &natural, &labels, pgd, start)?;
        let mut named = |images: &Tensor| named_answers((name, &mut *network), images, places, dataset);
        let (before, after) = (named(&natural)?, named(&attacked)?);
        for (((one, before), after), attacked) in found.iter_mut().zip(before).zip(after).zip(rows(&attacked)?) {
            one.image.answers.push([before, after]);
            one.attacked.push(attacked);
        }
    }
    Ok(found)
}

fn named_answers(
    model: (&str, &mut Network),
    images: &Tensor,
    places: &[usize],
    dataset: &Dataset,
) -> Result<Vec<Answer>> {
    let (logits, _) = infer(model, images, places)?;
    let confidences = softmax(&logits, 1)?.max(1)?.to_vec1::<f32>()?;
    let answer = |(class, confidence): (u8, f32)| Answer {
        class: dataset.classes[usize::from(class)].clone(),
        confidence: 100.0 * f64::from(confidence),
    };
    Ok(answers(&logits)?.into_iter().flatten().zip(confidences).map(answer).collect())
}

/// The sheet of pictures: a row for each image, the natural one first, then for each model the change and the attacked image.
fn sheet(found: &[Found], models: usize, magnified: f32) -> Result<Vec<u8>> {
    let length = |pictures: usize| (pictures.max(1) * GalleryImages::PITCH) as u32;
    let mut sheet = RgbImage::from_pixel(length(1 + 2 * models), length(found.len()), image::Rgb([255; 3]));
    let mut draw = |column: usize, row: usize, value: &dyn Fn(usize) -> f32| {
        for pixel in 0..SIDE * SIDE {
            let level = |plane: usize| (value(plane * SIDE * SIDE + pixel).clamp(0.0, 1.0) * 255.0).round() as u8;
            let (x, y) = (column * GalleryImages::PITCH + pixel % SIDE, row * GalleryImages::PITCH + pixel / SIDE);
            sheet.put_pixel(x as u32, y as u32, image::Rgb([level(0), level(1), level(2)]));
        }
    };
    for (row, one) in found.iter().enumerate() {
        draw(0, row, &|i| one.natural[i]);
        for (model, attacked) in one.attacked.iter().enumerate() {
            draw(1 + 2 * model, row, &|i| 0.5 + magnified * (attacked[i] - one.natural[i]));
            draw(2 + 2 * model, row, &|i| attacked[i]);
        }
    }
    let mut png = Vec::new();
    sheet
        .write_to(&mut Cursor::new(&mut png), ImageFormat::Png)
        .map_err(|e| EngineError::Data(format!("the gallery cannot be written as a PNG: {e}")))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_eps_is_black_or_white_on_the_sheet_and_none_is_grey() {
        let n = 3 * SIDE * SIDE;
        let (eps, mut attacked) = (8.0 / 255.0, vec![0.5f32; n]);
        (attacked[0], attacked[1]) = (0.5 + eps, 0.5 - eps);
        let image = GalleryImage { place: 0, class: "cat".into(), answers: vec![] };
        let found = [Found { image, natural: vec![0.5; n], attacked: vec![attacked] }];
        let png = sheet(&found, 1, 0.5 / eps).unwrap();
        let sheet = image::load_from_memory(&png).unwrap().to_rgb8();
        let red = |x: usize| sheet.get_pixel((GalleryImages::PITCH + x) as u32, 0).0[0];
        assert_eq!([red(0), red(1), red(2)], [255, 0, 128]);
    }
}
