//! Whole runs of a very small network on generated volumes.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;

use super::*;
use crate::infer::Model;
use crate::net::read_tensors;
use crate::read::Set;
use crate::text::{Code, Result, Source};

const GRAPH: &str = r#"(
    name: "tiny",
    params: { "modalities": 4, "classes": 4 },
    inputs: { "image": (channels: "modalities", size: (16, 16, 16)) },
    nodes: {
        "down": Conv3D(x: "image", out: 8, kernel: 3, stride: 2, norm: 2, activation: silu),
        "up": UpConv3D(x: "down", out: 8),
        "head": SegHead(x: "up", classes: "classes"),
    },
    outputs: { "logits": "head" },
)"#;

const CONFIG: &str = r#"(
    graph: "tiny.ron",
    data: Phantom(cases: 5, size: (16, 20, 18), seed: 1),
    patch: (16, 16, 16),
    augment: (flip: 0.5, noise: 0.1, intensity: 0.1),
    optimiser: (lr: 0.01),
    epochs: 3,
    steps: 6,
    device: "cpu",
)"#;

fn job(sets: &[&str], graph_sets: &[&str]) -> Result<Job> {
    let parse = |all: &[&str]| all.iter().map(|s| Set::parse(s)).collect::<Result<Vec<_>>>();
    let source: Arc<Source> = Source::new("run.ron", CONFIG);
    let config = RunConfig::read(&source, &parse(sets)?)?;
    Job::prepare(config, &source, &Source::new("tiny.ron", GRAPH), &parse(graph_sets)?)
}

fn train_in(dir: &Path, job: &Job) -> Result<Outcome> {
    train(job, &Folder::create(Some(dir), "x", false)?, &Device::flex())
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_same_seed_gives_the_same_run_and_the_run_folder_makes_it_again() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|n| root.path().join(n));
    let outcome = train_in(&a, &job(&[], &[]).unwrap()).unwrap();
    train_in(&b, &job(&[], &[]).unwrap()).unwrap();
    for name in [BEST, LAST] {
        let [x, y] = [&a, &b].map(|run| read_tensors(&run.join(name)).unwrap());
        assert!(x.all == y.all, "the weights in {name} differ");
        assert_eq!(x.metadata, y.metadata, "{name}");
    }
    // All but the seconds, the last column.
    let cut = |p: &Path| lines(&p.join("metrics.csv")).iter().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect::<Vec<_>>();
    let metrics = cut(&a);
    assert_eq!(metrics, cut(&b));
    assert_eq!(metrics.len(), 4);
    assert!(metrics[0].ends_with("loss_boundary,dice_edema,dice_core,dice_enhancing,dice_mean"), "{}", metrics[0]);
    let losses: Vec<f64> = metrics[1..].iter().map(|l| l.split(',').nth(3).unwrap().parse().unwrap()).collect();
    assert!(losses[1] < losses[0] && losses[2] < 0.95 * losses[0], "it learns: {losses:?}");

    train_in(&c, &job(&["seed=1"], &[]).unwrap()).unwrap();
    assert_ne!(metrics, cut(&c));

    // From what the folder holds.
    let source = Source::read(&a.join("config.ron")).unwrap();
    let config = RunConfig::read(&source, &[]).unwrap();
    let graph = Source::read(&config.graph_path(&a.join("config.ron"))).unwrap();
    train_in(&d, &Job::prepare(config, &source, &graph, &[]).unwrap()).unwrap();
    assert_eq!(metrics, cut(&d));

    // The checkpoint is what was validated.
    let job = job(&[], &[]).unwrap();
    let model = Model::load(&a.join(BEST), &Device::flex()).unwrap();
    let card = model.card();
    assert_eq!((card.epoch, card.validation_dice), (outcome.best.epoch, Some(outcome.best.dice_mean)));
    assert_eq!(card.labels[3], (3, "enhancing".to_owned()));
    let scores = super::validate::validate(&model, &job.store, &job.validation, |_| ()).unwrap();
    assert!((scores.mean - outcome.best.dice_mean).abs() < 1e-6);
    let split: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(a.join("split.json")).unwrap()).unwrap();
    assert_eq!((split["training"].as_array().unwrap().len(), split["validation"].as_array().unwrap().len()), (4, 1));
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_names_the_cases() {
    let root = tempfile::tempdir().unwrap();
    let e = train_in(&root.path().join("a"), &job(&["optimiser.lr=1e30", "schedule.warmup=0"], &[]).unwrap()).unwrap_err();
    assert_eq!(e.0[0].code, Code::E0901);
    assert!(e.0[0].message.contains("phantom_000"), "{e:?}");
    assert!(e.0[0].help[0].contains("no epoch was finished"));

    // The rate explodes in the second epoch only: the first one's checkpoint stays and is named.
    let dir = root.path().join("b");
    let e = train_in(&dir, &job(&["optimiser.lr=1e38", "schedule.warmup=2e37", "steps=1", "epochs=40"], &[]).unwrap()).unwrap_err();
    assert_eq!(e.0[0].code, Code::E0901);
    assert!(e.0[0].help[0].contains("last.safetensors"), "{e:?}");
    assert!(Model::load(&dir.join(LAST), &Device::flex()).is_ok());
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let refused = |sets: &[&str], graph: &[&str], words: &[&str]| {
        let e = job(sets, graph).unwrap_err();
        assert!(e.0.iter().all(|d| d.code == Code::E0601), "{e:?}");
        for word in words {
            assert!(e.0.iter().any(|d| d.message.contains(word)), "{word}: {e:?}");
        }
    };
    refused(&["patch=(16,17,16)"], &[], &["patch", "17"]);
    refused(&[], &["modalities=1"], &["modalities", "flair"]);
    refused(&["set.classes=2", "patch=(15,16,16)"], &[], &["classes", "edema", "patch"]);
    refused(&["data.cases=1"], &[], &["1 are for training and 0 for validation"]);
    assert_eq!(job(&[], &["anchors=2"]).unwrap_err().0[0].code, Code::E0207);
}
