//! What is selected and shown, and what each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::columns::{Row, rows};
use super::model::Model;

/// How many lines the keys for pages go.
const PAGE: usize = 10;

/// What a person chose to see.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// The key of the selected line; the first one is meant where it is not there (any more).
    selected: Option<String>,
    /// What is shown beside the table.
    pub(super) pane: Pane,
}

/// What is shown beside the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pane {
    /// What happens.
    #[default]
    Activity,
    /// What is known of the selected line.
    Details,
    /// What the keys do.
    Help,
}

/// What becomes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Quit,
}

/// The keys and what they do, for people.
pub(super) const KEYS: [(&str, &str); 7] = [
    ("Up, Down, k, j", "select a line"),
    ("PgUp, PgDn, Home, End", "select one further away"),
    ("Tab, Shift-Tab", "select the next or previous chain"),
    ("Enter", "show or hide what is known of it"),
    ("?", "show or hide this"),
    ("Esc", "close what is shown, else quit"),
    ("q, Ctrl-C", "quit"),
];

impl Screen {
    /// The place of the selected line.
    pub(super) fn position(&self, rows: &[Row<'_>]) -> usize {
        let is_selected = |row: &Row<'_>| self.selected.as_deref() == Some(row.key());
        rows.iter().position(is_selected).unwrap_or_default()
    }

    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: KeyEvent, model: &Model) -> Flow {
        if key.kind == KeyEventKind::Release {
            return Flow::Continue;
        }
        let rows = rows(model);
        let position = self.position(&rows);
        let last = rows.len().saturating_sub(1);
        let is_chain = |index: &usize| matches!(rows.get(*index), Some(Row::Chain(_)));
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Flow::Quit,
            KeyCode::Char('q') => return Flow::Quit,
            KeyCode::Esc if self.pane == Pane::Activity => return Flow::Quit,
            KeyCode::Esc => self.pane = Pane::Activity,
            KeyCode::Enter => self.toggle(Pane::Details),
            KeyCode::Char('?') => self.toggle(Pane::Help),
            KeyCode::Up | KeyCode::Char('k') => self.select(&rows, position.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(&rows, (position + 1).min(last)),
            KeyCode::PageUp => self.select(&rows, position.saturating_sub(PAGE)),
            KeyCode::PageDown => self.select(&rows, (position + PAGE).min(last)),
            KeyCode::Home => self.select(&rows, 0),
            KeyCode::End => self.select(&rows, last),
            // Beyond the last chain comes the first one again.
            KeyCode::Tab => {
                let next = (position + 1..=last).find(is_chain);
                self.select(&rows, next.unwrap_or_default());
            }
            KeyCode::BackTab => {
                let previous = (0..position).rfind(is_chain);
                let previous = previous.or_else(|| (0..=last).rfind(is_chain));
                self.select(&rows, previous.unwrap_or_default());
            }
            _ => {}
        }
        Flow::Continue
    }

    fn toggle(&mut self, pane: Pane) {
        self.pane = if self.pane == pane { Pane::Activity } else { pane };
    }

    fn select(&mut self, rows: &[Row<'_>], position: usize) {
        self.selected = rows.get(position).map(|row| row.key().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{message, model};

    fn press(screen: &mut Screen, code: KeyCode) -> Flow {
        screen.press(KeyEvent::from(code), &model())
    }

    fn after(keys: &[KeyCode]) -> String {
        let mut screen = Screen::default();
        for key in keys {
            assert_eq!(press(&mut screen, *key), Flow::Continue);
        }
        let model = model();
        let rows = rows(&model);
        rows[screen.position(&rows)].key().to_owned()
    }

    #[test]
    fn lines_are_selected_and_no_further_than_there_are() {
        use KeyCode::{BackTab, Char, Down, End, Home, PageDown, PageUp, Tab, Up};
        for (keys, expected) in [
            (&[][..], "ethereum"),
            (&[Down, Char('j')], "ethereum/steady"),
            (&[Down, Char('j'), Up], "ethereum/quick"),
            (&[Char('k'), PageUp], "ethereum"),
            (&[End, Down, PageDown], "base/only"),
            (&[End, Home], "ethereum"),
            (&[Tab], "base"),
            (&[Down, Tab, Tab], "ethereum"),
            (&[End, BackTab], "base"),
            (&[BackTab], "base"),
        ] {
            assert_eq!(after(keys), expected, "{keys:?}");
        }
    }

    #[test]
    fn the_selection_stays_with_its_line() {
        let (mut screen, mut model) = (Screen::default(), model());
        screen.press(KeyEvent::from(KeyCode::End), &model);
        model.apply(message("batch", r#"{"now":1,"gone":{"providers":["ethereum/quick"]}}"#));
        let position = |model: &Model| screen.position(&rows(model));
        assert_eq!(rows(&model)[position(&model)].key(), "base/only");
        model.apply(message("batch", r#"{"now":1,"gone":{"chains":["base"]}}"#));
        assert_eq!(position(&model), 0);
        model.apply(message("snapshot", r#"{"now":1,"profile":"p","chains":[],"providers":[]}"#));
        for code in [KeyCode::Down, KeyCode::Tab, KeyCode::BackTab, KeyCode::End] {
            assert_eq!(screen.press(KeyEvent::from(code), &model), Flow::Continue);
        }
    }

    #[test]
    fn escape_closes_what_is_open_before_it_quits() {
        let mut screen = Screen::default();
        for (code, pane) in [
            (KeyCode::Enter, Pane::Details),
            (KeyCode::Char('?'), Pane::Help),
            (KeyCode::Char('?'), Pane::Activity),
            (KeyCode::Enter, Pane::Details),
            (KeyCode::Esc, Pane::Activity),
        ] {
            assert_eq!((press(&mut screen, code), screen.pane), (Flow::Continue, pane), "{code:?}");
        }
        assert_eq!(press(&mut screen, KeyCode::Esc), Flow::Quit);
        assert_eq!(press(&mut screen, KeyCode::Char('q')), Flow::Quit);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(screen.press(interrupt, &model()), Flow::Quit);
        assert_eq!(press(&mut screen, KeyCode::Char('c')), Flow::Continue);
    }

    #[test]
    fn the_release_of_a_key_is_none() {
        let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::from(KeyCode::Char('q')) };
        assert_eq!(Screen::default().press(release, &model()), Flow::Continue);
    }
}
