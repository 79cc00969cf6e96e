//! The one pass before a target: an operation for which the target has no kernel becomes the operations that it stands for
//! ([`Operator::expand`]), until all have one. Its weights are still the operation's own: what the new operations hold are views of them.

use super::rewrite::{Change, Made, Source, again, rewrite};
use super::{Optimised, Refit};
use crate::ir::{Expanded, Fact, Fault, Operator, Value};
use crate::op::Op;
use crate::text::Code;

/// Expands what has no kernel.
///
/// # Errors
/// E0302 for an operation that has neither a kernel nor an expansion.
pub fn legalise(o: Optimised, has_kernel: fn(&Op) -> bool) -> Result<Optimised, Fault> {
    let o = expand(o, &|op, _| has_kernel(op))?;
    let g = &o.program.graph;
    match g.values().find(|v| !has_kernel(&g.node(*v).op)) {
        None => Ok(o),
        Some(v) => Err(Fault::new(Code::E0302, format!("nothing runs `{}` ({})", g.node(v).path, g.node(v).op.kind()))
            .help("an operation of your own gives `expand`, the operations that it stands for")),
    }
}

/// Expands what a target has no kernel for, given an operation and the facts of its inputs; what has no expansion either is left as it is.
///
/// # Errors
/// A fault when an expansion does not fit its operation.
pub fn expand(o: Optimised, has_kernel: &dyn Fn(&Op, &[Fact]) -> bool) -> Result<Optimised, Fault> {
    again(o, |o| round(o, has_kernel))
}

fn round(o: &Optimised, has_kernel: &dyn Fn(&Op, &[Fact]) -> bool) -> Result<Option<Optimised>, Fault> {
    let g = &o.program.graph;
    let lacks = |v: Value| !has_kernel(&g.node(v).op, &g.input_facts(v));
    if !g.values().any(|v| lacks(v) && g.node(v).op.expand(&g.input_facts(v)).is_some()) {
        return Ok(None);
    }
    rewrite(o, |v| if lacks(v) { expanded(o, v).unwrap_or(Change::Keep) } else { Change::Keep }).map(Some)
}

fn expanded(o: &Optimised, v: Value) -> Option<Change> {
    let g = &o.program.graph;
    let n = g.node(v);
    let owner = &g.node(n.shares.unwrap_or(v)).path;
    let expansion = n.op.expand(&g.input_facts(v))?;
    let input = |i: usize| n.inputs.get(i).copied();
    if let Expanded::Input(i) = expansion.output {
        return input(i).map(Change::Same);
    }
    let source = |e: &Expanded| match e {
        Expanded::Input(i) => input(*i).map(Source::Old),
        Expanded::Node(k) => Some(Source::New(*k)),
    };
    let last = expansion.nodes.len().checked_sub(1);
    let made = expansion.nodes.into_iter().enumerate().map(|(k, node)| {
        let weights = node.weights.into_iter().map(|(name, view)| {
            let of = o.refits.of(&format!("{owner}.{}", view.of));
            (name, Refit::View { of: Box::new(of), start: view.start, rows: view.rows, dims: view.dims })
        });
        Some(Made {
            // The last stands in the place of the operation.
            path: if Some(k) == last { n.path.clone() } else { format!("{}.{}", n.path, node.name) },
            op: Op::from(node.op),
            inputs: node.inputs.iter().map(source).collect::<Option<_>>()?,
            weights: weights.collect(),
        })
    });
    Some(Change::Build(made.collect::<Option<Vec<Made>>>()?))
}
