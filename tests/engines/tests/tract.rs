//! Every operation, the mean of several sets of weights, and every graph of the project, exported and run by tract: its outputs are the executor's within
//! 1e-4 of their greatest value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lmsc_engines::{Pass, writer};

const TOLERANCE: f32 = 1e-4;
const OPSETS: [&str; 4] = ["13", "17", "21", "23"];
/// The place of the set that is written by default.
const DEFAULT: usize = 1;

/// What the writer is asked for, by name; `LMSC_GRAPHS=operations,unet,vnet` for some of it.
fn sources() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graphs");
    let mut graphs: Vec<PathBuf> = std::fs::read_dir(folder).expect("the graphs").map(|e| e.expect("an entry").path()).collect();
    graphs.retain(|p| p.extension().is_some_and(|e| e == "ron"));
    graphs.sort();
    let named = |p: PathBuf| (p.file_stem().unwrap_or_default().to_string_lossy().into_owned(), p);
    let mut all: Vec<(String, PathBuf)> = ["operations", "folds"].map(|name| (name.to_owned(), name.into())).into();
    all.extend(graphs.into_iter().map(named));
    if let Ok(only) = std::env::var("LMSC_GRAPHS") {
        all.retain(|(name, _)| only.split(',').any(|o| o == name));
    }
    all
}

/// The folders with passes that the writer left in `folder`: that one itself, or one for each operation.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let has_passes = |p: &PathBuf| p.join("0.safetensors").exists();
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    all.push(folder.to_owned());
    all.retain(has_passes);
    all.sort();
    all
}

/// A file of a case and the passes that it is held to: each operator set at a size that it was not written at, the default set also with two samples
/// at once, and after the passes of the compiler.
fn runs() -> impl Iterator<Item = (usize, String, usize)> {
    let all = OPSETS.iter().enumerate().map(|(at, opset)| (at, format!("{opset}.onnx"), 0));
    all.chain([(DEFAULT, "17.onnx".to_owned(), 1), (DEFAULT, "17.optimised.onnx".into(), 0), (DEFAULT, "17.optimised.onnx".into(), 1)])
}

/// What tract makes of a source.
#[derive(Debug, Default)]
struct Row {
    /// The greatest difference at each operator set; infinite where tract refuses.
    worst: [f32; OPSETS.len()],
    wrong: Vec<String>,
}

fn row(writer: &Path, name: &str, source: &Path) -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Command::new(writer).arg(source).arg(folder.path()).args(OPSETS).output().expect("the writer runs");
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    let mut row = Row::default();
    for case in cases(folder.path()) {
        let passes = ["0", "1"].map(|n| Pass::read(&case.join(n).with_extension("safetensors")).expect("a pass"));
        for (at, file, n) in runs() {
            let path = case.join(file);
            let shown = path.strip_prefix(folder.path()).unwrap_or(&path).display();
            let difference = match passes[n].by_tract(&path) {
                Ok(made) => passes[n].difference(&made),
                Err(e) => {
                    row.wrong.push(format!("{name}, {shown}, pass {n}: {e:#}"));
                    row.worst[at] = f32::INFINITY;
                    continue;
                }
            };
            row.worst[at] = row.worst[at].max(difference);
            if difference > TOLERANCE {
                row.wrong.push(format!("{name}, {shown}, pass {n}: {difference:e}"));
            }
        }
    }
    row
}

#[test]
fn every_graph_gives_in_tract_what_it_gives_here() {
    let writer = writer().expect("`cargo build --release --no-default-features --features predict --example onnx` comes first");
    let sources = sources();
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<usize, Row>> = Mutex::default();
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                while let Some((n, (name, source))) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, sources.get(n)?))) {
                    let row = row(&writer, name, source);
                    eprintln!("{name}: {:?}", row.worst);
                    rows.lock().expect("no thread failed").insert(n, row);
                }
            });
        }
    });
    let rows = rows.into_inner().expect("no thread failed");
    println!("| graph | {} |", OPSETS.map(|o| format!("tract {o}")).join(" | "));
    println!("|---|{}", "--:|".repeat(OPSETS.len()));
    for ((name, _), row) in sources.iter().zip(rows.values()) {
        let cells = row.worst.map(|worst| if worst.is_finite() { format!("{worst:.0e}") } else { "-".to_owned() });
        println!("| {name} | {} |", cells.join(" | "));
    }
    let wrong: Vec<&String> = rows.values().flat_map(|row| &row.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
