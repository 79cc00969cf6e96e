//! How much memory a program takes, and where each of its values lies while it runs: what is alive when, buffers that are used
//! again, what training keeps, and the largest input that fits.
//!
//! May use `ir`, `op` and `compile::program`. Weights are counted apart from what flows.

mod backward;
mod fit;
mod place;
mod plan;
mod schedule;
mod segments;
mod training;

pub use fit::{Aspect, facts_at, largest};
pub use place::{Life, place};
pub use plan::{ALIGNMENT, Buffer, Plan, in_place, plan};
pub use schedule::{Schedule, Step};
pub use segments::Segments;
pub use training::{Optimiser, Training, training};

use serde::{Deserialize, Serialize};

use crate::ir::{Fact, Fault, Graph, Operator, count};
use crate::text::Code;

/// How numbers are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    F32,
    /// What flows is bfloat16. Training keeps its weights, their gradients and the optimiser's state in float32.
    Bf16,
    /// The same in float16.
    F16,
}

impl Precision {
    /// Bytes of a number that flows.
    pub fn bytes(self) -> u64 {
        match self {
            Precision::F32 => 4,
            Precision::Bf16 | Precision::F16 => 2,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "float32",
            Precision::Bf16 => "bfloat16",
            Precision::F16 => "float16",
        }
    }

    /// Bytes of a value.
    ///
    /// # Errors
    /// E0501 beyond 64 bits.
    pub fn size(self, fact: &Fact) -> Result<u64, Fault> {
        fact.elements()?.checked_mul(self.bytes()).ok_or_else(overflow)
    }
}

/// Numbers that the graph learns.
///
/// # Errors
/// E0501 beyond 64 bits.
pub fn parameters<O: Operator>(graph: &Graph<O>) -> Result<u64, Fault> {
    let mut x = vec![];
    graph.values().filter(|v| graph.node(*v).shares.is_none()).try_fold(0u64, |sum, v| {
        x.clear();
        x.extend(graph.inputs(v).iter().map(|i| graph.fact(*i)));
        graph.node(v).op.weights(&x).iter().try_fold(sum, |sum, w| sum.checked_add(count(&w.dims)?).ok_or_else(overflow))
    })
}

fn overflow() -> Fault {
    Fault::new(Code::E0501, "the memory in bytes is beyond 64 bits").help("make the sizes or widths smaller")
}

#[cfg(test)]
mod tests;
