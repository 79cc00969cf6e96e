//! Passes leave every output as it is (law 7), and the memory plan keeps apart what is alive together.

use std::path::{Path, PathBuf};

use lmsc::block::Spec;
use lmsc::compile::memory::{ALIGNMENT, Precision, Schedule, plan};
use lmsc::compile::passes::{self, Optimised};
use lmsc::compile::{Program, compile};
use lmsc::ir::{Fact, Graph, Operator, Triple, Value};
use lmsc::op::{self, Op};
use lmsc::text::Source;

/// A program of one operation.
fn alone(e: &op::Example) -> Program {
    let mut graph: Graph<Op> = Graph::default();
    let inputs: Vec<_> =
        e.inputs.iter().enumerate().map(|(i, f)| (format!("x{i}"), graph.input(format!("x{i}"), op::Input.into(), *f))).collect();
    let values: Vec<_> = inputs.iter().map(|(_, v)| *v).collect();
    let y = graph.add("op".into(), e.op.clone(), &values).expect("an example fits");
    graph.outputs.push(("y".into(), y));
    Program::from_graph("alone", graph, inputs)
}

/// A program of one block.
fn around(e: &lmsc::block::Entry) -> Program {
    let size = |scale: usize| if scale == 0 { [1; 3] } else { [4, 2, 6].map(|n| n * scale) };
    let inputs: Vec<String> =
        e.shapes.iter().map(|(name, c, scale)| format!("\"{name}\": (channels: {c}, size: {:?})", Triple(size(*scale)).0)).collect();
    let inputs = inputs.join(", ").replace('[', "(").replace(']', ")");
    let outputs = match e.name {
        "LSPM" => "\"a\": \"node.texture\", \"b\": \"node.features\"",
        "SkipRouter" => "\"a\": \"node.s1\", \"b\": \"node.s2\"",
        _ => "\"y\": \"node\"",
    };
    let text = format!("(inputs: {{ {inputs} }}, nodes: {{ \"node\": {} }}, outputs: {{ {outputs} }})", e.example);
    let first = e.shapes.first().map(|(_, _, s)| size(*s));
    compile(&Source::new(e.name, text), &[], first).unwrap_or_else(|found| panic!("{}: {found:?}", e.name))
}

fn files() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir("graphs").expect("graphs/").map(|e| e.expect("an entry").path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "ron"));
    all.sort();
    all
}

fn graph_at(file: &Path, size: Option<[usize; 3]>) -> Program {
    compile(&Source::read(file).expect("it can be read"), &[], size).unwrap_or_else(|found| panic!("{}: {found:?}", file.display()))
}

/// Every graph, operation and block, small.
fn programs() -> Vec<(String, Program)> {
    let graphs = files().into_iter().map(|f| (f.display().to_string(), graph_at(&f, Some([16, 32, 16]))));
    let ops = Op::examples().into_iter().map(|e| (format!("{:?} on {:?}", e.op, e.inputs), alone(&e)));
    let blocks = Spec::LIST.iter().map(|e| (e.name.to_owned(), around(e)));
    graphs.chain(ops).chain(blocks).collect()
}

fn every_pass(p: &Program) -> Vec<(&'static str, Optimised)> {
    let alone = passes::NAMES.iter().map(|n| (*n, passes::run(p, n).expect("a pass").expect("it fits")));
    alone.chain([("all", passes::optimise(p).expect("it fits"))]).collect()
}

/// A graph drawn by hand: `input` gives `x` of a shape, `op` adds and gives the value.
struct Drawing {
    graph: Graph<Op>,
    inputs: Vec<(String, Value)>,
}

impl Drawing {
    fn new() -> Self {
        Self { graph: Graph::default(), inputs: vec![] }
    }

    fn input(&mut self, fact: Fact) -> Value {
        let name = format!("x{}", self.inputs.len());
        let v = self.graph.input(name.clone(), op::Input.into(), fact);
        self.inputs.push((name, v));
        v
    }

    fn op(&mut self, op: impl Into<Op>, x: &[Value]) -> Value {
        let path = format!("n{}", self.graph.len());
        self.graph.add(path, op.into(), x).expect("it fits")
    }

