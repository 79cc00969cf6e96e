//! What the passes are tried on: the graphs, every operation and block, and graphs drawn by hand.

use std::path::{Path, PathBuf};

use lmsc::block::Spec;
use lmsc::compile::passes::{self, Optimised};
use lmsc::compile::{Program, compile};
use lmsc::ir::{Fact, Graph, Operator, Triple, Value};
use lmsc::op::{self, Op};
use lmsc::text::Source;

/// A program of one operation.
pub fn alone(e: &op::Example) -> Program {
    let mut graph: Graph<Op> = Graph::default();
    let inputs: Vec<_> =
        e.inputs.iter().enumerate().map(|(i, f)| (format!("x{i}"), graph.input(format!("x{i}"), op::Input.into(), *f))).collect();
    let values: Vec<_> = inputs.iter().map(|(_, v)| *v).collect();
    let y = graph.add("op".into(), e.op.clone(), &values).expect("an example fits");
    graph.outputs.push(("y".into(), y));
    Program::from_graph("alone", graph, inputs)
}

/// A program of one block.
pub fn around(e: &lmsc::block::Entry) -> Program {
    let size = |scale: usize| if scale == 0 { [1; 3] } else { [4, 2, 6].map(|n| n * scale) };
    let inputs: Vec<String> =
        e.shapes.iter().map(|(name, c, scale)| format!("\"{name}\": (channels: {c}, size: {:?})", Triple(size(*scale)).0)).collect();
    let inputs = inputs.join(", ").replace('[', "(").replace(']', ")");
    let outputs = match e.name {
        "LSPM" => "\"a\": \"node.texture\", \"b\": \"node.features\"",
        "SkipRouter" => "\"a\": \"node.s1\", \"b\": \"node.s2\"",
        _ => "\"y\": \"node\"",
    };
    let text = format!("(inputs: {{ {inputs} }}, nodes: {{ \"node\": {} }}, outputs: {{ {outputs} }})", e.example);
    let first = e.shapes.first().map(|(_, _, s)| size(*s));
    compile(&Source::new(e.name, text), &[], first).unwrap_or_else(|found| panic!("{}: {found:?}", e.name))
}

pub fn files() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir("graphs").expect("graphs/").map(|e| e.expect("an entry").path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "ron"));
    all.sort();
    all
}

pub fn graph_at(file: &Path, size: Option<[usize; 3]>) -> Program {
    compile(&Source::read(file).expect("it can be read"), &[], size).unwrap_or_else(|found| panic!("{}: {found:?}", file.display()))
}

/// Every graph, operation and block, small.
pub fn programs() -> Vec<(String, Program)> {
    let graphs = files().into_iter().map(|f| (f.display().to_string(), graph_at(&f, Some([16, 32, 16]))));
    let ops = Op::examples().into_iter().map(|e| (format!("{:?} on {:?}", e.op, e.inputs), alone(&e)));
    let blocks = Spec::LIST.iter().map(|e| (e.name.to_owned(), around(e)));
    graphs.chain(ops).chain(blocks).collect()
}

pub fn every_pass(p: &Program) -> Vec<(&'static str, Optimised)> {
    let alone = passes::NAMES.iter().map(|n| (*n, passes::run(p, n).expect("a pass").expect("it fits")));
    alone.chain([("all", passes::optimise(p).expect("it fits"))]).collect()
}

/// A graph drawn by hand: `input` gives `x` of a shape, `op` adds and gives the value.
pub struct Drawing {
    pub graph: Graph<Op>,
    pub inputs: Vec<(String, Value)>,
}

impl Drawing {
    pub fn new() -> Self {
        Self { graph: Graph::default(), inputs: vec![] }
    }

    pub fn input(&mut self, fact: Fact) -> Value {
        let name = format!("x{}", self.inputs.len());
        let v = self.graph.input(name.clone(), op::Input.into(), fact);
        self.inputs.push((name, v));
        v
    }

    pub fn op(&mut self, op: impl Into<Op>, x: &[Value]) -> Value {
        let path = format!("n{}", self.graph.len());
        self.graph.add(path, op.into(), x).expect("it fits")
    }

    pub fn done(mut self, outputs: &[Value]) -> Program {
        self.graph.outputs = outputs.iter().enumerate().map(|(i, v)| (format!("y{i}"), *v)).collect();
        self.graph.taps = self.graph.values().map(|v| (self.graph.node(v).path.clone(), v)).collect();
        Program::from_graph("drawing", self.graph, self.inputs)
    }
}

pub fn scale(scale: f64, shift: f64) -> op::ScaleShift {
    op::ScaleShift { scale, shift }
}

pub fn conv(bias: bool) -> op::Conv3d {
    op::Conv3d::new(4, Triple::all(3)).bias(bias)
}

pub const X: Fact = Fact { batch: 2, channels: 4, size: [3, 5, 4] };

pub fn after(p: &Program, name: &str) -> Program {
    passes::run(p, name).expect("a pass").expect("it fits").program
}

pub fn kinds(p: &Program) -> Vec<&'static str> {
    p.graph.values().map(|v| p.graph.node(v).op.kind()).collect()
}
