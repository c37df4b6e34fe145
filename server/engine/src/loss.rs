//! Losses on logits. They are small beside the network, so they are plain Candle expressions, and Candle's own graph
//! gives their gradients.

use candle_core::{Result, Tensor};
use candle_nn::ops::{log_softmax, softmax};
use retort_spec::Reduction;

/// Labels as a column `[N, 1]` of indices.
///
/// # Errors
/// When the device has no memory left.
pub fn label_column(labels: &[u8], like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(labels.iter().map(|l| u32::from(*l)).collect(), (labels.len(), 1), like.device())
}

/// Cross-entropy in nats, averaged over the batch: logits are `[N, C]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn cross_entropy(logits: &Tensor, labels: &[u8]) -> Result<Tensor> {
    log_softmax(logits, 1)?.gather(&label_column(labels, logits)?, 1)?.mean_all()?.neg()
}

/// Cross-entropy with labels of which `smoothing` is spread over all classes, averaged over the batch (Szegedy et al. 2016; as
/// PyTorch's `label_smoothing`).
///
/// # Errors
/// When the shapes do not fit.
pub fn smoothed_cross_entropy(logits: &Tensor, labels: &[u8], smoothing: f64) -> Result<Tensor> {
    let of_labels = cross_entropy(logits, labels)?;
    if smoothing == 0.0 {
        return Ok(of_labels);
    }
    let of_all = log_softmax(logits, 1)?.mean_all()?.neg()?;
    (of_labels * (1.0 - smoothing))? + (of_all * smoothing)?
}

/// The gradient of the summed cross-entropy with respect to the logits: softmax minus one-hot. The sum, not the mean, so
/// that an attack's gradient does not depend on its batch.
///
/// # Errors
/// When the shapes do not fit.
pub fn cross_entropy_gradient(logits: &Tensor, labels: &[u8]) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    let mut targets = vec![0f32; n * classes];
    for (row, label) in targets.chunks_exact_mut(classes).zip(labels) {
        if let Some(target) = row.get_mut(usize::from(*label)) {
            *target = 1.0;
        }
    }
    softmax(logits, 1)? - Tensor::from_vec(targets, (n, classes), logits.device())?
}

/// KL(softmax(target/T) ‖ softmax(prediction/T)) of each row, `[N]`; logits are `[N, C]`. The gradient flows to both.
///
/// # Errors
/// When the shapes do not fit.
pub fn kl_divergences(target: &Tensor, prediction: &Tensor, temperature: f64) -> Result<Tensor> {
    let target = log_softmax(&(target / temperature)?, 1)?;
    let prediction = log_softmax(&(prediction / temperature)?, 1)?;
    (target.exp()? * (target - prediction)?)?.sum(1)
}

/// The mean of [`kl_divergences`] over the batch, or over batch and classes.
///
/// # Errors
/// When the shapes do not fit.
pub fn kl_divergence(target: &Tensor, prediction: &Tensor, temperature: f64, reduction: Reduction) -> Result<Tensor> {
    kl_divergences(target, prediction, temperature)?.mean_all()? / classes_averaged(prediction, reduction)?
}

/// By what a mean over the batch is divided to be the reduction asked for: 1, or the number of classes.
///
/// # Errors
/// When the logits are no matrix.
pub fn classes_averaged(logits: &Tensor, reduction: Reduction) -> Result<f64> {
    Ok(match reduction {
        Reduction::BatchMean => 1.0,
        Reduction::ElementMean => logits.dim(1)? as f64,
    })
}

/// The gradient of the summed KL(softmax(target) ‖ softmax(prediction)) with respect to the prediction's logits.
///
/// # Errors
/// When the shapes do not fit.
pub fn kl_gradient(target: &Tensor, prediction: &Tensor) -> Result<Tensor> {
    softmax(prediction, 1)? - softmax(target, 1)?
}

/// The gradient of the summed KL(softmax(target) ‖ softmax(prediction)) with respect to the target's logits.
///
/// # Errors
/// When the shapes do not fit.
pub fn kl_target_gradient(target: &Tensor, prediction: &Tensor) -> Result<Tensor> {
    let log_target = log_softmax(target, 1)?;
    let surprise = (&log_target - log_softmax(prediction, 1)?)?;
    let probabilities = log_target.exp()?;
    let divergence = (&probabilities * &surprise)?.sum_keepdim(1)?;
    probabilities * surprise.broadcast_sub(&divergence)?
}

/// The probability of each row's label, `[N]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn true_class_probabilities(logits: &Tensor, labels: &[u8]) -> Result<Tensor> {
    softmax(logits, 1)?.gather(&label_column(labels, logits)?, 1)?.squeeze(1)
}

