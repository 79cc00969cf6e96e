//! One vocabulary: a public type's name stands for one thing in the whole workspace.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Names that stand in several places on purpose, and why.
const ON_PURPOSE: &[(&str, &str)] = &[
    ("Args", "a verb's arguments: one for each file of `src/cli`, named by no other file"),
    ("CaseSelection", "that of `train`, and what stands in for it in a build without training"),
];

/// Names that still stand for several things. This list is to shrink: a name leaves it once it stands for one.
const STILL_AMBIGUOUS: &[&str] = &[
    "Builder", "Class", "Entry", "Example", "Field", "Input", "Kind", "Line", "Node", "Plan", "Plans", "Source", "Step", "Value",
    "Weights", "Written",
];

/// The Rust files below a folder, in order.
fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).expect("a folder of sources").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
}

/// The name of a type that the line declares as `pub`; what is `pub(crate)` or less does not leave its crate.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.trim_start().strip_prefix("pub ")?.split_whitespace();
    let mut word = words.next()?;
    if word == "unsafe" {
        word = words.next()?;
    }
    matches!(word, "struct" | "enum" | "trait" | "type" | "union").then_some(())?;
    let rest = words.next()?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end]).filter(|name| !name.is_empty())
}

/// The places of each public type, as `file:line`, by name.
fn places() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    folders.extend(fs::read_dir(root.join("crates")).expect("the crates").map(|e| e.expect("an entry").path().join("src")));
    let mut all = vec![];
    folders.iter().filter(|f| f.is_dir()).for_each(|f| files(f, &mut all));
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in all {
        let text = fs::read_to_string(&path).expect("a source file is text");
        let file = path.strip_prefix(root).expect("below the root").display().to_string();
        for (at, line) in text.lines().enumerate() {
            if let Some(name) = declared(line) {
                places.entry(name.to_owned()).or_default().push(format!("{file}:{}", at + 1));
            }
        }
    }
    places
}

/// Whether the places are those of a block and of the operation that it becomes.
fn block_and_op(places: &[String]) -> bool {
    let of = |folder: &str| places.iter().filter(|p| p.starts_with(folder)).count();
    places.len() == 2 && of("crates/graph/src/block/") == 1 && of("crates/graph/src/op/") == 1
}

#[test]
fn a_public_type_name_stands_once() {
    let places = places();
    assert!(places.len() > 300, "only {} public types were found", places.len());
    let mut faults = String::new();
    for (name, at) in places.iter().filter(|(_, at)| at.len() > 1) {
        let known = ON_PURPOSE.iter().any(|(n, _)| n == name) || STILL_AMBIGUOUS.contains(&name.as_str());
        if !known && !block_and_op(at) {
            writeln!(faults, "`{name}` is the name of {} public types: {}", at.len(), at.join(", ")).expect("a string takes it");
        }
    }
    assert!(faults.is_empty(), "{faults}Name each after what it is.");
}

#[test]
fn what_is_allowed_is_still_needed() {
    let places = places();
    let twice = |name: &str| places.get(name).is_some_and(|at| at.len() > 1);
    let idle: Vec<&str> = ON_PURPOSE.iter().map(|(n, _)| *n).chain(STILL_AMBIGUOUS.iter().copied()).filter(|n| !twice(n)).collect();
    assert!(idle.is_empty(), "{idle:?} stand once by now: take them from the lists of tests/vocabulary.rs");
    let verbs = places["Args"].iter().all(|p| p.starts_with("src/cli/"));
    assert!(verbs, "`Args` is for verbs: {:?}", places["Args"]);
}

#[test]
fn declarations_are_found() {
    let all = ["pub struct A<T>(T);", "    pub enum B {", "pub unsafe trait C: D {", "pub type E = F;", "pub struct G;"];
    assert_eq!(all.map(declared), [Some("A"), Some("B"), Some("C"), Some("E"), Some("G")]);
    assert_eq!(["pub(crate) struct A;", "struct B;", "/// pub struct C", "pub fn d() {", "pub enum $name {"].map(declared), [None; 5]);
}
