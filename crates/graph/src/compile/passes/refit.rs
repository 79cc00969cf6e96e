//! How the weights of a changed program come from the trained ones: small expressions over trained weights, and the one
//! function that evaluates them. Plain Rust, sums in float64.
//!
//! May use `ir`, `op` and `text`.

use std::collections::BTreeMap;

use crate::ir::{Array, Arrays, Fault, Graph};
use crate::op::{Op, standardised};
use crate::text::Code;

/// A weight as an expression over trained weights. Shapes are PyTorch's: a kernel is `[out, in, kD, kH, kW]`, that of a transposed
/// convolution `[in, out, kD, kH, kW]`, a matrix `[out, in]`, a bias or a norm's affine `[channels]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Refit {
    /// The trained weight of this name.
    Of(String),
    /// One number everywhere.
    Fill { dims: Vec<usize>, value: f64 },
    /// `scale * of + shift`, number by number.
    Affine { of: Box<Refit>, scale: f64, shift: f64 },
    /// Number by number, all of one shape.
    Sum(Vec<Refit>),
    /// Channels `start .. start + channels` along the second dimension: the input channels of a kernel or a matrix.
    Slice { of: Box<Refit>, start: usize, channels: usize },
    /// The first two dimensions change places.
    Transposed(Box<Refit>),
    /// `left [o, m]` (its further dimensions are 1) times `right [m, ..]`: `[o, ..]`.
    Product { left: Box<Refit>, right: Box<Refit> },
    /// The second dimension of `of [a, m, ..]` mapped by `by [m, b]` (its further dimensions are 1): `[a, b, ..]`.
    Inner { of: Box<Refit>, by: Box<Refit> },
    /// The sum over all dimensions after the second: `[o, m]`.
    Taps(Box<Refit>),
    /// Each row along the first dimension of `of [o, ..]` times a number of `by [o]`.
    Rows { of: Box<Refit>, by: Box<Refit> },
    /// Each column along the second dimension of `of [m, o, ..]` times a number of `by [o]`.
    Columns { of: Box<Refit>, by: Box<Refit> },
    /// `1 / sqrt(of + eps)`, number by number.
    Rsqrt { of: Box<Refit>, eps: f64 },
    /// Each row along the first dimension less its mean, divided by the root of its biased variance and `eps`.
    Standardised { of: Box<Refit>, eps: f64 },
    /// Rows `start .. start + rows` of the first dimension, read in other dimensions; one number is repeated to fill them.
    View { of: Box<Refit>, start: usize, rows: usize, dims: Vec<usize> },
}

/// What evaluation works on.
type Tensor = (Vec<usize>, Vec<f64>);

/// Deeper expressions are not made: what they take to write and to evaluate grows with the square of their depth.
pub(super) const DEEPEST: usize = 24;

impl Refit {
    /// `scale * self + shift`.
    pub fn affine(self, scale: f64, shift: f64) -> Self {
        match self {
            of if (scale, shift) == (1.0, 0.0) => of,
            Refit::Fill { dims, value } => Refit::Fill { dims, value: scale * value + shift },
            Refit::Affine { of, scale: s, shift: t } => Refit::Affine { of, scale: scale * s, shift: scale * t + shift },
            of => Refit::Affine { of: Box::new(of), scale, shift },
        }
    }

    /// The sum of `all`; nothing when there is none.
    pub fn sum(mut all: Vec<Refit>) -> Option<Self> {
        match all.len() {
            0 | 1 => all.pop(),
            _ => Some(Refit::Sum(all)),
        }
    }

    /// Channels `start .. start + channels` along the second dimension.
    pub fn slice(self, start: usize, channels: usize) -> Self {
        Refit::Slice { of: Box::new(self), start, channels }
    }

    /// `self [o, m]` times `right [m, ..]`.
    pub fn times(self, right: Refit) -> Self {
        Refit::Product { left: Box::new(self), right: Box::new(right) }
    }

    /// The second dimension mapped by `by [m, b]`.
    pub fn inner(self, by: Refit) -> Self {
        Refit::Inner { of: Box::new(self), by: Box::new(by) }
    }

    /// Each row of `self [o, ..]` times a number of `by [o]`.
    pub fn rows(self, by: Refit) -> Self {
        Refit::Rows { of: Box::new(self), by: Box::new(by) }
    }

    /// Each column of `self [m, o, ..]` times a number of `by [o]`.
    pub fn columns(self, by: Refit) -> Self {
        Refit::Columns { of: Box::new(self), by: Box::new(by) }
    }

