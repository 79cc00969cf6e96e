//! Runs with a time budget.
//!
//! Part of `train`; may use `text`.

use std::path::Path;

use burn::tensor::Device;

use super::config::RunConfig;
use super::dry_run::{DryRun, dry_run};
use super::job::Job;
use super::origin::CONFIG;
use crate::text::{Code, Diagnostic, Result, Source, several};

/// The part of the time that is planned for: steps differ, and so do validation cases.
const PLANNED: f64 = 0.95;
/// The moving average of the weights reaches back over this part of all steps.
const REACH: f64 = 0.05;
/// No run has more epochs.
const MOST: usize = 1_000_000;

/// Seconds of a text like `12h`, `90m`, `1h30m` or `2d`; `None` for any other text, and for zero.
pub fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut all = 0.0;
    while let Some(unit) = rest.chars().find(|c| !(c.is_ascii_digit() || *c == '.')) {
        let (number, after) = rest.split_once(unit)?;
        let factor = match unit {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            'd' => 86400.0,
            _ => return None,
        };
        all += number.parse::<f64>().ok()? * factor;
        rest = after.trim_start();
    }
    (rest.is_empty() && all.is_finite() && all > 0.0).then_some(all)
}

/// A job whose config names a budget, with as many epochs as fit into it by a dry run on the device, but no more than its `epochs` where it has
/// some; and with a moving average of the weights over a twentieth of its steps, unless the config has one. `None` for a job without a budget.
/// Nothing is written.
///
/// # Errors
/// E0601 where not one epoch fits; what would stop the run.
pub fn fitted(job: &Job, device: &Device) -> Result<Option<(Job, DryRun)>> {
    let Some((text, budget)) = job.config.budget.as_deref().and_then(|text| Some((text, seconds(text)?))) else { return Ok(None) };
    let mut job = job.clone();
    let most = if job.config.epochs == 0 { MOST } else { job.config.epochs };
    // Stand-ins for values that the budget decides.
    job.config.epochs = most;
    let own = job.config.optimiser.average;
    job.config.optimiser.average = own.or(Some(0.999));
    let mut r = dry_run(&job, device)?;
    let (all, some) = (job.validation.len() as f64, job.validated_between().len() as f64);
    let once = r.validation_seconds * all;
    let epoch = r.mean_step_seconds * job.steps() as f64 + r.validation_seconds * some / job.config.validate.every as f64;
    let Some(epochs) = fit(budget, once, epoch, most) else {
        let message = format!(
            "`budget` is {text}; an epoch of {} takes {epoch:.0} s, and the last validation {once:.0} s",
            several(job.steps(), "step")
        );
        return Err(Diagnostic::error(Code::E0601, message).help("give more, or `steps`: fewer in an epoch").into());
    };
    job.config.budget = None;
    job.config.epochs = epochs;
    job.config.optimiser.average = Some(own.unwrap_or_else(|| keep(epochs.saturating_mul(job.steps()))));
    r.epochs = epochs;
    r.forecast_seconds = once + epoch * epochs as f64;
    Ok(Some((job, r)))
}

/// A job with a budget whose run was begun in a folder, with what was measured then; any other job as it is.
pub fn settled(mut job: Job, run: &Path) -> Job {
    let begun = || RunConfig::read(&Source::read(&run.join(CONFIG)).ok()?, &[]).ok();
    if job.config.budget.is_some()
        && let Some(begun) = begun()
    {
        job.config.budget = None;
        job.config.epochs = begun.epochs;
        job.config.optimiser.average = begun.optimiser.average;
    }
    job
}

/// The most epochs that fit where each, and what comes once, takes so many seconds; `None` where not one does.
fn fit(budget: f64, once: f64, epoch: f64, most: usize) -> Option<usize> {
    let epochs = ((budget * PLANNED - once) / epoch.max(f64::MIN_POSITIVE)).floor();
    // What is negative or NaN becomes 0.
    Some((epochs as usize).min(most)).filter(|n| *n > 0)
}

/// What a step keeps of the moving average in a run of so many steps; four digits, which the config keeps as they are.
fn keep(steps: usize) -> f64 {
    ((1.0 - 1.0 / (steps as f64 * REACH).max(10.0)).min(0.9999) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read() {
        for (text, want) in [("12h", 43200.0), ("90m", 5400.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("2d", 172800.0), (" 30s ", 30.0)] {
            assert_eq!(seconds(text), Some(want), "{text}");
        }
        for text in ["", "12", "h", "12x", "1h30", "-1h", "0h", "1e9h", "1..5h", "é", "1hé"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn as_many_epochs_as_fit_and_an_average_over_a_twentieth_of_the_steps() {
        assert_eq!(fit(1000.0, 50.0, 9.0, MOST), Some(100));
        assert_eq!(fit(1000.0, 50.0, 9.0, 30), Some(30));
        assert_eq!(fit(1000.0, 945.0, 9.0, MOST), None);
        assert_eq!(fit(1000.0, 2000.0, 9.0, MOST), None);
        assert_eq!([20_000, 200, 10, 10_000_000].map(keep), [0.999, 0.9, 0.9, 0.9999]);
    }
}
