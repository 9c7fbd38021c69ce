//! What there is to see, printed once.

use super::columns::{Column, rows};
use super::model::Model;
use super::words::{NOTHING, known, millis, percent, rate, readable};

/// The whole page, with an end of line after each.
pub(super) fn page(model: &Model) -> String {
    let mut page = String::new();
    let mut line = |text: &str| {
        page.extend(harmless(text.trim_end()));
        page.push('\n');
    };
    line(&format!("profile {} at {} ({})", model.profile, model.node.id, model.node.version));
    line(&stats(model));
    line("");
    table(model).iter().for_each(|text| line(text));
    if !model.streams.is_empty() {
        line("");
        line("STREAMS");
        model.streams.iter().for_each(|it| line(&stream(it)));
    }
    page
}

/// What clients had lately.
pub(super) fn stats(model: &Model) -> String {
    let stats = &model.stats;
    format!(
        "{} rps   success {}   latency {}   failovers {}/min",
        rate(stats.rps),
        known(stats.success_rate, |it| percent(it) + " %"),
        known(stats.latency_ms, |it| millis(it) + " ms"),
        stats.failovers_per_minute,
    )
}

/// A stream in one line.
pub(super) fn stream(stream: &super::message::Stream) -> String {
    let provider = stream.provider.as_deref().unwrap_or(NOTHING);
    let block = known(stream.last_block, |block| block.to_string());
    let super::message::Stream { chain, topic, subscribers, failovers, .. } = stream;
    let state = readable(&stream.state);
    format!(
        "{chain} {topic}: {state} via {provider}, subscribers {subscribers}, block {block}, failovers {failovers}"
    )
}

/// The table with all its columns, each as wide as what is in it.
fn table(model: &Model) -> Vec<String> {
    let titles = Column::ALL.map(|column| column.title().to_owned());
    let cells = rows(model).into_iter().map(|row| Column::ALL.map(|column| column.text(row)));
    let lines: Vec<_> = std::iter::once(titles).chain(cells).collect();
    let width =
        |index: usize| lines.iter().map(|cells| cells[index].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..Column::ALL.len()).map(width).collect();
    let pad = |(cell, (column, width)): (&String, (Column, &usize))| {
        if column.is_numeric() { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    };
    let of_line = |cells: &[String; 10]| {
        let cells: Vec<_> = cells.iter().zip(Column::ALL.into_iter().zip(&widths)).map(pad).collect();
        cells.join("  ")
    };
    lines.iter().map(of_line).collect()
}

/// Without what a terminal would obey: names are chosen by others.
pub(super) fn harmless(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{message, model};

    #[test]
    fn the_page_is_one_table() {
        let page = page(&model());
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(lines[0], "profile default at local (0.1.0)");
        assert_eq!(lines[1], "12.3 rps   success 99.8 %   latency 21.4 ms   failovers 2/min");
        assert_eq!(
            lines[3],
            "CHAIN/PROVIDER  STATUS          HEIGHT  LAG  P50 MS  P95 MS  OK %   RPS  SHARE %  BREAKERS"
        );
        assert_eq!(
            lines[5],
            "  quick         healthy       20000000    0     9.8    31.0   100   8.0     80.0  closed"
        );
        assert!(lines.iter().all(|line| !line.ends_with(' ')) && page.ends_with('\n'));
        assert!(
            page.contains("ethereum newHeads: live via quick, subscribers 3, block 20000000, failovers 1\n")
        );
    }

    #[test]
    fn nobody_gets_at_the_terminal_by_a_name() {
        let mut model = model();
        let batch = r#"{"now":1,"chains":[{"key":"\u001b[31mred\u0007\u009b"}]}"#;
        model.apply(message("batch", batch));
        let page = page(&model);
        assert!(page.contains("[31mred") && page.chars().all(|char| char == '\n' || !char.is_control()));
    }
}
