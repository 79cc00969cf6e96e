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
        (&["stats", "graphs/lightmedseg.ron", "--set", "anchors=many"], &["`anchors` is a whole number", "there is no parameter `many`"]),
        (&["stats", "graphs/lightmedseg.ron", "--set", "width=-1"], &["-1 is negative", "`width` is set here"]),
        (&["stats", "graphs/nnunet.ron", "--set", "deep_supervision=maybe"], &["is `true` or `false`, but `maybe` is given"]),
        (&["blocks", "Upsample"], &["write `Resize(x: \"...\", scale: 2)`"]),
        (&["blocks", "BatchNorm3d"], &["write `Norm(x: \"...\", kind: batch)`"]),
        (&["blocks", "LeakyReLU"], &["function: leaky_relu"]),
        (&["blocks", "conv2d"], &["did you mean `Conv`?"]),
        (&["blocks", "Flurb"], &["help: `lmsc blocks` lists them\n"]),
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
    let (_, out, _) = lmsc(&["stats", "graphs/nnunet.ron", "--weights"]);
    assert!(out.starts_with("nnunet: ") && out.contains("32x4x3x3x3"), "{out}");
    let (_, out, _) = lmsc(&["stats", "graphs/lightmedseg.ron", "--input", "4x96x96x96", "--depth", "2"]);
    assert!(out.contains("ghost1") && out.contains("8x48³"), "{out}");
}

/// Both names of a block lead to its page, and so do they in graphs, where a variant may exchange it under either.
#[test]
fn a_block_is_found_under_its_older_name() {
    let (code, out, _) = lmsc(&["blocks", "MaxPool3D"]);
    assert!(code == 0 && out.starts_with("MaxPool\n") && out.contains("`MaxPool3D` is read for it"), "{out}");
    let (_, out, _) = lmsc(&["blocks"]);
    assert!(out.lines().any(|l| l.starts_with("MaxPool ")) && out.contains("Before: MaxPool3D."), "{out}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    file(
        "base.ron",
        r#"(inputs: { "image": (channels: 1, size: (8, 8, 8)) }, nodes: { "p": MaxPool3D(x: "image") }, outputs: { "y": "p" })"#,
    );
    file("own.ron", r#"(extends: "base.ron", replace: { "MaxPool": AvgPool })"#);
    let own = folder.path().join("own.ron");
    let (code, out, err) = lmsc(&["graph", own.to_str().expect("a path"), "--format", "listing"]);
    assert!(code == 0 && out.contains("avg_pool3d(kernel: 2"), "{out}{err}");
}

/// What is written for a port or a size by habit is told with what it should be.
#[test]
fn habits_are_told_what_to_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("habits.ron");
    let text = r#"(
    inputs: { "image": (channels: 4, size: (16, 16, 16)) },
    blocks: { "Join": (inputs: ["x", "above?[]"], output: "c", nodes: { "c": Conv(x: "x", out: 8) }) },
    nodes: {
        "a": Conv(in: "image", out_channels: 4, kernel_size: 3, pad: 1),
        "b": Activation(x: "image", function: lrelu),
        "c": Conv(x: "image", out: 8, padding: same),
        "e{i}": Conv(for: "i in 0..=2", x: "image", out: 8),
        "f{i}": Concat(for: "i in 1..=2", x: ["e{1..i}"]),
    },
    outputs: { "y": ["a", "b", "c", "f1", "f2"] },
)"#;
    std::fs::write(&file, text).expect("written");
    let (code, _, err) = lmsc(&["check", file.to_str().expect("a path")]);
    assert_eq!(code, 1);
    let words = [
        "write \"above[]?\" for a list",
        "called `x` here",
        "called `out` here",
        "called `kernel` here",
        "called `padding` here",
        "called `leaky_relu` here",
        "one for each axis, as (1, 2, 2), is expected, but `same` is given",
        "the list for the input `x` of `f1` is empty here, where i = 1",
    ];
    for word in words {
        assert!(err.replace("\n          ", " ").contains(word), "{word}\n{err}");
    }
    assert!(err.contains("\n8 errors;"), "{err}");
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
