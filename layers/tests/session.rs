//! What a socket shares with its calls: who hears what, in which order, and who is ended.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lasso_layers::call::session::{
    CallSession, Delivery, Ending, Gone, OutboxBudget, Outgoing, Passage, Session, SessionCounts,
    SessionPolicy, Shortcut, SlotsTaken, Subscriber, SubscriptionId,
};

fn session() -> Session {
    Session::new(SessionPolicy::default(), OutboxBudget::default())
}

fn with(policy: SessionPolicy) -> (Session, OutboxBudget) {
    let budget = OutboxBudget::default();
    (Session::new(policy, budget.clone()), budget)
}

const fn id(n: u8) -> SubscriptionId {
    SubscriptionId([n; 16])
}

/// Counts how often it wakes.
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts how often it is dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

struct Guard(Drops);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drops {
    fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A subscription whose reply has been sent.
fn subscribed(session: &Session, n: u8) -> Subscriber {
    let frame = session.for_call();
    let subscriber = held(&frame, n);
    session.replied(&frame);
    subscriber
}

/// One whose reply has not.
fn held(frame: &CallSession, n: u8) -> Subscriber {
    let slot = frame.reserve(id(n)).unwrap();
    let subscriber = slot.subscriber();
    slot.establish(());
    subscriber
}

fn event(text: &str) -> Arc<Delivery> {
    Arc::new(Delivery::of(text.as_bytes()))
}

fn filled(text: &str) -> Arc<Delivery> {
    Arc::new(Delivery::all([text.as_bytes()], true))
}

/// A delivery of `len` bytes on the wire.
fn sized(len: usize) -> Arc<Delivery> {
    let around = Delivery::of(br#""""#).bytes();
    let delivery = event(&format!("\"{}\"", "x".repeat(len - around)));
    assert_eq!(delivery.bytes(), len);
    delivery
}

/// The bytes of it that exist, whoever it waits for.
fn memory(delivery: &Delivery) -> usize {
    delivery.events().iter().map(|event| event.len()).sum()
}

/// All pushes that may be written now, by the first byte of the id and the payload; `Err` is an end.
fn written(session: &Session) -> Vec<Result<(u8, String), Ending>> {
    let mut all = Vec::new();
    while let Some(next) = session.try_next() {
        match next {
            Outgoing::Push { id, delivery } => all.extend(delivery.events().iter().map(|event| {
                let push = [&id.push_head()[..], event].concat();
                let push: serde_json::Value = serde_json::from_slice(&push).unwrap();
                assert_eq!(push["jsonrpc"], "2.0");
                assert_eq!(push["method"], "eth_subscription");
                assert_eq!(push["params"]["subscription"], id.to_string());
                Ok((id.0[0], push["params"]["result"].to_string()))
            })),
            Outgoing::End(ending) => all.push(Err(ending)),
        }
    }
    all
}

fn push(n: u8, payload: &str) -> Result<(u8, String), Ending> {
    Ok((n, payload.to_owned()))
}

#[test]
fn a_push_is_exactly_this_text() {
    let delivery = Delivery::all([&b"{\"a\" :1}"[..], b"2"], false);
    let texts = delivery.events().iter().map(|event| [&id(0xab).push_head()[..], event].concat());
    let expected = [r#"{"a" :1}"#, "2"].map(|payload| {
        let id = "ab".repeat(16);
        format!(r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"0x{id}","result":{payload}}}}}"#)
    });
    let texts: Vec<_> = texts.map(|text| String::from_utf8(text).unwrap()).collect();
    assert_eq!(texts, expected);
    assert_eq!(delivery.bytes(), texts.iter().map(String::len).sum::<usize>());
}

