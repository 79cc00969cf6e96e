//! The op graph as lines of text, for people, programs and snapshots: as it was written, and as it is run.
//!
//! Level 6: may use `compile`, `ir`, `op`, `text`.

use serde::Serialize;

use super::format::mebibytes;
use crate::compile::Program;
use crate::compile::memory::{Precision, plan};
use crate::compile::passes::Optimised;
use crate::ir::{Fault, Graph, Operator, Value};
use crate::op::Op;

/// One line an operation: number, path, kind, inputs, shape, weights.
pub fn listing(program: &Program) -> String {
    let g = &program.graph;
    let mut out = format!("{} {}\n", program.name, program.hash());
    for v in g.values() {
        let n = g.node(v);
        let inputs: Vec<String> = g.inputs(v).iter().map(|i| format!("%{}", i.0)).collect();
        out.push_str(&format!("%{} {} = {}({}) -> {}{}\n", v.0, n.path, spec(&n.op), inputs.join(", "), n.fact, shares(g, v)));
    }
    for (name, v) in &g.outputs {
        out.push_str(&format!("output {name} = %{}\n", v.0));
    }
    out
}

/// The steps in which a program runs, each with its buffer in the arena: offset and size in bytes of float32 values. `=` before a
/// value says that it lies where one of its inputs lay; a line that starts with `|` is a value that exists only within the step
/// below it.
///
/// # Errors
/// E0501 when the arena is beyond 64 bits.
pub fn scheduled(optimised: &Optimised) -> Result<String, Fault> {
    let g = &optimised.program.graph;
    let plan = plan(g, &g.facts(), &optimised.schedule, Precision::F32)?;
    let mut out = format!(
        "{} {}: {} operations in {} steps, arena {} MiB ({} MiB alive at the most)\n",
        optimised.program.name,
        optimised.program.hash(),
        g.len(),
        optimised.schedule.steps.len(),
        mebibytes(plan.bytes),
        mebibytes(plan.alive)
    );
    out.push_str(&format!("{:>12} {:>12}\n", "offset", "bytes"));
    for step in &optimised.schedule.steps {
        for v in step.values() {
            let n = g.node(*v);
            let place = match plan.buffer(*v) {
                Some(b) => format!("{:>12} {:>12}", b.offset, b.bytes),
                None => format!("{:>12} {:>12}", "|", ""),
            };
            let mark = if optimised.in_place.get(v.0).is_some_and(Option::is_some) { "=" } else { " " };
            let inputs: Vec<String> = g.inputs(*v).iter().map(|i| format!("%{}", i.0)).collect();
            let line = format!("{place} {mark}%{} {} = {}({}) -> {}", v.0, n.path, spec(&n.op), inputs.join(", "), n.fact);
            out.push_str(&format!("{line}{}\n", shares(g, *v)));
        }
    }
    for (name, v) in &g.outputs {
        out.push_str(&format!("output {name} = %{}\n", v.0));
    }
    Ok(out)
}

fn spec(op: &Op) -> String {
    ron::to_string(op).unwrap_or_default()
}

fn shares(g: &Graph<Op>, v: Value) -> String {
    g.node(v).shares.map_or(String::new(), |s| format!(" weights of %{}", s.0))
}

/// The op graph for programs: every operation with its fields, the numbers of its inputs, its shape `[N, C, D, H, W]` and the names
/// and dimensions of its weights, in an order that can be run; a line each.
pub fn operations(program: &Program) -> String {
    #[derive(Serialize)]
    struct Tensor {
        name: String,
        dims: Vec<usize>,
    }
    #[derive(Serialize)]
    struct Operation<'a> {
        id: usize,
        path: &'a str,
        kind: &'static str,
        op: &'a Op,
        inputs: Vec<usize>,
        shape: [usize; 5],
        weights: Vec<Tensor>,
    }
    #[derive(Serialize)]
    struct Named<'a> {
        name: &'a str,
        id: usize,
    }
    let g = &program.graph;
    let operation = |v: Value| {
        let n = g.node(v);
        let owner = n.shares.unwrap_or(v);
        let weights = g.node(owner).op.weights(&g.input_facts(owner));
        Operation {
            id: v.0,
            path: &n.path,
            kind: n.op.kind(),
            op: &n.op,
            inputs: g.inputs(v).iter().map(|i| i.0).collect(),
            shape: n.fact.dims(),
            weights: weights.into_iter().map(|w| Tensor { name: format!("{}.{}", g.node(owner).path, w.name), dims: w.dims }).collect(),
        }
    };
    let named = |all: &[(String, Value)]| {
        let all: Vec<Named> = all.iter().map(|(n, v)| Named { name: n, id: v.0 }).collect();
        serde_json::to_string(&all).unwrap_or_default()
    };
    let each: Vec<String> = g.values().map(|v| serde_json::to_string(&operation(v)).unwrap_or_default()).collect();
    format!(
        "{{\n\"name\": {},\n\"hash\": \"{}\",\n\"inputs\": {},\n\"operations\": [\n{}\n],\n\"outputs\": {}\n}}\n",
        serde_json::Value::from(program.name.as_str()),
        program.hash(),
        named(&program.inputs),
        each.join(",\n"),
        named(&g.outputs)
    )
}
