//! The project's graphs, broken in every way: cut at every byte, tokens deleted, doubled, exchanged, numbers made extreme, bytes flipped.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[path = "sound.rs"]
mod sound;

use sound::sound;

/// Graphs and refused graphs, by path and text.
fn texts() -> Vec<(String, String)> {
    let mut all = vec![];
    for folder in ["graphs", "tests/reject"] {
        for e in std::fs::read_dir(folder).expect(folder) {
            let path = e.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "ron") {
                all.push((path.display().to_string(), std::fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    all.sort();
    assert!(all.len() > 50);
    all
}

/// Words and numbers, strings, and every other character by itself; together they are the text.
fn tokens(text: &str) -> Vec<&str> {
    let mut all = vec![];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let end = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |i| i + 2),
            c if inside(c) => rest.find(|c| !inside(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        all.push(token);
        rest = after;
    }
    all
}

/// What numbers, words and strings become.
const EXTREMES: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "1.5",
    "255",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "NaN",
    "16u8",
    "true",
    "None",
    "Required",
    "()",
    "[]",
    "{}",
    "\"\"",
    "\"image\"",
    "\"image.x\"",
    "\"a | b | image\"",
    "\"{i}\"",
    "\"a{1..=4}\"",
    "\"2 ^ 62\"",
    "\"1 / 0\"",
    "\"i in 0..3\"",
    "\"if(true, 1, 2)\"",
    "OneOf(\"a\", \"b\")",
    "r#\"raw\"#",
    "/*",
    "//",
    "\u{202e}",
    "'",
    "\\",
];

#[derive(Clone, Debug)]
enum Change {
    Delete,
    Double,
    /// With the token so far behind.
    Swap(usize),
    /// By one of [`EXTREMES`].
    Replace(usize),
    /// By a token of another text.
    Borrow(usize, usize),
    Flip(u8),
    Cut,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Delete),
        Just(Change::Double),
        any::<usize>().prop_map(Change::Swap),
        any::<usize>().prop_map(Change::Replace),
        any::<usize>().prop_map(Change::Replace),
        (any::<usize>(), any::<usize>()).prop_map(|(t, k)| Change::Borrow(t, k)),
        (0u8..8).prop_map(Change::Flip),
        Just(Change::Cut),
    ]
}

fn changed(text: &str, at: usize, change: &Change, texts: &[(String, String)]) -> String {
    let all = tokens(text);
    let meant: Vec<usize> = (0..all.len()).filter(|i| !all[*i].trim().is_empty()).collect();
    let Some(&i) = meant.get(at % meant.len().max(1)) else { return text.to_owned() };
    let with = |new: &str| [all[..i].concat().as_str(), new, &all[i + 1..].concat()].concat();
    match change {
        Change::Delete => with(""),
        Change::Double => with(&[all[i], " ", all[i]].concat()),
        Change::Swap(by) => {
            let mut all = all.clone();
            all.swap(i, meant[(at.wrapping_add(*by)) % meant.len()]);
            all.concat()
        }
        Change::Replace(k) => with(EXTREMES[k % EXTREMES.len()]),
        Change::Borrow(t, k) => {
            let other = tokens(&texts[t % texts.len()].1);
            with(other[k % other.len()])
        }
        Change::Flip(bit) => {
            let mut bytes = text.as_bytes().to_vec();
            let place = at % bytes.len().max(1);
            bytes.get_mut(place).into_iter().for_each(|b| *b ^= 1 << bit);
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Change::Cut => all[..i].concat(),
    }
}

#[test]
fn a_few_changes_at_a_time() {
    let texts = texts();
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = (any::<usize>(), prop::collection::vec((any::<usize>(), change()), 1..3));
    let graphs = texts.iter().take_while(|(name, _)| name.starts_with("graphs")).count();
    let programs = std::cell::Cell::new(0);
    let result = runner.run(&strategy, |(which, changes)| {
        // Every second one is a whole network.
        let (name, text) = &texts[if which % 2 == 0 { which / 2 % graphs } else { which / 2 % texts.len() }];
        let text = changes.iter().fold(text.clone(), |text, (at, change)| changed(&text, *at, change, &texts));
        if sound(name, &text) {
            programs.set(programs.get() + 1);
        }
        Ok(())
    });
    result.unwrap_or_else(|e| panic!("{e}"));
    assert!(programs.get() > 30, "only {} were programs: the changes are too coarse to reach the compiler", programs.get());
}

#[test]
fn each_token_once_in_the_whole_network() {
    let text = std::fs::read_to_string("graphs/lightmedseg.ron").expect("the graph");
    let all = tokens(&text);
    for i in (0..all.len()).filter(|i| !all[*i].trim().is_empty()) {
        sound("graphs/lightmedseg.ron", &[all[..i].concat().as_str(), EXTREMES[i % EXTREMES.len()], &all[i + 1..].concat()].concat());
    }
}

#[test]
fn cut_at_every_byte() {
    for (name, text) in texts() {
        for (i, _) in text.char_indices() {
            sound(&name, &text[..i]);
        }
    }
}

#[test]
fn the_corpus_of_the_fuzzer() {
    let mut programs = 0;
    let mut all = 0;
    for e in std::fs::read_dir("fuzz/corpus/graph").expect("the corpus") {
        let bytes = std::fs::read(e.expect("an entry").path()).expect("a file");
        all += 1;
        programs += usize::from(sound("fuzz.ron", &String::from_utf8_lossy(&bytes)));
    }
    assert!(all >= 19 && programs >= 5, "{programs} of {all}");
}
