//! The picture as text. After a change of it, `LASSO_TEST_BLESS=1` writes the new ones into `snapshots/`.

use std::fs;
use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::style::Color;

use super::*;
use crate::top::feed::{Trouble, Update};
use crate::top::tests::{message, model};

fn picture(size: (u16, u16), model: &Model, screen: &Screen, palette: Palette) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, model, screen, palette)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let lines = buffer.content().chunks(width);
    let line =
        |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    lines.map(|cells| line(cells).trim_end().to_owned() + "\n").collect()
}

fn pressed(model: &Model, keys: &[KeyCode]) -> Screen {
    let mut screen = Screen::default();
    for key in keys {
        screen.press(KeyEvent::from(*key), model);
    }
    screen
}

#[track_caller]
fn assert_picture(name: &str, size: (u16, u16), model: &Model, keys: &[KeyCode]) {
    let shown = text(&picture(size, model, &pressed(model, keys), Palette::Colored));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/top/view/snapshots/{name}.txt"));
    if std::env::var_os("LASSO_TEST_BLESS").is_some() {
        fs::write(&path, &shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn a_small_terminal() {
    assert_picture("80x24", (80, 24), &model(), &[]);
}

#[test]
fn a_large_terminal() {
    assert_picture("120x40", (120, 40), &model(), &[KeyCode::Down]);
}

#[test]
fn a_provider_in_detail() {
    let keys = [KeyCode::Down, KeyCode::Down, KeyCode::Enter];
    assert_picture("details", (80, 24), &model(), &keys);
}

#[test]
fn a_chain_in_detail() {
    assert_picture("chain", (80, 24), &model(), &[KeyCode::Enter]);
}

#[test]
fn the_keys() {
    assert_picture("help", (80, 24), &model(), &[KeyCode::Char('?')]);
}

#[test]
fn a_lost_connection_is_told_and_the_rest_stays() {
    let mut model = model();
    model.apply(Update::Lost(Trouble::new("http://h/: Connection refused")));
    assert_picture("lost", (80, 24), &model, &[]);
}

#[test]
fn the_selected_line_is_in_sight_however_many_there_are() {
    let mut model = model();
    for number in 0..100 {
        let provider = format!(
            r#"{{"now":1,"providers":[{{"key":"base/p{number}","chain":"base","id":"p{number}","status":"healthy"}}]}}"#
        );
        model.apply(message("batch", &provider));
    }
    for keys in [&[KeyCode::End][..], &[KeyCode::End, KeyCode::Home]] {
        let screen = pressed(&model, keys);
        let shown = text(&picture((80, 24), &model, &screen, Palette::Plain));
        let position = screen.position(&rows(&model));
        let selected = Column::Name.text(rows(&model)[position]);
        assert!(shown.contains(&format!("> {selected}")), "{shown}");
        assert!(shown.contains("Activity"), "{shown}");
    }
}

#[test]
fn any_size_will_do() {
    let model = model();
    for keys in [&[][..], &[KeyCode::Enter], &[KeyCode::Char('?')]] {
        let screen = pressed(&model, keys);
        for (width, height) in
            (0..130).step_by(7).flat_map(|width| (0..42).step_by(3).map(move |height| (width, height)))
        {
            picture((width, height), &model, &screen, Palette::Plain);
        }
    }
}

#[test]
fn bad_news_is_red_where_colours_are_wanted_and_a_word_everywhere() {
    let model = model();
    for palette in [Palette::Colored, Palette::Plain] {
        let buffer = picture((80, 24), &model, &Screen::default(), palette);
        assert!(text(&buffer).contains("circuit open"));
        let is_red = |cell: &ratatui::buffer::Cell| cell.fg == Color::Red;
        let has_color = |cell: &ratatui::buffer::Cell| cell.fg != Color::Reset || cell.bg != Color::Reset;
        assert_eq!(buffer.content().iter().any(is_red), palette == Palette::Colored);
        assert_eq!(buffer.content().iter().any(has_color), palette == Palette::Colored);
    }
}

#[test]
fn nobody_gets_at_the_terminal_by_a_name() {
    let mut model = model();
    model.apply(message(
        "snapshot",
        r#"{"now":1,"profile":"p\u001b[2J","chains":[{"key":"c\u001b[31m","name":"n\u0007"}],"providers":[],
            "events":[{"kind":"block","ts":1,"chain":"c\u001b]0;x\u0007","height":1,"provider":"p\n\r"}]}"#,
    ));
    for keys in [&[][..], &[KeyCode::Enter]] {
        let buffer = picture((80, 24), &model, &pressed(&model, keys), Palette::Colored);
        assert!(!buffer.content().iter().any(|cell| cell.symbol().contains(char::is_control)));
    }
}
