//! Training: the run config, the objective, the schedule, the loop and what it leaves in a run folder.
//!
//! Level 8: may use everything below, `infer` for validation among it.

mod boundary;
mod config;
mod folder;
mod job;
mod journal;
mod loader;
mod loss;
mod progress;
mod run;
mod schedule;
mod store;
mod validate;

pub use config::{FIELDS, Optimiser, RunConfig, Schedule, SplitSpec};
pub use folder::Folder;
pub use job::Job;
pub use journal::Record;
pub use loss::{Objective, Target, Terms};
pub use progress::span;
pub use run::{BEST, LAST, Outcome, train};
pub use schedule::Cosine;

#[cfg(test)]
mod tests;
