//! Models of several folds: one file that gives the mean of their logits, or one fold of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lmsc::compile::{Program, compile};
use lmsc::export::onnx::export_mean;
use lmsc::export::onnx::proto::{ModelProto, TensorProto};
use lmsc::infer::nnunet::{Nnunet, Resampling, Scheme, Source as Origin, VolumeReader};
use lmsc::infer::{Card, Flips};
use lmsc::ir::{Array, Arrays};
use lmsc::store::{load, save_sets};
use lmsc::text::Source;
use prost::Message;

use super::program::{entries, said};
use super::{at, decoded, given, small, sound};

/// Weights that are all the same number, without batch norms' variances among them.
fn filled(p: &Program, value: f32) -> Arrays {
    p.graph.tensors().into_iter().map(|(_, name, w)| (name, Array::new(w.dims.clone(), vec![value; w.dims.iter().product()]))).collect()
}

fn initializers(model: &ModelProto) -> &[TensorProto] {
    &model.graph.as_ref().expect("a graph").initializer
}

/// The names of a file's weights; constants are called so.
fn names(model: &ModelProto) -> BTreeSet<String> {
    let all = initializers(model).iter().filter_map(|t| t.name.clone());
    all.filter(|name| !name.starts_with("constant")).collect()
}

fn metadata(model: &ModelProto) -> BTreeMap<String, String> {
    model.metadata_props.iter().cloned().filter_map(|e| Some((e.key?, e.value?))).collect()
}

