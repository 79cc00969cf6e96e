//! Values as sums of terms: affine chains, functions and products of one value each, so that what works number by number is read
//! and written once. May use `ir`, `op`, `kernel::tile`.

use super::build::{Builder, Entry};
use super::choose::{Class, is_vector};
use crate::ir::Value;
use crate::kernel::tile::{self, AffineColumns as Affine, AffineTerm as Term, ChannelSources as Source, Factor as Times, Operand};
use crate::op::{Activation, Op};

/// A term before its places are known.
#[derive(Clone, Debug)]
struct Draft {
    x: Given,
    /// The value at the end of an affine chain that begins at `x`.
    top: Option<Value>,
    function: tile::UnaryFunction,
    gain: f64,
    times: Option<(Value, f64, f64)>,
}

#[derive(Clone, Copy, Debug)]
enum Given {
    Rows(Value),
    Separable(Value),
    Vector(Value),
}

impl Draft {
    fn of(x: Given) -> Self {
        Self { x, top: None, function: tile::UnaryFunction::Identity, gain: 1.0, times: None }
    }

    fn is_affine(&self) -> bool {
        self.function == tile::UnaryFunction::Identity && self.gain == 1.0 && self.times.is_none()
    }
}

fn function(a: &Activation) -> tile::UnaryFunction {
    tile::UnaryFunction::Of(a.function, a.parameter() as f32)
}

