//! Runs on a GPU, where the tests are built for one and the machine has it: what the same run on the CPU learns.

use super::super::loader::Loader;
use super::super::run::{begun, recipe};
use super::*;
use crate::kernel::tests::gpu;
use crate::store::Store;

/// A run on a device, stopped after the first step and gone on with where that is asked for; what it has left.
fn run(dir: &Path, sets: &[&str], device: &Device, interrupted: bool) -> (Store, Vec<String>) {
    let job = job(&[&["epochs=2", "steps=2"], sets].concat(), &[]).unwrap();
    let folder = Folder::create(Some(dir), "x", false).unwrap();
    let stop = AtomicBool::new(interrupted);
    let ending = train(&job, &folder, device, &stop).unwrap().ending;
    assert_eq!(ending, if interrupted { StopReason::Asked } else { StopReason::Whole });
    if interrupted {
        assert_eq!(resume(&job, &folder, device, &AtomicBool::new(false)).unwrap().ending, StopReason::Whole);
    }
    (read_store(&dir.join(LAST)).unwrap(), figures(dir))
}

#[test]
fn a_run_on_a_gpu_learns_what_one_on_the_cpu_does() {
    let Some(gpu) = gpu().map(Device::inner) else { return };
    let root = tempfile::tempdir().unwrap();
    let average = ["optimiser.clip=0.5", "optimiser.average=0.9"];
    let accumulated = ["optimiser.accumulate=3", "optimiser.clip=0.5", "optimiser.kind=sgd", "optimiser.lr=0.02"];
    let half = ["precision=f16", "optimiser.kind=sgd", "optimiser.lr=0.02"];
    // How far weights and losses may be apart: eleven bits of a float16's significand.
    let cases = [(&[][..], 1e-3, 1e-4), (&average, 1e-3, 1e-4), (&accumulated, 1e-3, 1e-4), (&half, 1e-3, 5e-3)];
    for (at, (sets, weights, losses)) in cases.into_iter().enumerate() {
        let folder = |name: &str| root.path().join(format!("{at} {name}"));
        let (cpu, there) = run(&folder("cpu"), sets, &Device::flex(), false);
        for interrupted in [false, true] {
            let (ours, figures) = run(&folder(&format!("gpu {interrupted}")), sets, &gpu, interrupted);
            let parts = |all: &Store| all.arrays.values().flat_map(|a| a.values.clone()).collect::<Vec<f32>>();
            let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let (a, b) = (parts(&ours), parts(&cpu));
            let apart = norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied());
            assert!(apart < weights, "{sets:?}, interrupted {interrupted}: the weights are apart by {apart}");
            for (a, b) in figures.iter().zip(&there).skip(1) {
                let loss = |line: &str| line.split(',').nth(3).and_then(|v| v.parse::<f64>().ok());
                let (Some(a), Some(b)) = (loss(a), loss(b)) else { panic!("a loss in every line: {a}") };
                assert!((a - b).abs() < losses * b, "{sets:?}, interrupted {interrupted}: {a} for {b}");
            }
        }
    }
}

#[test]
fn each_batch_of_a_step_is_one_replay_and_the_last_moves_the_weights() {
    let Some(gpu) = gpu().map(Device::inner) else { return };
    let job = job(&["epochs=1", "steps=2", "optimiser.accumulate=2"], &[]).unwrap();
    let workers = Workers::new(&gpu, 1, job.segments.clone()).unwrap();
    let loss = Arc::new(job.loss().unwrap());
    let network = begun(&job, None, workers.main()).unwrap();
    let mut learner = Learner::new(workers, loss.clone(), network, job.config.optimiser, job.config.precision).unwrap();
    let mut loader = Loader::start(&job.store, &recipe(&job, &loss), 1, 0, 1).unwrap();
    let weights = |learner: &Learner| crate::net::arrays(&learner.train_state().network).map(|(_, a)| a.values).collect::<Vec<_>>();
    let mut before = weights(&learner);
    for moves in [0, 1, 1, 2] {
        let given = DeviceBatch::new(loader.next().unwrap(), learner.workers().main());
        let moved = learner.moves() < moves;
        // Nothing moves with the first batch of a step.
        assert!(learner.batch(given, 1e-3).unwrap()[0].is_finite());
        assert_eq!(learner.how().as_deref(), Some("captured, replayed as one graph"));
        assert_eq!(learner.moves(), moves);
        let now = weights(&learner);
        assert_eq!(now != before, moved, "after {moves} moves");
        before = now;
    }
}
