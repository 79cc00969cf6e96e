//! Whole runs of a very small network on generated volumes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::*;
use crate::data::SlicePlane;
use crate::infer::BEST;
use crate::net::{Network, load_model};
use crate::read::Set;
use crate::store::read_store;
use crate::text::{Code, Result, Source};

mod goals;
#[cfg(feature = "gpu")]
mod gpu;
mod initial;
mod precision;
mod resumption;
mod statistics;
mod workers;

const GRAPH: &str = include_str!("../../tests/given/tiny.ron");

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
    job_of(GRAPH, sets, graph_sets)
}

fn job_of(graph: &str, sets: &[&str], graph_sets: &[&str]) -> Result<Job> {
    let parse = |all: &[&str]| all.iter().map(|s| Set::parse(s)).collect::<Result<Vec<_>>>();
    let source: Arc<Source> = Source::new("run.ron", CONFIG);
    let config = RunConfig::read(&source, &parse(sets)?)?;
    Job::prepare(config, &source, &Source::new("tiny.ron", graph), &parse(graph_sets)?)
}

fn train_in(dir: &Path, job: &Job) -> Result<Outcome> {
    train(job, &Folder::create(Some(dir), "x", false)?, &Device::flex(), &AtomicBool::new(false))
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// The lines of a run's `metrics.csv` without the times, its last two columns.
fn figures(run: &Path) -> Vec<String> {
    lines(&run.join("metrics.csv")).iter().map(|l| l.rsplitn(3, ',').last().unwrap().to_owned()).collect()
}

/// That two runs left the same weights and figures.
#[track_caller]
fn same(a: &Path, b: &Path) {
    for name in [BEST, LAST] {
        let [x, y] = [a, b].map(|run| read_store(&run.join(name)).unwrap());
        assert!(x.arrays == y.arrays, "the weights in {name} differ");
    }
    assert_eq!(figures(a), figures(b));
}

const OPTIMISERS: [&[&str]; 5] = [
    &["epochs=2", "steps=3"],
    &["epochs=2", "steps=2", "optimiser.kind=sgd", "optimiser.clip=0.5", "optimiser.accumulate=2", "optimiser.average=0.9"],
    &["epochs=2", "steps=2", "optimiser.clip=0.1", "schedule.kind=polynomial", "schedule.warmup=0"],
    &["epochs=2", "steps=2", "precision=f16"],
    &[
        "epochs=2",
        "steps=2",
        "loss.cross_entropy_frequency=1",
        "loss.anneal=(until: 0.8)",
        "foreground=(at_least: 1, part: 0.3)",
        "validate=(every: 2, smooth: 0.5)",
        "augment=(noise: (probability: 0.5, low: 0, high: 0.3), contrast: (probability: 0.5, low: 0.7, high: 1.4))",
    ],
];

#[test]
fn a_run_that_is_interrupted_after_every_step_gives_the_same_to_the_bit() {
    for sets in OPTIMISERS {
        let root = tempfile::tempdir().unwrap();
        let [whole, cut] = ["whole", "cut"].map(|n| root.path().join(n));
        let job = job(sets, &[]).unwrap();
        train_in(&whole, &job).unwrap();
        let stop = AtomicBool::new(true);
        let first = train(&job, &Folder::create(Some(&cut), "x", false).unwrap(), &Device::flex(), &stop).unwrap();
        assert_eq!((first.ending, first.epochs), (StopReason::Asked, 0));
        let mut times = 1;
        loop {
            let outcome = resume(&job, &Folder::open(&cut).unwrap(), &Device::flex(), &stop).unwrap();
            times += 1;
            if outcome.ending == StopReason::Whole {
                break;
            }
            assert!(times <= 2 * job.steps(), "{sets:?}: {times} times");
        }
        assert_eq!(times, 2 * job.steps(), "{sets:?}");
        same(&whole, &cut);
        // Nothing is left to do: the files stay, and so does what is said of them.
        let again = resume(&job, &Folder::open(&cut).unwrap(), &Device::flex(), &stop).unwrap();
        assert_eq!((again.ending, again.epochs), (StopReason::Whole, 2));
        same(&whole, &cut);
    }
}

#[test]
fn what_is_asked_of_the_optimiser_changes_the_weights() {
    let root = tempfile::tempdir().unwrap();
    let base = ["epochs=1", "steps=2"];
    let more: [&[&str]; 6] = [
        &[],
        &["optimiser.kind=sgd"],
        &["optimiser.kind=sgd", "optimiser.nesterov=false"],
        &["optimiser.clip=0.001"],
        &["optimiser.accumulate=2"],
        &["optimiser.average=0.5"],
    ];
    let mut seen = vec![];
    for (i, sets) in more.iter().enumerate() {
        let dir = root.path().join(i.to_string());
        train_in(&dir, &job(&[&base[..], sets].concat(), &[]).unwrap()).unwrap();
        let weights = read_store(&dir.join(LAST)).unwrap().arrays;
        assert!(!seen.contains(&weights), "{sets:?}");
        seen.push(weights);
    }
}

#[test]
fn patience_ends_a_run_that_gets_no_better() {
    let root = tempfile::tempdir().unwrap();
    let job = job(&["optimiser.lr=1e-30", "schedule.min_lr=0", "epochs=9", "steps=1", "patience=2"], &[]).unwrap();
    let outcome = train_in(root.path(), &job).unwrap();
    assert_eq!((outcome.ending, outcome.epochs, outcome.best.unwrap().epoch), (StopReason::Patience, 3, 1));
    let again = resume(&job, &Folder::open(root.path()).unwrap(), &Device::flex(), &AtomicBool::new(false)).unwrap();
    assert_eq!((again.ending, again.epochs), (StopReason::Patience, 3));
}

#[test]
fn the_state_of_another_run_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(true);
    let run = |sets: &[&str]| job(sets, &[]).unwrap();
    train(&run(&[]), &Folder::create(Some(root.path()), "x", false).unwrap(), &Device::flex(), &stop).unwrap();
    for sets in [&["seed=1"], &["optimiser.lr=0.02"], &["split.seed=5"], &["epochs=4"]] {
        let e = resume(&run(sets), &Folder::open(root.path()).unwrap(), &Device::flex(), &stop).unwrap_err();
        assert!(e.0[0].code == Code::E0801 && e.0[0].message.contains("another config"), "{e:?}");
    }
    assert!(resume(&run(&[]), &Folder::open(root.path()).unwrap(), &Device::flex(), &stop).is_ok());
}

