//! Maps of the channels: carried through sums and resizes, composed, and put after what shrinks; equal operations become one.

use lmsc::compile::Program;
use lmsc::compile::passes::{self, Optimised, Refit};
use lmsc::ir::{Fact, Operator, Triple, Value};
use lmsc::op::{self, Op};

use crate::given::{graph_at, graphs};
use crate::law::Before;
use crate::programs::{Drawing, X, after, conv, every_pass, kinds, scale};

fn map(out: usize, bias: bool) -> op::Conv3d {
    op::Conv3d::new(out, Triple::all(1)).bias(bias)
}

fn up(out: usize) -> op::ConvTranspose3d {
    op::ConvTranspose3d::new(out, Triple::all(2))
}

fn twice() -> op::Resize {
    op::Resize::by(Triple::all(2))
}

fn macs(p: &Program) -> u64 {
    p.cost(0..p.graph.len()).expect("it fits").macs
}

fn carried(p: &Program) -> Optimised {
    passes::run(p, "carry").expect("a pass").expect("it fits")
}

/// A decoder stage: the transposed convolution with a map of positions of its own size, beside a skip that is mapped and resized.
fn decoder() -> Program {
    let mut d = Drawing::new();
    let x = d.input(Fact::new(2, 8, [3, 5, 2]));
    let (skip, anchors) = (d.input(Fact::new(2, 4, [3, 5, 2])), d.input(Fact::vector(2, 6)));
    let u = d.op(up(8), &[x]);
    let positions = d.op(op::PositionMap, &[anchors, u]);
    let bias = d.op(map(8, true), &[positions]);
    let sum = d.op(op::Add, &[u, bias]);
    let s = d.op(map(6, true), &[skip]);
    let s = d.op(twice(), &[s]);
    let join = d.op(op::Concat, &[sum, s]);
    let y = d.op(map(4, true), &[join]);
    d.done(&[y])
}

/// Everything that a map passes: a difference, a fixed scale, the sum with a vector, a dense convolution, a map.
fn passed() -> Program {
    let mut d = Drawing::new();
    let x = d.input(Fact::new(2, 3, [3, 5, 4]));
    let v = d.input(Fact::vector(2, 5));
    let a = d.op(op::Conv3d::new(8, Triple::all(3)), &[x]);
    let b = d.op(map(8, true), &[x]);
    let e = d.op(op::Sub, &[b, a]);
    let e = d.op(scale(-0.5, 2.0), &[e]);
    let v = d.op(op::Linear::new(8), &[v]);
    let f = d.op(op::Add, &[e, v]);
    let y = d.op(map(2, true), &[f]);
    d.done(&[y])
}

/// Two values weighed per voxel by `n` channels of a softmax over `of`, their sum mapped.
fn weighed(n: usize, of: usize, bias: bool) -> Program {
    let mut d = Drawing::new();
    let x = d.input(X);
    let w = d.op(op::Conv3d::new(of, Triple::all(3)), &[x]);
    let w = d.op(op::Softmax, &[w]);
    let mut sum: Option<Value> = None;
    for k in 0..n {
        let wk = d.op(op::Slice { start: k, channels: 1 }, &[w]);
        let e = d.op(map(16, true), &[x]);
        let part = d.op(op::Mul, &if k == 0 { [wk, e] } else { [e, wk] });
        sum = Some(sum.map_or(part, |s| d.op(op::Add, &[s, part])));
    }
    let y = d.op(map(3, bias), &[sum.expect("a part")]);
    d.done(&[y])
}

/// Two linear layers, and one after a map of a mean.
fn vectors() -> Program {
    let mut d = Drawing::new();
    let x = d.input(X);
    let m = d.op(op::GlobalAvgPool, &[x]);
    let a = d.op(op::Linear::new(9), &[m]);
    let a = d.op(op::Linear { out: 3, bias: false }, &[a]);
    let b = d.op(map(7, true), &[m]);
    let b = d.op(op::Linear::new(3), &[b]);
    let c = d.op(op::Linear::new(7), &[m]);
    let c = d.op(map(3, true), &[c]);
    let s = d.op(op::Add, &[a, b]);
    let s = d.op(op::Add, &[s, c]);
    d.done(&[s])
}