    fn done(mut self, outputs: &[Value]) -> Program {
        self.graph.outputs = outputs.iter().enumerate().map(|(i, v)| (format!("y{i}"), *v)).collect();
        self.graph.taps = self.graph.values().map(|v| (self.graph.node(v).path.clone(), v)).collect();
        Program::from_graph("drawing", self.graph, self.inputs)
    }
}

fn scale(scale: f64, shift: f64) -> op::ScaleShift {
    op::ScaleShift { scale, shift }
}

fn conv(bias: bool) -> op::Conv3d {
    op::Conv3d::new(4, Triple::all(3)).bias(bias)
}

const X: Fact = Fact { batch: 2, channels: 4, size: [3, 5, 4] };

fn after(p: &Program, name: &str) -> Program {
    passes::run(p, name).expect("a pass").expect("it fits").program
}

fn kinds(p: &Program) -> Vec<&'static str> {
    p.graph.values().map(|v| p.graph.node(v).op.kind()).collect()
}

fn dead() -> Program {
    let mut d = Drawing::new();
    let x = d.input(X);
    let unused = d.input(X);
    let owner = d.op(conv(true), &[x]);
    let lost = d.op(op::Activation::SILU, &[unused]);
    let path = "sharer".to_owned();
    let y = d.graph.add_shared(path, conv(true).into(), &[x], owner).expect("it fits");
    d.op(op::Add, &[owner, lost]);
    d.done(&[y])
}

fn chain() -> Program {
    let mut d = Drawing::new();
    let x = d.input(X);
    let a = d.op(scale(2.0, 1.0), &[x]);
    let b = d.op(scale(0.5, -0.5), &[a]);
    let c = d.op(scale(3.0, 1.0), &[a]);
    let e = d.op(op::Activation::SILU, &[b]);
    d.done(&[e, c])
}

fn merge() -> Program {
    let mut d = Drawing::new();
    let x = d.input(X);
    let a = d.op(conv(false), &[x]);
    let a = d.op(scale(0.5, 2.0), &[a]);
    let b = d.op(op::GroupNorm::new(2), &[a]);
    let b = d.op(scale(-3.0, 1.0), &[b]);
    let two = Triple::all(2);
    let c = d.op(op::ConvTranspose3d { out: 3, kernel: two, stride: two, bias: true }, &[b]);
    let c = d.op(scale(2.0, 0.0), &[c]);
    let m = d.op(op::GlobalAvgPool, &[c]);
    let l = d.op(op::Linear::new(3), &[m]);
    let l = d.op(scale(1.0, 1.0), &[l]);
    let y = d.op(op::Mul, &[c, l]);
    d.done(&[y])
}

fn resizes() -> Program {
    let mut d = Drawing::new();
    let x = d.input(Fact::new(2, 4, [5, 7, 4]));
    let other = d.input(Fact::new(2, 1, [5, 7, 4]));
    let a = d.op(conv(true), &[x]);
    // Of equal sizes whatever the input: both are the input's.
    let b = d.op(op::Resize::LIKE, &[a, x]);
    // By 1.
    let c = d.op(op::Resize { scale: Some(Triple::all(1)) }, &[b]);
    // Equal here, but the second input may have another size.
    let e = d.op(op::Resize::LIKE, &[c, other]);
    // Equal here (2, 3, 2): half by a pool and half by a stride, which differ for odd sizes of which 4 is none but 5 is one.
    let half = d.op(op::MaxPool3d { kernel: Triple([1, 1, 2]) }, &[x]);
    let strided = d.op(conv(true).stride(Triple([1, 1, 2])), &[x]);
    let f = d.op(op::Resize::LIKE, &[half, strided]);
    d.done(&[e, f])
}

fn sweeps() -> Program {
    let mut d = Drawing::new();
    let x = d.input(X);
    let v = d.input(Fact::vector(2, 4));
    let a = d.op(conv(true), &[x]);
    let b = d.op(op::Activation::SILU, &[a]);
    let c = d.op(op::Mul, &[b, v]);
    let e = d.op(op::Add, &[c, a]);
    let f = d.op(op::GroupNorm::new(2), &[e]);
    // Read by two that are not of one sweep: stands alone.
    let g = d.op(op::Activation::ABS, &[f]);
    let h = d.op(conv(true), &[g]);
    let i = d.op(op::Sub, &[g, h]);
    d.done(&[i])
}

