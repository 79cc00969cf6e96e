//! Any text as a card: a card, or an error with a reason and a remedy.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run card -- -max_len=8192 -timeout=20`. What it finds goes into
//! `fuzz/corpus/card`, which `cargo test --test import` replays.

#![no_main]
#![allow(dead_code, reason = "the other half is of another target")]

#[path = "../../tests/import/weights_sound.rs"]
mod weights_sound;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    weights_sound::card(&std::env::temp_dir(), bytes);
});
