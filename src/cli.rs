//! The command line.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Environment, Located, Settings, SettingsFile};
#[cfg(feature = "top")]
use crate::top;
use crate::{config, probe, run};

/// Ethereum JSON-RPC router: one URL, many providers.
#[derive(Debug, Parser)]
#[command(name = "lasso", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default).
    Serve(Serve),
    /// Check profiles and settings, and print every problem with its file and line.
    Check(Files),
    /// Start simulated nodes and serve them; needs no network.
    Demo {
        #[command(flatten)]
        listen: Listen,
    },
    /// Find out what an endpoint supports, and what a profile should say of it.
    #[command(override_usage = "lasso probe <URL> [OPTIONS]")]
    Probe(probe::Arguments),
    /// Watch a router at work, in the terminal.
    #[cfg(feature = "top")]
    Top(top::Arguments),
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    listen: Listen,
}

#[derive(Debug, Args)]
struct Files {
    /// The folder with one file for each profile.
    #[arg(long, value_name = "DIR", env = "LASSO_PROFILES", default_value = "config/profiles")]
    profiles: PathBuf,
    /// The settings file; every setting has a default. A file that is named has to exist.
    #[arg(long, value_name = "FILE", env = "LASSO_CONFIG", default_value = "config/lasso.yml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct Listen {
    /// Where to listen. Beats LASSO_LISTEN, PORT and the settings file.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// Runs the command that the process was started with, until it is done or the process is asked to end.
#[must_use]
pub fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let of_command = matches.subcommand().map_or(&matches, |(_, of_command)| of_command);
    match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(serve) => finish(self::serve(&serve, settings_file(&serve.files, of_command))),
        Command::Check(files) => check(&files, settings_file(&files, of_command)),
        Command::Demo { listen } => finish(demo(&listen)),
        Command::Probe(arguments) => probe::main(&arguments, || help("probe")),
        #[cfg(feature = "top")]
        Command::Top(arguments) => match environment() {
            Ok(environment) => top::main(&arguments, &environment),
            Err(refusal) => finish(Err(refusal)),
        },
    }
}

/// What there is to say about the use of a command.
fn help(command: &str) -> String {
    let mut arguments = Arguments::command();
    arguments.build();
    let command = arguments.find_subcommand_mut(command).expect("it is one of the commands");
    command.render_help().to_string()
}

/// The settings file, and who named it if it is not the one that is read otherwise.
fn settings_file<'a>(files: &'a Files, matches: &ArgMatches) -> SettingsFile<'a> {
    let named_by = match matches.value_source("config") {
        Some(ValueSource::CommandLine) => Some("`--config`"),
        Some(ValueSource::EnvVariable) => Some("LASSO_CONFIG"),
        _ => None,
    };
    SettingsFile { path: &files.config, named_by }
}

/// Why a command could not do its work.
#[derive(Debug)]
enum Refusal {
    Configuration(Vec<Located>),
    Run(run::Error),
}

fn serve(arguments: &Serve, file: SettingsFile<'_>) -> Result<(), Refusal> {
    let environment = environment()?;
    let settings = settings(file, &arguments.listen, &environment)?;
    let loaded = config::load(&arguments.files.profiles, &environment).map_err(Refusal::Configuration)?;
    run::serve(&settings, loaded, arguments.files.profiles.clone()).map_err(Refusal::Run)
}

fn demo(listen: &Listen) -> Result<(), Refusal> {
    let environment = environment()?;
    let nowhere = SettingsFile { path: Path::new(""), named_by: None };
    let settings = settings(nowhere, listen, &environment)?;
    run::demo(&settings).map_err(Refusal::Run)
}

fn check(files: &Files, settings: SettingsFile<'_>) -> ExitCode {
    match environment() {
        Ok(environment) => {
            match config::check(&files.profiles, settings, &environment, &mut io::stdout()) {
                Ok(code) => ExitCode::from(code),
                // Nobody is left to read the answer.
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(refusal) => finish(Err(refusal)),
    }
}

fn environment() -> Result<Environment, Refusal> {
    Environment::load(Path::new(".")).map_err(Refusal::Configuration)
}

fn settings(file: SettingsFile<'_>, listen: &Listen, environment: &Environment) -> Result<Settings, Refusal> {
    let mut settings = Settings::load(file, environment).map_err(Refusal::Configuration)?;
    if let Some(listen) = listen.listen {
        settings.server.listen = listen;
    }
    Ok(settings)
}

fn finish(outcome: Result<(), Refusal>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal::Configuration(problems)) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            eprintln!("{}", config::refusal(&problems));
            ExitCode::FAILURE
        }
        Err(Refusal::Run(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
