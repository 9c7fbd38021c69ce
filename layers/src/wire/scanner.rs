//! The JSON scanner that everything else is built on.
//!
//! A push-down machine over bytes that arrive in pieces of any size. It accepts exactly the texts of RFC 8259 in
//! valid UTF-8, nested as deep as they like, and tells a [`Sink`] where values and keys begin and end.

use std::fmt;

use super::{
    nesting::{Container, Nesting},
    number::Number,
    text,
    utf8::Utf8,
};

/// The message is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syntax {
    offset: u64,
    problem: &'static str,
}

impl Syntax {
    const fn new(offset: u64, problem: &'static str) -> Self {
        Self { offset, problem }
    }

    /// How many bytes come before the fault.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.offset
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON: {} at byte {}", self.problem, self.offset)
    }
}

impl std::error::Error for Syntax {}

/// Hears what the scanner finds, in the order of the text.
///
/// Offsets count from the first byte of the text, over all pieces. `depth` is the number of containers around the
/// value or key: 0 for the whole text, 1 for the members of a top-level object and their keys.
pub(super) trait Sink {
    /// Why a scan ends: a fault of the text, or something the sink heard.
    type Stop: From<Syntax>;

    /// A value begins at `at` with the byte `first`, which tells its kind.
    fn begin(&mut self, at: u64, first: u8, depth: usize) -> Result<(), Self::Stop>;
    /// The value that began last at this depth ends before `at`.
    fn end(&mut self, at: u64, depth: usize) -> Result<(), Self::Stop>;
    /// The quote that opens a key is at `at`.
    fn key_begin(&mut self, at: u64, depth: usize);
    /// The key ends before `at`, after its closing quote.
    fn key_end(&mut self, at: u64, depth: usize) -> Result<(), Self::Stop>;
}

/// Hears nothing; for texts that only have to be valid.
pub(super) struct Deaf;

impl Sink for Deaf {
    type Stop = Syntax;

    #[inline]
    fn begin(&mut self, _: u64, _: u8, _: usize) -> Result<(), Syntax> {
        Ok(())
    }
    #[inline]
    fn end(&mut self, _: u64, _: usize) -> Result<(), Syntax> {
        Ok(())
    }
    #[inline]
    fn key_begin(&mut self, _: u64, _: usize) {}
    #[inline]
    fn key_end(&mut self, _: u64, _: usize) -> Result<(), Syntax> {
        Ok(())
    }
}

/// What the next byte may be.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// A value.
    #[default]
    Value,
    /// A value or `]`, after `[`.
    FirstElement,
    /// A key or `}`, after `{`.
    FirstKey,
    /// A key, after a comma.
    Key,
    /// The colon after a key.
    Colon,
    /// A comma or the end of the container; at the top, nothing but space.
    AfterValue,
    /// More of a string.
    Text(Role),
    /// The byte after a backslash.
    Escape(Role),
    /// That many more digits of `\u`.
    Hex(u8, Role),
    Number(Number),
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
}

/// What a string is for.
#[derive(Clone, Copy, Debug)]
enum Role {
    Key,
    Value,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    state: State,
    nesting: Nesting,
    utf8: Utf8,
    /// Offset of the next byte to be fed.
    position: u64,
}

impl Scanner {
    /// Scans a text that is there as a whole.
    pub(super) fn scan<S: Sink>(text: &[u8], sink: &mut S) -> Result<(), S::Stop> {
        let mut scanner = Self::default();
        scanner.feed(text, sink)?;
        scanner.finish(sink)
    }

