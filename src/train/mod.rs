//! Training: the run config, the objective, the schedule, the loop and what it leaves in a run folder.
//!
//! Level 8: may use everything below, `infer` for validation among it.

mod bar;
mod boundary;
mod config;
mod folder;
mod job;
mod journal;
mod loader;
mod loss;
mod optimise;
mod plan;
mod progress;
mod run;
mod schedule;
mod state;
mod store;
mod validate;

pub use bar::Bar;
pub use config::{FIELDS, Kind, Optimiser, RunConfig, Schedule, SplitSpec};
pub use folder::Folder;
pub use job::{Job, divide};
pub use journal::Record;
pub use loss::{Objective, Target, Terms};
pub use plan::{Plan, plan};
pub use progress::span;
pub use run::{BEST, Ending, LAST, Outcome, resume, train};
pub use schedule::{Course, Rates};
pub use state::RESUME;

#[cfg(test)]
mod tests;
