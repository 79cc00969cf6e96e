//! Initial weights.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::compile::Program;
use crate::ir::{Array, Arrays, Init, count};
use crate::text::{Code, Diagnostic, Result};

/// A number is drawn so often until it lies within 2: for the deviations of networks (0.02) once is enough.
const TRIES: usize = 1000;

/// Weights drawn from `seed` in the graph's order, as PyTorch draws them by default.
///
/// # Errors
/// E0501 when a weight would not fit into memory.
pub fn init(program: &Program, seed: u64) -> Result<Arrays> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Arrays::new();
    for (_, name, w) in program.graph.tensors() {
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
            Init::Constant(value) => values.resize(n, value as f32),
            Init::Normal(deviation) => values.extend((0..n).map(|_| (deviation * normal(&mut rng)) as f32)),
            Init::TruncatedNormal(deviation) => values.extend((0..n).map(|_| {
                let mut tries = (0..TRIES).map(|_| deviation * normal(&mut rng));
                tries.find(|x| x.abs() <= 2.0).unwrap_or(0.0) as f32
            })),
            Init::Uniform(bound) => values.extend((0..n).map(|_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32)),
        }
        all.insert(name, Array::new(w.dims, values));
    }
    Ok(all)
}

/// A number of the standard normal distribution (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}