fn drawings() -> Vec<(String, Program)> {
    [("dead", dead()), ("chain", chain()), ("merge", merge()), ("resizes", resizes()), ("sweeps", sweeps())]
        .map(|(n, p)| (n.to_owned(), p))
        .to_vec()
}

#[test]
fn the_dead_go_and_their_weights_keep_their_name() {
    let p = dead();
    let q = after(&p, "dead");
    assert_eq!(kinds(&q), ["input", "input", "conv3d"]);
    let names: Vec<String> = q.graph.weights().into_iter().map(|(_, n, _)| n).collect();
    assert_eq!(names, ["n2.weight", "n2.bias"]);
    assert_eq!(q.graph.node(q.graph.outputs[0].1).shares, None);
    assert_eq!(q.inputs.len(), 2);
    assert_eq!(q.hash(), after(&q, "dead").hash());
}

#[test]
fn chains_become_one_or_none() {
    let q = after(&chain(), "chains");
    // 0.5 (2 x + 1) - 0.5 = x goes; 3 (2 x + 1) + 1 = 6 x + 4 is one; 2 x + 1 has no reader left.
    assert_eq!(kinds(&q), ["input", "scale_shift", "silu"]);
    assert_eq!(q.graph.node(Value(1)).op, scale(6.0, 4.0).into());
    assert_eq!(q.graph.inputs(Value(2)), [Value(0)]);
    // Beyond the range of numbers nothing is folded.
    let mut d = Drawing::new();
    let x = d.input(X);
    let a = d.op(scale(1e300, 0.0), &[x]);
    let y = d.op(scale(1e300, 0.0), &[a]);
    assert_eq!(kinds(&after(&d.done(&[y]), "chains")).len(), 3);
}

#[test]
fn scales_go_into_weights_with_their_refits() {
    let p = merge();
    let o = passes::run(&p, "scales").expect("a pass").expect("it fits");
    assert!(!kinds(&o.program).contains(&"scale_shift"), "{:?}", kinds(&o.program));
    let refit = |n: &str| o.refits.0.get(n).map(|r| (r.trained, r.scale, r.shift));
    assert_eq!(refit("n1.weight"), Some((true, 0.5, 0.0)));
    assert_eq!(refit("n1.bias"), Some((false, 0.5, 2.0)));
    assert_eq!(refit("n3.bias"), Some((true, -3.0, 1.0)));
    assert_eq!(refit("n5.bias"), Some((true, 2.0, 0.0)));
    assert_eq!(refit("n8.bias"), Some((true, 1.0, 1.0)));
    // The value between has another meaning now, so no name stands for it; that of the whole stays.
    let taps: Vec<&str> = o.program.graph.taps.iter().map(|(n, _)| n.as_str()).collect();
    assert!(!taps.contains(&"n1") && taps.contains(&"n2"), "{taps:?}");
}

#[test]
fn a_scale_stays_where_another_reads_the_value_or_uses_the_weights() {
    let mut d = Drawing::new();
    let x = d.input(X);
    let a = d.op(conv(true), &[x]);
    let y = d.op(scale(2.0, 0.0), &[a]);
    let b = d.op(conv(true), &[x]);
    let shared = d.graph.add_shared("shared".into(), conv(true).into(), &[y], b).expect("it fits");
    let z = d.op(scale(2.0, 0.0), &[b]);
    let w = d.op(scale(2.0, 0.0), &[shared]);
    let p = d.done(&[y, a, z, w]);
    assert_eq!(after(&p, "scales").hash(), p.hash());
}

#[test]
fn resizes_go_only_where_sizes_are_equal_for_every_input() {
    let p = resizes();
    let q = after(&p, "resizes");
    let left: Vec<&str> =
        q.graph.values().filter(|v| q.graph.node(*v).op.kind() == "resize").map(|v| q.graph.node(v).path.as_str()).collect();
    assert_eq!(left, ["n5", "n8"]);
    // With the multiples that a graph asks for, halves by pool and by stride are proven equal: of the two routers' eight resizes
    // one each, and the texture's at the finest stage.
    let p = graph_at(&PathBuf::from("graphs/lightmedseg.ron"), None);
    let q = after(&p, "resizes");
    let count = |p: &Program| kinds(p).iter().filter(|k| **k == "resize").count();
    assert_eq!((count(&p), count(&q)), (13, 10));
}

