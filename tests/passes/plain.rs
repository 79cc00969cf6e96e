//! A slow and plain evaluation of an op graph in float64, for the law that passes keep: every loop stands as the definition says.

use lmsc::ir::{Fact, Graph, Init, Value, Weight};
use lmsc::op::{Conv3d, ConvTranspose3d, Function, Op};

/// A value `[N, C, D, H, W]`.
#[derive(Clone, Debug)]
pub struct Volume {
    pub fact: Fact,
    pub values: Vec<f64>,
}

impl Volume {
    fn new(fact: Fact) -> Self {
        Self { fact, values: vec![0.0; fact.elements().expect("it fits") as usize] }
    }

    /// Numbers between -1 and 1 that are different in every place.
    pub fn wave(fact: Fact, phase: f64) -> Self {
        let mut y = Self::new(fact);
        y.values.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f64 * 0.731 + phase).sin() * (i as f64 * 0.0137 + phase).cos());
        y
    }

    fn voxels(&self) -> usize {
        self.fact.size.iter().product()
    }

    /// One channel of one case.
    fn channel(&self, n: usize, c: usize) -> &[f64] {
        let v = self.voxels();
        &self.values[(n * self.fact.channels + c) * v..][..v]
    }

    fn channel_mut(&mut self, n: usize, c: usize) -> &mut [f64] {
        let v = self.voxels();
        &mut self.values[(n * self.fact.channels + c) * v..][..v]
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { fact: self.fact, values: self.values.iter().map(|x| f(*x)).collect() }
    }
}

/// Numbers of a weight, drawn from its name.
pub fn drawn(name: &str, w: &Weight) -> Vec<f32> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    let (middle, width) = match w.init {
        Init::Zeros => (0.0, 0.5),
        Init::Ones => (1.0, 0.5),
        Init::Uniform(bound) => (0.0, bound),
    };
    (0..w.dims.iter().product()).map(|_| (middle + width * draw()) as f32).collect()
}

/// Every value of a graph: `inputs` in its order, `weight` the numbers of a name.
pub fn evaluate<'a>(g: &Graph<Op>, inputs: &[Volume], weight: impl Fn(&str) -> &'a [f32]) -> Vec<Volume> {
    let mut given = inputs.iter();
    let mut all: Vec<Volume> = Vec::with_capacity(g.len());
    for v in g.values() {
        let n = g.node(v);
        let path = &g.node(n.shares.unwrap_or(v)).path;
        let held = |name: &str| -> Vec<f64> { weight(&format!("{path}.{name}")).iter().map(|x| f64::from(*x)).collect() };
        let x: Vec<&Volume> = n.inputs.iter().map(|i: &Value| &all[i.0]).collect();
        let y = match x.as_slice() {
            [] => given.next().expect("an input").clone(),
            x => operation(&n.op, x, &held),
        };
        all.push(y);
    }
    all
}

