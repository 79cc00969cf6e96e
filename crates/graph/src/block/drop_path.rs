//! A residual branch that falls out at random in training.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{DropScope, Dropout};
use serde::{Deserialize, Serialize};

/// With the probability `rate` the whole branch is 0 for a sample (stochastic depth); in prediction nothing happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropPath {
    /// How probable it is that the branch falls out.
    pub rate: f64,
}

impl Block for DropPath {
    const NAME: &'static str = "DropPath";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "DropPath(x: \"features\", rate: 0.1)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("drop", Dropout { rate: self.rate, scope: DropScope::Sample }, &[x.one("x")?])?])
    }
}
