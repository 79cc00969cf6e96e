//! What other engines are given: the project's networks with weights drawn from a seed, at small sizes, and what the executor makes of numbers.

use std::path::{Path, PathBuf};

use lmsc_cpu::exec::{Executor, Shape};
use lmsc_graph::compile::{Program, compile};
use lmsc_graph::ir::{Array, Arrays, Init, Value, Weight};
use lmsc_graph::text::{Result, Source};

/// Numbers drawn from a seed.
#[derive(Debug)]
pub struct Draw(pub u64);

impl Draw {
    /// Between -1 and 1.
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f32 / (1u64 << 30) as f32 - 1.0
    }

    /// So many.
    pub fn numbers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.number()).collect()
    }
}

/// The graphs of a folder, by name.
///
/// # Errors
/// Why the folder cannot be read.
pub fn graphs(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut all = std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    all.retain(|p| p.extension().is_some_and(|e| e == "ron"));
    all.sort();
    Ok(all)
}

/// A graph, compiled at the smallest size of 32 voxels and more along each axis that it takes.
///
/// # Errors
/// What is wrong with it.
pub fn small(file: &Path) -> Result<Program> {
    let source = Source::read(file)?;
    let whole = compile(&source, &[], None)?;
    let m = whole.multiple();
    let size = std::array::from_fn(|a| if whole.flat() && a == 0 { 1 } else { 32usize.next_multiple_of(m[a]) });
    compile(&source, &[], Some(size)).or(Ok(whole))
}

/// Weights about as large as a trained network's, so that values keep their size from layer to layer.
pub fn weights(program: &Program) -> Arrays {
    let mut draw = Draw(5);
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
pub struct Pass {
    pub inputs: Vec<(String, Array)>,
    pub outputs: Vec<(String, Array)>,
}

/// The shapes that a network is run at: another size than the one that it was compiled for, and two samples at once. A network with a fixed size runs
/// at that.
pub fn shapes(program: &Program, free: [bool; 3]) -> [Shape; 2] {
    let size = program.inputs.first().map_or([1; 3], |(_, v)| program.graph.fact(*v).size);
    let mut longer = size;
    if free[2] {
        longer[2] += program.multiple()[2];
    }
    [Shape { batch: 1, size: longer }, Shape { batch: 2, size }]
}

/// Runs the executor on numbers drawn from a seed.
///
/// # Errors
/// As [`Executor::run`].
pub fn pass(executor: &mut Executor, program: &Program, shape: Shape) -> Result<Pass> {
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
