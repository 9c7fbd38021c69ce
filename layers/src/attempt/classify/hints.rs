//! When an upstream wants to be asked again, and whether it said that it was asked too often.

use std::time::Duration;

use super::phrases;
use crate::wire::{self, RawJson};

/// No hint is taken to be longer: past a day it is a mistake, and time arithmetic stays far from its limits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The first usable hint: the one that came `beside` the error, a member of `data`, a phrase in `text`.
///
/// A hint that is zero, negative or unreadable is none.
pub(super) fn retry_after(beside: Option<Duration>, data: Option<&[u8]>, text: &str) -> Option<Duration> {
    let usable = |hint: &Duration| !hint.is_zero();
    beside
        .filter(usable)
        .or_else(|| data.and_then(in_data))
        .or_else(|| in_text(text).filter(usable))
        .map(|hint| hint.min(LONGEST))
}

/// Whether a text of any kind, an HTML page included, speaks of a limit.
pub(super) fn mentions_limit(text: &str) -> bool {
    let text = phrases::folded(text);
    ["rate limit", "too many requests"].iter().any(|phrase| phrases::contains_any_case(&text, phrase))
}

/// What the members of an object say.
fn in_data(data: &[u8]) -> Option<Duration> {
    // A value of another kind has no members, so it need not be read to the end.
    if data.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    wire::retry_after(RawJson::parse(data).ok()?)
}

/// `try again in N seconds` or `N minutes`, whatever the case, with or without decimals.
fn in_text(text: &str) -> Option<Duration> {
    const LEAD: &str = "try again in ";
    let text = phrases::folded(text);
    text.match_indices(LEAD).find_map(|(at, _)| amount(text[at + LEAD.len()..].trim_start()))
}

/// A number and its unit at the front of `text`, rounded down to milliseconds.
fn amount(text: &str) -> Option<Duration> {
    const MICROS: u64 = 1_000_000;
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') {
        return None;
    }
    let rest = rest.trim_start();
    let unit = if rest.starts_with("second") {
        1
    } else if rest.starts_with("minute") {
        60
    } else {
        return None;
    };
    let fraction: u64 = format!("{:0<6.6}", fraction).parse().ok()?;
    let micros = whole.parse::<u64>().ok()?.checked_mul(MICROS)?.checked_add(fraction)?.checked_mul(unit)?;
    Some(Duration::from_millis(micros / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn what_came_beside_the_error_beats_data_and_data_beats_text() {
        let data = Some(&br#"{"retry_after":2,"retry_after_ms":1500}"#[..]);
        let text = "try again in 9 seconds";
        assert_eq!(retry_after(ms(5000), data, text), ms(5000));
        assert_eq!(retry_after(None, data, text), ms(1500));
        assert_eq!(retry_after(None, Some(br#"{"retry_after":2}"#), text), ms(2000));
        assert_eq!(retry_after(None, None, text), ms(9000));
        assert_eq!(retry_after(None, None, ""), None);
    }

    #[test]
    fn hints_that_say_nothing_are_passed_over() {
        assert_eq!(retry_after(Some(Duration::ZERO), Some(br#"{"retry_after":3}"#), ""), ms(3000));
        for data in [r#"{"retry_after":0}"#, r#"[5]"#, r#""5""#, "", r#"{"retry_after":5"#] {
            assert_eq!(retry_after(None, Some(data.as_bytes()), ""), None, "{data}");
        }
    }

    #[test]
    fn texts_name_an_amount_and_a_unit() {
        for (text, expected) in [
            ("Please try again in 1 second", ms(1000)),
            ("TRY AGAIN IN 30 SECONDS.", ms(30_000)),
            ("try again in 0.3 seconds", ms(300)),
            ("try again in 1.0019s; try again in 2 minutes", ms(120_000)),
            ("try again in 1.00199 seconds", ms(1001)),
            ("try again in 1.5 minutes", ms(90_000)),
            ("try again in 0.3333333333 minutes", ms(19_999)),
            ("try again in 10", None),
            ("try again in a few seconds", None),
            ("try again in 0 seconds", None),
            ("try again in .5 seconds", None),
            ("try again in 1.2.3 seconds", None),
            ("try again in 99999999999999999999 seconds", None),
            ("try again later", None),
            ("in 5 seconds", None),
        ] {
            assert_eq!(retry_after(None, None, text), expected, "{text}");
        }
    }

    #[test]
    fn limits_are_mentioned_in_any_case() {
        assert!(mentions_limit("<h1>Rate Limit exceeded</h1>"));
        assert!(mentions_limit("503: TOO MANY REQUESTS"));
        assert!(!mentions_limit("the rate is limited"));
    }

    #[test]
    fn an_absurd_hint_is_a_day() {
        assert_eq!(retry_after(Some(Duration::MAX), None, ""), Some(LONGEST));
        assert_eq!(retry_after(None, Some(br#"{"retry_after":18446744073709551615}"#), ""), Some(LONGEST));
    }
}
