//! The Lasso router: everything around the layers of [`lasso_layers`] that opens sockets, reads files or runs tasks.
//!
//! # One request, by file
//!
//! A client posts `eth_getBalance` to `/rpc/ethereum`.
//!
//! 1. [`cli`] read the command line, [`config`] the settings and profiles, and [`run`] put a [`router::Router`]
//!    together: the stores ([`runtime`]), the layers over them ([`mod@stack`]), and the server.
//! 2. [`server`] accepts the connection and hands the request to
//!    [`Ingress`](lasso_layers::edge::ingress::Ingress), which makes a call of it.
//! 3. The call passes the layers in the order of `stack.rs`, top to bottom; `FailoverLayer` turns it into attempts.
//! 4. [`upstream`] sends each attempt over a pooled HTTP connection or over the WebSocket that is kept open to its
//!    provider, and reads the reply.
//! 5. The reply goes back up the same way, and its bytes into the response.
//!
//! A client of a WebSocket comes in by [`server`] too, with messages instead of requests. What it subscribes to comes
//! from [`streams`], over the connections of [`upstream`].
//!
//! Beside the requests run the [`tasks`]: upstreams are probed and asked for their heights, profiles are reloaded,
//! idle clients are forgotten. What they find out about providers is in [`health`], for pages to show; nodes of another
//! chain are kept out by [`strangers`]. What was measured goes into a file, [`history`]. [`observe`] hears of everything
//! that happens, for who wants to see it, and [`metrics`] count it; with the feature `otlp`, `traces` tells a collector.
//! [`live`] tells it to whoever has the pages of `dashboard` open, or `top`. [`telemetry`] says where log lines go.
//! `probe` finds out what an endpoint supports, and needs none of the rest.
//!
//! # For embedders
//!
//! [`router::Router`] is the whole thing without command line and signals. [`upstream::HttpUpstream`] is the
//! connection pool alone, for a stack of one's own; [`server::WebSockets`] serves sockets over one, in whatever server.
//! [`sim`] are nodes for tests: they answer like a chain and fail on demand. `examples/` shows stacks of one's own in
//! servers of one's own.

pub mod cli;
mod clock;
pub mod config;
mod dashboard;
pub mod demo;
pub mod health;
pub mod history;
pub mod live;
pub mod metrics;
pub mod observe;
mod policies;
mod probe;
pub mod router;
pub mod run;
pub mod runtime;
pub mod server;
pub mod sim;
pub mod stack;
mod stale;
pub mod strangers;
pub mod streams;
pub mod tasks;
pub mod telemetry;
#[cfg(feature = "top")]
mod top;
#[cfg(feature = "otlp")]
pub mod traces;
pub mod upstream;
mod usage;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
