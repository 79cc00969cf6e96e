//! The verbs that draw and compare: files, exit codes, complaints.

fn lmsc(arguments: &[&str]) -> std::process::Output {
    assert_cmd::Command::new(env!("CARGO_BIN_EXE_lmsc")).args(arguments).output().expect("it runs")
}

#[test]
fn the_verbs_write_whole_files_and_say_what_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("light.svg");
    let shown = out.to_str().expect("a path");
    let o = lmsc(&["graph", "graphs/lightmedseg.ron", "--open", "enc1", "--out", shown]);
    assert!(o.status.success() && o.stdout.is_empty());
    assert!(std::fs::read_to_string(&out).expect("written").contains("data-path=\"enc1.ghost1\""));
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing is left beside it");

    let o = lmsc(&["graph", "graphs/lightmedseg.ron", "--open", "enc11"]);
    assert_eq!(o.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&o.stderr).contains("did you mean `enc1`?"), "{}", String::from_utf8_lossy(&o.stderr));
    let o = lmsc(&["graph", "graphs/lightmedseg.ron", "--out", folder.path().join("no/where.svg").to_str().expect("a path")]);
    assert!(String::from_utf8_lossy(&o.stderr).contains("E0603"));

    let (a, b) = ("graphs/lightmedseg.ron", "graphs/lightmedseg-k16.ron");
    assert_eq!(lmsc(&["diff", a, a, "--exit-code"]).status.code(), Some(0));
    assert_eq!(lmsc(&["diff", a, b]).status.code(), Some(0));
    let o = lmsc(&["diff", a, b, "--exit-code"]);
    assert_eq!(o.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&o.stdout).contains("anchors: 8 → 16"));
    assert!(String::from_utf8_lossy(&o.stderr).trim().is_empty(), "a difference is no error");
    assert_eq!(lmsc(&["diff", a, b, "--set-a", "anchors=16", "--exit-code"]).status.code(), Some(0));
}

#[test]
fn amounts_of_memory_are_written_alike() {
    let out = |args: &[&str]| {
        let o = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lmsc")).args(args).env("COLUMNS", "200").output().expect("it runs");
        String::from_utf8(o.stdout).expect("a text")
    };
    let graph = "graphs/lightmedseg.ron";
    let stats = out(&["stats", graph]);
    let line = stats.lines().find_map(|l| l.strip_prefix("activations")).expect("the activations");
    let amount = line.split('(').next().unwrap_or_default().trim();
    assert!(amount.ends_with(" MiB") && amount.contains('.') && amount.contains(','), "{amount}");
    for format in ["svg", "html"] {
        let picture = out(&["graph", graph, "--format", format]);
        assert!(picture.contains(&format!("activations {amount}")), "{format} has no {amount}");
    }
    let page = out(&["diff", graph, graph, "--set-b", "anchors=16", "--format", "html"]);
    assert!(page.contains(&format!("activations {} →", amount.trim_end_matches(" MiB"))), "the difference has no {amount}");
}
