//! The op graph: operations in an order that can be run, each with its path, its fact and its inputs.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use super::{Cost, Fact, Fault, Initialisation, Operator, Weight};
use crate::text::Code;

/// A value of the graph: the output of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub usize);

/// One operation in its place.
#[derive(Clone, Debug)]
pub struct Node<O> {
    pub op: O,
    /// What it takes, by slot; the graph's edges say the same, this list keeps their order at hand.
    pub inputs: Vec<Value>,
    /// Where it stands in the user's graph: `enc1.ghost1.primary`. Its weights are named after it.
    pub path: String,
    /// The node whose weights it uses, when it has none of its own.
    pub shares: Option<Value>,
    /// How its weights start, where not as the operation says. No part of what the network is: its hash and its files leave it out.
    pub init: Option<Initialisation>,
    /// The fact of its output at the size the graph was compiled for.
    pub fact: Fact,
}

/// Operations, each after those whose values it takes, held by petgraph; an edge's weight is the slot of the input.
#[derive(Clone, Debug)]
pub struct Graph<O> {
    graph: DiGraph<Node<O>, usize>,
    /// Named values: the outputs of the user's nodes, in their order (`lspm.texture`, `enc1`).
    pub taps: Vec<(String, Value)>,
    /// The outputs, by name.
    pub outputs: Vec<(String, Value)>,
}

impl<O> Default for Graph<O> {
    fn default() -> Self {
        Self { graph: DiGraph::new(), taps: vec![], outputs: vec![] }
    }
}

impl<O: Operator> Graph<O> {
    /// Adds an operation after its inputs, inferring its fact.
    ///
    /// # Errors
    /// Its fault when its inputs do not fit.
    pub fn add(&mut self, path: String, op: O, inputs: &[Value]) -> Result<Value, Fault> {
        self.insert(path, op, inputs, None)
    }

    /// Adds an input of the graph, whose fact is given from outside.
    pub fn input(&mut self, path: String, op: O, fact: Fact) -> Value {
        self.push(Node { op, inputs: vec![], path, shares: None, init: None, fact })
    }

    /// Adds an operation that uses the weights of `owner`, so that they are learned and counted once.
    ///
    /// # Errors
    /// Its fault when its inputs do not fit, or its weights would have other shapes than the owner's.
    pub fn add_shared(&mut self, path: String, op: O, inputs: &[Value], owner: Value) -> Result<Value, Fault> {
        let facts: Vec<Fact> = inputs.iter().map(|v| self.fact(*v)).collect();
        op.infer(&facts)?;
        if op.weights(&facts) != self.node(owner).op.weights(&self.input_facts(owner)) {
            return Err(Fault::new(
                Code::E0302,
                format!("its weights cannot be those of `{}`: their shapes differ", self.node(owner).path),
            ));
        }
        self.insert(path, op, inputs, Some(owner))
    }

    /// Lets an operation use the weights of another, or of whom that one shares them with.
    ///
    /// # Errors
    /// E0209 when the shapes of their weights differ.
    pub fn share(&mut self, v: Value, owner: Value) -> Result<(), Fault> {
        let owner = self.node(owner).shares.unwrap_or(owner);
        let (own, theirs) = (self.node(v).op.weights(&self.input_facts(v)), self.node(owner).op.weights(&self.input_facts(owner)));
        if let Some((a, b)) = own.iter().zip(&theirs).find(|(a, b)| a != b) {
            let shape = |w: &Weight| w.dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
            let message = format!("{}.{} is {} there and {} here", self.node(owner).path, b.name, shape(b), shape(a));
            return Err(Fault::new(Code::E0209, message));
        }
        if own.len() != theirs.len() {
            return Err(Fault::new(Code::E0209, format!("`{}` and `{}` have other weights", self.node(owner).path, self.node(v).path)));
        }
        if let Some(node) = self.graph.node_weight_mut(NodeIndex::new(v.0)) {
            node.shares = Some(owner);
        }
        Ok(())
    }

    /// Lets the weights of an operation start otherwise than it says.
    ///
    /// # Errors
    /// E0401 on the field `init` for what cannot be drawn.
    pub fn start(&mut self, v: Value, init: Initialisation) -> Result<(), Fault> {
        init.check(&self.node(v).op.weights(&self.input_facts(v)))?;
        if let Some(node) = self.graph.node_weight_mut(NodeIndex::new(v.0)) {
            node.init = Some(init);
        }
        Ok(())
    }

    fn insert(&mut self, path: String, op: O, inputs: &[Value], shares: Option<Value>) -> Result<Value, Fault> {
        let facts: Vec<Fact> = inputs.iter().map(|v| self.fact(*v)).collect();
        let fact = op.infer(&facts)?;
        Ok(self.push(Node { op, inputs: inputs.to_vec(), path, shares, init: None, fact }))
    }

    fn push(&mut self, node: Node<O>) -> Value {
        let inputs = node.inputs.clone();
        let at = self.graph.add_node(node);
        for (slot, v) in inputs.into_iter().enumerate() {
            self.graph.add_edge(NodeIndex::new(v.0), at, slot);
        }
        Value(at.index())
    }

    pub fn fact(&self, v: Value) -> Fact {
        self.node(v).fact
    }

    pub fn node(&self, v: Value) -> &Node<O> {
        &self.graph[NodeIndex::new(v.0)]
    }

    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every value, in an order that can be run.
    pub fn values(&self) -> impl Iterator<Item = Value> + use<O> {
        (0..self.len()).map(Value)
    }

