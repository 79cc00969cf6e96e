//! `lmsc train` with several values: the runs of the product, made, skipped, gone on with, listed, one by one, and as a job array.
#![cfg(feature = "train")]

mod given;

use std::path::{Path, PathBuf};
use std::process::Command;

use given::{lmsc, text};
use serde_json::Value;

const GRAPH: &str = include_str!("given/tiny.ron");

const CONFIG: &str = r#"(
    graph: "tiny.ron",
    data: Phantom(cases: 4, size: (16, 16, 16), seed: 1),
    split: (folds: Some(2)),
    patch: (16, 16, 16),
    optimiser: (lr: 0.01),
    epochs: 1,
    steps: 1,
    device: "cpu",
)"#;

/// A folder whose name must be quoted, with the graph and the config.
fn given() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("it's $HOME");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("tiny.ron"), GRAPH).expect("written");
    std::fs::write(folder.join("run.ron"), CONFIG).expect("written");
    (dir, folder)
}

const SWEEP: [&str; 8] = ["train", "run.ron", "--set", "optimiser.lr=0.01,0.02", "--set", "split.fold=0..1", "--out", "all runs"];
const NAMES: [&str; 4] = [
    "optimiser.lr=0.01,split.fold=0",
    "optimiser.lr=0.01,split.fold=1",
    "optimiser.lr=0.02,split.fold=0",
    "optimiser.lr=0.02,split.fold=1",
];

fn states(folder: &Path, sweep: &[&str]) -> Vec<String> {
    let out = lmsc(folder, &[sweep, &["--list", "--json"]].concat());
    let all: Vec<Value> = serde_json::from_slice(&out.stdout).expect("JSON");
    assert!(all.iter().enumerate().all(|(i, r)| r["index"] == i));
    all.iter().map(|r| r["state"].as_str().expect("a state").to_owned()).collect()
}

