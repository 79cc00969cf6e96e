//! The comparison for the terminal.
//!
//! May use `compare`, `show` (numbers).

use super::compare::{Comparison, NodeChange, Pair, Status};
use crate::show::format::mebibytes;
use crate::show::picture::short;
use crate::text::{hang, thousands};

/// Lines are at most this long where nothing is known of the terminal.
const WIDTH: usize = 140;

/// One block of lines a node, then the totals.
pub fn text(c: &Comparison) -> String {
    text_within(c, WIDTH)
}

/// The same for a terminal: lines that are longer than `width` are broken between words.
pub fn text_within(c: &Comparison, width: usize) -> String {
    hang(&lines(c, width), width)
}

fn lines(c: &Comparison, width: usize) -> String {
    let [a, b] = &c.graphs;
    let mut out = format!("{a} → {b}\n");
    if c.equal && c.params.is_empty() {
        out.push_str("\nno difference: the same nodes, connections, shapes and counts\n");
        return out;
    }
    if !c.params.is_empty() {
        out.push_str("\nparameters\n");
        c.params.iter().for_each(|p| out.push_str(&format!("  {}\n", p.sentence())));
    }
    out.push('\n');
    let name = |n: &NodeChange| {
        format!("{}{}", "  ".repeat(n.depth), if n.depth == 0 { n.path.as_str() } else { n.path.rsplit('.').next().unwrap_or(&n.path) })
    };
    let block = |n: &NodeChange| match n.block.each_ref().map(String::as_str) {
        ["", one] | [one, ""] => one.to_owned(),
        [a, b] if a == b => a.to_owned(),
        [a, b] => format!("{a} → {b}"),
    };
    let wide = |of: &dyn Fn(&NodeChange) -> String, most: usize| {
        c.nodes.iter().map(|n| of(n).chars().count()).filter(|w| *w <= most).max().unwrap_or(0)
    };
    // Longer ones go over the columns, and so does what is behind them.
    let (names, blocks) = (wide(&name, 32.min(width / 3)), wide(&block, 34.min(width / 3)));
    for n in &c.nodes {
        let sign = match n.status {
            Status::Added => '+',
            Status::Removed => '-',
            Status::Changed | Status::Inside => '~',
            Status::Affected => ' ',
        };
        let line = format!("{sign} {:names$}  {:blocks$}  {}", name(n), block(n), costs(n));
        out.push_str(line.trim_end());
        out.push('\n');
        let indent = "  ".repeat(n.depth + 2);
        for f in &n.fields {
            out.push_str(&format!("{indent}{}\n", f.sentence()));
        }
        for i in &n.inputs {
            out.push_str(&format!("{indent}{}\n", i.sentence()));
        }
        if let (Status::Changed | Status::Inside | Status::Affected, [a, b]) = (n.status, &n.output)
            && a != b
        {
            out.push_str(&format!("{indent}output: {a} → {b}\n"));
        }
        if let Some(same) = &n.same_as {
            let but = if n.but.is_empty() { "" } else { ", but" };
            out.push_str(&format!("{indent}inside, as in {same}{but}\n"));
            n.but.iter().for_each(|f| out.push_str(&format!("{indent}  {}\n", f.sentence())));
        }
    }
    let t = &c.total;
    out.push_str("\ntotal\n");
    for (name, [a, b]) in [("parameters", t.params), ("MACs", t.macs), ("activations", t.activations)] {
        let percent = if a == 0 || a == b { String::new() } else { format!(", {:+.1}%", 100.0 * (b as f64 - a as f64) / a as f64) };
        let unit = if name == "activations" { " bytes" } else { "" };
        out.push_str(&format!("  {name:11}  {} → {}{unit}", thousands(a), thousands(b)));
        out.push_str(&if a == b { "\n".to_owned() } else { format!("  ({}{percent})\n", signed([a, b], thousands)) });
    }
    out.push_str("\n+ added  - removed  ~ written differently; without a sign: other shapes or counts because of these\n");
    out
}

/// `params -312, MACs -73.4M`; of an added or removed node, all that it has.
fn costs(n: &NodeChange) -> String {
    let mebibytes = |b: u64| format!("{} MiB", mebibytes(b));
    let part =
        |name: &str, pair: Pair<u64>, say: &dyn Fn(u64) -> String| (pair[0] != pair[1]).then(|| format!("{name} {}", signed(pair, say)));
    let all = [part("params", n.params, &thousands), part("MACs", n.macs, &short), part("act.", n.activations, &mebibytes)];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The difference with its sign.
fn signed([a, b]: Pair<u64>, say: impl Fn(u64) -> String) -> String {
    format!("{}{}", if b < a { "-" } else { "+" }, say(a.abs_diff(b)))
}

/// `482,778 → 471,116 (-11,662)`
pub fn numbers(pair: Pair<u64>, say: fn(u64) -> String) -> String {
    if pair[0] == pair[1] {
        return format!("{}, as before", say(pair[0]));
    }
    format!("{} → {} ({})", say(pair[0]), say(pair[1]), signed(pair, say))
}
