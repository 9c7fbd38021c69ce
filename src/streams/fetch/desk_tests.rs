use std::sync::atomic::{AtomicUsize, Ordering};

use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use tokio::sync::Notify;
use tower::service_fn;

use super::*;

/// Asks the only provider of a chain, whose answers are made from the requests.
fn fetcher<F>(answer: impl Fn(String) -> F + Clone + Send + Sync + 'static) -> Fetcher
where
    F: Future<Output = String> + Send + 'static,
{
    let calls = service_fn(move |call: Call| {
        let answer = answer(format!("{}", call.request.method()));
        async move {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, answer.await);
            Ok::<_, Failure>(Reply::Result(Body::Full(body.into())))
        }
    });
    let mut provider = ProviderSpec::http("a", "http://127.0.0.1:1/");
    provider.ws_url = Some("ws://127.0.0.1:1/".into());
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers.push(provider);
    let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
    let plan = Plan::new(live.snapshot(), "default", "1").unwrap();
    let channel = plan.chain().providers[0].ws.clone().unwrap();
    let desk = Desk::new(BoxCloneSyncService::new(calls));
    Fetcher::new(desk, &plan, &Asked::Only(channel)).unwrap()
}

fn block(payload: &str) -> String {
    let hash = |byte: &str| format!("\"0x{}\"", byte.repeat(32));
    format!(r#"{{"number":"0x7","hash":{},"parentHash":{},"extraData":"{payload}"}}"#, hash("07"), hash("06"))
}

const SEVEN: BlockId = BlockId::Hash(BlockHash([7; 32]));

#[tokio::test]
async fn who_does_not_have_a_block_proves_nothing_about_its_logs() {
    let knows =
        fetcher(|method| async move { if method == "eth_getLogs" { "[]".to_owned() } else { block("0x") } });
    let header = knows.block(SEVEN).await.unwrap().unwrap();
    let (logs, complete) = knows.all_logs(&LogFilter::default(), &header).await.unwrap();
    assert!(logs.is_empty() && complete, "there is no bloom to hold them against");
    let knows_not =
        fetcher(
            |method| async move { if method == "eth_getLogs" { "[]".to_owned() } else { "null".to_owned() } },
        );
    assert_eq!(knows_not.all_logs(&LogFilter::default(), &header).await.err(), Some(Unavailable));
}

#[tokio::test]
async fn a_header_that_is_too_large_is_no_answer() {
    let huge = fetcher(|_| async { block(&"0".repeat(MAX_EVENT)) });
    assert_eq!(huge.block(SEVEN).await.err(), Some(Unavailable));
}

#[tokio::test]
async fn a_block_that_many_streams_miss_is_asked_for_once() {
    let (asked, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, gate) = (asked.clone(), go.clone());
    let fetcher = fetcher(move |_| {
        let gate = gate.clone();
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            gate.notified().await;
            block("0x")
        }
    });
    let all = futures_util::future::join_all((0..100).map(|_| fetcher.block(SEVEN)));
    let (answers, ()) = tokio::join!(all, async { go.notify_one() });
    assert!(answers.into_iter().all(|answer| answer.unwrap().unwrap().number == 7));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    go.notify_one();
    fetcher.block(SEVEN).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2, "an answer is not kept");
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_asked_only_so_much_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, peak) = (now.clone(), most.clone());
    let fetcher = fetcher(move |_| {
        let count = count.clone();
        peak.fetch_max(count.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            count.fetch_sub(1, Ordering::Relaxed);
            block("0x")
        }
    });
    let all = futures_util::future::join_all((0..1_000).map(|_| fetcher.block(BlockId::Latest)));
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(most.load(Ordering::Relaxed), 64);
}
