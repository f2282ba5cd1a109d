//! Nexus, the program: reads how to run, and runs. The only crate that picks adapters; no service logic here.

mod cli;
mod datadir;
mod failure;
mod load;
mod schedule;
mod settings;

use failure::Outcome;
use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    // Two providers are linked; without a choice, some TLS code would not know which to take.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match run(cli::parse(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("nexus: {failure}");
            failure.exit_code()
        }
    }
}

fn run(mut invocation: cli::Invocation) -> Outcome {
    let settings = load::settings(&mut invocation)?;
    let _ = settings;
    Ok(())
}
