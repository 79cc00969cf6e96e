//! Deep supervision: the outputs of a graph that are trained on, and their weights in the loss.
//!
//! Part of `train`; may use `compile`, `ir` and `text`.

use std::sync::Arc;

use super::config::RunConfig;
use super::fault::fault;
use super::loss::Head;
use crate::compile::Program;
use crate::compile::memory::facts_at;
use crate::text::{Diagnostics, Result, Source, by, several};

/// The field that has a say in it.
const FIELD: &str = "loss.deep_supervision";

/// The outputs for training patches of the config's size, which the program takes. Without weights in the config they are 1, 1/2, 1/4, ...;
/// they are made to sum to 1, and what weighs 0 is left out.
///
/// # Errors
/// E0601 where the first output is not of the patch's size, another one is larger or has other channels, or there are not as many
/// weights as outputs.
pub fn heads(program: &Program, config: &RunConfig, source: &Arc<Source>) -> Result<Vec<Head>> {
    let outputs = &program.graph.outputs;
    let names = || outputs.iter().map(|(n, _)| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let weights: Vec<f64> = match &config.loss.deep_supervision {
        Some(given) if given.len() != outputs.len() => {
            let message = format!(
                "`{FIELD}` has {}, and `{}` has {}: {}",
                several(given.len(), "weight"),
                program.name,
                several(outputs.len(), "output"),
                names()
            );
            return Err(fault(source, &config.told.sets, FIELD, message).into());
        }
        Some(given) => given.clone(),
        None => usual(outputs.len()),
    };
    let sum: f64 = weights.iter().sum();
    let facts = facts_at(program, 1, Some(config.patch)).map_err(|(_, f)| fault(source, &config.told.sets, "patch", f.message))?;
    let mut found = Diagnostics::default();
    let mut heads = vec![];
    let patch = config.patch;
    for (output, ((name, v), weight)) in outputs.iter().zip(weights).enumerate() {
        let fact = &facts[v.0];
        if weight == 0.0 {
            continue;
        }
        let [d, h, w] = fact.size;
        let fits = if output == 0 { fact.size == patch } else { fact.size.iter().zip(patch).all(|(own, whole)| (1..=whole).contains(own)) };
        if !fits {
            let wanted = if output == 0 { "must be of the patch's size" } else { "may not be larger than the patch" };
            let message = format!("the output `{name}` of `{}` is {d}x{h}x{w} for a patch of {}; it {wanted}", program.name, by(patch));
            found.push(
                fault(source, &config.told.sets, "graph", message)
                    .help("change the graph: upsample what leads to the output, or name another one first"),
            );
        } else if fact.channels != program.classes() {
            let message = format!("the output `{name}` has {}, and the first one {}", several(fact.channels, "channel"), program.classes());
            found.push(fault(source, &config.told.sets, FIELD, message).help("give it the weight 0 to leave it out of training"));
        }
        heads.push(Head { output, size: fact.size, weight: weight / sum });
    }
    found.or(heads)
}

/// What so many outputs weigh where the config does not say.
pub fn usual(outputs: usize) -> Vec<f64> {
    (0..outputs).map(|i| 0.5f64.powi(i as i32)).collect()
}
