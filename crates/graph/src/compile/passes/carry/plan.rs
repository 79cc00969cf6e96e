//! Ways to compute a map of a value, and the cheapest of them.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::linear::{is_dense, is_map, pointwise, widened};
use super::super::price::{Price, Reader, alone, bytes, prices, readers};
use crate::ir::{Fact, Fault, Graph, Operator, Value};
use crate::op::Op;

/// A way to compute a map of a value.
#[derive(Debug)]
pub struct Plan {
    pub way: Way,
    /// The shape of what it gives.
    pub fact: Fact,
    /// Whether a bias can be added in it.
    pub biased: bool,
    /// Whether a bias comes up on the way that has to be added beside it.
    loose: bool,
    /// Without the last sweep.
    price: Price,
    /// What the sweep that is its end reads, when it ends in one.
    sweep: Option<u64>,
    /// For a sum all of whose terms are weighted by maps of one channel: those maps.
    weights: Vec<Value>,
    /// Operations with weights.
    leaves: usize,
}

/// FlowValues are those of the graph as it stands.
#[derive(Debug)]
pub enum Way {
    /// A map of the value as it is.
    Map(Value),
    /// The dense convolution with other weights.
    Into(Value),
    /// The value is a map of another, or a fixed scale and shift: its weights are multiplied.
    Through(Value, Rc<Plan>),
    /// The value is a resize: mapped before it.
    Before(Value, Rc<Plan>),
    /// The value is a resize of maps of `source`, the last first: `source` is resized, and mapped after that.
    After { resize: Value, maps: Vec<Value>, source: Value },
    /// The value is a concatenation, a sum or a difference.
    Sum(Value, Vec<Part>),
    /// The value is a product with the one channel in that slot.
    Weighted(Value, usize, Rc<Plan>),
}

/// A part of a concatenation (which channels of the map are its own), or of a sum.
#[derive(Debug)]
pub struct Part {
    pub channels: Option<(usize, usize)>,
    pub negated: bool,
    pub plan: Rc<Plan>,
}

/// FlowValues that lie deeper are taken as they are.
const DEEPEST: usize = 12;
/// One map becomes at most so many.
const MOST: usize = 32;

impl Plan {
    /// With the last sweep.
    fn whole(&self) -> Price {
        self.price.moved(self.sweep.map_or(0, |read| read.saturating_add(bytes(&self.fact))))
    }

    /// What a sweep that takes it in reads for it.
    fn fused_producers(&self) -> u64 {
        self.sweep.unwrap_or(bytes(&self.fact))
    }

    fn leaf(way: Way, fact: Fact, price: Price) -> Self {
        Self { way, fact, biased: true, loose: false, price, sweep: None, weights: vec![], leaves: 1 }
    }
}

/// What is to be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Aim {
    /// Channels of the map's output.
    out: usize,
    /// The map is a linear layer's still, which takes vectors only: it passes no resize.
    flat: bool,
    /// The value has no other reader on the way here, so that its upkeep counts.
    free: bool,
}

/// Plans of the maps of one graph.
pub struct Plans<'a> {
    g: &'a Graph<Op>,
    /// Whether a value has one reader, and goes when that one goes.
    sole: Vec<bool>,
    /// The price of a value and of what is there for it alone, as far as maps could be carried.
    upkeep: Vec<Price>,
    known: HashMap<(Value, Aim), Rc<Plan>>,
}

impl<'a> Plans<'a> {
    pub fn new(g: &'a Graph<Op>) -> Result<Self, Fault> {
        let readers = readers(g);
        let own = prices(g, &readers)?;
        let sole = soles(g, &readers);
        let mut upkeep: Vec<Price> = Vec::with_capacity(g.len());
        for v in g.values() {
            let below = ways(g, v);
            let all = below.iter().filter(|i| sole[i.0]).fold(own[v.0], |sum, i| sum.plus(upkeep[i.0]));
            upkeep.push(if below.is_empty() && !is_dense(&g.node(v).op) { Price::default() } else { all });
        }
        Ok(Self { g, sole, upkeep, known: HashMap::new() })
    }

