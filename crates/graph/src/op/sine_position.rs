//! Fixed positions.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Operator, Volume64, Weight, Weights64, places};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// A volume like its input in which every voxel stands for its place: sines and cosines of the place along depth, height and width, each in a third
/// of the channels, and a learned number for each channel and level (CoTr: Xie et al. 2021).
///
/// Channel `c` of an axis with `w` channels and `n` places is the sine (even `c`) or the cosine of `2 pi (i + 1/2) / (n + 1e-6) / 10000^(3 floor(c / 3) / w)`.
/// `weight [levels, C]`; a volume of level `level` takes that row. What the input holds is not read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinePosition {
    pub levels: usize,
    pub level: usize,
}

impl SinePosition {
    /// Channels of depth, height and width, of `channels` in all.
    fn widths(channels: usize) -> [usize; 3] {
        let third = channels / 3;
        [third + channels % 3, third, third]
    }

    /// For each channel its axis, and its number at every place along that axis.
    pub fn along(&self, channels: usize, size: [usize; 3]) -> Vec<(usize, Vec<f64>)> {
        let one = |axis: usize, c: usize, width: usize| {
            let frequency = 10000f64.powf((3 * (c / 3)) as f64 / width as f64);
            let place = |i: usize| (i as f64 + 0.5) / (size[axis] as f64 + 1e-6) * std::f64::consts::TAU / frequency;
            (axis, (0..size[axis]).map(|i| if c.is_multiple_of(2) { place(i).sin() } else { place(i).cos() }).collect())
        };
        let widths = Self::widths(channels);
        (0..3).flat_map(|axis| (0..widths[axis]).map(move |c| one(axis, c, widths[axis])).collect::<Vec<_>>()).collect()
    }
}

impl Operator for SinePosition {
    fn kind(&self) -> &'static str {
        "sine_position"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.level >= self.levels {
            return Err(Fault::field("level", format!("there is no level {} of {}", self.level, self.levels)).help("levels count from 0"));
        }
        if Self::widths(x.channels).iter().any(|w| w % 2 != 0 || *w == 0) {
            let message = format!("{} cannot hold as many sines as cosines of three axes", several(x.channels, "channel"));
            return Err(Fault::new(Code::E0302, message).on("x").help("use a multiple of 6"));
        }
        Ok(x)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        vec![Weight::new("weight", [self.levels, x.first().map_or(0, |f| f.channels)], Init::Normal { mean: 0.0, deviation: 1.0 })]
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        Ok(Cost { other: y.elements()?, ..Cost::default() })
    }

    fn reads(&self, _: usize) -> bool {
        false
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, weights: &Weights64, _: &[&Volume64], y: Fact) -> Option<Volume64> {
        let (weight, along) = (weights("weight"), self.along(y.channels, y.size));
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for (c, (axis, values)) in along.iter().enumerate() {
                let learned = weight[self.level * y.channels + c];
                let to = out.channel_mut(n, c);
                places(y.size).for_each(|(at, p)| to[at] = values[p[*axis]] + learned);
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (channels, size) = (n.channels(0), n.fixed_size(0)?);
        let along = self.along(channels, size);
        let int = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        // The channels of each axis, which have a number for each of its places.
        let axes: Vec<OnnxValue> = (0..3)
            .map(|axis| {
                let own: Vec<&Vec<f64>> = along.iter().filter(|(a, _)| *a == axis).map(|(_, values)| values).collect();
                let mut dims = vec![own.len(), 1, 1, 1];
                dims[axis + 1] = size[axis];
                let waves = n.floats(dims, own.iter().flat_map(|v| v.iter().map(|v| *v as f32)).collect());
                let whole = n.ints(&[int(own.len()), int(size[0]), int(size[1]), int(size[2])]);
                n.node("Expand", &[waves, whole], vec![])
            })
            .collect();
        let waves = n.node("Concat", &axes, vec![("axis", 0usize.into())]);
        let (weight, first, end, axis) = (n.weight("weight"), n.ints(&[int(self.level)]), n.ints(&[int(self.level) + 1]), n.ints(&[0]));
        let row = n.node("Slice", &[weight, first, end, axis], vec![]);
        let row = n.reshape(row, &[int(channels), 1, 1, 1]);
        let one = n.node("Add", &[waves, row], vec![]);
        let size = n.triple(size);
        let shape = n.shape(channels, size);
        Some(n.node("Expand", &[one, shape], vec![]))
    }

    fn fixed_in_onnx(&self) -> Option<&'static str> {
        Some("its waves are laid out for one size")
    }
}

impl Examples for SinePosition {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (Self { levels: 1, level: 0 }, vec![Fact::new(2, 6, [2, 3, 1])]),
            (Self { levels: 1, level: 0 }, vec![Fact::new(1, 8, [1, 2, 3])]),
        ]
    }
}
