//! Attacks: how an image is moved inside its ε-ball.

mod optimal_transport;
mod pgd;
mod under;

pub use optimal_transport::{OptimalTransport, Scattered, sinkhorn};
pub use pgd::{Pgd, cross_entropy_pgd, dlr_pgd, margin_pgd, momentum_pgd, normal_start, targeted_pgd, uniform_start};
pub(crate) use under::{Attacker, Starts};
