//! Volumes as sequences of tokens, `[N, C, 1, 1, L]`, and back.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Operator, Volume64, Weight, Weights64};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// The same numbers on another grid of as many voxels, row by row: without a second input as a sequence `[N, C, 1, 1, D H W]`, with one on its grid.
/// Nothing is computed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regrid {
    /// The grid becomes that of the second input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub like: bool,
}

fn voxels(f: &Fact) -> Result<usize, Fault> {
    usize::try_from(f.voxels()?).map_err(|_| Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller"))
}

impl Operator for Regrid {
    fn kind(&self) -> &'static str {
        "regrid"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        if !self.like {
            let [x] = exactly::<1>(self.kind(), x)?;
            return Ok(Fact { size: [1, 1, voxels(&x)?], ..x });
        }
        let [x, like] = exactly::<2>(self.kind(), x)?;
        let (n, wanted) = (voxels(&x)?, voxels(&like)?);
        if n != wanted {
            let message = format!("{} cannot lie on the grid of {like}, which has {wanted}", several(n, "token"));
            return Err(Fault::new(Code::E0301, message).on("like").help("name the volume that the sequence was made of"));
        }
        Ok(Fact { size: like.size, ..x })
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn reads(&self, slot: usize) -> bool {
        slot == 0
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        match (self.like, axis) {
            (true, _) => x.get(1).copied(),
            (false, 0 | 1) => Some(Length::ONE),
            _ => None,
        }
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        Some(Volume64 { fact: y, values: x.first()?.values.clone() })
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let x = n.x(0);
        Some(if self.like { n.volume(x, n.channels(0), 1) } else { n.reshape(x, &[0, 0, 1, 1, -1]) })
    }
}

impl Examples for Regrid {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (Self { like: false }, vec![Fact::new(2, 3, [2, 3, 4])]),
            (Self { like: true }, vec![Fact::new(2, 3, [1, 1, 24]), Fact::new(2, 1, [2, 3, 4])]),
        ]
    }
}

/// Sequences, or volumes of one depth and height, one after the other along the width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConcatVoxels;

impl Operator for ConcatVoxels {
    fn kind(&self) -> &'static str {
        "concat_voxels"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let Some((first, rest)) = x.split_first() else {
            return Err(Fault::new(Code::E0204, "nothing is to be put one after the other").help("connect one value or more"));
        };
        let mut y = *first;
        for f in rest {
            if (f.batch, f.channels, &f.size[..2]) != (y.batch, y.channels, &y.size[..2]) {
                return Err(Fault::new(Code::E0301, format!("{first} and {f} cannot stand one after the other along the width"))
                    .help("bring them to one number of channels, one depth and one height; `Flatten` makes sequences"));
            }
            let width = y.size[2].checked_add(f.size[2]);
            y.size[2] = width.ok_or_else(|| Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller"))?;
        }
        Ok(y)
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        let mut all = x.iter();
        let first = *all.next()?;
        if axis != 2 {
            return Some(first);
        }
        all.try_fold(first, |sum, l| match (sum, *l) {
            (Length::Line { per: a, plus: b }, Length::Line { per: c, plus: d }) => Some(Length::Line { per: a + c, plus: b + d }),
            _ => None,
        })
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let mut out = Volume64::zeros(y);
        let rows = y.batch * y.channels * y.size[0] * y.size[1];
        let mut at = 0;
        for row in 0..rows {
            for part in x {
                let wide = part.fact.size[2];
                out.values[at..at + wide].copy_from_slice(&part.values[row * wide..][..wide]);
                at += wide;
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("Concat", &n.inputs(), vec![("axis", 4usize.into())]))
    }
}

impl Examples for ConcatVoxels {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Self, vec![Fact::new(2, 3, [1, 2, 3]), Fact::new(2, 3, [1, 2, 1]), Fact::new(2, 3, [1, 2, 4])])]
    }
}

/// A learned token before those of a sequence (`cls_token` of Dosovitskiy et al. 2021): `[N, C, 1, 1, L]` becomes `[N, C, 1, 1, L + 1]`. `C` parameters,
/// `weight [1, C]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassToken;

impl Operator for ClassToken {
    fn kind(&self) -> &'static str {
        "class_token"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let [1, 1, n] = x.size else {
            return Err(Fault::new(Code::E0301, format!("a token is put before a sequence, but {x} is a volume"))
                .on("x")
                .help("make it one with `Flatten`"));
        };
        let n = n.checked_add(1).ok_or_else(|| Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller"))?;
        Ok(Fact { size: [1, 1, n], ..x })
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        vec![Weight::new("weight", [1, x.first().map_or(0, |f| f.channels)], Init::TruncatedNormal(0.02))]
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        if axis == 2 { x.first()?.scaled(1, 1) } else { x.first().copied() }
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let weight = weights("weight");
        Some(x.first()?.each_channel(y, |_, c, from, to| {
            to[0] = weight[c];
            to[1..].copy_from_slice(from);
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let channels = n.channels(0);
        let token = n.weight_as("weight", [1, channels, 1, 1, 1]);
        let one = n.triple([1; 3]);
        let shape = n.shape(channels, one);
        let tokens = n.node("Expand", &[token, shape], vec![]);
        let x = n.x(0);
        Some(n.node("Concat", &[tokens, x], vec![("axis", 4usize.into())]))
    }
}

impl Examples for ClassToken {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Self, vec![Fact::new(2, 3, [1, 1, 4])])]
    }
}
