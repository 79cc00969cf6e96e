//! A program as nodes of ONNX.
//!
//! May use `compile`, `ir`, `op` and `text`, and `sizes` beside it.

use super::{FreeSizes, OnnxDimension, OnnxPort};
use crate::compile::Program;
use crate::compile::memory::facts_at;
use crate::ir::{Fact, OnnxGraph, OnnxInput, OnnxSite, OnnxValue, Operator, Value};
use crate::op::Op;
use crate::text::{Code, Diagnostic, printable};

/// The nodes, and what goes in and comes out.
pub(super) struct Drawn {
    pub graph: OnnxGraph,
    pub inputs: Vec<OnnxPort>,
    pub outputs: Vec<OnnxPort>,
}

/// Whether an operation has nodes of its own at an operator set; an input of the network needs none.
pub(super) fn has_node(op: &Op, x: &[Fact], opset: u32) -> bool {
    let input = |(i, fact): (usize, &Fact)| OnnxInput { value: OnnxValue(format!("x{i}")), fact: *fact, sizes: vec![fact.size] };
    let site = OnnxSite { name: "y".into(), weights: "op", inputs: x.iter().enumerate().map(input).collect() };
    x.is_empty() || OnnxGraph::new(opset, true).write(op, &site).is_some()
}

/// Draws what the outputs need.
///
/// # Errors
/// E0805 for an operation without a node; a fault of a size that the network does not take.
pub(super) fn draw(program: &Program, sizes: &FreeSizes, opset: u32) -> Result<Drawn, Diagnostic> {
    let g = &program.graph;
    let at = |size: &[usize; 3]| {
        facts_at(program, 1, Some(*size)).map_err(|(v, f)| {
            let d = Diagnostic::error(f.code, format!("`{}`: {}", g.node(v).path, f.message));
            d.help(f.help.unwrap_or_else(|| "use a size that the network takes (--static)".into()))
        })
    };
    let facts = sizes.probes.iter().map(at).collect::<Result<Vec<_>, _>>()?;
    let sizes_of = |v: Value| -> Vec<[usize; 3]> { facts.iter().map(|f| f[v.0].size).collect() };
    let mut graph = OnnxGraph::new(opset, sizes.batch);
    let mut values = vec![OnnxValue::none(); g.len()];
    for (name, v) in &program.inputs {
        values[v.0] = OnnxValue(graph.fresh(name));
    }
    let names: Vec<String> = g.outputs.iter().map(|(name, _)| graph.fresh(name)).collect();
    let ends: Vec<Value> = g.outputs.iter().map(|(_, v)| *v).collect();
    let needed = g.reaching(&ends);
    for v in g.values().filter(|v| needed[v.0] && !g.inputs(*v).is_empty()) {
        let n = g.node(v);
        let input =
            |i: &Value| OnnxInput { value: values[i.0].clone(), fact: facts.first().map_or(g.fact(*i), |f| f[i.0]), sizes: sizes_of(*i) };
        let inputs = g.inputs(v).iter().map(input).collect();
        let name = match ends.iter().position(|end| *end == v) {
            Some(at) => names[at].clone(),
            None => graph.fresh(&n.path),
        };
        let weights = n.shares.map_or(&n.path, |owner| &g.node(owner).path);
        values[v.0] = graph.write(&n.op, &OnnxSite { name, weights, inputs }).ok_or_else(|| without(&n.path, n.op.kind(), opset))?;
    }
    for (v, name) in ends.iter().zip(&names) {
        if values[v.0].0 != *name {
            graph.rename(&values[v.0], name);
        }
    }
    graph.prune();
    let first = program.inputs.first().map(|(_, v)| sizes_of(*v)).unwrap_or_default();
    let port = |name: String, v: Value| {
        let channels = facts.first().map_or(0, |f| f[v.0].channels);
        let batch = if sizes.batch { OnnxDimension::Free("N".into()) } else { OnnxDimension::Fixed(1) };
        let [d, h, w] = [0, 1, 2].map(|a| length(&name, a, &sizes_of(v), &first));
        OnnxPort { name, dims: [batch, OnnxDimension::Fixed(channels), d, h, w] }
    };
    let inputs = program.inputs.iter().map(|(_, v)| port(values[v.0].0.clone(), *v)).collect();
    let outputs = ends.iter().zip(&names).map(|(v, name)| port(name.clone(), *v)).collect();
    Ok(Drawn { graph, inputs, outputs })
}

/// An axis of an input or output: what it is for each size that was looked at, beside the network's first input.
fn length(name: &str, axis: usize, own: &[[usize; 3]], first: &[[usize; 3]]) -> OnnxDimension {
    let along = |all: &[[usize; 3]]| all.iter().map(|s| s[axis]).collect::<Vec<_>>();
    let (own, first) = (along(own), along(first));
    match own.first() {
        Some(n) if own.iter().all(|other| other == n) => OnnxDimension::Fixed(*n),
        _ if own == first => OnnxDimension::Free(["D", "H", "W"][axis].into()),
        _ => OnnxDimension::Free(format!("{name}.{}", ["D", "H", "W"][axis])),
    }
}

fn without(path: &str, kind: &str, opset: u32) -> Diagnostic {
    let message =
        format!("ONNX's operator set {opset} has no node for `{}` ({}), and it has no expansion", printable(path), printable(kind));
    Diagnostic::error(Code::E0805, message)
        .help("use a later operator set (--opset), or give the operation `onnx` or `expand` where it is defined")
}
