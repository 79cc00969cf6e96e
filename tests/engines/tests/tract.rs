//! Every operation, the mean of several sets of weights, and every graph of the project, exported and run by tract: its outputs are the executor's within
//! 1e-4 of their greatest value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lmsc_engines::{Pass, writer};

const TOLERANCE: f32 = 1e-4;
/// The operator sets; `LMSC_OPSETS=17,21` for some of them.
const OPSETS: &str = "13,17,21,23";
/// The set whose files are also looked at after the passes of the compiler, with two samples at once.
const DEFAULT: &str = "17";

/// Widths at which a network is as deep as ever, and small enough that tract is through in minutes.
const NARROW: &[(&str, &str)] = &[
    ("attention-unet", "channels=[8, 12, 16, 24, 32]"),
    ("basicunet", "features=[8, 8, 12, 16, 24, 8]"),
    ("dynunet", "filters=[8, 12, 16, 20, 24, 24]"),
    ("mednext", "init_filters=8"),
    ("mednext-b", "init_filters=8"),
    ("mednext-l", "init_filters=8"),
    ("mednext-m", "init_filters=8"),
    ("nnunet", "features_per_stage=[8, 12, 16, 20, 24, 24]"),
    ("nnunet-resenc", "features_per_stage=[8, 12, 16, 20, 24, 24]"),
    ("segresnet", "init_filters=8"),
    ("unetpp", "features=[8, 12, 16, 20, 24]"),
    ("vnet", "width=8"),
];

/// One of the names that an environment variable lists, or all.
fn chosen(variable: &str, name: &str) -> bool {
    std::env::var(variable).map_or(true, |only| only.split(',').any(|own| own == name))
}

/// What the writer is asked for, by name; `LMSC_GRAPHS=operations,unet,vnet` for some of it.
fn sources() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graphs");
    let mut graphs: Vec<PathBuf> = std::fs::read_dir(folder).expect("the graphs").map(|e| e.expect("an entry").path()).collect();
    graphs.retain(|p| p.extension().is_some_and(|e| e == "ron"));
    graphs.sort();
    let named = |p: PathBuf| (p.file_stem().unwrap_or_default().to_string_lossy().into_owned(), p);
    let mut all: Vec<(String, PathBuf)> = ["operations", "folds"].map(|name| (name.to_owned(), name.into())).into();
    all.extend(graphs.into_iter().map(named));
    all.retain(|(name, _)| chosen("LMSC_GRAPHS", name));
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

/// The files of an operator set, and the pass that each is held to: at a size that it was not written at, and after the passes of the compiler with two
/// samples at once.
fn runs(opset: &str) -> Vec<(String, usize)> {
    let mut all = vec![(format!("{opset}.onnx"), 0)];
    all.extend((opset == DEFAULT).then(|| (format!("{opset}.optimised.onnx"), 1)));
    all
}

/// What tract makes of a source.
#[derive(Debug)]
struct Row {
    /// The greatest difference at each operator set; infinite where tract refuses.
    worst: Vec<f32>,
    wrong: Vec<String>,
}

fn row(writer: &Path, name: &str, source: &Path, opsets: &[&str]) -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    let narrow = NARROW.iter().filter(|(own, _)| *own == name).map(|(_, set)| set);
    let run = Command::new(writer).arg(source).arg(folder.path()).args(opsets).args(narrow).output().expect("the writer runs");
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    let mut row = Row { worst: vec![0.0; opsets.len()], wrong: vec![] };
    for case in cases(folder.path()) {
        let passes = ["0", "1"].map(|n| Pass::read(&case.join(n).with_extension("safetensors")).expect("a pass"));
        let runs = opsets.iter().enumerate().flat_map(|(at, opset)| runs(opset).into_iter().map(move |(file, n)| (at, file, n)));
        for (at, file, n) in runs {
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
    let opsets: Vec<&str> = OPSETS.split(',').filter(|opset| chosen("LMSC_OPSETS", opset)).collect();
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<usize, Row>> = Mutex::default();
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, source)) = sources.get(n) else { break };
                    let row = row(&writer, name, source, &opsets);
                    eprintln!("{name}: {:?}", row.worst);
                    rows.lock().expect("no thread failed").insert(n, row);
                }
            });
        }
    });
    let rows = rows.into_inner().expect("no thread failed");
    println!("| graph | {} |", opsets.iter().map(|o| format!("tract {o}")).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "--:|".repeat(opsets.len()));
    for ((name, _), row) in sources.iter().zip(rows.values()) {
        let cell = |worst: &f32| if worst.is_finite() { format!("{worst:.0e}") } else { "-".to_owned() };
        let cells: Vec<String> = row.worst.iter().map(cell).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    let wrong: Vec<&String> = rows.values().flat_map(|row| &row.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