#[test]
fn folds_hold_every_case_once() {
    let of = |fold: usize| {
        let j = job(&["split.folds=5", &format!("split.fold={fold}")], &[]).unwrap();
        (j.training.len(), j.validation)
    };
    let all: Vec<(usize, Vec<usize>)> = (0..5).map(of).collect();
    let mut held: Vec<usize> = all.iter().flat_map(|(_, v)| v.clone()).collect();
    held.sort_unstable();
    assert_eq!((held, all.iter().all(|(n, v)| n + v.len() == 5)), ((0..5).collect(), true));
    assert!(job(&["split.folds=5", "split.fold=5"], &[]).is_err());
}

#[test]
fn the_same_seed_gives_the_same_run_and_the_run_folder_makes_it_again() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|n| root.path().join(n));
    let outcome = train_in(&a, &job(&[], &[]).unwrap()).unwrap();
    train_in(&b, &job(&[], &[]).unwrap()).unwrap();
    for name in [BEST, LAST] {
        let [x, y] = [&a, &b].map(|run| read_store(&run.join(name)).unwrap());
        assert!(x.arrays == y.arrays, "the weights in {name} differ");
        assert_eq!(x.metadata, y.metadata, "{name}");
        let [x, y] = [&a, &b].map(|run| std::fs::read(run.join(name)).unwrap());
        assert!(x == y, "the bytes of {name} differ");
    }
    let cut = figures;
    let metrics = cut(&a);
    assert_eq!(metrics, cut(&b));
    assert_eq!(metrics.len(), 4);
    assert!(metrics[0].ends_with("loss_focal,dice_edema,dice_core,dice_enhancing,dice_mean"), "{}", metrics[0]);
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
    let model = load_model(&a.join(BEST), &Device::flex()).unwrap();
    let card = model.card();
    let best = outcome.best.unwrap();
    assert_eq!((card.epoch, card.validation_dice), (best.epoch, Some(best.dice_mean)));
    assert_eq!(card.class_dice, best.dice.iter().copied().map(Some).collect::<Vec<_>>());
    assert_eq!(card.labels[3], (3, "enhancing".to_owned()));
    let scores = super::validate::validate(&model, &job.store, &job.validation, |_| ()).unwrap();
    assert!((scores.mean.unwrap() - best.dice_mean).abs() < 1e-6);
    let split: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(a.join("split.json")).unwrap()).unwrap();
    assert_eq!((split["training"].as_array().unwrap().len(), split["validation"].as_array().unwrap().len()), (4, 1));
}

