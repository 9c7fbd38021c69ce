//! Fan-out: one delivery to many clients, and what comes from the upstream.
//!
//! `cargo bench -p lasso-layers --bench push`

use std::hint::black_box;
use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use lasso_layers::call::session::{
    Delivery, OutboxBudget, Session, SessionPolicy, Subscriber, SubscriptionId,
};
use lasso_layers::wire::{parse_push, parse_reply, parse_upstream};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// About as long as the head of a block is.
fn head() -> String {
    let hash = "ab".repeat(32);
    format!(
        r#"{{"number":"0x16e3600","hash":"0x{hash}","parentHash":"0x{hash}","nonce":"0x0000000000000000","mixHash":"0x{hash}","sha3Uncles":"0x{hash}","logsBloom":"0x{}","transactionsRoot":"0x{hash}","stateRoot":"0x{hash}","receiptsRoot":"0x{hash}","miner":"0x{}","difficulty":"0x0","extraData":"0x","gasLimit":"0x2255100","gasUsed":"0x113d8a1","timestamp":"0x68e2d0c7","baseFeePerGas":"0x2540be400","withdrawalsRoot":"0x{hash}","blobGasUsed":"0x0","excessBlobGas":"0x0","parentBeaconBlockRoot":"0x{hash}"}}"#,
        "00".repeat(256),
        "cd".repeat(20),
    )
}

fn log() -> String {
    let hash = "ab".repeat(32);
    let address = "cd".repeat(20);
    format!(
        r#"{{"address":"0x{address}","topics":["0x{hash}","0x{hash}","0x{hash}"],"data":"0x{hash}","blockNumber":"0x16e3600","blockHash":"0x{hash}","transactionHash":"0x{hash}","transactionIndex":"0x1","logIndex":"0x2a","removed":false}}"#
    )
}

fn push(payload: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"0x9cef478923ff08bf67fde6c64013158d","result":{payload}}}}}"#
    )
}

fn subscribed(clients: usize) -> (Vec<Session>, Vec<Subscriber>) {
    let budget = OutboxBudget::new(usize::MAX);
    let client = |n: usize| {
        let session = Session::new(SessionPolicy::default(), budget.clone());
        let frame = session.for_call();
        let slot = frame.reserve(SubscriptionId((n as u128).to_be_bytes())).expect("the first one");
        let subscriber = slot.subscriber();
        slot.establish(());
        session.replied(&frame);
        (session, subscriber)
    };
    (0..clients).map(client).unzip()
}

/// A head is encoded, left for every client, and taken by every client.
#[divan::bench(args = [1_000, 10_000])]
fn deliver_a_head(bencher: Bencher<'_, '_>, clients: usize) {
    let payload = head();
    let (sessions, subscribers) = subscribed(clients);
    bencher.counter(ItemsCount::new(clients)).bench(|| {
        let delivery = Arc::new(Delivery::of(black_box(payload.as_bytes())));
        for subscriber in &subscribers {
            subscriber.push(&delivery).expect("the client is there");
        }
        for session in &sessions {
            black_box(session.try_next()).expect("the head waits");
        }
    });
}

#[divan::bench]
fn a_head_from_upstream(bencher: Bencher<'_, '_>) {
    let message = push(&head());
    bencher.counter(BytesCount::new(message.len())).bench(|| parse_upstream(black_box(message.as_bytes())));
}

#[divan::bench]
fn a_log_from_upstream(bencher: Bencher<'_, '_>) {
    let message = push(&log());
    bencher.counter(BytesCount::new(message.len())).bench(|| parse_upstream(black_box(message.as_bytes())));
}

/// What telling a push from a reply costs.
#[divan::bench]
fn a_log_that_is_known_to_be_one(bencher: Bencher<'_, '_>) {
    let message = push(&log());
    bencher.counter(BytesCount::new(message.len())).bench(|| parse_push(black_box(message.as_bytes())));
}

fn large_reply() -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":[{}]}}"#, vec![log(); 2000].join(","))
}

#[divan::bench]
fn a_large_reply_from_upstream(bencher: Bencher<'_, '_>) {
    let message = large_reply();
    bencher.counter(BytesCount::new(message.len())).bench(|| parse_upstream(black_box(message.as_bytes())));
}

#[divan::bench]
fn a_large_reply_that_is_known_to_be_one(bencher: Bencher<'_, '_>) {
    let message = large_reply();
    bencher
        .counter(BytesCount::new(message.len()))
        .bench(|| parse_reply(black_box(message.as_bytes()), b"1"));
}
