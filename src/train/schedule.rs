//! The learning rate schedule: a linear warmup, then a decay to a minimum.
//!
//! Part of `train`; depends on nothing of this crate.

use serde::{Deserialize, Serialize};

/// Courses by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum LrSchedule {
    /// Half a cosine from the peak to the minimum.
    #[default]
    cosine,
    /// `(1 - t)^power` between the peak and the minimum, as nnU-Net has it with a power of 0.9.
    polynomial,
    /// The peak to the end.
    constant,
}

/// A warmup and a course over a known number of optimiser steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub course: LrSchedule,
    /// The rate at the end of the warmup.
    pub peak: f64,
    /// The rate of the last step.
    pub minimum: f64,
    /// Steps of the warmup; it reaches the peak with its last one.
    pub warmup: usize,
    /// All steps of the run, warmup included.
    pub total: usize,
    /// Of the polynomial.
    pub power: f64,
}

impl Rates {
    /// The rate of step `step`, counted from 0. Steps beyond the last have the last one's.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let last = self.total.saturating_sub(1);
        if self.course == LrSchedule::constant || step >= last && self.total <= self.warmup {
            // A run that is all warmup never leaves the peak.
            return self.peak;
        }
        if step >= last {
            return self.minimum;
        }
        // The peak belongs to the step before, so that the first step after the warmup already descends.
        let start = (self.warmup as f64 - 1.0).max(0.0);
        let along = (step as f64 - start) / (last as f64 - start);
        let part = match self.course {
            LrSchedule::cosine => 0.5 * (1.0 + (std::f64::consts::PI * along).cos()),
            LrSchedule::polynomial => (1.0 - along).powf(self.power),
            LrSchedule::constant => 1.0,
        };
        self.minimum + (self.peak - self.minimum) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(peak: f64, minimum: f64, warmup: usize, total: usize) -> Rates {
        Rates { course: LrSchedule::cosine, peak, minimum, warmup, total, power: 0.9 }
    }

    #[test]
    fn other_courses_end_where_they_should() {
        let polynomial = Rates { course: LrSchedule::polynomial, ..rates(1.0, 0.0, 0, 11) };
        assert_eq!((polynomial.rate(0), polynomial.rate(10), polynomial.rate(50)), (1.0, 0.0, 0.0));
        assert!((polynomial.rate(5) - 0.5f64.powf(0.9)).abs() < 1e-12);
        let constant = Rates { course: LrSchedule::constant, ..rates(1.0, 0.0, 2, 11) };
        assert_eq!([0, 1, 2, 10, 99].map(|i| constant.rate(i)), [0.5, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn warms_up_peaks_and_descends_to_the_minimum() {
        let s = rates(1.0, 0.1, 4, 24);
        assert_eq!([s.rate(0), s.rate(1), s.rate(3)], [0.25, 0.5, 1.0]);
        assert_eq!(s.rate(23), 0.1);
        // Steps 3 and 23 are the ends of the half cosine: step 13 is its middle.
        assert!((s.rate(13) - 0.55).abs() < 1e-12);
        assert!((s.rate(8) - (0.1 + 0.45 * (1.0 + (std::f64::consts::PI / 4.0).cos()))).abs() < 1e-12);
        assert!((3..23).all(|i| s.rate(i) > s.rate(i + 1)));
        assert_eq!(s.rate(1000), 0.1);
    }

    #[test]
    fn without_a_warmup_it_starts_at_the_peak() {
        let s = rates(2.0, 0.0, 0, 11);
        assert_eq!((s.rate(0), s.rate(10)), (2.0, 0.0));
        assert!((s.rate(5) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn very_short_runs_have_finite_positive_rates() {
        for total in 0..5 {
            for warmup in 0..5 {
                let s = rates(1.0, 0.5, warmup, total);
                for step in 0..8 {
                    let r = s.rate(step);
                    assert!(r.is_finite() && r > 0.0 && r <= 1.0, "total {total} warmup {warmup} step {step}: {r}");
                }
            }
        }
    }
}
