//! The executor gives what the operations say: against an independent implementation's tensors, against every operation's
//! definition (over all operations, blocks and graphs, and over graphs drawn at random), with every instruction set, for any number of
//! threads, at sizes and batches other than the compiled ones.
#![cfg(feature = "predict")]

mod given;

use std::collections::HashSet;
use std::path::Path;

use lmsc::block::Spec;
use lmsc::compile::memory::facts_at;
use lmsc::compile::{Program, compile};
use lmsc::exec::{Executor, Isa, Shape};
use lmsc::ir::{Array, Arrays, Fact, Graph, Operator, Triple, Value, Volume64, evaluate};
use lmsc::op::{self, Op};
use lmsc::store::{NameMap, read_store};
use lmsc::text::Source;

/// Numbers drawn from a seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    /// Between -1 and 1.
    fn number(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }

    fn numbers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.number()).collect()
    }
}

fn weights(p: &Program, draw: &mut Draw) -> Arrays {
    let one = |(_, name, w): (Value, String, lmsc::ir::Weight)| {
        let n: usize = w.dims.iter().product();
        // As large as a network's, so that values keep their size from layer to layer.
        let fan: usize = w.dims.iter().skip(1).product::<usize>().max(1);
        let scale = if w.dims.len() == 1 { 0.5 } else { (3.0 / fan as f32).sqrt() };
        let base = if w.init == lmsc::ir::Init::Ones { 1.0 } else { 0.0 };
        (name, Array::new(w.dims, draw.numbers(n).into_iter().map(|v| base + scale * v).collect()))
    };
    p.graph.tensors().into_iter().map(one).collect()
}

/// The outputs by the operations' definitions.
fn by_definition(p: &Program, facts: &[Fact], w: &Arrays, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let given: Vec<Volume64> = p.inputs.iter().zip(inputs).map(|((_, v), x)| Volume64::from_f32(facts[v.0], x)).collect();
    let weight = |name: &str| w.get(name).map(|a| a.values.iter().map(|x| f64::from(*x)).collect()).unwrap_or_default();
    let all = evaluate(&p.graph, &given, &weight).unwrap_or_else(|f| panic!("{f:?}"));
    p.graph.outputs.iter().map(|(_, v)| all[v.0].values.iter().map(|x| *x as f32).collect()).collect()
}

/// |a - b| / |b|
fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / norm(&mut b.iter().map(|b| f64::from(*b))).max(1e-12)
}

fn executor(p: &Program, w: &Arrays) -> Executor {
    Executor::new(p, w).unwrap_or_else(|e| panic!("{}: {e:?}", p.name))
}

/// The instruction sets that this processor has.
fn isas() -> Vec<Isa> {
    let mut all = vec![Isa::Portable];
    #[cfg(target_arch = "x86_64")]
    all.extend([Isa::Avx2, Isa::Avx512]);
    all.retain(|f| f.available() == *f);
    all
}

/// Runs a program at a shape by all instruction sets and compares.
fn agrees(name: &str, p: &Program, shape: Shape, seed: u64) {
    let Ok(facts) = facts_at(p, shape.batch, Some(shape.size)) else { panic!("{name} does not take {shape:?}") };
    let mut draw = Draw(seed);
    let w = weights(p, &mut draw);
    let inputs: Vec<Vec<f32>> = p.inputs.iter().map(|(_, v)| draw.numbers(facts[v.0].dims().iter().product())).collect();
    let slices: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let want = by_definition(p, &facts, &w, &inputs);
    for isa in isas() {
        let mut e = executor(p, &w).with_lanes(isa);
        let got = e.run(&slices, shape).unwrap_or_else(|d| panic!("{name} at {shape:?}: {d:?}"));
        assert_eq!(got.len(), want.len());
        for ((got, want), (output, _)) in got.iter().zip(&want).zip(&p.graph.outputs) {
            let error = relative(got, want);
            assert!(error < 2e-5, "{name}, {output} at {shape:?} with {}: {error:e}\n{}", isa.name(), e.listing(shape).unwrap_or_default());
        }
    }
}

/// The first input's batch and size.
fn compiled(p: &Program) -> Shape {
    let f = p.graph.fact(p.inputs[0].1);
    Shape { batch: f.batch, size: f.size }
}

