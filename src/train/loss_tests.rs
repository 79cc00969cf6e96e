//! The loss against a plain f64 computation, its gradient against finite differences of that.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIZE: [usize; 4] = [2, 3, 4, 5];
const CLASSES: usize = 3;

/// The formula of the module's page, voxel by voxel, in f64. `logits` is `[N, C, D, H, W]` in row-major order.
fn plain(o: &Objective, logits: &[f64], labels: &[u8]) -> [f64; 4] {
    let [n, d, h, w] = SIZE;
    let volume = d * h * w;
    let voxels = n * volume;
    let logit = |v: usize, c: usize| logits[((v / volume) * CLASSES + c) * volume + v % volume];
    let p = |v: usize, c: usize| logit(v, c).exp() / (0..CLASSES).map(|k| logit(v, k).exp()).sum::<f64>();
    let g = |v: usize, c: usize| f64::from(u8::from(usize::from(labels[v]) == c));
    let count = |c: usize| (0..voxels).map(|v| g(v, c)).sum::<f64>();
    let raw = |c: usize| if count(c) == 0.0 { 0.0 } else { count(c).powf(-o.inverse_frequency) };
    let all: f64 = (0..CLASSES).map(raw).sum();
    let weight: Vec<f64> = (0..CLASSES).map(|c| raw(c) / all).collect();

    let mut dice = 1.0;
    for (c, weight) in weight.iter().enumerate() {
        let (mut both, mut sum) = (0.0, 0.0);
        for v in 0..voxels {
            both += p(v, c) * g(v, c);
            sum += p(v, c) + g(v, c);
        }
        dice -= weight * (2.0 * both + 1e-5) / (sum + 1e-5);
    }
    let (mut ce, mut norm) = (0.0, 0.0);
    for (v, label) in labels.iter().enumerate() {
        let y = usize::from(*label);
        ce -= weight[y] * p(v, y).ln();
        norm += weight[y];
    }
    let (mut boundary, mut inside) = (0.0, 0.0);
    for v in 0..voxels {
        let patch = v / volume;
        if boundary::region(&labels[patch * volume..(patch + 1) * volume], [d, h, w], o.radius)[v % volume] {
            inside += 1.0;
            for (c, weight) in weight.iter().enumerate() {
                boundary -= weight * (g(v, c) * p(v, c).ln() + (1.0 - g(v, c)) * (1.0 - p(v, c)).ln());
            }
        }
    }
    let (ce, boundary) = (ce / norm, if inside > 0.0 { boundary / inside } else { 0.0 });
    [o.dice * dice + o.cross_entropy * ce + o.boundary * boundary, dice, ce, boundary]
}

fn case(seed: u64) -> (Vec<f64>, Vec<u8>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let voxels: usize = SIZE.iter().product();
    let logits = (0..voxels * CLASSES).map(|_| rng.random_range(-3.0..3.0)).collect();
    // A corner of classes 1 and 2 in a sea of 0, so that the boundary region is not everything.
    let labels = (0..voxels).map(|v| if v % 60 < 7 { rng.random_range(0..3) } else { 0 }).collect();
    (logits, labels)
}

fn tensor(logits: &[f64], device: &Device) -> Tensor<5> {
    let [n, d, h, w] = SIZE;
    let values: Vec<f32> = logits.iter().map(|&x| x as f32).collect();
    Tensor::from_data(TensorData::new(values, [n, CLASSES, d, h, w]), device)
}

fn objectives() -> Vec<Objective> {
    let one = Objective::default();
    vec![
        one,
        Objective { dice: 0.7, cross_entropy: 0.2, boundary: 3.0, radius: 0, inverse_frequency: 0.5 },
        Objective { radius: 2, inverse_frequency: 0.0, ..one },
        Objective { boundary: 0.0, ..one },
    ]
}