    /// A way to compute the node that is cheaper than the node, if it is a map and there is one.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    pub fn better(&mut self, v: Value) -> Result<Option<Rc<Plan>>, Fault> {
        let (op, [x]) = (&self.g.node(v).op, self.g.inputs(v)) else { return Ok(None) };
        if !is_map(op) {
            return Ok(None);
        }
        let out = self.g.fact(v).channels;
        let aim = Aim { out, flat: matches!(op, Op::Linear(_)), free: true };
        let now = self.map(*x, aim)?.whole();
        let best = self.plan(*x, aim, 0)?;
        let then = best.whole();
        let bias = matches!(op, Op::Conv3d(c) if c.bias) || matches!(op, Op::Linear(l) if l.bias);
        let sound = best.biased || !(bias || best.loose);
        Ok((sound && best.leaves <= MOST && then.macs < now.macs && then.bytes <= now.bytes).then_some(best))
    }

    /// Marks the values that go when the plan comes in the place of their reader: maps among them need no plan of their own.
    pub fn mark(&self, plan: &Plan, gone: &mut [bool]) {
        let mut pass = |v: Value| {
            gone[v.0] |= self.sole[v.0];
            self.sole[v.0]
        };
        match &plan.way {
            Way::Map(_) | Way::Into(_) => {}
            Way::Through(v, inner) | Way::Before(v, inner) | Way::Weighted(v, _, inner) => {
                if pass(*v) {
                    self.mark(inner, gone);
                }
            }
            Way::After { resize, maps, .. } => {
                let _ = pass(*resize) && maps.iter().all(|m| pass(*m));
            }
            Way::Sum(v, parts) => {
                if pass(*v) {
                    parts.iter().for_each(|p| self.mark(&p.plan, gone));
                }
            }
        }
    }

    /// The map of the value as it is.
    fn map(&self, x: Value, Aim { out, free, .. }: Aim) -> Result<Plan, Fault> {
        let fact = self.g.fact(x);
        let price = alone(&pointwise(out, true).into(), &fact)?;
        let upkeep = if free && self.sole[x.0] { self.upkeep[x.0] } else { Price::default() };
        Ok(Plan::leaf(Way::Map(x), Fact { channels: out, ..fact }, price.plus(upkeep)))
    }

    fn plan(&mut self, x: Value, aim: Aim, depth: usize) -> Result<Rc<Plan>, Fault> {
        if let Some(plan) = self.known.get(&(x, aim)) {
            return Ok(plan.clone());
        }
        let mut best = self.map(x, aim)?;
        if depth < DEEPEST {
            for other in self.others(x, Aim { free: aim.free && self.sole[x.0], ..aim }, depth + 1)? {
                let (a, b) = (other.whole(), best.whole());
                if other.leaves <= MOST && (a.macs, a.bytes, other.leaves) < (b.macs, b.bytes, best.leaves) {
                    best = other;
                }
            }
        }
        let best = Rc::new(best);
        self.known.insert((x, aim), best.clone());
        Ok(best)
    }

    /// The ways that pass the value; `free` says that it goes then.
    fn others(&mut self, x: Value, aim: Aim, depth: usize) -> Result<Vec<Plan>, Fault> {
        let g = self.g;
        let op = &g.node(x).op;
        let out = aim.out;
        let fact = Fact { channels: out, ..g.fact(x) };
        if is_dense(op) {
            let Some(y) = g.inputs(x).first() else { return Ok(vec![]) };
            return Ok(vec![Plan::leaf(Way::Into(x), fact, alone(&widened(op, out, true), &g.fact(*y))?)]);
        }
        let below = ways(g, x);
        let aim = match op {
            Op::Resize(_) if aim.flat => return Ok(vec![]),
            _ if is_map(op) => Aim { flat: matches!(op, Op::Linear(_)), ..aim },
            _ => aim,
        };
        let mut inner = vec![];
        for y in &below {
            inner.push(self.plan(*y, aim, depth)?);
        }
        Ok(match (op, inner.as_slice()) {
            (_, []) => vec![],
            (Op::Conv3d(_) | Op::Linear(_) | Op::ScaleShift(_), [plan]) => {
                let bias = match op {
                    Op::Conv3d(c) => c.bias,
                    Op::Linear(l) => l.bias,
                    Op::ScaleShift(s) if !(s.scale.is_finite() && s.shift.is_finite()) => return Ok(vec![]),
                    Op::ScaleShift(s) => s.shift != 0.0,
                    _ => false,
                };
                let loose = plan.loose || (bias && !plan.biased);
                let same = Plan { way: Way::Through(x, plan.clone()), fact, loose, weights: plan.weights.clone(), ..**plan };
                vec![same]
            }
            (Op::Resize(_), [plan]) => {
                let price = plan.whole().moved(bytes(&plan.fact).saturating_add(bytes(&fact)));
                let before = Plan { way: Way::Before(x, plan.clone()), fact, price, sweep: None, weights: plan.weights.clone(), ..**plan };
                let mut all = self.after(x, out, aim.free)?;
                all.push(before);
                all
            }
            (Op::Mul(_), [plan]) => {
                let Some(slot) = one_channel(g, x) else { return Ok(vec![]) };
                let Some(w) = g.inputs(x).get(slot) else { return Ok(vec![]) };
                if plan.loose {
                    return Ok(vec![]);
                }
                let sweep = Some(plan.fused_producers().saturating_add(bytes(&g.fact(*w))));
                let weights = if plan.biased { vec![*w] } else { vec![] };
                let way = Way::Weighted(x, slot, plan.clone());
                vec![Plan { way, fact, biased: false, loose: false, price: plan.price, sweep, weights, leaves: plan.leaves }]
            }
            (_, plans) => {
                let mut parts = vec![];
                let mut start = 0;
                for (k, (y, plan)) in below.iter().zip(plans).enumerate() {
                    let own = g.fact(*y).channels;
                    let channels = matches!(op, Op::Concat(_)).then_some((start, own));
                    start += own;
                    parts.push(Part { channels, negated: k == 1 && matches!(op, Op::Sub(_)), plan: plan.clone() });
                }
                let weighted = plans.iter().all(|p| !p.weights.is_empty());
                let weights: Vec<Value> = plans.iter().filter(|_| weighted).flat_map(|p| p.weights.iter().copied()).collect();
                let biased = plans.iter().any(|p| p.biased) || sums_to_one(g, &weights);
                vec![Plan {
                    way: Way::Sum(x, parts),
                    fact,
                    biased,
                    loose: !biased && plans.iter().any(|p| p.loose),
                    price: plans.iter().fold(Price::default(), |sum, p| sum.plus(p.price)),
                    sweep: Some(plans.iter().map(|p| p.fused_producers()).fold(0, u64::saturating_add)),
                    weights,
                    leaves: plans.iter().map(|p| p.leaves).fold(0, usize::saturating_add),
                }]
            }
        })
    }

    /// Where a resize follows maps of fewer channels: those are resized instead, and mapped after that.
    fn after(&self, resize: Value, out: usize, mut free: bool) -> Result<Vec<Plan>, Fault> {
        let g = self.g;
        let fact = Fact { channels: out, ..g.fact(resize) };
        let (mut all, mut maps) = (vec![], vec![]);
        let Some(mut at) = g.inputs(resize).first().copied() else { return Ok(all) };
        while let (Op::Conv3d(_), true, [below]) = (&g.node(at).op, is_map(&g.node(at).op), g.inputs(at))
            && maps.len() < DEEPEST
        {
            free &= self.sole[at.0];
            maps.push(at);
            at = *below;
            let source = g.fact(at);
            let resized = Fact { channels: source.channels, ..g.fact(resize) };
            let upkeep = if free && self.sole[at.0] { self.upkeep[at.0] } else { Price::default() };
            let price = alone(&pointwise(out, true).into(), &resized)?.plus(upkeep);
            let price = price.moved(bytes(&source).saturating_add(bytes(&resized)));
            all.push(Plan::leaf(Way::After { resize, maps: maps.clone(), source: at }, fact, price));
        }
        Ok(all)
    }
}