    /// Offset of the next byte to be fed.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Scans the next piece of the text.
    ///
    /// What comes first in the text is reported first, however it is cut: before a fault the sink hears
    /// everything up to it. After an error the scanner is of no further use.
    pub(super) fn feed<S: Sink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), S::Stop> {
        match self.utf8.feed(piece) {
            Ok(()) => self.step(piece, sink),
            Err(valid) => {
                self.step(&piece[..valid], sink)?;
                Err(Syntax::new(self.position, "invalid UTF-8").into())
            }
        }
    }

    /// The text ends here.
    pub(super) fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Stop> {
        match self.state {
            State::Number(number) if number.is_complete() && self.nesting.depth() == 0 => {
                sink.end(self.position, 0)
            }
            State::AfterValue if self.nesting.depth() == 0 && self.utf8.is_complete() => Ok(()),
            _ => Err(Syntax::new(self.position, "unexpected end").into()),
        }
    }

    fn step<S: Sink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), S::Stop> {
        let base = self.position;
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            let offset = base + at as u64;
            macro_rules! fault {
                ($problem:literal) => {
                    return Err(Syntax::new(offset, $problem).into())
                };
            }
            match self.state {
                State::Text(role) => {
                    let plain = text::plain_len(&piece[at..]);
                    at += plain;
                    let Some(&byte) = piece.get(at) else { break };
                    at += 1;
                    match byte {
                        b'"' => self.end_string(role, base + at as u64, sink)?,
                        b'\\' => self.state = State::Escape(role),
                        _ => {
                            let offset = base + at as u64 - 1;
                            return Err(Syntax::new(offset, "control character in a string").into());
                        }
                    }
                    continue;
                }
                State::Number(number) => {
                    if let Some(next) = number.next(byte) {
                        self.state = State::Number(next);
                    } else if number.is_complete() {
                        self.state = State::AfterValue;
                        sink.end(offset, self.nesting.depth())?;
                        continue;
                    } else {
                        fault!("malformed number");
                    }
                }
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') && self.state.allows_space() => {}
                State::Value => self.begin_value(byte, offset, sink)?,
                State::AfterValue => match (byte, self.nesting.innermost()) {
                    (b',', Some(Container::Object)) => self.state = State::Key,
                    (b',', Some(Container::Array)) => self.state = State::Value,
                    (b'}', Some(Container::Object)) | (b']', Some(Container::Array)) => {
                        self.end_container(offset, sink)?;
                    }
                    (_, None) => fault!("something after the end"),
                    (_, Some(Container::Object)) => fault!("expected `,` or `}`"),
                    (_, Some(Container::Array)) => fault!("expected `,` or `]`"),
                },
                State::FirstKey if byte == b'}' => self.end_container(offset, sink)?,
                State::FirstKey | State::Key if byte == b'"' => {
                    sink.key_begin(offset, self.nesting.depth());
                    self.state = State::Text(Role::Key);
                }
                State::FirstKey | State::Key => fault!("expected a key"),
                State::Colon if byte == b':' => self.state = State::Value,
                State::Colon => fault!("expected `:`"),
                State::FirstElement if byte == b']' => self.end_container(offset, sink)?,
                State::FirstElement => self.begin_value(byte, offset, sink)?,
                State::Escape(role) => match byte {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.state = State::Text(role),
                    b'u' => self.state = State::Hex(4, role),
                    _ => fault!("unknown escape"),
                },
                State::Hex(left, role) => match (byte.is_ascii_hexdigit(), left) {
                    (true, 1) => self.state = State::Text(role),
                    (true, _) => self.state = State::Hex(left - 1, role),
                    (false, _) => fault!("expected a hexadecimal digit"),
                },
                State::Literal(rest) => match rest {
                    [expected] if byte == *expected => {
                        self.state = State::AfterValue;
                        sink.end(offset + 1, self.nesting.depth())?;
                    }
                    [expected, rest @ ..] if byte == *expected => self.state = State::Literal(rest),
                    _ => fault!("unknown word"),
                },
            }
            at += 1;
        }
        self.position = base + piece.len() as u64;
        Ok(())
    }

    #[inline]
    fn begin_value<S: Sink>(&mut self, first: u8, offset: u64, sink: &mut S) -> Result<(), S::Stop> {
        let depth = self.nesting.depth();
        self.state = match first {
            b'"' => State::Text(Role::Value),
            b'{' => {
                self.nesting.push(Container::Object);
                State::FirstKey
            }
            b'[' => {
                self.nesting.push(Container::Array);
                State::FirstElement
            }
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            _ => match Number::start(first) {
                Some(number) => State::Number(number),
                None => return Err(Syntax::new(offset, "expected a value").into()),
            },
        };
        sink.begin(offset, first, depth)
    }

    #[inline]
    fn end_string<S: Sink>(&mut self, role: Role, end: u64, sink: &mut S) -> Result<(), S::Stop> {
        match role {
            Role::Key => {
                self.state = State::Colon;
                sink.key_end(end, self.nesting.depth())
            }
            Role::Value => {
                self.state = State::AfterValue;
                sink.end(end, self.nesting.depth())
            }
        }
    }

    /// Closes the innermost container, whose bracket is at `offset`.
    #[inline]
    fn end_container<S: Sink>(&mut self, offset: u64, sink: &mut S) -> Result<(), S::Stop> {
        self.nesting.pop();
        self.state = State::AfterValue;
        sink.end(offset + 1, self.nesting.depth())
    }
}

