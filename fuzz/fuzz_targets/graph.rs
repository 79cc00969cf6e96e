//! Any bytes as a graph: a program whose resolved text is the same program, or errors with places inside the text.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run graph -- -max_len=4096 -timeout=20`. What it finds goes into
//! `fuzz/corpus/graph`, which `cargo test --test hostile` replays.

#![no_main]

#[path = "../../tests/hostile/sound.rs"]
mod sound;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sound::sound("fuzz.ron", &String::from_utf8_lossy(bytes));
});