    /// The trained weights that it takes.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Refit::Of(name) => vec![name],
            Refit::Fill { .. } => vec![],
            Refit::Affine { of, .. }
            | Refit::Slice { of, .. }
            | Refit::Transposed(of)
            | Refit::Taps(of)
            | Refit::Rsqrt { of, .. }
            | Refit::Standardised { of, .. }
            | Refit::View { of, .. } => of.names(),
            Refit::Sum(all) => all.iter().flat_map(Refit::names).collect(),
            Refit::Product { left: a, right: b }
            | Refit::Inner { of: a, by: b }
            | Refit::Rows { of: a, by: b }
            | Refit::Columns { of: a, by: b } => [a.names(), b.names()].concat(),
        }
    }

    /// How many expressions stand in each other.
    pub fn depth(&self) -> usize {
        1 + match self {
            Refit::Of(_) | Refit::Fill { .. } => 0,
            Refit::Affine { of, .. }
            | Refit::Slice { of, .. }
            | Refit::Transposed(of)
            | Refit::Taps(of)
            | Refit::Rsqrt { of, .. }
            | Refit::Standardised { of, .. }
            | Refit::View { of, .. } => of.depth(),
            Refit::Sum(all) => all.iter().map(Refit::depth).max().unwrap_or(0),
            Refit::Product { left: a, right: b }
            | Refit::Inner { of: a, by: b }
            | Refit::Rows { of: a, by: b }
            | Refit::Columns { of: a, by: b } => a.depth().max(b.depth()),
        }
    }

    /// The weight, from the `trained` ones.
    ///
    /// # Errors
    /// E0802 when a trained weight is missing or has another shape than the expression needs.
    pub fn evaluate(&self, trained: &Arrays) -> Result<Array, Fault> {
        // The commonest case copies.
        if let Refit::Of(name) = self {
            return find(name, trained).cloned();
        }
        let (dims, values) = self.value(trained)?;
        Ok(Array::new(dims, values.into_iter().map(|x| x as f32).collect()))
    }

    fn value(&self, trained: &Arrays) -> Result<Tensor, Fault> {
        Ok(match self {
            Refit::Of(name) => {
                let array = find(name, trained)?;
                (array.dims.clone(), array.values.iter().map(|x| f64::from(*x)).collect())
            }
            Refit::Fill { dims, value } => (dims.clone(), vec![*value; dims.iter().product()]),
            Refit::Affine { of, scale, shift } => {
                let (dims, mut values) = of.value(trained)?;
                values.iter_mut().for_each(|x| *x = scale * *x + shift);
                (dims, values)
            }
            Refit::Sum(all) => {
                let mut parts = all.iter().map(|r| r.value(trained));
                let (dims, mut sum) = parts.next().unwrap_or_else(|| Err(unfit("a sum of nothing")))?;
                for part in parts {
                    let (other, values) = part?;
                    if other != dims {
                        return Err(unfit(&format!("{dims:?} and {other:?} are to be added")));
                    }
                    sum.iter_mut().zip(values).for_each(|(s, x)| *s += x);
                }
                (dims, sum)
            }
            Refit::Slice { of, start, channels } => {
                let (mut dims, values) = of.value(trained)?;
                let [a, m, t] = three(&dims)?;
                if start.checked_add(*channels).is_none_or(|end| end > m) {
                    return Err(unfit(&format!("input channels from {start} on, {channels} in all, are taken of {dims:?}")));
                }
                dims[1] = *channels;
                let rows = (0..a).flat_map(|i| &values[(i * m + start) * t..(i * m + start + channels) * t]);
                (dims, rows.copied().collect())
            }
            Refit::Transposed(of) => {
                let (mut dims, values) = of.value(trained)?;
                let [a, m, t] = three(&dims)?;
                dims.swap(0, 1);
                let rows = (0..m).flat_map(|j| (0..a).map(move |i| (i * m + j) * t)).flat_map(|at| &values[at..at + t]);
                (dims, rows.copied().collect())
            }
            Refit::Product { left, right } => {
                let ((o, m, left), (mut dims, right)) = (matrix(left.value(trained)?)?, right.value(trained)?);
                if dims.first() != Some(&m) {
                    return Err(unfit(&format!("[{o}, {m}] is to be multiplied by {dims:?}")));
                }
                dims[0] = o;
                let n = dims[1..].iter().product();
                (dims, product(&left, &right, [o, m, n]))
            }
            Refit::Inner { of, by } => {
                let ((mut dims, values), (m, b, by)) = (of.value(trained)?, matrix(by.value(trained)?)?);
                let [a, n, t] = three(&dims)?;
                if n != m {
                    return Err(unfit(&format!("the second dimension of {dims:?} is to be mapped by [{m}, {b}]")));
                }
                dims[1] = b;
                let turned: Vec<f64> = (0..b).flat_map(|j| (0..m).map(move |i| i * b + j)).map(|at| by[at]).collect();
                (dims, (0..a).flat_map(|i| product(&turned, &values[i * m * t..(i + 1) * m * t], [b, m, t])).collect())
            }
            Refit::Rows { of, by } => {
                let ((dims, mut values), (_, by)) = (of.value(trained)?, by.value(trained)?);
                let rows = by.len();
                if rows == 0 || dims.first() != Some(&rows) {
                    return Err(unfit(&format!("the rows of {dims:?} are to be scaled by {rows} numbers")));
                }
                let wide = values.len() / rows;
                values.chunks_mut(wide.max(1)).zip(by).for_each(|(row, s)| row.iter_mut().for_each(|x| *x *= s));
                (dims, values)
            }
            Refit::Columns { of, by } => {
                let ((dims, mut values), (_, by)) = (of.value(trained)?, by.value(trained)?);
                let [_, m, t] = three(&dims)?;
                if by.len() != m {
                    return Err(unfit(&format!("the columns of {dims:?} are to be scaled by {} numbers", by.len())));
                }
                values.chunks_mut(t.max(1)).enumerate().for_each(|(i, part)| part.iter_mut().for_each(|x| *x *= by[i % m]));
                (dims, values)
            }
            Refit::Rsqrt { of, eps } => {
                let (dims, mut values) = of.value(trained)?;
                values.iter_mut().for_each(|x| *x = 1.0 / (*x + eps).sqrt());
                (dims, values)
            }
            Refit::Standardised { of, eps } => {
                let (dims, mut values) = of.value(trained)?;
                standardised(&mut values, dims.first().copied().unwrap_or(1), *eps);
                (dims, values)
            }
            Refit::View { of, start, rows, dims } => {
                let (own, values) = of.value(trained)?;
                let first = own.first().copied().unwrap_or(0);
                let wide = values.len().checked_div(first).unwrap_or(0);
                let n: usize = dims.iter().product();
                let part = start.checked_add(*rows).filter(|end| *end <= first).and_then(|end| values.get(start * wide..end * wide));
                match part {
                    Some([one]) => (dims.clone(), vec![*one; n]),
                    Some(part) if part.len() == n => (dims.clone(), part.to_vec()),
                    _ => return Err(unfit(&format!("rows from {start} on, {rows} in all, of {own:?} are to be read as {dims:?}"))),
                }
            }
            Refit::Taps(of) => {
                let (dims, values) = of.value(trained)?;
                let [a, m, t] = three(&dims)?;
                (vec![a, m], (0..a * m).map(|i| values[i * t..(i + 1) * t].iter().sum()).collect())
            }
        })
    }
}