    /// The inputs of a node, by slot.
    pub fn inputs(&self, v: Value) -> &[Value] {
        &self.node(v).inputs
    }

    /// The nodes that take a value, in no particular order; one that takes it twice is there twice.
    pub fn users(&self, v: Value) -> impl Iterator<Item = Value> + '_ {
        self.graph.neighbors_directed(NodeIndex::new(v.0), Direction::Outgoing).map(|n| Value(n.index()))
    }

    /// The values from which one of `ends` can be reached.
    pub fn reaching(&self, ends: &[Value]) -> Vec<bool> {
        let mut alive = vec![false; self.len()];
        let mut dfs = petgraph::visit::Dfs::empty(petgraph::visit::Reversed(&self.graph));
        for end in ends {
            dfs.move_to(NodeIndex::new(end.0));
            while let Some(n) = dfs.next(petgraph::visit::Reversed(&self.graph)) {
                alive[n.index()] = true;
            }
        }
        alive
    }

    /// For each value the one that is computed along with it (see [`Operator::fuses_epilogue`]): its only reader, which reads nothing else.
    pub fn fused_epilogues(&self) -> Vec<Option<Value>> {
        let readers = self.only_readers();
        let along = |v: Value| {
            let next = readers[v.0].filter(|next| self.inputs(*next).len() == 1)?;
            self.node(v).op.fuses_epilogue(self.node(next).op.kind()).then_some(next)
        };
        self.values().map(along).collect()
    }

    /// For each value its only reader, where it may be left to that (see [`Operator::fuses_producer`]). What is computed along with another is not.
    pub fn fused_producers(&self) -> Vec<Option<Value>> {
        let mut taken = self.only_readers();
        for v in self.values() {
            taken[v.0] = taken[v.0].filter(|r| self.node(*r).op.fuses_producer(self.node(v).op.kind()));
        }
        self.fused_epilogues().into_iter().flatten().for_each(|v| taken[v.0] = None);
        taken
    }

    /// For each value the operation that alone reads it, once; none of an output.
    fn only_readers(&self) -> Vec<Option<Value>> {
        let (mut counts, mut last) = (vec![0usize; self.len()], vec![Value(0); self.len()]);
        for v in self.values() {
            for i in self.inputs(v) {
                (counts[i.0], last[i.0]) = (counts[i.0] + 1, v);
            }
        }
        self.outputs.iter().for_each(|(_, v)| counts[v.0] += 2);
        counts.into_iter().zip(last).map(|(count, last)| (count == 1).then_some(last)).collect()
    }

    /// The fact of every value.
    pub fn facts(&self) -> Vec<Fact> {
        self.graph.node_weights().map(|n| n.fact).collect()
    }

    /// The same graph at other sizes: `facts` are those that [`Graph::infer_at`] gave.
    pub fn with_facts(mut self, facts: &[Fact]) -> Self {
        self.graph.node_weights_mut().zip(facts).for_each(|(n, f)| n.fact = *f);
        self
    }

    /// The facts of a node's inputs.
    pub fn input_facts(&self, v: Value) -> Vec<Fact> {
        self.inputs(v).iter().map(|i| self.fact(*i)).collect()
    }

    /// The cost of one node at the size the graph was compiled for.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    pub fn cost(&self, v: Value) -> Result<Cost, Fault> {
        let n = self.node(v);
        let cost = n.op.cost(&self.input_facts(v), &n.fact)?;
        Ok(if n.shares.is_some() { Cost { params: 0, ..cost } } else { cost })
    }

    /// Every learned tensor with the node that owns it, in order; its name is `path.weight`.
    pub fn weights(&self) -> Vec<(Value, String, Weight)> {
        let own = self.values().filter(|v| self.node(*v).shares.is_none());
        own.flat_map(|v| {
            let n = self.node(v);
            let all = n.op.weights(&self.input_facts(v)).into_iter();
            all.map(move |w| (v, format!("{}.{}", n.path, w.name), n.init.map_or_else(|| w.clone(), |init| init.of(w.clone()))))
        })
        .collect()
    }

    /// Every tensor that an operation holds and no gradient moves, as [`Graph::weights`].
    pub fn buffers(&self) -> Vec<(Value, String, Weight)> {
        let own = self.values().filter(|v| self.node(*v).shares.is_none());
        own.flat_map(|v| {
            let n = self.node(v);
            n.op.buffers(&self.input_facts(v)).into_iter().map(move |w| (v, format!("{}.{}", n.path, w.name), w))
        })
        .collect()
    }

    /// Weights and buffers: what a file of the network holds.
    pub fn tensors(&self) -> Vec<(Value, String, Weight)> {
        [self.weights(), self.buffers()].concat()
    }

    /// Every fact when the inputs (nodes without inputs, in order) have these facts.
    ///
    /// # Errors
    /// The node that refuses, and why.
    pub fn infer_at(&self, inputs: &[Fact]) -> Result<Vec<Fact>, (Value, Fault)> {
        let mut facts: Vec<Fact> = Vec::with_capacity(self.len());
        let mut given = inputs.iter();
        let mut x = vec![];
        for (v, n) in self.graph.node_weights().enumerate() {
            let fact = if n.inputs.is_empty() {
                *given.next().unwrap_or(&n.fact)
            } else {
                x.clear();
                x.extend(n.inputs.iter().map(|i| facts[i.0]));
                n.op.infer(&x).map_err(|f| (Value(v), f))?
            };
            facts.push(fact);
        }
        Ok(facts)
    }
}
