//! What several tests are given: the project's graphs, a program of each operation and of each block, and the data that lies beside
//! the checkout.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lmsc::block::Entry;
use lmsc::compile::{Program, compile};
use lmsc::ir::Graph;
use lmsc::op::{Example, Input, Op};
use lmsc::read::Set;
use lmsc::text::{Diagnostics, Source};

/// The project's own network and its variants, by name.
pub fn graphs() -> Vec<PathBuf> {
    of_graphs(true)
}

/// The networks of others, by name: too large to be run at their own widths.
pub fn networks() -> Vec<PathBuf> {
    of_graphs(false)
}

fn of_graphs(own: bool) -> Vec<PathBuf> {
    let is_own = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("lightmedseg"));
    ron_files("graphs").into_iter().filter(|p| is_own(p) == own).collect()
}

/// The `.ron` files of a folder, by name.
pub fn ron_files(folder: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "ron"));
    all.sort();
    all
}

/// What of a network of others is set so that it is small, where its own widths are too large for a test: `small.json`.
pub fn small_sets(file: &Path) -> Vec<Set> {
    let all: BTreeMap<String, Vec<String>> = serde_json::from_str(include_str!("small.json")).expect("a table of sets");
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    all.get(&name).into_iter().flatten().map(|s| Set::parse(s).expect("a change")).collect()
}

/// A graph, compiled at a size or its own.
pub fn graph_at(file: &Path, size: Option<[usize; 3]>) -> Program {
    compile(&Source::read(file).expect("it can be read"), &[], size).unwrap_or_else(|found| panic!("{}: {found:?}", file.display()))
}

/// A program of one operation.
pub fn alone(e: &Example) -> Program {
    let mut graph: Graph<Op> = Graph::default();
    let inputs: Vec<_> =
        e.inputs.iter().enumerate().map(|(i, f)| (format!("x{i}"), graph.input(format!("x{i}"), Input.into(), *f))).collect();
    let values: Vec<_> = inputs.iter().map(|(_, v)| *v).collect();
    let y = graph.add("op".into(), e.op.clone(), &values).expect("an example fits");
    graph.outputs.push(("y".into(), y));
    Program::from_graph("alone", graph, inputs)
}

/// The text of a graph that holds one block, written as `node`, its inputs as the block's example wants them.
pub fn around(e: &Entry, node: &str) -> String {
    let inputs: Vec<String> = e
        .shapes
        .iter()
        .map(|(name, channels, scale)| {
            let [d, h, w] = size(*scale);
            format!("\"{name}\": (channels: {channels}, size: ({d}, {h}, {w}))")
        })
        .collect();
    let outputs = match e.name {
        "LSPM" => "\"a\": \"node.texture\", \"b\": \"node.features\"",
        "PairedAttention" => "\"a\": \"node.spatial\", \"b\": \"node.channel\"",
        "SkipRouter" => "\"a\": \"node.s1\", \"b\": \"node.s2\"",
        _ if e.list => "\"y\": [\"node\"]",
        _ => "\"y\": \"node\"",
    };
    format!("(inputs: {{ {} }}, nodes: {{ \"node\": {node} }}, outputs: {{ {outputs} }})", inputs.join(", "))
}

/// A program of one block, written as `node`.
pub fn block(e: &Entry, node: &str) -> Result<Program, Diagnostics> {
    let first = e.shapes.first().map_or(1, |(_, _, scale)| *scale);
    compile(&Source::new(e.name, around(e, node)), &[], Some(size(first)))
}

fn size(scale: usize) -> [usize; 3] {
    if scale == 0 { [1; 3] } else { [4, 2, 6].map(|n| n * scale) }
}

/// A file beside the checkout (`../shared`, or `$LMSC_SHARED`). Says so when it is not there, and fails if `LMSC_REQUIRE_SHARED` is set.
pub fn beside(file: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("LMSC_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = shared.join(file);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("LMSC_REQUIRE_SHARED").is_none(), "{} is not there", path.display());
    eprintln!("not run: {} is not there", path.display());
    None
}

/// The graph of a trained public model by its folder beside the checkout, and the parameters that its weights were trained with.
pub fn public_model(folder: &str) -> (&'static str, &'static [&'static str]) {
    match folder {
        "brainchop-model5" => ("meshnet", &["norm=none"]),
        "brainchop-model20chan3cls" => ("meshnet", &["norm=none", "act=elu", "channels=20"]),
        "brainchop-model30chan18cls" => ("meshnet", &["norm=none", "act=elu", "channels=30", "out_channels=18"]),
        "brainchop-model21-104class" => {
            ("meshnet", &["norm=none", "channels=21", "out_channels=104", "dilations=[1, 2, 2, 4, 4, 8, 8, 16]"])
        }
        "brainchop-mindgrab" => (
            "meshnet",
            &[
                "norm=instance(affine: false)",
                "act=gelu",
                "bias=false",
                "channels=15",
                "out_channels=2",
                "dilations=[16, 8, 4, 2, 1, 16, 8, 4, 2, 1, 16, 8, 4, 2, 1, 16, 8, 4, 2, 1, 16, 8, 4, 2, 1]",
            ],
        ),
        "brainchop-meshnet15-bn" => {
            ("meshnet", &["act=elu", "channels=15", "dilations=[1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 12, 8, 7, 6, 5, 4, 3, 2, 1]"])
        }
        "brainchop-sae-robust-tissue" => ("autoencoder", &[]),
        "deepbet" => ("linknet", &[]),
        "hippodeep" => ("hippodeep", &[]),
        "deepbrain-v1" => ("deepbrain", &[]),
        other => panic!("no graph is known for {other}"),
    }
}

/// The device of `LMSC_TEST_DEVICE`, or the CPU.
#[cfg(feature = "train")]
pub fn device() -> burn::tensor::Device {
    lmsc::net::device(&std::env::var("LMSC_TEST_DEVICE").unwrap_or_else(|_| "cpu".into())).expect("the device is there")
}

/// The program, run in a folder as a test wants it: no colours, wide lines, nothing to read from.
pub fn lmsc(folder: &Path, args: &[&str]) -> std::process::Output {
    let mut c = std::process::Command::new(env!("CARGO_BIN_EXE_lmsc"));
    c.args(args).current_dir(folder).env("NO_COLOR", "1").env("COLUMNS", "200").stdin(std::process::Stdio::null());
    c.output().expect("it runs")
}

/// What a program has printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
