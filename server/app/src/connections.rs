//! The server's connections: how many there are, and how long each may keep it waiting.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch::Receiver},
};
use tower_http::timeout::RequestBodyTimeoutLayer;

/// How long a connection may take to send the head of its next request.
const HEAD: Duration = Duration::from_secs(30);
/// How long a request may send nothing of its body.
const BODY: Duration = Duration::from_secs(30);
/// How long the server waits before it accepts again, where the system gave it no connection.
const BREATH: Duration = Duration::from_millis(100);

/// Most connections at once. Every open page has one for its news.
const MOST: u64 = 4_096;
/// Files that the server has open beside its connections: its database, workers' journals, uploads.
const OTHER_FILES: u64 = 128;
/// Open files that are asked for, where the system allows more than it grants at first.
const FILES: u64 = MOST + OTHER_FILES;

/// Answers on the connections that come to `listener` until `stopping` becomes true and the last answer has been sent.
///
/// # Errors
/// Never, as long as the system lets it wait for connections.
pub async fn serve(listener: TcpListener, router: Router, mut stopping: Receiver<bool>) -> io::Result<()> {
    let service = TowerToHyperService::new(router.layer(RequestBodyTimeoutLayer::new(BODY)));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let places = Arc::new(Semaphore::new(most() as usize));
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = builder.serve_connection(TokioIo::new(stream), service.clone());
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    // A browser that hangs up in the midst is no fault of ours.
                    let _ = connection.await;
                    drop(place);
                });
            }
            // Out of open files, or the connection was gone before it was taken.
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// Most connections, as many as the system has files for. Where it allows more files than it grants at first, they are asked
/// for.
fn most() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(FILES).min(FILES);
    let mut granted = current.unwrap_or(FILES);
    if granted < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
        granted = wanted;
    }
    granted.saturating_sub(OTHER_FILES.min(granted / 2)).clamp(1, MOST)
}
