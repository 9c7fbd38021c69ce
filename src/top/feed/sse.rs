//! Server-sent events ([HTML, section 9.2.6](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)),
//! as far as a reader needs them that makes its connections itself: the fields `id` and `retry` are passed over.

/// The longest event that is taken, in bytes: many times a snapshot of a thousand providers.
const LONGEST: usize = 16 * 1024 * 1024;

/// What was told at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Empty where it has none.
    pub(super) name: String,
    pub(super) data: String,
}

/// An event is longer than anybody has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Puts events together from whatever pieces they come in.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return, so a line feed after it ends no further line.
    after_return: bool,
    /// A byte order mark is passed over in the first line only.
    is_past_first_line: bool,
    event: Event,
}

impl Parser {
    /// Reads on, and adds what is complete.
    ///
    /// # Errors
    ///
    /// When an event does not end.
    pub(super) fn read(&mut self, bytes: &[u8], into: &mut impl Extend<Event>) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => into.extend(self.end_of_line()),
                _ => self.line.push(byte),
            }
        }
        if self.line.len() + self.event.data.len() > LONGEST { Err(TooLong) } else { Ok(()) }
    }

    fn end_of_line(&mut self) -> Option<Event> {
        let line = String::from_utf8_lossy(&self.line);
        let mut line = &*line;
        if !std::mem::replace(&mut self.is_past_first_line, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        let mut finished = None;
        if line.is_empty() {
            let mut event = std::mem::take(&mut self.event);
            // Each line of data was given an end; that of the last one does not belong to it. Nothing is told without data.
            if event.data.pop().is_some() {
                finished = Some(event);
            }
        } else {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event.name),
                "data" => {
                    self.event.data.push_str(value);
                    self.event.data.push('\n');
                }
                _ => {}
            }
        }
        self.line.clear();
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    fn all(text: &str) -> Vec<Event> {
        let mut events = Vec::new();
        Parser::default().read(text.as_bytes(), &mut events).unwrap();
        events
    }

    #[test]
    fn events_end_with_an_empty_line() {
        let text = "event: snapshot\ndata: {\"seq\":0}\n\nevent: heartbeat\ndata: {\"now\":1}\n\ndata: half";
        assert_eq!(all(text), [event("snapshot", r#"{"seq":0}"#), event("heartbeat", r#"{"now":1}"#)]);
    }

    #[test]
    fn all_three_line_ends_are_meant() {
        assert_eq!(all("data: a\r\n\r\ndata: b\r\rdata: c\n\n"), ["a", "b", "c"].map(|data| event("", data)));
    }

    #[test]
    fn lines_of_data_are_joined_and_one_blank_is_taken_away() {
        assert_eq!(all("data:a\ndata:  b\ndata\n\n"), [event("", "a\n b\n")]);
    }

    #[test]
    fn comments_other_fields_and_events_without_data_are_passed_over() {
        assert_eq!(all("\u{feff}: hello\nid: 1\nretry: 5\nevent: x\n\ndata: y\n\n"), [event("", "y")]);
    }

    #[test]
    fn pieces_of_any_size_make_the_same_events() {
        let text = "event: e\r\ndata: \u{1f980}\r\n\r\n: c\n\ndata: 2\n\n";
        for size in 1..text.len() {
            let (mut parser, mut events) = (Parser::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                parser.read(piece, &mut events).unwrap();
            }
            assert_eq!(events, [event("e", "\u{1f980}"), event("", "2")], "{size}");
        }
    }

    #[test]
    fn what_does_not_end_is_given_up() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        let piece = vec![b'x'; LONGEST];
        assert_eq!(parser.read(&piece, &mut events), Ok(()));
        assert_eq!(parser.read(b"x", &mut events), Err(TooLong));
    }
}