#[test]
fn sweeps_join_what_only_they_read() {
    let o = passes::run(&sweeps(), "sweeps").expect("a pass").expect("it fits");
    let steps: Vec<Vec<usize>> = o.schedule.steps.iter().map(|s| s.values().iter().map(|v| v.0).collect()).collect();
    assert_eq!(steps, [vec![0], vec![1], vec![2], vec![3, 4, 5], vec![6], vec![7], vec![8], vec![9]]);
    let o = passes::optimise(&sweeps()).expect("it fits");
    let over: Vec<Option<usize>> = o.in_place.iter().map(|v| v.map(|v| v.0)).collect();
    // The sweep writes over the convolution's output, the norm over the sweep's, abs over the norm's, the difference over abs'.
    assert_eq!(over, [None, None, None, None, None, Some(2), Some(5), Some(6), None, Some(7)]);
}

#[test]
fn passes_find_something_in_the_network() {
    let p = graph_at(&PathBuf::from("graphs/lightmedseg.ron"), None);
    let o = passes::optimise(&p).expect("it fits");
    assert!(o.program.graph.len() < p.graph.len());
    // The gains of the four FiLMs go into the linear layers before them.
    assert_eq!(o.refits.0.len(), 8);
    let plain = plan(&p.graph, &p.graph.facts(), &Schedule::plain(&p.graph), Precision::F32).expect("it fits");
    let swept = plan(&o.program.graph, &o.program.graph.facts(), &o.schedule, Precision::F32).expect("it fits");
    assert!(swept.bytes <= plain.bytes, "{} {}", swept.bytes, plain.bytes);
    assert!(o.schedule.steps.len() < o.program.graph.len());
}

/// A schedule computes every value once, after what it reads.
fn check_order(name: &str, g: &Graph<Op>, schedule: &Schedule) {
    let mut seen = vec![false; g.len()];
    let mut out = vec![false; g.len()];
    for step in &schedule.steps {
        for (k, v) in step.values().iter().enumerate() {
            let there = |i: &Value| out[i.0] || step.values()[..k].contains(i);
            assert!(g.inputs(*v).iter().all(there), "{name}: {} is early", g.node(*v).path);
            assert!(!std::mem::replace(&mut seen[v.0], true), "{name}: {} runs twice", g.node(*v).path);
        }
        out[step.output().0] = true;
    }
    assert!(seen.iter().all(|s| *s) && g.outputs.iter().all(|(_, v)| out[v.0]), "{name}");
}

