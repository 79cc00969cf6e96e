//! A map of the channels (a pointwise convolution, a linear layer) is carried towards where its input comes from: through sums,
//! concatenations, resizes, fixed scales and maps of one channel, and into linear operations before it. So
//! `W concat(a, b) = W_a a + W_b b`, `W (V x + b) = (W V) x + W b`, `W resize(x) = resize(W x)` (the weights of an interpolation
//! sum to 1, so a bias passes as well), and `W (m * x) = m * (W x)` for one channel `m`.
//!
//! What is best for each map is found by price: fewer multiply-accumulates, never more bytes. An operation on the way that has
//! other readers stays for them, and its price does not count as saved.

mod draw;
mod plan;

use std::collections::HashMap;

use super::rewrite::{Change, Made, rewrite};
use super::{Optimised, common, dead, price, shrinks};
use crate::ir::{Fault, Value};
use plan::Plans;

/// Maps that have been carried may be carried on once others are: two or three rounds are usual.
const ROUNDS: usize = 8;

pub fn run(mut o: Optimised) -> Result<Optimised, Fault> {
    for _ in 0..ROUNDS {
        // Once a map has lost its other readers, the resize that is left may come before it.
        o = shrinks::run(o)?;
        let Some(next) = round(&o)? else { break };
        o = common::run(next)?;
    }
    Ok(o)
}

/// Carries each map as far as is cheaper as the graph stands; `None` when none is.
fn round(o: &Optimised) -> Result<Option<Optimised>, Fault> {
    let g = &o.program.graph;
    let mut plans = Plans::new(g)?;
    let mut builds = vec![];
    let mut gone = vec![false; g.len()];
    // The last first: what is carried through another map leaves nothing to do for that one.
    for v in (0..g.len()).rev().map(Value) {
        if !gone[v.0]
            && let Some(plan) = plans.better(v)?
            && let Some(made) = draw::draw(o, v, &plan)
        {
            plans.mark(&plan, &mut gone);
            builds.push((v, made));
        }
    }
    let before = price::total(g)?;
    // Each is cheaper alone, and as a rule they are so together. Where not, fewer are tried.
    while !builds.is_empty() {
        let mut changes: HashMap<Value, Vec<Made>> = builds.iter().cloned().collect();
        let next = dead::run(rewrite(o, |v| changes.remove(&v).map_or(Change::Keep, Change::Build))?)?;
        let after = price::total(&next.program.graph)?;
        if after.macs < before.macs && after.bytes <= before.bytes {
            return Ok(Some(next));
        }
        builds.truncate(builds.len() / 2);
    }
    Ok(None)
}
