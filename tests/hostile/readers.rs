//! Run configs, descriptions of data sets, rules of names, journals, states of runs and prepared cases: the corpora of `fuzz/`, and all of them broken
//! in many ways.

use std::path::Path;

use lmsc::data::{Dataset, DatasetSpec, phantom};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "readers_sound.rs"]
mod readers_sound;

use readers_sound as sound;

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(Path::new("fuzz/corpus").join(name)).expect("the corpus");
    let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).expect("a file")).collect()
}

/// What bytes become.
const PIECES: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b":",
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"18446744073709551616",
    b"256",
    b"null",
    b"true",
    b"None",
    b"Some(",
    b"\\u0000",
    b"\\ud800",
    b"..",
    b"/",
    b"{*}",
    b"{i}",
    b"->",
    b"prefix ",
    b"#",
    b"\xe2\x80\xae",
    b"\n",
    b"4294967295",
    b"0.0000001",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
];

/// One change of a file.
fn change(random: &mut ChaCha8Rng, file: &mut Vec<u8>) {
    let at = random.random_range(0..=file.len());
    let end = (at + random.random_range(0..24)).min(file.len());
    match random.random_range(0..5) {
        0 => {
            file.get_mut(at).into_iter().for_each(|b| *b ^= 1 << (end % 8));
        }
        1 => {
            file.splice(at..end, PIECES.choose(random).copied().unwrap_or_default().iter().copied());
        }
        2 => {
            let piece = file[at..end].to_vec();
            file.splice(at..at, piece);
        }
        3 if random.random_bool(0.3) => file.truncate(at),
        _ => {
            file.drain(at..end);
        }
    }
}

/// Tries files as they are, then `rounds` of them with up to four changes; how many of the former were used.
fn broken(files: &[Vec<u8>], rounds: usize, mut sound: impl FnMut(&[u8]) -> bool) -> usize {
    let used = files.iter().filter(|f| sound(f)).count();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..rounds {
        let mut file = files.choose(&mut random).cloned().unwrap_or_default();
        (0..random.random_range(1..5)).for_each(|_| change(&mut random, &mut file));
        sound(&file);
    }
    used
}

#[test]
fn run_configs() {
    let mut files = corpus("config");
    for e in std::fs::read_dir("configs").expect("the configs").flatten() {
        files.push(std::fs::read(e.path()).expect("a file"));
    }
    assert!(broken(&files, 3000, sound::config) >= 5);
}

#[test]
fn descriptions_of_data_sets() {
    let folder = folder();
    sound::cases(folder.path());
    assert!(broken(&corpus("dataset"), 1500, |bytes| sound::dataset(folder.path(), bytes)) >= 2);
}

#[test]
fn rules_of_names() {
    let folder = folder();
    let mut files = corpus("map");
    files.push(std::fs::read("maps/reference.map").expect("the rules"));
    assert!(broken(&files, 3000, |bytes| sound::map(folder.path(), bytes)) >= 2);
}

#[test]
fn journals() {
    let folder = folder();
    assert!(broken(&corpus("journal"), 250, |bytes| sound::journal(folder.path(), bytes)) >= 1);
}

#[test]
fn states_of_runs() {
    let folder = folder();
    assert!(broken(&corpus("state"), 3000, |bytes| sound::state(folder.path(), bytes)) >= 1);
}

#[test]
fn prepared_cases() {
    let folder = folder();
    phantom::write(folder.path(), 1, [16, 18, 17], 1).expect("written");
    let kept = folder.path().join("kept");
    let spec = DatasetSpec::Msd { root: folder.path().into() };
    let set = Dataset::open(&spec, sound::prepared(), Some(&kept)).expect("the data set");
    set.load("phantom_0000").expect("it is prepared");
    let file = std::fs::read_dir(&kept).expect("a folder").flatten().next().expect("a file").path();
    let whole = std::fs::read(&file).expect("a case");
    broken(&[whole], 400, |bytes| {
        sound::case(folder.path(), &file, bytes);
        true
    });
}
