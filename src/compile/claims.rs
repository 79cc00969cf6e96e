//! Claims: what a graph's file says of its costs, counted again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::program::{Program, compile};
use crate::read::{Claim, Figure, Quantity};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, printable, suggestion, thousands};

/// Checks every claim of a graph's file; gives how many figures were checked.
///
/// # Errors
/// E0502 for each that does not hold, with what each node counts; whatever keeps a graph with the claim's `set` from compiling.
pub fn verify(source: &Arc<Source>, program: &Program) -> Result<usize> {
    let mut found = Diagnostics::default();
    let mut compiled: HashMap<String, Arc<Program>> = HashMap::new();
    let mut checked = 0;
    for claim in &program.claims {
        let changes: Vec<String> = claim.set.iter().map(|s| format!("{}={}", s.path, s.value)).collect();
        let key = format!("{changes:?} {:?}", claim.at);
        let program = match compiled.get(&key) {
            Some(p) => p.clone(),
            None if claim.set.is_empty() && claim.at.is_none() => Arc::new(program.clone()),
            None => match found.keep(compile(source, &claim.set, claim.at)) {
                Some(p) => Arc::new(p),
                None => continue,
            },
        };
        compiled.insert(key, program.clone());
        let Some(range) = found.keep(range_of(&program, claim)) else { continue };
        for (quantity, figure, place) in &claim.figures {
            checked += 1;
            let count = count(&program, *quantity, range.clone());
            if !figure.holds(count) {
                found.push(broken(&program, claim, *quantity, figure, place, count, &changes));
            }
        }
    }
    found.or(checked)
}

fn range_of(program: &Program, claim: &Claim) -> std::result::Result<Range<usize>, Diagnostic> {
    let Some((node, place)) = &claim.node else { return Ok(0..program.graph.len()) };
    let row = program.rows.iter().find(|r| r.path == *node);
    row.map(|r| r.values.clone()).ok_or_else(|| {
        let help = suggestion(node, program.rows.iter().map(|r| r.path.as_str()), "nodes");
        Diagnostic::error(Code::E0202, format!("there is no node `{}`", printable(node))).at(place.clone(), "claimed of it here").help(help)
    })
}

fn count(program: &Program, quantity: Quantity, range: Range<usize>) -> u64 {
    let cost = program.cost(range).unwrap_or_default();
    match quantity {
        Quantity::Params => cost.params,
        Quantity::Macs => cost.macs,
        Quantity::Flops => cost.flops(),
        Quantity::Fvcore => cost.fvcore(),
    }
}

fn broken(
    program: &Program,
    claim: &Claim,
    quantity: Quantity,
    figure: &Figure,
    place: &Place,
    count: u64,
    changes: &[String],
) -> Diagnostic {
    let of = claim.node.as_ref().map_or(String::new(), |(n, _)| format!(" in `{n}`"));
    let with = if changes.is_empty() { String::new() } else { format!(" with {}", changes.join(", ")) };
    let difference = count as f64 - figure.value;
    let message = format!("{} {}{of}{with} are claimed, but it has {}", figure.text, quantity.title(), thousands(count));
    let label = format!(
        "{}{}, {:+.2}%",
        if difference < 0.0 { "-" } else { "+" },
        thousands(difference.abs() as u64),
        100.0 * difference / figure.value.max(1.0)
    );
    let d = Diagnostic::error(Code::E0502, message).at(place.clone(), label);
    let d = d.help(format!("it counts{}", table(program, claim, quantity)));
    d.help("change the graph or the claim; a figure as printed, \"0.48M\", holds within its digits")
}

/// What each node counts, with what is claimed of that node beside it.
fn table(program: &Program, claim: &Claim, quantity: Quantity) -> String {
    let inside = claim.node.as_ref().map(|(n, _)| n.as_str());
    let depth = inside.map_or(0, |n| program.rows.iter().find(|r| r.path == n).map_or(0, |r| r.depth + 1));
    let rows = program.rows.iter().filter(|r| r.depth == depth && inside.is_none_or(|n| r.path.starts_with(&format!("{n}."))));
    let counted: Vec<(&str, u64)> =
        rows.map(|r| (r.path.as_str(), count(program, quantity, r.values.clone()))).filter(|(_, c)| *c > 0).collect();
    let width = counted.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
    let digits = counted.iter().map(|(_, c)| thousands(*c).len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, c) in counted {
        let claimed =
            program.claims.iter().filter(|o| o.set.is_empty() && o.at == claim.at && o.node.as_ref().is_some_and(|(n, _)| n == name));
        let figure = claimed.flat_map(|o| &o.figures).find(|(q, ..)| *q == quantity).map(|(_, f, _)| f);
        let beside = match figure {
            Some(f) if f.holds(c) => "  as claimed".to_owned(),
            Some(f) => format!("  {} claimed", f.text),
            None => String::new(),
        };
        text.push_str(&format!("\n  {name:width$}  {:>digits$}{beside}", thousands(c)));
    }
    text
}