#[test]
fn the_reference_networks() {
    let pairs = [
        ("lightmedseg.ron", "r-k8.safetensors"),
        ("lightmedseg-standard.ron", "r-standard-conv.safetensors"),
        ("lightmedseg-literal.ron", "literal-k8.safetensors"),
        ("lightmedseg-no-lspm.ron", "r-no-lspm.safetensors"),
    ];
    for (graph, file) in pairs {
        let Some(path) = given::beside(&format!("reference/{file}")) else { continue };
        let theirs = read_store(&path).expect("the reference").arrays;
        let dims = &theirs["input"].dims;
        let source = Source::read(&Path::new("graphs").join(graph)).expect("the graph");
        let size = [dims[2], dims[3], dims[4]];
        let p = compile(&source, &[], Some(size)).expect("it compiles");
        let map = NameMap::read(Path::new("maps/reference.map")).expect("the map");
        let known: HashSet<String> = p.graph.weights().into_iter().map(|(_, n, _)| n).collect();
        let named = theirs.iter().filter(|(k, _)| k.starts_with("param/"));
        let w: Arrays = named.map(|(k, t)| (map.apply(k, &known).unwrap_or_else(|| panic!("no place for {k}")), t.clone())).collect();
        let got = executor(&p, &w).run(&[&theirs["input"].values], Shape { batch: dims[0], size }).expect("it runs");
        let error = relative(&got[0], &theirs["out/logits"].values);
        assert!(error < 1e-5, "{graph}: {error:e}");
    }
}

#[test]
fn every_operation_alone() {
    for (i, e) in Op::examples().into_iter().enumerate() {
        if matches!(e.op, Op::Input(_)) {
            continue;
        }
        let p = given::alone(&e);
        agrees(&format!("{:?} on {:?}", e.op, e.inputs), &p, compiled(&p), i as u64);
    }
}

#[test]
fn every_block() {
    for (i, e) in Spec::LIST.iter().enumerate() {
        let p = given::block(e, e.example).unwrap_or_else(|found| panic!("{}: {found:?}", e.name));
        for batch in [1, 2] {
            agrees(e.name, &p, Shape { batch, ..compiled(&p) }, i as u64);
        }
    }
}

#[test]
fn every_graph_at_sizes_and_batches() {
    for file in given::graphs() {
        let p = given::graph_at(&file, Some([32, 16, 48]));
        // A batch of two, and another size than the compiled one.
        agrees(&file.display().to_string(), &p, Shape { batch: 2, size: [16, 32, 16] }, 5);
    }
}

/// A graph of operations drawn at random, on values drawn from those before.
fn drawn(draw: &mut Draw, batch: usize, nodes: usize) -> Program {
    let mut g: Graph<Op> = Graph::default();
    let odd = [5 + draw.below(3), 6 + draw.below(4), 7 + draw.below(30)];
    let even = odd.map(|n| n / 2 * 2);
    let size = if draw.below(2) == 0 { even } else { odd };
    let x = g.input("x0".into(), op::Input.into(), Fact::new(batch, 4, size));
    let v = g.input("x1".into(), op::Input.into(), Fact::vector(batch, 6));
    let inputs = vec![("x0".to_owned(), x), ("x1".to_owned(), v)];
    let mut values = vec![x, v];
    let functions =
        [op::Function::Silu, op::Function::Relu, op::Function::Sigmoid, op::Function::Tanh, op::Function::Gelu, op::Function::Mish];
    let mut tries = 0;
    while values.len() < nodes && tries < 50 * nodes {
        tries += 1;
        let pick = |draw: &mut Draw, all: &[Value]| {
            all[if draw.below(3) == 0 { draw.below(all.len()) } else { all.len() - 1 - draw.below(all.len().min(3)) }]
        };
        let (a, b) = (pick(draw, &values), pick(draw, &values));
        let c = g.fact(a).channels;
        let k = Triple([1 + 2 * draw.below(2), 3, 3 + 2 * draw.below(2)]);
        let (op, x): (Op, Vec<Value>) = match draw.below(22) {
            0 => (op::Conv3d::new(4 + draw.below(6), Triple::all(3)).bias(draw.below(2) == 0).into(), vec![a]),
            1 => {
                let by = Triple::all(1 + draw.below(3));
                (op::Conv3d { dilation: by, padding: by, ..op::Conv3d::new(4 + draw.below(6), Triple::all(3)) }.into(), vec![a])
            }
            2 => (op::Conv3d::new(3, Triple::all(1)).into(), vec![a]),
            3 => (op::Conv3d::new(c, k).groups(c).into(), vec![a]),
            4 => (op::Conv3d::new(c, Triple::all(5)).groups(c).bias(false).into(), vec![a]),
            5 => (op::Conv3d::new(5, Triple::all(3)).stride(Triple([2, 1, 2])).into(), vec![a]),
            6 => (op::ConvTranspose3d::new(3, Triple::all(2)).into(), vec![a]),
            7 | 8 => (op::GroupNorm::new(if c.is_multiple_of(2) { 2 } else { 1 }).into(), vec![a]),
            9 | 10 => (op::Activation::from(functions[draw.below(functions.len())]).into(), vec![a]),
            11 => (op::Add.into(), vec![a, b]),
            12 => (op::Sub.into(), vec![a, b]),
            13 | 14 => (op::Mul.into(), vec![a, b]),
            15 => (op::Softmax.into(), vec![a]),
            16 => (op::Concat.into(), vec![a, b]),
            17 => (op::Slice { start: draw.below(c), channels: 1 }.into(), vec![a]),
            18 => (op::MaxPool3d::new(Triple([1, 2, 2])).into(), vec![a]),
            19 => (op::Resize::LIKE.into(), vec![a, b]),
            20 => (op::GlobalAvgPool.into(), vec![a]),
            _ => match draw.below(3) {
                0 => (op::PositionMap.into(), vec![a, b]),
                1 => (op::Linear::new(6).into(), vec![a]),
                _ => (op::ScaleShift { scale: -0.5, shift: 1.0 }.into(), vec![a]),
            },
        };
        let facts: Vec<Fact> = x.iter().map(|v| g.fact(*v)).collect();
        let small = |f: Fact| f.channels <= 24 && f.elements().is_ok_and(|n| n < 200_000);
        if op.infer(&facts).is_ok_and(small)
            && let Ok(v) = g.add(format!("n{}", g.len()), op, &x)
        {
            values.push(v);
        }
    }
    let last = values[values.len() - 1];
    let other = values[2 + draw.below(values.len() - 2)];
    g.outputs = vec![("a".into(), last), ("b".into(), other)];
    Program::from_graph("drawn", g, inputs)
}

