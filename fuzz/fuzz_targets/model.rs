//! Any bytes as a model file: a model that is the same when it is written again, or an error with a reason and a remedy.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run model -- -max_len=4096 -timeout=20`. What it finds goes into
//! `fuzz/corpus/model`, which `cargo test --test hostile` replays.

#![no_main]

#[path = "../../tests/hostile/model_sound.rs"]
mod model_sound;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    model_sound::sound(&std::env::temp_dir(), bytes);
});
