//! Resampling to another size.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Triple, Volume64, Weights64, place, places};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// How a number between voxels is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Of the two nearest voxels along each axis, by distance.
    #[default]
    Trilinear,
    /// The voxel at `floor(i * n / m)` (`mode="nearest"` in PyTorch).
    Nearest,
}

impl Interpolation {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// To the size of the second input; without one by whole factors, or to a size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resize {
    pub scale: Option<Triple>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Triple>,
    /// Each axis becomes `floor(n / divide)` voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divide: Option<Triple>,
    #[serde(default, skip_serializing_if = "Interpolation::is_default")]
    pub mode: Interpolation,
    /// Whether the outermost voxels of both grids lie on each other, and not the outer edges of the grids.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub align_corners: bool,
}

impl Resize {
    /// To the size of the second input, trilinear.
    pub const LIKE: Self = Self { scale: None, size: None, divide: None, mode: Interpolation::Trilinear, align_corners: false };

    /// By whole factors, trilinear.
    pub fn by(scale: Triple) -> Self {
        Self { scale: Some(scale), ..Self::LIKE }
    }

    /// Whether it is to the size of a second input.
    pub fn is_like(&self) -> bool {
        self.scale.is_none() && self.size.is_none() && self.divide.is_none()
    }

    /// The size of its output.
    ///
    /// # Errors
    /// A size of 0, or beyond 64 bits.
    pub fn target(&self, x: [usize; 3]) -> Result<[usize; 3], Fault> {
        let mut size = x;
        for (axis, o) in size.iter_mut().enumerate() {
            let (field, n) = match (self.scale, self.size, self.divide) {
                (Some(scale), ..) => {
                    ("scale", o.checked_mul(scale.0[axis]).ok_or_else(|| Fault::new(Code::E0501, "a size is beyond 64 bits"))?)
                }
                (_, Some(size), _) => ("size", size.0[axis]),
                (_, _, Some(divide)) => ("divide", o.checked_div(divide.0[axis]).unwrap_or(0)),
                _ => ("size", *o),
            };
            if n == 0 {
                return Err(Fault::field(field, format!("`{field}` leaves no voxel")).help("use 1 or more"));
            }
            *o = n;
        }
        Ok(size)
    }

    /// For each place of an axis that goes from `from` to `to` voxels: two places there, and the share of the second.
    pub fn weights_along(&self, from: usize, to: usize) -> Vec<(usize, usize, f64)> {
        let last = from.saturating_sub(1);
        let one = |i: usize| {
            if from == to {
                return (i, i, 0.0);
            }
            let x = match (self.mode, self.align_corners) {
                (Interpolation::Nearest, _) => {
                    let a = (i as u128 * from as u128 / to.max(1) as u128) as usize;
                    return (a.min(last), a.min(last), 0.0);
                }
                (_, true) if to == 1 => 0.0,
                (_, true) => i as f64 * last as f64 / (to - 1) as f64,
                (_, false) => ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0),
            };
            let a = (x as usize).min(last);
            (a, (a + 1).min(last), x - a as f64)
        };
        (0..to).map(one).collect()
    }
}

