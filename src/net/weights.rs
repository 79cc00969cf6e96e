//! Weights in and out: one safetensors file that holds the graph's text, its parameters and its hash beside the numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::network::{Network, learned};
use super::tensors::{Tensors, read_tensors, write_tensors};
use crate::compile::compile;
use crate::op::Learned;
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source, suggestion};

/// Writes the network's weights with `meta` beside the graph's own metadata (`lmsc.graph`, `lmsc.params`, `lmsc.hash`).
///
/// # Errors
/// E0603 when the file cannot be written.
pub fn save(path: &Path, network: &Network, meta: &BTreeMap<String, String>) -> Result<()> {
    let program = network.program();
    let mut t = Tensors { metadata: meta.clone(), ..Tensors::default() };
    t.metadata.insert("format".into(), "pt".into());
    t.metadata.insert("lmsc.version".into(), env!("CARGO_PKG_VERSION").into());
    t.metadata.insert("lmsc.graph".into(), program.resolved().into());
    t.metadata.insert("lmsc.params".into(), serde_json::to_string(&program.params).unwrap_or_default());
    t.metadata.insert("lmsc.hash".into(), program.hash().to_string());
    t.all.extend(numbers(network));
    write_tensors(path, &t)
}

/// Reads a file that [`save`] wrote: the network as its graph says, and all of the file's metadata.
///
/// # Errors
/// E0801 when the file cannot be read or holds no graph, E0802 when the weights do not fit the graph.
pub fn load(path: &Path, device: &Device) -> Result<(Network, BTreeMap<String, String>)> {
    let t = read_tensors(path)?;
    let Some(text) = t.metadata.get("lmsc.graph") else {
        return Err(Diagnostic::error(Code::E0801, format!("`{}` holds weights but no graph", path.display()))
            .help("a model is a file that `lmsc train` wrote; weights from elsewhere are run by `lmsc forward GRAPH --weights FILE`")
            .into());
    };
    let source = Source::new(format!("{} (its graph)", path.display()), text.clone());
    let program = compile(&source, &[], None)?;
    if let Some(hash) = t.metadata.get("lmsc.hash").filter(|h| **h != program.hash().to_string()) {
        return Err(Diagnostic::error(
            Code::E0802,
            format!("the graph in `{}` is not the one that its weights were trained with", path.display()),
        )
        .help(format!(
            "hash {} in the file, {} of the graph; it may come from another version of lmsc",
            &hash[..hash.len().min(12)],
            &program.hash().to_string()[..12]
        ))
        .into());
    }
    let mut network = Network::new(Arc::new(program), device, 0)?;
    assign(&mut network, &t.all, &path.display().to_string(), device)?;
    Ok((network, t.metadata))
}

/// Gives every weight of the network its numbers from `tensors`, by name; tensors of other names are left alone.
///
/// # Errors
/// E0802 for every weight that is missing or has another shape, all at once.
pub fn assign(network: &mut Network, tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>, file: &str, device: &Device) -> Result<()> {
    let mut found = Diagnostics::default();
    let known: Vec<&str> = tensors.keys().map(String::as_str).collect();
    let mut missing = vec![];
    for (name, w) in network.weights_mut() {
        let own = dims(w);
        match tensors.get(name.as_str()) {
            None => missing.push(name.clone()),
            Some((shape, _)) if *shape != own => {
                found.push(
                    Diagnostic::error(Code::E0802, format!("`{name}` is {own:?} in the graph but {shape:?} in `{file}`"))
                        .help("the weights belong to another graph or to other parameters of it"),
                );
            }
            Some((shape, values)) => *w = learned(values.clone(), shape, device),
        }
    }
    if let Some(first) = missing.first() {
        let n = missing.len();
        let more = if n > 1 { format!(" and {} more", n - 1) } else { String::new() };
        let d = Diagnostic::error(Code::E0802, format!("`{first}`{more} of the graph's weights are not in `{file}`"));
        found.push(d.help(suggestion(first, known.iter().copied(), "tensors in the file")));
    }
    found.or(())
}

/// Every learned tensor of a network: its name, its dimensions (PyTorch's layout), its numbers.
pub fn numbers(network: &Network) -> impl Iterator<Item = (String, (Vec<usize>, Vec<f32>))> + '_ {
    network.weights().iter().map(|(name, w)| (name.clone(), read(w)))
}

/// The shape and numbers of a learned tensor.
pub(super) fn read(w: &Learned) -> (Vec<usize>, Vec<f32>) {
    match w {
        Learned::Vector(p) => values(p.val()),
        Learned::Matrix(p) => values(p.val()),
        Learned::Kernel(p) => values(p.val()),
    }
}

fn dims(w: &Learned) -> Vec<usize> {
    match w {
        Learned::Vector(p) => p.val().dims().to_vec(),
        Learned::Matrix(p) => p.val().dims().to_vec(),
        Learned::Kernel(p) => p.val().dims().to_vec(),
    }
}

/// The shape and numbers of any tensor.
pub(super) fn values<const D: usize>(t: Tensor<D>) -> (Vec<usize>, Vec<f32>) {
    let shape = t.dims().to_vec();
    (shape, t.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default())
}
