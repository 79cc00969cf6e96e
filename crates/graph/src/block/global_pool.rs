//! One number of all voxels of a channel.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{GlobalAvgPool, GlobalReduce, Statistic};
use serde::{Deserialize, Serialize};

/// The `mean`, the `max` or the `sum` over the whole volume: a vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalPool {
    /// Which number.
    #[serde(default)]
    pub by: GlobalStatistic,
}

/// The numbers that [`GlobalPool`] takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlobalStatistic {
    #[default]
    Mean,
    Max,
    Sum,
}

impl Block for GlobalPool {
    const NAME: &'static str = "GlobalPool";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "GlobalPool(x: \"features\", by: max)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        Ok(vec![match self.by {
            GlobalStatistic::Mean => b.op("pool", GlobalAvgPool, &[x])?,
            GlobalStatistic::Max => b.op("pool", GlobalReduce { by: Statistic::Max }, &[x])?,
            GlobalStatistic::Sum => b.op("pool", GlobalReduce { by: Statistic::Sum }, &[x])?,
        }])
    }
}
