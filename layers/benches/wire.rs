//! Reading requests and replies.
//!
//! `cargo bench -p lasso-layers --bench wire`

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use lasso_layers::wire::{parse, parse_reply};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn request(bencher: Bencher<'_, '_>) {
    let body = Bytes::from_static(
        br#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]}"#,
    );
    bencher.counter(BytesCount::new(body.len())).bench(|| parse(black_box(body.clone()), 50));
}

#[divan::bench]
fn batch_of_50(bencher: Bencher<'_, '_>) {
    let item = r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]}"#;
    let body = Bytes::from(format!("[{}]", vec![item; 50].join(",")));
    bencher.counter(BytesCount::new(body.len())).bench(|| parse(black_box(body.clone()), 50));
}

#[divan::bench]
fn small_reply(bencher: Bencher<'_, '_>) {
    let body = br#"{"jsonrpc":"2.0","id":1,"result":"0x1bc16d674ec80000"}"#;
    bencher.counter(BytesCount::new(body.len())).bench(|| parse_reply(black_box(body), b"1"));
}

#[divan::bench]
fn reply_of_one_long_string(bencher: Bencher<'_, '_>) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"0x{}"}}"#, "ab".repeat(1 << 19));
    bencher.counter(BytesCount::new(body.len())).bench(|| parse_reply(black_box(body.as_bytes()), b"1"));
}

#[divan::bench]
fn reply_of_many_logs(bencher: Bencher<'_, '_>) {
    let log = r#"{"address":"0x407d73d8a49eeb85d32cf465507dd71d507100c1","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"],"data":"0x00","blockNumber":"0x10","transactionHash":"0x9fc76417374aa880d4449a1f7f31ec597f00b1f6f3dd2d66f4c9c6c445836d8b","logIndex":"0x0","removed":false}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":[{}]}}"#, vec![log; 3000].join(","));
    bencher.counter(BytesCount::new(body.len())).bench(|| parse_reply(black_box(body.as_bytes()), b"1"));
}
