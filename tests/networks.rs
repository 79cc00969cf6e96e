//! The networks of others: exact counts, and outputs and gradients of small configurations against tensors that their public implementations
//! made (data beside the checkout).
#![cfg(feature = "predict")]

mod given;
#[path = "given/references.rs"]
mod references;

use std::collections::BTreeMap;
use std::path::Path;
#[cfg(feature = "train")]
use std::sync::Arc;

#[cfg(feature = "train")]
use burn::tensor::{Tensor, TensorData, s};
#[cfg(feature = "train")]
use lmsc::compile::memory::Segments;
use lmsc::compile::{Program, compile, memory::facts_at, verify};
use lmsc::exec::{Executor, Shape};
#[cfg(feature = "train")]
use lmsc::ir::Array;
use lmsc::ir::{Arrays, Volume64, evaluate};
#[cfg(feature = "train")]
use lmsc::net::{Network, TrainingPass};
use lmsc::read::Set;
use lmsc::store::{NameMap, Store, init, read_store};
use lmsc::text::Source;
use references::REFERENCES;

/// An input of a hard swish lies 1.3e-5 from its corner: of such a network float32 makes other gradients than float64 (PyTorch's own float32 is off
/// by 0.4 of the norm), so they are held to the definitions in float64.
const AT_A_CORNER: &[&str] = &["B-levitunet"];

/// |a - b| / |b|
fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / norm(&mut b.iter().map(|b| f64::from(*b))).max(1e-12)
}

fn program(graph: &str, sets: &[&str], size: [usize; 3]) -> Program {
    let source = Source::read(&Path::new("graphs").join(format!("{graph}.ron"))).expect("the graph");
    let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).unwrap_or_else(|d| panic!("{s}: {d:?}"))).collect();
    compile(&source, &sets, Some(size)).unwrap_or_else(|found| panic!("{graph}: {found:?}"))
}

/// The arrays of a file under the names and in the layouts of a program; `prefix` is taken off.
fn ported(p: &Program, map: &NameMap, all: &Arrays, prefix: &str) -> Arrays {
    let arrays = all.iter().filter_map(|(k, a)| Some((k.strip_prefix(prefix)?.to_owned(), a.clone()))).collect();
    let known: BTreeMap<String, Vec<usize>> = p.graph.tensors().into_iter().map(|(_, n, w)| (n, w.dims)).collect();
    map.rename(&Store { arrays, ..Store::default() }, &known, &p.params, Path::new("reference")).expect("it fits").0
}

