//! Numbers with a shape: what a weight is outside of any engine.

use std::collections::BTreeMap;

/// A dense float32 array of any rank, its numbers in row-major order (the last dimension varies fastest).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    pub dims: Vec<usize>,
    pub values: Vec<f32>,
}

/// Arrays by name, as weights are stored.
pub type Arrays = BTreeMap<String, Array>;

impl Array {
    pub fn new(dims: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self { dims: dims.into(), values }
    }

    /// Whether the dimensions describe as many numbers as there are.
    pub fn is_sound(&self) -> bool {
        self.dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)) == Some(self.values.len())
    }
}