/// One map at two sizes with the same weights, over values that others read as well.
fn shared() -> Program {
    let mut d = Drawing::new();
    let (fine, coarse) = (d.input(Fact::new(2, 2, [6, 4, 10])), d.input(Fact::new(2, 3, [3, 2, 5])));
    let (p, q) = (d.op(map(8, true), &[fine]), d.op(map(8, true), &[coarse]));
    let small = d.op(op::Resize::LIKE, &[p, coarse]);
    let large = d.op(op::Resize::LIKE, &[q, fine]);
    let (a, b) = (d.op(op::Concat, &[small, q]), d.op(op::Concat, &[p, large]));
    let first = d.op(map(8, true), &[a]);
    let second = d.graph.add_shared("second".into(), map(8, true).into(), &[b], first).expect("it fits");
    let (s, t) = (d.op(op::Activation::SILU, &[first]), d.op(op::Activation::SILU, &[second]));
    let (s, t) = (d.op(op::Mul, &[s, small]), d.op(op::Mul, &[t, large]));
    d.done(&[s, t])
}

/// Maps before convolutions: without a bias; with one and a border; with one and no border; and a transposed one.
fn before() -> Program {
    let mut d = Drawing::new();
    let x = d.input(Fact::new(2, 2, [5, 4, 6]));
    let inside = op::Conv3d { padding: Triple::all(0), ..op::Conv3d::new(3, Triple::all(3)) };
    let mut ends = vec![];
    for (bias, then) in [
        (false, Op::from(op::Conv3d::new(3, Triple::all(3)))),
        (true, op::Conv3d::new(3, Triple::all(3)).into()),
        (true, inside.clone().into()),
        (true, inside.bias(false).into()),
        (false, up(3).into()),
        (true, up(3).into()),
    ] {
        let m = d.op(map(8, bias), &[x]);
        ends.push(d.op(then, &[m]));
    }
    d.done(&ends)
}

/// A map of which only a smaller size and the mean are wanted.
fn shrunk() -> Program {
    let mut d = Drawing::new();
    let x = d.input(Fact::new(2, 3, [6, 4, 10]));
    let like = d.op(op::MaxPool3d::new(Triple::all(2)), &[x]);
    let m = d.op(map(8, true), &[x]);
    let small = d.op(op::Resize::LIKE, &[m, like]);
    let mean = d.op(op::GlobalAvgPool, &[m]);
    let y = d.op(op::Mul, &[small, mean]);
    // Larger, and wanted as it is: both stay.
    let n = d.op(map(8, true), &[x]);
    let large = d.op(twice(), &[n]);
    let o = d.op(map(2, true), &[x]);
    let mean = d.op(op::GlobalAvgPool, &[o]);
    d.done(&[y, large, o, mean])
}

fn equals() -> Program {
    let mut d = Drawing::new();
    let x = d.input(X);
    let other = d.input(X);
    let a = d.op(op::Activation::SILU, &[x]);
    let b = d.op(op::Activation::SILU, &[x]);
    let s = d.op(op::Add, &[a, other]);
    let t = d.op(op::Add, &[other, b]);
    let u = d.op(op::Sub, &[a, other]);
    let v = d.op(op::Sub, &[other, b]);
    let c = d.op(conv(true), &[s]);
    let e = d.graph.add_shared("e".into(), conv(true).into(), &[t], c).expect("it fits");
    let f = d.op(conv(true), &[t]);
    d.done(&[c, e, f, u, v])
}

pub fn drawings() -> Vec<(String, Program)> {
    let all = [
        ("decoder", decoder()),
        ("passed", passed()),
        ("weighed", weighed(2, 2, true)),
        ("weighed, not all", weighed(2, 3, false)),
        ("vectors", vectors()),
        ("shared", shared()),
        ("before", before()),
        ("shrunk", shrunk()),
        ("equals", equals()),
    ];
    all.map(|(n, p)| (n.to_owned(), p)).to_vec()
}

