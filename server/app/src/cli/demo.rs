//! `retort demo`: the server with the demo comparison in its queue.

use anyhow::Result;

use super::serve::{Server, block_on};
use crate::config::ServeArgs;

/// Serves, and launches the demo comparison unless this data folder has it.
///
/// # Errors
/// When the server cannot start.
pub fn demo(args: &ServeArgs) -> Result<()> {
    block_on(async {
        let server = Server::start(args).await?;
        let id = server.gate.launch_demo().await?;
        server.announce();
        say!("The demo comparison is at {}/experiments/{id}: open it now, it fills as it trains.", server.link());
        server.until_stopped().await
    })
}
