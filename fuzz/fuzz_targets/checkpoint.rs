//! Any bytes as a checkpoint of PyTorch: tensors as large as they say, or an error with a reason and a remedy.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run checkpoint -- -max_len=8192 -timeout=20`. What it finds goes into
//! `fuzz/corpus/checkpoint`, which `cargo test --test import` replays.

#![no_main]

#[path = "../../tests/import/checkpoint_sound.rs"]
mod checkpoint_sound;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checkpoint_sound::sound(&std::env::temp_dir(), bytes);
});
