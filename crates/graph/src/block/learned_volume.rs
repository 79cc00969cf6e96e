//! Learned positions.

use super::{Block, Builder, Connected, InitForm, Port};
use crate::ir::{Fault, Triple, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// `x` and a learned number for each of its channels and voxels (a table of positions). They are learned for one size: a network with them takes
/// images of the size that its graph states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedVolume {
    /// What the numbers start as; normal with a deviation of 0.02 when not given.
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub init: InitForm,
}

impl Block for LearnedVolume {
    const NAME: &'static str = "LearnedVolume";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "LearnedVolume(x: \"features\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        let y = b.op("position", op::LearnedVolume { size: Triple(b.size(x)) }, &[x])?;
        self.init.begin(b, "init", y)?;
        Ok(vec![y])
    }
}