/// The values to which a map of this one can be carried through it.
fn ways(g: &Graph<Op>, v: Value) -> Vec<Value> {
    let n = g.node(v);
    let x = g.inputs(v);
    let same = |i: &Value| g.fact(*i).channels == n.fact.channels;
    match (&n.op, x) {
        (op, [x]) if is_map(op) => vec![*x],
        (Op::ScaleShift(_), [x]) | (Op::Resize(_), [x, ..]) => vec![*x],
        (Op::Concat(_), _) => x.to_vec(),
        (Op::Add(_) | Op::Sub(_), _) if x.iter().all(same) => x.to_vec(),
        (Op::Mul(_), [a, b]) => one_channel(g, v).map(|slot| if slot == 0 { *b } else { *a }).into_iter().collect(),
        _ => vec![],
    }
}

/// The slot of a product whose other factor has all channels, when it has but one.
fn one_channel(g: &Graph<Op>, v: Value) -> Option<usize> {
    let [a, b] = g.inputs(v) else { return None };
    match (g.fact(*a).channels, g.fact(*b).channels) {
        (1, _) => Some(0),
        (_, 1) => Some(1),
        _ => None,
    }
}

/// Whether these are all channels of one softmax, each once.
pub fn sums_to_one(g: &Graph<Op>, weights: &[Value]) -> bool {
    let mut seen = vec![];
    let mut of = None;
    for w in weights {
        let (Op::Slice(s), [x]) = (&g.node(*w).op, g.inputs(*w)) else { return false };
        if !matches!(g.node(*x).op, Op::Softmax(_)) || *of.get_or_insert(*x) != *x || seen.contains(&s.start) {
            return false;
        }
        seen.push(s.start);
    }
    of.is_some_and(|x| g.fact(x).channels == seen.len())
}

/// Whether each value has one reader and goes with it. Who takes its size alone can take that of what comes in its place, if it
/// is itself read on the way to that reader only.
fn soles(g: &Graph<Op>, readers: &[Reader]) -> Vec<bool> {
    let mut sole: Vec<bool> = readers.iter().map(|r| matches!(r, Reader::One(_))).collect();
    let leads = |mut at: Value, to: Value| {
        for _ in 0..DEEPEST {
            match readers[at.0] {
                Reader::One(r) if r == to => return true,
                Reader::One(r) => at = r,
                _ => return false,
            }
        }
        false
    };
    for v in g.values() {
        for (_, like) in g.inputs(v).iter().enumerate().filter(|(slot, _)| !g.node(v).op.reads(*slot)) {
            sole[like.0] &= matches!(readers[like.0], Reader::One(r) if leads(v, r));
        }
    }
    sole
}
