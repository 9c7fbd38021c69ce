//! The end of a router.

use http::StatusCode;
use lasso_rpc::sim::{Fault, HugeResult, Rule};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{Client, Reply, WHO, World, ms, request, until};

#[tokio::test]
async fn requests_under_way_are_answered_and_no_new_ones_taken() {
    let mut world = World::start(&["a"]).await;
    world.behave("a", Fault::latency(ms(300)));
    let call = world.proxy.spawn_call("/rpc/ethereum", WHO);
    world.wait_in_flight("a", 1).await;
    world.proxy.stop();
    assert_eq!(call.await.unwrap().who(), "a");
    world.proxy.ended().await;
    assert!(TcpStream::connect(world.proxy.address).await.is_err());
    assert_eq!(world.asked(), [1]);
}

#[tokio::test]
async fn a_large_answer_is_sent_to_its_end() {
    let mut world = World::start(&["a"]).await;
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Stream(HugeResult::new(16 << 20)))]);
    let url = world.proxy.url("/rpc/ethereum");
    let response = Client::new().open(&url, &[], request("eth_getLogs", &json!([{}]))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    world.proxy.stop();
    assert_eq!(Reply::read(response).await.body.len(), 16 << 20);
    world.proxy.ended().await;
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off() {
    let mut world = World::with(&["a"], |settings| settings.server.drain = ms(100), |_| {}).await;
    world.behave("a", Fault::Hang);
    let (url, body) = (world.proxy.url("/rpc/ethereum"), request(WHO, &json!([])));
    let call = tokio::spawn(async move { Client::new().open(&url, &[], body).await });
    world.wait_in_flight("a", 1).await;
    world.proxy.stop();
    world.proxy.ended().await;
    assert!(call.await.unwrap().is_err());
    world.wait_in_flight("a", 0).await;
    until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
}
