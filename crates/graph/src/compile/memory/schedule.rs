//! In which order operations run, and which of them as one.

use crate::ir::{Graph, Operator, Value};

/// Operations that run as one sweep: of its values only the last is ever a volume in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step(Vec<Value>);

impl Step {
    /// A sweep over `values`, in order, the last of which is its output.
    pub fn new(before: Vec<Value>, output: Value) -> Self {
        let mut all = before;
        all.push(output);
        Self(all)
    }

    pub fn values(&self) -> &[Value] {
        &self.0
    }

    pub fn output(&self) -> Value {
        match self.0.last() {
            Some(v) => *v,
            None => unreachable!("a step is made with an output"),
        }
    }

    /// The values that it takes from memory, each once.
    pub fn inputs<O: Operator>(&self, graph: &Graph<O>) -> Vec<Value> {
        let mut all: Vec<Value> = vec![];
        for i in self.0.iter().flat_map(|v| graph.inputs(*v)) {
            if !self.0.contains(i) && !all.contains(i) {
                all.push(*i);
            }
        }
        all
    }
}

/// Every operation of a graph in an order that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub steps: Vec<Step>,
}

impl Schedule {
    /// One operation after the other, as the graph has them.
    pub fn plain<O: Operator>(graph: &Graph<O>) -> Self {
        Self { steps: graph.values().map(|v| Step::new(vec![], v)).collect() }
    }
}
