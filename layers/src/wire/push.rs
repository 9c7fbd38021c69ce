//! What arrives over a socket to an upstream: replies, and pushes between them.

use super::{
    member::Name,
    reply::{ReplyDefect, ReplyScanner, ReplyShape},
    scanner::{Scanner, Sink, Syntax},
    span::Span,
    text,
};

/// An event of a subscription, as spans of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Push {
    /// The id of the subscription: a JSON string with its quotes, or a number.
    pub subscription: Span,
    /// The event: any JSON value.
    pub result: Span,
}

/// A message of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// An event.
    Push(Push),
    /// A valid reply to whatever was sent with its id.
    Reply(ReplyShape),
    /// Nothing of use.
    Defective {
        /// The id, where the message got as far as that: somebody may wait for the reply that this should have been.
        id: Option<Span>,
        /// What is wrong. A notification other than an event is
        /// [one that was not expected](ReplyDefect::UnexpectedNotification).
        defect: ReplyDefect,
    },
}

/// Reads a message of which nothing is known.
///
/// Which kind it is, its first telling member says, which is near the beginning of whatever nodes send. From there
/// on it is read once, as an event or as a reply.
#[must_use]
pub fn parse_upstream(message: &[u8]) -> Incoming {
    if looks_like_push(message)
        && let Some(push) = parse_push(message)
    {
        return Incoming::Push(push);
    }
    let mut scanner = ReplyScanner::of_any_id();
    let fed = scanner.feed(message);
    let id = scanner.id_span();
    match fed.and_then(|()| scanner.finish()) {
        Ok(shape) => Incoming::Reply(shape),
        Err(defect) => Incoming::Defective { id, defect },
    }
}

/// Reads an event: an object with the method `eth_subscription`, without what makes a reply (id, result, error), and
/// with an object of parameters that has one `subscription`, a string or an integer, and one `result`. Members may come
/// in any order, and others beside them. `None` for everything else.
#[must_use]
pub fn parse_push(message: &[u8]) -> Option<Push> {
    let mut listener = PushListener { message, ..PushListener::default() };
    Scanner::scan(message, &mut listener).ok()?;
    Some(Push {
        subscription: listener.method.and(listener.subscription)?,
        result: listener.params.and(listener.result)?,
    })
}

/// Whether the first member that tells a push from a reply is one of a push.
fn looks_like_push(message: &[u8]) -> bool {
    /// Far enough for all that nodes write. A scan checks a whole piece for UTF-8 before it begins, which would be in
    /// vain for the rest of a long one.
    const PIECE: usize = 64;
    let mut peek = Peek { message, key: 0 };
    let mut scanner = Scanner::default();
    message
        .chunks(PIECE)
        .find_map(|piece| scanner.feed(piece, &mut peek).err())
        .is_some_and(|seen| seen.is_push)
}

/// Stops at the first member that tells.
struct Peek<'a> {
    message: &'a [u8],
    /// Where the key that is being read begins.
    key: u64,
}

/// What it saw.
struct Seen {
    is_push: bool,
}

impl From<Syntax> for Seen {
    fn from(_: Syntax) -> Self {
        Self { is_push: false }
    }
}

impl Sink for Peek<'_> {
    type Stop = Seen;

    #[inline]
    fn begin(&mut self, _: u64, _: u8, _: usize) -> Result<(), Seen> {
        Ok(())
    }

    #[inline]
    fn end(&mut self, _: u64, _: usize) -> Result<(), Seen> {
        Ok(())
    }

    #[inline]
    fn key_begin(&mut self, at: u64, depth: usize) {
        if depth == 1 {
            self.key = at;
        }
    }

    #[inline]
    fn key_end(&mut self, at: u64, depth: usize) -> Result<(), Seen> {
        if depth != 1 {
            return Ok(());
        }
        match Name::of(Span::new(self.key, at).slice(self.message)) {
            Name::Method | Name::Params => Err(Seen { is_push: true }),
            Name::Id | Name::Result | Name::Error => Err(Seen { is_push: false }),
            _ => Ok(()),
        }
    }
}

/// What has been found of a push.
#[derive(Default)]
struct PushListener<'a> {
    message: &'a [u8],
    /// Where the key or the value that is being read begins.
    start: u64,
    /// The member at the top, and the one of the parameters, whose values are being read.
    member: Name,
    inner: Name,
    method: Option<Span>,
    params: Option<Span>,
    subscription: Option<Span>,
    result: Option<Span>,
    /// Where these two begin: others lie in them.
    params_start: u64,
    result_start: u64,
}

