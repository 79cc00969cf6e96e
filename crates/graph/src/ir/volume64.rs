//! Values in double precision: what definitions of operations ([`super::Operator::reference`]) compute with, and the evaluation of a
//! whole graph by them. Kernels are held to these numbers; speed is not their purpose.

use super::{Fact, Fault, Graph, Operator, Value};
use crate::text::Code;

/// A value `[N, C, D, H, W]` in float64.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume64 {
    pub fact: Fact,
    pub values: Vec<f64>,
}

/// The weights of one operation by the names that [`Operator::weights`] and [`Operator::buffers`] give them; empty for one it has not.
pub type Weights64<'a> = dyn Fn(&str) -> Vec<f64> + 'a;

impl Volume64 {
    /// Zeros.
    pub fn zeros(fact: Fact) -> Self {
        Self { fact, values: vec![0.0; fact.dims().iter().product()] }
    }

    /// From float32 numbers in the order of memory.
    pub fn from_f32(fact: Fact, values: &[f32]) -> Self {
        Self { fact, values: values.iter().map(|x| f64::from(*x)).collect() }
    }

    /// Numbers between -1 and 1 that are different in every place.
    pub fn wave(fact: Fact, phase: f64) -> Self {
        let mut y = Self::zeros(fact);
        y.values.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f64 * 0.731 + phase).sin() * (i as f64 * 0.0137 + phase).cos());
        y
    }

    /// `D * H * W`.
    pub fn voxels(&self) -> usize {
        self.fact.size.iter().product()
    }

    /// One channel of one batch item.
    pub fn channel(&self, n: usize, c: usize) -> &[f64] {
        let v = self.voxels();
        &self.values[(n * self.fact.channels + c) * v..][..v]
    }

    /// The same to be changed.
    pub fn channel_mut(&mut self, n: usize, c: usize) -> &mut [f64] {
        let v = self.voxels();
        &mut self.values[(n * self.fact.channels + c) * v..][..v]
    }

    /// Channels from `start` on, as many as `y` has.
    pub fn sliced(&self, start: usize, y: Fact) -> Self {
        let mut out = Self::zeros(y);
        for n in 0..y.batch {
            (0..y.channels).for_each(|c| out.channel_mut(n, c).copy_from_slice(self.channel(n, start + c)));
        }
        out
    }

    /// The function of every number.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { fact: self.fact, values: self.values.iter().map(|x| f(*x)).collect() }
    }

    /// Fills each channel of `y` from the same channel of `self`: `f(n, c, from, to)`.
    pub fn each_channel(&self, y: Fact, mut f: impl FnMut(usize, usize, &[f64], &mut [f64])) -> Self {
        let mut out = Self::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                f(n, c, self.channel(n, c), out.channel_mut(n, c));
            }
        }
        out
    }

    /// A function of two values number by number; a dimension of 1 is repeated.
    pub fn zip(&self, other: &Self, y: Fact, f: impl Fn(f64, f64) -> f64) -> Self {
        let dims = y.dims();
        let strides = |v: &Self| {
            let own = v.fact.dims();
            let mut stride = [0; 5];
            let mut step = 1;
            for a in (0..5).rev() {
                stride[a] = if own[a] == 1 { 0 } else { step };
                step *= own[a];
            }
            stride
        };
        let (a, b) = (strides(self), strides(other));
        let mut out = Self::zeros(y);
        for (row, to) in out.values.chunks_mut(dims[4].max(1)).enumerate() {
            let (mut rest, mut i, mut j) = (row, 0, 0);
            for axis in (0..4).rev() {
                let p = rest % dims[axis];
                rest /= dims[axis];
                i += p * a[axis];
                j += p * b[axis];
            }
            to.iter_mut().enumerate().for_each(|(k, to)| *to = f(self.values[i + k * a[4]], other.values[j + k * b[4]]));
        }
        out
    }
}

/// The index of a place in a volume of this size.
pub fn place([_, h, w]: [usize; 3], [i, j, k]: [usize; 3]) -> usize {
    (i * h + j) * w + k
}

/// Every place of a size with its index.
pub fn places([d, h, w]: [usize; 3]) -> impl Iterator<Item = (usize, [usize; 3])> {
    (0..d * h * w).map(move |at| (at, [at / (h * w), at / w % h, at % w]))
}

/// Every value of a graph whose operations all have a definition: `inputs` in its order, `weight` the numbers of a name.
///
/// # Errors
/// E0302 for an operation without a definition: expand it first ([`crate::compile::passes::legalise`]).
pub fn evaluate<O: Operator>(g: &Graph<O>, inputs: &[Volume64], weight: &dyn Fn(&str) -> Vec<f64>) -> Result<Vec<Volume64>, Fault> {
    let mut given = inputs.iter();
    let mut all: Vec<Volume64> = Vec::with_capacity(g.len());
    for v in g.values() {
        let n = g.node(v);
        let path = &g.node(n.shares.unwrap_or(v)).path;
        let x: Vec<&Volume64> = n.inputs.iter().map(|i: &Value| &all[i.0]).collect();
        let y = if x.is_empty() {
            given.next().cloned()
        } else {
            let facts: Vec<Fact> = x.iter().map(|v| v.fact).collect();
            n.op.reference(&|name| weight(&format!("{path}.{name}")), &x, n.op.infer(&facts)?)
        };
        let y = y.ok_or_else(|| Fault::new(Code::E0302, format!("`{}` ({}) has no definition of its own", n.path, n.op.kind())))?;
        all.push(y);
    }
    Ok(all)
}