#[test]
fn no_push_comes_before_the_reply_to_the_frame_that_asked_for_it() {
    let session = session();
    let (first, second) = (session.for_call(), session.for_call());
    let slot = first.reserve(id(1)).unwrap();
    let one = slot.subscriber();
    one.push(&event("1")).unwrap();
    slot.establish(());
    let (two, other) = (held(&first, 2), held(&second, 3));
    for (subscriber, payload) in [(&two, "2"), (&other, "3"), (&one, "4")] {
        subscriber.push(&event(payload)).unwrap();
    }
    assert_eq!(written(&session), []);

    session.replied(&first);
    let mut pushes = written(&session);
    pushes.sort_by_key(|push| push.as_ref().unwrap().0);
    assert_eq!(pushes, [push(1, "1"), push(1, "4"), push(2, "2")]);

    one.push(&event("5")).unwrap();
    session.replied(&second);
    assert_eq!(written(&session), [push(1, "5"), push(3, "3")]);
}

#[test]
fn a_frame_of_another_call_releases_nothing() {
    let session = session();
    let frame = session.for_call();
    held(&frame, 1).push(&event("1")).unwrap();
    session.replied(&session.for_call());
    assert_eq!(written(&session), []);
    session.replied(&frame);
    assert_eq!(written(&session), [push(1, "1")]);
}

#[test]
fn streaming_11_case_26_each_id_of_one_client_gets_each_event() {
    let session = session();
    let subscribers = [subscribed(&session, 1), subscribed(&session, 2)];
    for payload in ["1", "2"] {
        let head = event(payload);
        subscribers.iter().for_each(|subscriber| subscriber.push(&head).unwrap());
    }
    assert_eq!(written(&session), [push(1, "1"), push(2, "1"), push(1, "2"), push(2, "2")]);
}

#[test]
fn after_unsubscribing_nothing_is_handed_out_for_it_and_the_rest_keeps_its_order() {
    let (session, budget) = with(SessionPolicy::default());
    let drops = Drops::default();
    let frame = session.for_call();
    let slot = frame.reserve(id(1)).unwrap();
    let one = slot.subscriber();
    slot.establish(drops.guard());
    session.replied(&frame);
    let two = subscribed(&session, 2);
    for (subscriber, payload) in [(&two, "1"), (&one, "2"), (&two, "3"), (&one, "4"), (&two, "5")] {
        subscriber.push(&event(payload)).unwrap();
    }
    assert!(session.for_call().unsubscribe(id(1)));
    assert_eq!(drops.count(), 1);
    assert_eq!(one.push(&event("6")), Err(Gone));
    assert!(!session.for_call().unsubscribe(id(1)));
    assert_eq!(written(&session), [push(2, "1"), push(2, "3"), push(2, "5")]);
    assert_eq!(budget.live_bytes(), 0);
    assert_eq!(budget.counts(), SessionCounts { dropped_unsubscribed: 2, ..SessionCounts::default() });
}

#[test]
fn streaming_11_case_24_the_id_of_another_socket_is_unknown() {
    let (mine, theirs) = (session(), session());
    let subscriber = subscribed(&mine, 1);
    assert!(!theirs.for_call().unsubscribe(id(1)));
    subscriber.push(&event("1")).unwrap();
    assert_eq!(written(&mine), [push(1, "1")]);
}

#[test]
fn a_slot_counts_from_when_it_is_reserved_and_comes_back_when_it_is_dropped() {
    let (session, budget) = with(SessionPolicy { max_subscriptions: 2, ..SessionPolicy::default() });
    let frame = session.for_call();
    let pending = frame.reserve(id(1)).unwrap();
    held(&frame, 2);
    assert_eq!(frame.reserve(id(3)).unwrap_err(), SlotsTaken);
    assert!(!frame.unsubscribe(id(1)), "nobody knows it yet");

    let subscriber = pending.subscriber();
    subscriber.push(&event("1")).unwrap();
    assert!(budget.live_bytes() > 0);
    drop(pending);
    assert_eq!((session.subscriptions(), budget.live_bytes()), (1, 0));
    assert_eq!(subscriber.push(&event("2")), Err(Gone));
    assert!(frame.reserve(id(3)).is_ok());
}

