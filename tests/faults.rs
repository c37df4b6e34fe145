//! Whatever is killed, whenever: it costs time alone. `cargo run --release -p retort-faults` does the same at length.

use retort_engine::CRASH_POINTS;
use retort_faults::{Options, disturb};

#[test]
fn killed_workers_and_servers_and_every_crash_point_cost_no_number() {
    let kills = 2 * CRASH_POINTS.len();
    let figures =
        disturb(&Options { program: env!("CARGO_BIN_EXE_retort").into(), kills, seed: 1, folder: None }).unwrap();
    assert!(figures.are_clean(), "{figures:?}");
    for point in CRASH_POINTS {
        assert!(figures.crashes.get(point).is_some_and(|count| *count > 0), "nobody came by {point}: {figures:?}");
    }
}
