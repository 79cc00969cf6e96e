//! Weights in and out: one safetensors file that holds the graph's text, its parameters and its hash beside the numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::network::{Network, learned};
use super::tensors::{Tensors, read_tensors, write_tensors};
use crate::compile::{Program, compile};
use super::forward::Learned;
use crate::text::{Code, Diagnostic, Diagnostics, MAX_TEXT_BYTES, Result, Source, printable, suggestion};

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

/// Reads a file that [`save`] wrote: the network as its graph says, and all of the file's metadata. Everything in the file is checked first.
///
/// # Errors
/// E0801 when the file cannot be read or holds no graph; what is wrong with its graph; E0802 when the weights do not fit it; E0803 when the
/// file was damaged, or a weight is no finite number.
pub fn load(path: &Path, device: &Device) -> Result<(Network, BTreeMap<String, String>)> {
    let t = read_tensors(path)?;
    let file = path.display().to_string();
    let Some(program) = graph_of(path, &t)? else {
        return Err(Diagnostic::error(Code::E0801, format!("`{file}` holds weights but no graph"))
            .help("a model is a file that `lmsc train` wrote; weights from elsewhere are run by `lmsc forward GRAPH --weights FILE`")
            .into());
    };
    if let Some(hash) = t.metadata.get("lmsc.hash").filter(|h| **h != program.hash().to_string()) {
        let ours = program.hash().to_string();
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        return Err(Diagnostic::error(Code::E0802, format!("the graph in `{file}` is not the one that its weights were trained with"))
            .help(format!("hash {} in the file, {} of the graph; it may come from another version of lmsc", short(hash), short(&ours)))
            .into());
    }
    // Before memory is taken for the network: its graph may ask for more than the file has.
    let mut found = Diagnostics::default();
    let own: BTreeMap<String, Vec<usize>> = program.graph.weights().into_iter().map(|(_, name, w)| (name, w.dims)).collect();
    found.keep(compare(own.iter().map(|(name, dims)| (name.clone(), dims.clone())), &t.all, &file));
    let extra: Vec<&String> = t.all.keys().filter(|name| !own.contains_key(*name)).collect();
    if let Some(first) = extra.first() {
        let message = format!("`{}`{} in `{file}` is of no use to its graph", printable(first), more(extra.len()));
        found.push(Diagnostic::error(Code::E0802, message).help("the weights belong to another graph or to other parameters of it"));
    }
    if let Some((name, n)) =
        t.all.iter().find_map(|(name, (_, v))| Some((name, v.iter().filter(|v| !v.is_finite()).count())).filter(|f| f.1 > 0))
    {
        let message = format!("{n} numbers of `{}` in `{file}` are not finite", printable(name));
        found
            .push(Diagnostic::error(Code::E0803, message).help("its training failed; use a checkpoint of an earlier epoch, or train anew"));
    }
    found.or(())?;
    let mut network = Network::new(Arc::new(program), device, 0)?;
    assign(&mut network, &t.all, &file, device)?;
    Ok((network, t.metadata))
}

/// The graph in a file of weights, compiled; `None` where there is none.
///
/// # Errors
/// What is wrong with it, at its place in the text; E0801 when the text is too long.
pub fn graph_of(path: &Path, tensors: &Tensors) -> Result<Option<Program>> {
    let Some(text) = tensors.metadata.get("lmsc.graph") else { return Ok(None) };
    if text.len() as u64 > MAX_TEXT_BYTES {
        let message =
            format!("the graph in `{}` has {} bytes, and a graph's text has at most {MAX_TEXT_BYTES}", path.display(), text.len());
        return Err(Diagnostic::error(Code::E0801, message).help("use the file as `lmsc train` wrote it").into());
    }
    compile(&Source::new(format!("{} (its graph)", path.display()), text.clone()), &[], None).map(Some)
}

/// Gives every weight of the network its numbers from `tensors`, by name; tensors of other names are left alone.
///
/// # Errors
/// E0802 for every weight that is missing or has another shape, all at once.
pub fn assign(network: &mut Network, tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>, file: &str, device: &Device) -> Result<()> {
    compare(network.weights().iter().map(|(name, w)| (name.clone(), dims(w))), tensors, file)?;
    for (name, w) in network.weights_mut() {
        if let Some((shape, values)) = tensors.get(name.as_str()) {
            *w = learned(name, values.clone(), shape, device);
        }
    }
    Ok(())
}

/// The network with weights in memory of their own, on a device.
///
/// # Errors
/// None but those of [`assign`], which a network's own weights do not have.
pub fn apart(network: &Network, device: &Device) -> Result<Network> {
    let mut own = network.clone();
    assign(&mut own, &numbers(network).collect(), "the network itself", device)?;
    Ok(own)
}

/// Whether a file has every one of the weights, in its shape.
fn compare(
    weights: impl Iterator<Item = (String, Vec<usize>)>,
    tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    file: &str,
) -> Result<()> {
    let mut found = Diagnostics::default();
    let mut missing = vec![];
    for (name, own) in weights {
        match tensors.get(&name) {
            None => missing.push(name),
            Some((shape, _)) if *shape != own => {
                found.push(
                    Diagnostic::error(Code::E0802, format!("`{name}` is {own:?} in the graph but {shape:?} in `{file}`"))
                        .help("the weights belong to another graph or to other parameters of it"),
                );
            }
            Some(_) => {}
        }
    }
    if let Some(first) = missing.first() {
        let message = format!("`{first}`{} of the graph's weights are not in `{file}`", more(missing.len()));
        let known = tensors.keys().map(String::as_str);
        found.push(Diagnostic::error(Code::E0802, message).help(suggestion(first, known, "tensors in the file")));
    }
    found.or(())
}

/// ` and 3 more` of four.
fn more(all: usize) -> String {
    if all > 1 { format!(" and {} more", all - 1) } else { String::new() }
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