#[test]
fn a_decoder_stage_needs_no_concatenation() {
    let p = decoder();
    let o = carried(&p);
    let q = &o.program;
    assert_eq!(
        kinds(q),
        ["input", "input", "input", "conv_transpose3d", "conv3d", "resize", "add", "position_map", "conv3d", "add"],
        "{:?}",
        kinds(q)
    );
    // 8 to 4 with 8 taps and 4 to 4 at 3x5x2, 2 to 4 at 6x10x4, a batch of 2.
    assert_eq!(macs(q), 2 * (8 * 4 * 8 * 30 + 4 * 4 * 30 + 2 * 4 * 240));
    assert_eq!(macs(&p), 2 * (8 * 8 * 8 * 30 + 2 * 8 * 240 + 4 * 6 * 30 + 14 * 4 * 240));
    // The positions are those of what came in the place of the value whose size they had.
    let position = q.graph.values().find(|v| q.graph.node(*v).op.kind() == "position_map").expect("it is there");
    assert_eq!(q.graph.inputs(position)[1], Value(3));
    let of = |n: &str| Box::new(Refit::Of(n.into()));
    let slice = |start, channels| Box::new(Refit::Slice { of: of("n10.weight"), start, channels });
    let up = Refit::Inner { of: of("n3.weight"), by: Box::new(Refit::Transposed(slice(0, 8))) };
    assert_eq!(o.refits.0["n10.2.weight"], up);
    let bias = Refit::Sum(vec![*of("n10.bias"), Refit::Product { left: slice(0, 8), right: of("n3.bias") }]);
    assert_eq!(o.refits.0["n10.2.bias"], bias);
    assert_eq!(o.refits.0["n10.3.weight"], Refit::Product { left: slice(8, 6), right: of("n7.weight") });
}

#[test]
fn maps_pass_differences_scales_and_vectors() {
    let q = carried(&passed()).program;
    // One convolution of 3 to 2 with 27 taps, one map of 3 to 2, and a layer of 5 to 2.
    assert_eq!(macs(&q), 2 * (3 * 2 * 28 * 60 + 5 * 2));
    assert!(!kinds(&q).contains(&"scale_shift") && !kinds(&q).contains(&"sub"), "{:?}", kinds(&q));
}

#[test]
fn a_bias_stays_in_weights_that_sum_to_one() {
    let count = |p: &Program| kinds(p).iter().filter(|k| **k == "conv3d").count();
    // The experts of 16 become experts of 3, each with the bias of the map.
    let p = weighed(2, 2, true);
    let q = carried(&p).program;
    assert_eq!((count(&p), count(&q)), (4, 3));
    assert_eq!(macs(&p) - macs(&q), 2 * 60 * (2 * 4 * 16 + 16 * 3 - 2 * 4 * 3));
    // Of weights that leave a channel out nothing is known: only a map without a bias passes.
    assert_eq!(carried(&weighed(2, 3, true)).program.hash(), weighed(2, 3, true).hash());
    assert_eq!(count(&carried(&weighed(2, 3, false)).program), 3);
}

#[test]
fn linear_layers_become_one() {
    let q = carried(&vectors()).program;
    assert_eq!(kinds(&q), ["input", "global_avg_pool", "linear", "conv3d", "linear", "add", "add"]);
    assert_eq!(macs(&q), 2 * 3 * (4 * 3));
}

#[test]
fn what_others_read_stays_for_them() {
    let p = shared();
    let o = carried(&p);
    let e = Before::new(&p).error("shared", &o, 0.0);
    assert!(e < 1e-6 && macs(&o.program) < macs(&p), "{e}");
    // The parts of the map that serve both sizes are one set of weights still.
    let g = &o.program.graph;
    assert!(g.values().any(|v| g.node(v).shares.is_some()));
    // Reading an output twice does not make it cheaper to compute it twice.
    let mut d = Drawing::new();
    let x = d.input(Fact::new(2, 8, [3, 5, 4]));
    let a = d.op(map(8, true), &[x]);
    let y = d.op(map(8, true), &[a]);
    let p = d.done(&[a, y]);
    assert_eq!(carried(&p).program.hash(), p.hash());
}

