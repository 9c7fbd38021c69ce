//! Subscriptions of clients that can be pushed to.
#![cfg(all(feature = "subscribe", feature = "test-util"))]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{join, join_all};
use lasso_layers::call::session::{
    Delivery, Gone, OutboxBudget, Outgoing, Session, SessionPolicy, Subscriber, SubscriptionId,
};
use lasso_layers::call::subscribe::{CreationFailure, PinProblem, SubscribeLayer, Subscriptions, Topic};
use lasso_layers::call::{Body, Call, Failure, Reply, Route};
use lasso_layers::catalog::Category;
use lasso_layers::testing;
use lasso_layers::wire::{Parsed, parse};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tower::{Layer, ServiceExt, service_fn};

/// What happens to a subscription.
enum Script {
    /// It is confirmed.
    Confirm,
    /// It is confirmed after an event.
    EventFirst(&'static str),
    /// It is refused.
    Refuse(Failure),
    /// Nobody answers.
    Hang,
    /// It is confirmed when the test says so.
    When(oneshot::Receiver<()>),
}

/// A source that does as it is told; without orders it confirms.
#[derive(Clone, Default)]
struct Source {
    orders: Arc<Mutex<VecDeque<Script>>>,
    asked: Arc<Mutex<Vec<Topic>>>,
    /// Everyone who is subscribed or about to be.
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
}

/// Takes the subscriber off the list.
struct Registration {
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
    id: SubscriptionId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.subscribers.lock().unwrap().retain(|subscriber| subscriber.id() != self.id);
    }
}

impl Subscriptions for Source {
    type Guard = Box<dyn Send>;

    async fn subscribe(
        &self,
        _: &Call,
        topic: Topic,
        subscriber: Subscriber,
    ) -> Result<Self::Guard, Failure> {
        self.asked.lock().unwrap().push(topic);
        let registration = Registration { subscribers: self.subscribers.clone(), id: subscriber.id() };
        self.subscribers.lock().unwrap().push(subscriber.clone());
        let order = self.orders.lock().unwrap().pop_front().unwrap_or(Script::Confirm);
        match order {
            Script::Confirm => {}
            Script::EventFirst(payload) => {
                subscriber.push(&Arc::new(Delivery::of(payload.as_bytes()))).unwrap()
            }
            Script::Refuse(failure) => return Err(failure),
            Script::Hang => std::future::pending().await,
            Script::When(go) => go.await.unwrap(),
        }
        Ok(Box::new(registration))
    }
}

impl Source {
    fn ordered(orders: impl IntoIterator<Item = Script>) -> Self {
        Self { orders: Arc::new(Mutex::new(orders.into_iter().collect())), ..Self::default() }
    }

    fn asked(&self) -> Vec<Topic> {
        self.asked.lock().unwrap().clone()
    }

    fn subscribers(&self) -> usize {
        self.subscribers.lock().unwrap().len()
    }

    /// Pushes to everybody. How many took it.
    fn publish(&self, payload: &str) -> usize {
        let delivery = Arc::new(Delivery::of(payload.as_bytes()));
        let subscribers = self.subscribers.lock().unwrap().clone();
        subscribers.iter().filter(|subscriber| subscriber.push(&delivery).is_ok()).count()
    }
}

fn session() -> Session {
    Session::new(SessionPolicy::default(), OutboxBudget::default())
}

/// A call of a frame of its own.
fn call(session: &Session, method: &str, params: &str) -> Call {
    parsed(session, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#))
}

fn parsed(session: &Session, frame: String) -> Call {
    let Ok(Parsed::One(request)) = parse(frame.into(), 1) else { panic!("not a request") };
    let mut call = Call::new(Route::to_chain("ethereum"), request, Instant::now());
    call.session = Some(session.for_call());
    call
}

/// The answer, and after that the frame's reply counts as sent. The inner service says that the call was forwarded.
async fn answer(source: &Source, session: &Session, call: Call) -> Result<Value, Failure> {
    let frame = call.session.clone();
    let reply = ask(source, call).await?;
    if let Some(frame) = frame {
        session.replied(&frame);
    }
    Ok(reply)
}

async fn ask(source: &Source, call: Call) -> Result<Value, Failure> {
    let next = service_fn(async |_: Call| Ok::<_, Failure>(testing::reply("\"forwarded\"")));
    match SubscribeLayer::new(source.clone()).layer(next).oneshot(call).await? {
        Reply::Result(Body::Full(body)) => {
            let mut body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), &json!(1)));
            Ok(body["result"].take())
        }
        other => panic!("{other:?}"),
    }
}

