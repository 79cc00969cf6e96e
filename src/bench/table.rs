//! Times as tables for people.

use serde::Serialize;

use super::machine::Machine;
use super::node::{NodeTimes, StageTimes, median};
use super::ops::OpTime;
use crate::show::{Column, fit, left_out, table};
use crate::text::several;

/// Seconds of runs that do the same.
#[derive(Clone, Debug, Serialize)]
pub struct RunTimes {
    /// The first run, which makes buffers and packs weights.
    pub first: f64,
    /// Those after the warm-up, in their order.
    pub runs: Vec<f64>,
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl RunTimes {
    /// Of the first run and the counted ones.
    pub fn new(first: f64, runs: Vec<f64>) -> Self {
        let least = runs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = runs.iter().copied().fold(0.0, f64::max);
        Self { first, median: median(runs.clone()), least, most, runs }
    }

    /// In a line.
    pub fn line(&self) -> String {
        let runs = several(self.runs.len(), "run");
        format!("{} median of {runs} ({} to {}), first {}", time(self.median), time(self.least), time(self.most), time(self.first))
    }
}

/// `1.234 s`, `12.3 ms` or `45.6 us`.
fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.3} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

fn per_second(amount: f64, seconds: f64) -> String {
    if amount == 0.0 || seconds <= 0.0 { String::new() } else { format!("{:.1}", amount / seconds / 1e9) }
}

/// Time at the ceiling for each time that was taken, in percent.
fn share(least: f64, seconds: f64) -> String {
    if least == 0.0 || seconds <= 0.0 { String::new() } else { format!("{:.0}%", 100.0 * least / seconds) }
}

/// The columns of what was done in a time: millions of MACs and bytes, ms, share of the whole, GFLOP/s, GB/s, share of the ceiling.
fn pace(macs: u64, bytes: u64, seconds: f64, least: f64, whole: f64) -> [String; 7] {
    [
        format!("{:.1}", macs as f64 / 1e6),
        format!("{:.1}", bytes as f64 / (1u64 << 20) as f64),
        format!("{:.2}", seconds * 1e3),
        format!("{:.1}%", 100.0 * seconds / whole),
        per_second(2.0 * macs as f64, seconds),
        per_second(bytes as f64, seconds),
        share(least, seconds),
    ]
}

fn shape(dims: [usize; 5]) -> String {
    let [n, c, d, h, w] = dims;
    let batch = if n == 1 { String::new() } else { format!("{n}x") };
    if [d, h, w] == [1; 3] { format!("{batch}{c}") } else { format!("{batch}{c}x{d}x{h}x{w}") }
}

/// Each node's static cost, its time, and how near it comes to the machine's ceilings; made to fit into `width` columns.
pub fn node_table(nodes: &[NodeTimes], width: usize) -> String {
    let whole = nodes.last().map_or(0.0, |n| n.seconds).max(f64::MIN_POSITIVE);
    let headings = ["node", "block", "output", "MMAC", "MiB moved", "ms", "share", "GFLOP/s", "GB/s", "of ceiling"];
    let row = |n: &NodeTimes| {
        let mut cells = vec![
            format!("{}{}", "  ".repeat(n.depth), n.node.rsplit('.').next().unwrap_or(&n.node)),
            n.block.clone(),
            if n.output == [0; 5] { String::new() } else { shape(n.output) },
        ];
        cells.extend(pace(n.macs, n.bytes, n.seconds, n.least_seconds, whole));
        cells
    };
    lines(&headings, nodes.iter().map(row).collect(), 3, width)
}

/// What the executor runs at once, each with its time, how near it comes to the machine's ceilings, and how many threads it kept busy; made to
/// fit into `width` columns.
pub fn stage_table(stages: &[StageTimes], width: usize) -> String {
    let whole: f64 = stages.iter().map(|s| s.seconds).sum::<f64>().max(f64::MIN_POSITIVE);
    let headings = ["stage", "MMAC", "MiB", "ms", "share", "GFLOP/s", "GB/s", "of ceiling", "busy"];
    let row = |s: &StageTimes| {
        let mut cells = vec![short(&s.name)];
        cells.extend(pace(s.macs, s.bytes, s.seconds, s.least_seconds, whole));
        cells.push(if s.busy > 0.0 { format!("{:.2}", s.busy) } else { String::new() });
        cells
    };
    let text = lines(&headings, stages.iter().map(row).collect(), 1, width);
    format!("{text}\n\"busy\" is how many threads were at work on a stage, on average over its time.\n")
}

