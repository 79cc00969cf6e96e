//! The verbs `lmsc export onnx` and `lmsc export bundle`: what they write, what they refuse, and that nothing is left then.

use std::collections::BTreeMap;
use std::path::Path;

use lmsc::compile::compile;
use lmsc::export::onnx::proto::ModelProto;
use lmsc::infer::Card;
use lmsc::text::Source;
use prost::Message;

use super::{given, small, sound, swish, weights};

/// What the program prints, and its exit code.
pub fn said(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let out = given::lmsc(folder, args);
    (out.status.code(), format!("{}{}", given::text(&out.stdout), given::text(&out.stderr)))
}

pub fn entries(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/hippocampus.safetensors");

#[test]
fn a_model_is_written_by_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    for name in ["a.onnx", "b.onnx", "a.onnx"] {
        let (code, text) = said(here, &["export", "onnx", MODEL, "--out", name]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("368,645 parameters") && text.contains("input  image N x 1 x D x H x W"), "{text}");
    }
    let bytes = std::fs::read(here.join("a.onnx")).expect("a file");
    assert!(bytes == std::fs::read(here.join("b.onnx")).expect("a file"));
    let proto = ModelProto::decode(bytes.as_slice()).expect("it is read back");
    let meta: BTreeMap<String, String> = proto.metadata_props.iter().cloned().filter_map(|e| Some((e.key?, e.value?))).collect();
    assert_eq!(meta["labels"], r#"[[0,"background"],[1,"Anterior"],[2,"Posterior"]]"#);
    assert_eq!((meta["normalise"].as_str(), meta["orientation"].as_str(), meta["patch"].as_str()), ("\"ZScore\"", "\"RAS\"", "[40,56,40]"));
    assert!(meta["preprocessing"].contains("mean 0 and deviation 1") && meta["axes"].contains("k, j, i once it is turned to RAS"));
    assert!(meta.contains_key("lmsc.graph") && meta["lmsc.seal"].len() == 64, "{meta:?}");
    assert!(!meta.values().any(|v| v == "null" || v == "[]"), "what says nothing is not there: {meta:?}");
    // Written over only what is known to be its own.
    std::fs::write(here.join("notes.onnx"), "my notes").expect("written");
    let (code, text) = said(here, &["export", "onnx", MODEL, "--out", "notes.onnx"]);
    assert!(code == Some(1) && text.contains("is there already"), "{text}");
    assert_eq!(entries(here), ["a.onnx", "b.onnx", "notes.onnx"]);
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let p = swish(true);
    let store = lmsc::store::Store { arrays: weights(&p), metadata: BTreeMap::new() };
    lmsc::store::write_store(&here.join("weights.safetensors"), &store).expect("written");
    let graph = small(Path::new("graphs/lightmedseg-small.ron"));
    lmsc::store::save(&here.join("no-card.safetensors"), &graph, weights(&graph), &BTreeMap::new()).expect("written");
    let before = entries(here);
    for (args, words) in [
        (&["onnx", MODEL, "--out", "a.onnx", "--opset", "12"][..], &["E0805", "only those from 13 to 23", "leave out --opset"][..]),
        (&["onnx", MODEL, "--out", "a.onnx", "--static", "1x40x56x41"], &["E0303", "is not a multiple of 8", "use 40x56x48"]),
        (&["onnx", MODEL, "--out", "a.onnx", "--static", "2x40x56x40"], &["E0302", "--static has 2 channels, but the model takes 1"]),
        (&["onnx", MODEL, "--out", "a.onnx", "--static", "large"], &["E0303", "this is not the size of an input"]),
        (&["onnx", "weights.safetensors", "--out", "a.onnx"], &["E0801", "holds weights but no graph"]),
        (&["onnx", "no-card.safetensors", "--out", "a.onnx"], &["E0801", "does not say how images are prepared", "help"]),
        (&["onnx", MODEL, "--out", "none/a.onnx"], &["E0603", "its folder is not there"]),
        (&["onnx", "no-card.safetensors", "--out", "no-card.safetensors"], &["E0603", "is an input of this command"]),
        (&["onnx", MODEL, "--out", "a.onnx", "--fold", "0"], &["E0805", "has no fold `0`: it is one set of weights", "leave out --fold"]),
        (&["onnx", MODEL, "--out", "a.onnx", "--static", "40x56x40", "--opset", "24"], &["E0805", "only those from 13 to 23"]),
        (&["onnx", "none.safetensors", "--out", "a.onnx"], &["E0801", "none.safetensors"]),
        (&["bundle", "no-card.safetensors", "--out", "b"], &["E0801", "does not say how images are prepared"]),
        (&["bundle", MODEL, "--out", "b", "--fold", "1"], &["E0805", "has no fold `1`"]),
        (&["bundle", MODEL, "--out", "none/b"], &["E0603"]),
        (&["bundle", MODEL, "--out", "b", "--opset", "99"], &["E0805"]),
        (&["bundle", MODEL, "--out", "."], &["E0603", "is a folder that has files in it", "give another folder"]),
        (&["bundle", MODEL, "--out", "weights.safetensors"], &["E0603", "is a file"]),
    ] {
        let (code, text) = said(here, &[&["export"], args].concat());
        assert_eq!(code, Some(1), "{args:?}: {text}");
        assert!(words.iter().all(|w| text.contains(w)), "{args:?}: {text}");
        assert_eq!(entries(here), before, "{args:?}");
    }
}

#[test]
fn a_bundle_has_all_that_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = said(folder.path(), &["export", "bundle", MODEL, "--out", "hippocampus"]);
    assert_eq!(code, Some(0), "{text}");
    let bundle = folder.path().join("hippocampus");
    assert_eq!(entries(&bundle), ["README.md", "graph.ron", "graph.svg", "model.onnx", "model.safetensors"]);
    let read = |name: &str| std::fs::read(bundle.join(name)).expect("a file");
    assert!(read("model.safetensors") == std::fs::read(MODEL).expect("a model"));
    sound("bundle", &ModelProto::decode(read("model.onnx").as_slice()).expect("it is read back"));
    assert!(compile(&Source::read(&bundle.join("graph.ron")).expect("a graph"), &[], None).is_ok());
    let card = given::text(&read("README.md"));
    for words in [
        "## Data and training",
        "## Metrics\n\nThe model carries none: it was imported as weights",
        "## Preprocessing",
        "## Limits",
        "## Licence",
        "CC-BY-SA 4.0",
        "| 2 | Posterior |",
        // A picture within a line of text would be as high as the line.
        "\n\n![the network](graph.svg)\n\n",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    for name in ["graph.ron", "graph.svg", "model.onnx", "model.safetensors"] {
        let hash = blake3_of(&read(name));
        assert!(card.contains(&hash), "{name} {hash}: {card}");
    }
    // Once more it is in use.
    let (code, text) = said(folder.path(), &["export", "bundle", MODEL, "--out", "hippocampus"]);
    assert!(code == Some(1) && text.contains("has files in it"), "{text}");
}

fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn a_card_has_the_metrics_that_the_model_carries() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let p = small(Path::new("graphs/lightmedseg-small.ron"));
    let labels = vec![(0, "background".into()), (1, "core".into()), (2, "edema".into()), (4, "cyst | rim".into())];
    let card = Card {
        epoch: 40,
        seed: 3,
        validation_dice: Some(0.8125),
        class_dice: vec![Some(0.875), Some(0.75), None],
        ..Card::new((0..p.input_channels()).map(|c| format!("T{c}")).collect(), labels, [32; 3])
    };
    lmsc::store::save(&here.join("best.safetensors"), &p, weights(&p), &card.entries()).expect("written");
    let (code, text) = said(here, &["export", "bundle", "best.safetensors", "--out", "b"]);
    assert_eq!(code, Some(0), "{text}");
    let page = std::fs::read_to_string(here.join("b/README.md")).expect("a card");
    let table = "| | Dice |\n|---|--:|\n| core | 0.8750 |\n| edema | 0.7500 |\n| cyst \\| rim | not in any case |\n| mean | 0.8125 |\n";
    for words in [table, "Segments core, edema, cyst \\| rim in T0", "It is weakest at edema: Dice 0.7500", "40 epochs, seed 3"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}
