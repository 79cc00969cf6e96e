//! The laws that hold for every operation and every block: they walk both lists, so a new one gets them for free.
//!
//! 1 `infer` says the shape that the forward gives. 2 `cost.params` is the module's `num_params()`. 3 `cost.macs` is what Burn records.
//! 4 RON -> spec -> RON is the identity. 5 Any spec on any input either infers or faults. 6 Every parameter gets a gradient.
//! 7, that passes keep the output, is in `tests/passes`. 8 The forward pass and the gradients on Burn are those of the operations'
//! definitions in float64. 9 What an operation expands to is the operation.

mod given;

use lmsc::block::Spec;
use lmsc::compile::Program;
use lmsc::compile::passes::{Optimised, legalise};
use lmsc::ir::{Array, Arrays, Fact, Init, Operator, Value, Volume64, Weight, evaluate};
use lmsc::op::Op;
use lmsc::text::Source;

#[test]
fn the_lists_are_whole() {
    let examples = Op::examples();
    for name in Op::NAMES {
        assert!(examples.iter().any(|e| format!("{:?}", e.op).starts_with(name)), "{name} has no example");
    }
    for e in Spec::LIST {
        let fields = e.example.to_owned();
        for p in e.inputs {
            assert!(fields.contains(&format!("{}:", p.name)), "the example of {} leaves out the input {}", e.name, p.name);
        }
        given::block(e, e.example).unwrap_or_else(|found| panic!("{}: {found:?}", e.name));
    }
}

/// Law 4, for operations.
#[test]
fn ron_to_op_to_ron() {
    for e in Op::examples() {
        let text = ron::to_string(&e.op).expect("an op can be written");
        let back: Op = ron::from_str(&text).expect("what was written can be read");
        assert_eq!(back, e.op);
        assert_eq!(ron::to_string(&back).expect("again"), text);
    }
}

/// Law 4, for blocks: what a spec is written as reads back as the same spec, through the reader of graphs.
#[test]
fn ron_to_spec_to_ron() {
    for e in Spec::LIST {
        let spec = spec(e.name, e.example);
        let options = ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES | ron::extensions::Extensions::IMPLICIT_SOME);
        let text = options.to_string(&spec).expect("a spec can be written");
        assert_eq!(spec_of(&text, e.name), spec, "{text}");
    }
}

fn spec(name: &str, node: &str) -> Spec {
    let ports: Vec<&str> = Spec::LIST.iter().find(|e| e.name == name).expect("listed").inputs.iter().map(|p| p.name).collect();
    let tree = lmsc::read::parse(&Source::new(name, node)).expect("RON");
    let entries = tree.entries().expect("fields").iter().filter(|e| !ports.contains(&e.key.as_str()));
    let read = |fields: lmsc::read::Fields| Spec::read(name, fields).expect("a block");
    lmsc::read::fields(&entries.collect::<Vec<_>>(), &Default::default(), read).expect("its fields")
}

fn spec_of(text: &str, name: &str) -> Spec {
    spec(name, text)
}

/// Numbers that break arithmetic.
const HOSTILE: [u64; 9] = [0, 1, 2, 3, 7, 1 << 20, 1 << 33, 1 << 62, u64::MAX];

/// Every text that has one whole number of `text` replaced by a hostile one.
fn mutations(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut all = vec![];
    let mut i = 0;
    while i < bytes.len() {
        let starts =
            bytes[i].is_ascii_digit() && (i == 0 || !(bytes[i - 1].is_ascii_alphanumeric() || matches!(bytes[i - 1], b'.' | b'_')));
        let end = (i..bytes.len()).find(|j| !bytes[*j].is_ascii_digit()).unwrap_or(bytes.len());
        if starts && bytes.get(end).is_none_or(|b| !matches!(b, b'.' | b'e')) {
            all.extend(HOSTILE.iter().map(|n| format!("{}{n}{}", &text[..i], &text[end..])));
        }
        i = end.max(i + 1);
    }
    all
}