/// Of a stage that is called after many operations, the first and the last.
fn short(name: &str) -> String {
    let names: Vec<&str> = name.split(", ").collect();
    match names.as_slice() {
        [first, _, .., last] => format!("{first} … {last} ({})", names.len()),
        _ => name.to_owned(),
    }
}

/// Each operation's times beside the ceilings; made to fit into `width` columns.
pub fn op_table(ops: &[OpTime], width: usize) -> String {
    let headings = ["operation", "input", "MMAC", "forward ms", "GFLOP/s", "GB/s", "of ceiling", "with backward ms"];
    let row = |o: &OpTime| {
        vec![
            o.name.clone(),
            shape(o.input),
            format!("{:.1}", o.macs as f64 / 1e6),
            format!("{:.2}", o.forward * 1e3),
            per_second(2.0 * o.macs as f64, o.forward),
            per_second(o.bytes as f64, o.forward),
            share(o.least_seconds, o.forward),
            format!("{:.2}", o.both * 1e3),
        ]
    };
    lines(&headings, ops.iter().map(row).collect(), 2, width)
}

/// What the columns mean, under a table.
pub fn legend(machine: &Machine) -> String {
    let rates = "GFLOP/s counts 2 x MACs, GB/s what is read and written, by a node's operations as if they ran one after the other.";
    if !machine.has_ceilings() {
        return format!("{rates}\n");
    }
    format!(
        "{rates} \"of ceiling\" is the time at the ceiling that binds ({:.0} GFLOP/s or {:.1} GB/s, measured here) for the time taken; \
         above 100% values stay in caches or are never written.\n",
        machine.flops / 1e9,
        machine.bandwidth / 1e9
    )
}

/// Rows under headings; the first `words` columns are words.
fn lines(headings: &[&'static str], mut rows: Vec<Vec<String>>, words: usize, width: usize) -> String {
    // What can be told from the others goes first.
    let worth = |heading: &str| match heading {
        "MiB" | "MiB moved" => 1,
        "output" | "input" => 2,
        "block" => 3,
        "GB/s" => 4,
        "MMAC" => 5,
        "busy" => 6,
        "GFLOP/s" => 7,
        "of ceiling" => 8,
        _ => 0,
    };
    let mut columns: Vec<Column> = headings.iter().enumerate().map(|(i, h)| Column::new(*h, i >= words, worth(h))).collect();
    let gone = fit(&mut columns, &mut rows, width);
    table(&columns, rows, false) + &left_out(&gone, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_a_spread() {
        assert_eq!(RunTimes::new(2.0, vec![0.03, 0.01, 0.02]).line(), "20.0 ms median of 3 runs (10.0 ms to 30.0 ms), first 2.000 s");
        assert_eq!(time(4.56e-5), "45.6 us");
    }

    #[test]
    fn stages_are_called_by_their_ends() {
        assert_eq!(short("a.b, c, d.e"), "a.b … d.e (3)");
        assert_eq!(short("a.b, c"), "a.b, c");
        let stage = StageTimes { name: "a".into(), macs: 1_000_000, bytes: 2_000_000, seconds: 1e-3, busy: 1.75, least_seconds: 1e-4 };
        let text = stage_table(&[stage], 100);
        let cells: Vec<&str> = text.lines().nth(2).expect("a row").split_whitespace().collect();
        assert_eq!(cells, ["a", "1.0", "1.9", "1.00", "100.0%", "2.0", "2.0", "10%", "1.75"]);
    }

    #[test]
    fn a_node_without_arithmetic_has_no_rate() {
        let node = NodeTimes {
            node: "a.b".into(),
            block: "Concat".into(),
            depth: 1,
            output: [2, 3, 4, 4, 4],
            macs: 0,
            bytes: 4_000_000,
            seconds: 1e-3,
            least_seconds: 5e-4,
        };
        let text = node_table(&[node], 100);
        let cells: Vec<&str> = text.lines().nth(2).expect("a row").split_whitespace().collect();
        assert_eq!(cells, ["b", "Concat", "2x3x4x4x4", "0.0", "3.8", "1.00", "100.0%", "4.0", "50%"]);
    }
}
