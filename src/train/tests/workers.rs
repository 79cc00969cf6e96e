//! The same batch on one, two and four workers, and with activations computed again.

use super::*;

/// Weights and losses of a run of three steps with batches of four patches.
fn run(root: &Path, workers: usize, sets: &[&str]) -> (Vec<(String, Vec<f32>)>, Vec<f64>) {
    let count = format!("workers={workers}");
    let all = [&["batch=4", "epochs=1", "steps=3", "optimiser.kind=sgd", "optimiser.lr=0.05", &count], sets].concat();
    let dir = root.join(workers.to_string());
    train_in(&dir, &job(&all, &[]).unwrap()).unwrap();
    let weights = read_store(&dir.join(LAST)).unwrap().arrays.into_iter().map(|(n, a)| (n, a.values)).collect();
    let figures = figures(&dir);
    // loss, loss_dice, loss_cross_entropy, loss_boundary
    (weights, figures[1].split(',').skip(3).take(4).map(|v| v.parse().unwrap()).collect())
}

/// That two runs have moved the weights alike, and have seen the same losses.
#[track_caller]
fn alike(what: &str, one: &(Vec<(String, Vec<f32>)>, Vec<f64>), other: &(Vec<(String, Vec<f32>)>, Vec<f64>)) {
    let start = Network::new(job(&[], &[]).unwrap().program.clone(), &Device::flex(), 0).unwrap();
    assert!(one.1.iter().zip(&other.1).all(|(a, b)| (a - b).abs() < 2e-6), "{what}: {:?} {:?}", one.1, other.1);
    for (((name, a), (_, b)), (_, drawn)) in one.0.iter().zip(&other.0).zip(sorted(&start)) {
        let norm = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt();
        let (moved, apart) = (norm(a, &drawn.values), norm(a, b));
        assert!(moved > 0.0 && apart < 1e-4 * moved, "{name}, {what}: {apart} of {moved}");
    }
}

#[test]
fn a_step_is_the_same_on_one_two_and_four() {
    // Batch Dice and the weights of the batch's classes look at all patches: the mean of the workers' own losses is another one.
    for sets in [&[][..], &["loss.batch_dice=false", "optimiser.clip=0.5", "optimiser.accumulate=2"]] {
        let root = tempfile::tempdir().unwrap();
        let one = run(root.path(), 1, sets);
        for workers in [2, 4] {
            alike(&format!("{workers} workers"), &one, &run(root.path(), workers, sets));
        }
    }
}

#[test]
fn a_step_is_the_same_with_activations_computed_again() {
    let (plain, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = run(plain.path(), 1, &[]);
    assert!(job(&["checkpointing=true"], &[]).unwrap().segments.ranges(99).len() > 1);
    for workers in [1, 2] {
        alike(&format!("checkpointing on {workers}"), &one, &run(again.path(), workers, &["checkpointing=true"]));
    }
}

/// Weights in the order of their names, as a checkpoint has them.
fn sorted(network: &Network) -> crate::ir::Arrays {
    crate::net::arrays(network).collect()
}
