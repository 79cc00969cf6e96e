//! Voxels added around a volume.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Triple, Volume64, Weights64, place, places};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// What stands in the voxels that are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    #[default]
    Zeros,
    /// The outermost voxel again.
    Replicate,
}

/// Voxels added before and after each axis: so many, or at the far end up to a multiple or up to the size of a second input (which is
/// never made smaller: see [`super::Crop`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    #[serde(default)]
    pub before: Triple,
    #[serde(default)]
    pub after: Triple,
    /// The size becomes a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiple: Option<Triple>,
    /// An axis of no more voxels than `multiple` stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clamp: bool,
    /// The size becomes that of the second input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub like: bool,
    #[serde(default)]
    pub mode: PadMode,
}

impl Pad {
    /// How many voxels are added before each axis; those after it follow from the sizes.
    pub fn before(&self) -> [usize; 3] {
        if self.like || self.multiple.is_some() { [0; 3] } else { self.before.0 }
    }

    /// For each place of an axis the place it is read from; `None` for a zero.
    pub fn sources_along(&self, axis: usize, from: usize, to: usize) -> Vec<Option<usize>> {
        let before = self.before()[axis];
        let one = |i: usize| match (i.checked_sub(before).filter(|p| *p < from), self.mode) {
            (Some(p), _) => Some(p),
            (None, PadMode::Zeros) => None,
            (None, PadMode::Replicate) => Some(if i < before { 0 } else { from.saturating_sub(1) }),
        };
        (0..to).map(one).collect()
    }
}

impl Operator for Pad {
    fn kind(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let too_large = || Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller");
        if self.like {
            let [x, like] = exactly::<2>(self.kind(), x)?;
            if x.size.iter().zip(like.size).any(|(x, like)| *x > like) {
                let message = format!("{x} cannot be padded to the size of {like}, which is smaller");
                return Err(Fault::new(Code::E0301, message).help("use `Crop` with `like` to make it smaller"));
            }
            return Ok(Fact { size: like.size, ..x });
        }
        let [x] = exactly::<1>(self.kind(), x)?;
        let mut size = x.size;
        for (a, n) in size.iter_mut().enumerate() {
            *n = match self.multiple {
                Some(m) if m.0[a] == 0 => return Err(Fault::field("multiple", "`multiple` is 0").help("use 1 or more")),
                Some(m) if self.clamp && *n <= m.0[a] => *n,
                Some(m) => n.checked_next_multiple_of(m.0[a]).ok_or_else(too_large)?,
                None => n.checked_add(self.before.0[a]).and_then(|n| n.checked_add(self.after.0[a])).ok_or_else(too_large)?,
            };
        }
        Ok(Fact { size, ..x })
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn reads(&self, slot: usize) -> bool {
        slot == 0
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        match (self.like, self.multiple) {
            (true, _) => x.get(1).copied(),
            (_, Some(_)) if self.clamp => None,
            (_, Some(m)) => match *x.first()? {
                same @ Length::Line { per, plus } if per % m.0[axis].max(1) as i128 == 0 && plus % m.0[axis].max(1) as i128 == 0 => {
                    Some(same)
                }
                _ => None,
            },
            _ => x.first()?.scaled(1, (self.before.0[axis] as i128).checked_add(self.after.0[axis] as i128)?),
        }
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let axes: [Vec<Option<usize>>; 3] = std::array::from_fn(|a| self.sources_along(a, x.fact.size[a], y.size[a]));
        Some(x.each_channel(y, |_, _, from, to| {
            for (at, p) in places(y.size) {
                if let [Some(i), Some(j), Some(k)] = [axes[0][p[0]], axes[1][p[1]], axes[2][p[2]]] {
                    to[at] = from[place(x.fact.size, [i, j, k])];
                }
            }
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let sizes = n.sizes(0).to_vec();
        let after = match (self.like, self.multiple) {
            (true, _) if n.sizes(1) == sizes => return Some(n.x(0)),
            (true, _) => match (n.fixed_size(0), n.fixed_size(1)) {
                (Some(own), Some(like)) => n.triple(std::array::from_fn(|a| like[a].saturating_sub(own[a]))),
                _ => {
                    let (own, like) = (n.size(0), n.size(1));
                    n.node("Sub", &[like, own], vec![])
                }
            },
            (_, Some(m)) => {
                let lacks = |size: [usize; 3]| {
                    std::array::from_fn(|a| match size[a] {
                        n if self.clamp && n <= m.0[a] => 0,
                        n => n.next_multiple_of(m.0[a].max(1)).saturating_sub(n),
                    })
                };
                match n.fixed_size(0).map(lacks) {
                    _ if sizes.iter().all(|s| lacks(*s) == [0; 3]) => return Some(n.x(0)),
                    Some(after) => n.triple(after),
                    // What is left over of the multiple, and nothing where it is the multiple itself.
                    None => {
                        let (size, multiple) = (n.size(0), n.triple(m.0));
                        let over = n.node("Mod", &[size, multiple.clone()], vec![]);
                        let rest = n.node("Sub", &[multiple.clone(), over], vec![]);
                        n.node("Mod", &[rest, multiple], vec![])
                    }
                }
            }
            _ => n.triple(self.after.0),
        };
        // Before and after each of the five axes.
        let [d, h, w] = self.before().map(|p| i64::try_from(p).unwrap_or(i64::MAX));
        let before = n.ints(&[0, 0, d, h, w, 0, 0]);
        let pads = n.join(&[before, after]);
        let mode = match self.mode {
            PadMode::Zeros => "constant",
            PadMode::Replicate => "edge",
        };
        let x = n.x(0);
        Some(n.node("Pad", &[x, pads], vec![("mode", mode.into())]))
    }

    fn fixed_in_onnx(&self) -> Option<&'static str> {
        self.clamp.then_some("whether it pads depends on the size")
    }
}

impl Examples for Pad {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 4, 2]);
        vec![
            (Pad { before: Triple([1, 0, 2]), after: Triple([0, 1, 1]), ..Pad::default() }, vec![x]),
            (Pad { after: Triple::all(1), mode: PadMode::Replicate, ..Pad::default() }, vec![x]),
            (Pad { multiple: Some(Triple([2, 4, 3])), ..Pad::default() }, vec![x]),
            (Pad { multiple: Some(Triple([4, 3, 2])), clamp: true, ..Pad::default() }, vec![x]),
            (Pad { like: true, mode: PadMode::Replicate, ..Pad::default() }, vec![x, Fact::new(2, 1, [4, 4, 3])]),
        ]
    }
}
