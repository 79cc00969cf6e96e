//! The length of each axis of each value, for every size that a program takes at once.
//!
//! The first input's axis is `m k`, with the multiple `m` that the program asks for and any `k` from 1 on. Strides that divide
//! keep lengths of the form `per k + plus`; what does not is unknown, but still equal to itself.

use crate::compile::Program;
use crate::op::Op;

/// A length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// `per k + plus`, `k` counting the multiples of the first input's axis.
    Line { per: i128, plus: i128 },
    /// That of another place, of which nothing is known.
    Unknown(usize),
}

const ONE: Length = Length::Line { per: 0, plus: 1 };

/// Lengths of depth, height and width of every value.
pub fn lengths(program: &Program) -> Vec<[Length; 3]> {
    let g = &program.graph;
    let multiple = program.multiple();
    let first = program.inputs.first().map(|(_, v)| *v);
    let base = first.map(|v| g.fact(v).size);
    let mut all: Vec<[Length; 3]> = Vec::with_capacity(g.len());
    for v in g.values() {
        let x: Vec<[Length; 3]> = g.inputs(v).iter().map(|i| all[i.0]).collect();
        let axis = |a: usize| -> Length {
            let unknown = Length::Unknown(3 * v.0 + a);
            let of = |i: usize| x.get(i).map_or(unknown, |l| l[a]);
            match &g.node(v).op {
                Op::Input(_) if Some(v) == first => Length::Line { per: multiple[a] as i128, plus: 0 },
                // An input of another size than the first's has stated its own; one of the same may follow the first.
                Op::Input(_) if Some(g.fact(v).size) != base => Length::Line { per: 0, plus: g.fact(v).size[a] as i128 },
                Op::Input(_) => unknown,
                Op::Conv3d(c) => {
                    let (k, s, p, d) = (c.kernel.0[a] as i128, c.stride.0[a] as i128, c.padding.0[a] as i128, c.dilation.0[a] as i128);
                    let grown = 2 * p - (k - 1) * d - 1;
                    strided(of(0), grown, s, unknown).plus(1, unknown, if s == 1 && grown == -1 { Some(of(0)) } else { None })
                }
                Op::ConvTranspose3d(c) => match of(0) {
                    Length::Line { per, plus } => {
                        let (k, s) = (c.kernel.0[a] as i128, c.stride.0[a] as i128);
                        Length::Line { per: per * s, plus: (plus - 1) * s + k }
                    }
                    same if (c.kernel.0[a], c.stride.0[a]) == (1, 1) => same,
                    Length::Unknown(_) => unknown,
                },
                Op::MaxPool3d(p) => match p.kernel.0[a] {
                    1 => of(0),
                    k => strided(of(0), 0, k as i128, unknown),
                },
                Op::Resize(r) => match r.scale.map(|s| s.0[a] as i128) {
                    None => of(1),
                    Some(1) => of(0),
                    Some(s) => match of(0) {
                        Length::Line { per, plus } => Length::Line { per: per * s, plus: plus * s },
                        Length::Unknown(_) => unknown,
                    },
                },
                Op::GlobalAvgPool(_) | Op::Linear(_) => ONE,
                Op::PositionMap(_) => of(1),
                Op::Add(_) | Op::Sub(_) | Op::Mul(_) => match (of(0), of(1)) {
                    (a, b) if a == b => a,
                    (ONE, b) => b,
                    (a, ONE) => a,
                    _ => unknown,
                },
                Op::GroupNorm(_) | Op::Activation(_) | Op::Softmax(_) | Op::Concat(_) | Op::Slice(_) | Op::ScaleShift(_) => of(0),
            }
        };
        let l = [axis(0), axis(1), axis(2)];
        all.push(l);
    }
    all
}

/// `floor((length + grown) / stride)`.
fn strided(length: Length, grown: i128, stride: i128, unknown: Length) -> Length {
    match length {
        Length::Line { per, plus } if stride > 0 && per % stride == 0 => {
            Length::Line { per: per / stride, plus: (plus + grown).div_euclid(stride) }
        }
        _ => unknown,
    }
}

impl Length {
    /// `self + n`, or `same` where that is known to be the result.
    fn plus(self, n: i128, unknown: Length, same: Option<Length>) -> Length {
        match (same, self) {
            (Some(same), _) => same,
            (None, Length::Line { per, plus }) => Length::Line { per, plus: plus + n },
            (None, Length::Unknown(_)) => unknown,
        }
    }
}
