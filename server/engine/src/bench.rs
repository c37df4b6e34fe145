//! The work that Retort's speed is measured by: the same steps as a run makes, on random numbers.

use std::{path::Path, time::Instant};

use candle_core::{DType, Device, Tensor, Var};
use retort_spec::{ApgdCe, ApgdT, Architecture, Attack, FabT, PixelDistance, Positive, Square};

use crate::{
    EngineError, Result,
    analysis::{self, Tsne},
    answers::answers,
    attacks::{Attacker, Images, Iterative, Memory, StartRange, Starts, Try, cross_entropy_pgd, uniform_start},
    loss::cross_entropy,
    methods::{contrast::Contrast, memory_bank::Sampler},
    nn::{Network, Sgd, Statistics, Want},
    ops::{SgdStep, keep_freed_memory},
    rng::{Purpose, Stream},
};

const EPS: f32 = 8.0 / 255.0;
const STEP: f32 = 2.0 / 255.0;
const CLASSES: usize = 10;

/// How often a piece of work is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    /// Times that are not counted.
    pub warmup: usize,
    /// Times that are.
    pub runs: usize,
}

impl Repeat {
    /// The seconds of each counted time.
    fn seconds(self, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
        keep_freed_memory();
        for _ in 0..self.warmup {
            work()?;
        }
        (0..self.runs)
            .map(|_| {
                let start = Instant::now();
                work()?;
                Ok(start.elapsed().as_secs_f64())
            })
            .collect()
    }
}

/// A network and the batch that it works on.
#[derive(Clone, Copy, Debug)]
pub struct NetworkWork {
    /// The network.
    pub architecture: Architecture,
    /// Images of a batch.
    pub batch: usize,
    /// Steps of PGD.
    pub pgd_steps: usize,
}

/// A network, images in [0, 1] and labels.
struct Bench {
    network: Network,
    images: Tensor,
    labels: Vec<u8>,
    pgd: Iterative,
    stream: Stream,
}

impl Bench {
    fn new(work: NetworkWork, device: &Device) -> Result<Self> {
        let NetworkWork { architecture, batch, pgd_steps } = work;
        let mut stream = Stream::new(0, Purpose::Bench, 0, 0);
        let values: Vec<f32> = (0..batch * 3 * 32 * 32).map(|_| stream.uniform(0.0, 1.0)).collect();
        let labels = (0..batch).map(|_| stream.below(CLASSES as u32) as u8).collect();
        Ok(Self {
            network: Network::new(architecture, CLASSES, 0, device)?,
            images: Tensor::from_vec(values, (batch, 3, 32, 32), device)?,
            labels,
            pgd: Iterative { eps: EPS, step_size: STEP, steps: pgd_steps, statistics: Statistics::Running },
            stream,
        })
    }

    fn attack(&mut self) -> Result<Tensor> {
        let start = uniform_start(&self.images, EPS, &mut self.stream, StartRange::Image)?;
        let network = &mut self.network;
        Ok(cross_entropy_pgd(network, &self.images, &self.labels, self.pgd, start)?)
    }
}

/// Seconds of training steps: PGD on a batch by running statistics, then forward, backward and SGD on what it found; with
/// no PGD steps on the images themselves.
///
/// # Errors
/// When the device has no memory left.
pub fn train(work: NetworkWork, repeat: Repeat, device: &Device) -> Result<Vec<f64>> {
    let mut bench = Bench::new(work, device)?;
    let mut sgd = Sgd::new(&bench.network.weights.parameters)?;
    let step = SgdStep { learning_rate: 0.1, momentum: 0.9, weight_decay: 5e-4 };
    repeat.seconds(|| {
        let images = if work.pgd_steps > 0 { bench.attack()? } else { bench.images.clone() };
        let pass = bench.network.forward(&images, Statistics::Batch, Want::Parameters)?;
        let logits = Var::from_tensor(&pass.logits)?;
        let gradient = cross_entropy(&logits, &bench.labels)?.backward()?.get(&logits).cloned();
        let gradients = pass.backward(gradient, None)?;
        sgd.step(&mut bench.network.weights.parameters, &gradients, step)?;
        Ok(bench.images.device().synchronize()?)
    })
}

/// Seconds of attacking a batch by PGD and classifying what it found.
///
/// # Errors
/// When the device has no memory left.
pub fn eval(work: NetworkWork, repeat: Repeat, device: &Device) -> Result<Vec<f64>> {
    let mut bench = Bench::new(work, device)?;
    repeat.seconds(|| {
        let found = bench.attack()?;
        let logits = bench.network.infer(&found)?.0;
        logits.argmax(1)?.to_vec1::<u32>()?;
        Ok(())
    })
}

/// Seconds of AutoAttack with so many steps instead of 100, and fifty times as many queries, on a batch of which every image withstands
/// it: the ball is too small to leave an answer.
///
/// # Errors
/// When the device has no memory left.
pub fn auto_attack(work: NetworkWork, repeat: Repeat, device: &Device) -> Result<Vec<f64>> {
    let mut bench = Bench::new(work, device)?;
    let labels: Vec<u8> =
        answers(&bench.network.infer(&bench.images)?.0)?.into_iter().map(Option::unwrap_or_default).collect();
    let (eps, steps, targets) = (PixelDistance::new(1e-6), work.pgd_steps, CLASSES - 1);
    let attacks = [
        Attack::ApgdCe(ApgdCe { eps, steps }),
        Attack::ApgdT(ApgdT { eps, steps, targets }),
        Attack::FabT(FabT { eps, steps, targets }),
        Attack::Square(Square { eps, queries: 50 * steps }),
    ];
    let starts = Starts { seed: 0, purpose: Purpose::Bench };
    repeat.seconds(|| {
        for attack in &attacks {
            let (mut attacker, mut memory) = (Attacker { attack, surrogate: None, starts }, Memory::new());
            for attempt in 0..attacker.tries() {
                let (natural, labels) = (bench.images.clone(), labels.clone());
                let images = Images { natural, labels, indices: (0..work.batch).collect() };
                let with = Try { attempt, memory: &mut memory };
                attacker.answers(&mut bench.network, images, with)?;
            }
        }
        Ok(())
    })
}

