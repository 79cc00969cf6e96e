//! Claims: what a graph's file says of its costs, counted again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::program::{Program, Row, TOLD, claimed};
use crate::ir::Cost;
use crate::read::{Claim, Figure, Quantity};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, printable, suggestion, thousands};

/// Claims may be at so many different settings: the graph is compiled for each.
const SETTINGS: usize = 64;

/// A table of what each node counts has the largest so many.
const TABLE: usize = 40;

/// Checks every claim of a graph's file; gives how many figures were checked.
///
/// # Errors
/// E0502 for each that does not hold, with what each node counts; whatever keeps a graph with the claim's `set` from compiling;
/// E0501 for claims at more than 64 settings.
pub fn verify(source: &Arc<Source>, program: &Program) -> Result<usize> {
    // Those of one setting together, so that one program is held at a time.
    let mut settings: Vec<Vec<usize>> = vec![];
    let mut known: HashMap<String, usize> = HashMap::new();
    for (i, claim) in program.claims.iter().enumerate() {
        let k = *known.entry(format!("{:?} {:?}", changes(claim), claim.at)).or_insert(settings.len());
        match settings.get_mut(k) {
            Some(setting) => setting.push(i),
            None => settings.push(vec![i]),
        }
    }
    let mut checked = 0;
    let mut told: Vec<(usize, Diagnostics)> = vec![];
    for (k, setting) in settings.into_iter().enumerate() {
        let first = &program.claims[setting[0]];
        if k == SETTINGS {
            let d = Diagnostic::error(Code::E0501, format!("the claims are at more than {SETTINGS} different settings"))
                .at(first.place.clone(), "the limit is reached here")
                .help("claim at fewer `set`s and `at`s, or in graphs of their own");
            told.push((setting[0], d.into()));
            break;
        }
        let other = match (first.set.is_empty(), first.at) {
            (true, None) => None,
            (_, at) => match claimed(source, &first.set, at) {
                Ok(p) => Some(p),
                Err(found) => {
                    told.push((setting[0], found));
                    continue;
                }
            },
        };
        let at = Setting::new(other.as_ref().unwrap_or(program));
        let mut costs: HashMap<Vec<Range<usize>>, Cost> = HashMap::new();
        for i in setting {
            let claim = &program.claims[i];
            let ranges = match at.ranges(claim) {
                Ok(ranges) => ranges,
                Err(d) => {
                    told.push((i, d.into()));
                    continue;
                }
            };
            let cost = *costs.entry(ranges.clone()).or_insert_with(|| {
                let all = ranges.into_iter().map(|r| at.program.cost(r)).try_fold(Cost::default(), |sum, c| sum.plus(c?));
                all.unwrap_or_default()
            });
            for (quantity, figure, place) in &claim.figures {
                checked += 1;
                let count = quantity_of(&cost, *quantity);
                if !figure.holds(count) && told.len() < TOLD {
                    told.push((i, broken(at.program, claim, *quantity, figure, place, count).into()));
                }
            }
        }
    }
    told.sort_by_key(|(i, _)| *i);
    Diagnostics(told.into_iter().flat_map(|(_, found)| found.0).collect()).or(checked)
}

fn changes(claim: &Claim) -> Vec<String> {
    claim.set.iter().map(|s| format!("{}={}", s.path, s.value)).collect()
}

/// A program with its nodes by path.
struct Setting<'p> {
    program: &'p Program,
    rows: HashMap<&'p str, &'p Row>,
}

impl<'p> Setting<'p> {
    fn new(program: &'p Program) -> Self {
        Self { program, rows: program.rows.iter().map(|r| (r.path.as_str(), r)).collect() }
    }

    /// The operations that a claim speaks of: those of the graph, of a node, or of all turns of an entry, `enc{i}`.
    fn ranges(&self, claim: &Claim) -> std::result::Result<Vec<Range<usize>>, Diagnostic> {
        let Some((node, place)) = &claim.node else { return Ok(std::iter::once(0..self.program.graph.len()).collect()) };
        if let Some(row) = self.rows.get(node.as_str()) {
            return Ok(vec![row.values.clone()]);
        }
        let (parent, entry) = node.rsplit_once('.').filter(|(p, _)| !p.contains('{')).unwrap_or(("", node.as_str()));
        let written = |r: &Row| r.place.source.text.get(r.place.span.start..r.place.span.end).map(|t| t.trim_matches('"')) == Some(entry);
        let inside = |r: &Row| r.path.rsplit_once('.').map_or("", |(p, _)| p) == parent;
        let turns = self.program.rows.iter().filter(|r| entry.contains('{') && inside(r) && written(r));
        let ranges: Vec<Range<usize>> = turns.map(|r| r.values.clone()).collect();
        if !ranges.is_empty() {
            return Ok(ranges);
        }
        let help = suggestion(node, self.program.rows.iter().map(|r| r.path.as_str()), "nodes");
        Err(Diagnostic::error(Code::E0202, format!("there is no node `{}`", printable(node)))
            .at(place.clone(), "claimed of it here")
            .help(help))
    }
}

fn count(program: &Program, quantity: Quantity, range: Range<usize>) -> u64 {
    quantity_of(&program.cost(range).unwrap_or_default(), quantity)
}

fn quantity_of(cost: &Cost, quantity: Quantity) -> u64 {
    match quantity {
        Quantity::Params => cost.params,
        Quantity::Macs => cost.macs,
        Quantity::Flops => cost.flops(),
        Quantity::Fvcore => cost.fvcore(),
    }
}

fn broken(program: &Program, claim: &Claim, quantity: Quantity, figure: &Figure, place: &Place, count: u64) -> Diagnostic {
    let changes = changes(claim);
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
    let within = inside.map(|n| format!("{n}."));
    let rows = program.rows.iter().filter(|r| r.depth == depth && within.as_ref().is_none_or(|n| r.path.starts_with(n)));
    let mut counted: Vec<(&str, u64)> =
        rows.map(|r| (r.path.as_str(), count(program, quantity, r.values.clone()))).filter(|(_, c)| *c > 0).collect();
    let mut sizes: Vec<u64> = counted.iter().map(|(_, c)| *c).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let rest = sizes.split_off(sizes.len().min(TABLE));
    if let (Some(least), false) = (sizes.last(), rest.is_empty()) {
        counted.retain(|(_, c)| c >= least);
        counted.truncate(TABLE);
    }
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
    if !rest.is_empty() {
        text.push_str(&format!("\n  and {} smaller ones", rest.len()));
    }
    text
}
