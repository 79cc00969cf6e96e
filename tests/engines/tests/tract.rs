//! Every graph of the project, exported and run by tract: its outputs are the executor's within 1e-4 of their greatest value.

use std::path::{Path, PathBuf};
use std::process::Command;

use lmsc_engines::{Pass, writer};

const TOLERANCE: f32 = 1e-4;
const OPSETS: [&str; 4] = ["13", "17", "21", "23"];

/// The graphs, by name; `LMSC_GRAPHS=unet,vnet` for some of them.
fn graphs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graphs");
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).expect("the graphs").map(|e| e.expect("an entry").path()).collect();
    let only = std::env::var("LMSC_GRAPHS").ok();
    let named = |p: &Path| {
        let name = p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        only.as_ref().is_none_or(|only| only.split(',').any(|o| o == name))
    };
    all.retain(|p| p.extension().is_some_and(|e| e == "ron") && named(p));
    all.sort();
    all
}

#[test]
fn every_graph_gives_in_tract_what_it_gives_here() {
    let writer = writer().expect("`cargo build --release --no-default-features --features predict --example onnx` comes first");
    let mut wrong = vec![];
    println!("| graph | {} |", OPSETS.map(|o| format!("tract {o}")).join(" | "));
    for graph in graphs() {
        let name = graph.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = tempfile::tempdir().expect("a folder");
        let run = Command::new(&writer).arg(&graph).arg(folder.path()).args(OPSETS).output().expect("the writer runs");
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
        let passes = ["0", "1"].map(|n| Pass::read(&folder.path().join(n).with_extension("safetensors")).expect("a pass"));
        let mut row = vec![];
        for opset in OPSETS {
            let mut worst = 0f32;
            for file in [format!("{opset}.onnx"), format!("{opset}.optimised.onnx")] {
                for pass in &passes {
                    match pass.by_tract(&folder.path().join(&file)) {
                        Ok(made) => worst = worst.max(pass.difference(&made)),
                        Err(e) => {
                            wrong.push(format!("{name}, {file}: {e:?}"));
                            worst = f32::INFINITY;
                        }
                    }
                }
            }
            if worst > TOLERANCE && worst.is_finite() {
                wrong.push(format!("{name}, operator set {opset}: {worst:e}"));
            }
            row.push(if worst.is_finite() { format!("{worst:.0e}") } else { "-".to_owned() });
        }
        println!("| {name} | {} |", row.join(" | "));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
