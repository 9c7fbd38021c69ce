//! The parameters of a page.

use std::borrow::Cow;

use lasso_layers::edge::profile;

/// A query, each parameter to be taken once. What is left in the end is a mistake of whoever asks.
pub(super) struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// What is wrong with the query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadParameter {
    pub(super) name: String,
    pub(super) reason: String,
}

impl<'a> Parameters<'a> {
    /// The parameters of a query, which has each of them once.
    pub(super) fn of(query: &'a str) -> Result<Self, BadParameter> {
        let mut parameters = Vec::new();
        for (name, value) in profile::query_pairs(query) {
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(BadParameter { name: name.into_owned(), reason: "is given twice".to_owned() });
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn take_number(&mut self, name: &str) -> Result<Option<u64>, BadParameter> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let reason = "must be a whole number of seconds since 1970";
        let number =
            value.parse().map_err(|_| BadParameter { name: name.to_owned(), reason: reason.to_owned() })?;
        Ok(Some(number))
    }

    /// Refuses what nobody took.
    pub(super) fn end(self, known: &str) -> Result<(), BadParameter> {
        let Some((name, _)) = self.0.into_iter().next() else { return Ok(()) };
        Err(BadParameter { name: name.into_owned(), reason: format!("is not known here; there are {known}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_once() {
        let mut parameters = Parameters::of("profile=a%5Fb&&from=12&x=").unwrap();
        assert_eq!(parameters.take("profile").as_deref(), Some("a_b"));
        assert_eq!(parameters.take("profile"), None);
        assert_eq!(parameters.take_number("from"), Ok(Some(12)));
        assert_eq!(parameters.take_number("to"), Ok(None));
        let refused = parameters.end("a and b").unwrap_err();
        assert_eq!(
            (refused.name.as_str(), refused.reason.as_str()),
            ("x", "is not known here; there are a and b")
        );
    }

    #[test]
    fn mistakes_name_the_parameter() {
        assert_eq!(Parameters::of("a=1&b=2&%61=1").err().unwrap().name, "a");
        for query in ["from=", "from=-1", "from=1.5", "from=now", "from=99999999999999999999"] {
            assert_eq!(
                Parameters::of(query).unwrap().take_number("from").unwrap_err().name,
                "from",
                "{query}"
            );
        }
    }
}
