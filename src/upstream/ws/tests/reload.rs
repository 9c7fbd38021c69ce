//! Links follow the catalogue.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async;

use super::*;
use crate::upstream::tests::server::identity;

#[tokio::test]
async fn a_reload_starts_new_links_ends_old_ones_and_leaves_the_others() {
    let (a, b, c) = (node().await, node().await, node().await);
    let world = World::start(profiles(&[a.ws_url(), b.ws_url()]), eager(), Vec::new());
    world.wait_up(0).await;
    world.wait_up(1).await;
    let (gone, kept) = (world.channel(0).key, world.channel(1).key);
    let connection = world.links.status(kept).connection;

    world.runtime.live.publish(profiles(&[b.ws_url(), c.ws_url()])).unwrap();
    world.wait_up(1).await;
    until("the old link is gone", || world.links.state(gone).is_none()).await;
    assert!(a.wait_until(LIMIT, |stats| stats.sockets == 0).await);
    assert_eq!(world.links.status(kept).connection, connection, "it was not touched");

    world.runtime.live.publish(profiles(&[a.ws_url(), b.ws_url()])).unwrap();
    world.wait_up(0).await;
    assert_eq!(world.channel(0).key, gone, "the same channel again");
    assert_eq!((a.stats().sockets_opened, b.stats().sockets_opened), (2, 1));
}

#[tokio::test]
async fn profiles_share_the_link_of_an_upstream() {
    let node = node().await;
    let mut profiles = profiles(&[node.ws_url()]);
    let world = World::start(profiles.clone(), eager(), Vec::new());
    world.wait_up(0).await;
    profiles.push(ProfileSpec::new("other").chain(profiles[0].chains[0].clone()));
    world.runtime.live.publish(profiles).unwrap();
    let catalog = world.runtime.live.snapshot();
    let of_other = &catalog.profile("other").unwrap().1.chains()[0].providers[0];
    // A profile that came later can use it at once.
    assert!(world.links.is_up(of_other.ws.as_ref().unwrap().key));
    result(world.call("eth_chainId", "[]").await);
    assert_eq!(node.stats().sockets_opened, 1);
}

#[tokio::test]
async fn the_first_attempt_comes_within_the_jitter() {
    let node = node().await;
    let world = World::start(
        profiles(&[node.ws_url()]),
        LinkPolicy { connect_jitter: ms(300), ..eager() },
        Vec::new(),
    );
    until("there is a link", || world.links.state(world.channel(0).key).is_some()).await;
    assert_eq!(world.state(), Some(LinkState::Reconnecting));
    world.wait_up(0).await;
    assert_eq!(world.links.counters(world.channel(0).key).connect_failures, 0);
}

#[tokio::test]
async fn links_speak_tls_with_those_they_trust() {
    let (config, root) = identity(&["h2", "http/1.1"]);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut socket = accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if let Ok(text) =
                    message.to_text().map(|text| text.replace("\"method\"", "\"result\":1,\"x\""))
                    && message.is_text()
                {
                    socket.send(text.into()).await.unwrap();
                }
            }
        }
    });
    let (_, stranger) = identity(&[]);
    let suspicious = World::start(profiles(std::slice::from_ref(&url)), eager(), vec![stranger]);
    let key = suspicious.channel(0).key;
    until("it was refused", || suspicious.links.counters(key).connect_failures >= 1).await;
    assert_eq!(suspicious.links.counters(key).connected, 0);

    let world = World::start(profiles(&[url]), eager(), vec![root]);
    world.wait_up(0).await;
    result(world.call("eth_chainId", "[]").await);
}
