//! What is sound but rarely meant. Each lint has a code; `lints: { "W0302": allow }` in a file allows, warns or denies it.

use std::collections::{HashMap, HashSet};

use super::program::{Program, Row};
use crate::block::{Block, MultiPathGate};
use crate::ir::{Operator, Value};
use crate::op::Op;
use crate::read::{self, GraphText, Kind, NodeText, OutputText, Tree};
use crate::text::{Code, Diagnostic, Diagnostics, Severity, many, suggestion, thousands};

/// Lints, with the level they have when the file says nothing.
const LINTS: &[Code] = &[
    Code::E0206,
    Code::W0101,
    Code::W0102,
    Code::W0103,
    Code::W0104,
    Code::W0105,
    Code::W0204,
    Code::W0301,
    Code::W0302,
    Code::W0501,
    Code::W0502,
];

/// Those that are found while the graph is read and wired.
pub const WIRED: &[Code] = &[Code::W0102, Code::W0103, Code::W0104, Code::W0105];

/// A node holds most of the activations from this share on.
const MOST: f64 = 2.0 / 3.0;

/// Multiply-accumulates of a day, at 50 billion a second.
const DAY: u64 = 50_000_000_000 * 60 * 60 * 24;

/// That each lint which the file names is one.
pub fn names(text: &GraphText, found: &mut Diagnostics) {
    for (name, place, _) in &text.lints {
        if !LINTS.iter().any(|l| l.name() == name) {
            let d = Diagnostic::error(Code::E0107, format!("there is no lint `{name}`")).at(place.clone(), "here");
            found.push(d.help(suggestion(name, LINTS.iter().map(|l| l.name()), "lints")));
        }
    }
}

/// Everything that the lints find, at the levels that the file asks for.
pub fn lint(program: &Program, text: &GraphText) -> Diagnostics {
    let mut found = Diagnostics::default();
    let mut raised: Vec<Diagnostic> = program.warnings.0.iter().filter(|d| WIRED.contains(&d.code)).cloned().collect();
    unused(text, &mut raised);
    gates(program, &mut raised);
    norms(program, &mut raised);
    dominated(program, &mut raised);
    attention(program, &mut raised);
    let levels: HashMap<&str, &str> = text.lints.iter().map(|(n, _, level)| (n.as_str(), level.as_str())).collect();
    for mut d in raised {
        let level = levels.get(d.code.name()).copied().unwrap_or("warn");
        if level == "deny" {
            d.severity = Severity::Error;
        }
        if level != "allow" {
            found.push(d);
        }
    }
    found.dedup();
    found
}

/// W0101: parameters that no expression names.
fn unused(text: &GraphText, raised: &mut Vec<Diagnostic>) {
    let mut used: HashSet<&str> = HashSet::new();
    text.params.iter().for_each(|p| gather(&p.value, &mut used));
    for i in &text.inputs {
        i.channels.iter().for_each(|c| gather(c, &mut used));
        i.size.iter().for_each(|s| gather(s, &mut used));
    }
    gather_nodes(&text.nodes, &mut used);
    gather_outputs(&text.outputs, &mut used);
    for c in &text.blocks {
        gather_nodes(&c.nodes, &mut used);
        c.params.iter().for_each(|p| gather(&p.value, &mut used));
        gather_outputs(&c.outputs, &mut used);
    }
    for p in text.params.iter().filter(|p| !used.contains(p.name.as_str())) {
        let d = Diagnostic::warning(Code::W0101, format!("the parameter `{}` is not used", p.name)).at(p.place.clone(), "declared here");
        raised.push(d.help("use it in an expression, or remove it"));
    }
    for c in &text.blocks {
        let mut own: HashSet<&str> = HashSet::new();
        gather_nodes(&c.nodes, &mut own);
        c.params.iter().for_each(|p| gather(&p.value, &mut own));
        gather_outputs(&c.outputs, &mut own);
        for p in c.params.iter().filter(|p| !own.contains(p.name.as_str())) {
            let d = Diagnostic::warning(Code::W0101, format!("the parameter `{}` of `{}` is not used", p.name, c.name))
                .at(p.place.clone(), "declared here");
            raised.push(d.help("use it in the composite, or remove it"));
        }
    }
}

fn gather_outputs<'t>(outputs: &'t [OutputText], used: &mut HashSet<&'t str>) {
    outputs.iter().flat_map(|o| &o.from).for_each(|r| used.extend(read::names(&r.text)));
}

fn gather_nodes<'t>(nodes: &'t [NodeText], used: &mut HashSet<&'t str>) {
    for n in nodes {
        // The name of a repeated node may hold expressions.
        if n.id.contains('{') {
            used.extend(read::names(&n.id));
        }
        // A parameter may be the block.
        used.insert(&n.block);
        n.entries.iter().for_each(|e| gather(&e.value, used));
    }
}

