//! The operations of a plan, with the expressions of their weights.

use std::collections::HashMap;

use super::super::linear::{followed, list, pointwise, weights, widened};
use super::super::refit::DEEPEST;
use super::super::rewrite::{Made, Source};
use super::super::{Optimised, Refit};
use super::plan::{Plan, Way, sums_to_one};
use crate::ir::Value;
use crate::op::{Add, Linear, Mul, Op};

/// The operations that compute the node `v` as `plan` says; `None` when its weights would be expressions of too great a depth.
pub fn draw(o: &Optimised, v: Value, plan: &Plan) -> Option<Vec<Made>> {
    let g = &o.program.graph;
    let (weight, bias) = weights(o, v);
    let mut d = Drawing { o, root: v, made: vec![], instead: HashMap::new() };
    let flat = matches!(g.node(v).op, Op::Linear(_));
    d.whole(plan, Map { weight, flat }, bias.into_iter().collect())?;
    let deep = d.made.iter().flat_map(|m| &m.weights).any(|(_, r)| r.depth() > DEEPEST);
    (!deep).then_some(d.made)
}

/// A map on its way.
#[derive(Clone)]
struct Map {
    weight: Refit,
    /// The weight is `[out, in]`, that of a linear layer, and not that of a convolution.
    flat: bool,
}

/// One term of a sum: the plan is none that is passed or a sum.
struct Term<'p> {
    plan: &'p Plan,
    map: Map,
    bias: Vec<Refit>,
}

struct Drawing<'a> {
    o: &'a Optimised,
    root: Value,
    made: Vec<Made>,
    /// FlowValues of the same size that stand in the place of others.
    instead: HashMap<Value, Source>,
}

