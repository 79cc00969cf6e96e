//! Random zeros in training.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{self, DropScope};
use serde::{Deserialize, Serialize};

/// A share `rate` of the numbers (or of the channels) becomes 0 in training and the rest grows by `1 / (1 - rate)`; in prediction nothing happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The share that becomes 0.
    pub rate: f64,
    /// Whether whole channels fall out.
    #[serde(default)]
    pub channels: bool,
}

impl Block for Dropout {
    const NAME: &'static str = "Dropout";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Dropout(x: \"features\", rate: 0.1)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let scope = if self.channels { DropScope::Channel } else { DropScope::Element };
        Ok(vec![b.op("drop", op::Dropout { rate: self.rate, scope }, &[x.one("x")?])?])
    }
}
