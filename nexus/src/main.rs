//! Nexus, the program: reads how to run, and runs. The only crate that picks adapters; no service logic here.

mod cli;
mod datadir;
mod db;
mod doctor;
mod dotenv;
mod failure;
mod jobs;
mod lines;
mod load;
mod progress;
mod relay;
mod reload;
mod run;
mod running;
mod schedule;
mod settings;
mod social;
mod sync;

use cli::{Command, Social, Sync};
use datadir::DataDir;
use failure::Outcome;
use std::{ffi::OsString, io::Write as _, process::ExitCode};

fn main() -> ExitCode {
    // Two providers are linked; without a choice, some TLS code would not know which to take.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match carry_out(cli::parse(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("nexus: {failure}");
            failure.exit_code()
        }
    }
}

fn carry_out(invocation: cli::Invocation) -> Outcome {
    if let Some(Command::Config(config)) = &invocation.cli.command
        && config.verb.is_none()
    {
        return print(config);
    }
    let settings = load::settings(&invocation)?;
    match invocation.command() {
        Command::Config(_) => say("the configuration is valid\n"),
        Command::Doctor => doctor::run(&settings),
        Command::Db(verb) => db::run(&settings, verb),
        Command::Jobs(verb) => jobs::run(&settings, verb),
        Command::Social { verb: Some(Social::Export { file }) } => social::export(&settings, file),
        Command::Social { verb: Some(Social::Import(import)) } => {
            let _data = DataDir::take(&settings.server.data_dir)?;
            social::import(&settings, import)
        }
        Command::Sync { verb: Some(Sync::Resync(resync)) } => sync::resync(&settings, resync),
        Command::Sync { verb: Some(Sync::ImportTap { file }) } => sync::import_tap(&settings, file),
        Command::Relay { verb: Some(verb) } if !verb.runs() => relay::verbs::run(&settings, verb),
        Command::Run
        | Command::Social { .. }
        | Command::Sync { .. }
        | Command::Relay { .. }
        | Command::Api
        | Command::Watcher => run::run(settings, invocation),
    }
}

/// Prints what the configuration can be. It reads none, so that a broken one is no hindrance.
fn print(config: &cli::Config) -> Outcome {
    match config {
        cli::Config { env: true, .. } => say(&nexus_config::environment(&settings::schema())),
        cli::Config { flags: true, .. } => say(&nexus_config::flags(&settings::schema())),
        cli::Config { reference: true, .. } => say(&settings::handbook()),
        _ => say(&settings::commented()),
    }
}

/// Prints a text. A reader who has seen enough and goes away is no failure.
fn say(text: &str) -> Outcome {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
