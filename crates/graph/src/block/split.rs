//! A value cut into several along the channels.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::Slice;
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// A list of values: `parts` of as many channels each, or one for each number of `channels`. `"split[0]"` is the first of them, and
/// `["split"]` in a list all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// How many values of as many channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
    /// The channels of each, where they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<usize>,
}

/// A value is cut into at most so many.
const MOST: usize = 1 << 12;

impl Split {
    /// The channels of each part.
    fn sizes(&self, all: usize) -> Result<Vec<usize>, Fault> {
        let parts = match (self.parts, self.channels.as_slice()) {
            (Some(_), [_, ..]) => {
                return Err(Fault::field("parts", "`parts` and `channels` both say where to cut").help("keep one of them"));
            }
            (None, []) => return Err(Fault::new(Code::E0401, "nothing says where to cut").help("give `parts: 2`, or `channels: [8, 16]`")),
            (None, sizes) => {
                let sum = sizes.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
                if sum != Some(all) || sizes.len() > MOST {
                    let has = several(all, "channel");
                    let message = format!("the {} of `channels` do not make up the {has} of the value", several(sizes.len(), "part"));
                    return Err(Fault::new(Code::E0302, message).on("channels").help("give numbers whose sum is that of the value"));
                }
                return Ok(sizes.to_vec());
            }
            (Some(parts), []) => parts,
        };
        if parts == 0 || parts > MOST || !all.is_multiple_of(parts) {
            let message = format!("{} cannot be cut into {} alike", several(all, "channel"), several(parts, "part"));
            return Err(Fault::new(Code::E0302, message)
                .on("parts")
                .help("use a number that divides the channels, or give `channels: [8, 16]`"));
        }
        Ok(vec![all / parts; parts])
    }
}

impl Block for Split {
    const NAME: &'static str = "Split";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Split(x: \"features\", parts: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];
    const LIST: bool = true;

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        let mut start = 0;
        let mut all = vec![];
        for (i, channels) in self.sizes(b.channels(x))?.into_iter().enumerate() {
            all.push(b.op(&format!("part{i}"), Slice { start, channels }, &[x])?);
            start += channels;
        }
        Ok(all)
    }
}
