//! What is being done at the moment, for whoever watches.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard};

/// One line of a terminal that is written again and again; nothing where nobody watches.
pub(super) struct Progress {
    terminal: Mutex<Option<Box<dyn Write + Send>>>,
}

/// Moves to the beginning of the line and clears it.
const REWIND: &str = "\r\x1b[2K";

impl Progress {
    /// On the standard error stream, if that is a terminal.
    pub(super) fn on_stderr() -> Self {
        let stderr = io::stderr();
        Self::on(stderr.is_terminal().then(|| Box::new(stderr) as Box<dyn Write + Send>))
    }

    fn on(terminal: Option<Box<dyn Write + Send>>) -> Self {
        Self { terminal: Mutex::new(terminal) }
    }

    /// Shows this in the place of what was shown.
    pub(super) fn say(&self, what: &str) {
        self.write(&format!("{REWIND}probing {what} …"));
    }

    /// Leaves an empty line for what comes next.
    pub(super) fn clear(&self) {
        self.write(REWIND);
    }

    fn write(&self, text: &str) {
        if let Some(terminal) = &mut *self.lock() {
            // A terminal that is gone is watched by nobody.
            let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Write + Send>>> {
        self.terminal.lock().expect("no code panics while it writes a line")
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_replaces_the_one_before_and_goes_at_the_end() {
        let screen = Screen::default();
        let progress = Progress::on(Some(Box::new(screen.clone())));
        progress.say("one");
        progress.say("two");
        progress.clear();
        let shown = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        assert_eq!(shown, format!("{REWIND}probing one …{REWIND}probing two …{REWIND}"));
    }

    #[test]
    fn nobody_watches_nothing() {
        let progress = Progress::on(None);
        progress.say("one");
        progress.clear();
    }
}
