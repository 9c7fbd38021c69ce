//! A message over an upstream's socket.
#![no_main]

#[path = "../../tests/wire_props/agreement.rs"]
#[allow(dead_code, reason = "every target uses a part of it")]
mod agreement;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| agreement::upstream(bytes));