#[test]
fn too_many_messages_end_the_client_and_nobody_else() {
    let budget = OutboxBudget::default();
    let [slow, fast] = [(); 2].map(|()| Session::new(SessionPolicy::default(), budget.clone()));
    let drops = Drops::default();
    let slot = slow.for_call().reserve(id(1)).unwrap();
    let reader = subscribed(&fast, 2);
    let stuck = slot.subscriber();
    slot.establish(drops.guard());

    for n in 0..32 {
        let head = event(&n.to_string());
        stuck.push(&head).unwrap();
        reader.push(&head).unwrap();
        assert_eq!(written(&fast), [push(2, &n.to_string())]);
    }
    let head = event("32");
    assert_eq!(stuck.push(&head), Err(Gone));
    reader.push(&head).unwrap();

    assert_eq!((slow.subscriptions(), drops.count()), (0, 1));
    assert_eq!(budget.live_bytes(), memory(&head), "of the fast one");
    assert_eq!(written(&slow), [Err(Ending::SlowConsumer)]);
    assert_eq!(written(&fast), [push(2, "32")]);
    let counts =
        SessionCounts { slow_consumer: 1, over_messages: 1, dropped_at_end: 33, ..SessionCounts::default() };
    assert_eq!(budget.counts(), counts);
}

#[test]
fn one_event_for_many_subscriptions_ends_nobody() {
    let (session, budget) = with(SessionPolicy { outbox_messages: 2, ..SessionPolicy::default() });
    let subscribers: Vec<_> = (0..128).map(|n| subscribed(&session, n)).collect();
    for payload in ["1", "2"] {
        let head = event(payload);
        subscribers.iter().for_each(|subscriber| subscriber.push(&head).unwrap());
    }
    assert_eq!(written(&session).len(), 256);
    assert_eq!(budget.live_bytes(), 0);
}

#[test]
fn too_many_bytes_end_the_client() {
    let policy = SessionPolicy { outbox_bytes: 1000, ..SessionPolicy::default() };
    let (session, budget) = with(policy);
    let subscriber = subscribed(&session, 1);
    subscriber.push(&sized(400)).unwrap();
    subscriber.push(&sized(600)).unwrap();
    assert_eq!(budget.live_bytes(), 1000 - 2 * SubscriptionId::PUSH_HEAD_LEN);
    assert_eq!(subscriber.push(&sized(200)), Err(Gone));
    assert_eq!(written(&session), [Err(Ending::SlowConsumer)]);
    assert_eq!((budget.live_bytes(), budget.counts().over_bytes), (0, 1));
}

#[test]
fn a_client_for_which_nothing_waits_gets_a_delivery_of_any_size() {
    let budget = OutboxBudget::new(500);
    let policy = SessionPolicy { outbox_bytes: 1000, outbox_messages: 0, ..SessionPolicy::default() };
    let session = Session::new(policy, budget.clone());
    let subscriber = subscribed(&session, 1);
    for _ in 0..3 {
        subscriber.push(&sized(5000)).unwrap();
        assert_eq!(written(&session).len(), 1);
    }
    assert_eq!(budget.counts(), SessionCounts::default());
}

#[test]
fn a_full_process_ends_who_runs_it_over_and_is_behind() {
    let budget = OutboxBudget::new(1000);
    let [behind, idle] = [(); 2].map(|()| Session::new(SessionPolicy::default(), budget.clone()));
    let (late, prompt) = (subscribed(&behind, 1), subscribed(&idle, 2));
    late.push(&sized(800)).unwrap();
    prompt.push(&sized(800)).unwrap();
    assert_eq!(late.push(&sized(200)), Err(Gone));
    assert_eq!((budget.live_bytes(), budget.counts().over_budget), (memory(&sized(800)), 1));
    assert_eq!(written(&idle).len(), 1);
    assert_eq!(budget.live_bytes(), 0);
}

