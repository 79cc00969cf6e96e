//! What is computed between stages, a number a channel: vectors, the affine functions that norms and modulations are, values that
//! are a sum of a vector along each axis. May use `ir` and `op`.

use std::collections::HashMap;

use super::build::{Entry, Table, Weights};
use super::choose::{Class, is_vector, pieces};
use super::whole::{self, TensorView};
use crate::ir::{Fact, Graph, Value};
use crate::kernel::tile::Moments;
use crate::op::Op;

/// What is known when the table is filled.
pub struct Filler<'a> {
    pub graph: &'a Graph<Op>,
    pub facts: &'a [Fact],
    pub class: &'a [Class],
    pub weights: &'a dyn Weights,
    pub places: &'a Table,
    /// By batch item, then channel.
    pub moments: &'a HashMap<Value, Vec<Moments>>,
}

impl<'a> Filler<'a> {
    fn fact(&self, v: Value) -> Fact {
        self.facts[v.0]
    }

    fn weight(&self, v: Value, name: &str) -> &'a [f32] {
        let owner = self.graph.node(v).shares.unwrap_or(v);
        self.weights.get(&format!("{}.{name}", self.graph.node(owner).path))
    }

    /// A value's numbers, all batch items.
    fn read<'t>(&self, table: &'t [f32], v: Value) -> &'t [f32] {
        let Some(c) = self.places.at.get(&Entry::Value(v)) else { return &[] };
        &table[c.offset..c.offset + c.stride * self.fact(v).batch]
    }

    fn write(&self, table: &mut [f32], e: Entry, numbers: &[f32]) {
        if let Some(c) = self.places.at.get(&e) {
            table[c.offset..c.offset + numbers.len()].copy_from_slice(numbers);
        }
    }

    /// Computes a vector.
    pub fn vector(&self, table: &mut [f32], v: Value) {
        let fact = self.fact(v);
        let x = self.graph.inputs(v);
        let numbers = match self.graph.node(v).op {
            Op::GlobalAvgPool(_) if !is_vector(&self.fact(x[0])) => {
                let all = self.measured(x[0]);
                all.iter().map(|m| m.mean as f32).collect()
            }
            _ => {
                let x: Vec<TensorView> = x.iter().map(|i| TensorView { fact: self.fact(*i), data: self.read(table, *i) }).collect();
                whole::evaluate(&self.graph.node(v).op, &|name| self.weight(v, name), &x, fact)
            }
        };
        self.write(table, Entry::Value(v), &numbers);
    }

    /// The moments of a value's channels, by batch item.
    fn measured(&self, v: Value) -> Vec<Moments> {
        let parts = pieces(self.graph, self.facts, v);
        let mut all = vec![];
        for n in 0..self.fact(v).batch {
            for (root, first, count) in &parts {
                let channels = self.fact(*root).channels;
                let Some(m) = self.moments.get(root) else { continue };
                all.extend_from_slice(&m[n * channels + first..n * channels + first + count]);
            }
        }
        all
    }

    /// Computes what a stage asks for.
    pub fn asked(&self, table: &mut [f32], e: Entry) {
        match e {
            Entry::Value(_) => {}
            Entry::Spread(v, channels) => {
                let numbers: Vec<f32> = self.read(table, v).iter().flat_map(|x| std::iter::repeat_n(*x, channels)).collect();
                self.write(table, e, &numbers);
            }
            Entry::Scale(top, base) => {
                let numbers: Vec<f32> = self.affine(table, top, base).into_iter().map(|p| p.0 as f32).collect();
                self.write(table, e, &numbers);
            }
            Entry::Shift(top, base) => {
                let numbers: Vec<f32> = self.affine(table, top, base).into_iter().map(|p| p.1 as f32).collect();
                self.write(table, e, &numbers);
            }
        }
    }

    /// `top = scale base + shift`, by batch item and channel of `top`.
    fn affine(&self, table: &[f32], top: Value, base: Value) -> Vec<(f64, f64)> {
        let fact = self.fact(top);
        let count = fact.batch * fact.channels;
        if top == base {
            return vec![(1.0, 0.0); count];
        }
        let x = self.graph.inputs(top);
        // The operand that the chain goes through is the volume.
        let through = x.iter().copied().find(|i| !is_vector(&self.fact(*i))).unwrap_or(base);
        let before = self.affine(table, through, base);
        let channels = self.fact(through).channels;
        let at = |i: usize| {
            let (n, c) = (i / fact.channels, i % fact.channels);
            before[n * channels + if channels == 1 { 0 } else { c }]
        };
        let other = |i: usize| -> f64 {
            let Some(v) = x.iter().find(|i| **i != through) else { return 0.0 };
            let (f, numbers) = (self.fact(*v), self.read(table, *v));
            let (n, c) = (i / fact.channels, i % fact.channels);
            f64::from(numbers[n * f.channels + if f.channels == 1 { 0 } else { c }])
        };
        match &self.graph.node(top).op {
            Op::ScaleShift(s) => (0..count).map(|i| (at(i).0 * s.scale, at(i).1 * s.scale + s.shift)).collect(),
            Op::Mul(_) => (0..count).map(|i| (at(i).0 * other(i), at(i).1 * other(i))).collect(),
            Op::Add(_) => (0..count).map(|i| (at(i).0, at(i).1 + other(i))).collect(),
            Op::Sub(_) if x[0] == through => (0..count).map(|i| (at(i).0, at(i).1 - other(i))).collect(),
            Op::Sub(_) => (0..count).map(|i| (-at(i).0, other(i) - at(i).1)).collect(),
            Op::ChannelAffine(a) => {
                let (gain, bias) = (self.weight(top, "weight"), self.weight(top, "bias"));
                let gain = |c: usize| if a.scale { f64::from(gain[c]) } else { 1.0 };
                let bias = |c: usize| if a.bias { f64::from(bias[c]) } else { 0.0 };
                (0..count).map(|i| (i, i % fact.channels)).map(|(i, c)| (at(i).0 * gain(c), at(i).1 * gain(c) + bias(c))).collect()
            }
            Op::GroupNorm(g) => {
                let (gain, bias) = (self.weight(top, "weight"), self.weight(top, "bias"));
                let moments = self.measured(through);
                let per = fact.channels / g.groups;
                (0..count)
                    .map(|i| {
                        let (first, c) = (i / per * per, i % fact.channels);
                        let m = moments[first..first + per].iter().fold(Moments::default(), |a, b| a.join(*b));
                        let (gain, bias) = if g.affine { (f64::from(gain[c]), f64::from(bias[c])) } else { (1.0, 0.0) };
                        let factor = gain / (m.square / m.count + g.eps).sqrt();
                        (at(i).0 * factor, (at(i).1 - m.mean) * factor + bias)
                    })
                    .collect()
            }
            other => unreachable!("`{other:?}` is no step of an affine chain"),
        }
    }

    /// Computes a separable value: for each batch item and channel the numbers along depth, height and width.
    pub fn separable(&self, table: &mut [f32], v: Value) {
        let fact = self.fact(v);
        let [d, h, w] = fact.size;
        let along = d + h + w;
        let x = self.graph.inputs(v);
        let mut y = vec![0f64; fact.batch * fact.channels * along];
        let read = |i: usize| self.read(table, x[i]);
        let separable = |i: usize| self.class[x[i].0] == Class::Separable;
        match &self.graph.node(v).op {
            Op::PositionMap(_) => {
                let anchors = read(0);
                for (row, y) in y.chunks_mut(along).enumerate() {
                    for (axis, (first, n)) in [(0, d), (d, h), (d + h, w)].into_iter().enumerate() {
                        let a = f64::from(anchors[row * 3 + axis]);
                        (0..n).for_each(|i| y[first + i] = i as f64 / n as f64 - a);
                    }
                }
            }
            Op::Conv3d(c) if c.is_pointwise() => {
                let (weight, bias) = (self.weight(v, "weight"), self.weight(v, "bias"));
                let inputs = self.fact(x[0]).channels;
                for (row, y) in y.chunks_mut(along).enumerate() {
                    let (n, o) = (row / fact.channels, row % fact.channels);
                    for k in 0..inputs {
                        let source = &read(0)[(n * inputs + k) * along..];
                        y.iter_mut().zip(source).for_each(|(y, x)| *y += f64::from(weight[o * inputs + k]) * f64::from(*x));
                    }
                    if c.bias {
                        y[..d].iter_mut().for_each(|y| *y += f64::from(bias[o]));
                    }
                }
            }
            Op::ScaleShift(s) => {
                for (y, x) in y.chunks_mut(along).zip(read(0).chunks(along)) {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y = s.scale * f64::from(*x));
                    y[..d].iter_mut().for_each(|y| *y += s.shift);
                }
            }
            Op::Mul(_) => {
                let (s, k) = if separable(0) { (0, 1) } else { (1, 0) };
                for (row, (y, x)) in y.chunks_mut(along).zip(read(s).chunks(along)).enumerate() {
                    let a = self.of_row(read(k), self.fact(self.graph.inputs(v)[k]).channels, row, fact.channels);
                    y.iter_mut().zip(x).for_each(|(y, x)| *y = a * f64::from(*x));
                }
            }
            op => {
                for (i, sign) in [(0, 1.0), (1, if matches!(op, Op::Sub(_)) { -1.0 } else { 1.0 })] {
                    for (row, y) in y.chunks_mut(along).enumerate() {
                        if separable(i) {
                            let x = &read(i)[row * along..];
                            y.iter_mut().zip(x).for_each(|(y, x)| *y += sign * f64::from(*x));
                        } else {
                            let a = self.of_row(read(i), self.fact(x[i]).channels, row, fact.channels);
                            y[..d].iter_mut().for_each(|y| *y += sign * a);
                        }
                    }
                }
            }
        }
        let numbers: Vec<f32> = y.into_iter().map(|v| v as f32).collect();
        self.write(table, Entry::Value(v), &numbers);
    }

    /// The number of a vector that stands for a row (batch item and channel).
    fn of_row(&self, vector: &[f32], channels: usize, row: usize, of: usize) -> f64 {
        let (n, c) = (row / of, row % of);
        f64::from(vector[n * channels + if channels == 1 { 0 } else { c }])
    }
}