#[test]
fn windows_of_all_kinds() {
    let conv = |out: usize, kernel: [usize; 3]| op::Conv3d::new(out, Triple(kernel));
    let padded = |c: op::Conv3d, p: [usize; 3]| op::Conv3d { padding: Triple(p), ..c };
    let convolutions = [
        padded(conv(6, [3, 3, 3]), [0, 0, 0]),
        padded(conv(6, [3, 3, 3]), [2, 1, 4]),
        padded(conv(6, [3, 3, 3]), [0, 2, 6]),
        op::Conv3d { dilation: Triple([1, 2, 3]), ..padded(conv(5, [3, 3, 3]), [1, 2, 3]) },
        op::Conv3d { dilation: Triple([3, 4, 20]), ..padded(conv(5, [3, 3, 3]), [3, 4, 20]) },
        op::Conv3d { dilation: Triple([2, 2, 1]), ..padded(conv(3, [5, 1, 3]), [4, 0, 1]) },
        op::Conv3d { dilation: Triple::all(2), ..padded(conv(8, [3, 3, 3]), [2, 2, 0]) }.groups(2),
        conv(4, [5, 3, 7]),
        conv(4, [1, 1, 131]),
        padded(conv(3, [2, 4, 2]), [1, 0, 1]),
        padded(conv(3, [1, 1, 1]), [1, 2, 3]),
        conv(3, [1, 1, 1]).stride(Triple([2, 3, 2])),
        conv(8, [3, 3, 3]).stride(Triple([1, 2, 3])).groups(2),
        conv(8, [3, 3, 3]).groups(2),
        conv(4, [7, 7, 3]).groups(4),
        conv(4, [1, 7, 9]).groups(4).bias(false),
        conv(4, [1, 1, 131]).groups(4),
        conv(4, [3, 9, 3]).groups(4),
        conv(8, [5, 5, 5]).groups(4),
        conv(4, [5, 5, 5]).groups(4).stride(Triple::all(2)),
    ];
    for (i, c) in convolutions.into_iter().enumerate() {
        for (batch, size) in [(1, [7, 9, 70]), (2, [6, 8, 17])] {
            let mut g: Graph<Op> = Graph::default();
            let x = g.input("x".into(), op::Input.into(), Fact::new(batch, 4, size));
            let y = g.add("norm".into(), op::GroupNorm::new(2).into(), &[x]).expect("it fits");
            let y = g.add("act".into(), op::Activation::SILU.into(), &[y]).expect("it fits");
            // Once from what the stage makes, once from memory, and once more after it.
            let a = g.add("a".into(), c.clone().into(), &[y]).expect("it fits");
            let b = g.add("b".into(), c.clone().into(), &[x]).expect("it fits");
            let sum = g.add("sum".into(), op::Add.into(), &[a, b]).expect("it fits");
            let z = g.add("z".into(), op::Conv3d::new(4, Triple::all(3)).into(), &[sum]).expect("it fits");
            g.outputs = vec![("z".into(), z), ("a".into(), a)];
            let p = Program::from_graph("window", g, vec![("x".into(), x)]);
            agrees(&format!("{c:?}"), &p, compiled(&p), i as u64);
        }
    }
}

