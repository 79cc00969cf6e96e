//! A compiled program run on a CPU without Burn: stages that keep what lies between two volumes in the cache, one arena for the
//! volumes, packed weights. For any graph, by rule; what no stage takes runs by itself.
//!
//! Level 6: may use `text`, `ir`, `kernel` (its `tile` part only), `op`, `compile`.
//!
//! - `choose` decides which values are volumes and in which epoch each can be had.
//! - `build` draws each stage from the values that it gives, `terms` what is a sum of values number by number.
//! - `table` computes vectors and norms' affine functions between stages.
//! - `whole` is what runs by itself, on whole volumes; [`attention`] of it, with its backward pass.
//! - [`Executor`] plans once for a size and runs.

pub mod attention;
mod build;
mod choose;
mod executor;
mod plan;
mod report;
mod table;
mod terms;
mod whole;

pub use crate::kernel::tile::Isa;
pub use executor::{Executor, Shape};
pub use report::{NodeReport, StageReport};
pub use whole::TensorView;
