//! How well a prediction meets a reference.
//!
//! Level 2: may use `text`. One file per metric, each with its convention for empty masks; `summary` brings cases together.
//! Nothing is dropped from a mean in silence: how often a class was empty on a side is counted beside it.

mod dice;
mod summary;

pub use dice::{Counts, counts};
pub use summary::{CaseScore, ClassScore, Summary, summarise};
