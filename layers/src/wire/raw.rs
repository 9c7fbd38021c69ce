//! Looking into a JSON value that is already known to be valid.

use std::{borrow::Cow, fmt, str};

use super::{
    number,
    scanner::{Deaf, Scanner, Syntax},
    text,
};

/// One valid JSON value, as it was written.
///
/// Access walks the bytes and skips what is not asked for, without checking it again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawJson<'a>(&'a [u8]);

impl<'a> RawJson<'a> {
    /// Checks a text and takes the value in it, without the space around it.
    ///
    /// # Errors
    ///
    /// When the text is not exactly one JSON value.
    pub fn parse(text: &'a [u8]) -> Result<Self, Syntax> {
        Scanner::scan(text, &mut Deaf)?;
        Ok(Self::trusted(text))
    }

    /// Takes a value out of bytes that are known to be valid. On other bytes answers are meaningless, but nothing
    /// panics and every walk ends.
    pub(super) fn trusted(bytes: &'a [u8]) -> Self {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
        Self(&bytes[start..end])
    }

    /// The value as it was written, without space around it.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// Whether it is an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        self.0.first() == Some(&b'[')
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Whether it is a number without fraction and exponent.
    #[must_use]
    pub fn is_integer(self) -> bool {
        number::is_integer(self.0)
    }

    /// What a string says; `None` for other kinds. Half of a surrogate pair becomes U+FFFD.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        (self.0.first() == Some(&b'"')).then(|| text::unescape(self.0))
    }

    /// An integer that fits; `None` for other kinds, and for numbers with a fraction or an exponent.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.integer()?.parse().ok()
    }

    /// An integer that fits; `None` for other kinds, and for numbers with a fraction or an exponent.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        self.integer()?.parse().ok()
    }

    /// `true` or `false`; `None` for other kinds.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// A member of an object by its unescaped name; `None` for other kinds. The last of several wins.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Self> {
        self.members().filter(|(key, _)| key == name).last().map(|(_, value)| value)
    }

    /// The elements of an array; none for other kinds.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        Elements(Walk::inside(self, b'['))
    }

    /// The members of an object in the order of the text, repeated names included; none for other kinds.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members(Walk::inside(self, b'{'))
    }

    fn integer(self) -> Option<&'a str> {
        if self.is_integer() { str::from_utf8(self.0).ok() } else { None }
    }
}

impl fmt::Debug for RawJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}

/// The elements of an array, see [`RawJson::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a>(Walk<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = RawJson<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.separator();
        self.0.value()
    }
}

/// The members of an object, see [`RawJson::members`].
#[derive(Clone, Debug)]
pub struct Members<'a>(Walk<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, RawJson<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.separator();
        let key = self.0.value()?.as_str()?;
        self.0.separator();
        Some((key, self.0.value()?))
    }
}

/// A place in the text of a container.
#[derive(Clone)]
struct Walk<'a>(&'a [u8]);

impl<'a> Walk<'a> {
    fn inside(container: RawJson<'a>, open: u8) -> Self {
        Self(container.0.strip_prefix(&[open]).unwrap_or_default())
    }

    /// Skips space, and the comma or colon in it.
    fn separator(&mut self) {
        let is_between = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b':');
        let start = self.0.iter().position(|byte| !is_between(byte)).unwrap_or(self.0.len());
        self.0 = &self.0[start..];
    }

    /// Takes the value that begins here, if one does.
    fn value(&mut self) -> Option<RawJson<'a>> {
        let (value, rest) = self.0.split_at(value_len(self.0));
        self.0 = rest;
        if value.is_empty() { None } else { Some(RawJson(value)) }
    }
}

impl fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes left", self.0.len())
    }
}

/// Length of the value at the front of `bytes`; 0 where none begins.
fn value_len(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'"') => string_len(bytes),
        Some(b'[' | b'{') => container_len(bytes),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b':' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
            bytes.iter().position(ends).unwrap_or(bytes.len())
        }
    }
}

/// Length of the string at the front of `bytes`, quotes included.
fn string_len(bytes: &[u8]) -> usize {
    let mut len = 1;
    while let Some(found) = bytes.get(len..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        len += found;
        if bytes[len] == b'"' {
            return len + 1;
        }
        len += 2;
    }
    bytes.len()
}

/// Length of the array or object at the front of `bytes`. Brackets of a valid text match, so counting them is enough.
fn container_len(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += string_len(&bytes[at..]);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth <= 1 => return at + 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawJson<'_> {
        RawJson::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn elements_keep_their_text() {
        let array = raw(r#" [ 1 , "a,\"]" ,[[2],{"k":"]"}], {} ,null,-1.5e3 ] "#);
        let elements: Vec<_> = array.elements().map(RawJson::bytes).collect();
        let expected: [&[u8]; 6] = [b"1", br#""a,\"]""#, br#"[[2],{"k":"]"}]"#, b"{}", b"null", b"-1.5e3"];
        assert_eq!(elements, expected);
        assert_eq!(raw("[]").elements().count(), 0);
        assert_eq!(raw("{\"a\":1}").elements().count(), 0);
        assert_eq!(raw("7").elements().count(), 0);
    }

    #[test]
    fn the_last_of_several_members_wins() {
        let object = raw(r#"{"a":1, "\u0061" : [2] ,"b":{"a":3}}"#);
        assert_eq!(object.member("a").unwrap().bytes(), b"[2]");
        assert_eq!(object.member("b").unwrap().member("a").unwrap().as_u64(), Some(3));
        assert_eq!(object.member("c"), None);
        assert_eq!(raw("[\"a\",1]").member("a"), None);
        assert_eq!(object.members().map(|(key, _)| key.into_owned()).collect::<Vec<_>>(), ["a", "a", "b"]);
    }

    #[test]
    fn scalars_are_read_by_kind() {
        assert_eq!(raw("\"0x1\\n\"").as_str().unwrap(), "0x1\n");
        assert_eq!(raw("12").as_str(), None);
        assert_eq!(raw("18446744073709551615").as_u64(), Some(u64::MAX));
        assert_eq!(raw("18446744073709551616").as_u64(), None);
        assert_eq!(raw("1.0").as_u64(), None);
        assert_eq!(raw("\"1\"").as_u64(), None);
        assert_eq!(raw("-32000").as_i64(), Some(-32000));
        assert_eq!(
            (raw("true").as_bool(), raw("false").as_bool(), raw("null").as_bool()),
            (Some(true), Some(false), None)
        );
        assert!(raw(" null ").is_null());
    }

    #[test]
    fn untrusted_bytes_neither_panic_nor_loop() {
        for text in [
            "", "[", "{", "[\"", "[\"\\", "{\"a", "{\"a\"", "{\"a\":", "[:]", "[1:2]", "[}", "]", "[,,",
            "{1:2}", "[\u{1}",
        ] {
            let raw = RawJson::trusted(text.as_bytes());
            assert!(raw.elements().count() <= text.len());
            assert!(raw.members().count() <= text.len());
        }
    }
}
