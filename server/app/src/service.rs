//! Run as a service of systemd: it is told when the server is there, that it lives, and when it stops. Elsewhere nothing is told.

use std::time::Duration;

use retort_store::Store;
use sd_notify::NotifyState;

use crate::scheduler::{Control, LONGEST_ROUND};

/// The server answers.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The server ends.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Tells the watchdog that the server lives, as long as its database takes writes and its scheduler works. One that waits for
/// another program's hold on the database lives: a restart would not help.
pub async fn watch(store: Store, control: Control) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    loop {
        tokio::time::sleep(rest(patience)).await;
        let takes_writes = match store.check().await {
            Ok(()) | Err(retort_store::StoreError::Busy) => true,
            Err(fault) => {
                tracing::error!("the watchdog is not told that all is well: {fault}");
                false
            }
        };
        if takes_writes && control.since_last_round() <= LONGEST_ROUND {
            tell(NotifyState::Watchdog);
        }
    }
}

/// Three times within its patience, as a busy machine delays one.
fn rest(patience: Duration) -> Duration {
    patience / 3
}

fn tell(state: NotifyState) {
    if let Err(fault) = sd_notify::notify(&[state]) {
        tracing::warn!("systemd is not told about the server: {fault}");
    }
}