#[test]
fn outputs_and_gradients_are_those_of_the_public_implementations() {
    let mut wrong = vec![];
    for (file, graph, map, sets) in REFERENCES {
        let Some(path) = given::beside(&format!("networks/{file}.safetensors")) else { continue };
        let theirs = read_store(&path).expect("the reference").arrays;
        let map = NameMap::read(&Path::new("maps").join(format!("{map}.map"))).expect("the map");
        wrong.extend(Reference { file, theirs, map }.compared(graph, sets));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a public implementation made.
struct Reference<'a> {
    file: &'a str,
    theirs: Arrays,
    map: NameMap,
}

impl Reference<'_> {
    /// What is further than 1e-4 of the norm from it; tells the furthest.
    fn compared(&self, graph: &str, sets: &[&str]) -> Vec<String> {
        let (file, x) = (self.file, &self.theirs["input"]);
        let size = [x.dims[2], x.dims[3], x.dims[4]];
        let p = program(graph, sets, size);
        let weights = ported(&p, &self.map, &self.theirs, "");
        let missing: Vec<String> = p.graph.tensors().into_iter().map(|(_, n, _)| n).filter(|n| !weights.contains_key(n)).collect();
        if !missing.is_empty() {
            return vec![format!("{file}: nothing is mapped to {missing:?}")];
        }
        let mut errors: Vec<(f64, String)> = vec![];
        let mut near = |got: &[f32], i: usize, what: &str| {
            let name = if i == 0 { "output".to_owned() } else { format!("output_{i}") };
            errors.push((relative(got, &self.theirs[&name].values), format!("{what}, {name}")));
        };
        // The executor.
        let mut e = Executor::new(&p, &weights).unwrap_or_else(|d| panic!("{file}: {d:?}"));
        let got = e.run(&[&x.values], Shape { batch: x.dims[0], size }).unwrap_or_else(|d| panic!("{file}: {d:?}"));
        got.iter().enumerate().for_each(|(i, got)| near(got, i, "the executor"));
        // The definitions in float64.
        let all = self.defined(&p, &weights, None);
        for (i, got) in all.iter().enumerate() {
            let got: Vec<f32> = got.iter().map(|v| *v as f32).collect();
            near(&got, i, "the definitions");
        }
        if AT_A_CORNER.contains(&file) {
            self.by_differences(&p, &weights, &mut errors);
        }
        #[cfg(feature = "train")]
        self.on_burn(&p, &weights, &mut errors);
        let worst = errors.iter().fold(0.0f64, |m, (e, _)| m.max(if e.is_nan() { f64::INFINITY } else { *e }));
        eprintln!("{file}: {} tensors within {worst:.1e} of their norm", errors.len());
        let far = errors.into_iter().filter(|(e, _)| !matches!(e.partial_cmp(&1e-4), Some(std::cmp::Ordering::Less)));
        far.map(|(e, what)| format!("{file}, {what}: {e:e}")).collect()
    }

    /// The outputs by the definitions in float64; a weight may be moved some way along a direction.
    fn defined(&self, p: &Program, weights: &Arrays, moved: Option<(&str, &[f64])>) -> Vec<Vec<f64>> {
        let (file, x) = (self.file, &self.theirs["input"]);
        let weight = |name: &str| {
            let mut all: Vec<f64> = weights.get(name).map(|a| a.values.iter().map(|v| f64::from(*v)).collect()).unwrap_or_default();
            if let Some((_, by)) = moved.filter(|(own, _)| *own == name) {
                all.iter_mut().zip(by).for_each(|(w, by)| *w += by);
            }
            all
        };
        let facts = facts_at(p, x.dims[0], Some([x.dims[2], x.dims[3], x.dims[4]])).unwrap_or_else(|(_, f)| panic!("{file}: {f:?}"));
        let at_batch = p.graph.clone().with_facts(&facts);
        let input = Volume64::from_f32(at_batch.fact(p.inputs[0].1), &x.values);
        let all = evaluate(&at_batch, &[input], &weight).unwrap_or_else(|f| panic!("{file}: {f:?}"));
        p.graph.outputs.iter().map(|(_, v)| all[v.0].values.clone()).collect()
    }

    /// The gradients as slopes of the loss along themselves, by differences of the definitions in float64.
    fn by_differences(&self, p: &Program, weights: &Arrays, errors: &mut Vec<(f64, String)>) {
        const STEP: f64 = 1e-7;
        let probe = &self.theirs["probe"].values;
        let gradients = ported(p, &self.map, &self.theirs, "grad.");
        assert!(gradients.len() >= 3, "{}", self.file);
        for (name, g) in &gradients {
            let norm = g.values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let loss = |by: f64| {
                let way: Vec<f64> = g.values.iter().map(|v| by * f64::from(*v) / norm).collect();
                let y = &self.defined(p, weights, Some((name, &way)))[0];
                y.iter().zip(probe).map(|(y, p)| y * f64::from(*p)).sum::<f64>() / y.len() as f64
            };
            let slope = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
            errors.push(((slope - norm).abs() / norm, format!("the slope along the gradient of {name}")));
        }
    }

    /// Outputs and gradients on Burn.
    #[cfg(feature = "train")]
    fn on_burn(&self, p: &Program, weights: &Arrays, errors: &mut Vec<(f64, String)>) {
        let file = self.file;
        let device = given::device().autodiff();
        let net = Network::from_arrays(Arc::new(p.clone()), weights, &device).unwrap_or_else(|d| panic!("{file}: {d:?}"));
        let tensor = |a: &Array| Tensor::<5>::from_data(TensorData::new(a.values.clone(), a.dims.clone()), &device);
        let wanted: Vec<_> = p.graph.outputs.iter().map(|(_, v)| *v).collect();
        let got = net.run(vec![tensor(&self.theirs["input"])], &wanted);
        for (i, got) in got.iter().enumerate() {
            let name = if i == 0 { "output".to_owned() } else { format!("output_{i}") };
            let numbers = got.clone().into_data().try_into_vec::<f32>().expect("numbers");
            errors.push((relative(&numbers, &self.theirs[&name].values), format!("Burn, {name}")));
        }
        let grads = (got[0].clone() * tensor(&self.theirs["probe"])).mean().backward();
        let gradients = ported(p, &self.map, &self.theirs, "grad.");
        // Of a tensor whose gradient is rounding alone nothing can be said: a bias before a norm.
        let largest = gradients.values().flat_map(|g| &g.values).fold(0.0f32, |m, v| m.max(v.abs()));
        let (mut compared, mut given) = (0, 0);
        for (name, w) in net.weights() {
            let Some(want) = gradients.get(name) else { continue };
            given += 1;
            if want.values.iter().all(|v| v.abs() < 1e-5 * largest) {
                continue;
            }
            compared += 1;
            let Some(own) = w.grad(&grads) else {
                errors.push((f64::INFINITY, format!("{name} has no gradient")));
                continue;
            };
            if AT_A_CORNER.contains(&file) {
                continue;
            }
            let own = own.into_data().try_into_vec::<f32>().expect("numbers");
            errors.push((relative(&own, &want.values), format!("the gradient of {name}")));
        }
        let of_graph = |k: &&String| k.strip_prefix("grad.").is_some_and(|name| !self.map.ignores(name));
        let file_has = self.theirs.keys().filter(of_graph).count();
        if given != file_has || compared < 3 {
            errors.push((f64::INFINITY, format!("{compared} of {given} gradients were compared, the file has {file_has}")));
        }
    }
}

