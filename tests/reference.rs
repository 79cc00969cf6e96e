//! The reference of blocks is whole, and what `lmsc new` begins compiles.

use assert_cmd::Command;
use lmsc::block::Spec;
use lmsc::show::reference::Template;

fn lmsc(args: &[&str]) -> (bool, String) {
    let out =
        Command::cargo_bin("lmsc").expect("the program").args(args).env("NO_COLOR", "1").env("COLUMNS", "100").output().expect("it runs");
    (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn every_block_and_field_is_described() {
    let (ok, out) = lmsc(&["blocks", "--format", "json"]);
    assert!(ok);
    let all: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), Spec::LIST.len());
    for (b, e) in all.iter().zip(Spec::LIST) {
        assert_eq!(b["name"], e.name);
        assert!(b["summary"].as_str().is_some_and(|s| s.ends_with('.')), "{}", e.name);
        assert_eq!(b["inputs"].as_array().map(Vec::len), Some(e.inputs.len()), "{}", e.name);
        for f in b["fields"].as_array().expect("fields") {
            assert!(f["required"] == true || f.get("default").is_some(), "{} {f}", e.name);
        }
        let (ok, page) = lmsc(&["blocks", e.name]);
        assert!(ok && page.contains(e.example), "{page}");
    }
}

#[test]
fn the_schema_names_every_block() {
    let (ok, out) = lmsc(&["blocks", "--schema"]);
    assert!(ok);
    let _: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    for e in Spec::LIST {
        assert!(out.contains(&format!("\"{}\"", e.name)), "{}", e.name);
    }
}

#[test]
fn a_new_graph_compiles_and_is_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    for template in Template::ALL.iter().map(|t| t.name) {
        let file = folder.path().join(format!("{template}.ron"));
        let file = file.to_str().expect("a path");
        assert!(lmsc(&["new", file, "--template", template, "--name", "mine"]).0, "{template}");
        assert!(std::fs::read_to_string(file).expect("a text").contains("name: \"mine\""), "{template}");
        assert!(lmsc(&["check", file]).0, "{template}");
        assert!(lmsc(&["fmt", "--check", file]).0, "{template}");
        assert!(!lmsc(&["new", file, "--template", template]).0, "{template} is written over");
    }
}
