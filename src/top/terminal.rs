//! The terminal itself, and when it is drawn on.

use std::io;
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, try_init, try_restore};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::feed::{Feed, Source, follow};
use super::model::Model;
use super::screen::{Flow, Screen};
use super::view::{Palette, draw};

/// The least distance of two pictures that nobody pressed a key for.
const TICK: Duration = Duration::from_millis(100);

/// Messages that wait to be drawn; the router keeps the rest.
const WAITING: usize = 64;

/// Shows what happens until a key or a signal ends it. The terminal is as it was afterwards, after a panic too.
///
/// # Errors
///
/// When there is no terminal, or it is gone.
pub(super) async fn watch(model: Model, source: Source, feed: Feed, palette: Palette) -> io::Result<()> {
    let (sender, updates) = mpsc::channel(WAITING);
    tokio::spawn(follow(source, feed, sender));
    // Restores by itself when something panics.
    let mut terminal = try_init()?;
    let outcome = run(&mut terminal, model, updates, palette).await;
    try_restore().and(outcome)
}

async fn run(
    terminal: &mut DefaultTerminal,
    mut model: Model,
    mut updates: mpsc::Receiver<super::feed::Update>,
    palette: Palette,
) -> io::Result<()> {
    let mut inputs = inputs();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut screen = Screen::default();
    let mut is_stale = true;
    loop {
        // All branches are cancel safe.
        let now = tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            input = inputs.recv() => match input {
                Some(Event::Key(key)) if screen.press(key, &model) == Flow::Quit => return Ok(()),
                Some(_) => true,
                // Nobody can press a key any more.
                None => return Ok(()),
            },
            Some(update) = updates.recv() => {
                model.apply(update);
                is_stale = true;
                false
            }
            _ = ticks.tick() => is_stale,
        };
        if now {
            terminal.draw(|frame| draw(frame, &model, &screen, palette))?;
            is_stale = false;
        }
    }
}

/// Keys and changes of the size. They are read on a thread that is left behind when the process ends: nothing but a key
/// wakes it.
fn inputs() -> mpsc::Receiver<Event> {
    let (sender, inputs) = mpsc::channel(WAITING);
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
    });
    inputs
}
