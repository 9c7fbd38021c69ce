//! Figures and events as people read them.

use super::message::Event;

/// How something is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Warning,
    Bad,
    Quiet,
    Plain,
}

/// How the status of a chain, a provider, a stream or a connection is to be taken.
pub(super) fn tone(status: &str) -> Tone {
    match status {
        "healthy" | "live" | "closed" | "connected" => Tone::Good,
        "circuit_open" | "down" | "open" | "degraded" | "disconnected" => Tone::Bad,
        "unknown" => Tone::Quiet,
        _ => Tone::Warning,
    }
}

/// A name that programs use, as people read it.
pub(super) fn readable(name: &str) -> String {
    name.replace('_', " ")
}

/// What stands for something that is not known.
pub(super) const NOTHING: &str = "-";

/// A figure, if there is one.
pub(super) fn known<T>(figure: Option<T>, text: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), text)
}

/// Milliseconds: with a decimal as long as it says something.
pub(super) fn millis(millis: f64) -> String {
    if millis < 100.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

/// Percent: 100 only for all of them.
pub(super) fn percent(percent: f64) -> String {
    if percent >= 100.0 { "100".to_owned() } else { format!("{:.1}", (percent * 10.0).floor() / 10.0) }
}

/// So many each second.
pub(super) fn rate(rate: f64) -> String {
    if rate < 1_000.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// A duration that is left.
pub(super) fn seconds(millis: u64) -> String {
    format!("{} s", millis.div_ceil(1_000))
}

/// The time of day, in UTC.
pub(super) fn time(millis: u64) -> String {
    let seconds = millis / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// An event in one line; `None` for one that is not known here.
pub(super) fn event(event: &Event) -> Option<(Tone, String)> {
    let (at, tone, text) = match event {
        Event::Decision(call) => {
            let via = call.provider.as_ref().map(|provider| format!(" via {provider}")).unwrap_or_default();
            let failovers = match call.failovers {
                0 => String::new(),
                1 => ", 1 failover".to_owned(),
                failovers => format!(", {failovers} failovers"),
            };
            let (tone, outcome) = match &call.error {
                Some(error) => (Tone::Bad, format!("error {} {}", error.code, readable(&error.category))),
                None if call.failovers > 0 => (Tone::Warning, "ok".to_owned()),
                None if call.origin == "system" => (Tone::Quiet, "ok".to_owned()),
                None => (Tone::Plain, "ok".to_owned()),
            };
            let took = millis(call.duration_ms);
            (call.ts, tone, format!("{} {}{via}: {outcome}, {took} ms{failovers}", call.chain, call.method))
        }
        Event::Breaker { ts, chain, provider, transport, from, to, category } => {
            let why =
                category.as_ref().map(|category| format!(", {}", readable(category))).unwrap_or_default();
            let (from, to_text) = (readable(from), readable(to));
            let text = format!("{chain}/{provider} {transport} breaker: {from} -> {to_text}{why}");
            (*ts, tone(to), text)
        }
        Event::Link { ts, chain, provider, state } => {
            (*ts, tone(state), format!("{chain}/{provider} WebSocket: {}", readable(state)))
        }
        Event::Stream { ts, chain, topic, change, detail } => {
            let detail = if detail.is_empty() { String::new() } else { format!(", {detail}") };
            let tone = match change.as_str() {
                "failed" | "failover" | "stale" => Tone::Warning,
                _ => Tone::Plain,
            };
            (*ts, tone, format!("{chain} {topic}: {}{detail}", readable(change)))
        }
        Event::Block { ts, chain, height, provider } => {
            (*ts, Tone::Quiet, format!("{chain} block {height} from {provider}"))
        }
        Event::Other => return None,
    };
    Some((tone, format!("{} {text}", time(at))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> (Tone, String) {
        event(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn figures_are_as_long_as_they_say_something() {
        assert_eq!([millis(0.25), millis(99.94), millis(1234.5)].join(" "), "0.2 99.9 1234");
        assert_eq!([percent(100.0), percent(99.99), percent(0.0)].join(" "), "100 99.9 0.0");
        assert_eq!([rate(12.34), rate(1234.5)].join(" "), "12.3 1234");
        assert_eq!([seconds(1), seconds(2_000), seconds(0)].join(" "), "1 s 2 s 0 s");
        assert_eq!(
            [time(0), time(86_399_999), time(1_700_000_000_000)].join(" "),
            "00:00:00 23:59:59 22:13:20"
        );
        assert_eq!(known(None, millis), "-");
    }

    #[test]
    fn events_are_lines() {
        for (json, tone, text) in [
            (
                r#"{"kind":"decision","ts":1000,"chain":"ethereum","method":"eth_call","provider":"quick","duration_ms":12.34,"origin":"client"}"#,
                Tone::Plain,
                "00:00:01 ethereum eth_call via quick: ok, 12.3 ms",
            ),
            (
                r#"{"kind":"decision","ts":0,"chain":"base","method":"eth_call","provider":null,"duration_ms":1,"error":{"code":-32000,"category":"server_error"},"failovers":2}"#,
                Tone::Bad,
                "00:00:00 base eth_call: error -32000 server error, 1.0 ms, 2 failovers",
            ),
            (
                r#"{"kind":"breaker","ts":0,"chain":"c","provider":"p","transport":"ws","from":"half_open","to":"open","category":"timeout"}"#,
                Tone::Bad,
                "00:00:00 c/p ws breaker: half open -> open, timeout",
            ),
            (
                r#"{"kind":"link","ts":0,"chain":"c","provider":"p","state":"connected"}"#,
                Tone::Good,
                "00:00:00 c/p WebSocket: connected",
            ),
            (
                r#"{"kind":"stream","ts":0,"chain":"c","topic":"logs","change":"failover","detail":"closed"}"#,
                Tone::Warning,
                "00:00:00 c logs: failover, closed",
            ),
            (
                r#"{"kind":"block","ts":0,"chain":"c","height":7,"provider":"p"}"#,
                Tone::Quiet,
                "00:00:00 c block 7 from p",
            ),
        ] {
            assert_eq!(line(json), (tone, text.to_owned()));
        }
        assert_eq!(event(&Event::Other), None);
    }
}
