//! Files that users have: models and run states of earlier versions are read, whatever has changed since. `tests/kept/README.md` says how they
//! were made; prepared cases are read by `data::cache`, whose test is there.
#![cfg(feature = "train")]

use std::path::{Path, PathBuf};

use lmsc::infer::{Options, Predictor};
use lmsc::net;

/// The folders of `tests/kept` that hold what a version wrote.
const VERSIONS: [&str; 1] = ["v0"];

fn kept(version: &str) -> PathBuf {
    Path::new("tests/kept").join(version)
}

fn numbers(path: &Path) -> Vec<f32> {
    std::fs::read_to_string(path).expect("numbers").lines().map(|l| l.parse().expect("a number")).collect()
}

#[test]
fn models_predict_what_they_did() {
    let device = net::device("cpu").expect("a CPU");
    for version in VERSIONS {
        let model = net::load_model(&kept(version).join("run/best.safetensors"), &device).expect("it is read");
        let options = Options { probabilities: true, ..Options::default() };
        let said = Predictor::new(model, options).predict(&["tests/kept/set/imagesTr/kept_0.nii.gz".into()], || ()).expect("it predicts");
        let all: Vec<f32> = said.probabilities.expect("they were asked for").iter().step_by(29).copied().collect();
        let want = numbers(&kept(version).join("probabilities.txt"));
        assert_eq!(all.len(), want.len());
        for (at, (a, b)) in all.iter().zip(&want).enumerate() {
            assert!((a - b).abs() < 1e-4, "{version}, number {at}: {a} is not {b}. Raise net::SEMANTICS if that is meant");
        }
    }
}

#[test]
fn every_operation_is_in_the_kept_network() {
    let text = std::fs::read_to_string("tests/kept/every.ron").expect("the graph");
    let program = lmsc::compile::compile(&lmsc::text::Source::new("every.ron", text.clone()), &[], None).expect("it compiles");
    let kinds: Vec<&str> = program.graph.values().map(|v| lmsc::ir::Operator::kind(&program.graph.node(v).op)).collect();
    // What was there when the files were made; an operation that comes later is kept with the next version.
    for kind in [
        "abs",
        "add",
        "concat",
        "conv3d",
        "conv_transpose3d",
        "gelu",
        "global_avg_pool",
        "group_norm",
        "leaky_relu",
        "linear",
        "max_pool3d",
        "mul",
        "position_map",
        "relu",
        "resize",
        "scale_shift",
        "sigmoid",
        "silu",
        "slice",
        "softmax",
        "sub",
        "tanh",
    ] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

/// A kept run folder as its user has it, and what `lmsc train --resume` says of it.
fn resumed(version: &str, change: impl FnOnce(&Path)) -> (tempfile::TempDir, std::process::Output) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    std::fs::create_dir(&run).expect("a folder");
    for file in std::fs::read_dir(kept(version).join("run")).expect("the run").map(|e| e.expect("a file")) {
        std::fs::copy(file.path(), run.join(file.file_name())).expect("copied");
    }
    let config = std::fs::read_to_string(run.join("config.ron")).expect("the config");
    let cache = folder.path().join("cache").display().to_string();
    std::fs::write(run.join("config.ron"), config.replace("tests/kept/v0/cases", &cache)).expect("written");
    change(&run);
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_lmsc")).args(["train", "--resume"]).arg(&run).env("NO_COLOR", "1").output();
    (folder, out.expect("it runs"))
}

#[test]
fn runs_are_gone_on_with() {
    for version in VERSIONS {
        let (folder, out) = resumed(version, |_| ());
        let err = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{err}");
        assert!(
            err.contains("was begun by an older lmsc, which kept no record of its config, its graph and the files of its cases"),
            "{err}"
        );
        let run = folder.path().join("run");
        let metrics = std::fs::read_to_string(run.join("metrics.csv")).expect("the journal");
        let last: Vec<&str> = metrics.lines().last().expect("an epoch").split(',').collect();
        let figure = |at: usize| last[at].parse::<f64>().expect("a number");
        // As the version that wrote it went on.
        assert_eq!((metrics.lines().count(), last[0]), (6, "5"));
        assert!((figure(3) - 0.913358).abs() < 2e-3 && (figure(9) - 0.878462).abs() < 2e-2, "{metrics}");
        assert!(run.join("last.safetensors").exists() && run.join("data.json").exists());
    }
}

#[test]
fn a_kept_run_of_another_config_or_split_is_still_refused() {
    for (file, from, to, words) in
        [("split.json", "kept_1", "kept_9", "the data set has other cases"), ("config.ron", "data: Msd", "data: Nowhere", "Nowhere")]
    {
        let (_folder, out) = resumed("v0", |run| {
            let text = std::fs::read_to_string(run.join(file)).expect("a text");
            assert!(text.contains(from));
            std::fs::write(run.join(file), text.replace(from, to)).expect("written");
        });
        let err = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1));
        assert!(err.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{err}");
    }
}
