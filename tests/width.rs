//! What is printed for people fits into the terminal: no line is longer than it is wide, and no word of what a wide one shows is missing.

use std::collections::BTreeSet;

use assert_cmd::Command;
use unicode_width::UnicodeWidthStr;

const WIDTHS: [usize; 4] = [40, 60, 80, 100];

/// Both streams of a command in a terminal of so many columns.
fn lmsc(args: &[&str], width: usize) -> String {
    let columns = width.to_string();
    let mut command = Command::cargo_bin("lmsc").expect("the program");
    let out = command.args(args).env("NO_COLOR", "1").env("COLUMNS", columns).output().expect("it runs");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    assert_eq!(out.status.code(), Some(0), "{args:?}: {}", text(&out.stderr));
    text(&out.stdout) + &text(&out.stderr)
}

/// The words of a text: three letters or more in a row. Numbers and units of time are left out, since they differ from run to run.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|w| w.chars().count() > 2).collect()
}

/// The words that have to be there: those of a table's rows stand in columns that may be left out by name, but the first of each row may not.
fn needed(wide: &str, left_out: bool) -> BTreeSet<&str> {
    let mut in_table = false;
    let lines = wide.lines().flat_map(|line| {
        let rule = line.chars().all(|c| c == '─') && !line.is_empty();
        in_table = (in_table || rule) && !line.is_empty();
        let first = line.trim_start().split("  ").next().unwrap_or_default();
        words(if in_table && left_out { first } else { line })
    });
    lines.collect()
}

/// Holds a command at every width against itself in a very wide terminal. `code` tells lines that are shown as they are.
fn holds(args: &[&str], widths: &[usize], code: impl Fn(&str) -> bool) {
    let wide = lmsc(args, 1000);
    for width in widths {
        let narrow = lmsc(args, *width);
        for line in narrow.lines().filter(|l| !code(l)) {
            // A word that is longer than the terminal is wide stays whole, so that it can be copied, and its name stays before it.
            let last = line.trim_start().rsplit("  ").find(|part| !part.is_empty()).unwrap_or_default();
            let one_word = last == line.trim_start() || last.width() + 16 > *width;
            let one_word = one_word && !last.trim().contains(' ');
            assert!(line.width() <= *width || one_word, "{args:?} at {width}: {line:?}\n{narrow}");
        }
        let there = words(&narrow);
        let missing: Vec<&str> = needed(&wide, narrow.contains("left out ")).into_iter().filter(|w| !there.contains(w)).collect();
        assert!(missing.is_empty(), "{args:?} at {width}: {missing:?} are missing\n{narrow}");
    }
}

fn hold(args: &[&str]) {
    holds(args, &WIDTHS, |_| false);
}

/// A folder and a path in it.
fn folder() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_owned();
    (folder, move |name: &str| root.join(name).display().to_string())
}

#[test]
fn what_is_said_of_graphs() {
    let light = "graphs/lightmedseg.ron";
    hold(&["check", light]);
    hold(&["check", light, "graphs/lightmedseg-k16.ron"]);
    hold(&["stats", light]);
    hold(&[
        "stats",
        light,
        "--depth",
        "3",
        "--set",
        "anchors=16",
        "--optimised",
        "--checkpointing",
        "--fit",
        "24GiB",
        "--input",
        "4x96x96x128",
    ]);
    hold(&["stats", light, "graphs/lightmedseg-detail-standard.ron", "graphs/lightmedseg-no-anchors.ron"]);
    hold(&["diff", light, "graphs/lightmedseg-literal.ron"]);
    hold(&["diff", light, light, "--set-b", "anchors=16"]);
    hold(&["blocks"]);
    hold(&["blocks", "--in", light]);
    for block in ["GhostConv3D", "LSPM", "SkipRouter", "EncoderStage"] {
        hold(&["blocks", block, "--in", light]);
    }
    hold(&["explain"]);
    // The code of a page is indented.
    holds(&["explain", "E0301"], &WIDTHS, |l| l.starts_with("    "));
    holds(&["graph", light], &WIDTHS[1..], |_| false);
    holds(&["graph", light, "--depth", "2"], &WIDTHS[1..], |_| false);
}

