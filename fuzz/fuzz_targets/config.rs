//! Any bytes as a run config: one that is the same when it is written again, or an error: nothing panics, and what is refused is so with a reason.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run --features run config -- -max_len=4096 -timeout=20`. What it finds goes into
//! `fuzz/corpus/config`, which `cargo test --test hostile` replays.

#![no_main]

#[path = "../../tests/hostile/readers_sound.rs"]
mod readers_sound;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    readers_sound::config(bytes);
});
