//! Why sizes must be multiples: the nodes along the deepest way through the network at which an axis shrinks.

use super::program::Program;
use crate::ir::Fact;
use crate::text::several;

/// So many nodes are named.
const NAMED: usize = 12;

/// For depth, height and width the top-level nodes that make the axis smaller, from the input down.
pub fn shrinking(program: &Program) -> [Vec<String>; 3] {
    std::array::from_fn(|axis| deepest(program, axis))
}

fn deepest(program: &Program, axis: usize) -> Vec<String> {
    let g = &program.graph;
    let mut owners: Vec<Option<&str>> = vec![None; g.len()];
    for r in program.rows.iter().filter(|r| r.depth == 0) {
        owners.get_mut(r.values.clone()).unwrap_or_default().fill(Some(&r.path));
    }
    // A vector has no size any more; what made it one does not count as shrinking.
    let sized = |f: &Fact| !f.is_vector();
    let Some(bottom) = g.values().filter(|v| sized(&g.fact(*v))).min_by_key(|v| (g.fact(*v).size[axis], v.0)) else { return vec![] };
    let mut at = bottom;
    let mut nodes: Vec<String> = vec![];
    while let Some(from) = g.inputs(at).iter().copied().filter(|i| sized(&g.fact(*i))).min_by_key(|i| (g.fact(*i).size[axis], i.0)) {
        if g.fact(from).size[axis] > g.fact(at).size[axis]
            && let Some(name) = owners[at.0]
            && nodes.last().is_none_or(|last| last != name)
        {
            nodes.push(name.to_owned());
        }
        at = from;
    }
    nodes.reverse();
    nodes
}

/// `D, H and W are multiples of 16, because stem, pool1, pool2 and pool3 make them smaller`
pub fn sentence(program: &Program) -> String {
    let (multiple, flat) = (program.multiple(), program.flat());
    if multiple == [1; 3] {
        return if flat { "any height and width" } else { "any depth, height and width" }.into();
    }
    if let Some(only) = one_size(program, multiple) {
        return only;
    }
    let reasons = shrinking(program);
    // The axes that it has.
    let first = usize::from(flat);
    let same = (first..2).all(|a| multiple[a] == multiple[2] && reasons[a] == reasons[2]);
    if same {
        let axes = if flat { "H and W" } else { "D, H and W" };
        return format!("{axes} are multiples of {}{}", multiple[2], because(&reasons[2], "them"));
    }
    let each = ["D", "H", "W"].iter().zip(multiple).zip(&reasons).filter(|((_, m), _)| *m > 1);
    each.map(|((n, m), r)| format!("{n} is a multiple of {m}{}", because(r, "it"))).collect::<Vec<_>>().join("; ")
}

/// That a network takes its own size alone, where something in it was learned for that.
fn one_size(program: &Program, multiple: [usize; 3]) -> Option<String> {
    let size = program.graph.fact(program.inputs.first()?.1).size;
    if multiple != size {
        return None;
    }
    let [d, h, w] = size;
    let twice = [if program.flat() { d } else { d.saturating_mul(2) }, h.saturating_mul(2), w.saturating_mul(2)];
    let (v, fault) = program.graph.infer_at(&program.inputs_at(1, twice)).err()?;
    Some(format!("{d}x{h}x{w} alone, because of {}: {}", program.graph.node(v).path, fault.message))
}

fn because(nodes: &[String], what: &str) -> String {
    match nodes {
        [] => String::new(),
        [one] => format!(", because {one} makes {what} smaller"),
        many if many.len() > NAMED => {
            let (first, more) = (many[..NAMED].join(", "), many.len() - NAMED);
            format!(", because {first} and {} make {what} smaller", several(more, "further node"))
        }
        [first @ .., last] => format!(", because {} and {last} make {what} smaller", first.join(", ")),
    }
}
