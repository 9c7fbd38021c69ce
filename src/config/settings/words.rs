//! Settings that are one of a few words.

use lasso_layers::catalog::Strategy;

use super::super::field::Field;
use super::super::problem::Report;
use super::super::suggest;
use super::setting::Scalar;

fn word<T: Copy>(field: &Field<'_>, words: &[(&'static str, T)], report: &mut Report<'_>) -> Option<T> {
    let text = field.node.as_text().unwrap_or_default();
    let value = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if value.is_none() {
        let nearest = suggest::nearest(text, words.iter().map(|(word, _)| *word));
        field.refuse(report, &format!("{}{}", listed(words), suggest::question(nearest)));
    }
    value
}

fn listed<T>(words: &[(&'static str, T)]) -> String {
    words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ")
}

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $value_doc:literal])+ $value:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $value_doc])+ $value,)+
        }

        impl $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$value)),+];

            /// The word in the settings file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl Scalar for $name {
            type Limit = ();

            fn parse(field: &Field<'_>, (): &(), report: &mut Report<'_>) -> Option<Self> {
                word(field, Self::WORDS, report)
            }

            fn yaml(&self) -> String {
                self.as_str().to_owned()
            }

            fn allowed((): &()) -> String {
                listed(Self::WORDS)
            }
        }
    )+};
}

words! {
    /// Which of two lesser tiers comes first.
    TierOrder {
        /// Closed and rate limited before half-open and clean.
        LimitedFirst = "limited_first",
        /// Half-open and clean before closed and rate limited.
        HalfOpenFirst = "half_open_first",
    }

    /// When a good probe counts for an open breaker.
    ProbeRecovery {
        /// At once.
        Immediate = "immediate",
        /// Only when the breaker's deadline has passed.
        AfterDeadline = "after_deadline",
    }

    /// Which blocks are asked for their logs, although a subscription brings them.
    VerifyLogs {
        /// Those of which none came that should have some.
        Missing = "missing",
        /// All that may have some.
        Always = "always",
    }

    /// The least important messages that are logged.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// What needs a person.
        Error = "error",
        /// What may need a person.
        Warn = "warn",
        /// What happens.
        Info = "info",
        /// How it happens.
        Debug = "debug",
        /// Every step.
        Trace = "trace",
    }

    /// How a log line looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object for each line.
        Json = "json",
    }
}

impl Scalar for Strategy {
    type Limit = ();

    fn parse(field: &Field<'_>, (): &(), report: &mut Report<'_>) -> Option<Self> {
        let known = field.node.as_text().and_then(Self::from_name);
        known.or_else(|| word(field, &Self::ALL.map(|strategy| (strategy.as_str(), strategy)), report))
    }

    fn yaml(&self) -> String {
        self.as_str().to_owned()
    }

    fn allowed((): &()) -> String {
        listed(&Self::ALL.map(|strategy| (strategy.as_str(), strategy)))
    }
}
