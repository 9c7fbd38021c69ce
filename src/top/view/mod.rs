//! The picture: what there is to see, as one chose to see it.

mod details;
mod palette;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row as TableRow, Table, TableState, Wrap};

pub(super) use self::palette::Palette;
use super::columns::{Column, Row, rows};
use super::model::Model;
use super::screen::{KEYS, Pane, Screen};
use super::words::{self, Tone, readable, tone};
use super::{message, plain};

/// The most lines that streams take.
const STREAMS: usize = 5;

/// The least lines for what is beside the table, its title included.
const LEAST_PANE: u16 = 6;

/// Draws everything into whatever room there is.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, screen: &Screen, palette: Palette) {
    let rows = rows(model);
    let table_height = u16::try_from(rows.len() + 1).unwrap_or(u16::MAX);
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Max(table_height),
        Constraint::Min(LEAST_PANE.min(frame.area().height / 3)),
        Constraint::Length(1),
    ]);
    let [head, table, pane, foot] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(header(model, palette)), head);
    draw_table(frame, table, &rows, screen.position(&rows), palette);
    match screen.pane {
        Pane::Help => frame.render_widget(Paragraph::new(help()).block(titled("Keys")), pane),
        Pane::Details => {
            if let Some(row) = rows.get(screen.position(&rows)) {
                let (title, lines) = details::of(model, *row, palette);
                let details = Paragraph::new(lines).wrap(Wrap { trim: false });
                frame.render_widget(details.block(titled(&title)), pane);
            }
        }
        Pane::Activity => draw_activity(frame, pane, model, palette),
    }
    let keys = "q quit  arrows select  Tab chain  Enter details  ? help";
    frame.render_widget(Paragraph::new(keys).add_modifier(Modifier::DIM), foot);
}

fn header(model: &Model, palette: Palette) -> Vec<Line<'_>> {
    let connection = match &model.lost {
        None => Span::styled("live", palette.style(Tone::Good)),
        Some(trouble) => {
            Span::styled(format!("lost, trying again ({trouble})"), palette.style(Tone::Bad).bold())
        }
    };
    let message::Cluster { state, responding, total } = &model.cluster;
    let nodes = if *total > 1 { format!(" {responding}/{total}") } else { String::new() };
    vec![
        Line::from(vec![
            Span::from("lasso top").bold(),
            Span::from(format!("  profile {}  ", model.profile)),
            connection,
            Span::from(format!("  {} {}  {}{nodes}", model.node.id, model.node.version, readable(state))),
        ]),
        Line::from(plain::stats(model)),
    ]
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, rows: &[Row<'_>], selected: usize, palette: Palette) {
    const MARK: &str = "> ";
    let width = area.width.saturating_sub(2);
    let columns = Column::fitting(width);
    let constraints = columns.iter().map(|column| match column {
        Column::Name => Constraint::Min(column.width()),
        _ => Constraint::Length(column.width()),
    });
    let cell = |column: &Column, text: String| {
        let alignment = if column.is_numeric() { Alignment::Right } else { Alignment::Left };
        Cell::from(Line::from(text).alignment(alignment))
    };
    let line = |row: &Row<'_>| {
        let cells = columns.iter().map(|column| {
            let style = if *column == Column::Status { palette.style(row.tone()) } else { Style::new() };
            cell(column, column.text(*row)).style(style)
        });
        let style = match row {
            Row::Chain(_) => Style::new().add_modifier(Modifier::BOLD),
            Row::Provider(_) => Style::new(),
        };
        TableRow::new(cells).style(style)
    };
    let titles = columns.iter().map(|column| cell(column, column.title().to_owned()));
    let table = Table::new(rows.iter().map(line), constraints)
        .header(TableRow::new(titles).style(Style::new().add_modifier(Modifier::UNDERLINED)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .highlight_symbol(MARK);
    let mut state = TableState::new().with_selected(Some(selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn draw_activity(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let shown = model.streams.len().min(STREAMS);
    let of_streams = if shown == 0 { 0 } else { u16::try_from(shown + 1).unwrap_or(u16::MAX) };
    let [streams, activity] =
        Layout::vertical([Constraint::Max(of_streams.min(area.height / 2)), Constraint::Min(0)]).areas(area);
    let lines = model
        .streams
        .iter()
        .map(|stream| Line::styled(plain::stream(stream), palette.style(tone(&stream.state))));
    let title = format!("Streams ({})", model.streams.len());
    frame.render_widget(Paragraph::new(Vec::from_iter(lines)).block(titled(&title)), streams);
    // The newest first: what is new is where the eye is, whatever the height.
    let newest = model.events.iter().rev().filter_map(words::event);
    let lines =
        newest.take(activity.height.into()).map(|(tone, text)| Line::styled(text, palette.style(tone)));
    frame.render_widget(Paragraph::new(Vec::from_iter(lines)).block(titled("Activity")), activity);
}

fn help() -> Vec<Line<'static>> {
    KEYS.iter().map(|(keys, meaning)| Line::from(format!("{keys:<22} {meaning}"))).collect()
}

fn titled(title: &str) -> Block<'_> {
    Block::new().borders(Borders::TOP).title(format!(" {title} "))
}