#[test]
fn the_runs_of_the_product_are_made_once() {
    let (_dir, folder) = given();
    assert_eq!(states(&folder, &SWEEP), ["open"; 4]);
    assert!(!folder.join("all runs").exists(), "a list makes nothing");
    // One by its number.
    let out = lmsc(&folder, &[&SWEEP[..], &["--index", "2"]].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(states(&folder, &SWEEP), ["open", "open", "finished", "open"]);
    let first =
        std::fs::metadata(folder.join("all runs").join(NAMES[2]).join("best.safetensors")).expect("made").modified().expect("a time");
    // One that was cut off before its state was written, as a kill leaves it.
    let cut = folder.join("all runs").join(NAMES[3]);
    let out = lmsc(&folder, &[&SWEEP[..], &["--index", "3"]].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    std::fs::remove_file(cut.join("resume.state")).expect("removed");
    assert_eq!(states(&folder, &SWEEP), ["open", "open", "finished", "interrupted"]);
    // And all.
    let out = lmsc(&folder, &SWEEP);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("finished before") && text(&out.stdout).contains("4 of 4 runs"), "{}", text(&out.stdout));
    assert_eq!(states(&folder, &SWEEP), ["finished"; 4]);
    let again =
        std::fs::metadata(folder.join("all runs").join(NAMES[2]).join("best.safetensors")).expect("kept").modified().expect("a time");
    assert_eq!(first, again, "what is finished is left alone");
    // Each run is what it would be alone.
    let config = std::fs::read_to_string(folder.join("all runs").join(NAMES[1]).join("config.ron")).expect("a config");
    assert!(config.contains("lr: 0.01") && config.contains("fold: 1"), "{config}");
    // Of another config, nothing is skipped.
    let out = lmsc(&folder, &[&SWEEP[..], &["--set", "seed=5"]].concat());
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(text(&out.stderr).matches("holds a run of another config").count(), 8, "each once when it comes up, and all at the end");
    assert_eq!(states(&folder, &[&SWEEP[..], &["--set", "seed=5"]].concat()), ["of another config"; 4]);
}

#[test]
fn a_run_that_fails_does_not_stop_the_others() {
    let (_dir, folder) = given();
    let sweep = ["train", "run.ron", "--set", "patch=(15,16,16),(16,16,16)", "--set", "split.fold=0,7", "--out", "o"];
    let out = lmsc(&folder, &sweep);
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{err}");
    assert!(text(&out.stdout).contains("1 of 4 runs"), "{}", text(&out.stdout));
    assert!(folder.join("o/patch=(16,16,16),split.fold=0/best.safetensors").exists());
    for run in ["patch=(15,16,16),split.fold=0", "patch=(15,16,16),split.fold=7", "patch=(16,16,16),split.fold=7"] {
        assert!(err.contains(&format!("this is of the run `o/{run}`")), "{run}: {err}");
    }
    assert_eq!(states(&folder, &sweep), ["wrong", "wrong", "finished", "wrong"]);
}

#[test]
fn a_job_array_makes_one_run_a_task() {
    let (_dir, folder) = given();
    let out = lmsc(&folder, &[&SWEEP[..], &["--slurm", "array.sh", "--slurm-time", "1:00:00"]].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(!folder.join("all runs").exists(), "nothing is trained");
    let script = std::fs::read_to_string(folder.join("array.sh")).expect("a script");
    for line in ["#!/bin/bash", "#SBATCH --array=0-3", "#SBATCH --time=1:00:00", "#SBATCH --mem=5G", "##SBATCH --gpus=1"] {
        assert!(script.lines().any(|l| l == line), "{line}: {script}");
    }
    // As Slurm would start task 1, from anywhere.
    let task = Command::new("bash").arg(folder.join("array.sh")).env("SLURM_ARRAY_TASK_ID", "1").current_dir("/").output().expect("bash");
    assert!(task.status.success(), "{}", text(&task.stderr));
    assert_eq!(states(&folder, &SWEEP), ["open", "finished", "open", "open"]);
}

#[test]
fn a_dry_run_writes_nothing_and_tells_what_comes() {
    let (_dir, folder) = given();
    let before = std::fs::read_dir(&folder).expect("a folder").count();
    let out = lmsc(&folder, &["train", "run.ron", "--set", "steps=5", "--set", "epochs=7", "--dry", "--json"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), before);
    assert_eq!((said["epochs"].as_u64(), said["steps_per_epoch"].as_u64(), said["validation_cases"].as_u64()), (Some(7), Some(5), Some(2)));
    assert_eq!(said["losses"].as_array().map(Vec::len), Some(3));
    // Three times 2 x MACs of two patches, as `lmsc stats` counts them.
    let stats: Value =
        serde_json::from_slice(&lmsc(&folder, &["stats", "tiny.ron", "--format", "json", "--batch", "2"]).stdout).expect("JSON");
    assert_eq!(said["flops_per_step"].as_u64(), stats["total"]["flops"].as_u64().map(|f| 3 * f));
    assert_eq!(said["parameters"], stats["total"]["params"]);
    assert_eq!(said["counted"]["total"], stats["memory"]["training_peak_bytes"]);
    let seconds = |key: &str| said[key].as_f64().expect("a number");
    let forecast = 7.0 * (5.0 * seconds("step_seconds") + 2.0 * seconds("validation_seconds"));
    assert!((seconds("forecast_seconds") - forecast).abs() < 1e-9 * forecast);
    if cfg!(target_os = "linux") {
        assert!(said["peak_bytes"].as_u64() > said["counted"]["weights"].as_u64());
    }
    let out = lmsc(&folder, &["train", "run.ron", "--dry"]);
    let page = text(&out.stdout);
    assert!(page.contains("nothing was written"), "{}", text(&out.stderr));
    // Every field with its value, what nobody has named marked.
    let field = |name: &str| -> Vec<&str> {
        let line = page.lines().find(|l| l.split_whitespace().next() == Some(name)).unwrap_or_else(|| panic!("{name}: {page}"));
        line.split_whitespace().skip(1).collect()
    };
    assert_eq!(field("loss.boundary"), ["0.0", "default"]);
    assert_eq!((field("patience"), field("epochs").len(), field("graph").len()), (vec!["none", "default"], 1, 1));
    assert_eq!((said["config"]["loss"]["dice"].as_f64(), said["config"]["steps"].as_u64()), (Some(1.0), Some(5)));
    let defaults: Vec<&str> = said["defaults"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert!(defaults.contains(&"loss.boundary") && !defaults.contains(&"steps") && !defaults.contains(&"epochs"), "{defaults:?}");
    for (args, words) in [
        (&["train", "run.ron", "--dry", "--set", "seed=1,2"][..], "looks at one run"),
        (&["train", "run.ron", "--index", "1"], "numbered from 0 to 0"),
        (&["train", "run.ron", "--json"], "--json goes with"),
    ] {
        let out = lmsc(&folder, args);
        assert!(out.status.code() == Some(1) && text(&out.stderr).contains(words), "{words}: {}", text(&out.stderr));
    }
}
