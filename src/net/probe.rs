//! Running a network on given tensors, with its intermediate activations and gradients: for porting weights.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::forward::numbers;
use super::network::Network;
use super::weights::assign;
use crate::ir::Array;
use crate::store::{NameMap, Store};
use crate::text::{Code, Diagnostic, Result, several, suggestion};

/// Takes the weights of `network` from a foreign file under the names that `map` gives them. Gives each weight's foreign name.
///
/// # Errors
/// E0802 for weights that are missing, have other shapes, or are claimed by two foreign arrays.
pub fn port(network: &mut Network, store: &Store, map: &NameMap, file: &Path, device: &Device) -> Result<BTreeMap<String, String>> {
    let known: BTreeMap<String, Vec<usize>> = network.program().graph.tensors().into_iter().map(|(_, n, w)| (n, w.dims)).collect();
    let (ours, foreign) = map.rename(store, &known, &network.program().params, file)?;
    assign(network, &ours, &file.display().to_string(), device).map_err(|mut found| {
        let left: Vec<&str> = store.arrays.keys().map(String::as_str).filter(|n| !foreign.values().any(|f| f == n)).collect();
        if let Some(d) = found.0.first_mut().filter(|_| !left.is_empty()) {
            d.help.push(format!("no rule of the map fits {}, `{}` among them", several(left.len(), "tensor of the file"), left[0]));
        }
        found
    })?;
    Ok(foreign)
}

/// The output, every named value (`taps`) and the gradients of `mean(output * probe)` (`probe`), as `out/<name>` and `grad/<weight>`.
///
/// # Errors
/// E0802 when an input or the probe is missing or has another shape.
pub fn forward(network: &Network, given: &Store, file: &Path, taps: bool, probe: bool, device: &Device) -> Result<Store> {
    let program = network.program().clone();
    let graph = &program.graph;
    let mut inputs = vec![];
    for (name, v) in &program.inputs {
        let fallback = (program.inputs.len() == 1).then_some("input");
        let (shape, x) = tensor(given, &[Some(name.as_str()), fallback], file, device)?;
        let f = graph.fact(*v);
        if shape[1..] != f.dims()[1..] {
            return Err(Diagnostic::error(
                Code::E0802,
                format!("the input `{name}` is {shape:?}, but the graph takes {}", several(f.channels, "channel")),
            )
            .help("write it as [N, C, D, H, W]")
            .into());
        }
        inputs.push(x);
    }
    let mut wanted: Vec<(String, crate::ir::Value)> = graph.outputs.clone();
    if taps {
        wanted.extend(graph.taps.iter().cloned());
    }
    let ids: Vec<_> = wanted.iter().map(|(_, v)| *v).collect();
    let all = network.run(inputs, &ids);
    let mut out = Store::default();
    if probe && let Some(y) = all.first() {
        let (shape, p) = tensor(given, &[Some("probe")], file, device)?;
        if shape != y.dims() {
            return Err(Diagnostic::error(Code::E0802, format!("`probe` is {shape:?}, but the output is {:?}", y.dims()))
                .help("give it the output's shape")
                .into());
        }
        let grads = (y.clone() * p).mean().backward();
        for (name, w) in network.weights() {
            if let Some(g) = w.grad(&grads) {
                out.arrays.insert(format!("grad/{name}"), Array::new(w.dims(), numbers(g)));
            }
        }
    }
    for ((name, _), t) in wanted.into_iter().zip(all) {
        out.arrays.insert(format!("out/{name}"), Array::new(t.dims(), numbers(t)));
    }
    Ok(out)
}

/// The first of some names that is there, as a tensor of five dimensions.
fn tensor(given: &Store, names: &[Option<&str>], file: &Path, device: &Device) -> Result<([usize; 5], Tensor<5>)> {
    let name = names.iter().flatten().find(|n| given.arrays.contains_key(**n));
    let Some(array) = name.and_then(|n| given.arrays.get(*n)) else {
        let first = names.iter().flatten().next().copied().unwrap_or_default();
        let help = suggestion(first, given.arrays.keys().map(String::as_str), "tensors in the file");
        return Err(Diagnostic::error(Code::E0802, format!("there is no tensor `{first}` in `{}`", file.display())).help(help).into());
    };
    let Ok(shape) = <[usize; 5]>::try_from(array.dims.as_slice()) else {
        return Err(Diagnostic::error(
            Code::E0802,
            format!("`{}` in `{}` has {}", name.unwrap_or(&""), file.display(), several(array.dims.len(), "dimension")),
        )
        .help("write it as [N, C, D, H, W]")
        .into());
    };
    Ok((shape, Tensor::from_data(TensorData::new(array.values.clone(), shape.to_vec()), device)))
}
