//! Blocks of voxels as channels, and back.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Triple, Volume64, Weights64, place, places};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// Some of the voxels of every block beside each other as channels: channel `o * C + c` of `[N, offsets * C, D / a, H / b, W / c]` is channel `c` of
/// the voxel at the `o`-th offset of each block. Nothing is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpaceToDepth {
    pub block: Triple,
    /// Places within a block, in the order of the channels; all of them, depth slowest, where there are none. One may stand twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<Triple>,
}

/// More offsets than any block has: a slip of the pen is told, not built.
const MOST: usize = 1 << 12;

impl SpaceToDepth {
    /// The places within a block whose voxels are taken, in order.
    pub fn taken(&self) -> Vec<[usize; 3]> {
        if self.offsets.is_empty() { places(self.block.0).map(|(_, p)| p).collect() } else { self.offsets.iter().map(|o| o.0).collect() }
    }
}

/// Voxels of a block.
///
/// # Errors
/// E0401 for a block of none, or of too many.
fn voxels(block: Triple) -> Result<usize, Fault> {
    let n = block.0.iter().try_fold(1usize, |n, a| n.checked_mul(*a));
    n.filter(|n| (1..=MOST).contains(n)).ok_or_else(|| {
        Fault::field("block", format!("a block is of 1 to {MOST} voxels")).help("use 2, or one number for each axis: (1, 2, 2)")
    })
}

impl Operator for SpaceToDepth {
    fn kind(&self) -> &'static str {
        "space_to_depth"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let all = voxels(self.block)?;
        let mut size = x.size;
        for (a, n) in size.iter_mut().enumerate() {
            let (axis, by) = (["depth", "height", "width"][a], self.block.0[a]);
            if *n % by != 0 {
                let message = format!("a {axis} of {n} does not fall into blocks of {}", several(by, "voxel"));
                return Err(Fault::new(Code::E0301, message).on("block").help(format!("pad before it: `Pad(x: \"...\", multiple: {by})`")));
            }
            if let Some(o) = self.offsets.iter().find(|o| o.0[a] >= by) {
                let message = format!("an offset of {} in {axis} lies outside of a block of {}", o.0[a], several(by, "voxel"));
                return Err(Fault::field("offsets", message).help("offsets count from 0 and are less than the block"));
            }
            *n /= by;
        }
        if self.offsets.len() > MOST {
            return Err(Fault::field("offsets", format!("there are more than {MOST} offsets")).help("a block of 2 has eight"));
        }
        let times = if self.offsets.is_empty() { all } else { self.offsets.len() };
        let channels = x.channels.checked_mul(times).ok_or_else(too_large)?;
        Ok(Fact::new(x.batch, channels, size))
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        x.first()?.windowed(-(self.block.0[axis] as i128), self.block.0[axis] as i128)
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let (taken, channels, block) = (self.taken(), x.fact.channels, self.block.0);
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                let (offset, from) = (taken[c / channels], x.channel(n, c % channels));
                let to = out.channel_mut(n, c);
                places(y.size).for_each(|(at, p)| to[at] = from[place(x.fact.size, std::array::from_fn(|a| p[a] * block[a] + offset[a]))]);
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (ends, axes, steps) = (n.ints(&[i64::MAX; 3]), n.ints(&[2, 3, 4]), n.triple(self.block.0));
        let taken: Vec<OnnxValue> = self
            .taken()
            .into_iter()
            .map(|offset| {
                let inputs = [n.x(0), n.triple(offset), ends.clone(), axes.clone(), steps.clone()];
                n.node("Slice", &inputs, vec![])
            })
            .collect();
        Some(n.node("Concat", &taken, vec![("axis", 1usize.into())]))
    }
}

fn too_large() -> Fault {
    Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller")
}

impl Examples for SpaceToDepth {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let some = [[0, 0, 0], [1, 0, 1], [0, 0, 1], [0, 0, 1]].map(Triple).to_vec();
        vec![
            (Self { block: Triple([2, 1, 3]), offsets: vec![] }, vec![Fact::new(2, 2, [4, 3, 6])]),
            (Self { block: Triple::all(2), offsets: some }, vec![Fact::new(1, 3, [2, 4, 2])]),
        ]
    }
}

/// Channels as blocks of voxels: channel `o * C + c` becomes channel `c` of the `o`-th voxel of a block, depth slowest (not PyTorch's `PixelShuffle`,
/// whose channels are `c * block + o`). Nothing is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthToSpace {
    pub block: Triple,
}

impl Operator for DepthToSpace {
    fn kind(&self) -> &'static str {
        "depth_to_space"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let n = voxels(self.block)?;
        if x.channels % n != 0 || x.channels == 0 {
            let message = format!("{} cannot fill blocks of {}", several(x.channels, "channel"), several(n, "voxel"));
            return Err(Fault::new(Code::E0302, message).on("block").help("the channels are a multiple of the voxels of a block"));
        }
        let mut size = x.size;
        for (a, n) in size.iter_mut().enumerate() {
            *n = n.checked_mul(self.block.0[a]).ok_or_else(too_large)?;
        }
        Ok(Fact::new(x.batch, x.channels / n, size))
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        x.first()?.scaled(self.block.0[axis] as i128, 0)
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let block = self.block.0;
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                let to = out.channel_mut(n, c);
                for (at, p) in places(y.size) {
                    let within = place(block, std::array::from_fn(|a| p[a] % block[a]));
                    to[at] = x.channel(n, within * y.channels + c)[place(x.fact.size, std::array::from_fn(|a| p[a] / block[a]))];
                }
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let voxels = self.block.0.iter().product::<usize>().max(1);
        let channels = i64::try_from(n.channels(0) / voxels).ok()?;
        let [a, b, c] = self.block.0.map(|v| i64::try_from(v).unwrap_or(i64::MAX));
        let (x, blocks, size) = (n.x(0), n.ints(&[-1, a, b, c, channels]), n.size(0));
        let dims = n.join(&[blocks, size.clone()]);
        let apart = n.node("Reshape", &[x, dims], vec![]);
        let beside = n.transpose(apart, &[0, 4, 5, 1, 6, 2, 7, 3]);
        let size = match n.fixed_size(0) {
            Some(size) => n.triple(std::array::from_fn(|axis| size[axis] * self.block.0[axis])),
            None => {
                let block = n.triple(self.block.0);
                n.node("Mul", &[size, block], vec![])
            }
        };
        let first = n.ints(&[-1, channels]);
        let shape = n.join(&[first, size]);
        Some(n.node("Reshape", &[beside, shape], vec![]))
    }
}

impl Examples for DepthToSpace {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (Self { block: Triple([1, 2, 2]) }, vec![Fact::new(2, 8, [2, 3, 1])]),
            (Self { block: Triple([2, 1, 3]) }, vec![Fact::new(1, 6, [2, 1, 2])]),
        ]
    }
}
