//! How long a network takes and where, beside what it costs and what this machine can do at most.
//!
//! Level 9: may use everything below: `exec` and `net` to run, `train` for the objective of a training step.
//!
//! A [`Case`] is a network with weights and inputs that follow from a seed, so that another program can be given the same
//! ([`Case::export`]). [`Forward`] times a pass, as a whole and part by part, [`Step`] a training step.

mod case;
mod forward;
mod machine;
mod node;
mod ops;
mod step;
mod table;
mod trace;

pub use case::{Case, EXPORTED, Given};
pub use forward::{Engine, Forward, Part};
pub use machine::{Machine, use_threads};
pub use node::{Node, Stage, medians, nodes, stages};
pub use ops::{OpTime, Setting, time_operations};
pub use step::{Parts, Step};
pub use table::{Times, legend, node_table, op_table, stage_table};
pub use trace::trace;
