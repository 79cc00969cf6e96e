//! What is timed: a program at a size and a batch, its weights, its inputs, and the labels of a training step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::compile::Program;
use crate::compile::memory::Precision;
use crate::ir::{Array, Fact, Value};
use crate::net::{self, Network};
use crate::show::operations_text;
use crate::store::{self, NameMap, Store};
use crate::text::{Code, Diagnostic, Diagnostics, Form, Outputs, Result, unwritable};

/// Weights, inputs and labels are drawn from this.
const SEED: u64 = 0;

/// The files that [`BenchCase::export`] writes.
pub const EXPORTED: [&str; 4] = ["graph.json", "weights.safetensors", "input.safetensors", "output.safetensors"];

/// Where weights come from when they are not drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct BenchSetup<'a> {
    pub weights: Option<&'a Path>,
    /// Rules from the file's names to the graph's.
    pub map: Option<&'a Path>,
    /// What is computed in; the weights stay `f32`.
    pub precision: Precision,
}

/// A network that is ready to be timed.
#[derive(Clone, Debug)]
pub struct BenchCase {
    /// With the facts of the batch.
    pub program: Arc<Program>,
    pub network: Network,
    /// The numbers of each input of the graph, `[N, C, D, H, W]`.
    pub inputs: Vec<Vec<f32>>,
    pub batch: usize,
    pub device: Device,
}

impl BenchCase {
    /// A program with drawn or given weights, and inputs that are uniform with mean 0 and variance 1.
    ///
    /// # Errors
    /// E0801 and E0802 for weights that cannot be read or do not fit, E0602 for a precision that the device lacks, E0501 for what does not fit into memory.
    pub fn new(program: Program, batch: usize, given: BenchSetup, device: &Device) -> Result<Self> {
        let program = Arc::new(batched(program, batch)?);
        let mut network = Network::new(program.clone(), device, SEED)?;
        if let Some(path) = given.weights {
            let map = given.map.map(NameMap::read).transpose()?.unwrap_or_default();
            net::port(&mut network, &store::read_store(path)?, &map, path, device)?;
        }
        let network = network.in_precision(given.precision, device)?;
        let mut rng = ChaCha8Rng::seed_from_u64(SEED + 1);
        let mut inputs = vec![];
        for (name, v) in &program.inputs {
            let fact = program.graph.fact(*v);
            inputs.push(draw(&mut rng, &fact).ok_or_else(|| too_large(name))?);
        }
        Ok(Self { program, network, inputs, batch, device: device.clone() })
    }

    /// The shapes of the inputs.
    pub fn shapes(&self) -> Vec<[usize; 5]> {
        self.program.inputs.iter().map(|(_, v)| self.program.graph.fact(*v).dims()).collect()
    }

    /// The inputs as tensors on the device.
    pub fn tensors(&self) -> Vec<Tensor<5>> {
        let all = self.inputs.iter().zip(self.shapes());
        all.map(|(x, dims)| Tensor::from_data(TensorData::new(x.clone(), dims), &self.device)).collect()
    }

    /// The shape of the first output, `[N, C, D, H, W]`.
    pub fn output(&self) -> Fact {
        let first = self.program.graph.outputs.first().map_or(Value(0), |(_, v)| *v);
        self.program.graph.fact(first)
    }

    /// Labels for the first output, `[N, D, H, W]`, every class as likely.
    pub fn labels(&self) -> Vec<u8> {
        let fact = self.output();
        let mut rng = ChaCha8Rng::seed_from_u64(SEED + 2);
        let classes = fact.channels.min(256) as u32;
        let voxels = fact.batch * fact.size.iter().product::<usize>();
        (0..voxels).map(|_| (rng.next_u32() % classes.max(1)) as u8).collect()
    }

    /// Writes into a folder what another program needs to compute the same: `graph.json` (see [`operations_text`]), `weights.safetensors`,
    /// `input.safetensors` (the inputs by name, `labels` as `[N, D, H, W]`) and `output.safetensors` (the outputs by name, as they
    /// were computed). `claimed` is where they were.
    ///
    /// # Errors
    /// E0603 when something cannot be written.
    pub fn export(&self, folder: &Path, claimed: &Outputs, outputs: &[Vec<f32>]) -> Result<()> {
        let [graph, weights, input_file, output_file] = EXPORTED.map(|name| folder.join(name));
        let metadata = BTreeMap::from([claimed.entry()]);
        std::fs::create_dir_all(folder).map_err(|e| unwritable(folder, &e))?;
        claimed.write(&graph, Form::Json, &operations_text(&self.program))?;
        net::save(&weights, &self.network, &metadata)?;
        let mut input = Store { metadata: metadata.clone(), ..Store::default() };
        for ((name, v), x) in self.program.inputs.iter().zip(&self.inputs) {
            input.arrays.insert(name.clone(), Array::new(self.program.graph.fact(*v).dims(), x.clone()));
        }
        let y = self.output();
        let [d, h, w] = y.size;
        let labels = self.labels().into_iter().map(f32::from).collect();
        input.arrays.insert("labels".into(), Array::new([y.batch, d, h, w], labels));
        store::write_store(&input_file, &input)?;
        let mut output = Store { metadata, ..Store::default() };
        for ((name, v), y) in self.program.graph.outputs.iter().zip(outputs) {
            output.arrays.insert(name.clone(), Array::new(self.program.graph.fact(*v).dims(), y.clone()));
        }
        store::write_store(&output_file, &output)
    }
}

/// The program with the facts of a batch.
fn batched(mut program: Program, batch: usize) -> Result<Program> {
    let inputs: Vec<Fact> = program.inputs.iter().map(|(_, v)| Fact { batch, ..program.graph.fact(*v) }).collect();
    let facts = program.graph.infer_at(&inputs).map_err(|(v, f)| {
        let message = format!("`{}` at batch {batch}: {}", program.graph.node(v).path, f.message);
        Diagnostics::from(Diagnostic::error(f.code, message))
    })?;
    program.graph = program.graph.with_facts(&facts);
    for v in program.graph.values() {
        program.graph.cost(v).map_err(|f| Diagnostics::from(Diagnostic::error(f.code, f.message).help("use a smaller batch or input")))?;
    }
    Ok(program)
}

/// As many numbers as the fact has, uniform with mean 0 and variance 1; `None` when they do not fit into memory.
fn draw(rng: &mut ChaCha8Rng, fact: &Fact) -> Option<Vec<f32>> {
    let count = fact.elements().ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < isize::MAX as usize / 8)?;
    let mut numbers: Vec<f32> = vec![];
    numbers.try_reserve_exact(count).ok()?;
    let bound = 3f32.sqrt();
    numbers.extend((0..count).map(|_| bound * (2.0 * rng.random::<f32>() - 1.0)));
    Some(numbers)
}

fn too_large(name: &str) -> Diagnostics {
    Diagnostic::error(Code::E0501, format!("the input `{name}` does not fit into memory")).help("use a smaller input or batch").into()
}
