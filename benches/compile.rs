//! How fast the compiler answers: `lmsc check` and `lmsc stats` as whole processes, on the network and on generated graphs of growing
//! size: chains, a value that all others take, composites in composites. Ten times the nodes should take about ten times as long.
//!
//! `cargo bench --no-default-features --bench compile` measures the compiler alone, without the running half.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a graph of the project may take, and a chain of 100,000 nodes.
const LIMITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// The text of a graph of so many nodes.
type Shape = fn(usize) -> String;

fn main() {
    let folder = std::env::temp_dir().join(format!("lmsc-bench-{}", std::process::id()));
    if let Err(e) = std::fs::create_dir_all(&folder) {
        eprintln!("cannot make {}: {e}", folder.display());
        return;
    }
    println!("{:<44}{:>12}{:>12}{:>12}", "whole process, wall time", "median", "least", "limit");
    let mut sound = true;
    for verb in ["check", "stats"] {
        sound &= report(verb, Path::new("graphs/lightmedseg.ron"), 50, Some(LIMITS.0)).0;
    }
    let shapes: [(&str, Shape); 3] = [("chain", chain), ("fan", fan), ("nested", nested)];
    for (verb, (shape, text)) in ["check", "stats"].iter().flat_map(|v| shapes.iter().map(move |s| (*v, *s))) {
        let mut last: Option<(usize, Duration)> = None;
        for nodes in [1_000, 10_000, 100_000] {
            let file = folder.join(format!("{shape}-{nodes}.ron"));
            if let Err(e) = std::fs::write(&file, text(nodes)) {
                eprintln!("cannot write {}: {e}", file.display());
                return;
            }
            let limit = (shape == "chain" && nodes == 100_000).then_some(LIMITS.1);
            let (within, now) = report(verb, &file, 5, limit);
            sound &= within;
            if let Some((fewer, before)) = last {
                println!("{:<44}{:>11.1}x", format!("  {}x the nodes", nodes / fewer), now.as_secs_f64() / before.as_secs_f64());
            }
            last = Some((nodes, now));
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    println!("{}", if sound { "all within their limits" } else { "SOME ABOVE THEIR LIMITS" });
}

/// A chain of four kinds of nodes, each after the other.
fn chain(nodes: usize) -> String {
    let mut text = "(name:\"chain\",inputs:{\"image\":(channels:4,size:(32,32,32))},nodes:{\n".to_owned();
    let mut before = "image".to_owned();
    for i in 0..nodes {
        let name = format!("n{i:x}");
        let body = match i % 4 {
            0 => format!("Conv3D(x:\"{before}\",out:8)"),
            1 => format!("DepthwiseConv3D(x:\"{before}\")"),
            2 => format!("GroupNorm(x:\"{before}\",groups:4)"),
            _ => format!("Activation(x:\"{before}\",function:silu)"),
        };
        text.push_str(&format!("\"{name}\":{body},\n"));
        before = name;
    }
    text.push_str(&format!("}},outputs:{{\"y\":\"{before}\"}})\n"));
    text
}

/// One value that all other nodes take, and one node that takes them all.
fn fan(nodes: usize) -> String {
    let arms = nodes - 1;
    format!(
        "(inputs:{{\"image\":(channels:4,size:(4,4,4))}},nodes:{{\"a{{i}}\":Activation(for:\"i in 0..{arms}\",x:\"image\",function:relu),\"y\":Add(x:[\"a{{0..{arms}}}\"])}},outputs:{{\"y\":\"y\"}})\n"
    )
}

/// Composites of ten of the one before, three times over, as often as it takes.
fn nested(nodes: usize) -> String {
    let level = |name: &str, of: &str| {
        let inner: String =
            (0..10).map(|i| format!("\"n{i}\":{of}(x:\"{}\"),", if i == 0 { "x".into() } else { format!("n{}", i - 1) })).collect();
        format!("\"{name}\":(inputs:[\"x\"],nodes:{{{inner}}},output:\"n9\"),")
    };
    let blocks = level("B", "A") + &level("C", "B");
    let body: String =
        (0..nodes / 100).map(|i| format!("\"n{i}\":C(x:\"{}\"),\n", if i == 0 { "image".into() } else { format!("n{}", i - 1) })).collect();
    format!(
        "(inputs:{{\"image\":(channels:4,size:(4,4,4))}},blocks:{{\"A\":(inputs:[\"x\"],nodes:{{\"a\":Activation(x:\"x\",function:relu)}},output:\"a\"),{blocks}}},nodes:{{{body}}},outputs:{{\"y\":\"n{}\"}})\n",
        nodes / 100 - 1
    )
}

/// Prints a line; whether the median is within the limit, and the median.
fn report(verb: &str, file: &Path, runs: usize, limit: Option<Duration>) -> (bool, Duration) {
    let all = time(verb, file, runs);
    let (middle, least) = (median(&all), all.first().copied().unwrap_or_default());
    let shown = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let ms = |d: Duration| format!("{:.1} ms", d.as_secs_f64() * 1e3);
    println!("{:<44}{:>12}{:>12}{:>12}", format!("lmsc {verb} {shown}"), ms(middle), ms(least), limit.map(ms).unwrap_or_default());
    (limit.is_none_or(|l| middle <= l), middle)
}

/// The times of so many runs, from short to long.
fn time(verb: &str, file: &Path, runs: usize) -> Vec<Duration> {
    let run = || {
        let start = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_lmsc")).arg(verb).arg(file).stdout(Stdio::null()).stderr(Stdio::null()).status();
        (start.elapsed(), status.is_ok_and(|s| s.success()))
    };
    let mut all: Vec<Duration> = vec![];
    for _ in 0..=runs {
        let (took, sound) = run();
        if !sound {
            println!("lmsc {verb} {} failed", file.display());
            return vec![Duration::MAX];
        }
        all.push(took);
    }
    // The first fills the page cache.
    all.remove(0);
    all.sort_unstable();
    all
}

fn median(all: &[Duration]) -> Duration {
    all.get(all.len() / 2).copied().unwrap_or_default()
}
