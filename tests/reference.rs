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

/// The commands of a help's examples, without what is said of them.
fn examples(verb: &str) -> Vec<String> {
    let out = Command::cargo_bin("lmsc").expect("the program").args([verb, "--help"]).env("COLUMNS", "1000").output().expect("it runs");
    let help = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines = help
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with(&format!("lmsc {verb} ")) && !l.starts_with("lmsc check [") && !l.contains(['[', '<']));
    lines.map(|l| l.split("  ").next().unwrap_or_default().to_owned()).collect()
}

#[cfg(unix)]
#[test]
fn the_examples_that_need_no_data_work() {
    let program = Command::cargo_bin("lmsc").expect("the program").get_program().to_owned();
    let here = std::env::current_dir().expect("a folder");
    for verb in ["check", "stats", "graph", "diff", "blocks", "new", "explain"] {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(here.join("graphs"), folder.path().join("graphs")).expect("a link");
        let all = examples(verb);
        assert!(!all.is_empty(), "{verb}");
        for example in all {
            // What other programs would read, old.ron and new.ron are not there.
            if example.contains(['|', '>']) || example.contains("old.ron") {
                continue;
            }
            let command = example.replacen("lmsc", "\"$0\"", 1);
            let mut shell = std::process::Command::new("sh");
            let out = shell.args(["-c", &command]).arg(&program).current_dir(folder.path()).output().expect("it runs");
            assert!(out.status.success(), "{example}: {}", String::from_utf8_lossy(&out.stderr));
            // Each new graph is another one.
            let _ = std::fs::remove_file(folder.path().join("mine.ron"));
        }
    }
}

#[test]
fn commands_of_a_help_can_be_pasted_at_any_width() {
    for verb in [&["import", "weights"][..], &["predict"], &["view"], &["stats"]] {
        let at = |width: &str| {
            let mut command = Command::cargo_bin("lmsc").expect("the program");
            let out = command.args(verb).arg("--help").env("COLUMNS", width).output().expect("it runs");
            if !out.status.success() {
                // Another build has no such verb.
                return vec![];
            }
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            // A shell joins lines at the sign.
            let text = text
                .split(" \\\n")
                .enumerate()
                .map(|(n, part)| if n == 0 { part } else { part.trim_start() })
                .collect::<Vec<_>>()
                .join(" ");
            let words = |l: &str| l.split("   ").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            let commands = |l: &&str| l.starts_with("  lmsc ") && !l.contains('[');
            text.lines().filter(commands).map(|l| words(l.trim_start())).collect::<Vec<String>>()
        };
        // As wide as a help gets, and narrow.
        let join = |text: Vec<String>| text.iter().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
        assert_eq!(join(at("120")), join(at("80")), "{verb:?}");
    }
}