/// Plays a schedule in an arena that remembers which value was written where last: what is read must still be there. Then
/// compares every two buffers, and the size with the least that any plan needs. Gives the size and that.
fn check_plan(name: &str, g: &Graph<Op>, schedule: &Schedule, precision: Precision) -> (u64, u64) {
    let facts = g.facts();
    let p = plan(g, &facts, schedule, precision).expect("it fits");
    let place = |v: Value| {
        let b = p.buffer(v).unwrap_or_else(|| panic!("{name}: {} has no place", g.node(v).path));
        (b.offset, b.offset + facts[v.0].elements().expect("it fits") * precision.bytes())
    };
    let meet = |a: (u64, u64), b: (u64, u64)| a.0 < b.1 && b.0 < a.1;
    let mut there: Vec<Value> = vec![];
    let write = |v: Value, there: &mut Vec<Value>| {
        there.retain(|w| !meet(place(*w), place(v)));
        there.push(v);
    };
    g.values().filter(|v| g.inputs(*v).is_empty()).for_each(|v| write(v, &mut there));
    // Every value with the steps that it must last from and to, by the graph alone.
    let mut lives: Vec<(Value, usize, usize)> = vec![];
    for (at, step) in schedule.steps.iter().enumerate() {
        for i in step.inputs(g) {
            assert!(there.contains(&i), "{name}: {} is written over before {} reads it", g.node(i).path, g.node(step.output()).path);
        }
        let y = step.output();
        assert_eq!(place(y).0 % ALIGNMENT, 0);
        assert!(place(y).1 <= p.bytes);
        let input = g.inputs(y).is_empty();
        if !input {
            write(y, &mut there);
        }
        let end = if g.outputs.iter().any(|(_, v)| *v == y) {
            schedule.steps.len()
        } else {
            (at..schedule.steps.len()).rfind(|k| schedule.steps[*k].inputs(g).contains(&y)).unwrap_or(at)
        };
        lives.push((y, if input { 0 } else { at }, end));
    }
    assert!(g.outputs.iter().all(|(_, v)| there.contains(v)), "{name}: an output is written over");
    let over = |y: Value, x: Value| p.buffer(y) == p.buffer(x);
    for (i, (a, from, to)) in lives.iter().enumerate() {
        for (b, first, last) in lives[i + 1..].iter().filter(|(_, first, last)| first <= to && from <= last) {
            let handed = over(*b, *a) && (to == first || from == last);
            assert!(
                handed || !meet(place(*a), place(*b)),
                "{name}: {} and {} share bytes ({first} to {last})",
                g.node(*a).path,
                g.node(*b).path
            );
        }
    }
    // The least: at each step what is alive, where a value that is handed over in place counts once.
    let bytes = |v: Value| (place(v).1 - place(v).0).next_multiple_of(ALIGNMENT);
    let least = (0..schedule.steps.len())
        .map(|t| {
            let alive: Vec<Value> = lives.iter().filter(|(_, first, last)| *first <= t && t <= *last).map(|(v, ..)| *v).collect();
            let once = alive.iter().enumerate().filter(|(k, v)| !alive[..*k].iter().any(|w| over(**v, *w)));
            once.map(|(_, v)| bytes(*v)).sum::<u64>()
        })
        .max()
        .unwrap_or(0);
    assert!(p.bytes >= least, "{name}: {} < {least}", p.bytes);
    assert_eq!(p.alive, least, "{name}");
    (p.bytes, least)
}

#[test]
fn plans_keep_apart_what_is_alive_together() {
    for (name, p) in programs().into_iter().chain(drawings()) {
        for (pass, o) in every_pass(&p) {
            let name = format!("{name} after {pass}");
            check_order(&name, &o.program.graph, &o.schedule);
            check_plan(&name, &o.program.graph, &o.schedule, Precision::F32);
        }
    }
}

#[test]
fn plans_of_the_graphs_are_tight() {
    for file in files() {
        let name = file.display().to_string();
        let p = graph_at(&file, None);
        let o = passes::optimise(&p).expect("it fits");
        for (graph, schedule) in [(&p.graph, Schedule::plain(&p.graph)), (&o.program.graph, o.schedule.clone())] {
            for precision in [Precision::F32, Precision::Bf16] {
                let (size, least) = check_plan(&name, graph, &schedule, precision);
                println!("{name} {precision:?}: {size} bytes, at least {least} ({:.3})", size as f64 / least as f64);
                assert!(size * 4 <= least * 5, "{name}: {size} > 1.25 x {least}");
            }
        }
    }
}

/// Graphs drawn at random: operations on values drawn from those before, of a few shapes.
#[test]
fn plans_of_random_graphs() {
    let mut state = 1u64;
    let mut draw = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for round in 0..60 {
        let mut d = Drawing::new();
        let mut values = vec![d.input(X), d.input(Fact::new(2, 4, [3, 5, 4])), d.input(Fact::vector(2, 4))];
        for _ in 0..(5 + round) {
            let recent = |draw: &mut dyn FnMut(usize) -> usize, n: usize| if draw(3) == 0 { draw(n) } else { n - 1 - draw(n.min(4)) };
            let (a, b) = (values[recent(&mut draw, values.len())], values[recent(&mut draw, values.len())]);
            let op: (Op, Vec<Value>) = match draw(8) {
                0 => (op::Activation::SILU.into(), vec![a]),
                1 => (op::Add.into(), vec![a, b]),
                2 => (op::Mul.into(), vec![a, b]),
                3 => (conv(true).into(), vec![a]),
                4 => (op::GroupNorm::new(2).into(), vec![a]),
                5 => (scale(2.0, 1.0).into(), vec![a]),
                6 => (op::Softmax.into(), vec![a]),
                _ => (op::Concat.into(), vec![a, b]),
            };
            let facts: Vec<Fact> = op.1.iter().map(|v| d.graph.fact(*v)).collect();
            if op.0.infer(&facts).is_ok_and(|f| f.channels <= 64) {
                values.push(d.op(op.0, &op.1));
            }
        }
        let outputs = [values[values.len() - 1], values[draw(values.len() - 3) + 3 - usize::from(values.len() == 3)]];
        let p = d.done(&outputs);
        for (pass, o) in every_pass(&p) {
            let name = format!("random {round} after {pass}");
            check_order(&name, &o.program.graph, &o.schedule);
            check_plan(&name, &o.program.graph, &o.schedule, Precision::F32);
        }
    }
}

