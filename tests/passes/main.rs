//! Passes leave every output as it is (law 7), and the memory plan keeps apart what is alive together.

mod carried;
#[path = "../given/mod.rs"]
mod given;
mod law;
mod plans;
mod programs;

use std::path::PathBuf;

use lmsc::compile::Program;
use lmsc::compile::memory::{Precision, Schedule, plan};
use lmsc::compile::passes::{self, Refit};
use lmsc::ir::{Fact, Operator, Triple, Value};
use lmsc::op;

use given::graph_at;
use programs::{Drawing, X, after, conv, kinds, scale};

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
    let c = d.op(op::ConvTranspose3d::new(3, two), &[b]);
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
    let c = d.op(op::Resize::by(Triple::all(1)), &[b]);
    // Equal: the second input has the size of the first one, whatever that is.
    let e = d.op(op::Resize::LIKE, &[c, other]);
    // Equal here (2, 3, 2): half by a pool and half by a stride, which differ for odd sizes of which 4 is none but 5 is one.
    let half = d.op(op::MaxPool3d::new(Triple([1, 1, 2])), &[x]);
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
    let of = |n: &str| Box::new(Refit::Of(n.into()));
    let affine = |n: &str, scale, shift| Refit::Affine { of: of(n), scale, shift };
    assert_eq!(o.refits.0["n1.weight"], affine("n1.weight", 0.5, 0.0));
    assert_eq!(o.refits.0["n1.bias"], Refit::Fill { dims: vec![4], value: 2.0 });
    assert_eq!(o.refits.0["n3.bias"], affine("n3.bias", -3.0, 1.0));
    assert_eq!(o.refits.0["n5.bias"], affine("n5.bias", 2.0, 0.0));
    assert_eq!(o.refits.0["n8.bias"], affine("n8.bias", 1.0, 1.0));
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
    assert_eq!(left, ["n8"]);
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
    // The gains of the four FiLMs go into the linear layers before them.
    assert_eq!(passes::run(&p, "scales").expect("a pass").expect("it fits").refits.0.len(), 8);
    // No decoder stage puts its two inputs together, and no router its four.
    let joins = |p: &Program| kinds(p).iter().filter(|k| **k == "concat").count();
    assert_eq!(joins(&p) - joins(&o.program), 6);
    let plain = plan(&p.graph, &p.graph.facts(), &Schedule::plain(&p.graph), Precision::F32).expect("it fits");
    let swept = plan(&o.program.graph, &o.program.graph.facts(), &o.schedule, Precision::F32).expect("it fits");
    assert!(swept.bytes * 4 < plain.bytes * 3, "{} {}", swept.bytes, plain.bytes);
    assert!(o.schedule.steps.len() < o.program.graph.len());
}