fn operation(op: &Op, x: &[&Volume], held: &dyn Fn(&str) -> Vec<f64>) -> Volume {
    use lmsc::ir::Operator;
    let facts: Vec<Fact> = x.iter().map(|v| v.fact).collect();
    let mut y = Volume::new(op.infer(&facts).expect("it fits"));
    let (batch, channels) = (y.fact.batch, y.fact.channels);
    let places = (0..batch).flat_map(|n| (0..channels).map(move |c| (n, c)));
    match op {
        Op::Input(_) => unreachable!("inputs are given"),
        Op::Conv3d(o) => {
            if o.bias {
                biased(&mut y, &held("bias"));
            }
            convolve(o, x[0], &held("weight"), &mut y);
        }
        Op::ConvTranspose3d(o) => {
            if o.bias {
                biased(&mut y, &held("bias"));
            }
            spread(o, x[0], &held("weight"), &mut y);
        }
        Op::Linear(o) => {
            if o.bias {
                biased(&mut y, &held("bias"));
            }
            let (w, ins) = (held("weight"), x[0].fact.channels);
            for (n, c) in places {
                y.channel_mut(n, c)[0] += (0..ins).map(|i| w[c * ins + i] * x[0].channel(n, i)[0]).sum::<f64>();
            }
        }
        Op::GroupNorm(o) => {
            let (scale, shift, wide) = (held("weight"), held("bias"), channels / o.groups);
            for n in 0..batch {
                for group in 0..o.groups {
                    let own = group * wide..(group + 1) * wide;
                    let count = (wide * y.voxels()) as f64;
                    let mean = own.clone().flat_map(|c| x[0].channel(n, c)).sum::<f64>() / count;
                    let variance = own.clone().flat_map(|c| x[0].channel(n, c)).map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
                    for c in own {
                        let values = x[0].channel(n, c).iter().map(|v| (v - mean) / (variance + o.eps).sqrt() * scale[c] + shift[c]);
                        let values: Vec<f64> = values.collect();
                        y.channel_mut(n, c).copy_from_slice(&values);
                    }
                }
            }
        }
        Op::Activation(o) => y = x[0].map(|v| function(o.function, v)),
        Op::ScaleShift(o) => y = x[0].map(|v| o.scale * v + o.shift),
        Op::Softmax(_) => {
            for n in 0..batch {
                for at in 0..y.voxels() {
                    let all: Vec<f64> = (0..channels).map(|c| x[0].channel(n, c)[at].exp()).collect();
                    let sum: f64 = all.iter().sum();
                    (0..channels).for_each(|c| y.channel_mut(n, c)[at] = all[c] / sum);
                }
            }
        }
        Op::MaxPool3d(o) => {
            for (n, c) in places {
                let from = x[0].channel(n, c);
                each(y.fact.size, |at, [i, j, k]| {
                    let mut most = f64::NEG_INFINITY;
                    each(o.kernel.0, |_, [a, b, d]| {
                        let [kd, kh, kw] = o.kernel.0;
                        most = most.max(from[place(x[0].fact.size, [i * kd + a, j * kh + b, k * kw + d])]);
                    });
                    y.channel_mut(n, c)[at] = most;
                });
            }
        }
        Op::GlobalAvgPool(_) => {
            for (n, c) in places {
                y.channel_mut(n, c)[0] = x[0].channel(n, c).iter().sum::<f64>() / x[0].voxels() as f64;
            }
        }
        Op::Resize(_) => {
            let from = x[0].fact.size;
            let axis = |a: usize, i: usize| {
                let (old, new) = (from[a] as f64, y.fact.size[a] as f64);
                let at = ((i as f64 + 0.5) * old / new - 0.5).max(0.0);
                let low = (at as usize).min(from[a] - 1);
                [(low, 1.0 - (at - low as f64)), ((low + 1).min(from[a] - 1), at - low as f64)]
            };
            for (n, c) in places {
                each(y.fact.size, |at, [i, j, k]| {
                    let mut sum = 0.0;
                    for (a, wa) in axis(0, i) {
                        for (b, wb) in axis(1, j) {
                            for (d, wd) in axis(2, k) {
                                sum += wa * wb * wd * x[0].channel(n, c)[place(from, [a, b, d])];
                            }
                        }
                    }
                    y.values[(n * channels + c) * y.fact.size.iter().product::<usize>() + at] = sum;
                });
            }
        }
        Op::Concat(_) => {
            for n in 0..batch {
                let all: Vec<f64> = x.iter().flat_map(|v| (0..v.fact.channels).flat_map(|c| v.channel(n, c))).copied().collect();
                let wide = all.len();
                y.values[n * wide..(n + 1) * wide].copy_from_slice(&all);
            }
        }
        Op::Slice(o) => places.for_each(|(n, c)| y.channel_mut(n, c).copy_from_slice(x[0].channel(n, o.start + c))),
        Op::Add(_) => both(x, &mut y, |a, b| a + b),
        Op::Sub(_) => both(x, &mut y, |a, b| a - b),
        Op::Mul(_) => both(x, &mut y, |a, b| a * b),
        Op::PositionMap(_) => {
            let size = y.fact.size;
            for (n, c) in places {
                let anchor: Vec<f64> = (0..3).map(|a| x[0].channel(n, 3 * c + a)[0]).collect();
                each(size, |at, p| {
                    y.values[(n * channels + c) * size.iter().product::<usize>() + at] =
                        (0..3).map(|a| p[a] as f64 / size[a] as f64 - anchor[a]).sum();
                });
            }
        }
    }
    y
}