#[test]
fn a_run_is_validated_as_often_and_on_as_many_cases_as_is_said() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("a");
    let sets = ["split.validation=0.6", "validate=(every: 2, cases: 1)", "epochs=3", "steps=1"];
    let job = job(&sets, &[]).unwrap();
    assert_eq!((job.validation.len(), job.validated_between().len(), job.validated(3), job.validated(6)), (3, 1, 4, 5));
    let outcome = train_in(&run, &job).unwrap();
    assert_eq!(outcome.epochs, 3);
    let table = lines(&run.join("metrics.csv"));
    let means: Vec<&str> = table[1..].iter().map(|l| l.rsplit(',').nth(2).unwrap()).collect();
    assert!(means[0].is_empty() && means[1].parse::<f64>().is_ok() && means[2].parse::<f64>().is_ok(), "{table:?}");
    assert!(table.iter().all(|l| l.split(',').count() == table[0].split(',').count()));
    let objects: Vec<serde_json::Value> = lines(&run.join("metrics.jsonl")).iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(objects[0]["dice_mean"].is_null() && objects[1].get("score").is_none() && objects[2]["score"].is_number());
    let best = outcome.best.unwrap();
    let seen: std::collections::BTreeSet<String> =
        lines(&run.join("cases.csv"))[1..].iter().map(|l| l.split(',').nth(1).unwrap().to_owned()).collect();
    assert_eq!(seen.len(), if best.epoch == 3 { 3 } else { 1 });
    assert!(load_model(&run.join(LAST), &Device::flex()).unwrap().card().validation_dice.is_some());
}

#[test]
fn a_list_of_cases_goes_into_the_run_folder() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("list.json"), r#"[{}, {"train": ["phantom_0003", "phantom_0000"], "val": ["phantom_0002"]}]"#).unwrap();
    let source = Source::new(root.path().join("run.ron").display().to_string(), CONFIG);
    let set = |text: &str| Set::parse(text).unwrap();
    let config = RunConfig::read(&source, &[set("split=(file: \"list.json\", fold: 1)"), set("epochs=1"), set("steps=1")]).unwrap();
    let job = Job::prepare(config, &source, &Source::new("tiny.ron", GRAPH), &[]).unwrap();
    assert_eq!((&job.training[..], &job.validation[..]), (&[0, 3][..], &[2][..]));
    let run = root.path().join("a");
    train_in(&run, &job).unwrap();
    std::fs::remove_file(root.path().join("list.json")).unwrap();
    let source = Source::read(&run.join("config.ron")).unwrap();
    let config = RunConfig::read(&source, &[]).unwrap();
    let again = Job::prepare(config, &source, &Source::read(&run.join("graph.ron")).unwrap(), &[]).unwrap();
    assert_eq!((&again.training[..], &again.validation[..]), (&[0, 3][..], &[2][..]));
    assert_eq!(RunOrigin::of(&job).unwrap().differences(&again), Vec::<String>::new());
}

#[test]
fn a_budget_becomes_epochs_and_an_average_which_a_run_that_goes_on_keeps() {
    let root = tempfile::tempdir().unwrap();
    assert!(fitted(&job(&[], &[]).unwrap(), &Device::flex()).unwrap().is_none());
    let with = job(&["budget=5h", "epochs=2", "steps=1"], &[]).unwrap();
    let (job, r) = fitted(&with, &Device::flex()).unwrap().unwrap();
    let config = job.resolved();
    assert_eq!((config.epochs, config.budget, config.optimiser.average, r.epochs), (2, None, Some(0.9), 2));
    let run = root.path().join("a");
    train_in(&run, &job).unwrap();
    let origin = RunOrigin::of(&job).unwrap();
    assert_eq!(origin.differences(&settled(with.clone(), &run)), Vec::<String>::new());
    assert_ne!(origin.differences(&settled(with.clone(), root.path())), Vec::<String>::new(), "nothing was begun there");
    let short = Job { config: RunConfig { budget: Some("1s".into()), steps: Some(1_000_000), ..with.config.clone() }, ..with };
    assert_eq!(fitted(&short, &Device::flex()).unwrap_err().0[0].code, Code::E0601);
}

