//! What the network leaves to Burn on a GPU becomes few kernels: Burn's fusion gives up where operations come in an order that it cannot
//! follow, and then launches a kernel for each, with a pass over memory of its own.
#![cfg(feature = "gpu")]

mod given;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::backend::fusion::observer::{BlockOperations, FusionObservation, FusionObserver};
use burn::backend::ir::OperationIr;
use burn::tensor::{Device, Tensor};
use lmsc::net::{CompiledNetwork, Network, learning, on_cpu, tracked};

/// The blocks of operations that have run, each a kernel or, of one operation, what that takes.
#[derive(Default)]
struct Blocks(Mutex<Vec<Vec<OperationIr>>>);

impl FusionObserver for Blocks {
    fn registered(&self, _: &OperationIr) {}

    fn block_starts(&self, block: BlockOperations<'_>) {
        self.0.lock().expect("no panic").push(block.iter().cloned().collect());
    }

    fn block_ran(&self) {}
}

/// Whether an operation computes each number of a volume from those in the same place.
fn is_elementwise(op: &OperationIr) -> bool {
    let volume = |shape: &[usize]| shape.len() == 5 && shape[2..].iter().product::<usize>() > 1;
    matches!(op, OperationIr::NumericFloat(..) | OperationIr::Float(..))
        && op.outputs().all(|t| volume(&t.shape))
        && op.inputs().all(|t| t.shape.len() == 5)
}

/// What ran by itself though another such operation alone reads it.
fn missed(blocks: &[Vec<OperationIr>]) -> Vec<String> {
    let mut readers: HashMap<_, Vec<&OperationIr>> = HashMap::new();
    for op in blocks.iter().flatten().filter(|op| !matches!(op, OperationIr::Drop(_))) {
        op.inputs().for_each(|t| readers.entry(t.id).or_default().push(op));
    }
    let alone = blocks.iter().filter(|block| block.len() == 1).flatten().filter(|op| is_elementwise(op));
    let goes_on =
        |op: &&OperationIr| op.outputs().any(|t| matches!(readers.get(&t.id).map(Vec::as_slice), Some([reader]) if is_elementwise(reader)));
    alone.filter(goes_on).map(|op| format!("{op:?}").chars().take(200).collect()).collect()
}

/// The blocks of what is run, once it has been run before.
fn observed(device: &Device, run: impl Fn() -> Vec<Tensor<5>>) -> Vec<Vec<OperationIr>> {
    let finish = |made: Vec<Tensor<5>>| made.into_iter().for_each(|y| drop(y.into_data()));
    finish(run());
    device.sync().expect("a device");
    let blocks = Arc::new(Blocks::default());
    let observation = FusionObservation::new(blocks.clone());
    finish(run());
    device.sync().expect("a device");
    drop(observation);
    std::mem::take(&mut *blocks.0.lock().expect("no panic"))
}

#[test]
fn what_is_left_to_burn_is_fused() {
    let device = given::device();
    if on_cpu(&device) {
        assert!(std::env::var_os("LMSC_REQUIRE_GPU").is_none(), "LMSC_TEST_DEVICE names no GPU, and LMSC_REQUIRE_GPU wants one");
        // Past the test's own output, which nobody sees of a test that passes.
        writeln!(std::io::stderr(), "NOT RUN: fusion needs a GPU, as LMSC_TEST_DEVICE=wgpu").expect("stderr");
        return;
    }
    let program = Arc::new(given::graph_at(Path::new("graphs/lightmedseg.ron"), Some([32; 3])));
    let network = Network::new(program.clone(), &device, 1).expect("it fits");
    let x = Tensor::<5>::ones([1, 4, 32, 32, 32], &device);
    check("forward", 0, &observed(&device, || vec![network.forward(x.clone())]));
    let compiled = CompiledNetwork::new(&network, &[0], &device).expect("it fits");
    // Sums of three, whose last term is computed after the first two are added up.
    check("compiled for inference", 2, &observed(&device, || vec![compiled.network().forward(x.clone())]));
    let network = Network::new(program, &learning(&device), 1).expect("it fits");
    let both = || {
        let y = network.forward(tracked(x.clone(), &learning(&device)));
        let grads = (y.clone() * y).sum().backward();
        let kernels = network.weights().iter().filter_map(|(_, w)| {
            let dims: [usize; 5] = w.dims().try_into().ok()?;
            Some(w.grad(&grads)?.reshape(dims))
        });
        kernels.collect()
    };
    // The backward pass comes in the order that its gradients are asked for in.
    check("forward and backward", 20, &observed(&device, both));
}

/// At most so many are missed.
fn check(what: &str, most: usize, blocks: &[Vec<OperationIr>]) {
    let fused = blocks.iter().filter(|block| block.len() > 1).count();
    let missed = missed(blocks);
    println!("{what}: {} blocks, {fused} fused, {} missed", blocks.len(), missed.len());
    assert!(fused >= 10, "{what}: only {fused} are fused");
    assert!(missed.len() <= most, "{what}: {missed:#?}");
}
