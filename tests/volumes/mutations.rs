//! Odd files made odder: bits flipped, fields made extreme, files cut, lengthened, joined and packed.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::odd::files;
use crate::sound::sound;

/// Files that are made unless `$LMSC_FUZZ_SECONDS` says for how long to go on.
const ROUNDS: usize = 4000;

/// Where numbers stand in headers of both versions, and their bytes: sizes, dim, datatype, bitpix, pixdim, offset, scale, codes, forms.
const FIELDS: &[(usize, usize, usize)] = &[
    (0, 4, 1),
    (40, 2, 8),
    (70, 2, 2),
    (76, 4, 8),
    (108, 4, 3),
    (252, 2, 2),
    (256, 4, 18),
    (12, 2, 2),
    (16, 8, 8),
    (104, 8, 8),
    (168, 8, 3),
    (344, 4, 2),
    (352, 8, 18),
    (504, 4, 1),
];

/// Whole numbers that break arithmetic.
const WHOLE: &[i64] = &[
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    127,
    255,
    256,
    348,
    352,
    540,
    544,
    32767,
    -32768,
    65535,
    1 << 31,
    (1 << 31) - 1,
    1 << 32,
    1 << 40,
    1 << 62,
    i64::MIN,
];
/// Numbers that do.
const REAL: &[f64] = &[0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e-45, 1e30, 3.4e38, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 352.5];

fn pick<T: Copy>(random: &mut impl Rng, all: &[T]) -> T {
    all[random.random_range(0..all.len())]
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut all = vec![];
    GzDecoder::new(bytes).take(1 << 20).read_to_end(&mut all).ok().map(|_| all)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(vec![], Compression::fast());
    e.write_all(bytes).expect("memory");
    e.finish().expect("memory")
}

/// A field with an extreme number, in either byte order.
fn extreme(random: &mut impl Rng, b: &mut [u8]) {
    let (start, size, count) = pick(random, FIELDS);
    let at = start + size * random.random_range(0..count);
    let number = match (size, random.random_bool(0.5)) {
        (4, true) => (pick(random, REAL) as f32).to_le_bytes().to_vec(),
        (8, true) => pick(random, REAL).to_le_bytes().to_vec(),
        _ => pick(random, WHOLE).to_le_bytes()[..size].to_vec(),
    };
    let turned = random.random_bool(0.5);
    if let Some(place) = b.get_mut(at..at + size) {
        place.copy_from_slice(&number);
        if turned {
            place.reverse();
        }
    }
}

fn changed(random: &mut impl Rng, all: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut b = all[random.random_range(0..all.len())].1.clone();
    // What is packed is changed as such, or within.
    let within = unpacked(&b).filter(|_| random.random_bool(0.7));
    let was_packed = within.is_some();
    b = within.unwrap_or(b);
    for _ in 0..random.random_range(1..4) {
        let n = b.len();
        match random.random_range(0..9) {
            0..3 => extreme(random, &mut b),
            3..5 if n > 0 => b[random.random_range(0..n)] ^= 1 << random.random_range(0..8),
            5 if n > 0 => b[random.random_range(0..n)] = random.random(),
            6 => b.truncate(random.random_range(0..=n)),
            7 => b.extend_from_slice(&all[random.random_range(0..all.len())].1),
            _ => b.resize(n + random.random_range(0..600), 0),
        }
    }
    if was_packed { packed(&b) } else { b }
}

#[test]
fn every_change_is_read_or_refused() {
    let all = files();
    let folder = tempfile::tempdir().expect("a folder");
    let seconds = std::env::var("LMSC_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok());
    let until = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut random = ChaCha8Rng::seed_from_u64(seconds.unwrap_or(1));
    let (mut rounds, mut volumes) = (0, 0);
    while until.map_or(rounds < ROUNDS, |until| Instant::now() < until) {
        let bytes = changed(&mut random, &all);
        rounds += 1;
        match std::panic::catch_unwind(|| sound(folder.path(), &bytes)) {
            Ok(read) => volumes += usize::from(read),
            Err(panic) => {
                let kept = std::env::temp_dir().join("lmsc-volume-finding.nii");
                std::fs::write(&kept, &bytes).expect("a file");
                eprintln!("round {rounds}, kept in {}", kept.display());
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{rounds} files, {volumes} of them volumes");
    assert!(volumes * 10 > rounds, "only {volumes} of {rounds} were volumes: the changes are too coarse to reach the voxels");
}

#[test]
fn the_corpus_of_the_fuzzer() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut all, mut volumes) = (0, 0);
    for e in std::fs::read_dir("fuzz/corpus/volume").expect("the corpus") {
        let bytes = std::fs::read(e.expect("an entry").path()).expect("a file");
        all += 1;
        volumes += usize::from(sound(folder.path(), &bytes));
    }
    assert!(all >= 12 && volumes >= 6, "{volumes} of {all}");
}