async fn subscribe(source: &Source, session: &Session, params: &str) -> Result<SubscriptionId, Failure> {
    let id = answer(source, session, call(session, "eth_subscribe", params)).await?;
    Ok(SubscriptionId::parse(id.as_str().unwrap()).expect("0x and 32 digits"))
}

async fn unsubscribe(source: &Source, session: &Session, id: SubscriptionId) -> bool {
    let call = call(session, "eth_unsubscribe", &format!("[\"{id}\"]"));
    answer(source, session, call).await.unwrap().as_bool().unwrap()
}

fn pushes(session: &Session) -> Vec<(SubscriptionId, String)> {
    let next = || session.try_next();
    std::iter::from_fn(next)
        .map(|next| {
            let Outgoing::Push { id, delivery } = next else { panic!("{next:?}") };
            let push = [&id.push_head()[..], &delivery.events()[0]].concat();
            let push: Value = serde_json::from_slice(&push).unwrap();
            (id, push["params"]["result"].to_string())
        })
        .collect()
}

#[track_caller]
fn assert_error(failure: &Failure, code: i64, message: &str, data: Option<Value>) {
    let error = failure.error();
    assert_eq!((error.code, &*error.message), (code, message));
    assert_eq!(error.data.as_ref().map(|data| serde_json::from_slice::<Value>(data).unwrap()), data);
}

#[tokio::test]
async fn a_confirmed_subscription_is_answered_with_its_id_and_pushed_to() {
    let (source, session) = (Source::default(), session());
    let id = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap();
    assert_eq!(source.asked(), [Topic::NewHeads]);
    assert_eq!(source.publish("1"), 1);
    assert_eq!(pushes(&session), [(id, "1".to_owned())]);
}

#[tokio::test]
async fn streaming_11_case_17_what_is_no_known_stream_is_refused() {
    let (source, session) = (Source::default(), session());
    for params in [
        r#"["syncing"]"#,
        r#"["newheads"]"#,
        r#"["logs",null]"#,
        r#"["logs","0xa"]"#,
        r#"["logs",[]]"#,
        r#"["logs",{"address":1}]"#,
        r#"["newPendingTransactions",true]"#,
        r#"[null]"#,
        r#"[1]"#,
        "[]",
        "null",
        r#""newHeads""#,
        r#"{"0":"newHeads"}"#,
    ] {
        let failure = subscribe(&source, &session, params).await.unwrap_err();
        assert_error(&failure, -32602, "Invalid subscription parameters", None);
        assert_eq!(failure.category(), Category::InvalidParams);
    }
    assert_eq!((source.asked(), session.subscriptions()), (vec![], 0));
}

