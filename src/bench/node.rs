//! Times of the parts of a pass, added up for the nodes that the user wrote.

use std::ops::Range;

use serde::Serialize;

use super::forward::PassPart;
use super::machine::Machine;
use crate::compile::Program;
use crate::ir::{Cost, Value};

/// A node with what it costs and what it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeTimes {
    pub node: String,
    /// Its block; empty for the whole and for what belongs to no node.
    pub block: String,
    /// 0 for a node of the graph, 1 for one inside a composite, ...
    pub depth: usize,
    /// `[N, C, D, H, W]` of its first output.
    pub output: [usize; 5],
    pub macs: u64,
    /// Read and written by its operations one after the other, weights included.
    pub bytes: u64,
    /// Median over the passes.
    pub seconds: f64,
    /// The sum over its operations of what each would take at the ceiling that binds it.
    pub least_seconds: f64,
}

/// A stage of the executor with what it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageTimes {
    pub name: String,
    pub macs: u64,
    /// Of the volumes that it reads and writes, each once.
    pub bytes: u64,
    pub seconds: f64,
    /// Threads that were at work on it, on average: fewer than there are where tiles are few or uneven.
    pub busy: f64,
    pub least_seconds: f64,
}

/// The same pass with the median times of several.
pub fn medians(passes: &[Vec<PassPart>]) -> Vec<PassPart> {
    let Some((first, _)) = passes.split_first() else { return vec![] };
    let of = |f: &dyn Fn(&Vec<PassPart>) -> Option<f64>| median(passes.iter().filter_map(f).collect());
    let mut all = first.clone();
    for (i, part) in all.iter_mut().enumerate() {
        part.seconds = of(&|p| p.get(i).map(|x| x.seconds));
        part.busy = of(&|p| p.get(i).map(|x| x.busy));
        for (j, inner) in part.inside.iter_mut().enumerate() {
            inner.seconds = of(&|p| p.get(i).and_then(|x| x.inside.get(j)).map(|x| x.seconds));
        }
    }
    all
}

/// The nodes down to a depth (1: the graph's own), then what belongs to none of them if there is any, and last the whole.
pub fn nodes(program: &Program, pass: &[PassPart], machine: &Machine, depth: usize) -> Vec<NodeTimes> {
    let graph = &program.graph;
    let leaves: Vec<&PassPart> =
        pass.iter().flat_map(|p| if p.inside.is_empty() { std::slice::from_ref(p) } else { &p.inside[..] }).collect();
    let belongs = |name: &str, path: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ', ',']));
    let of = |path: &str| leaves.iter().filter(|p| belongs(&p.name, path)).map(|p| p.seconds).sum::<f64>();
    let cost = |v: &Value| graph.cost(*v).unwrap_or_default();
    let sum = |node: &str, block: &str, depth: usize, output: [usize; 5], values: Range<usize>, seconds: f64| {
        // An input is given: nothing is read or written for it.
        let values: Vec<Value> = values.map(Value).filter(|v| !graph.inputs(*v).is_empty()).collect();
        let total = values.iter().fold(Cost::default(), |sum, v| sum.plus(cost(v)).unwrap_or(sum));
        let least_seconds = values.iter().map(|v| machine.least(cost(v).macs, cost(v).moved())).sum();
        NodeTimes { node: node.into(), block: block.into(), depth, output, macs: total.macs, bytes: total.moved(), seconds, least_seconds }
    };
    let rows = program.rows.iter().filter(|r| r.depth < depth);
    let mut all: Vec<NodeTimes> =
        rows.map(|r| sum(&r.path, &r.block, r.depth, graph.fact(r.output).dims(), r.values.clone(), of(&r.path))).collect();
    let whole: f64 = leaves.iter().map(|p| p.seconds).sum();
    let known = |p: &PassPart| program.rows.iter().any(|r| r.depth == 0 && belongs(&p.name, &r.path));
    let rest: f64 = leaves.iter().filter(|p| !known(p)).map(|p| p.seconds).sum();
    if rest > 0.0 {
        all.push(sum("(between nodes)", "", 0, [0; 5], 0..0, rest));
    }
    let output = graph.outputs.first().map_or([0; 5], |(_, v)| graph.fact(*v).dims());
    all.push(sum("total", "", 0, output, 0..graph.len(), whole));
    all
}

/// The stages of a pass that the executor ran.
pub fn stages(pass: &[PassPart], machine: &Machine) -> Vec<StageTimes> {
    let stage = |p: &PassPart| {
        let least_seconds = machine.least(p.macs, p.bytes);
        StageTimes { name: p.name.clone(), macs: p.macs, bytes: p.bytes, seconds: p.seconds, busy: p.busy, least_seconds }
    };
    pass.iter().filter(|p| p.kind == "stage").map(stage).collect()
}

/// The middle of some numbers; of two in the middle the lower.
pub(super) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::text::Source;

    fn part(name: &str, seconds: f64) -> PassPart {
        PassPart { name: name.into(), seconds, ..PassPart::default() }
    }

    #[test]
    fn a_composite_takes_what_its_nodes_take() {
        let text = "(name:\"n\",inputs:{\"x\":(channels:2,size:(4,4,4))},blocks:{\"B\":(inputs:[\"x\"],nodes:{\"a\":Conv3D(x:\"x\",out:2),\
                    \"b\":Activation(x:\"a\",function:silu)},output:\"b\")},nodes:{\"c\":B(x:\"x\"),\"cd\":PointwiseConv3D(x:\"c\",out:1)},\
                    outputs:{\"y\":\"cd\"})";
        let program = compile(&Source::new("n.ron", text), &[], None).expect("it compiles");
        let machine = Machine { cpu: "x".into(), threads: 1, instructions: "portable", flops: 1e9, bandwidth: 1e9 };
        let stage = PassPart { inside: vec![part("c.a.conv", 1.0), part("c.b", 2.0)], ..part("c.a, c.b", 3.0) };
        let pass = [stage, part("cd.conv (read)", 4.0), part("vectors", 0.5)];
        let all = nodes(&program, &pass, &machine, 2);
        let names: Vec<(&str, usize, f64)> = all.iter().map(|n| (n.node.as_str(), n.depth, n.seconds)).collect();
        assert_eq!(
            names,
            [("c", 0, 3.0), ("c.a", 1, 1.0), ("c.b", 1, 2.0), ("cd", 0, 4.0), ("(between nodes)", 0, 0.5), ("total", 0, 7.5)]
        );
        assert_eq!(all[5].macs, 2 * 2 * 27 * 64 + 2 * 64);
        assert!((all[0].least_seconds - all[1].least_seconds - all[2].least_seconds).abs() < 1e-12);
    }

    #[test]
    fn passes_are_brought_together_by_their_medians() {
        let pass = |t: f64| vec![PassPart { inside: vec![part("b", t / 2.0)], ..part("a", t) }];
        let all = medians(&[pass(1.0), pass(9.0), pass(2.0)]);
        assert_eq!((all[0].seconds, all[0].inside[0].seconds), (2.0, 1.0));
        assert_eq!([median(vec![]), median(vec![4.0]), median(vec![4.0, 3.0])], [0.0, 4.0, 3.0]);
    }
}
