//! Log lines as JSON objects.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Fields that hold a list as text with commas: events have no lists.
const LISTS: [&str; 1] = ["routing.candidate_providers"];

/// Writes each event as one JSON object. A field `routing.retries` becomes the member `retries` of the member
/// `routing`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NestedJson;

impl<S, N> FormatEvent<S, N> for NestedJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        members.put("ts_ms", u64::try_from(now.as_millis()).unwrap_or(u64::MAX).into());
        members.put("level", event.metadata().level().as_str().to_ascii_lowercase().into());
        event.record(&mut members);
        writeln!(writer, "{}", Value::Object(members.0))
    }
}

#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn put(&mut self, path: &str, value: Value) {
        put(&mut self.0, path, value);
    }
}

fn put(object: &mut Map<String, Value>, path: &str, value: Value) {
    if let Some((outer, inner)) = path.split_once('.')
        && let Value::Object(nested) = object.entry(outer).or_insert_with(|| Value::Object(Map::new()))
    {
        put(nested, inner, value);
    } else {
        // Also where a plain field has taken the outer name: the path stays in one piece then.
        object.insert(path.to_owned(), value);
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if LISTS.contains(&field.name()) {
            self.put(field.name(), text.split(',').collect());
        } else {
            self.put(field.name(), text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_become_nesting() {
        let mut members = Members::default();
        members.put("event", "e".into());
        members.put("routing.retries", 2.into());
        members.put("routing.selected_provider.id", "a".into());
        members.put("event.code", 1.into());
        let text = Value::Object(members.0).to_string();
        assert_eq!(
            text,
            r#"{"event":"e","event.code":1,"routing":{"retries":2,"selected_provider":{"id":"a"}}}"#
        );
    }
}
