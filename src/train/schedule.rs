//! The learning rate of every step: a linear warmup, then half a cosine down to a minimum.
//!
//! Part of `train`; depends on nothing of this crate.

/// A warmup and a cosine over a known number of optimiser steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    /// The rate at the end of the warmup.
    pub peak: f64,
    /// The rate of the last step.
    pub minimum: f64,
    /// Steps of the warmup; it reaches the peak with its last one.
    pub warmup: usize,
    /// All steps of the run, warmup included.
    pub total: usize,
}

impl Cosine {
    /// The rate of step `step`, counted from 0. Steps beyond the last have the minimum.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let last = self.total.saturating_sub(1);
        if step >= last {
            // A run that is all warmup never leaves the peak.
            return if self.total <= self.warmup { self.peak } else { self.minimum };
        }
        // The peak belongs to the step before, so that the first step after the warmup already descends.
        let start = self.warmup as f64 - 1.0;
        let start = if self.warmup == 0 { 0.0 } else { start };
        let along = (step as f64 - start) / (last as f64 - start);
        self.minimum + 0.5 * (self.peak - self.minimum) * (1.0 + (std::f64::consts::PI * along).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_peaks_and_descends_to_the_minimum() {
        let s = Cosine { peak: 1.0, minimum: 0.1, warmup: 4, total: 24 };
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
        let s = Cosine { peak: 2.0, minimum: 0.0, warmup: 0, total: 11 };
        assert_eq!((s.rate(0), s.rate(10)), (2.0, 0.0));
        assert!((s.rate(5) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn very_short_runs_have_finite_positive_rates() {
        for total in 0..5 {
            for warmup in 0..5 {
                let s = Cosine { peak: 1.0, minimum: 0.5, warmup, total };
                for step in 0..8 {
                    let r = s.rate(step);
                    assert!(r.is_finite() && r > 0.0 && r <= 1.0, "total {total} warmup {warmup} step {step}: {r}");
                }
            }
        }
    }
}
