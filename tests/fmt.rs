//! Laying out keeps meaning and comments, and does nothing the second time.

mod given;

use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use lmsc::read::{fmt::format, fmt::same, parse};
use lmsc::text::Source;
use proptest::prelude::*;

fn files() -> Vec<PathBuf> {
    [given::graphs(), given::ron_files("configs")].concat()
}

/// What stands in comments, in order.
fn comments(text: &str) -> Vec<String> {
    text.lines().filter_map(|l| Some(l[l.find("//")?..].trim_end().to_owned())).collect()
}

#[test]
fn the_projects_files_are_laid_out() {
    for file in files() {
        let source = Source::read(&file).expect("a text");
        let out = format(&source).expect("it is RON");
        assert!(out == source.text, "{} would change: run `lmsc fmt {0}`", file.display());
    }
}

/// A text with its blanks shaken: line breaks, indentation, runs of blanks and comments where blanks may stand.
fn shaken(text: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    let mut choice = choices.iter().cycle();
    let mut rest = text;
    let mut word = false;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            out.push('\n');
            rest = rest.get(end + 1..).unwrap_or("");
        } else if c == '"' {
            let end = rest[1..].find('"').expect("closed") + 2;
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if c.is_whitespace() || (!word && !c.is_alphanumeric()) {
            let blank = match choice.next().copied().unwrap_or(0) % 12 {
                0 => "\n",
                1 => "\n\n\n  ",
                2 => "\t ",
                3 => " /* b /* c */ d */ ",
                4 => " // e\n",
                5 => "\n // f\n\n",
                6 => " /* g */\n",
                7 => "\r\n",
                8 if c.is_whitespace() => " ",
                _ if c.is_whitespace() => &rest[..c.len_utf8()],
                _ => "",
            };
            out.push_str(blank);
            if !c.is_whitespace() {
                out.push(c);
            }
            rest = &rest[c.len_utf8()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        word = c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_blanks_and_comments(file in 0..64usize, choices in prop::collection::vec(any::<u8>(), 1..200)) {
        let files = files();
        let source = Source::read(&files[file % files.len()]).expect("a text");
        let before = parse(&source).expect("RON");
        let text = shaken(&source.text, &choices);
        let shaken = parse(&Source::new("shaken", text.as_str())).expect("still RON");
        prop_assert!(same(&before, &shaken));
        let once = format(&Source::new("shaken", text.as_str())).expect("laid out");
        let after = parse(&Source::new("once", once.as_str())).expect("RON");
        prop_assert!(same(&before, &after));
        let twice = format(&Source::new("once", once.as_str())).expect("laid out again");
        prop_assert_eq!(&once, &twice);
        let count = |t: &str, c: &str| t.matches(c).count();
        for mark in ["/* b /* c */ d */", "// e", "// f", "/* g */"] {
            prop_assert_eq!(count(&text, mark), count(&once, mark), "{}", mark);
        }
        prop_assert!(!once.contains("\n\n\n") && !once.contains(" \n"));
    }

    /// What is not RON is refused, what is keeps its meaning; nothing panics.
    #[test]
    fn any_text(text in "[\\[\\](){},:\"'/*#!rb \\n\\\\a1.-]{0,40}") {
        let source = Source::new("any", text.as_str());
        if let Ok(once) = format(&source) {
            prop_assert!(same(&parse(&source).expect("RON"), &parse(&Source::new("once", once.as_str())).expect("RON")));
            prop_assert_eq!(&format(&Source::new("once", once.as_str())).expect("laid out again"), &once);
        }
    }
}

#[test]
fn comments_keep_their_order() {
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("a text");
        let squeezed: String = text.lines().map(|l| l.trim_start().to_owned() + "\n").collect();
        let out = format(&Source::new("squeezed", squeezed.as_str())).expect("laid out");
        assert_eq!(comments(&out), comments(&text), "{}", file.display());
    }
}

fn lmsc(args: &[&str], folder: &Path) -> std::process::Output {
    Command::new(cargo_bin("lmsc")).args(args).current_dir(folder).output().expect("it runs")
}

#[test]
fn the_verb() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.ron");
    let broken = folder.path().join("broken.ron");
    std::fs::write(&file, "\u{feff}(a:1,\r\n// c\r\nb:2)").expect("written");
    std::fs::write(&broken, "(a:1").expect("written");

    let out = lmsc(&["fmt", "a.ron", "--check"], folder.path());
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stdout).as_ref(), out.stderr.len()), (Some(1), "a.ron\n", 0));

    let out = lmsc(&["fmt", "a.ron", "broken.ron"], folder.path());
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("E0102"));
    assert_eq!(std::fs::read_to_string(&broken).expect("read"), "(a:1");
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "\u{feff}(\r\n    a: 1,\r\n    // c\r\n    b: 2,\r\n)\r\n");
    assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 2, "nothing is left behind");

    assert!(lmsc(&["fmt", "a.ron", "--check"], folder.path()).status.success());
    let out = lmsc(&["fmt", "a.ron", "--stdout"], folder.path());
    assert_eq!(out.stdout, std::fs::read(&file).expect("read"));
}
