//! How far each voxel lies from each anchor (arXiv 2603.07228, equation 14).

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, Operator, Volume64, Weights64, places};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// From anchors `[N, 3K, 1, 1, 1]` (rows of depth, height, width in `[0, 1]`) to `[N, K, D, H, W]` of the second input's size:
/// `m_k(i, j, l) = (i/D - a_kd) + (j/H - a_kh) + (l/W - a_kw)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PositionMap;

impl Operator for PositionMap {
    fn kind(&self) -> &'static str {
        "position_map"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [anchors, like] = exactly::<2>(self.kind(), x)?;
        if !anchors.is_vector() || anchors.channels == 0 || anchors.channels % 3 != 0 {
            let message = format!("anchors are a vector of three coordinates each, but {anchors} is given");
            return Err(Fault::new(Code::E0302, message).help("connect an `AnchorDetector`"));
        }
        if anchors.batch != like.batch {
            return Err(Fault::new(Code::E0301, format!("{anchors} and {like} have different batches")).help("both come from one input"));
        }
        Ok(Fact::new(like.batch, anchors.channels / 3, like.size))
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let along: u64 = y.size.iter().map(|n| *n as u64).fold(0, u64::saturating_add);
        let other = y.elements()?.saturating_mul(2).saturating_add(along.saturating_mul(y.channels as u64));
        Ok(Cost { other, ..Cost::default() })
    }

    fn reads(&self, slot: usize) -> bool {
        slot == 0
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.get(1).copied()
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let anchors = x.first()?;
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                let a: [f64; 3] = std::array::from_fn(|i| anchors.channel(n, 3 * c + i)[0]);
                let to = out.channel_mut(n, c);
                places(y.size).for_each(|(at, p)| to[at] = (0..3).map(|i| p[i] as f64 / y.size[i] as f64 - a[i]).sum());
            }
        }
        Some(out)
    }
}

impl Examples for PositionMap {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(PositionMap, vec![Fact::vector(2, 6), Fact::new(2, 5, [3, 4, 2])])]
    }
}
