//! Costs as tables for people, and as JSON and CSV for machines.

use serde::Serialize;

use super::convention::Convention;
use super::format::{Format, bar, billions, mebibytes, millions, tenths};
use super::stats::{Fitting, Line, Stats};
use super::table::{Column, csv, fit, left_out, table};
use crate::ir::Fact;
use crate::text::{hang, thousands};

/// The width of a table when nothing is known of the terminal.
pub const WIDTH: usize = 100;

/// Places of a bar that stands for everything.
const BAR: usize = 6;

impl Stats {
    /// As text in a format, tables at most [`WIDTH`] wide.
    pub fn print(&self, format: Format) -> String {
        self.print_within(format, WIDTH)
    }

    /// As text in a format; a table that is wider than `width` is made to [`fit`], and lines are broken between words.
    pub fn print_within(&self, format: Format, width: usize) -> String {
        match format {
            Format::Json => json(self),
            Format::Csv => {
                let rows: Vec<Vec<String>> = self
                    .nodes
                    .iter()
                    .chain([&self.total])
                    .map(|l| numbers(vec![l.node.clone(), l.block.clone(), l.output.to_string()], l))
                    .collect();
                csv(&[&["node", "block", "output"], NUMBERS].concat(), &rows)
            }
            Format::Table | Format::Markdown => {
                let markdown = format == Format::Markdown;
                let mut columns = columns(self.convention);
                if markdown {
                    // The bars are for a terminal.
                    columns.pop();
                }
                let mut rows: Vec<Vec<String>> = self.nodes.iter().chain([&self.total]).map(|l| self.cells(l, markdown)).collect();
                let width = if markdown { usize::MAX } else { width };
                let gone = fit(&mut columns, &mut rows, width);
                let t = table(&columns, rows, markdown);
                let t = if markdown { t } else { rule_before_last(&t) };
                let page = |text: String| hang(&text, width);
                format!("{}\n\n{t}\n{}{}", page(self.heading()), page(self.footer()), left_out(&gone, width))
            }
        }
    }

    fn cells(&self, l: &Line, markdown: bool) -> Vec<String> {
        let node = if self.filtered || markdown {
            l.node.clone()
        } else {
            format!("{}{}", "  ".repeat(l.depth), l.node.rsplit('.').next().unwrap_or(&l.node))
        };
        let share = l.counted(self.convention) as f64 / self.total.counted(self.convention).max(1) as f64;
        let mut cells = vec![
            node,
            l.block.clone(),
            compact(&l.output),
            thousands(l.params),
            millions(l.counted(self.convention)),
            billions(l.flops),
            tenths(l.other_operations),
            mebibytes(l.activation_bytes),
            format!("{:.1}", l.operations_per_byte),
            format!("{:.1}%", 100.0 * share),
        ];
        if !markdown {
            cells.push(if std::ptr::eq(l, &self.total) { String::new() } else { bar(share, BAR) });
        }
        cells
    }

    fn heading(&self) -> String {
        let set = if self.set.is_empty() { String::new() } else { format!(" ({})", self.set.join(", ")) };
        format!("{}{set}: {} -> {}", self.name, self.input, self.output)
    }

    fn footer(&self) -> String {
        let (t, m) = (&self.total, &self.memory);
        let mib = mebibytes;
        let each = if self.batch == 1 { "batch 1".to_owned() } else { format!("batch {}", self.batch) };
        let mut out = format!(
            "parameters   {}\n\
             MACs         {} M (multiply-accumulates of convolutions and linear layers); FLOPs are 2 x MACs\n\
             other tools  fvcore {} G, ptflops {} G, thop {} G (what they print as FLOPs or MACs)\n\
             activations  {} MiB (all values together, {}, {each})\n\
             inference    {} MiB at the peak: {} weights, {} values{}\n\
             training     {} MiB at the peak: {} weights, {} gradients, {} optimiser ({}), {} kept for the backward pass, {} in flight{}\n",
            thousands(t.params),
            millions(t.macs),
            billions(t.fvcore_flops),
            billions(t.ptflops_flops),
            billions(t.thop_flops),
            mib(t.activation_bytes),
            m.precision,
            mib(m.inference_peak_bytes),
            mib(m.weight_bytes),
            mib(m.inference_value_bytes),
            if m.optimised { ", after all passes" } else { "" },
            mib(m.training_peak_bytes),
            mib(m.training_weight_bytes),
            mib(m.training_gradient_bytes),
            mib(m.training_optimiser_bytes),
            m.optimiser,
            mib(m.training_kept_bytes),
            mib(m.training_transient_bytes),
            if m.checkpointing { ", with activation checkpointing" } else { "" },
        );
        if let Some(f) = &self.largest_input {
            out.push_str(&fits(f));
        }
        out.push_str(&format!("sizes        {}\n", self.sizes));
        out
    }
}