fn place([_, h, w]: [usize; 3], [i, j, k]: [usize; 3]) -> usize {
    (i * h + j) * w + k
}

/// Every place of a size with its index.
fn each(size: [usize; 3], mut f: impl FnMut(usize, [usize; 3])) {
    let [d, h, w] = size;
    for at in 0..d * h * w {
        f(at, [at / (h * w), at / w % h, at % w]);
    }
}

fn biased(y: &mut Volume, bias: &[f64]) {
    for n in 0..y.fact.batch {
        for (c, b) in bias.iter().enumerate() {
            y.channel_mut(n, c).fill(*b);
        }
    }
}

fn both(x: &[&Volume], y: &mut Volume, f: impl Fn(f64, f64) -> f64) {
    let dims = y.fact.dims();
    let read = |v: &Volume, p: [usize; 5]| {
        let own = v.fact.dims();
        let at = (0..5).fold(0, |at, a| at * own[a] + if own[a] == 1 { 0 } else { p[a] });
        v.values[at]
    };
    for at in 0..y.values.len() {
        let (mut rest, mut p) = (at, [0; 5]);
        for a in (0..5).rev() {
            p[a] = rest % dims[a];
            rest /= dims[a];
        }
        y.values[at] = f(read(x[0], p), read(x[1], p));
    }
}

fn convolve(o: &Conv3d, x: &Volume, w: &[f64], y: &mut Volume) {
    let (ins, outs) = (x.fact.channels / o.groups, o.out / o.groups);
    let taps: usize = o.kernel.0.iter().product();
    let ([_, _, xw], [od, oh, ow]) = (x.fact.size, y.fact.size);
    for n in 0..y.fact.batch {
        for c in 0..o.out {
            for i in 0..ins {
                let from = x.channel(n, c / outs * ins + i).to_vec();
                let to = y.channel_mut(n, c);
                each(o.kernel.0, |tap, k| {
                    let weight = w[(c * ins + i) * taps + tap];
                    let source = |axis: usize, at: usize| {
                        let p = (at * o.stride.0[axis] + k[axis] * o.dilation.0[axis]).checked_sub(o.padding.0[axis])?;
                        (p < x.fact.size[axis]).then_some(p)
                    };
                    for a in 0..od {
                        let Some(d) = source(0, a) else { continue };
                        for b in 0..oh {
                            let Some(h) = source(1, b) else { continue };
                            let row = &from[place(x.fact.size, [d, h, 0])..][..xw];
                            let out = &mut to[place([od, oh, ow], [a, b, 0])..][..ow];
                            let (s, skip) = (o.stride.0[2], k[2] * o.dilation.0[2]);
                            // The first place whose source is not before the row, then all whose source is in it.
                            let first = o.padding.0[2].saturating_sub(skip).div_ceil(s);
                            let Some(start) = (first * s + skip).checked_sub(o.padding.0[2]) else { continue };
                            let sources = row.iter().skip(start).step_by(s);
                            out.iter_mut().skip(first).zip(sources).for_each(|(out, x)| *out += weight * x);
                        }
                    }
                });
            }
        }
    }
}

fn spread(o: &ConvTranspose3d, x: &Volume, w: &[f64], y: &mut Volume) {
    let taps: usize = o.kernel.0.iter().product();
    let size = y.fact.size;
    for n in 0..y.fact.batch {
        for c in 0..o.out {
            for i in 0..x.fact.channels {
                let from = x.channel(n, i).to_vec();
                let to = y.channel_mut(n, c);
                each(o.kernel.0, |tap, k| {
                    let weight = w[(i * o.out + c) * taps + tap];
                    each(x.fact.size, |at, p| to[place(size, std::array::from_fn(|a| p[a] * o.stride.0[a] + k[a]))] += weight * from[at]);
                });
            }
        }
    }
}

fn function(f: Function, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match f {
        Function::Silu => x * sigmoid(x),
        Function::Relu => x.max(0.0),
        Function::LeakyRelu => x.max(0.01 * x),
        // By the tangent: a smooth function will do, passes look into none.
        Function::Gelu => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
        Function::Sigmoid => sigmoid(x),
        Function::Tanh => x.tanh(),
        Function::Abs => x.abs(),
    }
}
