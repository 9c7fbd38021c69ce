//! The parameters of a request.

use super::raw::{Elements, RawJson};

/// What was written for `params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamsKind {
    /// No such member.
    Absent,
    /// `null`, which means the same as no member.
    Null,
    /// Parameters by position.
    Array,
    /// Sent upstream as the only parameter.
    Object,
    /// A string, number or boolean; sent upstream as the only parameter.
    Scalar,
}

/// The parameters of a request, read where they lie.
///
/// Positions are those that the upstream will see: nothing and `null` are no parameters, an array is its elements, and
/// anything else is the one parameter there is.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a>(Option<RawJson<'a>>);

impl<'a> Params<'a> {
    /// The value of the `params` member, if there is one.
    #[must_use]
    pub const fn new(value: Option<RawJson<'a>>) -> Self {
        Self(value)
    }

    /// What was written.
    #[must_use]
    pub fn kind(self) -> ParamsKind {
        match self.0 {
            None => ParamsKind::Absent,
            Some(value) if value.is_null() => ParamsKind::Null,
            Some(value) if value.is_array() => ParamsKind::Array,
            Some(value) if value.is_object() => ParamsKind::Object,
            Some(_) => ParamsKind::Scalar,
        }
    }

    /// The value as it was written; `None` when there is no such member.
    #[must_use]
    pub fn raw(self) -> Option<&'a [u8]> {
        self.0.map(RawJson::bytes)
    }

    /// Whether there are no parameters: no member, `null` or `[]`.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// How many parameters there are. Walks over all of them.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// The parameter at a position, counted from 0. Walks over those before it.
    #[must_use]
    pub fn nth(self, position: usize) -> Option<RawJson<'a>> {
        self.iter().nth(position)
    }

    /// The last parameter. Walks over all of them.
    #[must_use]
    pub fn last(self) -> Option<RawJson<'a>> {
        self.iter().last()
    }

    /// All parameters in order.
    pub fn iter(self) -> impl Iterator<Item = RawJson<'a>> + use<'a> {
        let (elements, single): (Option<Elements<'a>>, _) = match self.kind() {
            ParamsKind::Absent | ParamsKind::Null => (None, None),
            ParamsKind::Array => (self.0.map(RawJson::elements), None),
            ParamsKind::Object | ParamsKind::Scalar => (None, self.0),
        };
        elements.into_iter().flatten().chain(single)
    }

    /// Appends the array that the upstream gets.
    pub(super) fn write_array(self, out: &mut Vec<u8>) {
        match (self.kind(), self.raw()) {
            (ParamsKind::Array, Some(raw)) => out.extend_from_slice(raw),
            (ParamsKind::Object | ParamsKind::Scalar, Some(raw)) => {
                out.push(b'[');
                out.extend_from_slice(raw);
                out.push(b']');
            }
            _ => out.extend_from_slice(b"[]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params<'_> {
        Params::new(Some(RawJson::parse(text.as_bytes()).unwrap()))
    }

    fn array(params: Params<'_>) -> String {
        let mut out = Vec::new();
        params.write_array(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_becomes_an_array() {
        assert_eq!(array(Params::new(None)), "[]");
        assert_eq!(array(params("null")), "[]");
        assert_eq!(array(params("[ 1 ,\t2]")), "[ 1 ,\t2]");
        assert_eq!(array(params("{\"a\" :1}")), "[{\"a\" :1}]");
        assert_eq!(array(params("{}")), "[{}]");
        assert_eq!(array(params("\"x\"")), "[\"x\"]");
        assert_eq!(array(params("false")), "[false]");
    }

    #[test]
    fn positions_are_those_of_that_array() {
        let three = params(r#"[{"to":"0x1"}, "latest", null]"#);
        assert_eq!((three.kind(), three.len(), three.is_empty()), (ParamsKind::Array, 3, false));
        assert_eq!(three.nth(1).unwrap().as_str().unwrap(), "latest");
        assert!(three.last().unwrap().is_null());
        assert_eq!(three.nth(3), None);

        let one = params(r#"{"to":"0x1"}"#);
        assert_eq!((one.kind(), one.len(), one.is_empty()), (ParamsKind::Object, 1, false));
        assert_eq!(one.nth(0), one.last());
        assert_eq!((params("1").kind(), params("1").len()), (ParamsKind::Scalar, 1));

        for (empty, kind) in [
            (Params::new(None), ParamsKind::Absent),
            (params("null"), ParamsKind::Null),
            (params("[ ]"), ParamsKind::Array),
        ] {
            assert_eq!((empty.kind(), empty.len(), empty.is_empty()), (kind, 0, true));
            assert_eq!(empty.last(), None);
        }
    }
}
