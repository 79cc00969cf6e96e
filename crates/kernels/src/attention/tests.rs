use super::*;
use rand::{RngExt, SeedableRng};

/// Softmax of `q k + bias`, and its values, in double precision; with the shares `[queries, keys]`.
fn exact(b: &HeadBlock, bias: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (d, e, nq, nk) = (b.d(), b.e(), b.queries, b.keys);
    let mut shares = vec![0.0; nq * nk];
    for i in 0..nq {
        let logit =
            |j: usize| (0..d).map(|c| f64::from(b.q[c * nq + i]) * f64::from(b.k[c * nk + j])).sum::<f64>() + f64::from(bias[i * nk + j]);
        let logits: Vec<f64> = (0..nk).map(logit).collect();
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logits.iter().map(|l| (l - top).exp()).sum();
        (0..nk).for_each(|j| shares[i * nk + j] = (logits[j] - top).exp() / total);
    }
    let out = (0..e * nq).map(|at| (0..nk).map(|j| f64::from(b.v[at / nq * nk + j]) * shares[at % nq * nk + j]).sum()).collect();
    (out, shares)
}

fn near(got: &[f32], want: &[f64], what: &str) {
    let most = want.iter().fold(1e-6f64, |m, v| m.max(v.abs()));
    let off = got.iter().zip(want).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max);
    assert!(got.len() == want.len() && off <= 3e-6 * most, "{what}: {off} of {most}");
}

fn drawn(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

/// Queries, keys, channels of a head of both kinds.
const SIZES: [[usize; 4]; 7] =
    [[1, 1, 1, 1], [3, 7, 2, 5], [64, 343, 12, 12], [17, 512, 32, 32], [5, 1025, 3, 9], [64, 1600, 8, 6], [2, 530, 64, 1]];

#[test]
fn outputs_and_gradients_are_those_of_the_definition() {
    for isa in Isa::all() {
        for [nq, nk, d, e] in SIZES {
            let (q, k, v) = (drawn(1, d * nq), drawn(2, d * nk), drawn(3, e * nk));
            let bias: Vec<f32> = drawn(4, nq * nk).iter().map(|b| 3.0 * b).collect();
            let b = HeadBlock::new(nq, nk, [&q, &k, &v], isa);
            let add = |i: usize, start: usize, row: &mut [f32]| {
                row.iter_mut().zip(&bias[i * nk + start..]).for_each(|(l, b)| *l += b);
            };
            let (mut out, mut log_sum_exp) = (vec![0.0; e * nq], vec![0.0; nq]);
            b.attend(add, &mut out, Some(&mut log_sum_exp));
            let (want, shares) = exact(&b, &bias);
            let what = format!("{nq} queries, {nk} keys, {d} and {e} channels, {}", isa.name());
            near(&out, &want, &what);

            let from = drawn(5, e * nq);
            // Gradients are added to what is there.
            let (mut dq, mut dk, mut dv) = (vec![9.0; d * nq], vec![0.25; d * nk], vec![-0.5; e * nk]);
            let mut dbias = vec![0.0f32; nq * nk];
            let seen = |i: usize, start: usize, row: &[f32]| dbias[i * nk + start..][..row.len()].copy_from_slice(row);
            let g = HeadGradients { out: &out, from: &from, log_sum_exp: &log_sum_exp, q: &mut dq, k: &mut dk, v: &mut dv };
            b.gradients(g, add, seen);

            let at = |x: &[f32], c: usize, t: usize, n: usize| f64::from(x[c * n + t]);
            let mut flow = vec![0.0f64; nq * nk];
            for i in 0..nq {
                let back = |j: usize| (0..e).map(|c| at(&from, c, i, nq) * at(&v, c, j, nk)).sum::<f64>();
                let mean: f64 = (0..nk).map(|j| shares[i * nk + j] * back(j)).sum();
                (0..nk).for_each(|j| flow[i * nk + j] = shares[i * nk + j] * (back(j) - mean));
            }
            let of_q: Vec<f64> = (0..d * nq).map(|p| (0..nk).map(|j| flow[p % nq * nk + j] * at(&k, p / nq, j, nk)).sum()).collect();
            let of_k: Vec<f64> =
                (0..d * nk).map(|p| 0.25 + (0..nq).map(|i| flow[i * nk + p % nk] * at(&q, p / nk, i, nq)).sum::<f64>()).collect();
            let of_v: Vec<f64> =
                (0..e * nk).map(|p| -0.5 + (0..nq).map(|i| shares[i * nk + p % nk] * at(&from, p / nk, i, nq)).sum::<f64>()).collect();
            near(&dq, &of_q, &format!("queries of {what}"));
            near(&dk, &of_k, &format!("keys of {what}"));
            near(&dv, &of_v, &format!("values of {what}"));
            near(&dbias, &flow, &format!("logits of {what}"));
        }
    }
}

#[test]
fn numbers_that_are_none_are_not_lost() {
    for isa in Isa::all() {
        let (q, mut k, v) = (drawn(1, 2 * 3), drawn(2, 2 * 40), drawn(3, 40));
        k[17] = f32::NAN;
        let b = HeadBlock::new(3, 40, [&q, &k, &v], isa);
        let mut out = vec![0.0; 3];
        b.attend(|_, _, _| (), &mut out, None);
        assert!(out.iter().all(|v| v.is_nan()), "{out:?}");
    }
}

/// Keys that are masked by minus infinity have no share.
#[test]
fn what_is_masked_has_no_share() {
    for isa in Isa::all() {
        let (q, k, v) = (drawn(1, 4 * 6), drawn(2, 4 * 700), drawn(3, 2 * 700));
        let b = HeadBlock::new(6, 700, [&q, &k, &v], isa);
        let mut out = vec![0.0; 2 * 6];
        // The first block has nothing that is seen.
        let hide = |_: usize, start: usize, row: &mut [f32]| {
            row.iter_mut().enumerate().filter(|(j, _)| start + j < 690).for_each(|(_, l)| *l = -1e30);
        };
        b.attend(hide, &mut out, None);
        let cut = |x: &[f32]| x.chunks(700).flat_map(|c| c[690..].to_vec()).collect::<Vec<f32>>();
        let (k, v) = (cut(&k), cut(&v));
        let few = HeadBlock::new(6, 10, [&q, &k, &v], isa);
        let (want, _) = exact(&few, &[0.0; 60]);
        near(&out, &want, isa.name());
    }
}