/// It is something else, or no JSON at all.
struct NotAPush;

impl From<Syntax> for NotAPush {
    fn from(_: Syntax) -> Self {
        Self
    }
}

const fn refuse_if(condition: bool) -> Result<(), NotAPush> {
    if condition { Err(NotAPush) } else { Ok(()) }
}

impl PushListener<'_> {
    /// Whether members at this depth are those of the message or of its parameters.
    #[inline]
    fn is_of_interest(&self, depth: usize) -> bool {
        depth == 1 || (depth == 2 && self.member == Name::Params)
    }

    fn is_event(&self, method: Span) -> bool {
        let token = method.slice(self.message);
        token == br#""eth_subscription""#
            || (token.first() == Some(&b'"') && text::unescape(token) == "eth_subscription")
    }
}

impl Sink for PushListener<'_> {
    type Stop = NotAPush;

    #[inline]
    fn begin(&mut self, at: u64, first: u8, depth: usize) -> Result<(), NotAPush> {
        match (depth, self.member, self.inner) {
            (0, ..) => return refuse_if(first != b'{'),
            (1, Name::Params, _) => {
                self.params_start = at;
                return refuse_if(first != b'{');
            }
            (1, Name::Method, _) => self.start = at,
            (2, Name::Params, Name::Subscription) => {
                self.start = at;
                return refuse_if(first != b'"' && !first.is_ascii_digit());
            }
            (2, Name::Params, Name::Result) => self.result_start = at,
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn end(&mut self, at: u64, depth: usize) -> Result<(), NotAPush> {
        match (depth, self.member, self.inner) {
            (1, Name::Params, _) => self.params = Some(Span::new(self.params_start, at)),
            (1, Name::Method, _) => {
                let method = Span::new(self.start, at);
                self.method = Some(method);
                return refuse_if(!self.is_event(method));
            }
            (2, Name::Params, Name::Subscription) => self.subscription = Some(Span::new(self.start, at)),
            (2, Name::Params, Name::Result) => self.result = Some(Span::new(self.result_start, at)),
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn key_begin(&mut self, at: u64, depth: usize) {
        if self.is_of_interest(depth) {
            self.start = at;
        }
    }

    #[inline]
    fn key_end(&mut self, at: u64, depth: usize) -> Result<(), NotAPush> {
        if !self.is_of_interest(depth) {
            return Ok(());
        }
        let name = Name::of(Span::new(self.start, at).slice(self.message));
        if depth == 1 {
            self.member = name;
            refuse_if(match name {
                Name::Id | Name::Result | Name::Error => true,
                Name::Method => self.method.is_some(),
                Name::Params => self.params.is_some(),
                _ => false,
            })
        } else {
            self.inner = name;
            refuse_if(match name {
                Name::Subscription => self.subscription.is_some(),
                Name::Result => self.result.is_some(),
                _ => false,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(message: &str) -> Option<(&str, &str)> {
        let text = |span: Span| &message[span.range()];
        parse_push(message.as_bytes()).map(|push| (text(push.subscription), text(push.result)))
    }

    #[test]
    fn an_event_is_read_whatever_the_order() {
        let expected = Some((r#""0x9c""#, r#"{"number" :"0x1"}"#));
        for message in [
            r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x9c","result":{"number" :"0x1"}}}"#,
            r#" { "params" : { "result" : {"number" :"0x1"} , "subscription" : "0x9c" } , "method" : "eth_subscription" } "#,
            r#"{"x":{"id":1,"params":{"result":1}},"params":{"a":{"result":2},"subscription":"0x9c","result":{"number" :"0x1"}},"method":"eth_subscription"}"#,
            r#"{"m\u0065thod":"eth\u005fsubscription","params":{"s\u0075bscription":"0x9c","\u0072esult":{"number" :"0x1"}}}"#,
        ] {
            assert_eq!(push(message), expected, "{message}");
            assert!(matches!(parse_upstream(message.as_bytes()), Incoming::Push(_)));
        }
        let nulls = r#"{"method":"eth_subscription","params":{"subscription":"","result":null}}"#;
        assert_eq!(push(nulls), Some((r#""""#, "null")));
        let number = r#"{"method":"eth_subscription","params":{"subscription":17,"result":1}}"#;
        assert_eq!(push(number), Some(("17", "1")));
    }

    #[test]
    fn everything_else_is_no_event() {
        for message in [
            r#"{"method":"eth_subscription","params":{"subscription":"0x9c"}}"#,
            r#"{"method":"eth_subscription","params":{"result":1}}"#,
            r#"{"method":"eth_subscription","params":{"subscription":-1,"result":1}}"#,
            r#"{"method":"eth_subscription","params":{"subscription":["0x9c"],"result":1}}"#,
            r#"{"method":"eth_subscription","params":["0x9c",1]}"#,
            r#"{"method":"eth_subscription"}"#,
            r#"{"params":{"subscription":"0x9c","result":1}}"#,
            r#"{"method":"eth_subscriptions","params":{"subscription":"0x9c","result":1}}"#,
            r#"{"method":["eth_subscription"],"params":{"subscription":"0x9c","result":1}}"#,
            r#"{"method":"eth_subscription","params":{"subscription":"0x9c","result":1,"result":2}}"#,
            r#"{"method":"eth_subscription","params":{"subscription":"0x9c","subscription":"0x9c","result":1}}"#,
            r#"{"method":"eth_subscription","method":"eth_subscription","params":{"subscription":"0x9c","result":1}}"#,
            r#"{"method":"eth_subscription","params":{"subscription":"0x9c","result":1},"params":{}}"#,
            r#"{"method":"eth_subscription","params":{"subscription":"0x9c","result":1},"id":1}"#,
            r#"[{"method":"eth_subscription","params":{"subscription":"0x9c","result":1}}]"#,
            r#"{"method":"eth_subscription","params":{"subscription":"0x9c","result":1}"#,
            "null",
            "",
        ] {
            assert_eq!(push(message), None, "{message}");
            let incoming = parse_upstream(message.as_bytes());
            assert!(matches!(incoming, Incoming::Defective { .. }), "{message}");
        }
    }

    #[test]
    fn a_reply_is_read_with_whatever_id() {
        for (message, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"method":1}}"#, "7"),
            (r#"{"jsonrpc":"2.0","result":[],"id":"a"}"#, r#""a""#),
            (r#"{"params":1,"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#, "null"),
        ] {
            let Incoming::Reply(shape) = parse_upstream(message.as_bytes()) else { panic!("{message}") };
            assert_eq!(&message[shape.id().range()], id);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_id_that_was_read() {
        use ReplyDefect::{
            InvalidEnvelope, InvalidJson, UnexpectedBatch, UnexpectedNotification, UnsupportedVersion,
        };
        for (message, expected) in [
            (r#"{"jsonrpc":"2.0","method":"eth_other","params":{}}"#, (None, UnexpectedNotification)),
            (r#"{"jsonrpc":"2.0","id":7,"method":"eth_call"}"#, (Some("7"), UnexpectedNotification)),
            (r#"{"id":7,"jsonrpc":"1.0","result":1}"#, (Some("7"), UnsupportedVersion)),
            (r#"{"jsonrpc":"2.0","id":7}"#, (Some("7"), InvalidEnvelope)),
            (r#"{"jsonrpc":"2.0","id":7,"result":[1,]}"#, (Some("7"), InvalidJson)),
            ("[]", (None, UnexpectedBatch)),
            ("hello", (None, InvalidJson)),
            ("\u{7f}", (None, InvalidJson)),
        ] {
            let Incoming::Defective { id, defect } = parse_upstream(message.as_bytes()) else {
                panic!("{message}")
            };
            assert_eq!((id.map(|id| &message[id.range()]), defect), expected, "{message}");
        }
    }

    #[test]
    fn a_long_message_is_told_apart_by_its_beginning() {
        let result = format!("\"{}\"", "é".repeat(1000));
        let message =
            format!(r#"{{"method":"eth_subscription","params":{{"result":{result},"subscription":"0x1"}}}}"#);
        assert_eq!(push(&message), Some((r#""0x1""#, result.as_str())));
        let late = format!(
            r#"{{"x":{result},"params":{{"result":1,"subscription":"0x1"}},"method":"eth_subscription"}}"#
        );
        assert!(matches!(parse_upstream(late.as_bytes()), Incoming::Push(_)));
        let broken = [message.as_bytes(), b"\xff"].concat();
        assert!(matches!(parse_upstream(&broken), Incoming::Defective { .. }));
    }
}