#[test]
fn sets_of_weights_are_one_graph_with_their_mean() {
    let text = "(inputs: { \"image\": (channels: 2, size: (16, 8, 8)) }, nodes: { \
                \"seen\": MaxPool(x: \"image\"), \
                \"a\": Conv(x: \"seen\", out: 4, norm: instance, activation: relu), \
                \"b\": Conv(x: \"a\", out: 3, kernel: 1) }, \
                outputs: { \"logits\": \"b\", \"features\": \"a\", \"small\": \"seen\" })";
    let p = compile(&Source::new("a.ron", text), &[], None).unwrap_or_else(|e| panic!("{e:?}"));
    let (one, two, three) = (filled(&p, 1.0), filled(&p, 2.0), filled(&p, 3.0));
    let sets = [("fold_0".to_owned(), &one), ("fold_1".to_owned(), &two), ("all".to_owned(), &three)];
    let made = |sets: &[(String, &Arrays)]| export_mean(&p, sets, &BTreeMap::new(), &at(17)).unwrap_or_else(|e| panic!("{e:?}"));
    let (alone, all) = (made(&sets[..1]), made(&sets));
    assert_eq!((alone.sets.len(), all.sets.as_slice()), (0, &["fold_0".to_owned(), "fold_1".into(), "all".into()][..]));
    assert_eq!(all.parameters(), 3 * alone.parameters());
    assert_eq!((&all.inputs, &all.outputs, &all.sizes), (&alone.inputs, &alone.outputs, &alone.sizes));
    let (alone, all) = (decoded(&alone), decoded(&all));
    sound("alone", &alone);
    sound("all", &all);
    // A weight of each set under its name, with its numbers; constants once, and the divisor.
    let of = |set: &str| names(&alone).into_iter().map(move |name| format!("{set}.{name}")).collect::<BTreeSet<_>>();
    assert_eq!(names(&all), ["fold_0", "fold_1", "all"].into_iter().flat_map(of).collect());
    let constants = |m: &ModelProto| initializers(m).len() - names(m).len();
    assert_eq!(constants(&all), constants(&alone) + 1);
    for (set, value) in [("fold_0", 1.0f32), ("fold_1", 2.0), ("all", 3.0)] {
        let own = initializers(&all).iter().filter(|t| t.name.as_deref().is_some_and(|n| n.starts_with(&format!("{set}."))));
        let numbers = own.flat_map(|t| t.raw_data.clone().unwrap_or_default());
        let bytes: Vec<u8> = numbers.collect();
        assert!(!bytes.is_empty() && bytes.chunks_exact(4).all(|b| b == value.to_le_bytes()), "{set}");
    }
    // What no weight leads to stands once; the rest thrice, and two sums and a division for each output.
    let kinds = |m: &ModelProto, kind: &str| m.graph.iter().flat_map(|g| &g.node).filter(|n| n.op_type.as_deref() == Some(kind)).count();
    assert_eq!((kinds(&all, "MaxPool"), kinds(&alone, "MaxPool")), (1, 1));
    assert_eq!((kinds(&all, "Conv"), kinds(&alone, "Conv")), (6, 2));
    assert_eq!((kinds(&all, "Add"), kinds(&all, "Div")), (6 + 3 * kinds(&alone, "Add"), 3 + 3 * kinds(&alone, "Div")));
    assert_eq!(metadata(&all)["lmsc.sets"], r#"["fold_0","fold_1","all"]"#);
    assert!(!metadata(&alone).contains_key("lmsc.sets"));
    // Also after the passes, whose weights are made anew for each set.
    let options = lmsc::export::onnx::OnnxOptions { optimised: true, ..at(17) };
    let optimised = export_mean(&p, &sets, &BTreeMap::new(), &options).unwrap_or_else(|e| panic!("{e:?}"));
    sound("optimised", &decoded(&optimised));
}

const FOLDS: [&str; 2] = ["0", "3"];

/// A model of two folds in `folder`, whose weights are 1 and 2; by nnU-Net's rules or without.
fn model(folder: &Path, by_nnunet: bool) -> Program {
    let p = small(Path::new("graphs/lightmedseg-small.ron"));
    let resampling = Resampling { order: 1, order_across: 0, separate: None };
    let files = |fold: &str| (format!("fold_{fold}/checkpoint_final.pth"), fold.repeat(64));
    let rules = Nnunet {
        configuration: "3d_fullres".into(),
        reader: VolumeReader::SimpleItk,
        transpose: [0, 1, 2],
        spacing: [1.0; 3].into(),
        normalise: vec![Scheme::None; p.input_channels()],
        image: resampling,
        logits: resampling,
        mirror: Flips::default(),
        source: Origin {
            folds: FOLDS.map(String::from).to_vec(),
            files: [("plans.json".to_owned(), "a".repeat(64))].into_iter().chain(FOLDS.map(files)).collect(),
            ..Origin::default()
        },
    };
    let labels = (0..p.classes() as u32).map(|n| (n, format!("c{n}"))).collect();
    let card = Card::new((0..p.input_channels()).map(|c| format!("m{c}")).collect(), labels, [32; 3]);
    let card = Card { nnunet: by_nnunet.then_some(rules), ..card };
    let sets = FOLDS.iter().enumerate().map(|(n, fold)| (format!("fold_{fold}"), filled(&p, 1.0 + n as f32))).collect();
    save_sets(&folder.join("folds.safetensors"), &p, sets, &card.entries()).expect("written");
    p
}

fn read(path: &Path) -> ModelProto {
    ModelProto::decode(std::fs::read(path).expect("a file").as_slice()).expect("it is read back")
}

#[test]
fn folds_are_written_as_one_file_or_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let p = model(here, true);
    let export = |args: &[&str]| {
        let (code, text) = said(here, &[&["export", "onnx", "folds.safetensors", "--out"], args].concat());
        assert_eq!(code, Some(0), "{text}");
        text
    };
    let text = export(&["all.onnx"]);
    assert!(text.contains("the mean of the logits of fold_0, fold_3"), "{text}");
    export(&["again.onnx"]);
    assert!(std::fs::read(here.join("all.onnx")).expect("a file") == std::fs::read(here.join("again.onnx")).expect("a file"));
    let text = export(&["three.onnx", "--fold", "3"]);
    assert!(!text.contains("mean"), "{text}");
    let (all, three) = (read(&here.join("all.onnx")), read(&here.join("three.onnx")));
    sound("all", &all);
    sound("three", &three);
    let own = names(&three);
    assert_eq!(names(&all), FOLDS.iter().flat_map(|f| own.iter().map(move |name| format!("fold_{f}.{name}"))).collect());
    assert!(own.iter().all(|name| p.graph.tensors().iter().any(|(_, known, _)| known == name)), "{own:?}");
    let weights = initializers(&three).iter().filter(|t| t.name.as_ref().is_some_and(|n| own.contains(n)));
    assert!(weights.flat_map(|t| t.raw_data.iter()).all(|raw| raw.chunks_exact(4).all(|b| b == 2.0f32.to_le_bytes())));
    let (all, three) = (metadata(&all), metadata(&three));
    assert!(all["answer"].ends_with("these logits are the mean over 2 sets of weights"), "{}", all["answer"]);
    assert_eq!(all["lmsc.sets"], r#"["fold_0","fold_3"]"#);
    assert!(all["preprocessing"].contains("averaged: 2 folds") && three["preprocessing"].contains("averaged: 1 fold,"));
    assert!(!three["answer"].contains("mean") && !three.contains_key("lmsc.sets"));
    let rules: serde_json::Value = serde_json::from_str(&three["nnunet"]).expect("JSON");
    assert_eq!(rules["source"]["folds"], serde_json::json!(["3"]));
    assert_eq!(
        rules["source"]["files"],
        serde_json::json!([["plans.json", "a".repeat(64)], ["fold_3/checkpoint_final.pth", "3".repeat(64)]])
    );
    // By its name in the file the fold is the same one.
    export(&["named.onnx", "--fold", "fold_3"]);
    assert!(std::fs::read(here.join("named.onnx")).expect("a file") == std::fs::read(here.join("three.onnx")).expect("a file"));
    let before = entries(here);
    for what in ["onnx", "bundle"] {
        let (code, text) = said(here, &["export", what, "folds.safetensors", "--out", "none", "--fold", "1"]);
        assert!(code == Some(1) && text.contains("E0805") && text.contains("has no fold `1`; it has fold_0, fold_3"), "{text}");
        assert!(text.contains("choose one of them, or leave out --fold"), "{text}");
    }
    assert_eq!(entries(here), before);
}

#[test]
fn a_bundle_has_all_folds_or_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    model(here, true);
    for (args, sets) in [(&["--out", "all"][..], 2), (&["--out", "one", "--fold", "0"], 1)] {
        let (code, text) = said(here, &[&["export", "bundle", "folds.safetensors"], args].concat());
        assert_eq!(code, Some(0), "{text}");
        let bundle = here.join(args[1]);
        let own = load(&bundle.join("model.safetensors")).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((own.sets().len(), own.more.len() + 1), (sets, sets));
        assert!(own.weights.values().all(|a| a.values.iter().all(|v| *v == 1.0)));
        let onnx = read(&bundle.join("model.onnx"));
        sound("bundle", &onnx);
        assert_eq!(metadata(&onnx)["lmsc.seal"], own.metadata["lmsc.seal"], "of the weights beside it");
        let page = std::fs::read_to_string(bundle.join("README.md")).expect("a card");
        assert!(page.contains(&own.metadata["lmsc.seal"]), "{page}");
        assert!(page.contains("The model carries none: nnU-Net's validation is not among what was imported"), "{page}");
        assert_eq!(page.contains("2 folds, whose logits are averaged; each has "), sets == 2, "{page}");
    }
    let whole = |name: &str| std::fs::read(here.join(name)).expect("a file");
    assert!(whole("all/model.safetensors") == whole("folds.safetensors"));
    // What was written is a model of that fold.
    let (code, text) = said(here, &["export", "onnx", "one/model.safetensors", "--out", "a.onnx", "--fold", "0"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = said(here, &["export", "onnx", "one/model.safetensors", "--out", "b.onnx", "--fold", "3"]);
    assert!(code == Some(1) && text.contains("has no fold `3`; it has fold_0"), "{text}");
}

#[test]
fn averaged_probabilities_are_no_logits() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    model(here, false);
    let (code, text) = said(here, &["export", "onnx", "folds.safetensors", "--out", "a.onnx"]);
    assert!(code == Some(1) && text.contains("E0805") && text.contains("averages the probabilities of its sets of weights"), "{text}");
    assert!(text.contains("export one of the sets: --fold NAME"), "{text}");
    assert_eq!(entries(here), ["folds.safetensors"]);
    let (code, text) = said(here, &["export", "onnx", "folds.safetensors", "--out", "a.onnx", "--fold", "3"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_model_of_nnunet_is_written_with_its_folds() {
    let Some(folder) = given::beside("nnunet/models/hippo-resenc") else { return };
    let place = tempfile::tempdir().expect("a folder");
    let here = place.path();
    let from = folder.display().to_string();
    let (code, text) = said(here, &["import", "nnunet", &from, "--out", "m.safetensors"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = said(here, &["export", "onnx", "m.safetensors", "--out", "m.onnx"]);
    assert_eq!(code, Some(0), "{text}");
    let (all, own) = (read(&here.join("m.onnx")), load(&here.join("m.safetensors")).expect("a model"));
    sound("hippo-resenc", &all);
    // Weights that a node takes in other dimensions stand under a further name.
    assert_eq!(names(&all).len(), 2 * own.weights.len());
    for (set, weights) in own.sets() {
        for (name, array) in weights {
            let t = initializers(&all).iter().find(|t| t.name.as_deref() == Some(&format!("{set}.{name}"))).expect("a weight");
            let bytes: Vec<u8> = array.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert!(t.raw_data.as_ref() == Some(&bytes), "{set}.{name}");
        }
    }
}
