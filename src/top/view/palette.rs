//! Colours. They say nothing that a word beside them does not say too.

use ratatui::style::{Color, Modifier, Style};

use crate::top::words::Tone;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::top) enum Palette {
    Colored,
    Plain,
}

impl Palette {
    /// Colours, unless [`NO_COLOR`](https://no-color.org) asks for none.
    pub(in crate::top) fn of_environment() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if unwanted { Self::Plain } else { Self::Colored }
    }

    /// How something looks that is to be taken so. The sixteen colours that every terminal has in shades that can be read
    /// on its ground.
    pub(super) fn style(self, tone: Tone) -> Style {
        let color = match tone {
            Tone::Good => Color::Green,
            Tone::Warning => Color::Yellow,
            Tone::Bad => Color::Red,
            Tone::Quiet => return Style::new().add_modifier(Modifier::DIM),
            Tone::Plain => return Style::new(),
        };
        match self {
            Self::Colored => Style::new().fg(color),
            Self::Plain if tone == Tone::Bad => Style::new().add_modifier(Modifier::BOLD),
            Self::Plain => Style::new(),
        }
    }
}
