//! YAML as a tree that knows its lines.
//!
//! The only module that knows the YAML parser. It reads events instead of deserialising into structs,
//! because one reader must report every problem of a file, each with its line, and not stop at the first.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use super::problem::Report;

/// Lists and mappings inside each other. A profile needs seven.
const MAX_DEPTH: usize = 64;
/// Nodes of one document, aliases expanded: what keeps a small file from filling the memory.
const MAX_NODES: usize = 200_000;

/// A value and the line it starts on.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A scalar without quotes, whose type is in its spelling.
    Plain(String),
    /// A scalar that is a string whatever it looks like.
    Quoted(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One line of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn null(line: usize) -> Self {
        Self { line, value: Value::Plain(String::new()) }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Plain(text) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match &self.value {
            Value::Plain(text) => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn as_int(&self) -> Option<i128> {
        let Value::Plain(text) = &self.value else { return None };
        let (radix, digits) = match text.get(..2) {
            Some("0x") => (16, &text[2..]),
            Some("0o") => (8, &text[2..]),
            _ => return text.parse().ok(),
        };
        // `from_str_radix` would accept a sign here, YAML does not.
        if digits.starts_with(['+', '-']) { None } else { i128::from_str_radix(digits, radix).ok() }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        let Value::Plain(text) = &self.value else { return None };
        // The words that Rust reads as numbers are strings in YAML.
        let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        text.parse().ok().filter(|_| numeric)
    }

    /// The text of any scalar but null.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Plain(text) if !self.is_null() => Some(text),
            Value::Quoted(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar that is a string.
    pub(super) fn as_string(&self) -> Option<&str> {
        let typed = self.as_bool().is_some() || self.as_int().is_some() || self.as_float().is_some();
        self.as_text().filter(|_| !typed)
    }

    pub(super) fn as_list(&self) -> Option<&[Self]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    pub(super) fn as_map(&self) -> Option<&[Entry]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// What kind of value it is, without showing it.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            _ if self.as_bool().is_some() => "a boolean",
            _ if self.as_int().is_some() || self.as_float().is_some() => "a number",
            Value::Plain(_) | Value::Quoted(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The line of the key path, or of the nearest thing above it that the document has.
    pub(super) fn line_of(&self, path: &str) -> usize {
        self.step(path).unwrap_or(self.line)
    }

    fn step(&self, path: &str) -> Option<usize> {
        if path.is_empty() {
            return Some(self.line);
        }
        if let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
            let item = self.as_list()?.get(index.parse::<usize>().ok()?)?;
            return Some(item.line_of(rest));
        }
        // Keys may hold dots, so the longest one that fits is meant.
        let path = path.strip_prefix('.').unwrap_or(path);
        let fits = |entry: &&Entry| {
            path.strip_prefix(entry.key.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let entry = self.as_map()?.iter().filter(fits).max_by_key(|entry| entry.key.len())?;
        let rest = &path[entry.key.len()..];
        if rest.is_empty() { Some(entry.line) } else { Some(entry.node.step(rest).unwrap_or(entry.line)) }
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Plain(_) | Value::Quoted(_) => 0,
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.count()).sum(),
        }
    }

    fn report_duplicates(&self, path: &str, report: &mut Report<'_>) {
        match &self.value {
            Value::Plain(_) | Value::Quoted(_) => {}
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.report_duplicates(&format!("{path}[{index}]"), report);
                }
            }
            Value::Map(entries) => {
                let mut lines: HashMap<&str, usize> = HashMap::new();
                for entry in entries {
                    let path = join(path, &entry.key);
                    if let Some(first) = lines.insert(&entry.key, entry.line) {
                        let message = format!("the key stands in line {first} already; a key may occur once");
                        report.error(entry.line, &path, "duplicate_key", message);
                    }
                    entry.node.report_duplicates(&path, report);
                }
            }
        }
    }
}

/// Adds a key to a key path.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Reads a text that holds one YAML document, whose first line is line `first_line` of the file.
///
/// Returns `None` where the text is no YAML; the report says why and where.
pub(super) fn parse(text: &str, first_line: usize, report: &mut Report<'_>) -> Option<Node> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        skipped: first_line.saturating_sub(1),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
    };
    match reader.run() {
        Ok(root) => {
            root.report_duplicates("", report);
            Some(root)
        }
        Err((line, message)) => {
            report.error(line, "", "invalid_yaml", message);
            None
        }
    }
}

/// A line and what is wrong there.
type Refusal = (usize, String);

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    skipped: usize,
    /// The collections around the current event.
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

struct Open {
    line: usize,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, usize)> },
}

