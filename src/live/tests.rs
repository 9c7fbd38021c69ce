//! Viewers in paused time, over stores that nobody but the tests writes to.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body::Body;
use lasso_layers::call::{Call, Failure};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use super::{Broadcasts, Refusal, Viewer};
use crate::config::Settings;
use crate::runtime::Runtime;
use crate::streams::Hub;

struct World {
    runtime: Runtime,
    broadcasts: Broadcasts,
    task: JoinHandle<()>,
}

impl World {
    fn start() -> Self {
        let mut settings = Settings::default();
        // It is looked at on a thread, which paused time does not wait for.
        settings.dashboard.system = false;
        settings.dashboard.max_viewers = 3;
        let provider = ProviderSpec::http("one", "http://one.example");
        let chain = ChainSpec::new("ethereum", 1).provider(provider);
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        let runtime = Runtime::new(live, &settings);
        let silent = service_fn(async |_: Call| std::future::pending::<Result<_, Failure>>().await);
        let hub = Hub::new(&runtime, &settings, BoxCloneSyncService::new(silent));
        let broadcasts = Broadcasts::new(&runtime, &settings, hub);
        let task = tokio::spawn(broadcasts.clone().run(|| 0));
        Self { runtime, broadcasts, task }
    }

    fn join(&self) -> Viewer {
        self.broadcasts.join(None).unwrap()
    }

    /// Opens the breaker of the only provider, or closes it.
    fn switch(&self, open: bool) {
        let catalog = self.runtime.live.snapshot();
        let channel = catalog.profiles()[0].chains()[0].providers[0].http.clone().unwrap();
        if open {
            self.runtime.breakers.open(&channel, Instant::now());
        } else {
            self.runtime.breakers.close(&channel);
        }
    }

    fn is_watching(&self) -> bool {
        self.runtime.observed.feed().is_watched()
    }
}

/// What waits for a viewer; an error once there is nothing more to come.
fn read(viewer: &mut Viewer) -> Result<Vec<(String, Value)>, ()> {
    let mut messages = Vec::new();
    loop {
        match Pin::new(&mut *viewer).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(frame)) => {
                let bytes = frame.unwrap().into_data().unwrap();
                let text = std::str::from_utf8(&bytes).unwrap();
                let (name, data) = text.trim_end().split_once('\n').unwrap();
                let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                messages.push((name.strip_prefix("event: ").unwrap().to_owned(), data));
            }
            Poll::Ready(None) => return Err(()),
            Poll::Pending => return Ok(messages),
        }
    }
}

fn names(messages: &[(String, Value)]) -> Vec<&str> {
    messages.iter().map(|(name, _)| name.as_str()).collect()
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

// streaming-and-operations, section 5.8.
#[tokio::test(start_paused = true)]
async fn an_aggregator_goes_on_for_half_a_minute_without_viewers() {
    let world = World::start();
    sleep(ms(200)).await;
    assert!(!world.is_watching(), "nobody has come yet");
    let mut viewer = world.join();
    sleep(ms(10)).await;
    assert_eq!(names(&read(&mut viewer).unwrap()), ["snapshot"]);
    assert!(world.is_watching());
    drop(viewer);
    sleep(ms(29_900)).await;
    assert!(world.is_watching());
    sleep(ms(300)).await;
    assert!(!world.is_watching());
    // Whoever comes later starts another one.
    let mut viewer = world.join();
    sleep(ms(10)).await;
    assert_eq!(names(&read(&mut viewer).unwrap()), ["snapshot"]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_told_at_the_next_tick_and_nothing_while_nothing_changes() {
    let world = World::start();
    let mut viewer = world.join();
    sleep(ms(10)).await;
    let snapshot = read(&mut viewer).unwrap().remove(0).1;
    assert_eq!((&snapshot["seq"], &snapshot["chains"][0]["status"]), (&0.into(), &"healthy".into()));
    sleep(ms(1_500)).await;
    assert_eq!(names(&read(&mut viewer).unwrap()), Vec::<&str>::new());
    world.switch(true);
    sleep(ms(60)).await;
    let told = read(&mut viewer).unwrap();
    assert_eq!(names(&told), ["batch"]);
    let batch = &told[0].1;
    assert_eq!((&batch["seq"], &batch["events"][0]["to"]), (&1.into(), &"open".into()));
    assert_eq!(batch["providers"][0]["status"], "circuit_open");
    assert_eq!(batch["chains"][0]["status"], "down");
    assert!(batch.get("stats").is_none() && batch.get("streams").is_none());
    // The time that is left of it is no news.
    sleep(ms(300)).await;
    assert_eq!(names(&read(&mut viewer).unwrap()), Vec::<&str>::new());
    sleep(ms(2_000)).await;
    assert_eq!(names(&read(&mut viewer).unwrap()), ["heartbeat"]);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_does_not_read_holds_nobody_up_and_gets_a_snapshot() {
    let world = World::start();
    let (mut slow, mut quick) = (world.join(), world.join());
    sleep(ms(60)).await;
    assert_eq!(names(&read(&mut quick).unwrap()), ["snapshot"]);
    let mut told = 0;
    for round in 0..200 {
        world.switch(round % 2 == 0);
        sleep(ms(100)).await;
        told += read(&mut quick).unwrap().iter().filter(|(name, _)| name == "batch").count();
    }
    assert_eq!(told, 200, "every change was told to the one who reads");
    assert_eq!(names(&read(&mut slow).unwrap()), Vec::<&str>::new(), "it has missed too much");
    sleep(ms(60)).await;
    let messages = read(&mut slow).unwrap();
    assert_eq!(messages[0].0, "snapshot");
    assert_eq!(messages[0].1["providers"][0]["breakers"]["http"]["state"], "closed");
    world.switch(true);
    sleep(ms(100)).await;
    let (slow, quick) = (read(&mut slow).unwrap(), read(&mut quick).unwrap());
    let batch = |messages: &[(String, Value)]| messages.iter().find(|(name, _)| name == "batch").cloned();
    assert!(batch(&slow).is_some_and(|told| Some(told) == batch(&quick)), "both are told the same again");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_never_reads_again_loses_its_place() {
    let world = World::start();
    let (mut gone, mut other, _third) = (world.join(), world.join(), world.join());
    assert_eq!(world.broadcasts.join(None).err(), Some(Refusal::Full));
    for round in 0..500 {
        world.switch(round % 2 == 0);
        sleep(ms(100)).await;
        read(&mut other).unwrap();
    }
    assert_eq!(read(&mut gone), Err(()));
    let mut late = world.join();
    sleep(ms(60)).await;
    assert_eq!(read(&mut late).unwrap()[0].0, "snapshot");
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_everybody_go_and_nobody_in() {
    let world = World::start();
    let (mut early, mut late) = (world.join(), world.join());
    sleep(ms(10)).await;
    read(&mut early).unwrap();
    world.broadcasts.stop();
    sleep(ms(60)).await;
    assert_eq!((read(&mut early), world.broadcasts.join(None).err()), (Err(()), Some(Refusal::Ending)));
    while read(&mut late).is_ok() {}
    assert_eq!(world.broadcasts.join(Some("nope")).err(), Some(Refusal::Ending));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_task_ends_pages() {
    let world = World::start();
    let mut viewer = world.join();
    sleep(ms(10)).await;
    read(&mut viewer).unwrap();
    assert_eq!(world.broadcasts.join(Some("nope")).err(), Some(Refusal::UnknownProfile));
    world.task.abort();
    sleep(ms(10)).await;
    assert_eq!(read(&mut viewer), Err(()));
}
