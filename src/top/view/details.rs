//! All that is known of a chain or a provider.

use ratatui::text::{Line, Span};

use super::Palette;
use crate::top::columns::Row;
use crate::top::message::{Breaker, Chain, Provider};
use crate::top::model::Model;
use crate::top::words::{Tone, known, millis, percent, readable, seconds, tone};

/// The title and the lines.
pub(super) fn of<'a>(model: &'a Model, row: Row<'a>, palette: Palette) -> (String, Vec<Line<'a>>) {
    match row {
        Row::Chain(chain) => (format!("{} (chain {})", chain.name, chain.chain_id), of_chain(chain)),
        Row::Provider(provider) => {
            let region = if provider.region.is_empty() { "" } else { ", seen from " };
            let title = format!("{} ({}{region}{})", provider.name, provider.key, provider.region);
            (title, of_provider(model, provider, palette))
        }
    }
}

fn of_chain(chain: &Chain) -> Vec<Line<'_>> {
    let mut lines = vec![Line::from(format!(
        "{} of {} providers can be had, {} failovers/min",
        chain.connected, chain.total, chain.failovers_per_minute
    ))];
    if chain.shares.is_empty() {
        lines.push(Line::from("no calls in the last five minutes"));
    } else {
        lines.push(Line::from("calls in the last five minutes:"));
    }
    lines.extend(chain.shares.iter().map(|share| {
        Line::from(format!("  {:<20} {:>6} %  {}", share.provider, percent(share.share), share.calls))
    }));
    lines
}

fn of_provider<'a>(model: &'a Model, provider: &'a Provider, palette: Palette) -> Vec<Line<'a>> {
    let issues = provider.issues.iter().map(|issue| {
        let tone = match issue.severity.as_str() {
            "error" => Tone::Bad,
            "warning" => Tone::Warning,
            _ => Tone::Quiet,
        };
        Line::styled(format!("{}: {}", issue.severity, issue.text), palette.style(tone))
    });
    let breakers = provider
        .breakers
        .iter()
        .map(|(name, breaker)| Line::from(of_breaker(model, provider, name, breaker, palette)));
    let mut lines: Vec<_> = issues.chain(breakers).collect();
    if let Some(link) = &provider.link {
        let counts = format!(", {} subscriptions, {} requests pending", link.subscriptions, link.pending);
        let state = Span::styled(readable(&link.state), palette.style(tone(&link.state)));
        lines.push(Line::from(vec![Span::from("WebSocket: "), state, Span::from(counts)]));
    }
    lines.push(Line::from(format!(
        "p99 {}, {} calls recorded",
        known(provider.p99_ms, |it| millis(it) + " ms"),
        provider.calls
    )));
    lines.extend(provider.methods.iter().map(|method| {
        let (p50, success) = (known(method.p50_ms, millis), known(method.success_rate, percent));
        Line::from(format!("  {:<32} p50 {p50:>7} ms  ok {success:>5} %  {}", method.method, method.calls))
    }));
    lines
}

fn of_breaker<'a>(
    model: &Model,
    provider: &Provider,
    name: &'static str,
    breaker: &Breaker,
    palette: Palette,
) -> Vec<Span<'a>> {
    let counts = match breaker.state.as_str() {
        "half_open" => format!(", {}/{} successes", breaker.successes, breaker.success_threshold),
        _ => format!(", {}/{} failures", breaker.failures, breaker.threshold),
    };
    let left = breaker.retry_after_ms.map(|after| model.left(provider, after));
    let left = left.map(|left| format!(", next try in {}", seconds(left))).unwrap_or_default();
    let error = breaker
        .error
        .as_ref()
        .map(|error| format!(", last {} {}: {}", readable(&error.category), error.code, error.message));
    vec![
        Span::from(format!("{name} breaker: ")),
        Span::styled(readable(&breaker.state), palette.style(tone(&breaker.state))),
        Span::from(format!("{counts}{left}{}", error.unwrap_or_default())),
    ]
}
