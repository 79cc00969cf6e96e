//! The same through `lmsc check`: exit code 1, one error on standard error, no panic, little memory.

use std::path::Path;
use std::process::Command;

use super::limits::laughs;
use super::{chain, graph, vector};

/// Runs `lmsc check` where at most 1 GiB may be addressed.
fn check(file: &Path) -> (Option<i32>, String) {
    let program = assert_cmd::cargo::cargo_bin!("lmsc");
    let mut command = if cfg!(unix) {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v 1048576; exec \"$0\" check \"$1\""]).arg(program);
        shell
    } else {
        let mut lmsc = Command::new(program);
        lmsc.arg("check");
        lmsc
    };
    let out = command.arg(file).env("NO_COLOR", "1").env("COLUMNS", "100").output().expect("it runs");
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn refusals_have_exit_code_one_and_need_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let conv = "\"a\": Conv3D(x: \"image\", out: 1)";
    let dead: String = (0..100_000).map(|i| format!("\"d{i}\":Linear(x:\"image\",out:1),")).collect();
    let all = [
        ("empty", String::new(), "E0102"),
        ("brackets", "[".repeat(1_000_000), "E0102"),
        ("braces", "{\"a\":".repeat(500_000), "E0102"),
        ("comment", "/*".repeat(1_000_000), "E0102"),
        ("string", format!("(name: \"{}", "a".repeat(1_000_000)), "E0102"),
        ("line", graph(&format!("\"{}\": Conv3D(x: \"image\", out: 1)", "a".repeat(1_000_000)), "a"), "E0109"),
        ("laughs", laughs(40, 2), "E0501"),
        ("deep", laughs(20_000, 1), "E0501"),
        ("range", graph("\"a{i}\": Conv3D(for: \"i in 0..=9223372036854775807\", x: \"image\", out: 1)", "a0"), "E0105"),
        ("lists", graph(&format!("\"a\": Concat(x: [{}])", vec!["\"image{0..100000}\""; 1000].join(",")), "a"), "E0501"),
        ("dead", graph(&format!("{conv},{dead}"), "a"), "E0206"),
        ("count", graph("\"a\": Conv3D(x: \"image\", out: 4611686018427387904)", "a"), "E0501"),
        ("escape", graph("\"a\": Conv3D(x: \"\\u{1b}[2Jimage\", out: 1)", "a"), "E0202"),
    ];
    for (name, text, code) in all {
        let file = folder.path().join(name).with_extension("ron");
        std::fs::write(&file, text).expect("written");
        let (exit, said) = check(&file);
        assert_eq!(exit, Some(1), "{name}: {said}");
        assert!(said.starts_with(&format!("error[{code}]: ")) && !said.contains("panicked") && !said.contains('\u{1b}'), "{name}: {said}");
    }
    for missing in ["nowhere.ron", ".", "/dev/zero"] {
        let (exit, said) = check(Path::new(missing));
        assert!(exit == Some(1) && said.starts_with("error[E0101]: "), "{missing}: {said}");
    }
}

#[test]
fn a_long_chain_and_a_wide_graph_need_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = chain(100_000, |_, x| format!("Linear(x:\"{x}\",out:1)"));
    let wide = "\"a{i}\": Activation(for: \"i in 0..100000\", x: \"image\", function: relu), \"b\": Add(x: [\"a{0..100000}\"])";
    for (name, text) in [("chain", vector(&long, "n99999")), ("wide", graph(wide, "b"))] {
        let file = folder.path().join(name).with_extension("ron");
        std::fs::write(&file, text).expect("written");
        let (exit, said) = check(&file);
        assert_eq!(exit, Some(0), "{name}: {said}");
    }
}
