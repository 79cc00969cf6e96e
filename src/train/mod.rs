//! Training: the run config, the objective, the schedule, the loop and what it leaves in a run folder.
//!
//! Level 8: may use everything below, `infer` for validation among it.

mod budget;
mod cases;
mod config;
mod dry_run;
mod events;
mod fault;
mod files;
mod finite;
mod folder;
mod heads;
mod initial;
mod job;
mod journal;
mod loader;
mod loss;
mod lr_test;
mod memory;
mod named;
mod optimise;
mod origin;
mod pause;
mod plan;
mod postprocess_search;
mod progress;
mod regions;
mod run;
mod schedule;
mod split;
mod start;
mod state;
mod step;
mod store;
mod sweep;
mod validate;
mod workers;

pub use budget::{fitted, settled};
pub use cases::{CASES, CASES_TABLE};
pub use config::{FIELDS, OptimiserConfig, OptimiserKind, Recipe, RunConfig, ScheduleConfig, SplitSpec, Told, Validate, given};
pub use dry_run::{DryRun, StepMemory, counted, dry_run};
pub use files::{CaseFiles, DATA};
pub use folder::{Folder, LEFT};
pub use initial::{INITIAL, InitialReport, InitialWeights};
pub use job::Job;
pub use journal::{METRICS, METRICS_TABLE, Record, best_of};
pub use loss::{Anneal, DeviceTargets, DistanceNorm, FrequencyOf, Head, HostTargets, LabelScheme, Loss, Objective, Targets, Terms};
pub use lr_test::{LrTestResult, LrTestStep, find_rate};
pub use named::{CaseSelection, is_config, named};
pub use origin::{CONFIG, GRAPH, RunOrigin, SPLIT};
pub use plan::{TrainingPlan, plan};
pub use postprocess_search::{PostprocessFound, PostprocessSearch};
pub use progress::{figure, span};
pub use run::{LAST, Outcome, StopReason, accept_data, resume, train};
pub use schedule::{LrSchedule, Rates};
pub use split::split_cases;
pub use start::{RunStart, STARTS};
pub use state::RESUME;
pub use step::{Learner, StepPhase};
pub use sweep::{RunStatus, run_name};
pub use workers::{DeviceBatch, Workers};

#[cfg(test)]
mod tests;
