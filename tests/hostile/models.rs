//! Model files, broken in every way, and the corpus of `fuzz/`.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "model_sound.rs"]
mod model_sound;

use model_sound::sound;

/// The files of the corpus, by name.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let entry = |e: std::io::Result<std::fs::DirEntry>| {
        let path = e.expect("an entry").path();
        (path.display().to_string(), std::fs::read(&path).expect("a file"))
    };
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir("fuzz/corpus/model").expect("the corpus").map(entry).collect();
    all.sort();
    all
}

#[test]
fn the_corpus_of_the_fuzzer() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = corpus();
    let models = all.iter().filter(|(_, bytes)| sound(folder.path(), bytes)).count();
    assert!(all.len() >= 12 && models >= 2, "{models} of {}", all.len());
}

/// What bytes and texts become.
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
    b",",
    b":",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"null",
    b"\\u0000",
    b"\\ud800",
    b"\"F16\"",
    b"\"BF16\"",
    b"\"F64\"",
    b"\"I64\"",
    b"\"BOOL\"",
    b"\"F4\"",
    b"[]",
    b"[0]",
    b"[0,0]",
    b"[2,1]",
    b"[4294967296,4294967296]",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\xc0\x7f",
    b"\xe2\x80\xae",
    b"__metadata__",
    b"lmsc.graph",
    b"lmsc.seal",
    b"lmsc.format",
];

/// One change of a file; the header's length is put right in two of three, so that it is read on.
fn change(random: &mut ChaCha8Rng, file: &mut Vec<u8>) {
    let header = file.first_chunk::<8>().map_or(0, |n| u64::from_le_bytes(*n) as usize);
    let before = file.len();
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
        3 => file.truncate(at),
        _ => {
            file.drain(at..end);
        }
    }
    let inside = at >= 8 && at < 8 + header;
    if inside && file.len() >= 8 && random.random_range(0..3) > 0 {
        let header = (header + file.len()).saturating_sub(before) as u64;
        file[..8].copy_from_slice(&header.to_le_bytes());
    }
}

/// How many changed files are tried; `LMSC_MUTATIONS` asks for more.
fn tries() -> usize {
    std::env::var("LMSC_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(4000)
}

#[test]
fn a_few_changes_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = corpus();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut models = 0;
    for _ in 0..tries() {
        let Some((_, file)) = all.choose(&mut random) else { panic!("an empty corpus") };
        let mut file = file.clone();
        for _ in 0..random.random_range(1..4) {
            change(&mut random, &mut file);
        }
        // What breaks is left for the one who looks for it.
        std::fs::write(folder.path().join("tried"), &file).expect("written");
        models += usize::from(sound(folder.path(), &file));
    }
    assert!(models > 20, "only {models} were models: the changes are too coarse to reach the weights");
}
