//! Training: the run config, the objective, the schedule, the loop and what it leaves in a run folder.
//!
//! Level 8: may use everything below, `infer` for validation among it.

mod cases;
mod clean;
mod config;
mod events;
mod fault;
mod files;
mod folder;
mod heads;
mod job;
mod journal;
mod loader;
mod loss;
mod memory;
mod named;
mod optimise;
mod origin;
mod plan;
mod progress;
mod regions;
mod rehearsal;
mod run;
mod schedule;
mod start;
mod state;
mod step;
mod store;
mod sweep;
mod validate;
mod workers;

pub use cases::{CASES, CASES_TABLE};
pub use clean::{Cleaned, Cleaning};
pub use config::{FIELDS, Kind, Optimiser, RunConfig, Schedule, SplitSpec};
pub use files::{CaseFiles, DATA};
pub use folder::{Folder, LEFT};
pub use job::{Job, divide};
pub use journal::{METRICS, METRICS_TABLE, Record};
pub use loss::{FrequencyOf, Goal, Head, Loss, Norm, Objective, Sent, Target, Terms, Truth};
pub use named::{Part, is_config, named};
pub use origin::{CONFIG, GRAPH, Origin, SPLIT};
pub use plan::{Plan, plan};
pub use progress::{figure, span};
pub use regions::NamedRegions;
pub use rehearsal::{Counted, Rehearsal, counted, rehearse};
pub use run::{Ending, LAST, Outcome, accept_data, resume, train};
pub use schedule::{Course, Rates};
pub use start::{STARTS, Start};
pub use state::RESUME;
pub use step::{Learner, Mark};
pub use sweep::{Standing, run_name};
pub use workers::{Given, Workers};

#[cfg(test)]
mod tests;
