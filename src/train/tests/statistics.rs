//! Batch norms and random zeros in training: interrupted, recomputed, on several workers; statistics as PyTorch defines them.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

use super::*;
use crate::compile::memory::Segments;
use crate::net::TrainingPass;

const NORMED: &str = r#"(
    params: { "modalities": 4, "classes": 4 },
    inputs: { "image": (channels: "modalities", size: (16, 16, 16)) },
    nodes: {
        "a": Conv(x: "image", out: 6, norm: batch, activation: relu),
        "drop": Dropout(x: "a", rate: 0.25),
        "b": Conv(x: "drop", out: 6, norm: batch(momentum: 0.3)),
        "path": DropPath(x: "b", rate: 0.25),
        "sum": Add(x: ["path", "a"], activation: relu),
        "head": SegHead(x: "sum", classes: "classes"),
    },
    outputs: { "logits": "head" },
)"#;

/// The running statistics of the file of a run, by name.
fn statistics(run: &Path) -> Vec<(String, Vec<f32>)> {
    let all = read_store(&run.join(LAST)).unwrap().arrays;
    all.into_iter().filter(|(n, _)| n.contains("running")).map(|(n, a)| (n, a.values)).collect()
}

#[test]
fn an_interrupted_run_has_the_same_statistics_and_zeros() {
    for sets in [&["epochs=2", "steps=3"][..], &["epochs=1", "steps=3", "optimiser.accumulate=2", "optimiser.average=0.9"]] {
        let root = tempfile::tempdir().unwrap();
        let [whole, cut] = ["whole", "cut"].map(|n| root.path().join(n));
        let job = job_of(NORMED, sets, &[]).unwrap();
        train_in(&whole, &job).unwrap();
        let stop = AtomicBool::new(true);
        train(&job, &Folder::create(Some(&cut), "x", false).unwrap(), &Device::flex(), &stop).unwrap();
        while resume(&job, &Folder::open(&cut).unwrap(), &Device::flex(), &stop).unwrap().ending != StopReason::Whole {}
        same(&whole, &cut);
        let all = statistics(&whole);
        assert_eq!(all.len(), 4, "a mean and a variance for each of two norms");
        assert!(all.iter().all(|(n, v)| v.iter().all(|x| *x != if n.ends_with("mean") { 0.0 } else { 1.0 })), "{all:?}");
    }
}

#[test]
fn recomputation_draws_the_same_zeros_and_counts_a_batch_once() {
    let run = |sets: &[&str]| {
        let root = tempfile::tempdir().unwrap();
        let all = [&["epochs=1", "steps=3", "batch=2", "optimiser.kind=sgd"], sets].concat();
        train_in(&root.path().join("run"), &job_of(NORMED, &all, &[]).unwrap()).unwrap();
        read_store(&root.path().join("run").join(LAST)).unwrap().arrays
    };
    let (plain, again) = (run(&[]), run(&["checkpointing=true"]));
    for (name, a) in &plain {
        let off = a.values.iter().zip(&again[name].values).fold(0.0f32, |m, (x, y)| m.max((x - y).abs()));
        assert!(off < 1e-5, "{name}: {off}");
    }
}

/// The moments of the batch, biased for the normalisation and unbiased for the running variance (`torch.nn.BatchNorm3d`).
#[test]
fn batch_statistics_are_those_of_the_definition() {
    let graph = r#"(inputs: { "x": (channels: 2, size: (2, 3, 2)) }, nodes: { "n": Norm(x: "x", kind: batch(momentum: 0.25)) }, outputs: { "y": "n" })"#;
    let program = Arc::new(crate::compile::compile(&Source::new("n.ron", graph), &[], None).unwrap());
    let device = Device::flex().autodiff();
    let mut network = Network::new(program, &device, 0).unwrap();
    let values: Vec<f32> = (0..48).map(|i| (i as f32 * 0.7).sin() + i as f32 * 0.05).collect();
    let x = Tensor::<5>::from_data(TensorData::new(values.clone(), [2, 2, 2, 3, 2]), &device);
    let pass = network.pass(x.clone(), &[0], &Segments::whole(), TrainingPass::new(0, 0));
    let y = pass.outputs()[0].clone().into_data().try_into_vec::<f32>().unwrap();
    let of_channel = |all: &[f32], c: usize| -> Vec<f64> { (0..48).filter(|i| i / 12 % 2 == c).map(|i| f64::from(all[i])).collect() };
    network.observe(pass.observed(), &Tensor::from_data(TensorData::new(vec![1.0f32], [1]), &Device::flex()));
    let running: Vec<Vec<f32>> = network.buffers().iter().map(|(_, b)| b.clone().into_data().try_into_vec::<f32>().unwrap()).collect();
    for (c, (running_mean, running_var)) in running[0].iter().zip(&running[1]).enumerate() {
        let own = of_channel(&values, c);
        let n = own.len() as f64;
        let mean = own.iter().sum::<f64>() / n;
        let variance = own.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        for (got, v) in of_channel(&y, c).iter().zip(&own) {
            assert!((got - (v - mean) / (variance + 1e-5).sqrt()).abs() < 1e-5);
        }
        assert!((f64::from(*running_mean) - 0.25 * mean).abs() < 1e-6);
        assert!((f64::from(*running_var) - (0.75 + 0.25 * variance * n / (n - 1.0))).abs() < 1e-6);
    }
    // In prediction, and with frozen statistics, by the running ones; a batch that does not count changes nothing.
    let frozen = network.pass(x.clone(), &[0], &Segments::whole(), TrainingPass::new(0, 1).frozen());
    assert!(frozen.observed().is_empty());
    let plain = network.valid().forward(x.clone().inner());
    let off = (plain - frozen.outputs()[0].clone().inner()).abs().max().into_scalar::<f32>();
    assert!(off < 1e-6, "{off}");
    let again = network.pass(x, &[0], &Segments::whole(), TrainingPass::new(0, 2));
    network.observe(again.observed(), &Tensor::from_data(TensorData::new(vec![0.0f32], [1]), &Device::flex()));
    let now: Vec<Vec<f32>> = network.buffers().iter().map(|(_, b)| b.clone().into_data().try_into_vec::<f32>().unwrap()).collect();
    assert_eq!(now, running);
}

