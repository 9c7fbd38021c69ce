//! `lasso top`: the essentials of the dashboard in a terminal.
//!
//! # By file
//!
//! | File | Knows |
//! |---|---|
//! | `address.rs` | where a router says what happens |
//! | `feed/` | how it is listened to: server-sent events, one connection, many of them in turn |
//! | `message.rs` | what is heard, as data |
//! | `model.rs` | everything that was heard, put together |
//! | `columns.rs`, `words.rs` | the table and its lines as text |
//! | `screen.rs` | what is selected and shown, and what each key does |
//! | `view/` | the picture of the two |
//! | `plain.rs` | the same once, for files and pipes |
//! | `terminal.rs` | the terminal itself, and when it is drawn on |
//!
//! All but `feed/` and `terminal.rs` are pure.

mod address;
mod columns;
mod feed;
mod message;
mod model;
mod plain;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;
mod view;
mod words;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;

use self::address::Address;
use self::feed::{Source, Trouble};
use self::model::Model;
use self::view::Palette;
use crate::config::Environment;

/// What the command line says.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The router's address; without it the one that LASSO_LISTEN or PORT name, else http://127.0.0.1:4000.
    #[arg(value_name = "URL")]
    url: Option<address::Given>,
    /// The profile to look at; without it the default one.
    #[arg(long, value_name = "SLUG")]
    profile: Option<String>,
    /// Print one table and end; so it is too where the output is no terminal.
    #[arg(long)]
    once: bool,
}

/// Shows what happens at a router until a key ends it, or what there is to see at this moment.
///
/// The exit code is 0 when there was something to see, 1 when there was not, and 2 when the address is none.
pub(crate) fn main(arguments: &Arguments, environment: &Environment) -> ExitCode {
    let address = match &arguments.url {
        Some(url) => Address::read(&url.0, arguments.profile.as_deref()),
        None => Address::read(&address::of_settings(environment), arguments.profile.as_deref()),
    };
    let address = match address {
        Ok(address) => address,
        Err(complaint) => {
            eprintln!("lasso top: the URL cannot be used: {complaint}");
            return ExitCode::from(2);
        }
    };
    match run(address, arguments.once || !io::stdout().is_terminal()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A part of it may be in the words of whoever answered.
            eprintln!("lasso top: {}", String::from_iter(plain::harmless(&error.to_string())));
            ExitCode::FAILURE
        }
    }
}

/// Does the work on a runtime of its own.
fn run(address: Address, once: bool) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Trouble::new(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        let source = Source::new(address)?;
        let (feed, snapshot) = source.open().await?;
        let model = Model::of(snapshot);
        if once {
            let written = io::stdout().write_all(plain::page(&model).as_bytes());
            return written.map_err(|error| Trouble::new(format!("cannot write: {error}")));
        }
        let watching = terminal::watch(model, source, feed, Palette::of_environment()).await;
        watching.map_err(|error| Trouble::new(format!("the terminal cannot be used: {error}")))
    });
    // A name that is still being looked up would hold the process up for as long as that takes.
    runtime.shutdown_background();
    outcome
}
