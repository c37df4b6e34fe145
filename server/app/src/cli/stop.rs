//! Ctrl-C.

use std::sync::{Arc, atomic::AtomicBool};

use anyhow::{Context, Result};

/// A flag that Ctrl-C and SIGTERM set.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).context("listening for signals")?;
    }
    Ok(stop)
}
