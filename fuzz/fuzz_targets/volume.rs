//! Any bytes as a volume: one that can be turned, described and written on, or an error with the file's name, a reason and a remedy.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run volume -- -max_len=4096 -timeout=20 -rss_limit_mb=512`. What it finds goes into
//! `fuzz/corpus/volume`, which `cargo test --test volumes` replays.

#![no_main]

#[path = "../../tests/volumes/sound.rs"]
mod sound;

use std::sync::LazyLock;

/// In memory, where there is such a folder.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sound::sound(FOLDER.path(), bytes);
});