impl Operator for Resize {
    fn kind(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        if self.is_like() {
            let [x, like] = exactly::<2>(self.kind(), x)?;
            return Ok(Fact { size: like.size, ..x });
        }
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Fact { size: self.target(x.size)?, ..x })
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        if x.first().is_some_and(|x| x.size == y.size) || self.mode == Interpolation::Nearest {
            return Ok(Cost::default());
        }
        // A blend of two along each of three axes.
        Ok(Cost { other: y.elements()?.saturating_mul(9), ..Cost::default() })
    }

    fn reads(&self, slot: usize) -> bool {
        slot == 0
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        match (self.scale, self.size, self.divide) {
            (Some(scale), ..) => x.first()?.scaled(scale.0[axis] as i128, 0),
            (_, Some(size), _) => Some(Length::Line { per: 0, plus: size.0[axis] as i128 }),
            (_, _, Some(divide)) => x.first()?.windowed(-(divide.0[axis] as i128), divide.0[axis] as i128),
            _ => x.get(1).copied(),
        }
    }

    fn ptflops(&self, x: &[Fact], y: &Fact) -> Result<u64, Fault> {
        if x.first().is_some_and(|x| x.size != y.size) { y.elements() } else { Ok(0) }
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let axes: [Vec<(usize, usize, f64)>; 3] = std::array::from_fn(|a| self.weights_along(x.fact.size[a], y.size[a]));
        let two = |(a, b, share): (usize, usize, f64)| [(a, 1.0 - share), (b, share)];
        Some(x.each_channel(y, |_, _, from, to| {
            for (at, p) in places(y.size) {
                let mut sum = 0.0;
                for (i, a) in two(axes[0][p[0]]) {
                    for (j, b) in two(axes[1][p[1]]) {
                        for (k, c) in two(axes[2][p[2]]) {
                            sum += a * b * c * from[place(x.fact.size, [i, j, k])];
                        }
                    }
                }
                to[at] = sum;
            }
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (from, x) = (n.sizes(0).to_vec(), n.x(0));
        let to: Vec<[usize; 3]> =
            if self.is_like() { n.sizes(1).to_vec() } else { from.iter().map(|s| self.target(*s)).collect::<Result<_, _>>().ok()? };
        if from == to {
            return Some(x);
        }
        let attributes = match (self.mode, self.align_corners) {
            (Interpolation::Nearest, _) => {
                vec![("mode", "nearest".into()), ("coordinate_transformation_mode", "asymmetric".into()), ("nearest_mode", "floor".into())]
            }
            (Interpolation::Trilinear, true) => {
                vec![("mode", "linear".into()), ("coordinate_transformation_mode", "align_corners".into())]
            }
            (Interpolation::Trilinear, false) => {
                vec![("mode", "linear".into()), ("coordinate_transformation_mode", "half_pixel".into())]
            }
        };
        if let Some([d, h, w]) = factors(&from, &to) {
            let scales = n.floats([5], vec![1.0, 1.0, d, h, w]);
            return Some(n.node("Resize", &[x, OnnxValue::none(), scales], attributes));
        }
        let fixed = to.split_first().filter(|(first, rest)| rest.iter().all(|s| s == *first)).map(|(first, _)| *first);
        let size = match (fixed, self.scale, self.divide) {
            (Some(size), ..) => n.triple(size),
            (_, Some(scale), _) => {
                let (size, scale) = (n.size(0), n.triple(scale.0));
                n.node("Mul", &[size, scale], vec![])
            }
            (_, _, Some(divide)) => {
                let (size, divide) = (n.size(0), n.triple(divide.0));
                n.node("Div", &[size, divide], vec![])
            }
            _ => n.size(1),
        };
        let channels = n.channels(0);
        let shape = n.shape(channels, size);
        Some(n.node("Resize", &[x, OnnxValue::none(), OnnxValue::none(), shape], attributes))
    }
}

/// What the lengths are multiplied with, where that is the same for all sizes and float32 holds it exactly; then no engine rounds a length.
fn factors(from: &[[usize; 3]], to: &[[usize; 3]]) -> Option<[f32; 3]> {
    let ((first, target), mut all) = (from.first().zip(to.first())?, [0.0; 3]);
    for (a, factor) in all.iter_mut().enumerate() {
        let exact = target[a] as f64 / first[a] as f64;
        *factor = exact as f32;
        let holds = from.iter().zip(to).all(|(from, to)| from[a] as f64 * exact == to[a] as f64);
        if f64::from(*factor) != exact || !holds {
            return None;
        }
    }
    Some(all)
}

impl Examples for Resize {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 4, 1]);
        let two = Triple::all(2);
        vec![
            (Resize::by(two), vec![x]),
            (Resize::LIKE, vec![x, Fact::new(2, 1, [6, 5, 4])]),
            (Resize::LIKE, vec![Fact::new(1, 2, [8, 6, 4]), Fact::new(1, 1, [4, 3, 3])]),
            (Resize::LIKE, vec![x, x]),
            (Resize { mode: Interpolation::Nearest, ..Resize::by(two) }, vec![x]),
            (Resize { align_corners: true, ..Resize::by(two) }, vec![x]),
            (Resize { size: Some(Triple([2, 7, 3])), ..Resize::LIKE }, vec![x]),
            (Resize { divide: Some(Triple([1, 2, 1])), mode: Interpolation::Nearest, ..Resize::LIKE }, vec![Fact::new(1, 2, [3, 5, 2])]),
        ]
    }
}