#[test]
fn learning_rates_are_tried_and_nothing_is_kept() {
    let job = job(&["optimiser.accumulate=2", "steps=3"], &[]).unwrap();
    let found = find_rate(&job, &Device::flex(), &AtomicBool::new(false), |_, _| ()).unwrap();
    assert!(found.tried.len() > 20 && found.tried.windows(2).all(|w| w[0].rate < w[1].rate), "{found:?}");
    assert!(found.tried[0].rate == 1e-6 && found.tried.iter().all(|t| t.loss.is_finite()));
    let stopped = find_rate(&job, &Device::flex(), &AtomicBool::new(true), |_, _| ()).unwrap();
    assert_eq!((stopped.tried.len(), stopped.proposed), (0, None));
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
    assert!(load_model(&dir.join(LAST), &Device::flex()).is_ok());
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
    refused(&["data.cases=1"], &[], &["1 for training and 0 for validation"]);
    assert_eq!(job(&[], &["anchors=2"]).unwrap_err().0[0].code, Code::E0207);
}

#[test]
fn batches_are_the_same_from_any_number_of_threads() {
    let job = job(&["batch=2", "epochs=2", "steps=5"], &[]).unwrap();
    let recipe = run::recipe(&job, &Arc::new(job.loss().unwrap()));
    let made = |loader_workers: usize, from: usize| {
        let mut loader = loader::Loader::start(&job.store, &recipe, 2, from, loader_workers).unwrap();
        let all: Vec<_> = (from..10).map(|_| loader.next().unwrap()).collect();
        assert!(loader.next().is_err(), "after the last");
        all.into_iter().map(|b| (b.image, b.cases)).collect::<Vec<_>>()
    };
    let one = made(1, 0);
    assert!(one.windows(2).all(|w| w[0] != w[1]));
    for loader_workers in [2, 3, 16] {
        assert!(made(loader_workers, 0) == one && made(loader_workers, 7) == one[7..], "{loader_workers} threads");
    }
}

#[test]
fn a_network_in_two_dimensions_learns_from_slices() {
    let root = tempfile::tempdir().unwrap();
    let graph = GRAPH.replace("size: (16, 16, 16)", "size: (16, 16)");
    let sets = ["patch=(16, 12)", "slices=coronal", "batch=8", "augment.rotate=(probability: 1, degrees: 20)"];
    let job = job_of(&graph, &sets, &[]).unwrap();
    // 16 x 20 x 18 voxels along the head, the front and the right.
    assert_eq!(job.store.sample(0).unwrap().size(), [20, 16, 18]);
    assert_eq!((job.config.patch, job.card(1, None, vec![]).orientation), ([1, 16, 12], SlicePlane::Coronal.orientation()));
    train_in(root.path(), &job).unwrap();
    let losses: Vec<f64> = figures(root.path())[1..].iter().map(|l| l.split(',').nth(3).unwrap().parse().unwrap()).collect();
    assert!(losses[1] < losses[0] && losses[2] < 0.95 * losses[0], "it learns: {losses:?}");
    let model = load_model(&root.path().join(BEST), &Device::flex()).unwrap();
    assert_eq!(model.card().orientation, SlicePlane::Coronal.orientation());
    // The run folder makes it again.
    let source = Source::read(&root.path().join("config.ron")).unwrap();
    let config = RunConfig::read(&source, &[]).unwrap();
    assert_eq!((config.patch, config.slices), (job.config.patch, job.config.slices));
    let refused = |patch: &str, graph: &str| job_of(graph, &[patch], &[]).unwrap_err();
    assert!(refused("patch=(2, 16, 16)", &graph).0[0].message.contains("two dimensions"));
    assert!(refused("patch=(16, 16)", GRAPH).0[0].message.contains("the depth 1"));
}
