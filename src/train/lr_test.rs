//! The learning rate range test (L. N. Smith, 2017): a hundred steps, each with a larger rate than the one before, and the loss of each.
//!
//! Part of `train`; may use `net` and `text`. Nothing is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use serde::Serialize;

use super::job::Job;
use super::loader::{Loader, loader_workers};
use super::run::{begun, recipe};
use super::step::Learner;
use super::workers::{DeviceBatch, Workers};
use crate::text::{Code, Diagnostic, Result};

/// Steps of a test.
const STEPS: usize = 100;
/// The rates of the first and the last step.
const RANGE: [f64; 2] = [1e-6, 1.0];
/// What the moving mean of the loss keeps of a step.
const KEEP: f64 = 0.85;
/// The test ends where the mean of the loss is so many times the least.
const DIVERGED: f64 = 3.0;

/// A step of the test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LrTestStep {
    pub rate: f64,
    pub loss: f64,
    /// The moving mean of the loss up to this step.
    pub mean: f64,
}

/// What a test has shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LrTestResult {
    pub tried: Vec<LrTestStep>,
    /// The rate at which the mean of the loss was least.
    pub least: Option<f64>,
    /// Where it fell most within a third of a decade.
    pub steepest: Option<f64>,
    /// A peak for the schedule: a tenth of `least`, at which the loss does not fall any more. None where it never fell.
    pub proposed: Option<f64>,
}

/// Makes the test with a job's network, data and optimiser from the beginning of its run.
///
/// # Errors
/// What is wrong with a case's files; E0901 where the loss of the first step is not finite.
pub fn find_rate(job: &Job, device: &Device, stop: &AtomicBool, mut seen: impl FnMut(usize, usize)) -> Result<LrTestResult> {
    let workers = Workers::new(device, job.config.workers, job.segments.clone())?;
    let loss = Arc::new(job.loss()?);
    let network = begun(job, job.initial()?.as_ref(), workers.main())?;
    let mut learner = Learner::new(workers, loss.clone(), network, job.config.optimiser, job.config.precision)?;
    let (recipe, accumulate) = (recipe(job, &loss), job.config.optimiser.accumulate);
    let epochs = (STEPS * accumulate).div_ceil(recipe.batches.max(1));
    let mut loader = Loader::start(&job.store, &recipe, epochs, 0, loader_workers(learner.workers().main()))?;
    let mut course = LossCurve::default();
    for step in 0..STEPS {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        seen(step, STEPS);
        let rate = RANGE[0] * (RANGE[1] / RANGE[0]).powf(step as f64 / (STEPS - 1) as f64);
        let mut loss = 0.0;
        for _ in 0..accumulate {
            loss += learner.batch(DeviceBatch::new(loader.next()?, learner.workers().main()), rate)?[0] / accumulate as f64;
        }
        if !loss.is_finite() && step == 0 {
            let d = Diagnostic::error(Code::E0901, "the loss of the first step is not finite");
            return Err(d.help("look at the cases for extreme intensities: `lmsc data check`").into());
        }
        if !course.add(rate, loss) {
            break;
        }
    }
    Ok(course.found())
}

#[derive(Default)]
struct LossCurve(Vec<LrTestStep>);

impl LossCurve {
    /// Adds a step; whether the test goes on.
    fn add(&mut self, rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            return false;
        }
        let mean = self.0.last().map_or(loss, |last| KEEP * last.mean + (1.0 - KEEP) * loss);
        self.0.push(LrTestStep { rate, loss, mean });
        let least = self.0.iter().map(|t| t.mean).fold(f64::INFINITY, f64::min);
        mean <= DIVERGED * least.max(f64::MIN_POSITIVE)
    }

    fn found(self) -> LrTestResult {
        let tried = self.0;
        let least = tried.iter().enumerate().reduce(|a, b| if b.1.mean < a.1.mean { b } else { a }).filter(|(at, _)| *at > 0);
        // Rates grow evenly in their logarithm, so that differences of steps are slopes.
        let near = STEPS / 16;
        let falls = tried.iter().zip(tried.iter().skip(near)).map(|(a, b)| (b.mean - a.mean, (a.rate * b.rate).sqrt()));
        let steepest = falls.reduce(|a, b| if b.0 < a.0 { b } else { a }).filter(|(fall, _)| *fall < 0.0).map(|(_, rate)| rate);
        let least = least.map(|(_, t)| t.rate);
        let proposed = least.map(|least| least / 10.0);
        LrTestResult { tried, least, steepest, proposed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(step: usize) -> f64 {
        RANGE[0] * (RANGE[1] / RANGE[0]).powf(step as f64 / (STEPS - 1) as f64)
    }

    #[test]
    fn the_rate_that_is_proposed_lies_where_the_loss_still_falls() {
        // Flat up to 1e-4, falling to 1e-2, then rising.
        let mut course = LossCurve::default();
        for step in 0..STEPS {
            let at = rate(step).log10();
            let loss = if at < -4.0 {
                2.0
            } else if at < -2.0 {
                2.0 - 0.5 * (at + 4.0)
            } else {
                1.0 + 10.0 * (at + 2.0)
            };
            if !course.add(rate(step), loss) {
                break;
            }
        }
        let found = course.found();
        assert!(found.tried.len() < STEPS, "it ends when the loss has grown");
        let (least, steepest, proposed) = (found.least.unwrap(), found.steepest.unwrap(), found.proposed.unwrap());
        assert!((5e-3..3e-2).contains(&least) && (1e-4..1e-2).contains(&steepest), "{least} {steepest}");
        assert!((5e-4..3e-3).contains(&proposed), "{proposed}");
    }

    #[test]
    fn nothing_is_proposed_where_the_loss_never_falls() {
        let mut course = LossCurve::default();
        (0..20).for_each(|step| {
            course.add(rate(step), 1.0 + step as f64);
        });
        assert_eq!(course.found().proposed, None);
        assert!(!LossCurve::default().add(1.0, f64::NAN));
    }
}
