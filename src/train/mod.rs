//! Training: the run config, the objective, the schedule, the loop and what it leaves in a run folder.
//!
//! Level 8: may use everything below, `infer` for validation among it.

mod bar;
mod clean;
mod config;
mod folder;
mod heads;
mod job;
mod journal;
mod loader;
mod loss;
mod memory;
mod optimise;
mod plan;
mod progress;
mod regions;
mod run;
mod schedule;
mod state;
mod store;
mod validate;
mod workers;

pub use bar::Bar;
pub use clean::{Cleaned, Cleaning};
pub use config::{FIELDS, Kind, Optimiser, RunConfig, Schedule, SplitSpec};
pub use folder::Folder;
pub use job::{Job, divide};
pub use journal::Record;
pub use loss::{FrequencyOf, Goal, Head, Loss, Norm, Objective, Target, Terms};
pub use plan::{Plan, plan};
pub use progress::span;
pub use regions::NamedRegions;
pub use run::{BEST, Ending, LAST, Outcome, resume, train};
pub use schedule::{Course, Rates};
pub use state::RESUME;

#[cfg(test)]
mod tests;