#[test]
fn values_are_those_of_the_formula() {
    let device = Device::flex();
    for (i, o) in objectives().iter().enumerate() {
        let (logits, labels) = case(i as u64);
        let t = o.terms(tensor(&logits, &device), &Target::new(&labels, SIZE, CLASSES, o), &device);
        let got = [t.total, t.dice, t.cross_entropy, t.boundary].map(|x| f64::from(x.into_scalar::<f32>()));
        let mut want = plain(o, &logits, &labels);
        if o.boundary == 0.0 {
            want[3] = 0.0; // not computed where it has no weight
        }
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 2e-5 * want.abs().max(1.0), "{o:?}: {got} is not {want}");
        }
    }
}

#[test]
fn gradients_are_those_of_the_formula() {
    let device = Device::flex().autodiff();
    for (i, o) in objectives().iter().enumerate() {
        let (logits, labels) = case(10 + i as u64);
        let x = tensor(&logits, &device).require_grad();
        let total = o.terms(x.clone(), &Target::new(&labels, SIZE, CLASSES, o), &device).total;
        let grads = total.backward();
        let got: Vec<f32> = x.grad(&grads).expect("the logits have a gradient").into_data().try_into_vec::<f32>().expect("f32");
        for at in (0..logits.len()).step_by(7) {
            let step = 1e-5;
            let mut moved = logits.clone();
            moved[at] += step;
            let up = plain(o, &moved, &labels)[0];
            moved[at] -= 2.0 * step;
            let want = (up - plain(o, &moved, &labels)[0]) / (2.0 * step);
            let got = f64::from(got[at]);
            assert!((got - want).abs() < 1e-5 + 1e-3 * want.abs(), "{o:?} at {at}: {got} is not {want}");
        }
    }
}

#[test]
fn weights_are_inverse_frequencies_of_the_classes_present() {
    let labels = [vec![0u8; 90], vec![1; 30]].concat();
    let o = Objective::default();
    assert_eq!(Target::new(&labels, SIZE, 3, &o).weights(), [0.25, 0.75, 0.0]);
    let root = Objective { inverse_frequency: 0.5, ..o };
    let w = Target::new(&labels, SIZE, 3, &root).weights().to_vec();
    assert!((w[1] / w[0] - 3f32.sqrt()).abs() < 1e-5);
}

#[test]
fn a_perfect_answer_costs_nothing_and_a_confident_wrong_one_stays_finite() {
    let device = Device::flex().autodiff();
    let (_, labels) = case(3);
    let o = Objective::default();
    let target = Target::new(&labels, SIZE, CLASSES, &o);
    for (scale, right) in [(200.0, true), (200.0, false), (1e4, false)] {
        let [n, d, h, w] = SIZE;
        let volume = d * h * w;
        let mut logits = vec![0.0; n * CLASSES * volume];
        for (v, &y) in labels.iter().enumerate() {
            let class = if right { usize::from(y) } else { (usize::from(y) + 1) % CLASSES };
            logits[((v / volume) * CLASSES + class) * volume + v % volume] = scale;
        }
        let x = tensor(&logits, &device).require_grad();
        let total = o.terms(x.clone(), &target, &device).total;
        let value = total.clone().into_scalar::<f32>();
        assert!(value.is_finite() && (value.abs() < 1e-4) == right, "{value}");
        let grads = x.grad(&total.backward()).expect("a gradient").into_data().try_into_vec::<f32>().expect("f32");
        assert!(grads.iter().all(|g| g.is_finite()));
    }
}

#[test]
fn one_class_alone_has_no_boundary_term() {
    let device = Device::flex();
    let (logits, _) = case(4);
    let labels = vec![0u8; SIZE.iter().product()];
    let o = Objective::default();
    let t = o.terms(tensor(&logits, &device), &Target::new(&labels, SIZE, CLASSES, &o), &device);
    assert_eq!(t.boundary.into_scalar::<f32>(), 0.0);
    assert!(t.total.into_scalar::<f32>().is_finite());
}