fn fits(f: &Fitting) -> String {
    let size = |s: &Option<[usize; 3]>| s.map_or("nothing".to_owned(), |s| s.map(|n| n.to_string()).join("x"));
    let mut out = format!("in {:<9} {} for training, {} for inference\n", f.written, size(&f.training_cube), size(&f.inference_cube));
    if f.training_same_aspect.is_some() || f.inference_same_aspect.is_some() {
        out.push_str(&format!(
            "             {} for training, {} for inference, in these proportions\n",
            size(&f.training_same_aspect),
            size(&f.inference_same_aspect)
        ));
    }
    out
}

fn columns(convention: Convention) -> Vec<Column> {
    let cost = match convention {
        Convention::Macs => "MMAC",
        Convention::Fvcore => "fvcore M",
        Convention::Ptflops => "ptflops M",
        Convention::Thop => "thop M",
    };
    [
        ("node", false, 0),
        ("block", false, 5),
        ("output", false, 6),
        ("params", true, 9),
        (cost, true, 8),
        ("GFLOP", true, 7),
        ("other M", true, 2),
        ("act MiB", true, 7),
        ("op/B", true, 1),
        ("share", true, 0),
        ("", false, 3),
    ]
    .map(|(heading, number, worth)| Column::new(heading, number, worth))
    .to_vec()
}

/// `8x128³` for a cube, `8x128x96x96` otherwise.
fn compact(f: &Fact) -> String {
    let [d, h, w] = f.size;
    let channels = if f.batch == 1 { f.channels.to_string() } else { format!("{}x{}", f.batch, f.channels) };
    match (d == h && h == w, f.is_vector()) {
        (_, true) => channels,
        (true, _) => format!("{channels}x{d}³"),
        (false, _) => format!("{channels}x{d}x{h}x{w}"),
    }
}

const NUMBERS: &[&str] = &[
    "params",
    "macs",
    "flops",
    "fvcore_flops",
    "ptflops_flops",
    "thop_flops",
    "other_operations",
    "activation_bytes",
    "moved_bytes",
    "operations_per_byte",
];

fn numbers(mut cells: Vec<String>, l: &Line) -> Vec<String> {
    let all =
        [l.params, l.macs, l.flops, l.fvcore_flops, l.ptflops_flops, l.thop_flops, l.other_operations, l.activation_bytes, l.moved_bytes];
    cells.extend(all.iter().map(u64::to_string));
    cells.push(l.operations_per_byte.to_string());
    cells
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
pub fn compare(all: &[Stats], format: Format, width: usize) -> String {
    match format {
        Format::Json => json(all),
        Format::Csv => {
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|s| {
                    let mut cells = numbers(vec![s.name.clone(), s.set.join(" "), s.input.clone()], &s.total);
                    cells.extend([s.memory.inference_peak_bytes, s.memory.training_peak_bytes].map(|n| n.to_string()));
                    cells
                })
                .collect();
            csv(&[&["graph", "set", "input"], NUMBERS, &["inference_peak_bytes", "training_peak_bytes"]].concat(), &rows)
        }
        Format::Table | Format::Markdown => {
            let first = all.first().map_or(0, |s| s.total.params);
            let convention = all.first().map_or(Convention::Macs, |s| s.convention);
            let mut rows: Vec<Vec<String>> = all
                .iter()
                .map(|s| {
                    let (t, m) = (&s.total, &s.memory);
                    let name = if s.set.is_empty() { s.name.clone() } else { format!("{} {}", s.name, s.set.join(" ")) };
                    let change = i128::from(t.params) - i128::from(first);
                    let sign = if change < 0 { "-" } else { "+" };
                    let change = if change == 0 { String::new() } else { format!("{sign}{}", thousands(change.unsigned_abs() as u64)) };
                    vec![
                        name,
                        s.input.clone(),
                        thousands(t.params),
                        change,
                        millions(t.counted(convention)),
                        billions(t.flops),
                        billions(t.fvcore_flops),
                        mebibytes(m.inference_peak_bytes),
                        mebibytes(m.training_peak_bytes),
                    ]
                })
                .collect();
            let cost = columns(convention)[4].heading.clone();
            // What is counted at several sizes cannot be compared without them.
            let inputs = if all.windows(2).any(|w| w[0].input != w[1].input) { 8 } else { 2 };
            let mut columns = vec![
                Column::new("graph", false, 0),
                Column::new("input", false, inputs),
                Column::new("params", true, 0),
                Column::new("change", true, 5),
                Column::new(cost, true, 0),
                Column::new("GFLOP", true, 7),
                Column::new("fvcore G", true, 3),
                Column::new("infer MiB", true, 6),
                Column::new("train MiB", true, 4),
            ];
            let markdown = format == Format::Markdown;
            let gone = fit(&mut columns, &mut rows, if markdown { usize::MAX } else { width });
            table(&columns, rows, markdown) + &left_out(&gone, width)
        }
    }
}
