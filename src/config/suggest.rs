//! "Did you mean" for misspelt names.

/// The known name that a misspelt one most likely stands for.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = |candidate: &'a str| {
        let distance =
            strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &candidate.to_ascii_lowercase());
        // One slip in three letters; more is another word.
        (distance <= candidate.len().max(name.len()) / 3).then_some((distance, candidate))
    };
    known.into_iter().filter_map(close).min().map(|(_, candidate)| candidate)
}

/// The suggestion as the end of a message.
pub(super) fn question(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["recovery_timeout_ms", "max_recovery_timeout_ms", "url", "ws_url"];
        assert_eq!(nearest("recovery_timout_ms", known), Some("recovery_timeout_ms"));
        assert_eq!(nearest("WS_URL", known), Some("ws_url"));
        assert_eq!(nearest("urk", known), Some("url"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(question(None), "");
        assert_eq!(question(Some("url")), "; did you mean `url`?");
    }
}
