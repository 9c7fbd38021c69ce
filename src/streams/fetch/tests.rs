use std::sync::Mutex;

use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use lasso_layers::wire::result_body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::sim::{SimChain, SimChainOptions, TOKEN_A};

/// What was asked: the provider of the route and the one to be left out, the method and its parameters.
type Question = (Option<SmolStr>, Option<SmolStr>, String, Value);

fn plan() -> Plan {
    let mut chain = ChainSpec::new("ethereum", 1);
    for id in ["a", "b"] {
        let mut provider = ProviderSpec::http(id, format!("http://{id}.example"));
        provider.ws_url = Some(format!("ws://{id}.example"));
        chain = chain.provider(provider);
    }
    let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
    Plan::new(live.snapshot(), "default", "1").unwrap()
}

fn channel(plan: &Plan, provider: usize) -> Arc<Channel> {
    plan.chain().providers[provider].ws.clone().unwrap()
}

/// Asks the first provider, which answers everything with this.
fn answered(result: Value) -> Fetcher {
    asking(Asked::Only, move |_| result.clone()).0
}

fn asking(
    asked: impl FnOnce(Arc<Channel>) -> Asked,
    answer: impl Fn(&str) -> Value + Clone + Send + Sync + 'static,
) -> (Fetcher, Arc<Mutex<Vec<Question>>>) {
    let questions = Arc::<Mutex<Vec<Question>>>::default();
    let kept = questions.clone();
    let calls = service_fn(move |call: Call| {
        let method = call.request.method().into_owned();
        let except = call.extensions.get::<Except>().map(|except| except.0.clone());
        let params = serde_json::from_slice(call.request.params().raw().unwrap()).unwrap();
        let answer = answer(&method).to_string();
        kept.lock().unwrap().push((call.route.provider, except, method, params));
        async move { Ok(Reply::Result(Body::Full(result_body(Some(b"1"), answer.as_bytes())))) }
    });
    let plan = plan();
    let fetcher = Fetcher::new(Desk::new(BoxCloneSyncService::new(calls)), &plan, &asked(channel(&plan, 0)));
    (fetcher.unwrap(), questions)
}

fn chain() -> SimChain {
    SimChain::new(1, SimChainOptions::default())
}

fn header(chain: &SimChain, number: u64) -> Header {
    Header::parse(&Bytes::from(chain.block(number).unwrap().to_string())).unwrap()
}

fn filter(filter: &Value) -> LogFilter {
    LogFilter::parse(RawJson::parse(filter.to_string().as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_block_is_the_one_that_was_asked_for() {
    let (chain, other) = (chain(), header(&chain(), 901));
    let fetcher = answered(chain.block(900).unwrap());
    let hash = header(&chain, 900).hash;
    for block in [BlockId::Latest, BlockId::Number(900), BlockId::Hash(hash)] {
        assert_eq!(fetcher.block(block).await.unwrap().unwrap().hash, hash);
    }
    for block in [BlockId::Number(901), BlockId::Hash(other.hash)] {
        assert!(fetcher.block(block).await.is_err(), "{block:?}");
    }
    assert!(answered(Value::Null).block(BlockId::Latest).await.unwrap().is_none());
    assert!(answered(json!("0x1")).block(BlockId::Latest).await.is_err());
}

#[tokio::test]
async fn who_is_asked_is_said_by_route_and_extension() {
    let (fetcher, questions) = asking(Asked::Only, |_| Value::Null);
    fetcher.block(BlockId::Number(26)).await.unwrap();
    let asked = questions.lock().unwrap().pop().unwrap();
    assert_eq!(asked, (Some("a".into()), None, "eth_getBlockByNumber".into(), json!(["0x1a", false])));
    let (fetcher, questions) = asking(Asked::AllBut, |_| Value::Null);
    fetcher.block(BlockId::Hash(BlockHash([0xab; 32]))).await.unwrap();
    let asked = questions.lock().unwrap().pop().unwrap();
    let hash = format!("0x{}", "ab".repeat(32));
    assert_eq!(asked, (None, Some("a".into()), "eth_getBlockByHash".into(), json!([hash, false])));
}

#[tokio::test]
async fn logs_of_another_block_are_no_answer() {
    let chain = chain();
    let (right, wrong) = (header(&chain, 900).hash, header(&chain, 901).hash);
    let fetcher = answered(chain.logs(900, 900).into());
    let filter = filter(&json!({}));
    assert_eq!(fetcher.logs(&filter, right).await.unwrap().len(), 2);
    assert!(fetcher.logs(&filter, wrong).await.is_err());
    let mut removed = chain.logs(900, 900);
    removed[0]["removed"] = json!(true);
    assert!(answered(removed.into()).logs(&filter, right).await.is_err());
    assert!(answered(Value::Null).logs(&filter, right).await.is_err());
}

#[tokio::test]
async fn the_filter_goes_with_the_question_unless_all_logs_are_wanted() {
    let chain = chain();
    let header = header(&chain, 900);
    let (fetcher, questions) = asking(Asked::Only, move |_| chain.logs(900, 900).into());
    let filter = filter(&json!({"address": TOKEN_A}));
    fetcher.logs(&filter, header.hash).await.unwrap();
    let (logs, is_complete) = fetcher.all_logs(&filter, &header).await.unwrap();
    assert_eq!((logs.len(), is_complete), (1, true), "filtered here");
    let params: Vec<_> = questions.lock().unwrap().drain(..).map(|question| question.3).collect();
    let hash = header.hash.to_string();
    assert_eq!(params, [json!([{"blockHash": hash, "address": TOKEN_A}]), json!([{"blockHash": hash}])]);
}

#[tokio::test]
async fn logs_are_all_when_they_explain_the_bloom() {
    let chain = chain();
    let (header, any) = (header(&chain, 900), filter(&json!({})));
    let logs = chain.logs(900, 900);
    assert!(answered(logs.clone().into()).all_logs(&any, &header).await.unwrap().1);
    for fewer in [&logs[..1], &[]] {
        assert!(!answered(fewer.to_vec().into()).all_logs(&any, &header).await.unwrap().1);
    }
    // Chains have logs that their blooms leave out.
    let empty = Header { bloom: Some(Arc::new(Bloom([0; 256]))), ..header };
    assert!(answered(logs.into()).all_logs(&any, &empty).await.unwrap().1);
}

#[tokio::test]
async fn a_head_without_a_bloom_has_that_of_its_block() {
    let chain = chain();
    let header = Header { bloom: None, ..header(&chain, 900) };
    let answer = move |method: &str| match method {
        "eth_getLogs" => json!([]),
        _ => chain.block(900).unwrap(),
    };
    let (fetcher, questions) = asking(Asked::Only, answer);
    assert!(!fetcher.all_logs(&filter(&json!({})), &header).await.unwrap().1);
    assert_eq!(questions.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_provider_that_left_is_not_asked_and_not_left_out() {
    let calls = service_fn(|_: Call| async { Ok(Reply::Result(Body::Full(Bytes::new()))) });
    let calls = Desk::new(BoxCloneSyncService::new(calls));
    let gone = channel(&plan(), 1);
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers = vec![ProviderSpec::http("a", "http://a.example")];
    let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
    let plan = Plan::new(live.snapshot(), "default", "1").unwrap();
    assert!(Fetcher::new(calls.clone(), &plan, &Asked::Only(gone.clone())).is_none());
    assert!(Fetcher::new(calls, &plan, &Asked::AllBut(gone)).unwrap().except.is_none());
}
