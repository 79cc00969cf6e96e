//! The op graph as JSON: all that an interpreter in another language needs to run it.

use serde_json::{Value as Json, json};

use crate::compile::Program;
use crate::ir::Operator;

/// `inputs` and `outputs` by name, and `ops` in an order that can be run. An op has its `value` (a number that others name in their
/// `inputs`), `path`, `kind`, `op` (its fields under its type), `shape` `[N, C, D, H, W]`, the names of its `weights` (those of the
/// owner where they are shared) and its cost: `macs`, and `bytes` read and written at float32.
pub fn listing(program: &Program) -> Json {
    let g = &program.graph;
    let ops: Vec<Json> = g
        .values()
        .map(|v| {
            let n = g.node(v);
            let owner = g.node(n.shares.unwrap_or(v));
            let weights: serde_json::Map<String, Json> =
                n.op.weights(&g.input_facts(v))
                    .into_iter()
                    .map(|w| (w.name.to_owned(), json!({ "name": format!("{}.{}", owner.path, w.name), "shape": w.dims })))
                    .collect();
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
        })
        .collect();
    let named = |all: &[(String, crate::ir::Value)]| all.iter().map(|(n, v)| json!({ "name": n, "value": v.0 })).collect::<Vec<_>>();
    json!({
        "name": program.name,
        "hash": program.hash().to_string(),
        "inputs": named(&program.inputs),
        "outputs": named(&g.outputs),
        "ops": ops,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Fact, Graph, Triple};
    use crate::op::{Conv3d, Input, Softmax};

    #[test]
    fn weights_that_are_shared_go_by_their_owner() {
        let mut g = Graph::default();
        let x = g.input("x".into(), Input.into(), Fact::new(1, 2, [4, 4, 4]));
        let conv = Conv3d::new(2, Triple::all(3)).bias(false);
        let a = g.add("a".into(), conv.clone().into(), &[x]).expect("it fits");
        let b = g.add_shared("b".into(), conv.into(), &[a], a).expect("it fits");
        let s = g.add("s".into(), Softmax.into(), &[b]).expect("it fits");
        g.outputs.push(("y".into(), s));
        let json = listing(&Program::from_graph("two", g, vec![("x".into(), x)]));
        assert_eq!(json["ops"][2]["weights"]["weight"], json!({ "name": "a.weight", "shape": [2, 2, 3, 3, 3] }));
        assert_eq!(json["ops"][2]["op"]["Conv3d"]["kernel"], json!(3));
        assert_eq!(json["ops"][3]["op"], json!({ "Softmax": null }));
        assert_eq!((&json["ops"][3]["inputs"], &json["outputs"][0]["value"]), (&json!([2]), &json!(3)));
        assert_eq!(json["ops"][1]["macs"], 2 * 2 * 27 * 64);
    }
}