/// Stages that fall into grids within each other, some a plane or a row longer than others.
#[test]
fn dilated_chains() {
    for (n, dilations) in [&[2, 2, 1, 3][..], &[1, 4, 2, 4], &[5, 1, 16]].into_iter().enumerate() {
        for (batch, size) in [(1, [9, 11, 70]), (2, [10, 8, 19]), (1, [33, 37, 5])] {
            let mut g: Graph<Op> = Graph::default();
            let x = g.input("x".into(), op::Input.into(), Fact::new(batch, 4, size));
            let mut y = x;
            for (i, d) in dilations.iter().enumerate() {
                let conv = op::Conv3d { dilation: Triple::all(*d), padding: Triple::all(*d), ..op::Conv3d::new(5, Triple::all(3)) };
                y = g.add(format!("conv{i}"), conv.into(), &[y]).expect("it fits");
                if i % 2 == 0 {
                    y = g.add(format!("norm{i}"), op::GroupNorm::new(5).into(), &[y]).expect("it fits");
                }
                y = g.add(format!("act{i}"), op::Activation::from(op::Function::Elu).into(), &[y]).expect("it fits");
            }
            let z = g.add("head".into(), op::Conv3d::new(3, Triple::all(1)).into(), &[y]).expect("it fits");
            g.outputs = vec![("z".into(), z)];
            let p = Program::from_graph("chain", g, vec![("x".into(), x)]);
            agrees(&format!("{dilations:?} at {size:?}"), &p, compiled(&p), n as u64);
        }
    }
}

#[test]
fn graphs_drawn_at_random() {
    for seed in 0..150 {
        let mut draw = Draw(seed);
        let p = drawn(&mut draw, 1 + seed as usize % 2, 5 + seed as usize % 20);
        agrees(&format!("graph {seed}"), &p, compiled(&p), seed);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let p = compile(&Source::read(Path::new("graphs/lightmedseg.ron")).expect("it can be read"), &[], Some([32; 3])).expect("it compiles");
    let mut draw = Draw(3);
    let w = weights(&p, &mut draw);
    let x = draw.numbers(4 * 32 * 32 * 32);
    let shape = Shape { batch: 1, size: [32; 3] };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| executor(&p, &w).run(&[&x], shape).expect("it runs"))
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
    // And a second run of the same executor, on memory that holds the first's numbers.
    let mut e = executor(&p, &w);
    assert!(e.run(&[&x], shape).expect("it runs") == one && e.run(&[&x], shape).expect("it runs") == one);
}

#[test]
fn what_does_not_fit_is_refused() {
    let p = compile(&Source::read(Path::new("graphs/lightmedseg.ron")).expect("it can be read"), &[], Some([16; 3])).expect("it compiles");
    let mut w = weights(&p, &mut Draw(1));
    let mut e = executor(&p, &w);
    let shape = Shape { batch: 1, size: [16; 3] };
    assert!(e.run(&[&[0.0; 5]], shape).is_err(), "too short an input");
    assert!(e.run(&[], shape).is_err(), "no input");
    let mut short = vec![0.0; 3];
    assert!(e.run_into(&[&vec![0.0; 4 * 4096]], shape, &mut [&mut short]).is_err(), "too short an output");
    assert!(e.run(&[&[0.0; 4]], Shape { batch: 1, size: [1; 3] }).is_err(), "a size that no pooling takes");
    w.remove("head.conv.weight");
    assert!(Executor::new(&p, &w).is_err(), "a weight is missing");
}

#[test]
fn the_bytes_of_a_run_are_known_before() {
    let p = compile(&Source::read(Path::new("graphs/lightmedseg.ron")).expect("it can be read"), &[], None).expect("it compiles");
    let mut e = executor(&p, &weights(&p, &mut Draw(1)));
    let shape = e.compiled();
    assert_eq!(shape.size, [128; 3]);
    let bytes = e.bytes(shape, 2).expect("a size that it takes");
    // Beside 34 MB of input and 34 MB of output.
    assert!(bytes < 190_000_000, "{bytes}");
}