impl Drawing<'_> {
    /// The value of a plan, its bias included.
    fn whole(&mut self, plan: &Plan, map: Map, bias: Vec<Refit>) -> Option<Source> {
        let g = &self.o.program.graph;
        let (mut terms, mut pool) = (vec![], vec![]);
        self.flatten(plan, map, bias, &mut terms, &mut pool);
        if !pool.is_empty() {
            match terms.iter_mut().find(|t| t.plan.biased) {
                Some(t) => t.bias.append(&mut pool),
                None => self.spread(&mut terms, pool)?,
            }
        }
        // Vectors first: what is added among them is never a volume. Last what takes only the size of another.
        terms.sort_by_key(|t| {
            let placed = matches!(t.plan.way, Way::Map(x) if matches!(g.node(x).op, Op::PositionMap(_)));
            (placed, t.plan.fact.size.iter().map(|n| *n as u128).product::<u128>())
        });
        let path = g.node(self.root).path.clone();
        let mut sum: Option<Source> = None;
        for t in terms {
            let y = self.term(t)?;
            sum = Some(match sum {
                None => y,
                Some(s) => self.push(format!("{path}.sum"), Add.into(), vec![s, y], vec![]),
            });
        }
        sum
    }

    /// A bias that is weighted by maps whose sum is 1 may be added to each term before it is weighted.
    fn spread(&self, terms: &mut [Term], pool: Vec<Refit>) -> Option<()> {
        let g = &self.o.program.graph;
        let weight = |t: &Term| match &t.plan.way {
            Way::Weighted(m, slot, inner) if inner.biased => g.inputs(*m).get(*slot).copied(),
            _ => None,
        };
        let softmax = |w: Value| g.inputs(w).first().copied();
        let all: Vec<Option<Value>> = terms.iter().map(weight).collect();
        let of = |root: Option<Value>| all.iter().flatten().copied().filter(move |w| softmax(*w) == root);
        let root = all.iter().flatten().map(|w| softmax(*w)).find(|root| sums_to_one(g, &of(*root).collect::<Vec<_>>()))?;
        for (t, w) in terms.iter_mut().zip(&all) {
            if w.is_some_and(|w| softmax(w) == root) {
                t.bias.extend(pool.iter().cloned());
            }
        }
        Some(())
    }

    /// The terms of a plan; into the pool goes what is to be added to any of them.
    fn flatten<'p>(&self, plan: &'p Plan, map: Map, mut bias: Vec<Refit>, terms: &mut Vec<Term<'p>>, pool: &mut Vec<Refit>) {
        match &plan.way {
            Way::Through(v, inner) => {
                let (map, more) = self.through(*v, map);
                bias.extend(more);
                self.flatten(inner, map, bias, terms, pool);
            }
            Way::Sum(_, parts) => {
                pool.append(&mut bias);
                for p in parts {
                    let mut map = map.clone();
                    if let Some((start, channels)) = p.channels {
                        map.weight = map.weight.slice(start, channels);
                    }
                    if p.negated {
                        map.weight = map.weight.affine(-1.0, 0.0);
                    }
                    self.flatten(&p.plan, map, vec![], terms, pool);
                }
            }
            Way::Weighted(..) => {
                pool.append(&mut bias);
                terms.push(Term { plan, map, bias });
            }
            Way::Map(_) | Way::Into(_) | Way::Before(..) | Way::After { .. } => terms.push(Term { plan, map, bias }),
        }
    }

    /// The map after it has taken in the map, or the fixed scale and shift, that is the node `v`; and the bias that comes of it.
    fn through(&self, v: Value, map: Map) -> (Map, Option<Refit>) {
        let g = &self.o.program.graph;
        if let Op::ScaleShift(s) = &g.node(v).op {
            let shift = Refit::Fill { dims: vec![g.fact(v).channels], value: s.shift };
            let bias = (s.shift != 0.0).then(|| map.weight.clone().times(shift));
            return (Map { weight: map.weight.affine(s.scale, 0.0), ..map }, bias);
        }
        let (weight, bias) = weights(self.o, v);
        let bias = bias.map(|b| map.weight.clone().times(b));
        (Map { weight: map.weight.times(weight), flat: matches!(g.node(v).op, Op::Linear(_)) }, bias)
    }

    fn term(&mut self, t: Term) -> Option<Source> {
        let g = &self.o.program.graph;
        let path = g.node(self.root).path.clone();
        Some(match &t.plan.way {
            Way::Map(x) => {
                let source = self.mapped(*x);
                let y = self.map(path, t.plan.fact.channels, source, t.map, t.bias);
                self.instead.insert(*x, y);
                y
            }
            Way::Into(v) => {
                let (weight, own) = weights(self.o, *v);
                let own = own.map(|b| t.map.weight.clone().times(b));
                let bias = Refit::sum(t.bias.into_iter().chain(own).collect());
                let op = widened(&g.node(*v).op, t.plan.fact.channels, bias.is_some());
                let weight = followed(&op, weight, t.map.weight);
                let y = self.push(path, op, vec![Source::Old(*g.inputs(*v).first()?)], list(weight, bias));
                self.instead.insert(*v, y);
                y
            }
            Way::Before(r, inner) => {
                let y = self.whole(inner, t.map, t.bias)?;
                let y = self.resize(*r, y);
                self.instead.insert(*r, y);
                y
            }
            Way::After { resize, maps, source } => {
                let resized = self.resize(*resize, Source::Old(*source));
                let (mut map, mut bias) = (t.map, t.bias);
                for m in maps {
                    let (next, more) = self.through(*m, map);
                    map = next;
                    bias.extend(more);
                }
                let y = self.map(path, t.plan.fact.channels, resized, map, bias);
                self.instead.insert(*resize, y);
                y
            }
            Way::Weighted(m, slot, inner) => {
                let y = self.whole(inner, t.map, t.bias)?;
                let mut inputs: Vec<Source> = g.inputs(*m).iter().map(|i| Source::Old(*i)).collect();
                *inputs.get_mut(1 - *slot)? = y;
                self.push(g.node(*m).path.clone(), Mul.into(), inputs, vec![])
            }
            Way::Through(..) | Way::Sum(..) => unreachable!("terms are what remains when these have been flattened"),
        })
    }

    fn map(&mut self, path: String, out: usize, source: Source, map: Map, bias: Vec<Refit>) -> Source {
        let bias = Refit::sum(bias);
        let has = bias.is_some();
        let op = if map.flat { Linear { out, bias: has }.into() } else { pointwise(out, has).into() };
        self.push(path, op, vec![source], list(map.weight, bias))
    }

    /// The value that is mapped. A map of positions whose size is that of a value that goes takes it from what came instead.
    fn mapped(&mut self, x: Value) -> Source {
        let n = self.o.program.graph.node(x);
        match (&n.op, n.inputs.as_slice()) {
            (Op::PositionMap(_), [anchors, like]) if self.instead.contains_key(like) => {
                let inputs = vec![Source::Old(*anchors), self.sized(*like)];
                self.push(n.path.clone(), n.op.clone(), inputs, vec![])
            }
            _ => Source::Old(x),
        }
    }

    fn resize(&mut self, r: Value, y: Source) -> Source {
        let n = self.o.program.graph.node(r);
        let like = n.inputs.get(1).map(|like| self.sized(*like));
        self.push(n.path.clone(), n.op.clone(), std::iter::once(y).chain(like).collect(), vec![])
    }

    fn sized(&self, like: Value) -> Source {
        self.instead.get(&like).copied().unwrap_or(Source::Old(like))
    }

    fn push(&mut self, path: String, op: Op, inputs: Vec<Source>, weights: Vec<(&'static str, Refit)>) -> Source {
        self.made.push(Made { path, op, inputs, weights });
        Source::New(self.made.len() - 1)
    }
}
