//! A router in front of simulated nodes, and a client.

mod client;
mod lines;
/// The one that the tests of the layers use.
#[path = "../../../layers/tests/support/log.rs"]
pub(crate) mod log;
mod page;
mod proxy;
mod raw;
mod recorder;
mod socket;
mod world;

use std::time::Duration;

pub(crate) use self::client::{Client, Reply, request};
pub(crate) use self::lines::Lines;
pub(crate) use self::page::Page;
pub(crate) use self::proxy::Proxy;
pub(crate) use self::raw::Raw;
pub(crate) use self::recorder::Recorder;
pub(crate) use self::socket::Socket;
pub(crate) use self::world::{World, chain_of, node, profile};

/// How long a test waits for something that should happen at once.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The method that says which node answered.
pub(crate) const WHO: &str = "web3_clientVersion";

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Looks again and again until the condition holds.
///
/// # Panics
///
/// If it does not within [`LIMIT`].
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(ms(2)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, looking).await.is_ok(), "waited in vain until {what}");
}