#[test]
fn what_waits_for_many_clients_exists_once() {
    let budget = OutboxBudget::new(2000);
    let client = |_| Session::new(SessionPolicy::default(), budget.clone());
    let sessions: Vec<_> = (0..100).map(client).collect();
    let subscribers: Vec<_> = sessions.iter().map(|session| subscribed(session, 1)).collect();
    let (first, second, third) = (sized(1000), sized(1000), sized(1000));
    for delivery in [&first, &second] {
        subscribers.iter().for_each(|subscriber| subscriber.push(delivery).unwrap());
    }
    let each = memory(&first);
    drop((first, second));
    assert_eq!(budget.live_bytes(), 2 * each);

    // The fast ones have room for it, however many they are; who is behind has none.
    for session in &sessions[1..] {
        assert_eq!(written(session).len(), 2);
    }
    assert_eq!(budget.live_bytes(), 2 * each, "one waits for both");
    assert!(subscribers[1..].iter().all(|subscriber| subscriber.push(&third).is_ok()));
    assert_eq!(subscribers[0].push(&third), Err(Gone));
    assert_eq!((budget.live_bytes(), budget.counts().over_budget), (each, 1));
    drop(third);
    drop(sessions);
    assert_eq!(budget.live_bytes(), 0);
}

#[test]
fn what_fills_a_gap_counts_for_nothing() {
    let policy = SessionPolicy { outbox_messages: 2, outbox_bytes: 500, ..SessionPolicy::default() };
    let budget = OutboxBudget::new(500);
    let session = Session::new(policy, budget.clone());
    let subscriber = subscribed(&session, 1);
    let mut bytes = 0;
    for n in 0..5000 {
        let delivery = filled(&n.to_string());
        bytes += memory(&delivery);
        subscriber.push(&delivery).unwrap();
    }
    for _ in 0..2 {
        subscriber.push(&event("\"live\"")).unwrap();
    }
    assert_eq!((budget.live_bytes(), budget.filled_bytes()), (2 * memory(&event("\"live\"")), bytes));
    let mut expected: Vec<_> = (0..5000).map(|n| push(1, &n.to_string())).collect();
    expected.extend([push(1, "\"live\""), push(1, "\"live\"")]);
    assert_eq!(written(&session), expected);
    assert_eq!((budget.live_bytes(), budget.filled_bytes()), (0, 0));
    assert_eq!(budget.counts(), SessionCounts::default());
}

#[test]
fn what_comes_behind_a_gap_closes_nobody_who_is_still_reading_that() {
    let (session, budget) = with(SessionPolicy { outbox_messages: 2, ..SessionPolicy::default() });
    let subscriber = subscribed(&session, 1);
    for n in 0..10 {
        subscriber.push(&filled(&n.to_string())).unwrap();
    }
    for n in 10..20 {
        subscriber.push(&event(&n.to_string())).unwrap();
    }
    let read = |count: usize| (0..count).for_each(|_| drop(session.try_next().unwrap()));
    // It has read the gap, and has the usual room for what comes now.
    read(10);
    for n in 20..22 {
        subscriber.push(&event(&n.to_string())).unwrap();
    }
    // What it catches up with is not lent to it again.
    read(11);
    subscriber.push(&event("22")).unwrap();
    assert_eq!(subscriber.push(&event("23")), Ok(()));
    assert_eq!(subscriber.push(&event("24")), Err(Gone));
    assert_eq!(budget.counts().over_messages, 1);

    let policy = SessionPolicy { outbox_bytes: 1000, ..SessionPolicy::default() };
    let (session, budget) = with(policy);
    let subscriber = subscribed(&session, 1);
    subscriber.push(&filled("1")).unwrap();
    subscriber.push(&sized(900)).unwrap();
    assert_eq!(subscriber.push(&sized(200)), Err(Gone), "memory has its limit all the same");
    assert_eq!(budget.counts().over_bytes, 1);
}

#[test]
fn held_deliveries_count_like_others() {
    let (session, budget) = with(SessionPolicy { outbox_messages: 2, ..SessionPolicy::default() });
    let subscriber = held(&session.for_call(), 1);
    subscriber.push(&event("1")).unwrap();
    subscriber.push(&event("2")).unwrap();
    assert_eq!(subscriber.push(&event("3")), Err(Gone));
    assert_eq!(written(&session), [Err(Ending::SlowConsumer)]);
    assert_eq!((budget.live_bytes(), budget.counts().dropped_at_end), (0, 3));
}

