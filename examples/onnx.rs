//! Writes a graph as ONNX with weights drawn from a seed, and what the executor makes of numbers drawn from one: for `benches/engines.py` and
//! `tests/engines/`, which run the files in other engines.
//!
//!     cargo run --no-default-features --features predict --example onnx -- graphs/unet.ron FOLDER 17 21 [NAME=VALUE...]
//!
//! NAME=VALUE sets what `lmsc stats --set` sets, beside what `tests/given/small.json` has for the graph.
//!
//! `operations` in the place of a graph: each worked example of an operation, in a folder of its own. `folds`: a network with three sets of weights, whose
//! mean is exported; they lie in a file beside.
//!
//! FOLDER/17.onnx and so on, FOLDER/17.optimised.onnx after the passes; FOLDER/0.safetensors and FOLDER/1.safetensors have inputs (`in/NAME`) and
//! outputs (`out/NAME`) of two sizes. Prints which sizes are free.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use lmsc::compile::{Program, compile};
use lmsc::exec::{Executor, Shape};
use lmsc::export::onnx::{INLINE_BYTES, OnnxOptions, export_mean};
use lmsc::ir::{Array, Arrays, Graph, Init, Operator, Value, Weight};
use lmsc::op::{Example, Input, Op};
use lmsc::read::Set;
use lmsc::store::{Store, write_store};
use lmsc::text::{Result, Source, unwritable};

/// Numbers drawn from a seed.
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    /// Between -1 and 1.
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f32 / (1u64 << 30) as f32 - 1.0
    }

    /// So many.
    fn numbers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.number()).collect()
    }
}

/// What is set of a graph that is too large at its own widths.
fn sets(file: &Path) -> Result<Vec<Set>> {
    let all: BTreeMap<String, Vec<String>> = serde_json::from_str(include_str!("../tests/given/small.json")).unwrap_or_default();
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    all.get(&name).into_iter().flatten().map(|s| Set::parse(s)).collect()
}

/// A graph, compiled at a small size that it takes: 32 voxels along each axis, or more where fewer than two were left at the end of its strides. A norm
/// over one or two voxels gives the signs of their difference, and with them the noise of rounding.
fn small(file: &Path, more: &[Set]) -> Result<Program> {
    let (source, sets) = (Source::read(file)?, [sets(file)?, more.to_vec()].concat());
    let whole = compile(&source, &sets, None)?;
    let m = whole.multiple();
    let size = std::array::from_fn(|a| match m[a] {
        _ if whole.flat() && a == 0 => 1,
        // What is learned for one size is learned for this one.
        m if m >= 64 => 32,
        m => 32usize.next_multiple_of(m).max(2 * m),
    });
    compile(&source, &sets, Some(size)).or(Ok(whole))
}

/// Weights about as large as a trained network's, so that values keep their size from layer to layer.
fn weights(program: &Program, seed: u64) -> Arrays {
    let mut draw = Draw(seed);
    let one = |(_, name, w): (Value, String, Weight)| {
        let fan: usize = w.dims.iter().skip(1).product::<usize>().max(1);
        let scale = if w.dims.len() == 1 { 0.5 } else { (3.0 / fan as f32).sqrt() };
        let base = if w.init == Init::Ones { 1.0 } else { 0.0 };
        let numbers = draw.numbers(w.dims.iter().product());
        (name, Array::new(w.dims, numbers.into_iter().map(|v| base + scale * v).collect()))
    };
    program.graph.tensors().into_iter().map(one).collect()
}

/// One pass of the executor: inputs and outputs by name, `[N, C, D, H, W]` each.
#[derive(Debug)]
struct Pass {
    inputs: Vec<(String, Array)>,
    outputs: Vec<(String, Array)>,
}

/// The shapes that a network is run at: another size than the one that it was compiled for, and two samples at once. A network with a fixed size runs
/// at that.
fn shapes(program: &Program, free: [bool; 3]) -> [Shape; 2] {
    let size = program.inputs.first().map_or([1; 3], |(_, v)| program.graph.fact(*v).size);
    let mut longer = size;
    if free[2] {
        longer[2] += program.multiple()[2];
    }
    [Shape { batch: 1, size: longer }, Shape { batch: 2, size }]
}

/// Runs the executor on numbers drawn from a seed.
fn pass(executor: &mut Executor, program: &Program, shape: Shape) -> Result<Pass> {
    let mut draw = Draw(9);
    let base = program.inputs.first().map(|(_, v)| program.graph.fact(*v).size);
    let input = |(name, v): &(String, Value)| {
        let fact = program.graph.fact(*v);
        let [d, h, w] = if Some(fact.size) == base { shape.size } else { fact.size };
        let dims = [shape.batch, fact.channels, d, h, w];
        (name.clone(), Array::new(dims, draw.numbers(dims.iter().product())))
    };
    let inputs: Vec<(String, Array)> = program.inputs.iter().map(input).collect();
    let slices: Vec<&[f32]> = inputs.iter().map(|(_, a)| a.values.as_slice()).collect();
    let made = executor.run(&slices, shape)?;
    let facts = executor.outputs(shape)?;
    let outputs = facts.into_iter().zip(made).map(|((name, fact), values)| (name, Array::new(fact.dims(), values))).collect();
    Ok(Pass { inputs, outputs })
}

