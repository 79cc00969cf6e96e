//! The op graph as lines of text, for people, programs and snapshots: as it was written, and as it is run.
//!
//! Level 6: may use `compile`, `ir`, `op`, `text`.

use serde_json::{Map, Value as Json, json};

use super::format::{mebibytes, snake, written};
use crate::compile::Program;
use crate::compile::memory::{Precision, plan};
use crate::compile::passes::Optimised;
use crate::ir::{Fault, Graph, Operator, Value};
use crate::op::Op;
use crate::text::several;

/// One line an operation: number, path, kind, inputs, shape, weights.
pub fn listing(program: &Program) -> String {
    let g = &program.graph;
    let mut out = format!("{} {}\n", program.name, program.hash());
    for v in g.values() {
        let n = g.node(v);
        out.push_str(&format!("%{} {} = {} -> {}{}\n", v.0, n.path, called(g, v), n.fact, shares(g, v)));
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
        "{} {}: {} in {}, arena {} MiB ({} MiB alive at the most)\n",
        optimised.program.name,
        optimised.program.hash(),
        several(g.len(), "operation"),
        several(optimised.schedule.steps.len(), "step"),
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
            let line = format!("{place} {mark}%{} {} = {} -> {}", v.0, n.path, called(g, *v), n.fact);
            out.push_str(&format!("{line}{}\n", shares(g, *v)));
        }
    }
    for (name, v) in &g.outputs {
        out.push_str(&format!("output {name} = %{}\n", v.0));
    }
    Ok(out)
}

/// An operation with its fields and its inputs: `conv3d(out: 8, kernel: 3)(%0)`, `add(%1, %2)`, `input`.
fn called(g: &Graph<Op>, v: Value) -> String {
    let op = &g.node(v).op;
    let (name, fields) = match serde_json::to_value(op) {
        Ok(Json::Object(all)) => all.into_iter().next().unwrap_or_default(),
        _ => (op.kind().to_owned(), Json::Null),
    };
    // What is called after its fields, as an activation after its function, is called after its type here.
    let same = op.kind().replace('_', "") == name.to_lowercase();
    let name = if same { op.kind().to_owned() } else { snake(&name) };
    let fields = if fields.is_object() { written(&fields) } else { String::new() };
    let fields = if fields.is_empty() { fields } else { format!("({fields})") };
    let inputs: Vec<String> = g.inputs(v).iter().map(|i| format!("%{}", i.0)).collect();
    let inputs = if inputs.is_empty() { String::new() } else { format!("({})", inputs.join(", ")) };
    format!("{name}{fields}{inputs}")
}

fn shares(g: &Graph<Op>, v: Value) -> String {
    g.node(v).shares.map_or(String::new(), |s| format!(" weights of %{}", s.0))
}

/// The op graph for programs: all that an interpreter in another language needs to run it. `inputs` and `outputs` by name, and `ops` in
/// an order that can be run. An op has its `value` (a number that others name in their `inputs`), `path`, `kind`, `op` (its fields under
/// its type), `shape` `[N, C, D, H, W]`, the names of its `weights` (those of the owner where they are shared) and its cost: `macs`, and
/// `bytes` read and written at float32.
pub fn operations(program: &Program) -> Json {
    let g = &program.graph;
    let operation = |v: Value| {
        let n = g.node(v);
        let owner = &g.node(n.shares.unwrap_or(v)).path;
        let weights = n.op.weights(&g.input_facts(v)).into_iter();
        let weights: Map<String, Json> =
            weights.map(|w| (w.name.to_owned(), json!({"name": format!("{owner}.{}", w.name), "shape": w.dims}))).collect();
        let cost = g.cost(v).unwrap_or_default();
        json!({
            "value": v.0,
            "path": n.path,
            "kind": n.op.kind(),
            "op": serde_json::to_value(&n.op).unwrap_or_default(),
            "inputs": g.inputs(v).iter().map(|i| i.0).collect::<Vec<_>>(),
            "shape": n.fact.dims(),
            "weights": weights,
            "macs": cost.macs,
            "bytes": cost.moved(),
        })
    };
    let named = |all: &[(String, Value)]| all.iter().map(|(n, v)| json!({"name": n, "value": v.0})).collect::<Vec<_>>();
    json!({
        "name": program.name,
        "hash": program.hash().to_string(),
        "inputs": named(&program.inputs),
        "outputs": named(&g.outputs),
        "ops": g.values().map(operation).collect::<Vec<_>>(),
    })
}

/// [`operations`] as text, an operation a line.
pub fn operations_text(program: &Program) -> String {
    let all = operations(program);
    let each = |v: &Json| match v {
        Json::Array(items) => {
            let lines: Vec<String> = items.iter().map(|i| format!("  {i}")).collect();
            format!("[\n{}\n]", lines.join(",\n"))
        }
        other => other.to_string(),
    };
    let fields = all.as_object().into_iter().flatten().map(|(k, v)| format!("{}: {}", Json::from(k.as_str()), each(v)));
    format!("{{\n{}\n}}\n", fields.collect::<Vec<_>>().join(",\n"))
}
