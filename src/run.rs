//! From valid configuration to a serving process.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use lasso_layers::catalog::{Live, ProfileSpec};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Loaded, Settings};
use crate::demo::Demo;
use crate::history::History;
use crate::router::Router;
use crate::tasks::Reload;
use crate::{policies, telemetry};

/// Why a process could not serve.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The log could not be set up.
    Log(io::Error),
    /// The address could not be listened on.
    Listen(SocketAddr, io::Error),
    /// Profiles that passed the check were refused all the same.
    Profiles(String),
    /// Something the process needs from the system failed.
    System(io::Error),
    /// Traces cannot be sent.
    #[cfg(feature = "otlp")]
    Traces(crate::traces::Error),
    /// Traces are to be sent, and this build cannot.
    NoTraces,
    /// The profile folder cannot be watched.
    Watch(Box<dyn std::error::Error + Send + Sync>),
}

/// Serves a checked configuration until SIGTERM or SIGINT, reloading the profiles of `folder` when they change.
///
/// # Errors
///
/// If anything the process needs cannot be had at the start.
pub fn serve(settings: &Settings, loaded: Loaded, folder: PathBuf) -> Result<(), Error> {
    start(settings, async |listener| {
        for warning in &loaded.warnings {
            tracing::warn!(event = "lasso.config.problem", "{warning}");
        }
        let live = live(loaded.profiles)?;
        let reload = Reload::new(live.clone(), folder, policies::reload(settings)).map_err(Error::Watch)?;
        tokio::spawn(reload.run());
        let history = policies::history(settings).map(History::new);
        requests(listener, live, settings, history).await
    })
}

/// Serves simulated nodes until SIGTERM or SIGINT, and prints what can be tried. Its history is in a temporary folder,
/// which goes with it.
///
/// # Errors
///
/// If anything the process needs cannot be had at the start.
pub fn demo(settings: &Settings) -> Result<(), Error> {
    start(settings, async |listener| {
        let demo = Demo::start().await.map_err(Error::System)?;
        let address = listener.local_addr().map_err(Error::System)?;
        println!("{}", demo.welcome(address));
        // Removed when it is dropped, which is after the last entry.
        let folder = tempfile::Builder::new().prefix("lasso-demo-").tempdir();
        let folder = folder.inspect_err(|error| {
            tracing::warn!(event = "lasso.history.unavailable", "the demo keeps no history: {error}");
        });
        let policy = folder.as_ref().ok().and_then(|folder| policies::demo_history(settings, folder.path()));
        requests(listener, live(vec![demo.profile()])?, settings, policy.map(History::new)).await
    })
}

fn start(
    settings: &Settings,
    serve: impl AsyncFnOnce(TcpListener) -> Result<(), Error>,
) -> Result<(), Error> {
    let _log = telemetry::init(&settings.log).map_err(Error::Log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::System)?;
    runtime.block_on(async { serve(bind(settings.server.listen).await?).await })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| Error::Listen(address, error))
}

fn live(profiles: Vec<ProfileSpec>) -> Result<Live, Error> {
    Live::new(profiles).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Error::Profiles(lines.join("\n"))
    })
}

async fn requests(
    listener: TcpListener,
    live: Live,
    settings: &Settings,
    history: Option<History>,
) -> Result<(), Error> {
    let mut router = Router::new(live, settings).map_err(Error::System)?;
    if let Some(history) = history {
        router = router.history(history);
    }
    if let Some(address) = settings.metrics.listen.filter(|_| settings.metrics.enabled) {
        router = router.scrapers(bind(address).await?);
    }
    #[cfg(feature = "otlp")]
    if let Some(policy) = policies::traces(settings) {
        router = router.traces(policy).map_err(Error::Traces)?;
    }
    #[cfg(not(feature = "otlp"))]
    if settings.traces.endpoint.is_some() {
        return Err(Error::NoTraces);
    }
    let ended = ended().map_err(Error::System)?;
    let address = listener.local_addr().map_err(Error::System)?;
    tracing::info!(event = "lasso.started", %address, "listening");
    router.serve(listener, ended).await;
    tracing::info!(event = "lasso.stopped", "stopped");
    Ok(())
}

/// Resolves when the process is asked to end.
fn ended() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        // Signals may be waited for again: both branches are cancel safe.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => write!(f, "cannot set the log up: {error}"),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Profiles(problems) => f.write_str(problems),
            Self::System(error) => write!(f, "cannot start: {error}"),
            #[cfg(feature = "otlp")]
            Self::Traces(error) => error.fmt(f),
            Self::NoTraces => {
                f.write_str("traces.endpoint: this build sends no traces; build with `--features otlp`")
            }
            Self::Watch(error) => write!(f, "cannot watch the profile folder: {error}"),
        }
    }
}

impl std::error::Error for Error {}
