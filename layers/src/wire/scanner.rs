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
            // No character is cut in two here: bytes beyond ASCII stand in strings alone, and none is open.
            State::AfterValue if self.nesting.depth() == 0 => Ok(()),
            _ => Err(Syntax::new(self.position, "unexpected end").into()),
        }
    }

    fn step<S: Sink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), S::Stop> {
        let base = self.position;
        // In a register rather than in `self`: the next byte waits for it.
        let mut state = self.state;
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            let offset = base + at as u64;
            at += 1;
            state = match (state, byte) {
                (State::Value | State::FirstElement, b'"') => {
                    sink.begin(offset, byte, self.nesting.depth())?;
                    at += text::plain_len(&piece[at..]);
                    // Most strings lie in one piece and have no escape.
                    if piece.get(at) == Some(&b'"') {
                        at += 1;
                        sink.end(base + at as u64, self.nesting.depth())?;
                        State::AfterValue
                    } else {
                        State::Text(Role::Value)
                    }
                }
                (State::Value | State::FirstElement, b'{') => {
                    sink.begin(offset, byte, self.nesting.depth())?;
                    self.nesting.push(Container::Object);
                    State::FirstKey
                }
                (State::Value | State::FirstElement, b'[') => {
                    sink.begin(offset, byte, self.nesting.depth())?;
                    self.nesting.push(Container::Array);
                    State::FirstElement
                }
                (State::FirstElement, b']') | (State::FirstKey, b'}') => {
                    self.nesting.pop();
                    sink.end(offset + 1, self.nesting.depth())?;
                    State::AfterValue
                }
                (State::FirstKey | State::Key, b'"') => {
                    sink.key_begin(offset, self.nesting.depth());
                    at += text::plain_len(&piece[at..]);
                    if piece.get(at) == Some(&b'"') {
                        at += 1;
                        sink.key_end(base + at as u64, self.nesting.depth())?;
                        State::Colon
                    } else {
                        State::Text(Role::Key)
                    }
                }
                (State::Colon, b':') => State::Value,
                (State::AfterValue, b',') => match self.nesting.innermost() {
                    Some(Container::Object) => State::Key,
                    Some(Container::Array) => State::Value,
                    None => return Err(state.fault(offset).into()),
                },
                (State::AfterValue, b'}' | b']') => {
                    let closed = if byte == b'}' { Container::Object } else { Container::Array };
                    if self.nesting.innermost() != Some(closed) {
                        return Err(state.fault(offset).into());
                    }
                    self.nesting.pop();
                    sink.end(offset + 1, self.nesting.depth())?;
                    State::AfterValue
                }
                (State::Number(number), _) => match number.next(byte) {
                    Some(next) => State::Number(next),
                    // Anything else is a fault of the number itself. Were it ended first, the head of a character
                    // that turns out not to be UTF-8 would end it in one cut of the text and not in another.
                    None if number.is_complete() && ends_number(byte) => {
                        at -= 1;
                        sink.end(offset, self.nesting.depth())?;
                        State::AfterValue
                    }
                    None => return Err(state.fault(offset).into()),
                },
                (State::Text(role), _) => {
                    at -= 1;
                    at += text::plain_len(&piece[at..]);
                    match (piece.get(at), role) {
                        (None, _) => state,
                        (Some(b'\\'), _) => {
                            at += 1;
                            State::Escape(role)
                        }
                        (Some(b'"'), Role::Key) => {
                            at += 1;
                            sink.key_end(base + at as u64, self.nesting.depth())?;
                            State::Colon
                        }
                        (Some(b'"'), Role::Value) => {
                            at += 1;
                            sink.end(base + at as u64, self.nesting.depth())?;
                            State::AfterValue
                        }
                        (Some(_), _) => return Err(state.fault(base + at as u64).into()),
                    }
                }
                (State::Escape(role), b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                    State::Text(role)
                }
                (State::Escape(role), b'u') => State::Hex(4, role),
                (State::Hex(left, role), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    if left == 1 {
                        State::Text(role)
                    } else {
                        State::Hex(left - 1, role)
                    }
                }
                (State::Literal([expected]), _) if byte == *expected => {
                    sink.end(offset + 1, self.nesting.depth())?;
                    State::AfterValue
                }
                (State::Literal([expected, rest @ ..]), _) if byte == *expected => State::Literal(rest),
                (state, b' ' | b'\n' | b'\r' | b'\t') if state.allows_space() => state,
                (State::Value | State::FirstElement, _) => {
                    let Some(scalar) = State::scalar(byte) else { return Err(state.fault(offset).into()) };
                    sink.begin(offset, byte, self.nesting.depth())?;
                    scalar
                }
                (_, _) => return Err(state.fault(offset).into()),
            };
        }
        self.state = state;
        self.position = base + piece.len() as u64;
        Ok(())
    }
}

impl State {
    /// The state after the first byte of a number or a literal.
    #[inline]
    fn scalar(first: u8) -> Option<Self> {
        match first {
            b't' => Some(Self::Literal(b"rue")),
            b'f' => Some(Self::Literal(b"alse")),
            b'n' => Some(Self::Literal(b"ull")),
            _ => Number::start(first).map(Self::Number),
        }
    }

    /// Whether insignificant space may stand here.
    #[inline]
    const fn allows_space(self) -> bool {
        matches!(
            self,
            Self::Value | Self::FirstElement | Self::FirstKey | Self::Key | Self::Colon | Self::AfterValue
        )
    }

    /// What is wrong with the byte at `offset`, which cannot stand here.
    #[cold]
    const fn fault(self, offset: u64) -> Syntax {
        let problem = match self {
            Self::Value | Self::FirstElement => "expected a value",
            Self::FirstKey | Self::Key => "expected a key",
            Self::Colon => "expected `:`",
            Self::AfterValue => "expected `,` or the end",
            Self::Text(_) => "control character in a string",
            Self::Escape(_) => "unknown escape",
            Self::Hex(..) => "expected a hexadecimal digit",
            Self::Number(_) => "malformed number",
            Self::Literal(_) => "unknown word",
        };
        Syntax::new(offset, problem)
    }
}

/// Whether `byte` may follow a number.
#[inline]
const fn ends_number(byte: u8) -> bool {
    matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t')
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