/// Law 5, for operations: hostile fields and hostile inputs.
#[test]
fn any_op_infers_or_faults() {
    let mut inferred = 0;
    for e in Op::examples() {
        let text = ron::to_string(&e.op).expect("an op can be written");
        let ops: Vec<Op> = mutations(&text).iter().filter_map(|t| ron::from_str(t).ok()).chain([e.op.clone()]).collect();
        for op in &ops {
            for hostile in HOSTILE {
                for place in 0..=5 {
                    let mut x = e.inputs.clone();
                    if let Some(f) = x.first_mut() {
                        let n = hostile as usize;
                        match place {
                            0 => f.batch = n,
                            1 => f.channels = n,
                            5 => *f = Fact::new(n, n, [n; 3]),
                            axis => f.size[axis - 2] = n,
                        }
                    }
                    if let Ok(y) = op.infer(&x) {
                        inferred += 1;
                        let _ = op.weights(&x);
                        let _ = op.cost(&x, &y);
                    }
                }
            }
            assert!(op.infer(&[]).is_err(), "{op:?} infers from nothing");
        }
    }
    assert!(inferred > 1000);
}

/// Law 5, for blocks.
#[test]
fn any_block_compiles_or_faults() {
    let mut compiled_ = 0;
    for e in Spec::LIST {
        for node in mutations(e.example) {
            match given::block(e, &node) {
                Ok(_) => compiled_ += 1,
                Err(found) => assert!(found.0.iter().all(|d| !d.message.is_empty() && !d.labels.is_empty()), "{node}: {found:?}"),
            }
        }
    }
    assert!(compiled_ > 20);
}

/// Numbers of a program's weights and buffers, around what they start as.
fn arrays(p: &Program) -> Arrays {
    let one = |(i, (_, name, w)): (usize, (Value, String, Weight))| {
        let fact = Fact::new(1, 1, [1, 1, w.dims.iter().product()]);
        let base = match w.init {
            Init::Ones => 1.0,
            Init::Constant(value) => value,
            _ => 0.0,
        };
        let values = Volume64::wave(fact, i as f64 + 0.5).values.into_iter().map(|x| (base + 0.4 * x) as f32).collect();
        (name, Array::new(w.dims, values))
    };
    p.graph.tensors().into_iter().enumerate().map(one).collect()
}

fn given_inputs(p: &Program) -> Vec<Volume64> {
    p.inputs.iter().enumerate().map(|(i, (_, v))| Volume64::wave(p.graph.fact(*v), i as f64 + 0.37)).collect()
}

/// The first output by the operations' definitions.
fn by_definition(p: &Program, weights: &Arrays, inputs: &[Volume64]) -> Volume64 {
    let weight = |name: &str| weights.get(name).map(|a| a.values.iter().map(|x| f64::from(*x)).collect()).unwrap_or_default();
    let all = evaluate(&p.graph, inputs, &weight).unwrap_or_else(|f| panic!("{f:?}"));
    all[p.graph.outputs[0].1.0].clone()
}

/// Law 9.
#[test]
fn what_an_operation_expands_to_is_the_operation() {
    let mut expanded = 0;
    for e in Op::examples() {
        if e.op.expand(&e.inputs).is_none() {
            continue;
        }
        expanded += 1;
        let p = given::alone(&e);
        let fine = legalise(Optimised::new(&p), |op| op.expand(&[Fact::new(1, 1, [1; 3])]).is_none()).expect("it expands");
        let (weights, inputs) = (arrays(&p), given_inputs(&p));
        let own = fine.refits.weights(&fine.program.graph, &weights).expect("views fit");
        let (a, b) = (by_definition(&p, &weights, &inputs), by_definition(&fine.program, &own, &inputs));
        let off = a.values.iter().zip(&b.values).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(off < 1e-6, "{:?}: {off}", e.op);
    }
    assert!(expanded >= 5, "only {expanded} have an expansion");
}

#[cfg(feature = "train")]
mod running {
    use std::sync::Arc;

    use super::*;
    use burn::backend::ir::{FloatOperationIr, ModuleOperationIr, OperationIr};
    use burn::module::Module;
    use burn::tensor::{Device, Tensor, TensorData};
    use lmsc::net::Network;