#[tokio::test]
async fn what_follows_the_parameters_is_ignored() {
    let (source, session) = (Source::default(), session());
    for params in [
        r#"["newHeads",{"a":1},2]"#,
        r#"["logs"]"#,
        r#"["logs",{},"x"]"#,
        r#"["newPendingTransactions"]"#,
        r#"["newPendingTransactions",false]"#,
    ] {
        subscribe(&source, &session, params).await.unwrap();
    }
    let names: Vec<_> = source.asked().iter().map(Topic::name).collect();
    assert_eq!(names, ["newHeads", "logs", "logs", "newPendingTransactions", "newPendingTransactions"]);
    let sent: Vec<_> =
        source.asked().iter().map(|topic| String::from_utf8(topic.params_json().to_vec()).unwrap()).collect();
    let pending = r#"["newPendingTransactions"]"#;
    assert_eq!(sent, [r#"["newHeads"]"#, r#"["logs",{}]"#, r#"["logs",{}]"#, pending, pending]);
}

#[tokio::test]
async fn streaming_11_case_10_the_129th_subscription_is_refused_and_the_others_deliver() {
    let (source, session) = (Source::default(), session());
    let mut ids = Vec::new();
    for _ in 0..128 {
        ids.push(subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap());
    }
    let failure = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap_err();
    assert_error(&failure, -32008, "Subscription capacity unavailable", None);
    assert_eq!(failure.category(), Category::LocalCapacityRejection);

    assert_eq!(source.publish("1"), 128);
    let heard: Vec<_> = pushes(&session).into_iter().map(|(id, _)| id).collect();
    assert_eq!(heard, ids);

    assert!(unsubscribe(&source, &session, ids[64]).await);
    assert!(subscribe(&source, &session, r#"["newHeads"]"#).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn subscriptions_that_are_being_established_take_room() {
    let source = Source::ordered([Script::Hang]);
    let session = Session::new(
        SessionPolicy { max_subscriptions: 1, ..SessionPolicy::default() },
        OutboxBudget::default(),
    );
    let mut hanging = Box::pin(subscribe(&source, &session, r#"["newHeads"]"#));
    assert!(timeout(Duration::from_millis(1), &mut hanging).await.is_err());
    let failure = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap_err();
    assert_eq!(failure.error().code, -32008);
    drop(hanging);
    assert!(subscribe(&source, &session, r#"["newHeads"]"#).await.is_ok());
}

#[tokio::test]
async fn streaming_11_case_26_one_socket_may_subscribe_twice() {
    let (source, session) = (Source::default(), session());
    let first = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap();
    let second = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap();
    assert_ne!(first, second);
    source.publish("1");
    source.publish("2");
    let event = |id, payload: &str| (id, payload.to_owned());
    assert_eq!(
        pushes(&session),
        [event(first, "1"), event(second, "1"), event(first, "2"), event(second, "2")]
    );
}

#[tokio::test]
async fn an_event_that_comes_before_the_answer_follows_it() {
    let (source, session) = (Source::ordered([Script::EventFirst("1")]), session());
    let call = call(&session, "eth_subscribe", r#"["newHeads"]"#);
    let frame = call.session.clone().unwrap();
    let id = ask(&source, call).await.unwrap();
    source.publish("2");
    assert_eq!(pushes(&session), []);
    session.replied(&frame);
    let id = SubscriptionId::parse(id.as_str().unwrap()).unwrap();
    assert_eq!(pushes(&session), [(id, "1".to_owned()), (id, "2".to_owned())]);
}

#[tokio::test]
async fn a_refusal_of_the_source_is_the_answer_and_leaves_nothing() {
    let refused = Failure::from(CreationFailure::Unavailable);
    let (source, session) = (Source::ordered([Script::Refuse(refused)]), session());
    let failure = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap_err();
    assert_error(&failure, -32000, "Failed to create subscription", Some(json!({"reason": "unavailable"})));
    assert_eq!((session.subscriptions(), source.publish("1")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_established_by_the_deadline_is_given_up() {
    let (source, session) = (Source::ordered([Script::Hang]), session());
    let start = Instant::now();
    let failure = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    let reason = json!({"reason": "upstream_establishment_failed"});
    assert_error(&failure, -32000, "Failed to create subscription", Some(reason));
    assert_eq!((session.subscriptions(), source.subscribers()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_after_its_deadline_is_not_begun() {
    let (source, session) = (Source::default(), session());
    let call = call(&session, "eth_subscribe", r#"["newHeads"]"#);
    tokio::time::advance(Duration::from_secs(10)).await;
    let failure = answer(&source, &session, call).await.unwrap_err();
    assert_error(&failure, -32000, "Subscription request is no longer authorized", None);
    assert_eq!((source.asked(), session.subscriptions()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_half_way_leaves_nothing() {
    let (source, session) = (Source::ordered([Script::Hang]), session());
    let mut call = Box::pin(subscribe(&source, &session, r#"["newHeads"]"#));
    assert!(timeout(Duration::from_millis(1), &mut call).await.is_err());
    assert_eq!((session.subscriptions(), source.subscribers()), (1, 1));
    drop(call);
    assert_eq!((session.subscriptions(), source.subscribers()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_it_subscribes_leaves_nothing() {
    let (go, when) = oneshot::channel();
    let (source, session) = (Source::ordered([Script::When(when)]), session());
    let mut asking = Box::pin(ask(&source, call(&session, "eth_subscribe", r#"["newHeads"]"#)));
    assert!(timeout(Duration::from_millis(1), &mut asking).await.is_err());
    drop(session);
    go.send(()).unwrap();
    assert!(asking.await.is_ok());
    assert_eq!(source.subscribers(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_subscriptions_with_it() {
    let (source, first, second) = (Source::default(), session(), session());
    for session in [&first, &first, &second] {
        subscribe(&source, session, r#"["newHeads"]"#).await.unwrap();
    }
    drop(first);
    assert_eq!((source.subscribers(), source.publish("1")), (1, 1));
}

#[tokio::test]
async fn unsubscribing_ends_the_subscription_before_the_answer() {
    let (source, session) = (Source::default(), session());
    let id = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap();
    let subscriber = source.subscribers.lock().unwrap()[0].clone();
    source.publish("1");
    assert!(unsubscribe(&source, &session, id).await);
    assert_eq!(source.subscribers(), 0);
    assert_eq!(subscriber.push(&Arc::new(Delivery::of(b"2"))), Err(Gone));
    assert_eq!(pushes(&session), []);
    assert!(!unsubscribe(&source, &session, id).await);
}

#[tokio::test]
async fn streaming_11_case_24_the_id_of_another_socket_is_answered_with_false() {
    let (source, mine, theirs) = (Source::default(), session(), session());
    let id = subscribe(&source, &mine, r#"["newHeads"]"#).await.unwrap();
    assert!(!unsubscribe(&source, &theirs, id).await);
    source.publish("1");
    assert_eq!(pushes(&mine), [(id, "1".to_owned())]);
}

#[tokio::test]
async fn streaming_11_case_25_of_two_that_unsubscribe_at_once_one_succeeds() {
    let (source, session) = (Source::default(), session());
    for _ in 0..64 {
        let id = subscribe(&source, &session, r#"["newHeads"]"#).await.unwrap();
        let both = join(unsubscribe(&source, &session, id), unsubscribe(&source, &session, id)).await;
        assert!(both.0 != both.1, "{both:?}");
    }
}

#[test]
fn streaming_11_case_25_holds_between_threads() {
    let session = session();
    for n in 0..200 {
        let frame = session.for_call();
        let id = SubscriptionId([n; 16]);
        frame.reserve(id).unwrap().establish(());
        let done: usize = std::thread::scope(|scope| {
            let threads = [(); 2].map(|()| scope.spawn(|| frame.unsubscribe(id)));
            threads.map(|thread| usize::from(thread.join().unwrap())).iter().sum()
        });
        assert_eq!(done, 1);
    }
}

#[tokio::test]
async fn unsubscribing_takes_exactly_one_parameter_and_knows_its_own_ids_only() {
    let (source, session) = (Source::default(), session());
    for params in ["[]", "null", r#"["0x1","0x2"]"#, r#""0x1""#, r#"{"id":"0x1"}"#] {
        let failure = answer(&source, &session, call(&session, "eth_unsubscribe", params)).await.unwrap_err();
        assert_eq!((failure.error().code, failure.category()), (-32602, Category::InvalidParams), "{params}");
    }
    for params in [r#"["0x1"]"#, r#"["0x00000000000000000000000000000000"]"#, "[1]", "[null]", "[[]]"] {
        let known = answer(&source, &session, call(&session, "eth_unsubscribe", params)).await.unwrap();
        assert_eq!(known, json!(false), "{params}");
    }
}

#[tokio::test]
async fn everything_else_passes() {
    let (source, session) = (Source::default(), session());
    let without_session = testing::call("eth_subscribe", r#"["newHeads"]"#);
    let mut dry_run = call(&session, "eth_subscribe", r#"["newHeads"]"#);
    dry_run.dry_run = true;
    for call in
        [without_session, dry_run, call(&session, "eth_call", "[]"), call(&session, "eth_Subscribe", "[]")]
    {
        assert_eq!(ask(&source, call).await.unwrap(), json!("forwarded"));
    }
    assert_eq!((source.asked(), session.subscriptions()), (vec![], 0));
}

#[tokio::test]
async fn nobody_would_learn_the_id_of_a_notification() {
    let (source, session) = (Source::default(), session());
    let call = parsed(&session, r#"{"jsonrpc":"2.0","method":"eth_subscribe","params":["newHeads"]}"#.into());
    assert_eq!(ask(&source, call).await.unwrap_err().error().code, -32600);
    assert_eq!((source.asked(), session.subscriptions()), (vec![], 0));
}

#[tokio::test]
async fn ids_are_different_and_say_nothing() {
    let (source, sessions) = (Source::default(), [(); 100].map(|()| session()));
    let ids = join_all(sessions.iter().map(|session| subscribe(&source, session, r#"["newHeads"]"#))).await;
    let ids: std::collections::HashSet<_> = ids.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 100);
    // Every byte takes many values: a counter or a time would leave most of them alone.
    for at in 0..16 {
        let values: std::collections::HashSet<_> = ids.iter().map(|id| id.0[at]).collect();
        assert!(values.len() > 40, "byte {at}");
    }
}

#[test]
fn what_the_provider_that_a_client_insists_on_cannot_do_is_named() {
    let live = testing::live(testing::chain(&["a"]));
    let call = testing::planned(&live, testing::call("eth_subscribe", "[]"), Duration::from_secs(1));
    let data = json!({"provider_id": "x", "chain_id": 1, "profile": "default"});
    for (problem, message) in [
        (PinProblem::NotFound, "Provider 'x' not found"),
        (PinProblem::NoWebSocket, "Provider 'x' does not support WebSocket subscriptions"),
        (PinProblem::NoNewHeads, "Provider 'x' does not support newHeads subscriptions"),
    ] {
        assert_error(&problem.refusal("x", call.plan().unwrap()), -32602, message, Some(data.clone()));
    }
}