#[test]
fn names_may_be_long() {
    let (_keep, at) = folder();
    let name = "a_very_long_name_of_a_node_".repeat(2);
    let file = at("long.ron");
    let text = format!(
        "(name: \"{name}graph\", params: {{ \"{name}\": 4 }}, inputs: {{ \"image\": (channels: 1, size: (16, 16, 16)) }}, nodes: {{
            \"{name}first\": Conv3D(x: \"image\", out: \"{name}\"), \"{name}second\": SegHead(x: \"{name}first\", classes: 2) }},
        outputs: {{ \"logits\": \"{name}second\" }})"
    );
    std::fs::write(&file, text).expect("written");
    for args in [
        &["stats", &file][..],
        &["stats", &file, "--depth", "9"],
        &["stats", &file, &file],
        &["graph", &file],
        &["diff", &file, &file, "--set-b", &format!("{name}=8")],
        &["check", &file],
    ] {
        for width in WIDTHS {
            let text = lmsc(args, width);
            let long: Vec<&str> = text.lines().filter(|l| l.width() > width && l.trim_start().contains(' ')).collect();
            assert!(long.is_empty(), "{args:?} at {width}: {long:?}\n{text}");
        }
    }
    // The names in a table are folded, not cut, and the numbers stay beside them.
    let text = lmsc(&["stats", &file], 60);
    let joined: String = text.lines().map(|l| l.split("  ").next().unwrap_or_default()).collect();
    assert!(joined.contains(&format!("{name}first")) && text.contains("params"), "{text}");
}

#[test]
fn a_new_graph() {
    let (_keep, at) = folder();
    for width in [1000, 40, 60] {
        let text = lmsc(&["new", &at(&format!("{width}.ron"))], width);
        assert!(text.lines().all(|l| l.width() <= width || l.trim_start().split(' ').count() <= 3), "{text}");
    }
}

/// What has a device, data or a model.
#[cfg(feature = "train")]
mod run {
    use std::sync::Arc;

    use burn::tensor::Device;
    use lmsc::compile::compile;
    use lmsc::data::phantom;
    use lmsc::infer::Card;
    use lmsc::net::{self, Network};
    use lmsc::text::Source;

    use super::{WIDTHS, folder, hold, holds};

    const GRAPH: &str = "(
        name: \"tiny\",
        params: { \"modalities\": 4, \"classes\": 4 },
        inputs: { \"image\": (channels: \"modalities\", size: (16, 16, 16)) },
        nodes: {
            \"down\": Conv3D(x: \"image\", out: 4, kernel: 3, stride: 2, norm: group(2), activation: silu),
            \"up\": UpConv3D(x: \"down\", out: 4),
            \"head\": SegHead(x: \"up\", classes: \"classes\"),
        },
        outputs: { \"logits\": \"head\" },
    )";

    #[test]
    fn what_is_said_of_the_machine() {
        hold(&["doctor"]);
        let (_keep, at) = folder();
        std::fs::write(at("tiny.ron"), GRAPH).expect("written");
        hold(&["bench", &at("tiny.ron"), "--runs", "1", "--stages", "--device", "cpu"]);
        hold(&["bench", &at("tiny.ron"), "--runs", "1", "--step", "--device", "cpu"]);
    }

    #[test]
    fn what_is_said_of_data_and_models() {
        let (keep, at) = folder();
        std::fs::write(at("tiny.ron"), GRAPH).expect("written");
        phantom::write(&keep.path().join("data"), 3, [16, 20, 18], 1).expect("written");
        let config = "(graph: \"tiny.ron\", data: Phantom(cases: 3, size: (16, 16, 16)), split: (validation: 0.4), patch: (16, 16, 16), batch: 1, epochs: 1, steps: 1)";
        std::fs::write(at("tiny-run.ron"), config).expect("written");
        let program = Arc::new(compile(&Source::new("tiny.ron", GRAPH), &[], None).expect("it compiles"));
        let labels = phantom::LABELS.iter().zip(0..).map(|(name, value)| (value, (*name).to_owned())).collect();
        let card = Card::new(["t1", "t1ce", "t2", "flair"].map(String::from).to_vec(), labels, [16; 3]);
        net::save(&keep.path().join("m.safetensors"), &Network::new(program, &Device::flex(), 3).expect("made"), &card.entries())
            .expect("saved");

        let image = at("data/imagesTr/phantom_0000.nii.gz");
        hold(&["data", "check", &at("data")]);
        hold(&["data", "plan", &at("data"), "--graph", &at("tiny.ron"), "--out", &at("mine.ron"), "--overwrite"]);
        hold(&["train", &at("tiny-run.ron"), "--dry", "--device", "cpu"]);
        hold(&["train", &at("tiny-run.ron"), "--list", "--set", "seed=0,1", "--out", &at("runs")]);
        hold(&["predict", &at("m.safetensors"), &image, "--out", &at("out"), "--again", "--device", "cpu"]);
        hold(&["view", &image, "--out", &at("case.html")]);
        // Tables within a page of `info` keep their columns.
        for file in ["tiny.ron", "m.safetensors", "data/imagesTr/phantom_0000.nii.gz", "data/labelsTr/phantom_0000.nii.gz"] {
            holds(&["info", &at(file)], &WIDTHS[1..], |_| false);
        }
    }
}
