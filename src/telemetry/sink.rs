//! Where formatted lines wait for the thread that writes them.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait, in bytes, beyond which further ones are dropped: a reader that stalls delays no request.
const CAPACITY: usize = 8 << 20;
/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);

/// Lines that were dropped since the process began. It has one log, and so one count; relaxed, because nothing else is
/// read by it.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped since the process began, because nobody took the ones before them.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// A writer that only appends to a buffer. Handing each line to another thread at once would cost a wake-up a
/// request, several times what formatting the line does.
#[derive(Clone, Debug)]
pub(super) struct Sink(Arc<Buffer>);

#[derive(Debug, Default)]
struct Buffer {
    lines: Mutex<Lines>,
    /// The writing thread waits to be woken. Only the first line after a pause has to do it.
    idle: AtomicBool,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    dropped: u64,
    writer: Option<Thread>,
}

/// Writes what is left when it is dropped.
#[derive(Debug)]
pub struct LogGuard {
    buffer: Arc<Buffer>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread that writes to `out`.
///
/// # Errors
///
/// If the system has no thread to give.
pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Sink, LogGuard)> {
    let buffer = Arc::new(Buffer::default());
    let shared = buffer.clone();
    let thread = thread::Builder::new().name("lasso-log".to_owned()).spawn(move || shared.write_to(out))?;
    buffer.lock().writer = Some(thread.thread().clone());
    Ok((Sink(buffer.clone()), LogGuard { buffer, thread: Some(thread) }))
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Nothing panics while it is held; whatever is in it can be written.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, line: &[u8]) {
        let mut lines = self.lock();
        if lines.bytes.len() + line.len() > CAPACITY {
            lines.dropped += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        lines.bytes.extend_from_slice(line);
        if self.idle.swap(false, Ordering::Relaxed)
            && let Some(writer) = &lines.writer
        {
            writer.unpark();
        }
    }

    fn write_to(&self, mut out: impl Write) {
        let mut writing = Vec::new();
        loop {
            let closed = self.closed.load(Ordering::Acquire);
            let mut lines = self.lock();
            let dropped = mem::take(&mut lines.dropped);
            mem::swap(&mut lines.bytes, &mut writing);
            // Under the lock, so that no line can come between the look and the word that a wake-up is needed.
            let idle = writing.is_empty() && dropped == 0;
            self.idle.store(idle, Ordering::Relaxed);
            drop(lines);
            if idle {
                if closed {
                    return;
                }
                thread::park();
                continue;
            }
            if dropped > 0 {
                writing.extend_from_slice(format!("{dropped} log lines were dropped\n").as_bytes());
            }
            // Nobody is left to be told that the log cannot be written.
            let _ = out.write_all(&writing).and_then(|()| out.flush());
            writing.clear();
            if !closed {
                thread::sleep(GATHER);
            }
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.buffer.closed.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Write for &Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order_before_the_guard_is_gone() {
        let out = Out::default();
        let (sink, guard) = start(out.clone()).unwrap();
        let mut expected = Vec::new();
        for line in 0..10_000 {
            let line = format!("line {line}\n");
            sink.make_writer().write_all(line.as_bytes()).unwrap();
            expected.extend_from_slice(line.as_bytes());
        }
        drop(guard);
        assert_eq!(*out.0.lock().unwrap(), expected);
    }

    #[test]
    fn lines_beyond_the_capacity_are_dropped_and_counted() {
        struct Stalled(std::sync::mpsc::Receiver<()>, Out);

        impl Write for Stalled {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                // An error means that the test lets go of the reader.
                let _ = self.0.recv();
                self.1.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let (release, stalled) = std::sync::mpsc::channel();
        let out = Out::default();
        let (sink, guard) = start(Stalled(stalled, out.clone())).unwrap();
        let line = vec![b'x'; CAPACITY / 4];
        for _ in 0..12 {
            sink.make_writer().write_all(&line).unwrap();
        }
        drop(release);
        drop(guard);
        let written = out.0.lock().unwrap();
        assert!(written.len() <= 2 * CAPACITY + 100);
        assert!(written.ends_with(b"log lines were dropped\n"));
    }
}