/// Batch norms by the statistics of the batch: outputs, gradients and running statistics of the specification in training mode, which
/// `tests/given/train_mode.py` wrote.
#[cfg(feature = "train")]
#[test]
fn batch_statistics_give_the_outputs_and_gradients_of_the_specification() {
    for file in ["A-vnet", "A-attentionunet", "B-segformer3d", "B-transbts"] {
        let Some(path) = given::beside(&format!("networks/{file}.safetensors")) else { continue };
        let (_, graph, map, sets) = REFERENCES.iter().find(|(name, ..)| *name == file).expect("it is listed");
        let (theirs, training) =
            (read_store(&path).expect("the reference").arrays, format!("tests/given/train-mode-{}.safetensors", &file[2..]));
        let training = read_store(Path::new(&training)).expect("the reference in training mode").arrays;
        // The batch is the input, and after it the input turned over along D.
        let twice = |a: &Array| -> Vec<f32> {
            let plane = a.dims[3] * a.dims[4];
            let channels = a.values.chunks_exact(a.dims[2] * plane);
            let turned = channels.flat_map(|c| c.chunks_exact(plane).rev().flatten().copied());
            a.values.iter().copied().chain(turned).collect()
        };
        let (x, probe) = (&theirs["input"], &theirs["probe"]);
        let p = program(graph, sets, [x.dims[2], x.dims[3], x.dims[4]]);
        let map = NameMap::read(&Path::new("maps").join(format!("{map}.map"))).expect("the map");
        let device = given::device().autodiff();
        let mut net =
            Network::from_arrays(Arc::new(p.clone()), &ported(&p, &map, &theirs, ""), &device).unwrap_or_else(|d| panic!("{d:?}"));
        let tensor = |a: &Array| {
            Tensor::<5>::from_data(TensorData::new(twice(a), [2 * a.dims[0], a.dims[1], a.dims[2], a.dims[3], a.dims[4]]), &device)
        };
        let near = |got: &[f32], want: &Array, what: &str| {
            let error = relative(got, &want.values);
            assert!(error < 1e-4, "{file}, {what}: {error:e}");
        };
        let pass = net.pass(tensor(x), &[0], &Segments::whole(), TrainingPass::new(0, 0));
        let y = pass.outputs()[0].clone();
        let sampled = y.clone().slice(s![.., .., ..;4, ..;4, ..;4]);
        near(&sampled.into_data().try_into_vec::<f32>().expect("numbers"), &training["output"], "the output");
        let grads = (y * tensor(probe)).mean().backward();
        let gradients = ported(&p, &map, &training, "grad.");
        // A bias before a batch norm has a gradient of rounding alone.
        let largest = gradients.values().flat_map(|g| &g.values).fold(0.0f32, |m, v| m.max(v.abs()));
        let mut compared = 0;
        for (name, w) in net.weights() {
            let Some(want) = gradients.get(name).filter(|g| g.values.iter().any(|v| v.abs() >= 1e-5 * largest)) else { continue };
            compared += 1;
            let own = w.grad(&grads).unwrap_or_else(|| panic!("{file}: {name} has no gradient"));
            near(&own.into_data().try_into_vec::<f32>().expect("numbers"), want, &format!("the gradient of {name}"));
        }
        assert!(compared >= 4, "{file}: {compared} gradients were compared");
        let counts = Tensor::from_data(TensorData::new(vec![1f32], [1]), &device.clone().inner());
        net.observe(pass.observed(), &counts);
        let running = ported(&p, &map, &training, "");
        let mut compared = 0;
        for (name, b) in net.buffers() {
            near(&b.clone().into_data().try_into_vec::<f32>().expect("numbers"), &running[name], name);
            compared += 1;
        }
        assert_eq!(compared, training.keys().filter(|k| k.contains(".running_")).count(), "{file}");
    }
}

