//! The program as its user meets it: exit codes, what goes where, and the help of every verb.

use assert_cmd::Command;

fn lmsc(args: &[&str]) -> (i32, String, String) {
    let out =
        Command::cargo_bin("lmsc").expect("the program").args(args).env("NO_COLOR", "1").env("COLUMNS", "100").output().expect("it runs");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().expect("an exit code"), text(&out.stdout), text(&out.stderr))
}

#[test]
fn results_go_to_standard_output_and_complaints_to_standard_error() {
    let (code, out, err) = lmsc(&["check", "graphs/lightmedseg.ron"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("482,778 parameters") && out.contains("claims hold"), "{out}");
    let (code, out, err) = lmsc(&["check", "tests/reject/e0202-unknown-node.ron"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error[E0202]: there is no node `stm`") && err.contains("did you mean `stem`?"), "{err}");
}

#[test]
fn usage_is_exit_code_two() {
    for args in [&["stats"][..], &["nonsense"], &["stats", "graphs/lightmedseg.ron", "--format", "pdf"], &[]] {
        assert_eq!(lmsc(args).0, 2, "{args:?}");
    }
}

#[test]
fn bad_input_is_exit_code_one_with_its_name_and_a_remedy() {
    for (args, words) in [
        (&["check", "nowhere.ron"][..], &["nowhere.ron", "no such file"][..]),
        (&["stats", "graphs/lightmedseg.ron", "--input", "4x100x128x128"], &["the depth 100 is not a multiple of 16", "use 112x128x128"]),
        (&["stats", "graphs/lightmedseg.ron", "--input", "3x128x128x128"], &["3 channels", "modalities=3"]),
        (&["stats", "graphs/lightmedseg.ron", "--input", "big"], &["not the size of an input"]),
        (&["stats", "graphs/lightmedseg.ron", "--set", "anchor=16"], &["there is no parameter `anchor`", "did you mean `anchors`?"]),
        (&["stats", "graphs/lightmedseg.ron", "--set", "anchors"], &["name=value"]),
        (&["stats", "graphs/lightmedseg.ron", "--set", "anchors=many"], &["there is no parameter `many`"]),
    ] {
        let (code, _, err) = lmsc(args);
        assert_eq!(code, 1, "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {err}");
        }
    }
}

#[test]
fn one_graph_has_a_table_and_a_sweep_a_comparison() {
    let (code, out, _) = lmsc(&["stats", "graphs/lightmedseg.ron", "--format", "json"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["total"]["params"], 482_778);
    let (_, out, _) = lmsc(&["stats", "graphs/lightmedseg.ron", "--set", "anchors=8,16,32", "--format", "csv"]);
    for n in ["482778", "493554", "515106"] {
        assert!(out.contains(n), "{out}");
    }
    let (_, out, _) = lmsc(&["stats", "graphs/lightmedseg.ron", "--input", "4x96x96x96", "--depth", "2"]);
    assert!(out.contains("ghost1") && out.contains("8x48³"), "{out}");
}

#[cfg(feature = "train")]
#[test]
fn the_running_half_refuses_what_it_cannot_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none.safetensors");
    let missing = missing.to_str().expect("a path");
    for (args, words) in [
        (&["predict", missing, missing, "--out", "x"][..], &["none.safetensors"][..]),
        (&["train", "configs/nowhere.ron"], &["configs/nowhere.ron", "no such file"]),
        (&["train", "configs/phantom.ron", "--set", "optimizer.lr=1"], &["optimizer"]),
        (&["train", "configs/phantom.ron", "--device", "cuda"], &["cuda:0"]),
        (&["eval", "--pred", missing, "--ref", missing], &["none.safetensors"]),
        (&["forward", "graphs/lightmedseg.ron", "--weights", missing, "--input", missing, "--out", missing], &["none.safetensors"]),
    ] {
        if cfg!(feature = "cuda") && args.contains(&"cuda") {
            continue;
        }
        let (code, _, err) = lmsc(args);
        assert_eq!(code, 1, "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {err}");
        }
    }
}

#[cfg(feature = "train")]
#[test]
fn every_verb_explains_itself() {
    let (_, list, _) = lmsc(&["--help"]);
    let verbs: Vec<&str> = list
        .lines()
        .skip_while(|l| !l.starts_with("Commands:"))
        .skip(1)
        .take_while(|l| l.starts_with("  "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|v| *v != "help")
        .collect();
    assert!(verbs.len() >= 7, "{list}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!("help", list);
        for v in verbs {
            let (code, out, _) = lmsc(&[v, "--help"]);
            assert_eq!(code, 0, "{v}");
            insta::assert_snapshot!(format!("help-{v}"), out);
        }
    });
}
