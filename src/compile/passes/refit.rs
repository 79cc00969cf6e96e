//! How the weights of a changed program come from the trained ones.

use std::collections::BTreeMap;

/// `scale * trained + shift`; without a trained weight of the name, `shift` everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refit {
    pub trained: bool,
    pub scale: f64,
    pub shift: f64,
}

impl Refit {
    /// The numbers of the weight, `count` of them when there is no trained one.
    pub fn apply(&self, trained: Option<&[f32]>, count: usize) -> Vec<f32> {
        match trained.filter(|_| self.trained) {
            Some(w) => w.iter().map(|x| (self.scale * f64::from(*x) + self.shift) as f32).collect(),
            None => vec![self.shift as f32; count],
        }
    }
}

/// By the weight's name. A weight that is not here is the trained one of its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refits(pub BTreeMap<String, Refit>);

impl Refits {
    /// Scales and shifts a weight further; `trained` says whether the graph before had it.
    pub(super) fn then(&mut self, name: String, trained: bool, scale: f64, shift: f64) {
        let before = self.0.get(&name).copied().unwrap_or(Refit { trained, scale: 1.0, shift: 0.0 });
        let now = Refit { trained: before.trained, scale: before.scale * scale, shift: before.shift * scale + shift };
        self.0.insert(name, now);
    }
}
