//! The program `retort`: the server with its pages, the workers that it starts, and the command line.

#[macro_use]
mod say;

mod archive;
mod arrivals;
mod bundle;
mod classes;
mod cli;
mod config;
mod connections;
mod data_folder;
mod disk;
mod estimate;
mod http;
mod keeping;
mod launch;
mod live;
mod load;
mod logging;
mod machine;
mod metrics;
mod program;
mod public_url;
mod reader;
mod scheduler;
mod service;
mod trial;
mod views;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    program::take_name();
    logging::begin();
    match cli::Arguments::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("retort: {}", retort_web::words::shown_in_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
