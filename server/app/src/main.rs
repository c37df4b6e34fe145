//! The program `retort`: the server with its pages, the workers that it starts, and the command line.

mod arrivals;
mod classes;
mod cli;
mod config;
mod connections;
mod data_folder;
mod disk;
mod estimate;
mod http;
mod keeping;
mod live;
mod machine;
mod program;
mod public_url;
mod reader;
mod scheduler;
mod trial;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    program::take_name();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    match cli::Arguments::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("retort: {}", retort_web::words::shown_in_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
