//! What the passes are tried on: the graphs, every operation and block, and graphs drawn by hand.

use lmsc::block::Spec;
use lmsc::compile::Program;
use lmsc::compile::passes::{self, Optimised};
use lmsc::ir::{Fact, Graph, Operator, Triple, Value};

use lmsc::op::{self, Op};

use crate::given;

/// Every graph, operation and block, small.
pub fn programs() -> Vec<(String, Program)> {
    let graphs = given::graphs().into_iter().map(|f| (f.display().to_string(), given::graph_at(&f, Some([16, 32, 16]))));
    let ops = Op::examples().into_iter().map(|e| (format!("{:?} on {:?}", e.op, e.inputs), given::alone(&e)));
    let blocks = Spec::LIST.iter().map(|e| (e.name.to_owned(), given::block(e, e.example).expect("an example compiles")));
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
