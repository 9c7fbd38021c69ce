//! A provider's own rules, which come before everything built in.

use super::phrases;
use crate::catalog::{Category, ErrorRule};

/// Position and category of the first rule that applies. `text` is the [folded](phrases::folded) message.
pub(super) fn first_match(rules: &[ErrorRule], code: i64, text: &str) -> Option<(usize, Category)> {
    let applies = |rule: &ErrorRule| {
        rule.code.is_none_or(|wanted| wanted == code)
            && (rule.message_contains.is_empty()
                || rule.message_contains.iter().any(|phrase| phrases::contains_any_case(text, phrase)))
    };
    rules.iter().position(applies).map(|index| (index, rules[index].category))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(code: Option<i64>, texts: &[&str], category: Category) -> ErrorRule {
        let message_contains = texts.iter().map(|text| (*text).to_owned()).collect();
        ErrorRule { code, message_contains, category }
    }

    #[test]
    fn both_conditions_must_hold_and_any_text_will_do() {
        let rules = [
            rule(Some(1), &["Alpha", "beta"], Category::RateLimit),
            rule(None, &["gamma"], Category::AuthError),
            rule(Some(2), &[], Category::ServerError),
        ];
        assert_eq!(first_match(&rules, 1, "an alpha"), Some((0, Category::RateLimit)));
        assert_eq!(first_match(&rules, 1, "a beta"), Some((0, Category::RateLimit)));
        assert_eq!(first_match(&rules, 2, "an alpha"), Some((2, Category::ServerError)));
        assert_eq!(first_match(&rules, 1, "delta"), None);
        assert_eq!(first_match(&rules, 9, "gamma"), Some((1, Category::AuthError)));
    }

    #[test]
    fn the_first_of_several_wins() {
        let rules = [rule(Some(1), &[], Category::ClientError), rule(Some(1), &[], Category::RateLimit)];
        assert_eq!(first_match(&rules, 1, ""), Some((0, Category::ClientError)));
    }
}
