//! scratch
use candle_core::{Device, Tensor};
use retort_engine::{attacks::*, nn::*, ops::*};
use retort_spec::Architecture;
use std::time::Instant;
fn time(name: &str, n: usize, mut f: impl FnMut()) {
    f();
    let mut v: Vec<f64> = (0..n)
        .map(|_| {
            let t = Instant::now();
            f();
            t.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    v.sort_by(f64::total_cmp);
    println!("{name}: {:.2} ms", v[n / 2]);
}
fn main() {
    let d = Device::Cpu;
    let b: usize = 32;
    for (ci, co, s, h) in [
        (3, 16, 1, 32),
        (16, 16, 1, 32),
        (16, 32, 2, 32),
        (32, 32, 1, 16),
        (64, 64, 1, 8),
        (64, 64, 1, 32),
        (256, 256, 1, 8),
        (512, 512, 1, 4),
    ] {
        let conv = Conv2d { kernel: 3, stride: s, padding: 1 };
        let x = Tensor::ones((b, ci, h, h), candle_core::DType::F32, &d).unwrap();
        let w = Tensor::ones((co, ci, 3, 3), candle_core::DType::F32, &d).unwrap();
        let y = conv2d(&x, &w, conv).unwrap();
        let gf = 2.0 * (b * co * ci * 9 * (h / s) * (h / s)) as f64 / 1e6;
        println!("conv {ci}->{co} @{h} s{s}: {gf:.1} MFLOP (ms*GF/s)");
        time("  fwd", 9, || {
            conv2d(&x, &w, conv).unwrap();
        });
        time("  dx", 9, || {
            conv2d_input_gradient(&y, &w, conv, (h, h)).unwrap();
        });
        time("  dw", 9, || {
            conv2d_weight_gradient(&x, &y, conv).unwrap();
        });
    }
    let x = Tensor::ones((b, 16, 32, 32), candle_core::DType::F32, &d).unwrap();
    let g = Tensor::ones(16, candle_core::DType::F32, &d).unwrap();
    time("bn train", 9, || {
        batch_norm_train(&x, &g, &g, None, true).unwrap();
    });
    time("bn eval", 9, || {
        batch_norm_eval(&x, &g, &g, (&g, &g), None, true).unwrap();
    });
    time("bn bwd eval", 9, || {
        batch_norm_backward(&x, &x, &g, (&g, &g), &x, true, false, false).unwrap();
    });
    time("bn bwd train", 9, || {
        batch_norm_backward(&x, &x, &g, (&g, &g), &x, true, true, true).unwrap();
    });
    for arch in [Architecture::ResNet8, Architecture::ResNet20, Architecture::ResNet18] {
        let mut net = Network::new(arch, 10, 1, &d).unwrap();
        let x = (Tensor::ones((b, 3, 32, 32), candle_core::DType::F32, &d).unwrap() * 0.5).unwrap();
        let labels = vec![1u8; b];
        let n = if arch == Architecture::ResNet18 { 1 } else { 5 };
        time(&format!("{arch} infer"), n, || {
            net.infer(&x).unwrap();
        });
        let dl = Tensor::ones((b, 10), candle_core::DType::F32, &d).unwrap();
        time("  input grad", n, || {
            let p = net.forward(&x, Statistics::Running, Want::Input).unwrap();
            p.input_gradient(Some(dl.clone()), None).unwrap();
        });
        time("  train grad", n, || {
            let p = net.forward(&x, Statistics::Batch, Want::Parameters).unwrap();
            p.backward(Some(dl.clone()), None).unwrap();
        });
        let pgd = Pgd { eps: 8. / 255., step_size: 2. / 255., steps: 20 };
        if arch != Architecture::ResNet18 {
            time("  pgd20 of 32", n, || {
                cross_entropy_pgd(&mut net, &x, &labels, pgd, x.clone(), Statistics::Running).unwrap();
            });
        }
    }
}
