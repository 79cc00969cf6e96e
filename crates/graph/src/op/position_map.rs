//! How far each voxel lies from each anchor (arXiv 2603.07228, equation 14).

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxAttribute, OnnxBuilder, OnnxValue, Operator, Triple, Volume64, Weights64, places};
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

    /// The sum of three ramps, less the sums of the anchors' coordinates. Of a free length the ramp is made when the network runs.
    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let mut grid: Option<OnnxValue> = None;
        for axis in 0..3 {
            let ramp = match n.fixed_size(1) {
                Some(size) => {
                    let mut dims = vec![1; 5];
                    dims[axis + 2] = size[axis];
                    let values = (0..size[axis]).map(|i| (i as f64 / size[axis] as f64) as f32).collect();
                    n.floats(dims, values)
                }
                None => ramp(n, axis),
            };
            grid = Some(match grid {
                None => ramp,
                Some(sum) => n.node("Add", &[sum, ramp], vec![]),
            });
        }
        let anchors = n.channels(0) / 3;
        let ones = n.floats([anchors, 3, 1, 1, 1], vec![1.0; 3 * anchors]);
        let x = n.x(0);
        let attributes = vec![("kernel_shape", Triple::all(1).into()), ("group", anchors.into())];
        let sums = n.node("Conv", &[x, ones], attributes);
        Some(n.node("Sub", &[grid?, sums], vec![]))
    }
}

/// `0, 1/n, 2/n, ...` along an axis of the second input, `n` its length.
fn ramp(n: &mut OnnxBuilder<'_>, axis: usize) -> OnnxValue {
    let (like, at) = (n.x(1), n.int(axis as i64 + 2));
    let shape = n.node("Shape", &[like], vec![]);
    let length = n.node("Gather", &[shape, at], vec![]);
    let (zero, one) = (n.int(0), n.int(1));
    let places = n.node("Range", &[zero, length.clone(), one], vec![]);
    // 1 is float32.
    let places = n.node("Cast", &[places], vec![("to", OnnxAttribute::Int(1))]);
    let length = n.node("Cast", &[length], vec![("to", OnnxAttribute::Int(1))]);
    let ramp = n.node("Div", &[places, length], vec![]);
    let mut dims = [1; 5];
    dims[axis + 2] = -1;
    let dims = n.ints(&dims);
    n.node("Reshape", &[ramp, dims], vec![])
}

impl Examples for PositionMap {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(PositionMap, vec![Fact::vector(2, 6), Fact::new(2, 5, [3, 4, 2])])]
    }
}
