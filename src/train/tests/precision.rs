//! The same run in half precision.

use super::*;

/// How far the first steps move the weights, all in one row, and the losses.
fn run(root: &Path, precision: &str) -> (Vec<f32>, Vec<f64>) {
    let set = format!("precision={precision}");
    let job = job(&["epochs=1", "steps=3", "optimiser.kind=sgd", "optimiser.lr=0.02", &set], &[]).unwrap();
    let dir = root.join(precision);
    train_in(&dir, &job).unwrap();
    let start: std::collections::BTreeMap<_, _> =
        crate::net::arrays(&Network::new(job.program.clone(), &Device::flex(), 0).unwrap()).collect();
    let after = read_store(&dir.join(LAST)).unwrap().arrays;
    let moved = after.iter().flat_map(|(name, a)| a.values.iter().zip(&start[name].values).map(|(a, b)| a - b)).collect();
    (moved, figures(&dir)[1].split(',').skip(3).take(4).map(|v| v.parse().unwrap()).collect())
}

#[test]
fn half_precision_learns_what_full_precision_learns() {
    let root = tempfile::tempdir().unwrap();
    let (full, losses) = run(root.path(), "f32");
    let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    // Eleven bits of a float16's significand, eight of a bfloat16's.
    for (precision, within) in [("f16", 0.02), ("bf16", 0.1)] {
        let (half, also) = run(root.path(), precision);
        let apart = norm(&mut full.iter().zip(&half).map(|(a, b)| a - b)) / norm(&mut full.iter().copied());
        assert!(apart > 1e-5, "{precision} has computed in full precision: {apart}");
        assert!(apart < within, "{precision}: the weights have moved otherwise, by {apart}");
        assert!(losses.iter().zip(&also).all(|(a, b)| (a - b).abs() <= within * a), "{precision}: {losses:?} {also:?}");
    }
}
