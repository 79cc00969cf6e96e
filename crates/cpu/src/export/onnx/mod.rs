//! ONNX: a network with its weights as a file that other engines run.
//!
//! Each operation says which nodes it is ([`Operator::onnx`](crate::ir::Operator::onnx)), or is written as what it expands to. The batch is free, and
//! so are depth, height and width where the network takes them in any length (`sizes`). How images are prepared, classes, axis order and provenance
//! stand in the file's metadata, under the names that a model file has for them (`metadata`). Several sets of weights, the folds of a cross-validation,
//! are one graph that gives the mean of their outputs (`mean`). Equal models give equal bytes.

mod draw;
mod file;
mod mean;
mod metadata;
pub mod proto;
mod sizes;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::compile::Program;
use crate::compile::passes::{Optimised, expand, optimise_from};
use crate::ir::{Arrays, Fact, Fault, OnnxGraph};
use crate::op::Op;
use crate::store::SETS;
use crate::text::{Code, Diagnostic, Result};
pub use file::INLINE_BYTES;
pub use metadata::metadata;
pub use sizes::FreeSizes;

/// The operator sets that can be written.
pub const OPSETS: RangeInclusive<u32> = 13..=23;

/// The operator set where none is asked for: every engine in docs/export.md runs it.
pub const DEFAULT_OPSET: u32 = 17;

/// How a network is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxOptions {
    /// The version of ONNX's operator set, one of [`OPSETS`].
    pub opset: u32,
    /// D, H, W of the first input where they are to be fixed, and with them the batch, at 1.
    pub fixed: Option<[usize; 3]>,
    /// Whether the passes run before: batch norms go into convolutions, and other operations into each other.
    pub optimised: bool,
}

impl Default for OnnxOptions {
    fn default() -> Self {
        Self { opset: DEFAULT_OPSET, fixed: None, optimised: false }
    }
}

/// A dimension of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnnxDimension {
    Fixed(usize),
    /// Free, by its name: equal names are equal lengths.
    Free(String),
}

/// An input or an output: its name and its shape `[N, C, D, H, W]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxPort {
    pub name: String,
    pub dims: [OnnxDimension; 5],
}

impl std::fmt::Display for OnnxPort {
    /// `image N x 1 x D x H x W`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dims = self.dims.each_ref().map(|d| match d {
            OnnxDimension::Fixed(n) => n.to_string(),
            OnnxDimension::Free(name) => name.clone(),
        });
        write!(f, "{} {}", crate::text::printable(&self.name), dims.join(" x "))
    }
}

/// A network as ONNX has it, to be written.
#[derive(Clone, Debug)]
pub struct OnnxModel {
    /// The graph's name.
    pub name: String,
    pub inputs: Vec<OnnxPort>,
    pub outputs: Vec<OnnxPort>,
    /// Nodes and constants.
    pub graph: OnnxGraph,
    /// Which lengths are free, and why others are not.
    pub sizes: FreeSizes,
    /// What the file says beside the graph, by name.
    pub metadata: BTreeMap<String, String>,
    /// The names of the sets of weights whose outputs are averaged; empty where there is one.
    pub sets: Vec<String>,
    weights: Arrays,
}

/// A network with its `trained` weights as ONNX has it. `metadata` is written into the file beside what the network says of itself.
///
/// # Errors
/// E0805 for an operator set that cannot be written, or an operation that it has no node for; E0303 for a size that the network does not take; E0802
/// for a weight that is missing or has another shape.
pub fn export(program: &Program, trained: &Arrays, metadata: &BTreeMap<String, String>, options: &OnnxOptions) -> Result<OnnxModel> {
    export_mean(program, &[(String::new(), trained)], metadata, options)
}

/// As [`export`], of a network with several sets of weights by their names: each output is the mean of the outputs that the sets give. Weights and
/// nodes of a set are called after it, `fold_0.enc1.conv.weight`. The only one of a list has no need of its name.
///
/// # Errors
/// As [`export`].
pub fn export_mean(
    program: &Program,
    sets: &[(String, &Arrays)],
    metadata: &BTreeMap<String, String>,
    options: &OnnxOptions,
) -> Result<OnnxModel> {
    let opset = options.opset;
    if !OPSETS.contains(&opset) {
        let message = format!("ONNX's operator set {opset} cannot be written, only those from {} to {}", OPSETS.start(), OPSETS.end());
        return Err(Diagnostic::error(Code::E0805, message)
            .help(format!("leave out --opset for {DEFAULT_OPSET}, which every engine runs"))
            .into());
    }
    let told = |f: Fault| Diagnostic::error(f.code, format!("`{}`: {}", program.name, f.message)).help(f.help.unwrap_or_default());
    let sizes = match options.fixed {
        Some(size) => FreeSizes::fixed(program, size)?,
        None => FreeSizes::of(program),
    };
    let has_node = |op: &Op, x: &[Fact]| draw::has_node(op, x, opset);
    let mut o = expand(Optimised::new(program), &has_node).map_err(told)?;
    if options.optimised {
        o = optimise_from(o).map_err(told)?;
    }
    let mut drawn = draw::draw(&o.program, &sizes, opset)?;
    let mut weights = Arrays::new();
    for (n, (_, trained)) in sets.iter().enumerate() {
        let own = o.refits.weights(&o.program.graph, trained).map_err(|f| Diagnostic::error(Code::E0802, f.message))?;
        weights.extend(own.into_iter().map(|(name, array)| (if sets.len() > 1 { mean::weight(n, &name) } else { name }, array)));
    }
    let mut metadata = metadata.clone();
    let sets: Vec<String> = if sets.len() > 1 { sets.iter().map(|(name, _)| name.clone()).collect() } else { vec![] };
    if !sets.is_empty() {
        drawn = mean::mean(drawn, &sets);
        metadata.insert(SETS.into(), serde_json::to_string(&sets).unwrap_or_default());
    }
    metadata.insert("lmsc.hash".into(), program.hash().to_string());
    metadata.insert("lmsc.sizes".into(), sizes.to_string());
    let draw::Drawn { graph, inputs, outputs } = drawn;
    Ok(OnnxModel { name: program.name.clone(), inputs, outputs, graph, sizes, metadata, sets, weights })
}
