//! A body of an upstream. The first byte is the size of the pieces it arrives in.
#![no_main]

#[path = "../../tests/wire_props/agreement.rs"]
#[allow(dead_code, reason = "every target uses a part of it")]
mod agreement;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [size, body @ ..] = bytes {
        agreement::reply(body, usize::from(*size));
    }
});