type Build = fn(&mut Drawing) -> Vec<Value>;

#[test]
fn maps_stay_where_nothing_is_gained() {
    let hash = |build: Build| {
        let mut d = Drawing::new();
        let ends = build(&mut d);
        let p = d.done(&ends);
        (p.hash(), passes::optimise(&p).expect("it fits").program.hash())
    };
    let cases: [(&str, Build); 5] = [
        ("a concatenation of what is no map", |d| {
            let (x, y) = (d.input(X), d.input(X));
            let c = d.op(op::Concat, &[x, y]);
            vec![d.op(map(2, true), &[c])]
        }),
        ("a sum of what is no map", |d| {
            let (x, y) = (d.input(X), d.input(X));
            let c = d.op(op::Add, &[x, y]);
            vec![d.op(map(2, true), &[c])]
        }),
        ("through a narrow place", |d| {
            let x = d.input(X);
            let c = d.op(map(1, true), &[x]);
            vec![d.op(map(8, true), &[c])]
        }),
        ("after a resize to fewer voxels", |d| {
            let (x, like) = (d.input(Fact::new(2, 4, [6, 4, 4])), d.input(Fact::new(2, 1, [3, 2, 2])));
            let c = d.op(op::Resize::LIKE, &[x, like]);
            vec![d.op(map(2, true), &[c])]
        }),
        ("after a depthwise convolution", |d| {
            let x = d.input(X);
            let c = d.op(conv(true).groups(4), &[x]);
            vec![d.op(map(2, true), &[c])]
        }),
    ];
    for (name, build) in cases {
        let (before, now) = hash(build);
        assert_eq!(before, now, "{name}");
    }
}

#[test]
fn a_map_goes_into_a_convolution_where_the_border_allows() {
    let p = before();
    let q = after(&p, "products");
    let paths: Vec<String> = q.graph.values().map(|v| q.graph.node(v).path.clone()).collect();
    // The second and the last pair keep their map: its bias would end at the border, or differ from tap to tap.
    assert_eq!(paths, ["x0", "n2.2", "n3", "n4", "n6.2", "n8.2", "n10.2", "n11", "n12"]);
}

#[test]
fn a_map_comes_after_what_shrinks() {
    let p = shrunk();
    let q = after(&p, "shrinks");
    assert_eq!(macs(&p) - macs(&q), 2 * 3 * 8 * (240 - 30 - 1));
    let names: Vec<String> = q.graph.weights().into_iter().map(|(_, n, _)| n).collect();
    // The two that came of one map share its weights, under their name.
    assert_eq!(names, ["n2.weight", "n2.bias", "n6.weight", "n6.bias", "n8.weight", "n8.bias"]);
}

#[test]
fn equal_operations_are_one() {
    let q = after(&equals(), "common");
    assert_eq!(kinds(&q), ["input", "input", "silu", "add", "sub", "sub", "conv3d", "conv3d"]);
    let ends: Vec<usize> = q.graph.outputs.iter().map(|(_, v)| v.0).collect();
    assert_eq!(ends, [6, 6, 7, 4, 5]);
}

