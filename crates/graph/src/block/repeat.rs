//! The channels several times.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::Concat;
use serde::{Deserialize, Serialize};

/// All channels one after the other, `times` times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub times: usize,
}

/// More copies than any network makes: a slip of the pen is told, not built.
const MOST: usize = 4096;

impl Block for Repeat {
    const NAME: &'static str = "Repeat";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Repeat(x: \"features\", times: 3)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let v = x.one("x")?;
        if self.times == 0 || self.times > MOST {
            return Err(Fault::field("times", format!("`times` is {}: it is from 1 to {MOST}", self.times)).help("use 2 or more"));
        }
        Ok(vec![b.op("repeat", Concat, &vec![v; self.times])?])
    }
}
