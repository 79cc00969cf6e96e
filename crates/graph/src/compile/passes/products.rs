//! A map of the channels that only a dense convolution reads goes into that one's weights, where it has no bias, or where the
//! convolution adds no zeros at the border: `w * (V x) = (w V) * x`. Where that takes fewer multiply-accumulates and no more
//! bytes. (A map after a convolution is carried into it by `carry`.)

use super::linear::{is_dense, is_map, list, weights, widened};
use super::price::{Reader, alone, readers};
use super::refit::DEEPEST;
use super::rewrite::{Change, Made, Source, again, rewrite};
use super::{Optimised, Refit, dead};
use crate::ir::{Fault, Triple, Value};
use crate::op::Op;

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    again(o, round)
}

fn round(o: &Optimised) -> Result<Option<Optimised>, Fault> {
    let g = &o.program.graph;
    let readers = readers(g);
    let mut wanted = vec![0; g.len()];
    g.values().for_each(|v| g.inputs(v).iter().for_each(|i| wanted[i.0] += 1));
    let mut builds = vec![None; g.len()];
    for v in g.values() {
        let (op, [m]) = (&g.node(v).op, g.inputs(v)) else { continue };
        let [x] = g.inputs(*m) else { continue };
        let sole = readers[m.0] == Reader::One(v) && wanted[m.0] == 1;
        if !(is_dense(op) && is_map(&g.node(*m).op) && sole) {
            continue;
        }
        let ((weight, bias), (map, between)) = (weights(o, v), weights(o, *m));
        let padded = !matches!(op, Op::Conv3d(c) if c.padding == Triple::all(0));
        if between.is_some() && padded {
            continue;
        }
        let has = bias.is_some() || between.is_some();
        let one = widened(op, g.fact(v).channels, has);
        let (wide, narrow) = (g.fact(*x), g.fact(*m));
        let before = alone(&g.node(*m).op, &wide)?.plus(alone(op, &narrow)?);
        let after = alone(&one, &wide)?;
        if !(after.macs < before.macs && after.bytes <= before.bytes) {
            continue;
        }
        let bias = bias.into_iter().chain(between.map(|b| Refit::Taps(Box::new(weight.clone())).times(b)));
        let bias = Refit::sum(bias.collect());
        let weight = match op {
            Op::ConvTranspose3d(_) => Refit::Transposed(Box::new(map)).times(weight),
            _ => weight.inner(map),
        };
        if weight.depth() > DEEPEST || bias.as_ref().is_some_and(|b| b.depth() > DEEPEST) {
            continue;
        }
        let weights = list(weight, bias);
        builds[v.0] = Some(vec![Made { path: g.node(v).path.clone(), op: one, inputs: vec![Source::Old(*x)], weights }]);
    }
    if builds.iter().all(Option::is_none) {
        return Ok(None);
    }
    dead::run(rewrite(o, |v: Value| builds[v.0].take().map_or(Change::Keep, Change::Build))?).map(Some)
}
