//! `lmsc train --dry`: what a run is, and what it will take, from a few of its steps.
//!
//! Part of `cli::train`; may use `train`, `show` and `text`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{announce, begins_with, listing};
use crate::cli::output::{WIDTH, width};
use crate::cli::{complain, print, print_lines};
use crate::infer::need;
use crate::net;
use crate::show::picture::short;
use crate::text::{Diagnostics, Result, several, thousands};
use crate::train::{self, DryRun, Job};
use serde_json::json;

/// Prints the config, of which the fields `named` are no defaults; makes a few steps and prints what they took.
///
/// # Errors
/// What would stop the run.
pub fn run(job: &Job, named: &BTreeSet<String>, json: bool) -> Result<()> {
    let config = json!(listing::settled(job));
    let fields = listing::fields(&config, named);
    if !json {
        // Before the steps: it is of use where those fail.
        print(&format!("{}\n", listing::text(&fields, width(&std::io::stdout(), WIDTH))));
    }
    let device = net::device(&job.config.device)?;
    // A budget says how many epochs there are once a step is measured.
    if job.config.budget.is_none() {
        announce(job, &device);
    }
    begins_with(job)?;
    let fitted = train::fitted(job, &device)?;
    fitted.iter().for_each(|(job, _)| announce(job, &device));
    let (job, found) = match &fitted {
        Some((job, found)) => (job, found),
        None => (job, &train::dry_run(job, &device)?),
    };
    complain(&Diagnostics(job.store.warnings(0)).gathered());
    if json {
        let mut all = json!(found);
        let defaults: Vec<&str> = fields.iter().filter(|f| f.is_default).map(|f| f.name.as_str()).collect();
        (all["config"], all["defaults"]) = (config, json!(defaults));
        print(&format!("{all:#}\n"));
    } else {
        print_lines(&text(job, found));
    }
    Ok(())
}

fn text(job: &Job, r: &DryRun) -> String {
    let [d, h, w] = job.config.patch;
    let patches = job.config.batch * job.config.optimiser.accumulate;
    let size = |bytes: Option<u64>| bytes.map_or("this system does not say".to_owned(), need::size);
    let c = &r.counted;
    let losses: Vec<String> = r.losses.iter().map(|l| format!("{l:.3}")).collect();
    let validations = r.validation_seconds * r.validation_cases as f64;
    let parts =
        [(c.weights, "weights"), (c.gradients, "gradients"), (c.optimiser, "optimiser"), (c.kept, "kept"), (c.transient, "in flight")];
    let parts: Vec<String> = parts.iter().map(|(bytes, what)| format!("{} {what}", need::size(*bytes))).collect();
    let seconds = |s: f64| if s < 10.0 { format!("{s:.2} s") } else { train::span(Duration::from_secs_f64(s)) };
    let epoch = r.forecast_seconds / r.epochs as f64;
    format!(
        "parameters   {}\n\
         FLOPs        {} a step: 3 x the forward pass of {} of {d}x{h}x{w}\n\
         step         {} (the first {}); {:.0}% of the time waiting for batches; loss {}\n\
         validation   {} for {}; all of {} {}\n\
         memory       {} at the peak of this process, cases in memory included (after the steps {})\n\
         counted      {} for a step by the compiler, without data and loss: {}{}\n\
         forecast     {} an epoch, {} for {} of {}\n\
         nothing was written\n",
        thousands(r.parameters),
        short(r.flops_per_step),
        several(patches, "patch"),
        seconds(r.step_seconds),
        seconds(r.first_step_seconds),
        100.0 * r.waited_share,
        losses.join(", "),
        seconds(r.validation_seconds),
        r.validation_case,
        several(r.validation_cases, "case"),
        seconds(validations),
        size(r.peak_bytes),
        size(r.steps_peak_bytes),
        need::size(c.total),
        parts.join(", "),
        if job.config.checkpointing { ", with activation checkpointing" } else { "" },
        seconds(epoch),
        seconds(r.forecast_seconds),
        several(r.epochs, "epoch"),
        several(r.steps_per_epoch, "step")
    )
}
