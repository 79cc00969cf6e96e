//! `lmsc bench`: what it writes for other programs, and what it says.
#![cfg(feature = "train")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const GRAPH: &str = "graphs/lightmedseg.ron";

fn lmsc(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_lmsc")).args(args).env("NO_COLOR", "1").output().expect("it runs");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().expect("an exit code"), text(&out.stdout), text(&out.stderr))
}

fn json(args: &[&str]) -> Value {
    let (code, out, err) = lmsc(args);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).expect("JSON")
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn a_run_says_what_each_node_costs_and_takes() {
    let result = json(&[
        "bench",
        GRAPH,
        "--input",
        "16x16x16",
        "--batch",
        "2",
        "--threads",
        "1",
        "--runs",
        "3",
        "--depth",
        "2",
        "--engine",
        "burn",
        "--json",
    ]);
    assert_eq!(result["inputs"], serde_json::json!([[2, 4, 16, 16, 16]]));
    assert_eq!(result["forward"]["runs"].as_array().map(Vec::len), Some(3));
    assert!(result["forward"]["least"].as_f64() <= result["forward"]["median"].as_f64());
    let nodes = result["nodes"].as_array().expect("nodes");
    let of = |name: &str| nodes.iter().find(|n| n["node"] == name).unwrap_or_else(|| panic!("no {name}"));
    let stats = json(&["stats", GRAPH, "--input", "4x16x16x16", "--batch", "2", "--format", "json"]);
    assert_eq!(of("total")["macs"], stats["total"]["macs"]);
    assert_eq!(of("dec4.f1")["depth"], 1);
    assert!(nodes.iter().all(|n| n["seconds"].as_f64().is_some_and(|s| s >= 0.0)));
    let outer: f64 = nodes.iter().filter(|n| n["depth"] == 0 && n["node"] != "total").filter_map(|n| n["seconds"].as_f64()).sum();
    let total = of("total")["seconds"].as_f64().expect("a number");
    assert!((outer - total).abs() <= 1e-9 + 1e-6 * total, "{outer} of {total}");
}

#[test]
fn what_is_exported_is_enough_to_compute_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().expect("a path").to_owned();
    let out = folder.path().to_str().expect("a path");
    let (code, _, err) =
        lmsc(&["bench", GRAPH, "--input", "16x32x16", "--runs", "1", "--device", "cpu", "--export", out, "--trace", &text("trace.json")]);
    assert_eq!(code, 0, "{err}");
    let graph = read(&path("graph.json"));
    let ops = graph["ops"].as_array().expect("ops");
    assert!(ops.iter().all(|o| o["inputs"].as_array().expect("inputs").iter().all(|i| i.as_u64() < o["value"].as_u64())));
    let stats = json(&["stats", GRAPH, "--input", "4x16x32x16", "--format", "json"]);
    assert_eq!(Some(ops.iter().filter_map(|o| o["macs"].as_u64()).sum::<u64>()), stats["total"]["macs"].as_u64());
    assert!(!read(&path("trace.json"))["traceEvents"].as_array().expect("events").is_empty());
    // The verb that runs weights from elsewhere takes the files as they are.
    let (code, _, err) = lmsc(&[
        "forward",
        GRAPH,
        "--device",
        "cpu",
        "--weights",
        &text("weights.safetensors"),
        "--input",
        &text("input.safetensors"),
        "--out",
        &text("again.safetensors"),
    ]);
    assert_eq!(code, 0, "{err}");
    let (ours, again) = (lmsc::store::read_store(&path("output.safetensors")), lmsc::store::read_store(&path("again.safetensors")));
    let (ours, again) = (ours.expect("outputs"), again.expect("outputs"));
    let (logits, b) = (&ours.arrays["logits"], &again.arrays["out/logits"].values);
    let a = &logits.values;
    assert_eq!(logits.dims, [1, 4, 16, 32, 16]);
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let relative = norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied());
    assert!(relative < 1e-4, "{relative:e}");
}

#[test]
fn steps_learn_and_say_their_parts() {
    let result = json(&["bench", GRAPH, "--input", "16x16x16", "--step", "--runs", "2", "--device", "cpu", "--json"]);
    let parts = result["parts"].as_array().expect("parts");
    let losses: Vec<f64> = result["losses"].as_array().expect("losses").iter().filter_map(serde_json::Value::as_f64).collect();
    assert_eq!(losses.len(), 4, "two before those that count");
    let last = parts.last().and_then(|p| p["loss"].as_f64()).expect("a loss");
    assert!(losses[3] < losses[0] && last < losses[3], "{losses:?}, {parts:?}");
    assert!(parts.iter().all(|p| ["forward", "backward", "update"].iter().all(|k| p[k].as_f64().is_some_and(|s| s > 0.0))));
}

#[test]
fn what_cannot_be_timed_is_refused() {
    for (args, code, words) in [
        (&["bench"][..], 2, &["GRAPH"][..]),
        (&["bench", GRAPH, "--ops"], 2, &["--ops"]),
        (&["bench", GRAPH, "--step", "--trace", "x"], 2, &["--trace"]),
        (&["bench", GRAPH, "--device", "cpu", "--precision", "bf16"], 1, &["the executor computes in float32"]),
        (&["bench", GRAPH, "--threads", "0"], 2, &["--threads"]),
        (&["bench", GRAPH, "--input", "100x128x128"], 1, &["the depth 100 is not a multiple of 16"]),
        (&["bench", GRAPH, "--weights", "nowhere.safetensors"], 1, &["nowhere.safetensors"]),
    ] {
        let (found, _, err) = lmsc(args);
        assert_eq!(found, code, "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {err}");
        }
    }
}
