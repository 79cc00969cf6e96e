//! When a run is validated, and on what.
//!
//! Part of `train`; depends on nothing of this crate.

use serde::{Deserialize, Serialize};

/// How often the validation cases are segmented, how many of them, and how the best epoch is chosen. The last epoch is always validated on all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Validate {
    /// After each so many epochs.
    pub every: usize,
    /// The first so many cases of an order that follows from the split's seed; without it, all.
    pub cases: Option<usize>,
    /// What the moving average of the mean Dice, by which the best epoch is chosen, keeps of the validation before; 0 chooses by each alone, and
    /// nnU-Net takes 0.9.
    pub smooth: f64,
}

impl Default for Validate {
    fn default() -> Self {
        Self { every: 1, cases: None, smooth: 0.0 }
    }
}

impl Validate {
    /// Whether the network is validated after such an epoch, from 1, of so many.
    pub fn due(&self, epoch: usize, of: usize) -> bool {
        epoch.is_multiple_of(self.every.max(1)) || epoch >= of
    }
}
