//! Dependencies between modules point one way: a file may use what is on lower levels. And the compiler half stays free of Burn.

use std::path::{Path, PathBuf};

/// Every module of the crate with its level; modules on one level do not use each other.
const LEVELS: &[(&str, u8)] = &[
    ("text", 0),
    ("ir", 1),
    ("kernel", 1),
    ("volume", 1),
    ("op", 2),
    ("data", 2),
    ("metric", 2),
    ("block", 3),
    ("read", 4),
    ("compile", 5),
    ("show", 6),
    ("exec", 6),
    ("net", 6),
    ("infer", 7),
    ("evaluate", 7),
    ("train", 8),
    ("bench", 9),
    ("report", 9),
    ("cli", 10),
];

/// Modules that must build without Burn.
const PURE: &[&str] = &["text", "ir", "block", "read", "compile", "show"];

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

fn module(file: &Path) -> Option<String> {
    let inside = file.strip_prefix("src").ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    (!matches!(first, "lib.rs" | "main.rs")).then(|| first.trim_end_matches(".rs").to_owned())
}

fn level(module: &str) -> u8 {
    LEVELS.iter().find(|(m, _)| *m == module).unwrap_or_else(|| panic!("the module `{module}` has no level")).1
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
    let mut files = vec![];
    rust_files(Path::new("src"), &mut files);
    assert!(files.len() > 60);
    let mut wrong = vec![];
    for file in files {
        let Some(own) = module(&file) else { continue };
        let text = std::fs::read_to_string(&file).expect("a file");
        for other in used(&text).into_iter().filter(|o| *o != own) {
            if LEVELS.iter().any(|(m, _)| *m == other) && level(&other) >= level(&own) {
                wrong.push(format!("{} ({own}, level {}) uses {other} (level {})", file.display(), level(&own), level(&other)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_compiler_knows_nothing_of_burn() {
    let mut files = vec![];
    rust_files(Path::new("src"), &mut files);
    for file in files.iter().filter(|f| module(f).is_some_and(|m| PURE.contains(&m.as_str()))) {
        let text = std::fs::read_to_string(file).expect("a file");
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
    let mut files = vec![];
    rust_files(Path::new("src"), &mut files);
    for file in files.iter().filter(|f| module(f).is_none_or(|m| m != "kernel")) {
        let text = std::fs::read_to_string(file).expect("a file");
        assert!(
            !text.contains("unsafe {") && !text.contains("unsafe fn") && !text.contains("unsafe impl"),
            "{} has unsafe code",
            file.display()
        );
    }
}