#[cfg(feature = "run")]
mod law {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use burn::tensor::{Device, Tensor, TensorData};
    use lmsc::net::{Network, assign};
    use lmsc::op::Learned;

    /// Numbers between -1 and 1 that are different in every place.
    fn wave(shape: [usize; 5], phase: f32, device: &Device) -> Tensor<5> {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.731 + phase).sin() * (i as f32 * 0.0137 + phase).cos()).collect();
        Tensor::from_data(TensorData::new(values, shape.to_vec()), device)
    }

    fn numbers(w: &Learned) -> (Vec<usize>, Vec<f32>) {
        let (dims, data) = match w {
            Learned::Vector(p) => (p.val().dims().to_vec(), p.val().into_data()),
            Learned::Matrix(p) => (p.val().dims().to_vec(), p.val().into_data()),
            Learned::Kernel(p) => (p.val().dims().to_vec(), p.val().into_data()),
        };
        (dims, data.try_into_vec::<f32>().expect("float32"))
    }

    fn outputs(net: &Network, device: &Device, batch: usize) -> Vec<Vec<f32>> {
        let p = net.program();
        let shape = |v: &Value| match p.graph.fact(*v).dims() {
            [1, c, d, h, w] => [batch, c, d, h, w],
            dims => dims,
        };
        let inputs = p.inputs.iter().enumerate().map(|(i, (_, v))| wave(shape(v), i as f32, device)).collect();
        let wanted: Vec<Value> = p.graph.outputs.iter().map(|(_, v)| *v).collect();
        net.run(inputs, &wanted).into_iter().map(|t| t.into_data().try_into_vec::<f32>().expect("float32")).collect()
    }

    /// Law 7.
    #[test]
    fn every_pass_leaves_every_output_as_it_is() {
        let device = Device::flex();
        let mut changed = 0;
        for (name, p) in programs().into_iter().chain(drawings()) {
            let net = Network::new(Arc::new(p.clone()), &device, 7).expect("it fits");
            let trained: BTreeMap<String, (Vec<usize>, Vec<f32>)> = net.weights().iter().map(|(n, w)| (n.clone(), numbers(w))).collect();
            let before = outputs(&net, &device, 2);
            for (pass, o) in every_pass(&p) {
                if o.program.hash() == p.hash() {
                    continue;
                }
                changed += 1;
                let mut other = Network::new(Arc::new(o.program.clone()), &device, 8).expect("it fits");
                let refitted = other.weights().iter().map(|(n, w)| {
                    let dims = numbers(w).0;
                    let old = trained.get(n).map(|(_, w)| w.as_slice());
                    let values = match o.refits.0.get(n) {
                        Some(r) => r.apply(old, dims.iter().product()),
                        None => old.unwrap_or_else(|| panic!("{name} after {pass}: {n} is new")).to_vec(),
                    };
                    (n.clone(), (dims, values))
                });
                let refitted = refitted.collect();
                assign(&mut other, &refitted, "trained", &device).expect("the weights fit");
                let now = outputs(&other, &device, 2);
                assert_eq!(before.len(), now.len());
                for (a, b) in before.iter().zip(&now) {
                    assert_eq!(a.len(), b.len(), "{name} after {pass}");
                    let largest = a.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                    let error = a.iter().zip(b).fold(0.0f32, |m, (x, y)| m.max((x - y).abs()));
                    assert!(error <= 1e-5 * largest, "{name} after {pass}: {error} of {largest}");
                }
            }
        }
        assert!(changed > 20, "{changed}");
    }
}
