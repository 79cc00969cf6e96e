//! A network with several sets of weights as one graph, which gives the mean of what they give.
//!
//! May use `ir`, and `draw` beside it.

use std::collections::HashMap;

use super::draw::Drawn;
use crate::ir::{OnnxGraph, OnnxNode, OnnxTensor, OnnxValue};

/// The name of a weight of the set at a place in the list, among the weights of all of them.
pub(super) fn weight(set: usize, name: &str) -> String {
    format!("{set}/{name}")
}

/// The nodes of `one` for each of the sets, called after it, and the mean of each output under the output's own name. Constants stand once, and so do
/// nodes that no weight leads to: they are the same for every set. Inputs, outputs and sizes stay as they are.
pub(super) fn mean(one: Drawn, sets: &[String]) -> Drawn {
    let Drawn { graph: one, inputs, outputs } = one;
    let mut all = OnnxGraph::new(one.opset, one.free_batch);
    // What the file gives and takes keeps its name, whatever the sets are called.
    for port in inputs.iter().chain(&outputs) {
        all.fresh(&port.name);
    }
    let own = |name: &String| (OnnxValue(name.clone()), OnnxValue(name.clone()));
    let mut shared: HashMap<OnnxValue, OnnxValue> = inputs.iter().map(|port| own(&port.name)).chain([own(&String::new())]).collect();
    for (name, tensor) in &one.tensors {
        if !matches!(tensor, OnnxTensor::Weight { .. }) {
            let fresh = all.fresh(name);
            all.tensors.push((fresh.clone(), tensor.clone()));
            shared.insert(OnnxValue(name.clone()), OnnxValue(fresh));
        }
    }
    for node in &one.nodes {
        if node.inputs.iter().all(|value| shared.contains_key(value)) {
            add(&mut all, node, &node.output.0, &mut shared);
        }
    }
    let mut ends: Vec<Vec<OnnxValue>> = vec![vec![]; outputs.len()];
    for (n, set) in sets.iter().enumerate() {
        let mut values = shared.clone();
        for (name, tensor) in &one.tensors {
            if let OnnxTensor::Weight { of, dims } = tensor {
                let fresh = all.fresh(&format!("{set}.{name}"));
                all.tensors.push((fresh.clone(), OnnxTensor::Weight { of: weight(n, of), dims: dims.clone() }));
                values.insert(OnnxValue(name.clone()), OnnxValue(fresh));
            }
        }
        for node in one.nodes.iter().filter(|node| !shared.contains_key(&node.output)) {
            add(&mut all, node, &format!("{set}.{}", node.output.0), &mut values);
        }
        for (end, port) in ends.iter_mut().zip(&outputs) {
            end.extend(values.get(&OnnxValue(port.name.clone())).cloned());
        }
    }
    let count = all.fresh("constant");
    all.tensors.push((count.clone(), OnnxTensor::Floats { dims: vec![], values: vec![sets.len() as f32] }));
    for (end, port) in ends.into_iter().zip(&outputs) {
        let sum = end.into_iter().reduce(|sum, value| {
            let output = OnnxValue(all.fresh(&format!("{}.Add", port.name)));
            all.nodes.push(OnnxNode { op_type: "Add", inputs: vec![sum, value], output: output.clone(), attributes: vec![] });
            output
        });
        let output = OnnxValue(port.name.clone());
        let inputs = sum.into_iter().chain([OnnxValue(count.clone())]).collect();
        all.nodes.push(OnnxNode { op_type: "Div", inputs, output, attributes: vec![] });
    }
    Drawn { graph: all, inputs, outputs }
}

/// A node once more, under another name.
fn add(all: &mut OnnxGraph, node: &OnnxNode, name: &str, values: &mut HashMap<OnnxValue, OnnxValue>) {
    let inputs = node.inputs.iter().map(|value| values.get(value).unwrap_or(value).clone()).collect();
    let output = OnnxValue(all.fresh(name));
    values.insert(node.output.clone(), output.clone());
    all.nodes.push(OnnxNode { op_type: node.op_type, inputs, output, attributes: node.attributes.clone() });
}
