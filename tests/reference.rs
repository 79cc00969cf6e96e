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
fn composites_have_pages_whatever_file_defines_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let blocks = r#"blocks: {
        // Puts them together.
        "Join": (
            params: { "norm": instance(affine: false, eps: 0.001), "mode": "if(len(above) == 0, 'one', 'more')" },
            inputs: ["x", "skip?", "xs[]", "above[]?"],
            output: "y",
            nodes: { "y": Concat(x: ["x", "xs", "above"]) },
        ),
    }"#;
    std::fs::write(at("parts.ron"), format!("({blocks})")).expect("written");
    let graph = format!(
        "({blocks}, inputs: {{ \"i\": (channels: 1) }}, nodes: {{ \"n\": Join(x: \"i\", xs: [\"i\"]) }}, outputs: {{ \"y\": \"n\" }})"
    );
    std::fs::write(at("graph.ron"), graph).expect("written");
    std::fs::write(at("user.ron"), "(import: [\"parts.ron\"], inputs: { \"i\": (channels: 1) }, nodes: { \"n\": Join(x: \"i\", xs: [\"i\"]) }, outputs: { \"y\": \"n\" })").expect("written");
    for file in ["parts.ron", "graph.ron", "user.ron"] {
        let (ok, list) = lmsc(&["blocks", "--in", &at(file)]);
        let line = list.lines().find(|l| l.starts_with("Join ")).unwrap_or_default();
        assert!(ok && line.contains("x, skip?, xs[], above[]?"), "{file}: {line}");
        let (ok, page) = lmsc(&["blocks", "Join", "--in", &at(file)]);
        let has = |line: &str| page.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") == line);
        assert!(ok && has("above a list, which may be empty") && has("xs a list") && has("skip one or none"), "{file}: {page}");
        assert!(has("norm parameter instance(affine: false, eps: 0.001)"), "{file}: {page}");
        assert!(has("mode parameter if(len(above) == 0, 'one', 'more')"), "{file}: {page}");
        let (ok, json) = lmsc(&["blocks", "Join", "--in", &at(file), "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert!(ok && json["inputs"][3]["arity"] == "any", "{json}");
    }
    std::fs::write(at("run.ron"), "(graph: \"graph.ron\", data: Phantom(cases: 4), patch: (32, 32, 32), epochs: 1)").expect("written");
    assert!(!lmsc(&["blocks", "--in", &at("run.ron")]).0);
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