/// What each pass saves, at the size of each graph.
#[test]
fn multiply_accumulates_of_the_graphs() {
    let mut text = String::new();
    for file in graphs() {
        let p = graph_at(&file, None);
        let mut line = format!("{:<40} {:>12}", file.file_name().expect("a file").to_string_lossy(), macs(&p));
        let mut last = macs(&p);
        for name in passes::NAMES {
            let now = macs(&passes::after(&p, name).expect("a pass").expect("it fits").program);
            if now != last {
                line += &format!("  {name} {now}");
            }
            assert!(now <= last, "{name}");
            last = now;
        }
        text += &format!("{line}\n");
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/graphs");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("passes", text));
}

/// Graphs drawn at random: maps over sums, concatenations, resizes and products of each other, with other operations between.
fn random(seed: u64, length: usize) -> Program {
    let mut state = seed;
    let mut draw = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut d = Drawing::new();
    let mut values = vec![d.input(Fact::new(2, 3, [2, 3, 4])), d.input(Fact::new(2, 4, [4, 6, 8])), d.input(Fact::vector(2, 6))];
    let mut maps: Vec<Value> = vec![];
    for _ in 0..length {
        let pick = |draw: &mut dyn FnMut(usize) -> usize| values[values.len() - 1 - draw(values.len().min(6))];
        let (a, b, c) = (pick(&mut draw), pick(&mut draw), pick(&mut draw));
        let (op, x): (Op, Vec<Value>) = match draw(20) {
            0..=5 => (map([1, 2, 4, 6, 8, 12][draw(6)], draw(2) == 0).into(), vec![a]),
            6 => (op::Conv3d { padding: Triple::all(draw(2)), ..op::Conv3d::new(4, Triple([1, 3, 3])) }.bias(draw(2) == 0).into(), vec![a]),
            7 => (up(6).into(), vec![a]),
            8 | 9 => (op::Resize::LIKE.into(), vec![a, b]),
            10 | 11 => (op::Concat.into(), vec![a, b, c]),
            12 | 13 => (op::Add.into(), vec![a, b]),
            14 if a != b => (op::Sub.into(), vec![a, b]),
            15 => (op::Mul.into(), vec![a, b]),
            16 => (scale([-0.5, 2.0][draw(2)], draw(2) as f64).into(), vec![a]),
            17 if draw(2) == 0 => (op::GlobalAvgPool.into(), vec![a]),
            17 => (op::Linear::new(6).into(), vec![a]),
            18 => (op::PositionMap.into(), vec![a, b]),
            _ => (op::Activation::from(op::Function::Tanh).into(), vec![a]),
        };
        let facts: Vec<Fact> = x.iter().map(|v| d.graph.fact(*v)).collect();
        if !op.infer(&facts).is_ok_and(|f| f.channels <= 24 && f.elements().is_ok_and(|n| n < 20_000)) {
            continue;
        }
        let owner = maps.iter().copied().filter(|_| draw(3) == 0).find(|m| {
            d.graph.node(*m).op == op && d.graph.input_facts(*m).first().map(|f| f.channels) == facts.first().map(|f| f.channels)
        });
        let v = match owner {
            Some(m) => d.graph.add_shared(format!("n{}", d.graph.len()), op, &x, m).expect("it fits"),
            None => d.op(op, &x),
        };
        if matches!(d.graph.node(v).op, Op::Conv3d(_)) && d.graph.node(v).shares.is_none() {
            maps.push(v);
        }
        values.push(v);
    }
    let (last, other) = (values[values.len() - 1], values[values.len() - 1 - draw(4)]);
    // The mean of an output hides no place of it, and a squashed one has no number beyond the others.
    let ends: Vec<Value> = [last, other].into_iter().map(|v| d.op(op::Activation::from(op::Function::Tanh), &[v])).collect();
    d.done(&ends)
}

#[test]
fn random_graphs_keep_their_outputs() {
    let (mut fewer, mut worst) = (0, 0.0f64);
    for seed in 0..300 {
        let p = random(seed, 8 + seed as usize % 40);
        let before = Before::new(&p);
        let mut seen = vec![p.hash()];
        for (pass, o) in every_pass(&p) {
            assert!(macs(&o.program) <= macs(&p), "{seed} after {pass}");
            fewer += usize::from(macs(&o.program) < macs(&p));
            if seen.contains(&o.program.hash()) {
                continue;
            }
            seen.push(o.program.hash());
            // An output may be the difference of equals: what is then left of it is no number to divide by.
            let e = before.error(&format!("{seed} after {pass}"), &o, 1e-3);
            assert!(e <= 1e-5, "{seed} after {pass}: {e}");
            worst = worst.max(e);
        }
    }
    println!("{fewer} with fewer multiply-accumulates, at most {worst:e}");
    assert!(fewer > 100, "{fewer}");
}