#[test]
fn the_first_end_wins_and_nothing_follows_it() {
    let (session, budget) = with(SessionPolicy::default());
    let subscriber = subscribed(&session, 1);
    subscriber.push(&event("1")).unwrap();
    subscriber.end(Ending::ContinuityExhausted);
    session.end(Ending::SlowConsumer);
    assert_eq!(budget.live_bytes(), 0);
    assert_eq!(subscriber.push(&event("2")), Err(Gone));
    assert_eq!(written(&session), [Err(Ending::ContinuityExhausted)]);
    assert_eq!(written(&session), []);
    let counts = SessionCounts { continuity_exhausted: 1, dropped_at_end: 1, ..SessionCounts::default() };
    assert_eq!(budget.counts(), counts);

    assert_eq!(Ending::ContinuityExhausted.code(), 1011);
    assert_eq!(Ending::ContinuityExhausted.reason(), "Lasso subscription continuity exhausted");
    assert_eq!(Ending::SlowConsumer.code(), 1011);
}

#[test]
fn a_client_that_leaves_takes_everything_with_it_although_a_call_of_it_goes_on() {
    let (session, budget) = with(SessionPolicy::default());
    let drops = Drops::default();
    let frame = session.for_call();
    let slot = frame.reserve(id(1)).unwrap();
    slot.subscriber().push(&event("1")).unwrap();
    slot.establish(drops.guard());
    let pending = frame.reserve(id(2)).unwrap();
    let (subscriber, permit) = (pending.subscriber(), frame.permit().unwrap());

    drop(session);
    assert_eq!((drops.count(), budget.live_bytes()), (1, 0));
    assert_eq!(subscriber.push(&event("2")), Err(Gone));
    pending.establish(drops.guard());
    assert_eq!(drops.count(), 2, "what is established too late ends at once");
    let late = frame.reserve(id(3)).unwrap();
    assert_eq!(late.subscriber().push(&event("3")), Err(Gone));
    late.establish(drops.guard());
    assert_eq!(drops.count(), 3);
    drop((permit, frame));
    assert_eq!(subscriber.push(&event("4")), Err(Gone));
    let counts = SessionCounts { dropped_at_end: 1, ..SessionCounts::default() };
    assert_eq!(budget.counts(), counts, "nobody was thrown out");
}

#[test]
fn a_guard_may_push_and_end_while_it_is_dropped() {
    struct Meddler(Subscriber);
    impl Drop for Meddler {
        fn drop(&mut self) {
            assert_eq!(self.0.push(&event("1")), Err(Gone));
            self.0.end(Ending::ContinuityExhausted);
        }
    }
    let session = session();
    let slot = session.for_call().reserve(id(1)).unwrap();
    let meddler = Meddler(slot.subscriber());
    slot.establish(meddler);
    session.end(Ending::SlowConsumer);
    assert_eq!(written(&session), [Err(Ending::SlowConsumer)]);
}

/// A short way to a client, and what went over it.
struct Road {
    passage: Mutex<Passage>,
    sent: Mutex<Vec<u8>>,
    _guard: Guard,
}

impl Road {
    fn of(session: &Session, drops: &Drops) -> Arc<Self> {
        let passage = Mutex::new(Passage::Sent);
        let road = Arc::new(Self { passage, sent: Mutex::default(), _guard: drops.guard() });
        session.shorten(road.clone());
        road
    }

    fn is(&self, passage: Passage) {
        *self.passage.lock().unwrap() = passage;
    }

    /// The last digit before the end of each push that went this way.
    fn sent(&self) -> String {
        String::from_utf8(self.sent.lock().unwrap().clone()).unwrap()
    }
}

impl Shortcut for Road {
    fn send(&self, _: SubscriptionId, delivery: &Delivery) -> Passage {
        let passage = *self.passage.lock().unwrap();
        if passage != Passage::Blocked {
            let event = &delivery.events()[0];
            self.sent.lock().unwrap().push(event[event.len() - 3]);
        }
        passage
    }
}