fn find<'a>(name: &str, trained: &'a Arrays) -> Result<&'a Array, Fault> {
    let array = trained.get(name).ok_or_else(|| unfit(&format!("`{name}` is not among them")))?;
    if !array.is_sound() {
        return Err(unfit(&format!("`{name}` is {:?} but has {} numbers", array.dims, array.values.len())));
    }
    Ok(array)
}

fn unfit(why: &str) -> Fault {
    Fault::new(Code::E0802, format!("the trained weights do not fit the graph: {why}"))
        .help("the weights belong to another graph or to other parameters of it")
}

/// The first two dimensions and the product of the others.
fn three(dims: &[usize]) -> Result<[usize; 3], Fault> {
    match dims {
        [a, b, rest @ ..] => Ok([*a, *b, rest.iter().product()]),
        _ => Err(unfit(&format!("{dims:?} has no second dimension"))),
    }
}

fn matrix((dims, values): Tensor) -> Result<(usize, usize, Vec<f64>), Fault> {
    match three(&dims)? {
        [a, b, 1] => Ok((a, b, values)),
        _ => Err(unfit(&format!("{dims:?} is not a matrix"))),
    }
}

/// `[o, m]` times `[m, n]`, row by row.
fn product(left: &[f64], right: &[f64], [o, m, n]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; o * n];
    for i in 0..o {
        let row = &mut out[i * n..(i + 1) * n];
        for j in 0..m {
            let x = left[i * m + j];
            row.iter_mut().zip(&right[j * n..(j + 1) * n]).for_each(|(y, r)| *y += x * r);
        }
    }
    out
}

/// By the weight's name. A weight that is not here is the trained one of its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refits(pub BTreeMap<String, Refit>);

impl Refits {
    /// A weight of the changed program as an expression over trained ones.
    pub fn of(&self, name: &str) -> Refit {
        self.0.get(name).cloned().unwrap_or_else(|| Refit::Of(name.to_owned()))
    }

    /// Every weight and buffer of the changed program by its name, from the `trained` ones.
    ///
    /// # Errors
    /// E0802 when a trained weight is missing or has another shape.
    pub fn weights(&self, graph: &Graph<Op>, trained: &Arrays) -> Result<Arrays, Fault> {
        let all = graph.tensors().into_iter().map(|(_, name, w)| {
            let array = self.of(&name).evaluate(trained)?;
            if array.dims != w.dims {
                return Err(unfit(&format!("`{name}` is {:?} in the graph but comes out as {:?}", w.dims, array.dims)));
            }
            Ok((name, array))
        });
        all.collect()
    }

    /// Scales and shifts a weight further; one that the graph before did not have was 0.
    pub(super) fn then(&mut self, name: String, had: bool, dims: &[usize], scale: f64, shift: f64) {
        let before = if had { self.of(&name) } else { Refit::Fill { dims: dims.to_vec(), value: 0.0 } };
        self.0.insert(name, before.affine(scale, shift));
    }
}
