//! What one exchange with an upstream costs: writing the request, reading the reply, classifying an error.
//!
//! `cargo bench -p lasso-layers --all-features --bench exchange`

use std::collections::VecDeque;
use std::future::ready;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use http::{Request, Response};
use http_body::{Body, Frame};
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::classify::classify;
use lasso_layers::call::{self, BoxError, Reply};
use lasso_layers::edge::egress::{Egress, EgressPolicy, RequestBody};
use lasso_layers::testing;
use tower::{Service, service_fn};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A body whose frames are all there.
struct Frames(VecDeque<Bytes>);

impl Frames {
    /// A reply of about `size` bytes, as a connection delivers it.
    fn new(size: usize, frame: usize) -> Self {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "f".repeat(size));
        Self(text.as_bytes().chunks(frame).map(Bytes::copy_from_slice).collect())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes of the reply, and of each frame of it.
#[divan::bench(args = [(40, 8192), (8_000, 8192), (60_000, 16_384), (1_000_000, 16_384)])]
fn reply(bencher: Bencher<'_, '_>, (size, frame): (usize, usize)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let live = testing::live(testing::chain(&["a"]));
    let call = testing::planned(&live, testing::call("eth_getLogs", "[]"), Duration::from_secs(10));
    let attempt = testing::attempt(call, 0);
    bencher
        .counter(BytesCount::new(size))
        .with_inputs(|| (attempt.clone(), Frames::new(size, frame)))
        .bench_values(|(attempt, frames)| black_box(exchange(attempt, frames)));
}

/// Everything up to the last byte for the client.
fn exchange(attempt: Attempt, frames: Frames) -> usize {
    let mut frames = Some(frames);
    let client = service_fn(|_: Request<RequestBody>| {
        ready(Ok::<_, BoxError>(Response::new(frames.take().expect("one request"))))
    });
    let mut egress = Egress::new(client, EgressPolicy::default());
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(Reply::Result(body))) = pin!(egress.call(attempt)).poll(cx) else {
        panic!("a result at once")
    };
    match body {
        call::Body::Full(bytes) => bytes.len(),
        call::Body::Stream(mut stream) => {
            let mut size = 0;
            while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut stream).poll_frame(cx) {
                size += frame.into_data().map_or(0, |data| data.len());
            }
            size
        }
    }
}

/// The first phrase, a late one, and none.
#[divan::bench(args = [
    "rate limit exceeded",
    "execution reverted: ERC20: transfer amount exceeds balance",
    "this message says nothing that anybody knows, and it takes its time to say so",
])]
fn error(message: &str) {
    black_box(classify(black_box(-32000), black_box(message), None, &[]));
}