/// The gradient of the sum of `−max(z_y − max_{j≠y} z_j + κ, 0)` with respect to the logits z: the margin of Carlini and
/// Wagner (2017), to be climbed. It is 0 for a row whose true class lies κ below another.
///
/// # Errors
/// When the shapes do not fit.
pub fn margin_gradient(logits: &Tensor, labels: &[u8], confidence: f32) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    let mut gradient = vec![0f32; n * classes];
    for ((row, label), out) in logits.to_vec2::<f32>()?.iter().zip(labels).zip(gradient.chunks_exact_mut(classes)) {
        let label = usize::from(*label);
        let others = row.iter().enumerate().filter(|(class, _)| *class != label);
        let best = others.reduce(|best, other| if other.1 > best.1 { other } else { best });
        if let (Some((best, value)), Some(own)) = (best, row.get(label))
            && own - value + confidence > 0.0
        {
            (out[label], out[best]) = (-1.0, 1.0);
        }
    }
    Tensor::from_vec(gradient, (n, classes), logits.device())
}

/// The gradient of the sum over rows of the difference-of-logits ratio `−(z_y − max_{j≠y} z_j)/(z_π1 − z_π3 + 1e−12)` with
/// respect to the logits z, where π sorts them in descending order (Croce & Hein 2020, Eq. 6), to be climbed.
///
/// # Errors
/// When there are fewer than three classes, or the shapes do not fit.
pub fn dlr_gradient(logits: &Tensor, labels: &[u8]) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    if classes < 3 {
        candle_core::bail!("the difference-of-logits ratio needs at least 3 classes, and there are {classes}");
    }
    let mut gradient = vec![0f32; n * classes];
    for ((row, label), out) in logits.to_vec2::<f32>()?.iter().zip(labels).zip(gradient.chunks_exact_mut(classes)) {
        let label = usize::from(*label);
        let mut order: Vec<usize> = (0..classes).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        let other = if order[0] == label { order[1] } else { order[0] };
        let (margin, range) = (row[label] - row[other], row[order[0]] - row[order[2]] + 1e-12);
        out[label] -= 1.0 / range;
        out[other] += 1.0 / range;
        out[order[0]] += margin / (range * range);
        out[order[2]] -= margin / (range * range);
    }
    Tensor::from_vec(gradient, (n, classes), logits.device())
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::ops::testing;

    fn number(t: &Tensor) -> f64 {
        f64::from(t.to_scalar::<f32>().unwrap())
    }

    #[test]
    fn equal_logits_have_a_cross_entropy_of_ln_c() {
        let logits = testing::tensor(1, (4, 10)).zeros_like().unwrap();
        assert!((number(&cross_entropy(&logits, &[0, 3, 9, 5]).unwrap()) - 10f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn the_loss_of_smoothed_labels_and_its_gradient_are_pytorchs() {
        let golden = crate::golden::Golden::read("training");
        let logits = (crate::golden::tensor("smoothed logits", &[16, 10]) * 4.0).unwrap();
        let logits = candle_core::Var::from_tensor(&logits).unwrap();
        let labels = crate::golden::labels("smoothed labels", 16, 10);
        let loss = smoothed_cross_entropy(&logits, &labels, 0.1).unwrap();
        golden.hold("smoothed.loss", &[number(&loss) as f32], 1e-6);
        let gradients = loss.backward().unwrap();
        golden.hold("smoothed.gradient", &crate::ops::testing::values(gradients.get(&logits).unwrap()), 1e-5);
        let plain = smoothed_cross_entropy(&logits, &labels, 0.0).unwrap();
        assert_eq!(number(&plain), number(&cross_entropy(&logits, &labels).unwrap()));
    }

    #[test]
    fn the_gradient_for_attacks_is_that_of_the_summed_cross_entropy() {
        let logits = Var::from_tensor(&testing::tensor(1, (3, 5))).unwrap();
        let labels = [4, 0, 2];
        let loss = (cross_entropy(&logits, &labels).unwrap() * 3.0).unwrap();
        let expected = loss.backward().unwrap().get(&logits).unwrap().clone();
        testing::assert_close(&cross_entropy_gradient(&logits, &labels).unwrap(), &expected, 1e-6);
    }

    #[test]
    fn kl_of_two_known_distributions() {
        // p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): KL = ½ ln 2 − ¼ ln 2 = ¼ ln 2.
        let device = candle_core::Device::Cpu;
        let teacher = Tensor::new(&[[0.5f32.ln(), 0.25f32.ln(), 0.25f32.ln()]], &device).unwrap();
        let student = Tensor::new(&[[0.25f32.ln(), 0.25f32.ln(), 0.5f32.ln()]], &device).unwrap();
        let batch = kl_divergence(&teacher, &student, 1.0, Reduction::BatchMean).unwrap();
        assert!((number(&batch) - 2f64.ln() / 4.0).abs() < 1e-6);
        let element = kl_divergence(&teacher, &student, 1.0, Reduction::ElementMean).unwrap();
        assert!((number(&element) - 2f64.ln() / 12.0).abs() < 1e-6);
        assert!(number(&kl_divergence(&teacher, &teacher, 30.0, Reduction::BatchMean).unwrap()).abs() < 1e-7);
    }

    #[test]
    fn the_kl_of_attacks_has_the_gradient_of_the_summed_kl() {
        let target = testing::tensor(1, (3, 5));
        let prediction = Var::from_tensor(&testing::tensor(2, (3, 5))).unwrap();
        let loss = kl_divergences(&target, &prediction, 1.0).unwrap().sum_all().unwrap();
        let expected = loss.backward().unwrap().get(&prediction).unwrap().clone();
        testing::assert_close(&kl_gradient(&target, &prediction).unwrap(), &expected, 1e-6);
        let target = Var::from_tensor(&target).unwrap();
        let loss = kl_divergences(&target, &prediction, 1.0).unwrap().sum_all().unwrap();
        let expected = loss.backward().unwrap().get(&target).unwrap().clone();
        testing::assert_close(&kl_target_gradient(&target, &prediction).unwrap(), &expected, 1e-6);
    }

    #[test]
    fn a_kl_between_the_networks_own_answers_has_a_gradient_for_both() {
        let prediction = testing::tensor(2, (2, 4));
        let target = Var::from_tensor(&testing::tensor(1, (2, 4))).unwrap();
        let value = |target: &Tensor| kl_divergence(target, &prediction, 2.0, Reduction::BatchMean).unwrap();
        let found = value(&target).backward().unwrap().get(&target).unwrap().clone();
        testing::assert_slopes(&target, &found, 1e-2, |target| number(&value(target)));
    }

    #[test]
    fn the_margin_pushes_the_true_class_below_the_best_other_one_until_it_is_kappa_away() {
        let cpu = candle_core::Device::Cpu;
        let logits = Tensor::new(&[[3f32, 1.0, 2.0], [0.0, 5.0, 1.0], [2.0, 2.0, 0.0]], &cpu).unwrap();
        let gradient = |kappa| testing::values(&margin_gradient(&logits, &[0, 0, 1], kappa).unwrap());
        assert_eq!(gradient(0.0), [-1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(gradient(50.0), [-1.0, 0.0, 1.0, -1.0, 1.0, 0.0, 1.0, -1.0, 0.0]);
    }

    #[test]
    fn the_difference_of_logits_ratio_climbs_along_its_slope() {
        let dlr = |row: &[f32], label: usize| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
            let other = if order[0] == label { order[1] } else { order[0] };
            -(row[label] - row[other]) / (row[order[0]] - row[order[2]] + 1e-12)
        };
        // methods.md §5.2: z = (2, 1, .5, −1, 0) has the ratios −2/3 for class 0 and +2/3 for class 1.
        let row = [2f32, 1.0, 0.5, -1.0, 0.0];
        assert!((dlr(&row, 0) + 2.0 / 3.0).abs() < 1e-6 && (dlr(&row, 1) - 2.0 / 3.0).abs() < 1e-6);
        let labels = [0, 1, 3];
        let logits = testing::tensor(3, (3, 5));
        let gradient = dlr_gradient(&logits, &labels).unwrap();
        testing::assert_slopes(&logits, &gradient, 1e-3, |logits| {
            let rows = logits.to_vec2::<f32>().unwrap();
            rows.iter().zip(labels).map(|(row, label)| f64::from(dlr(row, usize::from(label)))).sum()
        });
        assert!(dlr_gradient(&testing::tensor(3, (3, 2)), &[0, 1, 0]).is_err());
    }

    #[test]
    fn kl_sends_the_difference_of_the_probabilities_to_the_student() {
        let teacher = testing::tensor(1, (2, 4));
        let student = Var::from_tensor(&testing::tensor(2, (2, 4))).unwrap();
        let temperature = 4.0;
        let loss = kl_divergence(&teacher, &student, temperature, Reduction::BatchMean).unwrap();
        let found = loss.backward().unwrap().get(&student).unwrap().clone();
        let soft = |t: &Tensor| softmax(&(t / temperature).unwrap(), 1).unwrap();
        let expected = ((soft(&student) - soft(&teacher)).unwrap() / (2.0 * temperature)).unwrap();
        testing::assert_close(&found, &expected, 1e-6);
    }
}