fn gather<'t>(tree: &'t Tree, used: &mut HashSet<&'t str>) {
    match &tree.kind {
        Kind::Str(s) => used.extend(read::names(s)),
        Kind::List(items) | Kind::Tuple(_, items) => items.iter().for_each(|t| gather(t, used)),
        Kind::Struct(_, e) | Kind::Map(e) => e.iter().for_each(|e| gather(&e.value, used)),
        _ => {}
    }
}

/// W0204: gates that have nothing to choose between.
fn gates(program: &Program, raised: &mut Vec<Diagnostic>) {
    let g = &program.graph;
    for row in program.rows.iter().filter(|r| r.block == MultiPathGate::NAME) {
        let paths = row.values.clone().map(Value).find(|v| matches!(g.node(*v).op, Op::Softmax(_))).map(|v| g.fact(v).channels);
        if paths == Some(1) {
            let d = Diagnostic::warning(Code::W0204, format!("the gate `{}` has one path, whose weight is always 1", row.path));
            raised.push(d.at(row.place.clone(), "this node").help("connect a second path, or use `Activation` instead"));
        }
    }
}

/// W0301 and W0302: norms that undo what stands before them.
fn norms(program: &Program, raised: &mut Vec<Diagnostic>) {
    let g = &program.graph;
    for v in g.values() {
        let channels = g.fact(v).channels;
        match &g.node(v).op {
            Op::GroupNorm(norm) if norm.groups == channels && channels > 1 && !norm.instance => {
                let message = format!(
                    "the norm `{}` has {channels} groups for {channels} channels: each channel is normalised by itself",
                    g.node(v).path
                );
                raised.push(
                    at(program, v, Diagnostic::warning(Code::W0301, message))
                        .help("that is instance normalisation; if it is meant, write `norm: instance`, else use fewer groups"),
                );
            }
            Op::GroupNorm(_) | Op::BatchNorm(_) => {}
            _ => continue,
        }
        let Some(&x) = g.inputs(v).first() else { continue };
        let biased = match &g.node(x).op {
            Op::Conv3d(c) => c.bias,
            Op::ConvTranspose3d(c) => c.bias,
            _ => false,
        };
        if biased {
            let message =
                format!("the bias of `{}` is followed by the norm `{}`, which takes most of it away again", g.node(x).path, g.node(v).path);
            raised.push(
                at(program, x, Diagnostic::warning(Code::W0302, message))
                    .help("set `bias: false` if the block has that field, or allow the lint where the bias is meant"),
            );
        }
    }
}

/// W0501: one node whose values are most of the memory.
fn dominated(program: &Program, raised: &mut Vec<Diagnostic>) {
    let bytes = |r: std::ops::Range<usize>| program.cost(r).map_or(0, |c| c.written);
    let total = bytes(0..program.graph.len());
    let rows: Vec<_> = program.rows.iter().filter(|r| r.depth == 0).collect();
    for row in rows.iter().filter(|_| rows.len() > 3) {
        let share = bytes(row.values.clone()) as f64 / total.max(1) as f64;
        if share > MOST {
            let message = format!("`{}` holds {:.0}% of all activations", row.path, 100.0 * share);
            raised.push(
                Diagnostic::warning(Code::W0501, message)
                    .at(row.place.clone(), "this node")
                    .help("`lmsc stats --depth 2` shows which of its parts; narrower or coarser features there save most"),
            );
        }
    }
}

/// W0502: attention between so many voxels that no machine does it.
fn attention(program: &Program, raised: &mut Vec<Diagnostic>) {
    let g = &program.graph;
    let all: Vec<(Value, u64)> =
        g.values().filter(|v| matches!(g.node(*v).op, Op::Attention(_))).map(|v| (v, g.cost(v).map_or(u64::MAX, |c| c.macs))).collect();
    let total = all.iter().fold(0u64, |sum, (_, macs)| sum.saturating_add(*macs));
    let Some((v, _)) = all.iter().max_by_key(|(v, macs)| (*macs, std::cmp::Reverse(*v))).filter(|_| total > DAY) else { return };
    let voxels = g.fact(*v).size.iter().fold(1u64, |n, a| n.saturating_mul(*a as u64));
    let message = format!("attention takes {} multiply-accumulates in one pass, here between {}", thousands(total), many(voxels, "voxel"));
    let d = Diagnostic::warning(Code::W0502, message);
    let d = innermost(program, *v).map_or(d.clone(), |r| d.at(r.place.clone(), "this node"));
    raised.push(d.help("that is more than a day on a processor; give it a `window`, or let it work at a coarser size"));
}

/// The innermost node that an operation belongs to.
fn innermost(program: &Program, v: Value) -> Option<&Row> {
    // Rows begin one after the other, each before those inside it.
    let begun = program.rows.partition_point(|r| r.values.start <= v.0);
    program.rows.iter().take(begun).rev().find(|r| r.values.contains(&v.0))
}

/// The innermost node that an operation belongs to, as the place of a diagnostic.
fn at(program: &Program, v: Value, d: Diagnostic) -> Diagnostic {
    match innermost(program, v) {
        Some(r) => d.at(r.place.clone(), format!("in `{}` ({}), a {}", r.path, r.block, program.graph.node(v).op.kind())),
        None => d,
    }
}
