//! The losses against a plain f64 computation, their gradients against finite differences of that.

use super::*;
use burn::tensor::{Device, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIZE: [usize; 4] = [2, 3, 4, 5];
const CLASSES: usize = 3;

/// The formulas of the module's page, voxel by voxel, in f64: total, Dice, cross-entropy, boundary, Tversky, focal. `logits` is
/// `[N, K, D, H, W]` in row-major order.
fn plain(loss: &Loss, logits: &[f64], labels: &[u8]) -> [f64; 6] {
    let o = &loss.objective;
    let [n, d, h, w] = SIZE;
    let (volume, k) = (d * h * w, loss.label_scheme.channels());
    let voxels = n * volume;
    let logit = |v: usize, c: usize| logits[((v / volume) * k + c) * volume + v % volume];
    let softmax = |v: usize, c: usize| logit(v, c).exp() / (0..k).map(|j| logit(v, j).exp()).sum::<f64>();
    let regions = match &loss.label_scheme {
        LabelScheme::Classes(_) => None,
        LabelScheme::Regions(all) => Some(all),
    };
    let p = |v: usize, c: usize| if regions.is_some() { 1.0 / (1.0 + (-logit(v, c)).exp()) } else { softmax(v, c) };
    let inside = |v: usize, c: usize| match regions {
        None => usize::from(labels[v]) == c,
        Some(all) => all[c].contains(&labels[v]),
    };
    let g = |v: usize, c: usize| f64::from(u8::from(inside(v, c)));
    let count = |c: usize| (0..voxels).map(|v| g(v, c)).sum::<f64>();
    let weights = |exponent: f64| -> Vec<f64> {
        let raw: Vec<f64> = match &o.class_weights {
            Some(w) => w.clone(),
            None => (0..k).map(|c| if count(c) == 0.0 { 0.0 } else { count(c).powf(-exponent) }).collect(),
        };
        let most = raw.iter().copied().fold(0.0, f64::max);
        let raw: Vec<f64> =
            raw.iter().map(|w| if *w == 0.0 && regions.is_some() && o.class_weights.is_none() { most } else { *w }).collect();
        raw.iter().map(|w| w / raw.iter().sum::<f64>()).collect()
    };
    let weight = weights(o.inverse_frequency);
    let own = weights(o.cross_entropy_frequency.unwrap_or(o.inverse_frequency));

    // Dice and Tversky.
    let skipped = usize::from(!o.background);
    let rest: f64 = weight[skipped..].iter().sum();
    let size = if o.batch_dice { voxels } else { volume };
    let groups: Vec<std::ops::Range<usize>> = (0..voxels).step_by(size).map(|first| first..first + size).collect();
    let (mut dice, mut tversky) = (0.0, 0.0);
    for group in &groups {
        for (c, weight) in weight.iter().enumerate().skip(skipped) {
            let [mut both, mut said, mut true_, mut squares] = [0.0; 4];
            for v in group.clone() {
                both += p(v, c) * g(v, c);
                said += p(v, c);
                squares += p(v, c).powi(2);
                true_ += g(v, c);
            }
            let share = weight / rest / groups.len() as f64;
            dice += share * (1.0 - (2.0 * both + 1e-5) / (if o.squared { squares } else { said } + true_ + 1e-5));
            let index = (both + 1e-5) / (both + o.alpha * (said - both) + o.beta * (true_ - both) + 1e-5);
            tversky += share * (1.0 - index).powf(o.tversky_power);
        }
    }

    // Voxel by voxel.
    let at = |v: usize, power: f64, weight: &[f64]| -> f64 {
        let each = |c: usize| {
            let (p, g) = (p(v, c), g(v, c));
            let wrong = if regions.is_some() { (1.0 - g) * p.powf(power) * (1.0 - p).ln() } else { 0.0 };
            -weight[c] * (g * (1.0 - p).powf(power) * p.ln() + wrong)
        };
        (0..k).map(each).sum()
    };
    let norm = |weight: &[f64]| if regions.is_some() { voxels as f64 } else { (0..voxels).map(|v| weight[usize::from(labels[v])]).sum() };
    let ce = (0..voxels).map(|v| at(v, 0.0, &own)).sum::<f64>() / norm(&own);
    let focal = (0..voxels).map(|v| at(v, o.gamma, &weight)).sum::<f64>() / norm(&weight);
    let kind = |l: u8| match regions {
        None => l,
        Some(all) => all.iter().enumerate().map(|(i, r)| u8::from(r.contains(&l)) << i).sum(),
    };
    let kinds: Vec<u8> = labels.iter().map(|l| kind(*l)).collect();
    let (mut boundary, mut border) = (0.0, 0.0);
    for v in 0..voxels {
        let patch = v / volume;
        if border::region(&kinds[patch * volume..(patch + 1) * volume], [d, h, w], o.radius, o.norm)[v % volume] {
            border += 1.0;
            boundary -= (0..k).map(|c| weight[c] * (g(v, c) * p(v, c).ln() + (1.0 - g(v, c)) * (1.0 - p(v, c)).ln())).sum::<f64>();
        }
    }
    let boundary = if border > 0.0 && o.boundary > 0.0 { boundary / border } else { 0.0 };
    let [t, f] = [(o.tversky, tversky), (o.focal, focal)].map(|(w, x)| if w > 0.0 { x } else { 0.0 });
    [o.dice * dice + o.cross_entropy * ce + o.boundary * boundary + o.tversky * t + o.focal * f, dice, ce, boundary, t, f]
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

fn on(targets: Vec<HostTargets>, device: &Device) -> Vec<Targets> {
    targets.into_iter().map(|t| t.on(&device.clone().inner()).unpack(device)).collect()
}

fn numbers(t: Terms) -> [f64; 6] {
    [t.total, t.dice, t.cross_entropy, t.boundary, t.tversky, t.focal].map(|x| f64::from(x.into_scalar::<f32>()))
}

/// That of LightMedSeg's paper: each of the three terms has a part in it, and so have class weights.
fn paper() -> Objective {
    Objective { boundary: 0.5, inverse_frequency: 1.0, ..Objective::default() }
}

fn of_classes(objective: Objective) -> Loss {
    Loss::new(objective, LabelScheme::Classes(CLASSES))
}

/// Every term alone and together, for classes and for regions.
fn losses() -> Vec<Loss> {
    let one = paper();
    let none = Objective { dice: 0.0, cross_entropy: 0.0, boundary: 0.0, ..one.clone() };
    let weights = Some(vec![1.0, 3.0, 0.5]);
    let both = [
        one.clone(),
        Objective { dice: 0.7, cross_entropy: 0.2, boundary: 3.0, radius: 0, inverse_frequency: 0.5, ..one.clone() },
        Objective { radius: 2, inverse_frequency: 0.0, ..one.clone() },
        Objective { radius: 2, norm: DistanceNorm::euclidean, ..one.clone() },
        Objective { radius: 2, norm: DistanceNorm::city, ..one.clone() },
        Objective { boundary: 0.0, ..one.clone() },
        Objective { dice: 1.0, squared: true, ..none.clone() },
        Objective { dice: 1.0, batch_dice: false, ..none.clone() },
        Objective { tversky: 1.0, ..none.clone() },
        Objective { tversky: 2.0, alpha: 0.6, beta: 0.2, tversky_power: 0.75, batch_dice: false, ..none.clone() },
        Objective { focal: 1.0, ..none.clone() },
        Objective { inverse_frequency: 0.25, cross_entropy_frequency: Some(0.0), focal: 0.5, ..one.clone() },
        Objective { cross_entropy: 1.0, cross_entropy_frequency: Some(0.7), anneal: Some(Anneal { until: 0.3 }), ..none.clone() },
        Objective { focal: 0.5, gamma: 1.5, class_weights: weights.clone(), ..none.clone() },
        Objective { dice: 1.0, focal: 1.0, class_weights: weights, ..none.clone() },
    ];
    let classes =
        [Objective { dice: 1.0, background: false, ..none.clone() }, Objective { tversky: 1.0, background: false, squared: true, ..none }];
    // The middle one is inside the first, the last one is empty.
    let regions = || LabelScheme::Regions(vec![vec![1, 2], vec![1], vec![7]]);
    let of_regions = both.clone().into_iter().map(|o| Loss::new(o, regions()));
    both.into_iter().chain(classes).map(of_classes).chain(of_regions).collect()
}

#[test]
fn an_annealed_exponent_that_cannot_be_is_named() {
    let named = |o: Objective| o.faults().into_iter().map(|(field, ..)| field).collect::<Vec<_>>();
    for until in [0.0, -0.1, 1.5, f64::NAN] {
        assert_eq!(named(Objective { anneal: Some(Anneal { until }), ..Objective::default() }), ["anneal.until"], "{until}");
    }
    assert_eq!(named(Objective { cross_entropy_frequency: Some(-1.0), ..Objective::default() }), ["cross_entropy_frequency"]);
    let given = Objective { class_weights: Some(vec![1.0, 2.0]), ..Objective::default() };
    assert_eq!(named(Objective { cross_entropy_frequency: Some(0.5), ..given.clone() }), ["cross_entropy_frequency"]);
    assert_eq!(named(Objective { anneal: Some(Anneal { until: 0.5 }), ..given }), ["anneal"]);
}

#[test]
fn the_exponent_of_the_cross_entropy_is_also_that_of_all_training_cases() {
    let o = Objective {
        inverse_frequency: 1.0,
        cross_entropy_frequency: Some(0.5),
        frequency_of: FrequencyOf::dataset,
        ..Objective::default()
    };
    let loss = of_classes(o).with_counts(&[16, 4, 1]);
    let t = loss.targets(&[0, 0, 1, 2], [1, 1, 2, 2]);
    assert_eq!(t[0].weights(), [1.0 / 21.0, 4.0 / 21.0, 16.0 / 21.0]);
    assert_eq!(t[0].cross_entropy_weights(), [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0]);
}

#[test]
fn values_are_those_of_the_formula() {
    let device = Device::flex();
    for (i, loss) in losses().iter().enumerate() {
        let (logits, labels) = case(i as u64);
        let got = numbers(loss.terms(vec![tensor(&logits, &device)], &on(loss.targets(&labels, SIZE), &device)));
        let want = plain(loss, &logits, &labels);
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{loss:?}: {got} is not {want}");
        }
    }
}

#[test]
fn gradients_are_those_of_the_formula() {
    let device = Device::flex().autodiff();
    for (i, loss) in losses().iter().enumerate() {
        let (logits, labels) = case(10 + i as u64);
        let x = tensor(&logits, &device).require_grad();
        let total = loss.terms(vec![x.clone()], &on(loss.targets(&labels, SIZE), &device)).total;
        let grads = total.backward();
        let got: Vec<f32> = x.grad(&grads).expect("the logits have a gradient").into_data().try_into_vec::<f32>().expect("f32");
        for at in (0..logits.len()).step_by(7) {
            let step = 1e-5;
            let mut moved = logits.clone();
            moved[at] += step;
            let up = plain(loss, &moved, &labels)[0];
            moved[at] -= 2.0 * step;
            let want = (up - plain(loss, &moved, &labels)[0]) / (2.0 * step);
            let got = f64::from(got[at]);
            assert!((got - want).abs() < 1e-5 + 1e-3 * want.abs(), "{loss:?} at {at}: {got} is not {want}");
        }
    }
}

#[test]
fn terms_that_are_one_by_their_parameters_are_one() {
    let device = Device::flex();
    let (logits, labels) = case(40);
    let objective = Objective { tversky: 1.0, alpha: 0.5, beta: 0.5, focal: 1.0, gamma: 0.0, ..paper() };
    let loss = of_classes(objective);
    let [_, dice, ce, _, tversky, focal] = numbers(loss.terms(vec![tensor(&logits, &device)], &on(loss.targets(&labels, SIZE), &device)));
    assert!((dice - tversky).abs() < 1e-5 && (ce - focal).abs() < 1e-6, "{dice} {tversky} {ce} {focal}");
}

#[test]
fn weights_are_inverse_frequencies_of_the_classes_present() {
    let labels = [vec![0u8; 90], vec![1; 30]].concat();
    let o = paper();
    assert_eq!(of_classes(o.clone()).targets(&labels, SIZE)[0].weights(), [0.25, 0.75, 0.0]);
    let root = of_classes(Objective { inverse_frequency: 0.5, ..o.clone() });
    let w = root.targets(&labels, SIZE)[0].weights().to_vec();
    assert!((w[1] / w[0] - 3f32.sqrt()).abs() < 1e-5);
    // Those of all cases, or by hand, do not look at the batch.
    let all = of_classes(o.clone()).with_counts(&[1000, 500, 250]);
    assert_eq!(all.targets(&labels, SIZE)[0].weights(), [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0]);
    let given = of_classes(Objective { class_weights: Some(vec![1.0, 0.0, 3.0]), ..o });
    assert_eq!(given.targets(&labels, SIZE)[0].weights(), [0.25, 0.0, 0.75]);
}

#[test]
fn outputs_are_weighted_and_each_sees_the_labels_at_its_size() {
    let device = Device::flex();
    let (logits, labels) = case(41);
    let [n, d, h, w] = SIZE;
    let mut loss = of_classes(paper());
    let half = [d, h / 2, w];
    loss.heads = vec![Head { output: 0, size: [d, h, w], weight: 0.75 }, Head { output: 1, size: half, weight: 0.25 }];
    let volume = half.iter().product::<usize>();
    let coarse: Vec<f32> = logits.iter().take(n * CLASSES * volume).map(|x| *x as f32).collect();
    let coarse = Tensor::<5>::from_data(TensorData::new(coarse, [n, CLASSES, half[0], half[1], half[2]]), &device);
    let both = numbers(loss.terms(vec![tensor(&logits, &device), coarse.clone()], &on(loss.targets(&labels, SIZE), &device)));
    let single = of_classes(paper());
    let full = numbers(single.terms(vec![tensor(&logits, &device)], &on(single.targets(&labels, SIZE), &device)));
    // Every second row, by hand.
    let rows: Vec<u8> = labels.chunks(w).enumerate().filter(|(row, _)| row % 2 == 1).flat_map(|(_, r)| r.to_vec()).collect();
    let small = numbers(single.terms(vec![coarse], &on(single.targets(&rows, [n, half[0], half[1], half[2]]), &device)));
    for i in 0..4 {
        assert!((both[i] - 0.75 * full[i] - 0.25 * small[i]).abs() < 1e-5, "{both:?} {full:?} {small:?}");
    }
}

#[test]
fn a_perfect_answer_costs_nothing_and_a_confident_wrong_one_stays_finite() {
    let device = Device::flex().autodiff();
    let (_, labels) = case(3);
    for loss in losses() {
        let target = loss.targets(&labels, SIZE);
        for (scale, right) in [(200.0, true), (200.0, false), (1e4, false)] {
            let [n, d, h, w] = SIZE;
            let volume = d * h * w;
            let mut logits = vec![-scale; n * CLASSES * volume];
            for (v, &y) in labels.iter().enumerate() {
                for c in 0..CLASSES {
                    let inside = match &loss.label_scheme {
                        LabelScheme::Classes(_) => c == if right { usize::from(y) } else { (usize::from(y) + 1) % CLASSES },
                        LabelScheme::Regions(all) => all[c].contains(&y) == right,
                    };
                    if inside {
                        logits[((v / volume) * CLASSES + c) * volume + v % volume] = scale;
                    }
                }
            }
            let x = tensor(&logits, &device).require_grad();
            let total = loss.terms(vec![x.clone()], &on(target.clone(), &device)).total;
            let value = total.clone().into_scalar::<f32>();
            // A power below 1 makes much of the little that is kept from 0.
            let nothing = if loss.objective.tversky_power < 1.0 { 1e-3 } else { 1e-4 };
            assert!(value.is_finite() && (value.abs() < nothing) == right, "{loss:?}: {value}");
            let grads = x.grad(&total.backward()).expect("a gradient").into_data().try_into_vec::<f32>().expect("f32");
            assert!(grads.iter().all(|g| g.is_finite()), "{loss:?}");
        }
    }
}

#[test]
fn one_class_alone_has_no_boundary_term() {
    let device = Device::flex();
    let (logits, _) = case(4);
    let labels = vec![0u8; SIZE.iter().product()];
    let loss = of_classes(paper());
    let t = loss.terms(vec![tensor(&logits, &device)], &on(loss.targets(&labels, SIZE), &device));
    assert_eq!(t.boundary.into_scalar::<f32>(), 0.0);
    assert!(t.total.into_scalar::<f32>().is_finite());
}

#[test]
fn a_batch_whose_classes_weigh_nothing_is_finite() {
    let device = Device::flex();
    let (logits, _) = case(5);
    let labels = vec![0u8; SIZE.iter().product()];
    let objective = Objective { class_weights: Some(vec![0.0, 1.0, 1.0]), focal: 1.0, background: false, ..paper() };
    let loss = of_classes(objective);
    let t = loss.terms(vec![tensor(&logits, &device)], &on(loss.targets(&labels, SIZE), &device));
    assert_eq!(t.cross_entropy.into_scalar::<f32>(), 0.0);
    assert!(t.total.into_scalar::<f32>().is_finite());
}
