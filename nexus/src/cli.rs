//! The command line: what can be typed, and nothing of what it does.

use crate::{
    relay::verbs::Verb,
    settings::{OF_A_RUN, Service, schema},
};
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use nexus_config::{Layer, Schema, Takes};
use std::{ffi::OsString, path::PathBuf};

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 another process uses the data directory;
4 not confirmed; 10 a migration is pending; 128 + N ended by a second signal N.";

/// Nexus: between open networks and the apps that people build on them.
///
/// Without a command it runs: follows the production homeserver of Pubky and the repos of the AT Protocol that it is
/// asked to, keeps its data in ./data, and answers on 127.0.0.1:8080.
#[derive(Debug, Parser)]
#[command(name = "nexus", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The configuration file; also NEXUS_CONFIG. Without it, ./nexus.toml if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A directory with Pubky Nexus's config.toml.
    #[arg(short = 'c', long, global = true, value_name = "DIR", conflicts_with = "config")]
    pub(crate) config_dir: Option<PathBuf>,
    /// Sets any key of the configuration.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the services (the default).
    Run,
    /// The social service alone, or one of its verbs.
    Social {
        #[command(subcommand)]
        verb: Option<Social>,
    },
    /// The sync service alone, or one of its verbs.
    Sync {
        #[command(subcommand)]
        verb: Option<Sync>,
    },
    /// The relay alone.
    Relay {
        #[command(subcommand)]
        verb: Option<Verb>,
    },
    /// The databases.
    #[command(subcommand)]
    Db(Db),
    /// Jobs that run at times, or now.
    #[command(subcommand)]
    Jobs(Jobs),
    /// Prints the commented nexus.toml.
    Config(Config),
    /// Checks the deployment and says what to fix.
    Doctor,
    /// Serves without following homeservers (nexusd).
    #[command(hide = true)]
    Api,
    /// Follows homeservers without serving their data (nexusd).
    #[command(hide = true)]
    Watcher,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Social {
    /// Runs the social service alone.
    Run,
    /// Reads stored objects from NDJSON, one a line.
    Import(Import),
    /// Writes every stored object as NDJSON, one a line.
    Export {
        /// Where to; `-` is standard output.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sync {
    /// Runs the sync service alone.
    Run,
    /// Marks repos to be fetched anew at the next start; `POST /repos/resync` does it while Nexus runs.
    Resync(Resync),
    /// Takes over the database of a Tap that has been stopped.
    ImportTap {
        /// Its file, usually `tap.db`.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Resync {
    /// Which repos, as DIDs.
    #[arg(required_unless_present = "all")]
    pub(crate) dids: Vec<String>,
    /// Every tracked repo.
    #[arg(long, conflicts_with = "dids")]
    pub(crate) all: bool,
    /// Tells all records again, not only what has changed.
    #[arg(long)]
    pub(crate) reemit: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Where from; `-` is standard input.
    pub(crate) file: PathBuf,
    /// Skips verification and the check of ids, and keeps `indexed_at`: for a dump of one's own.
    #[arg(long)]
    pub(crate) trusted: bool,
    /// Makes no notifications of what is read.
    #[arg(long)]
    pub(crate) no_notifications: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Brings the databases to this program's schema.
    Migrate(Which),
    /// Tells whether the databases have this program's schema and are sound.
    Check {
        #[command(flatten)]
        which: Which,
        /// Has the next start fetch bytes of files again that are lost or damaged.
        #[arg(long)]
        refetch: bool,
    },
    /// Deletes all data.
    Clear {
        #[command(flatten)]
        which: Which,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Replaces all data by a synthetic network, to try things on.
    Mock(Mock),
    /// Copies database, full text and files, consistently, also while Nexus runs.
    Backup {
        #[command(flatten)]
        which: Which,
        /// A directory that does not exist yet.
        to: PathBuf,
    },
    /// Migrations as nexusd spells them.
    #[command(subcommand, hide = true)]
    Migration(Migration),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Of this service only.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Mock {
    /// How many users.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    pub(crate) users: u32,
    /// How many posts.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub(crate) posts: u32,
    /// The same seed gives the same network.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Does not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Which of its databases nexusd would fill; there is one here.
    #[arg(long, hide = true)]
    mock_type: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migration {
    New { name: String },
    Run,
    Check,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// Names the jobs and when they run, and their last runs if a Nexus runs that can be asked.
    List {
        /// Where that is, if it isn't the one on this data directory.
        #[arg(long, value_name = "URL")]
        at: Option<String>,
    },
    /// Runs a job now. A Nexus that runs takes it, if both know a `server.admin_token`.
    Run {
        /// Its name.
        name: String,
        /// Where that Nexus is, if it isn't the one on this data directory.
        #[arg(long, value_name = "URL")]
        at: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// Prints the short environment names with the keys that they set.
    #[arg(long, conflicts_with_all = ["flags", "reference"])]
    pub(crate) env: bool,
    /// Prints the flags with the keys that they set.
    #[arg(long, conflicts_with = "reference")]
    pub(crate) flags: bool,
    /// Prints every key as a Markdown table.
    #[arg(long)]
    pub(crate) reference: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<ConfigVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Reads the configuration and says what is wrong with it.
    Check,
}

/// A command line that was understood.
pub(crate) struct Invocation {
    pub(crate) cli: Cli,
    /// The values of the flags.
    pub(crate) flags: Layer,
    /// How the program was called, which says whose ways it takes.
    pub(crate) called: Called,
}

/// How the program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// By its own name.
    Nexus,
    /// As Pubky Nexus's daemon.
    Nexusd,
    /// As the sync utility is called now.
    Tap,
}

impl Called {
    fn of(name: Option<&OsString>) -> Self {
        let name = name.map(PathBuf::from);
        match name.as_deref().and_then(std::path::Path::file_stem) {
            Some(stem) if stem == "nexusd" => Self::Nexusd,
            Some(stem) if stem == "tap" => Self::Tap,
            _ => Self::Nexus,
        }
    }
}

/// Understands a command line, or ends the process with help or an error.
pub(crate) fn parse(arguments: &[OsString]) -> Invocation {
    let schema = schema();
    let matches = command(&schema).get_matches_from(arguments);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let mut flags = Layer::default();
    for (flag, takes, _) in schema.described_flags() {
        if let Some(value) = value_of(&matches, flag.name, takes) {
            flags.flag(&schema, &format!("--{}", flag.name), flag.key, &value);
        }
    }
    for pair in &cli.set {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        flags.flag(&schema, "--set", key.trim(), value.trim());
    }
    let mut invocation = Invocation { flags, called: Called::of(arguments.first()), cli };
    if invocation.alone() == Some(Service::Sync)
        && let Some(bind) = value_of(&matches, "bind", Takes::Value)
    {
        // Alone it listens at one address, whoever set another.
        invocation.flags.flag(&schema, "--bind", "sync.bind", &bind);
    }
    invocation
}

impl Invocation {
    /// What is to be done.
    pub(crate) fn command(&self) -> &Command {
        self.cli.command.as_ref().unwrap_or(&Command::Run)
    }

    /// The one service that the command line means, if it means one.
    pub(crate) fn alone(&self) -> Option<Service> {
        match (&self.cli.command, self.called) {
            (Some(Command::Social { .. } | Command::Api | Command::Watcher), _) => Some(Service::Social),
            (Some(Command::Sync { .. }), _) | (None | Some(Command::Run), Called::Tap) => Some(Service::Sync),
            (Some(Command::Relay { .. }), _) => Some(Service::Relay),
            (None | Some(Command::Run), Called::Nexusd) => Some(Service::Social),
            (None | Some(Command::Run), _) if self.cli.config_dir.is_some() => Some(Service::Social),
            _ => None,
        }
    }
}

/// The commands, with a flag for each key that has one.
fn command(schema: &Schema) -> clap::Command {
    schema.described_flags().fold(Cli::command(), |command, (flag, takes, doc)| {
        let arg = Arg::new(flag.name).long(flag.name).help(doc).value_name("VALUE");
        if flag.name == OF_A_RUN {
            return to_each_run(command, &arg);
        }
        command.arg(match takes {
            Takes::Value => arg.global(true),
            Takes::YesOrNo => arg.global(true).num_args(0..=1).require_equals(true).default_missing_value("true"),
            Takes::List => arg.global(true).action(ArgAction::Append),
        })
    })
}

/// The commands, each that runs the program or the sync service with `arg`.
fn to_each_run(command: clap::Command, arg: &Arg) -> clap::Command {
    let with = |command: clap::Command| command.arg(arg);
    with(command).mut_subcommand("run", with).mut_subcommand("sync", |sync| with(sync).mut_subcommand("run", with))
}

/// What a flag that not every command has was given, on whichever command it stands.
fn value_of_run(matches: &ArgMatches, name: &str) -> Option<String> {
    let own = matches.try_get_one::<String>(name).ok().flatten().cloned();
    own.or_else(|| matches.subcommand().and_then(|(_, matches)| value_of_run(matches, name)))
}

/// A flag may stand before or after the command; one of a list, several times.
fn value_of(matches: &ArgMatches, name: &str, takes: Takes) -> Option<String> {
    match takes {
        Takes::Value if name == OF_A_RUN => value_of_run(matches, name),
        Takes::Value | Takes::YesOrNo => matches.get_one::<String>(name).cloned(),
        Takes::List => {
            let values: Vec<String> = matches.get_many::<String>(name)?.cloned().collect();
            Some(values.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Invocation {
        parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_commands_are_sound() {
        command(&schema()).debug_assert();
    }

    #[test]
    fn flags_may_stand_before_and_after_the_command() {
        for line in ["nexus --bind :1 social run --open", "nexus social --open run --bind :1"] {
            let settings = crate::settings::join(vec![parsed(line).flags]).expect("valid flags").settings;
            assert_eq!((settings.server.bind.to_string().as_str(), settings.server.open), ("[::]:1", true), "{line}");
        }
    }

    #[test]
    fn the_name_says_whose_ways_are_taken() {
        assert_eq!(parsed("nexus").called, Called::Nexus);
        assert_eq!(parsed("/usr/local/bin/nexusd watcher -c dir").called, Called::Nexusd);
        assert_eq!((parsed("./tap run").called, parsed("tap").alone()), (Called::Tap, Some(Service::Sync)));
        assert_eq!((parsed("nexus sync").alone(), parsed("nexus").alone()), (Some(Service::Sync), None));
        assert!(parsed("nexusd db mock --mock-type redis").cli.command.is_some());
    }

    #[test]
    fn a_run_has_an_environment_and_the_configuration_a_table_of_them() {
        for line in ["tap --env prod run", "tap run --env=prod", "nexus --env prod", "nexus sync --env prod run"] {
            let settings = crate::settings::join(vec![parsed(line).flags]).expect("valid flags").settings;
            assert_eq!(settings.telemetry.environment.as_deref(), Some("prod"), "{line}");
        }
        let config = parsed("nexus config --env");
        assert!(matches!(config.cli.command, Some(Command::Config(Config { env: true, .. }))));
        let settings = crate::settings::join(vec![config.flags]).expect("valid flags").settings;
        assert_eq!(settings.telemetry.environment, None);
    }

    #[test]
    fn set_reaches_any_key() {
        let flags = parsed("nexus --set social.watcher.events_limit=7 --set social.watcher.homeservers=[]").flags;
        let watcher = crate::settings::join(vec![flags]).expect("valid flags").settings.social.watcher;
        assert_eq!((watcher.events_limit.get(), watcher.homeservers.len()), (7, 0));
    }
}
