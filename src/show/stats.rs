//! What each node of a program costs, and programs side by side.

use serde::Serialize;

use super::format::{Format, csv, mebibytes, millions, table, thousands};
use crate::compile::Program;
use crate::ir::{Cost, Fault};

/// One node: costs at batch 1, float32.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub node: String,
    pub block: String,
    /// 0 for a node of the graph, 1 for one inside a composite, ...
    pub depth: usize,
    pub output: String,
    pub params: u64,
    /// Multiply-accumulates of convolutions, linear layers and products.
    pub macs: u64,
    /// 2 x MACs.
    pub flops: u64,
    /// MACs + 5 per normalised element, as fvcore counts.
    pub fvcore: u64,
    /// Bytes of all values that its operations give.
    pub activations: u64,
}

/// A program's costs.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    pub name: String,
    /// What was changed from outside, `anchors=16`.
    pub set: Vec<String>,
    pub hash: String,
    pub input: String,
    pub output: String,
    /// Depth, height and width must be multiples of these.
    pub multiple: [usize; 3],
    pub total: Line,
    pub nodes: Vec<Line>,
}

/// Counts a program; composites are opened down to `depth` levels (1: the graph's own nodes).
///
/// # Errors
/// When a count is beyond 64 bits.
pub fn stats(program: &Program, depth: usize, set: &[String]) -> Result<Stats, Fault> {
    let fact = |v| program.graph.fact(v).to_string();
    let mut nodes = vec![];
    for r in program.rows.iter().filter(|r| r.depth < depth) {
        nodes.push(line(&r.path, &r.block, r.depth, fact(r.output), program.cost(r.values.clone())?));
    }
    let outputs: Vec<String> = program.graph.outputs.iter().map(|(_, v)| fact(*v)).collect();
    let inputs: Vec<String> = program.inputs.iter().map(|(_, v)| fact(*v)).collect();
    let total = program.cost(0..program.graph.len())?;
    Ok(Stats {
        name: program.name.clone(),
        set: set.to_vec(),
        hash: program.hash().to_string(),
        input: inputs.join(" + "),
        output: outputs.join(" + "),
        multiple: program.multiple(),
        total: line("total", "", 0, outputs.join(" + "), total),
        nodes,
    })
}

fn line(node: &str, block: &str, depth: usize, output: String, c: Cost) -> Line {
    let (node, block) = (node.to_owned(), block.to_owned());
    Line { node, block, depth, output, params: c.params, macs: c.macs, flops: c.flops(), fvcore: c.fvcore(), activations: c.written }
}

impl Stats {
    /// As text in a format.
    pub fn print(&self, format: Format) -> String {
        let share = |l: &Line| format!("{:.1}%", 100.0 * l.macs as f64 / (self.total.macs.max(1)) as f64);
        let cells = |l: &Line| {
            let node = format!("{}{}", "  ".repeat(l.depth), l.node.rsplit('.').next().unwrap_or(&l.node));
            vec![node, l.block.clone(), l.output.clone(), thousands(l.params), millions(l.macs), millions(l.flops), share(l), mebibytes(l.activations)]
        };
        let headings = ["node", "block", "output", "params", "MMAC", "MFLOP", "MACs", "act. MiB"];
        match format {
            Format::Json => json(self),
            Format::Csv => {
                let rows: Vec<Vec<String>> = self.nodes.iter().chain([&self.total]).map(|l| raw(&l.node, l)).collect();
                csv(&["node", "block", "output", "params", "macs", "flops", "fvcore", "activation_bytes"], &rows)
            }
            Format::Table | Format::Markdown => {
                let mut rows: Vec<Vec<String>> = self.nodes.iter().map(cells).collect();
                rows.push(cells(&self.total));
                let markdown = format == Format::Markdown;
                let t = table(&headings, &rows, 3, markdown);
                let t = if markdown { t } else { rule_before_last(&t) };
                format!("{}\n\n{t}\n{}", self.heading(), self.conventions())
            }
        }
    }

    fn heading(&self) -> String {
        let set = if self.set.is_empty() { String::new() } else { format!(" ({})", self.set.join(", ")) };
        format!("{}{set}: {} -> {}", self.name, self.input, self.output)
    }

    fn conventions(&self) -> String {
        let [d, h, w] = self.multiple;
        let sizes = if self.multiple == [1; 3] { "any".into() } else { format!("D, H, W are multiples of {d}, {h}, {w}") };
        format!(
            "parameters   {}\nMACs         {} M (multiply-accumulates of convolutions and linear layers)\nFLOPs        {} M (1 MAC = 2 FLOPs)\nfvcore       {} G (what fvcore prints as FLOPs: MACs + 5 per normalised element)\nactivations  {} MiB (all values together, float32, batch 1)\nsizes        {sizes}\n",
            thousands(self.total.params),
            millions(self.total.macs),
            millions(self.total.flops),
            giga(self.total.fvcore),
            mebibytes(self.total.activations),
        )
    }
}

fn giga(n: u64) -> String {
    format!("{:.3}", n as f64 / 1e9)
}

fn raw(name: &str, l: &Line) -> Vec<String> {
    let numbers = [l.params, l.macs, l.flops, l.fvcore, l.activations];
    [name.to_owned(), l.block.clone(), l.output.clone()].into_iter().chain(numbers.iter().map(u64::to_string)).collect()
}

fn rule_before_last(t: &str) -> String {
    let mut lines: Vec<&str> = t.lines().collect();
    if let (Some(rule), true) = (lines.get(1).copied(), lines.len() > 2) {
        lines.insert(lines.len() - 1, rule);
    }
    lines.join("\n") + "\n"
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Several programs side by side, one a row; the difference is to the first.
pub fn compare(all: &[Stats], format: Format) -> String {
    let name = |s: &Stats| if s.set.is_empty() { s.name.clone() } else { format!("{} {}", s.name, s.set.join(" ")) };
    match format {
        Format::Json => json(all),
        Format::Csv => {
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|s| {
                    let numbers = [s.total.params, s.total.macs, s.total.flops, s.total.fvcore, s.total.activations];
                    [s.name.clone(), s.set.join(" "), s.input.clone()].into_iter().chain(numbers.iter().map(u64::to_string)).collect()
                })
                .collect();
            csv(&["graph", "set", "input", "params", "macs", "flops", "fvcore", "activation_bytes"], &rows)
        }
        Format::Table | Format::Markdown => {
            let first = all.first().map_or(0, |s| s.total.params);
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|s| {
                    let t = &s.total;
                    let change = t.params as i128 - first as i128;
                    let change = if change == 0 { "".into() } else { format!("{}{}", if change < 0 { "-" } else { "+" }, thousands(change.unsigned_abs() as u64)) };
                    vec![name(s), s.input.clone(), thousands(t.params), change, millions(t.macs), millions(t.flops), giga(t.fvcore), mebibytes(t.activations)]
                })
                .collect();
            table(&["graph", "input", "params", "change", "MMAC", "MFLOP", "fvcore G", "act. MiB"], &rows, 2, format == Format::Markdown)
        }
    }
}
