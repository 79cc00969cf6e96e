//! Dependencies between modules point one way: a file may use what is on lower levels of its crate. Between crates the compiler keeps it so;
//! here it is looked that no crate but the program names Burn, and that `unsafe` stays with the kernels.

use std::path::{Path, PathBuf};

/// Every crate's folder, and its modules with their levels; modules on one level do not use each other. Crates below are on level 0.
const CRATES: &[(&str, &[(&str, u8)])] = &[
    ("crates/graph/src", &[("text", 0), ("ir", 1), ("op", 2), ("block", 3), ("read", 4), ("compile", 5), ("show", 6)]),
    ("crates/volume/src", &[("text", 0), ("volume", 1), ("data", 2), ("metric", 2)]),
    ("crates/kernels/src", &[("op", 0), ("ceiling", 1), ("lanes", 1), ("reuse", 1), ("tile", 2), ("attention", 3), ("conv", 3)]),
    (
        "crates/cpu/src",
        &[
            ("text", 0),
            ("ir", 0),
            ("op", 0),
            ("compile", 0),
            ("volume", 0),
            ("data", 0),
            ("metric", 0),
            ("kernel", 0),
            ("host", 1),
            ("store", 2),
            ("exec", 2),
            ("infer", 3),
            ("export", 4),
            ("import", 4),
        ],
    ),
    (
        "src",
        &[
            ("text", 0),
            ("ir", 0),
            ("op", 0),
            ("block", 0),
            ("read", 0),
            ("compile", 0),
            ("show", 0),
            ("volume", 0),
            ("data", 0),
            ("metric", 0),
            ("host", 0),
            ("store", 0),
            ("exec", 0),
            ("infer", 0),
            ("export", 0),
            ("import", 0),
            ("bar", 1),
            ("evaluate", 1),
            ("kernel", 1),
            ("net", 2),
            ("train", 3),
            ("bench", 4),
            ("report", 4),
            ("cli", 5),
        ],
    ),
];

fn rust_files(folder: &Path, all: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(folder).expect("src/") {
        let path = e.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
}

fn module(folder: &str, file: &Path) -> Option<String> {
    let inside = file.strip_prefix(folder).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    (!matches!(first, "lib.rs" | "main.rs")).then(|| first.trim_end_matches(".rs").to_owned())
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut files = vec![];
    rust_files(Path::new(folder), &mut files);
    assert!(files.len() > 5, "{folder} has its sources");
    files
}

/// The modules that a file names after `crate::`, in `use` lines and in paths, with braces opened.
fn used(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut all = vec![];
    for part in code.split("crate::").skip(1) {
        let first = |s: &str| s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match part.strip_prefix('{') {
            None => all.push(first(part)),
            Some(group) => {
                let mut depth = 0;
                let mut start = 0;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        ',' | '}' if depth == 0 => {
                            all.push(first(&group[start..i]));
                            start = i + 1;
                            if c == '}' {
                                break;
                            }
                        }
                        '}' => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    all.retain(|m| !m.is_empty());
    all
}

#[test]
fn groups_of_imports_are_opened() {
    assert_eq!(used("use crate::ir::Fact;\nuse crate::{a::{B, c}, d};\n// crate::comment\nlet x = crate::e::f();"), ["ir", "a", "d", "e"]);
}

#[test]
fn dependencies_point_down() {
    let mut wrong = vec![];
    for (folder, levels) in CRATES {
        let level = |module: &str| levels.iter().find(|(m, _)| *m == module).map(|(_, l)| *l);
        for file in sources(folder) {
            let Some(own) = module(folder, &file) else { continue };
            let Some(mine) = level(&own) else { panic!("the module `{own}` of {folder} has no level") };
            let text = std::fs::read_to_string(&file).expect("a file");
            for other in used(&text).into_iter().filter(|o| *o != own) {
                if level(&other).is_some_and(|theirs| theirs >= mine) {
                    wrong.push(format!("{} ({own}, level {mine}) uses {other}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_program_alone_knows_burn() {
    let crates = ["crates/text/src", "crates/graph/src", "crates/volume/src", "crates/kernels/src", "crates/cpu/src"];
    for file in crates.into_iter().flat_map(sources) {
        let text = std::fs::read_to_string(&file).expect("a file");
        let names = text.lines().filter(|l| !l.trim_start().starts_with("//")).any(|l| l.contains("burn::") || l.contains("use burn"));
        assert!(!names, "{} names Burn", file.display());
    }
}

/// What the verbs' files may not call: `text::Outputs` decides what is written over.
const WRITES: &[&str] = &["write_text(", "write_whole(", "fs::write(", "File::create", "create_dir_all(", "OpenOptions", "fs::rename("];

#[test]
fn verbs_write_through_their_outputs() {
    let mut files = vec![];
    rust_files(Path::new("src/cli"), &mut files);
    // `fmt` changes its input, `memory` tells the system something.
    for file in files.iter().filter(|f| !f.ends_with("fmt.rs") && !f.ends_with("memory.rs")) {
        let text = std::fs::read_to_string(file).expect("a file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if file.ends_with("tests.rs") {
            continue;
        }
        for call in WRITES {
            assert!(!code.contains(call), "{} calls `{call}`: claim the file of an `Outputs`, and write through it", file.display());
        }
    }
}

#[test]
fn unsafe_code_stays_with_the_kernels() {
    for folder in ["crates/text/src", "crates/graph/src", "crates/volume/src", "crates/cpu/src", "src"] {
        for file in sources(folder).into_iter().filter(|f| module(folder, f).is_none_or(|m| m != "kernel")) {
            let text = std::fs::read_to_string(&file).expect("a file");
            let found = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| text.contains(word));
            assert!(!found, "{} has unsafe code", file.display());
        }
    }
}
