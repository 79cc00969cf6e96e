//! A pass as Chrome trace events, which a browser's trace viewer (`chrome://tracing`, Perfetto) opens.

use serde_json::{Value as Json, json};

use super::forward::PassPart;
use crate::compile::Program;

/// One event for each part of the pass, with those inside it. Where the parts are single operations, those of a node that the user
/// wrote lie inside an event for the node. Times are in microseconds.
pub fn trace(program: &Program, pass: &[PassPart]) -> Json {
    let mut events = vec![];
    // Stages hold operations of several nodes, and a node's may lie in several stages.
    if pass.iter().all(|p| p.inside.is_empty()) {
        for row in &program.rows {
            let paths: Vec<&str> = row.values.clone().map(|v| program.graph.node(crate::ir::Value(v)).path.as_str()).collect();
            let inside = pass.iter().filter(|p| paths.contains(&p.name.as_str()));
            let ends = inside.clone().map(|p| p.start + p.seconds).fold(0.0, f64::max);
            let Some(start) = inside.map(|p| p.start).reduce(f64::min) else { continue };
            let cost = program.cost(row.values.clone()).unwrap_or_default();
            let (kind, macs, bytes) = (row.block.clone(), cost.macs, cost.moved());
            events.push(event(&PassPart {
                name: row.path.clone(),
                kind,
                start,
                seconds: ends - start,
                macs,
                bytes,
                ..PassPart::default()
            }));
        }
    }
    for part in pass {
        events.push(event(part));
        events.extend(part.inside.iter().map(event));
    }
    json!({ "displayTimeUnit": "ms", "otherData": { "graph": program.name }, "traceEvents": events })
}

fn event(p: &PassPart) -> Json {
    let mut args = serde_json::Map::new();
    if p.bytes > 0 && p.seconds > 0.0 {
        args.insert("macs".into(), p.macs.into());
        args.insert("bytes".into(), p.bytes.into());
        args.insert("GFLOP/s".into(), (2.0 * p.macs as f64 / p.seconds / 1e9).into());
        args.insert("GB/s".into(), (p.bytes as f64 / p.seconds / 1e9).into());
    }
    json!({ "name": p.name, "cat": p.kind, "ph": "X", "pid": 1, "tid": 1, "ts": p.start * 1e6, "dur": p.seconds * 1e6, "args": args })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::ir::Value;
    use crate::text::Source;

    #[test]
    fn nodes_enclose_their_operations() {
        let text = "(name:\"n\",inputs:{\"x\":(channels:2,size:(4,4,4))},nodes:{\"g\":GhostConv3D(x:\"x\",out:4)},outputs:{\"y\":\"g\"})";
        let program = compile(&Source::new("n.ron", text), &[], None).expect("it compiles");
        let part =
            |i: usize| PassPart { name: program.graph.node(Value(i)).path.clone(), start: i as f64, seconds: 0.5, ..PassPart::default() };
        let pass: Vec<PassPart> = (1..program.graph.len()).map(part).collect();
        let json = trace(&program, &pass);
        let events = json["traceEvents"].as_array().expect("events");
        assert_eq!(events.len(), 1 + pass.len());
        assert_eq!((&events[0]["name"], &events[0]["ts"]), (&json!("g"), &json!(1e6)));
        assert_eq!(events[0]["dur"], json!((pass.len() as f64 - 0.5) * 1e6));
        assert!(events[1..].iter().all(|e| e["ph"] == "X" && e["dur"] == json!(0.5e6)));
    }

    #[test]
    fn stages_enclose_theirs() {
        let inner = PassPart { name: "a.conv".into(), start: 1.0, seconds: 2.0, ..PassPart::default() };
        let stage = PassPart {
            name: "a".into(),
            kind: "stage".into(),
            start: 1.0,
            seconds: 4.0,
            macs: 10,
            bytes: 8,
            inside: vec![inner],
            ..PassPart::default()
        };
        let json = trace(&Program::from_graph("n", crate::ir::Graph::default(), vec![]), &[stage]);
        let names: Vec<&Json> = json["traceEvents"].as_array().expect("events").iter().map(|e| &e["name"]).collect();
        assert_eq!(names, ["a", "a.conv"]);
        assert_eq!(json["traceEvents"][0]["args"]["GB/s"], json!(2e-9));
    }
}
