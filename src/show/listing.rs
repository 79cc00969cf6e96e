//! The op graph as lines of text: what snapshots of compiled graphs hold.

use crate::compile::Program;

/// One line an operation: number, path, kind, inputs, shape, weights.
pub fn listing(program: &Program) -> String {
    let g = &program.graph;
    let mut out = format!("{} {}\n", program.name, program.hash());
    for v in g.values() {
        let n = g.node(v);
        let inputs: Vec<String> = g.inputs(v).iter().map(|i| format!("%{}", i.0)).collect();
        let spec = ron::to_string(&n.op).unwrap_or_default();
        let shares = n.shares.map_or(String::new(), |s| format!(" weights of %{}", s.0));
        out.push_str(&format!("%{} {} = {spec}({}) -> {}{shares}\n", v.0, n.path, inputs.join(", "), n.fact));
    }
    for (name, v) in &g.outputs {
        out.push_str(&format!("output {name} = %{}\n", v.0));
    }
    out
}
