//! What operations cost where they stand: multiply-accumulates, and bytes read and written when operations that work number by
//! number run as sweeps. What only gives its shape is not read.

use crate::ir::{Access, Fact, Fault, Graph, Operator, Value};
use crate::op::Op;

/// A price. Both saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price {
    pub macs: u64,
    pub bytes: u64,
}

impl Price {
    pub fn plus(self, o: Price) -> Self {
        Self { macs: self.macs.saturating_add(o.macs), bytes: self.bytes.saturating_add(o.bytes) }
    }

    pub fn moved(self, bytes: u64) -> Self {
        self.plus(Price { macs: 0, bytes })
    }
}

/// Bytes of a value at float32.
pub fn bytes(f: &Fact) -> u64 {
    f.elements().unwrap_or(u64::MAX).saturating_mul(4)
}

/// One operation alone, reading its first input and writing its output.
pub fn alone(op: &Op, x: &Fact) -> Result<Price, Fault> {
    let y = op.infer(&[*x])?;
    let cost = op.cost(&[*x], &y)?;
    Ok(Price { macs: cost.macs, bytes: cost.moved() })
}

/// The inputs of a node whose numbers it reads.
pub fn read(g: &Graph<Op>, v: Value) -> impl Iterator<Item = Value> + '_ {
    let op = &g.node(v).op;
    g.inputs(v).iter().enumerate().filter(|(slot, _)| op.reads(*slot)).map(|(_, i)| *i)
}

/// Who reads a value's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    None,
    One(Value),
    /// Several, or the graph's caller.
    Many,
}

/// Who reads the numbers of each value.
pub fn readers(g: &Graph<Op>) -> Vec<Reader> {
    let mut all = vec![Reader::None; g.len()];
    for v in g.values() {
        for i in read(g, v) {
            all[i.0] = if all[i.0] == Reader::None { Reader::One(v) } else { Reader::Many };
        }
    }
    g.outputs.iter().for_each(|(_, v)| all[v.0] = Reader::Many);
    all
}

/// The price of every node.
pub fn prices(g: &Graph<Op>, readers: &[Reader]) -> Result<Vec<Price>, Fault> {
    let place = |v: Value| g.node(v).op.access() == Access::Elementwise;
    // Inside a sweep: neither written nor read.
    let inside: Vec<bool> =
        g.values().map(|v| matches!(readers[v.0], Reader::One(r) if place(v) && place(r) && g.fact(v) == g.fact(r))).collect();
    let price = |v: Value| {
        let cost = g.cost(v)?;
        let taken = read(g, v).filter(|i| !inside[i.0]).map(|i| bytes(&g.fact(i))).fold(0, u64::saturating_add);
        let written = if inside[v.0] || g.inputs(v).is_empty() { 0 } else { bytes(&g.fact(v)) };
        Ok(Price { macs: cost.macs, bytes: cost.params.saturating_mul(4).saturating_add(taken).saturating_add(written) })
    };
    g.values().map(price).collect()
}

/// The price of a whole graph.
pub fn total(g: &Graph<Op>) -> Result<Price, Fault> {
    Ok(prices(g, &readers(g))?.into_iter().fold(Price::default(), Price::plus))
}
