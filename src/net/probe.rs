//! Running a network on given tensors, with what is inside it and its gradients: the tool of whoever ports weights.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::map::NameMap;
use super::network::Network;
use super::tensors::Tensors;
use super::weights::{assign, values};
use super::forward::Learned;
use crate::text::{Code, Diagnostic, Result, suggestion};

/// Takes the weights of `network` from foreign tensors under the names that `map` gives them. Gives each weight's foreign name.
///
/// # Errors
/// E0802 for weights that are missing, have other shapes, or are claimed by two foreign tensors.
pub fn port(network: &mut Network, tensors: &Tensors, map: &NameMap, file: &Path, device: &Device) -> Result<BTreeMap<String, String>> {
    let known: HashSet<String> = network.weights().iter().map(|(n, _)| n.clone()).collect();
    let shown = file.display().to_string();
    let mut ours: BTreeMap<String, (Vec<usize>, Vec<f32>)> = BTreeMap::new();
    let mut foreign: BTreeMap<String, String> = BTreeMap::new();
    for (name, t) in &tensors.all {
        let Some(own) = map.apply(name, &known) else { continue };
        if let Some(other) = foreign.insert(own.clone(), name.clone()) {
            return Err(Diagnostic::error(Code::E0802, format!("`{other}` and `{name}` of `{shown}` are both mapped to `{own}`"))
                .help("make the rules of the map narrower")
                .into());
        }
        ours.insert(own, t.clone());
    }
    assign(network, &ours, &shown, device).map_err(|mut found| {
        let left: Vec<&str> = tensors.all.keys().map(String::as_str).filter(|n| !foreign.values().any(|f| f == n)).collect();
        if let Some(d) = found.0.first_mut().filter(|_| !left.is_empty()) {
            d.help.push(format!("{} tensors of the file match no rule of the map, `{}` among them", left.len(), left[0]));
        }
        found
    })?;
    Ok(foreign)
}

/// The output, every named value (`taps`) and the gradients of `mean(output * probe)` (`probe`), as `out/<name>` and `grad/<weight>`.
///
/// # Errors
/// E0802 when an input or the probe is missing or has another shape.
pub fn forward(network: &Network, given: &Tensors, file: &Path, taps: bool, probe: bool, device: &Device) -> Result<Tensors> {
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
                format!("the input `{name}` is {shape:?}, but the graph takes {} channels", f.channels),
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
    let mut out = Tensors::default();
    if probe && let Some(y) = all.first() {
        let (shape, p) = tensor(given, &[Some("probe")], file, device)?;
        if shape != y.dims() {
            return Err(Diagnostic::error(Code::E0802, format!("`probe` is {shape:?}, but the output is {:?}", y.dims()))
                .help("give it the output's shape")
                .into());
        }
        let grads = (y.clone() * p).mean().backward();
        for (name, w) in network.weights() {
            let g = match w {
                Learned::Vector(p) => p.val().grad(&grads).map(values),
                Learned::Matrix(p) => p.val().grad(&grads).map(values),
                Learned::Kernel(p) => p.val().grad(&grads).map(values),
            };
            if let Some(g) = g {
                out.all.insert(format!("grad/{name}"), g);
            }
        }
    }
    for ((name, _), t) in wanted.into_iter().zip(all) {
        out.all.insert(format!("out/{name}"), values(t));
    }
    Ok(out)
}

/// The first of some names that is there, as a tensor of five dimensions.
fn tensor(given: &Tensors, names: &[Option<&str>], file: &Path, device: &Device) -> Result<([usize; 5], Tensor<5>)> {
    let name = names.iter().flatten().find(|n| given.all.contains_key(**n));
    let Some((shape, numbers)) = name.and_then(|n| given.all.get(*n)) else {
        let first = names.iter().flatten().next().copied().unwrap_or_default();
        let help = suggestion(first, given.all.keys().map(String::as_str), "tensors in the file");
        return Err(Diagnostic::error(Code::E0802, format!("there is no tensor `{first}` in `{}`", file.display())).help(help).into());
    };
    let Ok(shape) = <[usize; 5]>::try_from(shape.as_slice()) else {
        return Err(Diagnostic::error(
            Code::E0802,
            format!("`{}` in `{}` has {} dimensions", name.unwrap_or(&""), file.display(), shape.len()),
        )
        .help("write it as [N, C, D, H, W]")
        .into());
    };
    Ok((shape, Tensor::from_data(TensorData::new(numbers.clone(), shape.to_vec()), device)))
}
