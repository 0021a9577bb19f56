//! Any bytes as the event of an invocation: the first says what the handler does, the rest is JSON.

#![no_main]

#[path = "../../tests/responder/property.rs"]
mod property;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/responder/support.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

use property::Outcome;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, json)) = bytes.split_first() else {
        return;
    };
    let Ok(event) = serde_json::from_slice::<Value>(json) else {
        return;
    };
    // The handler, too, may say anything that comes from outside.
    let text = event.to_string();
    let outcome = match choice % 5 {
        0 => Outcome::Success(text.clone(), event.clone()),
        1 => Outcome::Failure(text),
        2 => Outcome::Resumable(text),
        3 => Outcome::Panic(text),
        _ => Outcome::Hang,
    };
    property::check(event, outcome);
});
