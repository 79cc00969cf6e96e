//! What norms have in common: their epsilon, and the learned scale and shift of each channel after them.

use crate::ir::{Fact, Fault, Init, Weight};

/// Refuses an epsilon by which nothing can be divided; `usual` is the remedy.
///
/// # Errors
/// E0401 on `eps`.
pub fn check_eps(eps: f64, usual: &str) -> Result<(), Fault> {
    if eps.is_finite() && eps > 0.0 {
        return Ok(());
    }
    Err(Fault::field("eps", format!("`eps` is {eps}: it must be above 0")).help(format!("use {usual}")))
}

/// `weight [C]` that starts at 1 and `bias [C]` at 0, of a norm that has them.
pub fn weights(affine: bool, x: &[Fact]) -> Vec<Weight> {
    if !affine {
        return vec![];
    }
    let c = x.first().map_or(0, |f| f.channels);
    vec![Weight::new("weight", [c], Init::Ones), Weight::new("bias", [c], Init::Zeros)]
}