/// The sizes of a contrast against a memory bank.
#[derive(Clone, Copy, Debug)]
pub struct Nce {
    /// Anchors.
    pub batch: usize,
    /// Negatives of each.
    pub negatives: usize,
    /// Rows of the bank.
    pub bank: usize,
    /// Numbers of a row.
    pub dim: usize,
}

/// Seconds of GACD's contrast: negatives are drawn for a batch, the student's embeddings (normalised here) and the
/// teacher's are held against the bank, and the loss's gradient is taken back to the student.
///
/// # Errors
/// When the device has no memory left.
pub fn nce(sizes: Nce, repeat: Repeat, device: &Device) -> Result<Vec<f64>> {
    let Nce { batch, negatives, bank, dim } = sizes;
    let mut stream = Stream::new(0, Purpose::Bench, 0, 0);
    let mut normal = |rows: usize| {
        let values: Vec<f32> = (0..rows * dim).map(|_| stream.normal()).collect();
        Tensor::from_vec(values, (rows, dim), device)
    };
    let unit = |t: &Tensor| t.broadcast_div(&t.sqr()?.sum_keepdim(1)?.sqrt()?);
    let (rows, teacher, student) = (unit(&normal(bank)?)?, unit(&normal(batch)?)?, Var::from_tensor(&normal(batch)?)?);
    let labels: Vec<u8> = (0..bank).map(|i| (i % CLASSES) as u8).collect();
    let indices: Vec<u32> = (0..batch).map(|i| (i * bank / batch) as u32).collect();
    let own: Vec<u8> = indices.iter().map(|i| labels[*i as usize]).collect();
    let sampler = Sampler::new(&labels, CLASSES, Positive::Exact, negatives);
    let contrast = Contrast { temperature: 0.1, noise_ratio: negatives as f64 / bank as f64 };
    let mut step = 0;
    repeat.seconds(|| {
        step += 1;
        let chosen = sampler.draw(&indices, &own, &Stream::new(0, Purpose::Bench, 1, step))?;
        let of = |anchors: &Tensor| contrast.losses(anchors, &rows, &chosen, 0.0);
        let loss = (of(&unit(&student)?)? + of(&teacher)?)?.mean_all()?;
        loss.backward()?;
        Ok(device.synchronize()?)
    })
}

/// Seconds of mapping features `[n, d]` into the plane by t-SNE, and the last map.
///
/// # Errors
/// When there are too few rows for the perplexity.
pub fn tsne(features: &Tensor, perplexity: f64, repeat: Repeat) -> Result<(Vec<f64>, Tsne)> {
    let mut map = Tsne { points: Vec::new(), kl: f64::NAN };
    let seconds = repeat.seconds(|| {
        map = analysis::tsne(features, perplexity, 0)?;
        Ok(())
    })?;
    Ok((seconds, map))
}

/// Reads features `[n, d]` from a NumPy file of float32 numbers.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub fn read_npy(path: &Path) -> Result<Tensor> {
    let fault = |fault: String| EngineError::Data(format!("{}: {fault}", path.display()));
    let features = Tensor::read_npy(path).map_err(|e| fault(e.to_string()))?;
    if features.dims().len() != 2 || features.dtype() != DType::F32 || features.elem_count() == 0 {
        let found = format!("{:?} of {:?}", features.dtype(), features.dims());
        return Err(fault(format!("float32 numbers [n, d] are wanted, not {found}")));
    }
    Ok(features)
}

/// Writes a matrix as a NumPy file of float32 numbers.
///
/// # Errors
/// When the file cannot be written.
pub fn write_npy(path: &Path, matrix: &Tensor) -> Result<()> {
    let written = matrix.write_npy(path);
    written.map_err(|e| EngineError::Data(format!("{} cannot be written: {e}", path.display())))
}

/// Features `[n, d]` like those of a trained network, to be mapped: ten clouds of 32 dimensions behind two random layers
/// with ReLU.
///
/// # Errors
/// When there is no memory left.
pub fn sample_features(n: usize, d: usize) -> Result<Tensor> {
    const INNER: [usize; 2] = [32, 128];
    let mut stream = Stream::new(0, Purpose::Bench, 2, 0);
    let mut normal = |rows: usize, columns: usize, deviation: f32| {
        let values: Vec<f32> = (0..rows * columns).map(|_| deviation * stream.normal()).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu)
    };
    let centres = normal(CLASSES, INNER[0], 2.0)?;
    let classes: Vec<u32> = (0..n).map(|i| (i % CLASSES) as u32).collect();
    let clouds = (centres.index_select(&Tensor::new(classes, &Device::Cpu)?, 0)? + normal(n, INNER[0], 1.0)?)?;
    let hidden = clouds.matmul(&normal(INNER[0], INNER[1], 1.0 / (INNER[0] as f32).sqrt())?)?.relu()?;
    let features = hidden.matmul(&normal(INNER[1], d, 1.0 / (INNER[1] as f32).sqrt())?)?;
    Ok((features + normal(n, d, 0.05)?)?.relu()?)
}