impl Builder<'_> {
    /// What a linear map of channels reads: the value, or what it is an affine function of.
    pub(super) fn affine_source(&mut self, v: Value) -> (Source, Option<Affine>) {
        let (base, drafts) = match self.terms(v, false).as_slice() {
            [d] if d.is_affine() && !self.locals.contains_key(&(v, 1)) => match d.x {
                Given::Rows(base) => (base, d.top),
                _ => (v, None),
            },
            _ => (v, None),
        };
        let mut source = self.source(base);
        let channels = self.fact(v).channels;
        if source.len() == 1 {
            source = vec![source[0]; channels];
        }
        (source, drafts.map(|top| self.affine(top, base)))
    }

    fn affine(&mut self, top: Value, base: Value) -> Affine {
        let (channels, batch) = (self.fact(top).channels, self.stage.batch);
        let mut ask = |e: Entry| {
            if !self.asks.contains(&e) {
                self.asks.push(e);
            }
            self.table.column(e, channels, batch)
        };
        Affine { scale: ask(Entry::Scale(top, base)), shift: ask(Entry::Shift(top, base)) }
    }

    /// The terms whose sum, after a function, is a value.
    pub(super) fn sum(&mut self, v: Value, copy: bool) -> (Vec<Term>, tile::UnaryFunction) {
        let mut post = tile::UnaryFunction::Identity;
        let drafts = match self.op(v) {
            _ if copy => vec![Draft::of(Given::Rows(v))],
            Op::Activation(a) if self.known.graph.users(self.inputs(v)[0]).count() == 1 => {
                let inner = self.terms(self.inputs(v)[0], false);
                if inner.len() > 1 {
                    post = function(a);
                    inner
                } else {
                    self.terms(v, true)
                }
            }
            _ => self.terms(v, true),
        };
        let channels = self.fact(v).channels;
        let terms = drafts.into_iter().map(|d| self.term(d, channels));
        (terms.collect(), post)
    }

    fn term(&mut self, d: Draft, channels: usize) -> Term {
        let mut d = d;
        // A chain of one channel whose value stands for many is made first.
        if let (Some(top), Given::Rows(_)) = (d.top, d.x)
            && self.fact(top).channels != channels
        {
            d = Draft { x: Given::Rows(top), top: None, ..d };
        }
        let batch = self.stage.batch;
        let affine = match (d.top, d.x) {
            (Some(top), Given::Rows(base) | Given::Separable(base)) => Some(self.affine(top, base)),
            _ => None,
        };
        let x = match d.x {
            Given::Rows(v) => Operand::Rows(self.source(v)),
            Given::Separable(v) => {
                let f = self.fact(v);
                let stride = f.channels * f.size.iter().sum::<usize>();
                Operand::Separable(self.table.column(Entry::Value(v), stride, batch))
            }
            Given::Vector(v) if self.fact(v).channels == channels => Operand::Vector(self.table.column(Entry::Value(v), channels, batch)),
            Given::Vector(v) => {
                let e = Entry::Spread(v, channels);
                if !self.asks.contains(&e) {
                    self.asks.push(e);
                }
                Operand::Vector(self.table.column(e, channels, batch))
            }
        };
        let times = d.times.map(|(v, scale, shift)| Times { source: self.source(v), scale: scale as f32, shift: shift as f32 });
        Term { x, affine, function: d.function, gain: d.gain as f32, times }
    }

    /// A value as a sum; `open`: even when it lies somewhere already.
    fn terms(&self, v: Value, open: bool) -> Vec<Draft> {
        let given = match self.class(v) {
            Class::Vector => return vec![Draft::of(Given::Vector(v))],
            _ if is_vector(&self.fact(v)) => return vec![Draft::of(Given::Vector(v))],
            Class::Separable => return vec![Draft::of(Given::Separable(v))],
            Class::Point if open || !(self.in_memory(v) || self.locals.contains_key(&(v, 1))) => self.opened(v),
            _ => None,
        };
        given.unwrap_or_else(|| vec![Draft::of(Given::Rows(v))])
    }

    /// The terms of an input that only this reads, or that is an affine function of another; else the input itself.
    fn operand(&self, x: Value) -> Vec<Draft> {
        let terms = self.terms(x, false);
        let free = self.known.graph.users(x).count() == 1 && !self.known.choice.measured.contains(&x) && !self.known.choice.kept[x.0];
        if free || matches!(terms.as_slice(), [d] if d.is_affine()) { terms } else { vec![Draft::of(Given::Rows(x))] }
    }

    /// `x` by which an affine step can follow: one term without a function.
    fn chain(&self, x: Value, top: Value) -> Draft {
        match self.terms(x, false).as_slice() {
            [d] if d.is_affine() && matches!(d.x, Given::Rows(_)) => Draft { top: Some(top), ..d.clone() },
            _ => Draft { top: Some(top), ..Draft::of(Given::Rows(x)) },
        }
    }

    fn opened(&self, v: Value) -> Option<Vec<Draft>> {
        let x = self.inputs(v);
        let vector = |i: usize| is_vector(&self.fact(x[i]));
        Some(match self.op(v) {
            Op::ScaleShift(_) | Op::GroupNorm(_) | Op::ChannelAffine(_) => vec![self.chain(x[0], v)],
            Op::Activation(a) => match self.operand(x[0]).as_slice() {
                [d] if d.is_affine() => vec![Draft { function: function(a), ..d.clone() }],
                _ => vec![Draft { function: function(a), ..Draft::of(Given::Rows(x[0])) }],
            },
            Op::Mul(_) if vector(1) => vec![self.chain(x[0], v)],
            Op::Mul(_) if vector(0) => vec![self.chain(x[1], v)],
            Op::Add(_) | Op::Sub(_) => {
                let sign = if matches!(self.op(v), Op::Sub(_)) { -1.0 } else { 1.0 };
                for (a, b) in [(0, 1), (1, 0)] {
                    if vector(b) && matches!(self.operand(x[a]).as_slice(), [d] if d.is_affine() && matches!(d.x, Given::Rows(_))) {
                        return Some(vec![self.chain(x[a], v)]);
                    }
                }
                let mut all = self.operand(x[0]);
                all.extend(self.operand(x[1]).into_iter().map(|d| Draft { gain: d.gain * sign, ..d }));
                all
            }
            Op::Mul(_) => {
                let factor = |i: usize| self.factor(x[i]);
                let main = |i: usize| match self.operand(x[i]).as_slice() {
                    [d] if d.times.is_none() => d.clone(),
                    _ => Draft::of(Given::Rows(x[i])),
                };
                // The factor is the one that stands for all channels, or the one that needs less.
                let (a, b) = if self.fact(x[0]).channels < self.fact(x[1]).channels { (1, 0) } else { (0, 1) };
                let times = factor(b).unwrap_or((x[b], 1.0, 0.0));
                vec![Draft { times: Some(times), ..main(a) }]
            }
            _ => return None,
        })
    }

    /// A value as `scale x + shift` with constants.
    fn factor(&self, v: Value) -> Option<(Value, f64, f64)> {
        if self.class(v) != Class::Point || self.in_memory(v) || self.locals.contains_key(&(v, 1)) {
            return None;
        }
        let Op::ScaleShift(s) = self.op(v) else { return None };
        let x = self.inputs(v)[0];
        let (x, scale, shift) = self.factor(x).unwrap_or((x, 1.0, 0.0));
        Some((x, scale * s.scale, shift * s.scale + s.shift))
    }
}
