//! Initial weights.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::compile::Program;
use crate::ir::{Array, Arrays, Init, count};
use crate::text::{Code, Diagnostic, Result};

/// A number is drawn so often until it lies within 2: for the deviations of networks (0.02) once is enough.
const TRIES: usize = 1000;

/// Weights drawn from `seed` in the graph's order, each as its node's `init` says: PyTorch's default where it says nothing.
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
            Init::Normal { mean, deviation } => values.extend((0..n).map(|_| (mean + deviation * normal(&mut rng)) as f32)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::text::Source;

    fn drawn(init: &str) -> Arrays {
        let text = format!(
            "(inputs: {{ \"x\": (channels: 8, size: (8, 8, 8)) }}, nodes: {{ \"a\": Conv(x: \"x\", out: 64, norm: batch{init}), \
             \"b\": Conv(x: \"a\", out: 2) }}, outputs: {{ \"y\": \"b\" }})"
        );
        super::init(&compile(&Source::new("a.ron", text), &[], None).unwrap(), 7).unwrap()
    }

    #[test]
    fn weights_start_as_their_node_says() {
        let plain = drawn("");
        assert_eq!(plain, drawn(", init: default"));
        let he = drawn(", init: kaiming(slope: 0.01), norm_init: zeros");
        let w = &he["a.conv.weight"].values;
        let moment = |power: i32| w.iter().map(|v| f64::from(*v).powi(power)).sum::<f64>() / w.len() as f64;
        let expected = 2.0 / (1.0 + 1e-4) / (8.0 * 27.0);
        assert!(moment(1).abs() < 2e-3 && (moment(2) / expected - 1.0).abs() < 0.05, "{} {}", moment(1), moment(2));
        let zero = |name: &str| he[name].values.iter().all(|v| *v == 0.0);
        assert!(zero("a.conv.bias") && zero("a.norm.weight") && !zero("b.conv.bias"));
        assert_eq!(plain.keys().collect::<Vec<_>>(), he.keys().collect::<Vec<_>>());
    }
}