/// Zeros follow from seed, step and sample: the parts of a batch on two replicas have those of the whole.
#[test]
fn random_zeros_do_not_depend_on_the_division_of_a_batch() {
    let graph = r#"(inputs: { "x": (channels: 3, size: (2, 3, 4)) }, nodes: { "d": Dropout(x: "x", rate: 0.5) }, outputs: { "y": "d" })"#;
    let program = Arc::new(crate::compile::compile(&Source::new("d.ron", graph), &[], None).unwrap());
    let device = Device::flex().autodiff();
    let network = Network::new(program, &device, 0).unwrap();
    let x = Tensor::<5>::ones([4, 3, 2, 3, 4], &device);
    let run = |x: Tensor<5>, training: TrainingPass| network.pass(x, &[0], &Segments::whole(), training).outputs()[0].clone().inner();
    let numbers = |t: Tensor<5>| t.into_data().try_into_vec::<f32>().unwrap();
    let whole = numbers(run(x.clone(), TrainingPass::new(7, 3)));
    let parts = [0, 2].map(|at| numbers(run(x.clone().narrow(0, at, 2), TrainingPass::new(7, 3).of_part(at))));
    assert_eq!(whole, parts.concat());
    assert!(whole.iter().all(|v| *v == 0.0 || *v == 2.0));
    let zeros = whole.iter().filter(|v| **v == 0.0).count();
    assert!((60..=228).contains(&zeros), "{zeros} of 288");
    assert_ne!(whole, numbers(run(x.clone(), TrainingPass::new(7, 4))), "another step");
    assert_ne!(whole, numbers(run(x.clone(), TrainingPass::new(8, 3))), "another seed");
    // In prediction nothing falls out.
    assert!(numbers(network.forward(x).inner()).iter().all(|v| *v == 1.0));
}

/// `set` of a run config takes what `--set` takes: lists with sizes, and norms and functions with their fields.
#[test]
fn a_config_sets_lists_and_forms() {
    let graph = r#"(
        params: { "modalities": 4, "classes": 4, "norm": batch, "act": relu, "kernels": [3, 3] },
        inputs: { "image": (channels: "modalities", size: (16, 16, 16)) },
        nodes: {
            "a{i}": Conv(chain: "i in 0..len(kernels)", x: "image", out: 4, kernel: "kernels[i]", norm: "norm", activation: "act"),
            "head": SegHead(x: "a{last}", classes: "classes"),
        },
        outputs: { "logits": "head" },
    )"#;
    let text = CONFIG
        .replace("epochs: 3,", r#"epochs: 3, set: { "norm": group(2), "act": leaky_relu(slope: 0.1), "kernels": [(1, 3, 3), 3, 1] },"#);
    let source = Source::new("run.ron", text.as_str());
    let config = RunConfig::read(&source, &[]).unwrap();
    let job = Job::prepare(config, &source, &Source::new("net.ron", graph), &[]).unwrap();
    let kinds: Vec<&str> = job.program.graph.values().map(|v| crate::ir::Operator::kind(&job.program.graph.node(v).op)).collect();
    assert_eq!(kinds.iter().filter(|k| **k == "group_norm").count(), 3, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|k| **k == "leaky_relu").count(), 3);
    let weights = job.program.graph.weights();
    assert_eq!(weights[0].2.dims, [4, 4, 1, 3, 3]);
}
