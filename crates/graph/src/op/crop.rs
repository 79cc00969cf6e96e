//! A part of a volume.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Triple, Volume64, Weights64, place, places};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// The voxels from `start` on that are left when `end` are taken away at the far end, or as many as a second input has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    #[serde(default)]
    pub start: Triple,
    #[serde(default)]
    pub end: Triple,
    /// The size becomes that of the second input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub like: bool,
}

impl Operator for Crop {
    fn kind(&self) -> &'static str {
        "crop"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let (x, wanted) = if self.like {
            let [x, like] = exactly::<2>(self.kind(), x)?;
            (x, Some(like.size))
        } else {
            let [x] = exactly::<1>(self.kind(), x)?;
            (x, None)
        };
        let mut size = x.size;
        for (a, n) in size.iter_mut().enumerate() {
            let rest = n.checked_sub(self.start.0[a]);
            let left = match wanted {
                Some(wanted) => rest.filter(|rest| *rest >= wanted[a]).map(|_| wanted[a]),
                None => rest.and_then(|rest| rest.checked_sub(self.end.0[a])),
            };
            *n = left.filter(|n| *n > 0).ok_or_else(|| {
                let axis = ["depth", "height", "width"][a];
                Fault::new(Code::E0301, format!("no such part is in a {axis} of {n}")).on("start").help("crop less, or use a larger input")
            })?;
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
        if self.like {
            return x.get(1).copied();
        }
        x.first()?.scaled(1, -(self.start.0[axis] as i128) - self.end.0[axis] as i128)
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let start = self.start.0;
        Some(x.each_channel(y, |_, _, from, to| {
            for (at, p) in places(y.size) {
                to[at] = from[place(x.fact.size, std::array::from_fn(|a| p[a] + start[a]))];
            }
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let start = self.start.0;
        let end = match (self.like, n.fixed_size(0)) {
            (true, _) if start == [0; 3] => n.size(1),
            (true, _) => {
                let (start, size) = (n.triple(start), n.size(1));
                n.node("Add", &[start, size], vec![])
            }
            (false, Some(size)) => n.triple(std::array::from_fn(|a| size[a].saturating_sub(self.end.0[a]))),
            // Counted from the far end; the greatest number is the end itself.
            (false, None) => n.ints(&self.end.0.map(|e| i64::try_from(e).ok().filter(|e| *e > 0).map_or(i64::MAX, |e| -e))),
        };
        let x = n.x(0);
        Some(n.voxels(x, start, end))
    }
}

impl Examples for Crop {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 4, 5]);
        vec![
            (Crop { start: Triple([1, 0, 2]), end: Triple([0, 1, 1]), like: false }, vec![x]),
            (Crop { like: true, ..Crop::default() }, vec![x, Fact::new(2, 1, [3, 3, 4])]),
        ]
    }
}
