//! Every operation written out plainly, one loop for each sum: for vectors, for what no stage takes, and what the stages are
//! tested against. May use `ir` and `op`.

use rayon::prelude::*;

use crate::ir::Fact;
use crate::op::{Activation, Conv3d, ConvTranspose3d, Function, GroupNorm, MaxPool3d, Op};

/// A value `[N, C, D, H, W]`.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    pub fact: Fact,
    pub data: &'a [f32],
}

impl Tensor<'_> {
    fn at(&self, n: usize, c: usize, [d, h, w]: [usize; 3]) -> f32 {
        let f = &self.fact;
        let pick = |i: usize, n: usize| if n == 1 { 0 } else { i };
        let [sd, sh, sw] = f.size;
        let (n, c) = (pick(n, f.batch), pick(c, f.channels));
        self.data[(((n * f.channels + c) * sd + pick(d, sd)) * sh + pick(h, sh)) * sw + pick(w, sw)]
    }
}

/// The value of an operation. Facts are those that `infer` accepts and gives; `weight` finds a learned tensor by its last name.
pub fn evaluate<'w>(op: &Op, weight: &dyn Fn(&str) -> &'w [f32], x: &[Tensor], fact: Fact) -> Vec<f32> {
    let a = |i: usize| x.get(i).copied().unwrap_or(Tensor { fact: Fact::vector(1, 1), data: &[0.0] });
    match op {
        Op::Input(_) => a(0).data.to_vec(),
        Op::Conv3d(c) => convolution(c, weight("weight"), weight("bias"), a(0), fact),
        Op::ConvTranspose3d(c) => transposed(c, weight("weight"), weight("bias"), a(0), fact),
        Op::Linear(l) => {
            let (w, b, inputs) = (weight("weight"), weight("bias"), a(0).fact.channels);
            each(fact, |n, o, _| {
                let sum: f64 = (0..inputs).map(|c| f64::from(w[o * inputs + c]) * f64::from(a(0).data[n * inputs + c])).sum();
                (sum + if l.bias { f64::from(b[o]) } else { 0.0 }) as f32
            })
        }
        Op::GroupNorm(g) => group_norm(g, weight("weight"), weight("bias"), a(0), fact),
        Op::Activation(f) => each(fact, |n, c, v| activation(f, a(0).at(n, c, v))),
        Op::Softmax(_) => each(fact, |n, c, v| {
            let most = (0..fact.channels).map(|k| a(0).at(n, k, v)).fold(f32::NEG_INFINITY, f32::max);
            let e = |k: usize| f64::from(a(0).at(n, k, v) - most).exp();
            (e(c) / (0..fact.channels).map(e).sum::<f64>()) as f32
        }),
        Op::MaxPool3d(p) => pool(p, a(0), fact),
        Op::GlobalAvgPool(_) => {
            let space = a(0).fact.size.iter().product::<usize>();
            let mean = |x: &[f32]| (x.iter().map(|v| f64::from(*v)).sum::<f64>() / space as f64) as f32;
            a(0).data.chunks(space.max(1)).map(mean).collect()
        }
        Op::Resize(_) => {
            let mixes: [Vec<(usize, usize, f64)>; 3] = std::array::from_fn(|i| mix(a(0).fact.size[i], fact.size[i]));
            each(fact, |n, c, v| {
                let [d, h, w] = std::array::from_fn(|i| mixes[i][v[i]]);
                let mut sum = 0.0;
                for (i, a0) in [(d.0, 1.0 - d.2), (d.1, d.2)] {
                    for (j, b0) in [(h.0, 1.0 - h.2), (h.1, h.2)] {
                        for (k, c0) in [(w.0, 1.0 - w.2), (w.1, w.2)] {
                            sum += a0 * b0 * c0 * f64::from(a(0).at(n, c, [i, j, k]));
                        }
                    }
                }
                sum as f32
            })
        }
        Op::Concat(_) => each(fact, |n, c, v| {
            let mut c = c;
            for t in x {
                if c < t.fact.channels {
                    return t.at(n, c, v);
                }
                c -= t.fact.channels;
            }
            unreachable!("the fact has the channels of all inputs")
        }),
        Op::Slice(s) => each(fact, |n, c, v| a(0).at(n, s.start + c, v)),
        Op::Add(_) => each(fact, |n, c, v| a(0).at(n, c, v) + a(1).at(n, c, v)),
        Op::Sub(_) => each(fact, |n, c, v| a(0).at(n, c, v) - a(1).at(n, c, v)),
        Op::Mul(_) => each(fact, |n, c, v| a(0).at(n, c, v) * a(1).at(n, c, v)),
        Op::ScaleShift(s) => each(fact, |n, c, v| (f64::from(a(0).at(n, c, v)) * s.scale + s.shift) as f32),
        Op::PositionMap(_) => each(fact, |n, c, v| {
            let anchor = |i: usize| f64::from(a(0).data[n * a(0).fact.channels + 3 * c + i]);
            (0..3).map(|i| v[i] as f64 / fact.size[i] as f64 - anchor(i)).sum::<f64>() as f32
        }),
    }
}

