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

/// KL(softmax(teacher/T) ‖ softmax(student/T)), logits `[N, C]`; the gradient flows to the student's.
///
/// # Errors
/// When the shapes do not fit.
pub fn kl_divergence(teacher: &Tensor, student: &Tensor, temperature: f64, reduction: Reduction) -> Result<Tensor> {
    let (n, classes) = student.dims2()?;
    let teacher = log_softmax(&(teacher.detach() / temperature)?, 1)?;
    let student = log_softmax(&(student / temperature)?, 1)?;
    let sum = (teacher.exp()? * (teacher - student)?)?.sum_all()?;
    sum / match reduction {
        Reduction::BatchMean => n as f64,
        Reduction::ElementMean => (n * classes) as f64,
    }
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