    /// Every operation and every block as a program, with a name.
    fn programs() -> Vec<(String, Program)> {
        let ops = Op::examples().into_iter().map(|e| (format!("{:?} on {:?}", e.op, e.inputs), given::alone(&e)));
        let blocks = Spec::LIST.iter().map(|e| (e.example.to_owned(), given::block(e, e.example).expect("an example compiles")));
        ops.chain(blocks).collect()
    }

    /// Numbers between -1 and 1 that are different in every place.
    fn wave(shape: [usize; 5], phase: f32, device: &Device) -> Tensor<5> {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.731 + phase).sin() * (i as f32 * 0.0137 + phase).cos()).collect();
        Tensor::from_data(TensorData::new(values, shape.to_vec()), device)
    }

    fn inputs(p: &Program, device: &Device) -> Vec<Tensor<5>> {
        p.inputs.iter().enumerate().map(|(i, (_, v))| wave(p.graph.fact(*v).dims(), i as f32, device)).collect()
    }

    #[test]
    fn infer_says_the_shape_that_the_forward_gives() {
        let device = given::device();
        for (name, p) in programs() {
            let net = Network::new(Arc::new(p.clone()), &device, 1).expect("it fits");
            let every: Vec<_> = p.graph.values().collect();
            let values = net.run(inputs(&p, &device), &every);
            for (v, t) in every.iter().zip(values) {
                assert_eq!(t.dims(), p.graph.fact(*v).dims(), "{name}: {}", p.graph.node(*v).path);
            }
        }
    }

    #[test]
    fn params_are_those_of_the_module() {
        for (name, p) in programs() {
            let counted = p.cost(0..p.graph.len()).expect("it fits").params;
            let net = Network::new(Arc::new(p), &Device::flex(), 1).expect("it fits");
            assert_eq!(counted, net.num_params() as u64, "{name}");
        }
    }

    #[test]
    fn macs_are_those_that_burn_records() {
        for (name, p) in programs() {
            // Burn has no trilinear resize; composed for a recording device it is products with constant matrices.
            let resizes = p.graph.values().any(|v| p.graph.node(v).op.kind() == "resize");
            let expected = p.cost(0..p.graph.len()).expect("it fits").macs;
            let device = Device::capture();
            let captured = device.capture_scope(|scope| {
                let net = Network::new(Arc::new(p.clone()), &device, 1).expect("it fits");
                let wanted: Vec<_> = p.graph.outputs.iter().map(|(_, v)| *v).collect();
                let _ = net.run(inputs(&p, &device), &wanted);
                scope.complete([], [])
            });
            let operations = captured.expect("a recording").graph.operations;
            let counted: u64 = operations.iter().map(|o| macs(o, !resizes)).sum();
            assert_eq!(counted, expected, "{name}");
        }
    }

    fn macs(o: &OperationIr, products: bool) -> u64 {
        let size = |s: &[usize]| s.iter().map(|n| *n as u64).product::<u64>();
        match o {
            OperationIr::Module(ModuleOperationIr::Conv3d(c)) => size(&c.out.shape) * size(&c.weight.shape[1..]),
            OperationIr::Module(ModuleOperationIr::ConvTranspose3d(c)) => size(&c.x.shape) * size(&c.weight.shape[1..]),
            OperationIr::Float(_, FloatOperationIr::Matmul(m)) if products => {
                size(&m.out.shape) * m.lhs.shape[m.lhs.shape.len() - 1] as u64
            }
            _ => 0,
        }
    }

    #[test]
    fn what_is_computed_along_with_another_is_the_same() {
        let device = given::device();
        let (mut along, mut left) = (0, 0);
        for (name, p) in programs() {
            along += p.graph.fused_epilogues().iter().flatten().count();
            left += p.graph.fused_producers().iter().flatten().count();
            let net = Network::new(Arc::new(p.clone()), &device, 1).expect("it fits");
            let wanted: Vec<_> = p.graph.outputs.iter().map(|(_, v)| *v).collect();
            let together = net.run(inputs(&p, &device), &wanted);
            // Where every value is asked for, each is computed alone.
            let every: Vec<_> = p.graph.values().collect();
            let apart = net.run(inputs(&p, &device), &every);
            for (y, v) in together.into_iter().zip(&wanted) {
                let off = (y - apart[v.0].clone()).abs().max().into_scalar::<f32>();
                assert!(off < 1e-5, "{name}: {off}");
            }
        }
        assert!(along >= 8, "only {along} are computed along with another");
        assert!(left >= 2, "only {left} are left to what reads them");
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        let device = given::device().autodiff();
        for (name, p) in programs() {
            let net = Network::new(Arc::new(p.clone()), &device, 1).expect("it fits");
            let wanted: Vec<_> = p.graph.outputs.iter().map(|(_, v)| *v).collect();
            let outputs = net.run(inputs(&p, &device), &wanted);
            let loss = outputs
                .into_iter()
                .enumerate()
                .map(|(i, y)| (y.clone() * wave(y.dims(), 3.0 + i as f32, &device)).sum())
                .reduce(|a, b| a + b);
            if net.weights().is_empty() {
                continue;
            }
            let grads = loss.expect("an output").backward();
            for (path, w) in net.weights() {
                let g = w.grad(&grads).map(|g| g.abs().sum().into_scalar::<f32>());
                assert!(g.is_some_and(|g| g.is_finite() && g > 0.0), "{name}: {path} has the gradient {g:?}");
            }
        }
    }

    /// Law 8: of each input and each weight, at a few places, by central differences of the definition.
    #[test]
    fn values_and_gradients_are_those_of_the_definition() {
        let device = given::device().autodiff();
        for e in Op::examples() {
            let p = given::alone(&e);
            let (weights, inputs) = (arrays(&p), given_inputs(&p));
            let y = by_definition(&p, &weights, &inputs);
            let probe = Volume64::wave(y.fact, 3.0);
            let loss = |weights: &Arrays, inputs: &[Volume64]| -> f64 {
                by_definition(&p, weights, inputs).values.iter().zip(&probe.values).map(|(y, p)| y * p).sum()
            };
            let tensor = |v: &Volume64| {
                let values: Vec<f32> = v.values.iter().map(|x| *x as f32).collect();
                Tensor::<5>::from_data(TensorData::new(values, v.fact.dims().to_vec()), &device)
            };
            let net = Network::from_arrays(Arc::new(p.clone()), &weights, &device).expect("it fits");
            let leaves: Vec<Tensor<5>> = inputs.iter().map(|x| tensor(x).require_grad()).collect();
            let out = net.run(leaves.clone(), &[p.graph.outputs[0].1]).remove(0);
            let own = out.clone().into_data().try_into_vec::<f32>().expect("numbers");
            let largest = y.values.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
            for (a, b) in own.iter().zip(&y.values) {
                assert!((f64::from(*a) - b).abs() <= 2e-5 * largest, "{:?}: {a} for {b}", e.op);
            }
            let grads = (out * tensor(&probe)).sum().backward();
            let h = 1e-4;
            let near = |got: f32, want: f64, what: &str| {
                assert!((f64::from(got) - want).abs() <= 2e-3 * (1.0 + want.abs()), "{:?}, {what}: {got} for {want}", e.op);
            };
            for (i, leaf) in leaves.iter().enumerate() {
                let Some(g) = leaf.grad(&grads) else { continue };
                let g = g.into_data().try_into_vec::<f32>().expect("numbers");
                for at in (0..g.len()).step_by((g.len() / 5).max(1)) {
                    let moved = |by: f64| {
                        let mut all = inputs.clone();
                        all[i].values[at] += by;
                        loss(&weights, &all)
                    };
                    near(g[at], (moved(h) - moved(-h)) / (2.0 * h), &format!("input {i} at {at}"));
                }
            }
            for (name, w) in net.weights() {
                let g = w.grad(&grads).expect("a gradient").into_data().try_into_vec::<f32>().expect("numbers");
                for at in (0..g.len()).step_by((g.len() / 5).max(1)) {
                    // Weights are float32: the step is as large as they make it.
                    let moved = |by: f32| {
                        let mut all = weights.clone();
                        let own = &mut all.get_mut(name).expect("there").values[at];
                        *own += by;
                        (f64::from(*own), loss(&all, &inputs))
                    };
                    let ((a, up), (b, down)) = (moved(h as f32), moved(-h as f32));
                    near(g[at], (up - down) / (a - b), &format!("{name} at {at}"));
                }
            }
        }
    }
}