#[test]
fn what_comes_while_nothing_waits_goes_the_short_way_and_overtakes_nothing() {
    let (session, budget) = with(SessionPolicy::default());
    let road = Road::of(&session, &Drops::default());
    let one = subscribed(&session, 1);
    one.push(&event("1")).unwrap();
    assert_eq!((road.sent(), budget.live_bytes()), ("1".to_owned(), 0));

    road.is(Passage::Blocked);
    one.push(&event("2")).unwrap();
    road.is(Passage::Sent);
    one.push(&event("3")).unwrap();
    assert_eq!(written(&session), [push(1, "2"), push(1, "3")]);
    one.push(&filled("4")).unwrap();
    assert_eq!(written(&session), [push(1, "4")], "a gap is filled at the pace of the reader");

    let frame = session.for_call();
    let two = held(&frame, 2);
    two.push(&event("5")).unwrap();
    one.push(&event("6")).unwrap();
    assert_eq!(road.sent(), "16", "the reply to the second one comes first");
    session.replied(&frame);
    two.push(&event("7")).unwrap();
    assert_eq!(written(&session), [push(2, "5"), push(2, "7")]);
    assert!(session.try_next().is_none());
}

#[test]
fn the_reader_is_woken_for_what_the_short_way_has_only_begun() {
    let session = session();
    let road = Road::of(&session, &Drops::default());
    let one = subscribed(&session, 1);
    let wakes = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    let mut next = pin!(session.next());
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    one.push(&event("1")).unwrap();
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
    road.is(Passage::Begun);
    one.push(&event("2")).unwrap();
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "the rest is not here");
    assert_eq!(road.sent(), "12");
}

#[test]
fn the_end_drops_the_short_way_and_nothing_goes_over_it_any_more() {
    let (session, drops) = (session(), Drops::default());
    let road = Road::of(&session, &drops);
    let one = subscribed(&session, 1);
    assert!(one.push(&event("1")).is_ok());
    assert_eq!(Arc::strong_count(&road), 2);
    session.end(Ending::SlowConsumer);
    assert_eq!(Arc::strong_count(&road), 1);
    assert_eq!(one.push(&event("2")), Err(Gone));
    session.shorten(road.clone());
    assert_eq!((Arc::strong_count(&road), road.sent()), (1, "1".to_owned()));
    drop(road);
    assert_eq!(drops.count(), 1);
}

#[test]
fn permits_come_back() {
    let (session, _) = with(SessionPolicy { max_inflight: 2, ..SessionPolicy::default() });
    let frame = session.for_call();
    let permits = [frame.permit().unwrap(), session.for_call().permit().unwrap()];
    assert!(frame.permit().is_none());
    drop(permits);
    assert!(frame.permit().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_reader_is_woken_by_pushes_replies_and_ends() {
    let session = session();
    let subscriber = subscribed(&session, 1);
    let next = async |what: &str, act: &dyn Fn()| {
        let wait =
            async { tokio::time::timeout(Duration::from_secs(1), session.next()).await.expect("woken") };
        let cause = async {
            tokio::task::yield_now().await;
            act();
        };
        let (outgoing, ()) = tokio::join!(wait, cause);
        assert!(format!("{outgoing:?}").contains(what), "{outgoing:?}");
    };
    next("Push", &|| subscriber.push(&event("1")).unwrap()).await;

    let frame = session.for_call();
    held(&frame, 2).push(&event("2")).unwrap();
    next("Push", &|| session.replied(&frame)).await;
    next("End", &|| session.end(Ending::SlowConsumer)).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), session.next()).await.is_err());
}

#[test]
fn a_wait_that_is_given_up_loses_nothing_and_wakes_once() {
    let session = session();
    let subscriber = subscribed(&session, 1);
    let wakes = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    {
        let next = pin!(session.next());
        assert!(next.poll(&mut Context::from_waker(&waker)).is_pending());
    }
    subscriber.push(&event("1")).unwrap();
    subscriber.push(&event("2")).unwrap();
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    {
        let next = pin!(session.next());
        assert!(matches!(next.poll(&mut Context::from_waker(&waker)), Poll::Ready(Outgoing::Push { .. })));
    }
    assert_eq!(written(&session), [push(1, "2")]);
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<(Session, CallSession, Subscriber, Arc<Delivery>, OutboxBudget)>();
}