impl State {
    /// Whether insignificant space may stand here.
    #[inline]
    const fn allows_space(self) -> bool {
        matches!(
            self,
            Self::Value | Self::FirstElement | Self::FirstKey | Self::Key | Self::Colon | Self::AfterValue
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &[u8]) -> bool {
        Scanner::scan(text, &mut Deaf).is_ok()
    }

    fn serde_accepts(text: &[u8]) -> bool {
        std::str::from_utf8(text)
            .is_ok_and(|text| serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok())
    }

    #[test]
    fn it_draws_the_line_where_serde_json_draws_it() {
        let texts: &[&[u8]] = &[
            b"",
            b" ",
            b"{}",
            b"[]",
            b" [ ] ",
            b"{\"a\":1}",
            b"{\"a\":1,}",
            b"{,}",
            b"[,]",
            b"[1,]",
            b"[1 2]",
            b"{\"a\"}",
            b"{\"a\" 1}",
            b"{1:2}",
            b"nul",
            b"null",
            b"nullx",
            b"truefalse",
            b"true",
            b"false",
            b"True",
            b"1",
            b"1 ",
            b"-",
            b"01",
            b"1.",
            b"1e",
            b"[1",
            b"[1]]",
            b"{]",
            b"[}",
            b"\"a",
            b"\"a\"",
            b"\"\\\"",
            b"\"\\x\"",
            b"\"\\u12g4\"",
            b"\"\\u12\"",
            b"\"\\ud800\"",
            b"\"\\ude00\\ud800\"",
            b"\"\x00\"",
            b"\"\x1f\"",
            b"\"\x7f\"",
            b"\"a\nb\"",
            b"\xef\xbb\xbf{}",
            b"\"\xc3\xa9\"",
            b"\"\xc3\"",
            b"\"\xed\xa0\x80\"",
            b"\xff",
            b"{} {}",
            b"{}\x00",
            b"\x0b1",
            b"[1]\x0c",
            b"\xc2\xa01",
            b"{\"a\":{\"b\":[{}]}}",
            b"'a'",
            b"// x\n1",
            b"NaN",
            b"Infinity",
            b"\"\\",
        ];
        for text in texts {
            assert_eq!(accepts(text), serde_accepts(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn faults_say_where_they_are() {
        let fault = Scanner::scan(b"{\"a\":tru}", &mut Deaf).unwrap_err();
        assert_eq!((fault.offset(), fault.to_string().as_str()), (8, "not JSON: unknown word at byte 8"));
        assert_eq!(Scanner::scan(b"[\"a\x01\"]", &mut Deaf).unwrap_err().offset(), 3);
        assert_eq!(Scanner::scan(b"[\"ab\xff\"]", &mut Deaf).unwrap_err().offset(), 4);
        assert_eq!(Scanner::scan(b"[1,", &mut Deaf).unwrap_err().offset(), 3);
    }

    #[test]
    fn depth_is_bounded_by_the_text_alone() {
        let depth = 1_000_000;
        let mut text = vec![b'['; depth];
        assert!(!accepts(&text));
        text.resize(depth * 2, b']');
        assert!(accepts(&text));
        text.push(b']');
        assert!(!accepts(&text));
    }
}