/// The mean of the outputs of passes over the same inputs.
fn mean(passes: Vec<Pass>) -> Option<Pass> {
    let count = passes.len() as f32;
    let mut mean = passes.into_iter().reduce(|mut sum, pass| {
        for ((_, sum), (_, own)) in sum.outputs.iter_mut().zip(pass.outputs) {
            sum.values.iter_mut().zip(own.values).for_each(|(sum, v)| *sum += v);
        }
        sum
    })?;
    mean.outputs.iter_mut().for_each(|(_, a)| a.values.iter_mut().for_each(|v| *v /= count));
    Some(mean)
}

/// A program for each worked example of an operation, by a name of its own.
fn operations() -> Vec<(String, Program)> {
    let alone = |(n, e): (usize, Example)| {
        let mut graph: Graph<Op> = Graph::default();
        let inputs: Vec<_> =
            e.inputs.iter().enumerate().map(|(i, f)| (format!("x{i}"), graph.input(format!("x{i}"), Input.into(), *f))).collect();
        let values: Vec<Value> = inputs.iter().map(|(_, v)| *v).collect();
        let kind = e.op.kind();
        let y = graph.add("op".into(), e.op, &values).ok()?;
        graph.outputs.push(("y".into(), y));
        Some((format!("{n:02}-{kind}"), Program::from_graph(kind, graph, inputs)))
    };
    Op::examples().into_iter().enumerate().filter(|(_, e)| !matches!(e.op, Op::Input(_))).filter_map(alone).collect()
}

fn all_written(graph: &str, folder: &Path, opsets: &[u32], sets: &[Set]) -> Result<()> {
    match graph {
        "operations" => {}
        "folds" => return written(&small(Path::new(FOLDS), sets)?, folder, opsets, 3, 0),
        file => return written(&small(Path::new(file), sets)?, folder, opsets, 1, INLINE_BYTES),
    }
    for (name, program) in operations() {
        let own = folder.join(name);
        std::fs::create_dir_all(&own).map_err(|e| unwritable(&own, &e))?;
        written(&program, &own, opsets, 1, INLINE_BYTES)?;
    }
    Ok(())
}

/// The graph of `folds`.
const FOLDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/graphs/lightmedseg-small.ron");

/// With so many sets of weights, of which so many bytes may be in the file itself.
fn written(program: &Program, folder: &Path, opsets: &[u32], folds: u64, inline: u64) -> Result<()> {
    let trained: Vec<Arrays> = (0..folds).map(|fold| weights(program, 5 + fold)).collect();
    let sets: Vec<(String, &Arrays)> = trained.iter().enumerate().map(|(n, w)| (format!("fold_{n}"), w)).collect();
    let mut free = [false; 3];
    for (opset, optimised) in opsets.iter().flat_map(|opset| [(*opset, false), (*opset, true)]) {
        let options = OnnxOptions { opset, optimised, fixed: None };
        let model = export_mean(program, &sets, &BTreeMap::new(), &options)?;
        let end = if optimised { ".optimised" } else { "" };
        model.write(&folder.join(format!("{opset}{end}.onnx")), inline)?;
        free = model.sizes.free;
        if !optimised {
            println!("{}", model.sizes);
        }
    }
    let mut executors = trained.iter().map(|w| Executor::new(program, w)).collect::<Result<Vec<_>>>()?;
    for (n, shape) in shapes(program, free).into_iter().enumerate() {
        let passes = executors.iter_mut().map(|executor| pass(executor, program, shape)).collect::<Result<Vec<_>>>()?;
        let Some(pass) = mean(passes) else { continue };
        let named = |side: &str, all: Vec<_>| all.into_iter().map(|(name, a)| (format!("{side}/{name}"), a)).collect::<Vec<_>>();
        let arrays = named("in", pass.inputs).into_iter().chain(named("out", pass.outputs)).collect();
        write_store(&folder.join(format!("{n}.safetensors")), &Store { arrays, metadata: BTreeMap::new() })?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [graph, folder, rest @ ..] = arguments.as_slice() else {
        eprintln!("onnx GRAPH FOLDER OPSET... [NAME=VALUE...]");
        return ExitCode::from(2);
    };
    let opsets: Vec<u32> = rest.iter().filter_map(|o| o.parse().ok()).collect();
    let sets = rest.iter().filter(|text| text.contains('=')).map(|text| Set::parse(text)).collect::<Result<Vec<Set>>>();
    match sets.and_then(|sets| all_written(graph, Path::new(folder), &opsets, &sets)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(found) => {
            found.0.iter().for_each(|d| eprintln!("{}", lmsc::text::render::concise(d)));
            ExitCode::FAILURE
        }
    }
}
