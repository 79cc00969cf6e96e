//! How long a network takes and where, beside what it costs and what this machine can do at most.
//!
//! Level 9: may use everything below: `exec` and `net` to run, `train` for the objective of a training step.
//!
//! A [`BenchCase`] is a network with weights and inputs that follow from a seed, so that another program can be given the same
//! ([`BenchCase::export`]). [`BenchForward`] times a pass, as a whole and part by part, [`BenchStep`] a training step.

mod case;
mod forward;
mod machine;
mod node;
mod ops;
mod step;
mod table;
mod trace;

pub use case::{BenchCase, BenchSetup, EXPORTED};
pub use forward::{BenchEngine, BenchForward, PassPart};
pub use machine::{Machine, use_threads};
pub use node::{NodeTimes, StageTimes, medians, nodes, stages};
pub use ops::{OpTime, Setting, time_operations};
pub use step::{BenchStep, StepTimes};
pub use table::{RunTimes, legend, node_table, op_table, stage_table};
pub use trace::trace;
