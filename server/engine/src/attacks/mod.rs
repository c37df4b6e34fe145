//! Attacks: how an image is moved inside its ε-ball.

mod optimal_transport;
mod pgd;

pub use optimal_transport::{OptimalTransport, sinkhorn};
pub use pgd::{Pgd, cross_entropy_pgd, fgsm, uniform_start};
