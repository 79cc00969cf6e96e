//! Any bytes as a prepared case in a cache: it is used or made again.
//!
//! Run it in the project's folder: `cargo +nightly fuzz run --features run case -- -max_len=4096 -timeout=20`. `cargo test --test hostile` breaks
//! a case that it has made.

#![no_main]

#[path = "../../tests/hostile/readers_sound.rs"]
mod readers_sound;

use std::path::PathBuf;
use std::sync::LazyLock;

use lmsc::data::{Dataset, DatasetSpec, phantom};

/// In memory, where there is such a folder: a data set, and the file of its one case that is prepared.
static PLACE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder");
    phantom::write(folder.path(), 1, [8, 10, 9], 1).expect("written");
    let kept = folder.path().join("kept");
    let set = Dataset::open(&DatasetSpec::Msd { root: folder.path().into() }, readers_sound::prepared(), Some(&kept)).expect("the data set");
    set.load("phantom_0000").expect("it is prepared");
    let file = std::fs::read_dir(&kept).expect("a folder").flatten().next().expect("a file").path();
    (folder, file)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    readers_sound::case(PLACE.0.path(), &PLACE.1, bytes);
});
