//! How fast the compiler answers: `lmsc check` and `lmsc stats` as whole processes, on the network and on generated chains of
//! growing length.
//!
//! `cargo bench --no-default-features --bench compile` measures the compiler alone, without the running half.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a graph of the project may take, and a chain of 100,000 nodes.
const LIMITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

fn main() {
    let folder = std::env::temp_dir().join(format!("lmsc-bench-{}", std::process::id()));
    if let Err(e) = std::fs::create_dir_all(&folder) {
        eprintln!("cannot make {}: {e}", folder.display());
        return;
    }
    println!("{:<44}{:>12}{:>12}{:>12}", "whole process, wall time", "median", "least", "limit");
    let mut sound = true;
    for verb in ["check", "stats"] {
        sound &= report(verb, Path::new("graphs/lightmedseg.ron"), 50, Some(LIMITS.0));
    }
    for verb in ["check", "stats"] {
        let mut last: Option<(usize, Duration)> = None;
        for nodes in [1_000, 10_000, 100_000] {
            let file = folder.join(format!("chain-{nodes}.ron"));
            if let Err(e) = std::fs::write(&file, chain(nodes)) {
                eprintln!("cannot write {}: {e}", file.display());
                return;
            }
            sound &= report(verb, &file, 5, (nodes == 100_000).then_some(LIMITS.1));
            let now = (nodes, median(&time(verb, &file, 3)));
            if let Some((fewer, before)) = last {
                println!("{:<44}{:>11.1}x", format!("  {}x the nodes", nodes / fewer), now.1.as_secs_f64() / before.as_secs_f64());
            }
            last = Some(now);
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

fn report(verb: &str, file: &Path, runs: usize, limit: Option<Duration>) -> bool {
    let all = time(verb, file, runs);
    let (middle, least) = (median(&all), all.first().copied().unwrap_or_default());
    let shown = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let ms = |d: Duration| format!("{:.1} ms", d.as_secs_f64() * 1e3);
    println!("{:<44}{:>12}{:>12}{:>12}", format!("lmsc {verb} {shown}"), ms(middle), ms(least), limit.map(ms).unwrap_or_default());
    limit.is_none_or(|l| middle <= l)
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