/// Trained public models: folder and file of weights.
const TRAINED: &[(&str, &str)] = &[
    ("brainchop-model5", "weights.safetensors"),
    // Under the names that PyTorch gives them.
    ("brainchop-model5", "model.pth"),
    ("brainchop-model20chan3cls", "weights.safetensors"),
    ("brainchop-model30chan18cls", "weights.safetensors"),
    ("brainchop-model21-104class", "weights.safetensors"),
    ("brainchop-mindgrab", "weights.safetensors"),
    ("brainchop-meshnet15-bn", "weights.safetensors"),
    ("brainchop-sae-robust-tissue", "weights.safetensors"),
    ("deepbet", "model.safetensors"),
    ("hippodeep", "hippodeep.safetensors"),
    ("deepbrain-v1", "weights.safetensors"),
];

/// What of a file of weights no graph has.
const UNUSED: &str = "num_batches_tracked";

#[test]
fn trained_public_models_give_their_own_logits() {
    for (folder, file) in TRAINED {
        let (graph, sets) = given::public_model(folder);
        let Some(folder) = given::beside(&format!("models/{folder}")) else { continue };
        let tensor = |file: &str, name: &str| read_store(&folder.join(file)).expect("a file of tensors").arrays[name].clone();
        let (x, want) = (tensor("input.safetensors", "input"), tensor("output.safetensors", "output"));
        let size = [x.dims[2], x.dims[3], x.dims[4]];
        let p = program(graph, sets, size);
        let map = NameMap::read(&Path::new("maps").join(format!("{graph}.map"))).expect("the map");
        let theirs = read_store(&folder.join(file)).expect("the weights");
        let known: BTreeMap<String, Vec<usize>> = p.graph.tensors().into_iter().map(|(_, n, w)| (n, w.dims)).collect();
        let (weights, names) = map.rename(&theirs, &known, &p.params, Path::new(file)).expect("it fits");
        let missing: Vec<&String> = known.keys().filter(|n| !weights.contains_key(*n)).collect();
        assert!(missing.is_empty(), "{}: nothing is mapped to {missing:?}", folder.display());
        let unused: Vec<&String> = theirs.arrays.keys().filter(|n| !n.ends_with(UNUSED) && !names.values().any(|v| v == *n)).collect();
        assert!(unused.is_empty(), "{}: {unused:?} have no place", folder.display());
        let mut e = Executor::new(&p, &weights).unwrap_or_else(|d| panic!("{}: {d:?}", folder.display()));
        let got = e.run(&[&x.values], Shape { batch: 1, size }).unwrap_or_else(|d| panic!("{}: {d:?}", folder.display())).swap_remove(0);
        assert_eq!(got.len(), want.values.len());
        let most = f64::from(want.values.iter().fold(0f32, |m, v| m.max(v.abs())));
        let apart = |a: &[f32], b: &[f64]| a.iter().zip(b).fold(0f64, |m, (a, b)| m.max((f64::from(*a) - b).abs())) / most;
        let own: Vec<f64> = want.values.iter().map(|v| f64::from(*v)).collect();
        if apart(&got, &own) < 1e-5 {
            continue;
        }
        // The original rounds too: then both are held to the definitions in float64, and this is to be the nearer.
        let weight = |name: &str| weights.get(name).map(|a| a.values.iter().map(|v| f64::from(*v)).collect()).unwrap_or_default();
        let input = Volume64::from_f32(p.graph.fact(p.inputs[0].1), &x.values);
        let exact = &evaluate(&p.graph, &[input], &weight).unwrap_or_else(|f| panic!("{f:?}"))[p.graph.outputs[0].1.0].values;
        let (ours, theirs) = (apart(&got, exact), apart(&want.values, exact));
        assert!(ours < theirs && theirs < 1e-5, "{}: {ours:e} of its greatest logit, the original {theirs:e}", folder.display());
    }
}

