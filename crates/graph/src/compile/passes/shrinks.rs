//! A map of the channels whose result is only resized to fewer voxels, or only averaged, comes after that: interpolation and
//! averaging have weights that sum to 1, so they commute with a map and its bias. Where that takes fewer multiply-accumulates and
//! no more bytes.

use super::linear::{is_map, list, weights, widened};
use super::price::{Price, alone, bytes, read};
use super::rewrite::{Change, Made, Source, again, rewrite};
use super::{Optimised, dead};
use crate::ir::{Fact, Fault, Value};
use crate::op::Op;

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    again(o, round)
}

fn round(o: &Optimised) -> Result<Option<Optimised>, Fault> {
    let g = &o.program.graph;
    let mut readers: Vec<Vec<Value>> = vec![vec![]; g.len()];
    // What is wanted for itself, or for its size.
    let mut wanted = vec![false; g.len()];
    g.outputs.iter().for_each(|(_, v)| wanted[v.0] = true);
    for v in g.values() {
        read(g, v).for_each(|i| readers[i.0].push(v));
        g.inputs(v).iter().filter(|i| !read(g, v).any(|r| r == **i)).for_each(|like| wanted[like.0] = true);
    }
    let mut builds = vec![None; g.len()];
    for v in g.values() {
        let (op, [x]) = (&g.node(v).op, g.inputs(v)) else { continue };
        let shrinks = |r: &Value| matches!(g.node(*r).op, Op::Resize(_) | Op::GlobalAvgPool(_));
        // One map at a time: that which is taken from its place stands in another only in the next round.
        let free = !wanted[v.0] && builds[x.0].is_none() && !readers[v.0].is_empty() && readers[v.0].iter().all(shrinks);
        // A linear layer's result is a vector: there is nothing to shrink.
        if !(free && is_map(op) && matches!(op, Op::Conv3d(_))) {
            continue;
        }
        let (wide, narrow) = (g.fact(*x), g.fact(v));
        let step = |r: &Value, from: &Fact| bytes(from).saturating_add(bytes(&Fact { channels: from.channels, ..g.fact(*r) }));
        let mut before = alone(op, &wide)?;
        let mut after = Price::default();
        for r in &readers[v.0] {
            before = before.moved(step(r, &narrow));
            after = after.moved(step(r, &wide)).plus(alone(op, &Fact { channels: wide.channels, ..g.fact(*r) })?);
        }
        if !(after.macs < before.macs && after.bytes <= before.bytes) {
            continue;
        }
        let (weight, bias) = weights(o, v);
        for r in &readers[v.0] {
            let like = g.inputs(*r).get(1).map(|like| Source::Old(*like));
            let shrunk = Made {
                path: g.node(*r).path.clone(),
                op: g.node(*r).op.clone(),
                inputs: std::iter::once(Source::Old(*x)).chain(like).collect(),
                weights: vec![],
            };
            let op = widened(op, g.fact(v).channels, bias.is_some());
            let weights = list(weight.clone(), bias.clone());
            builds[r.0] = Some(vec![shrunk, Made { path: g.node(v).path.clone(), op, inputs: vec![Source::New(0)], weights }]);
        }
    }
    if builds.iter().all(Option::is_none) {
        return Ok(None);
    }
    dead::run(rewrite(o, |v| builds[v.0].take().map_or(Change::Keep, Change::Build))?).map(Some)
}