impl Reader<'_> {
    fn run(&mut self) -> Result<Node, Refusal> {
        let mut documents = 0;
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|error| {
                (self.skipped + error.marker().line(), format!("no valid YAML: {}", error.info()))
            })?;
            let line = self.skipped + span.start.line();
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err((line, "a second YAML document starts here; allowed is one".to_owned()));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let text = text.into_owned();
                    let string = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                    let value = if style == ScalarStyle::Plain && !string {
                        Value::Plain(text)
                    } else {
                        Value::Quoted(text)
                    };
                    self.add(Node { line, value }, anchor)?;
                }
                Event::Alias(anchor) => {
                    let node = self.anchors.get(&anchor).cloned();
                    let node =
                        node.ok_or_else(|| (line, "an alias stands inside its own anchor".to_owned()))?;
                    self.nodes += node.count();
                    self.add(node, 0)?;
                }
                Event::SequenceStart(anchor, _) => self.open(line, anchor, Items::List(Vec::new()))?,
                Event::MappingStart(anchor, _) => {
                    self.open(line, anchor, Items::Map { entries: Vec::new(), key: None })?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(Open { line, anchor, items }) = self.open.pop() else { continue };
                    let value = match items {
                        Items::List(items) => Value::List(items),
                        Items::Map { entries, .. } => Value::Map(entries),
                    };
                    self.add(Node { line, value }, anchor)?;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(self.root.take().unwrap_or_else(|| Node::null(self.skipped + 1)))
    }

    fn open(&mut self, line: usize, anchor: usize, items: Items) -> Result<(), Refusal> {
        if self.open.len() >= MAX_DEPTH {
            return Err((line, format!("found more than {MAX_DEPTH} levels of nesting")));
        }
        self.open.push(Open { line, anchor, items });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Refusal> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err((node.line, format!("found more than {MAX_NODES} values, aliases included")));
        }
        // The parser numbers anchors from 1.
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map { entries, key }) => match key.take() {
                Some((key, line)) => entries.push(Entry { key, line, node }),
                None => match node.value {
                    Value::Plain(text) | Value::Quoted(text) => *key = Some((text, node.line)),
                    _ => {
                        return Err((
                            node.line,
                            "found a list or a mapping as a key; allowed is a name".to_owned(),
                        ));
                    }
                },
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::environment::Environment;
    use super::*;

    fn read(text: &str, first_line: usize) -> (Option<Node>, Vec<String>) {
        let environment = Environment::default();
        let mut report = Report::new("f", &environment);
        let node = parse(text, first_line, &mut report);
        (node, report.problems.iter().map(ToString::to_string).collect())
    }

    fn scalar(text: &str) -> Node {
        read(&format!("k: {text}"), 1).0.unwrap().as_map().unwrap()[0].node.clone()
    }

    #[test]
    fn a_key_path_finds_its_line() {
        let text = "a:\n  b.c:\n    - x: 1\n      y: [1,\n        2]\n    - z\n  b: 3\n";
        let node = read(text, 11).0.unwrap();
        let cases = [
            ("a", 11),
            ("a.b.c", 12),
            ("a.b.c[0]", 13),
            ("a.b.c[0].y", 14),
            ("a.b.c[0].y[1]", 15),
            ("a.b.c[0].nothing.below", 13),
            ("a.b.c[7].x", 12),
            ("a.b", 17),
            ("nothing", 11),
        ];
        for (path, line) in cases {
            assert_eq!(node.line_of(path), line, "{path}");
        }
    }

    #[test]
    fn a_plain_scalar_has_the_type_of_its_spelling() {
        for null in ["", "~", "null"] {
            assert!(scalar(null).is_null() && scalar(null).as_text().is_none(), "{null}");
        }
        for (text, int) in [("0", 0), ("-7", -7), ("0x1F", 31), ("0o17", 15), ("+3", 3)] {
            assert_eq!(scalar(text).as_int(), Some(int), "{text}");
        }
        for string in ["yes", "inf", "nan", "0x", "1_000", "'1'", "\"true\"", "!!str 1", "0x-1"] {
            let node = scalar(string);
            assert!(node.as_string().is_some(), "{string}");
            assert!(
                node.as_int().is_none() && node.as_bool().is_none() && node.as_float().is_none(),
                "{string}"
            );
        }
        assert_eq!(scalar("1.5e1").as_float(), Some(15.0));
        assert_eq!(scalar("True").as_bool(), Some(true));
    }

    #[test]
    fn duplicate_keys_are_reported_where_they_stand() {
        let (node, problems) = read("a: 1\nb: [{c: 1, c: 2}]\na: 3\n", 1);
        assert!(node.is_some());
        assert_eq!(
            problems,
            [
                "f:2: b[0].c: the key stands in line 2 already; a key may occur once [duplicate_key]",
                "f:3: a: the key stands in line 1 already; a key may occur once [duplicate_key]",
            ]
        );
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_line() {
        let cases = [
            ("a: 1\n b: 2\n", 6),
            ("a: [1\n", 6),
            ("a: 1\n---\nb: 1\n", 6),
            ("? [a]\n: 1\n", 5),
            ("a: &x [*x]", 5),
        ];
        for (text, line) in cases {
            let (node, problems) = read(text, 5);
            assert!(node.is_none(), "{text}");
            assert!(problems[0].starts_with(&format!("f:{line}: ")), "{text}: {problems:?}");
        }
    }

    #[test]
    fn aliases_are_copies_and_a_bomb_is_refused() {
        let (node, problems) = read("a: &x {b: 1}\nc: *x\n", 1);
        assert!(problems.is_empty());
        assert_eq!(node.unwrap().line_of("c.b"), 1);

        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let (node, problems) = read(&bomb, 1);
        assert!(node.is_none());
        assert!(problems[0].contains("aliases included"), "{problems:?}");
        assert!(read(&"[".repeat(10_000), 1).0.is_none());
        assert!(read(&"- ".repeat(10_000), 1).0.is_none());
    }
}