/// What the graphs claim of themselves is what is counted.
#[test]
fn claims_hold() {
    for path in given::networks() {
        let source = Source::read(&path).expect("a graph");
        let p = compile(&source, &[], None).unwrap_or_else(|found| panic!("{}: {found:?}", path.display()));
        let found = verify(&source, &p);
        assert!(found.is_ok(), "{}: {found:?}", path.display());
    }
}

/// Positions, biases by distance and projections of voxels: the program was compiled for one size, and says so at another.
#[test]
fn what_is_learned_for_one_size_is_refused_at_another() {
    for (file, other, told) in [
        ("A-unetr", [32, 32, 32], "the positions were learned for 2x1x3 voxels, but there are 2x2x2"),
        ("B-unetrpp-tumor", [64, 64, 64], "the positions were learned for 8x8x8 voxels, but there are 16x16x16"),
        ("B-levitunet", [1, 128, 128], "the biases were learned for keys on 1x6x6, but they lie on 1x8x8"),
    ] {
        let (_, graph, _, sets) = REFERENCES.iter().find(|r| r.0 == file).expect("listed");
        let size = match file {
            "A-unetr" => [32, 16, 48],
            "B-levitunet" => [1, 96, 96],
            _ => [32; 3],
        };
        let p = program(graph, sets, size);
        let mut e = Executor::new(&p, &init(&p, 1).expect("weights")).unwrap_or_else(|d| panic!("{file}: {d:?}"));
        e.prepare(Shape { batch: 1, size }).unwrap_or_else(|d| panic!("{file}: {d:?}"));
        let found = e.prepare(Shape { batch: 1, size: other }).expect_err("another size is refused");
        assert!(found.0[0].message.contains(told), "{file}: {}", found.0[0].message);
    }
}
