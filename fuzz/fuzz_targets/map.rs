//! Any bytes as rules from names to names: nothing panics, and what is refused is so with a reason.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run --features run map -- -max_len=4096 -timeout=20`. What it finds goes into
//! `fuzz/corpus/map`, which `cargo test --test hostile` replays.

#![no_main]

#[path = "../../tests/hostile/readers_sound.rs"]
mod readers_sound;

use std::sync::LazyLock;

/// In memory, where there is such a folder.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    readers_sound::map(FOLDER.path(), bytes);
});