/// Every number of a value, by batch item, channel and place.
fn each(fact: Fact, f: impl Fn(usize, usize, [usize; 3]) -> f32 + Sync) -> Vec<f32> {
    let [d, h, w] = fact.size;
    let space = d * h * w;
    let mut y = vec![0.0; fact.batch * fact.channels * space];
    if space == 1 {
        y.iter_mut().enumerate().for_each(|(i, y)| *y = f(i / fact.channels, i % fact.channels, [0; 3]));
        return y;
    }
    y.par_chunks_mut(w.max(1)).enumerate().for_each(|(row, y)| {
        let (i, d, h) = (row / (d * h), row / h % d, row % h);
        y.iter_mut().enumerate().for_each(|(w, y)| *y = f(i / fact.channels, i % fact.channels, [d, h, w]));
    });
    y
}

fn convolution(c: &Conv3d, w: &[f32], b: &[f32], x: Tensor, fact: Fact) -> Vec<f32> {
    let per = x.fact.channels / c.groups;
    let [kd, kh, kw] = c.kernel.0;
    let outputs = c.out / c.groups;
    each(fact, |n, o, v| {
        let mut sum = if c.bias { f64::from(b[o]) } else { 0.0 };
        for i in 0..per {
            for (t, w) in w[(o * per + i) * kd * kh * kw..].iter().take(kd * kh * kw).enumerate() {
                let k = [t / (kh * kw), t / kw % kh, t % kw];
                let place: [Option<usize>; 3] = std::array::from_fn(|a| {
                    (v[a] * c.stride.0[a] + k[a] * c.dilation.0[a]).checked_sub(c.padding.0[a]).filter(|p| *p < x.fact.size[a])
                });
                if let [Some(d), Some(h), Some(wd)] = place {
                    sum += f64::from(*w) * f64::from(x.at(n, o / outputs * per + i, [d, h, wd]));
                }
            }
        }
        sum as f32
    })
}

fn transposed(c: &ConvTranspose3d, w: &[f32], b: &[f32], x: Tensor, fact: Fact) -> Vec<f32> {
    let [kd, kh, kw] = c.kernel.0;
    let taps = kd * kh * kw;
    each(fact, |n, o, v| {
        let mut sum = if c.bias { f64::from(b[o]) } else { 0.0 };
        for t in 0..taps {
            let k = [t / (kh * kw), t / kw % kh, t % kw];
            let place: [Option<usize>; 3] = std::array::from_fn(|a| {
                let p = v[a].checked_sub(k[a])?;
                (p % c.stride.0[a] == 0 && p / c.stride.0[a] < x.fact.size[a]).then_some(p / c.stride.0[a])
            });
            if let [Some(d), Some(h), Some(wd)] = place {
                for i in 0..x.fact.channels {
                    sum += f64::from(w[(i * c.out + o) * taps + t]) * f64::from(x.at(n, i, [d, h, wd]));
                }
            }
        }
        sum as f32
    })
}

fn group_norm(g: &GroupNorm, w: &[f32], b: &[f32], x: Tensor, fact: Fact) -> Vec<f32> {
    let per = fact.channels / g.groups;
    let space: usize = fact.size.iter().product();
    let stats: Vec<(f64, f64)> = x
        .data
        .chunks(per * space)
        .map(|x| {
            let n = x.len() as f64;
            let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let square = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
            (mean, 1.0 / (square + g.eps).sqrt())
        })
        .collect();
    each(fact, |n, c, v| {
        let (mean, factor) = stats[n * g.groups + c / per];
        ((f64::from(x.at(n, c, v)) - mean) * factor * f64::from(w[c]) + f64::from(b[c])) as f32
    })
}

fn pool(p: &MaxPool3d, x: Tensor, fact: Fact) -> Vec<f32> {
    let [kd, kh, kw] = p.kernel.0;
    each(fact, |n, c, v| {
        let mut most = f32::NEG_INFINITY;
        for t in 0..kd * kh * kw {
            let k = [t / (kh * kw), t / kw % kh, t % kw];
            let y = x.at(n, c, std::array::from_fn(|a| v[a] * p.kernel.0[a] + k[a]));
            most = if y > most || y.is_nan() { y } else { most };
        }
        most
    })
}

/// Two places and the share of the second, for each place of a resized axis.
fn mix(from: usize, to: usize) -> Vec<(usize, usize, f64)> {
    let one = |i: usize| {
        if from == to {
            return (i, i, 0.0);
        }
        let x = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
        let a = (x as usize).min(from - 1);
        (a, (a + 1).min(from - 1), x - a as f64)
    };
    (0..to).map(one).collect()
}

/// The function in double precision.
pub fn activation(f: &Activation, x: f32) -> f32 {
    let v = f64::from(x);
    let y = match f.function {
        Function::Silu => {
            if v < -700.0 {
                -0.0
            } else {
                v / (1.0 + (-v).exp())
            }
        }
        Function::Relu => return if x < 0.0 { 0.0 } else { x },
        Function::LeakyRelu => {
            if v < 0.0 {
                0.01 * v
            } else {
                v
            }
        }
        Function::Gelu => 0.5 * v * (1.0 + erf(v * std::f64::consts::FRAC_1_SQRT_2)),
        Function::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        Function::Tanh => v.tanh(),
        Function::Abs => v.abs(),
    };
    y as f32
}

/// The error function: its series near 0, the continued fraction of its complement elsewhere.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return a;
    }
    let y = if a < 2.5 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term.abs() > 1e-17 * sum {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
            if n > 200.0 {
                break;
            }
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else if a < 6.0 {
        let f = (1..60).rev().fold(0.0, |f, k| f64::from(k) / 2.0 / (a + f));
        1.0 - (-a * a).exp() * std::f64::consts::FRAC_2_SQRT_PI / 2.0 / (a + f)
    } else {
        1.0
    };
    y.copysign(x)
}
