//! Initial weights.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::compile::Program;
use crate::ir::{Array, Arrays, Init, count};
use crate::text::{Code, Diagnostic, Result};

/// Weights drawn from `seed` in the graph's order, as PyTorch draws them by default.
///
/// # Errors
/// E0501 when a weight would not fit into memory.
pub fn init(program: &Program, seed: u64) -> Result<Arrays> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Arrays::new();
    for (_, name, w) in program.graph.weights() {
        let n = count(&w.dims).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < isize::MAX as usize / 8);
        let mut values: Vec<f32> = vec![];
        let Some(n) = n.filter(|n| values.try_reserve_exact(*n).is_ok()) else {
            return Err(Diagnostic::error(Code::E0501, format!("the weight `{name}` does not fit into memory"))
                .help("make the network narrower")
                .into());
        };
        match w.init {
            Init::Zeros => values.resize(n, 0.0),
            Init::Ones => values.resize(n, 1.0),
            Init::Uniform(bound) => values.extend((0..n).map(|_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32)),
        }
        all.insert(name, Array::new(w.dims, values));
    }
    Ok(all)
}
