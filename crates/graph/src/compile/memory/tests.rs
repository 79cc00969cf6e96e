use super::*;
use crate::ir::{Triple, Value};
use crate::op::{Activation, Add, Conv3d, Input, Mul, Op};

/// `x -> conv a -> silu s -> conv b`, on `[1, 2, 4, 4, 4]`: values of 512 bytes, the last of 256.
fn chain() -> Graph<Op> {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), Input.into(), Fact::new(1, 2, [4; 3]));
    let a = g.add("a".into(), Conv3d::new(2, Triple::all(1)).into(), &[x]).expect("it fits");
    let s = g.add("s".into(), Activation::SILU.into(), &[a]).expect("it fits");
    let b = g.add("b".into(), Conv3d::new(1, Triple::all(1)).into(), &[s]).expect("it fits");
    g.outputs.push(("y".into(), b));
    g
}

fn planned(g: &Graph<Op>) -> Plan {
    plan(g, &g.facts(), &Schedule::plain(g), Precision::F32).expect("it fits")
}

#[test]
fn a_chain_needs_two_buffers_and_the_activation_is_in_place() {
    let g = chain();
    let p = planned(&g);
    // The convolution cannot write over what it reads; the activation does; the last convolution writes where x was.
    assert_eq!((p.bytes, p.alive), (1024, 1024));
    let places: Vec<u64> = (0..4).map(|v| p.buffer(Value(v)).expect("a place").offset).collect();
    assert_eq!(places, [0, 512, 512, 0]);
    assert_eq!(p.buffer(Value(1)).expect("a place").values, [Value(1), Value(2)]);
}

#[test]
fn what_is_read_later_is_not_written_over() {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), Input.into(), Fact::new(1, 2, [4; 3]));
    let a = g.add("a".into(), Activation::SILU.into(), &[x]).expect("it fits");
    let b = g.add("b".into(), Activation::SILU.into(), &[a]).expect("it fits");
    let y = g.add("y".into(), Add.into(), &[a, b]).expect("it fits");
    g.outputs = vec![("y".into(), y), ("a".into(), a)];
    // x is the caller's, a is read again and an output; only b may be written over.
    assert_eq!(in_place(&g, &g.facts(), &Schedule::plain(&g)), [None, None, None, Some(b)]);
    assert_eq!(planned(&g).bytes, 1024);
}

#[test]
fn odd_sizes_are_aligned() {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), Input.into(), Fact::new(1, 1, [3; 3]));
    let y = g.add("y".into(), Conv3d::new(1, Triple::all(1)).into(), &[x]).expect("it fits");
    g.outputs.push(("y".into(), y));
    // 108 bytes each.
    assert_eq!(planned(&g).buffer(y).expect("a place").offset, 128);
}

#[test]
fn training_a_chain_by_hand() {
    let g = chain();
    // 2 * 2 + 2 and 2 + 1 weights. SavedForBackward: x and s by the convolutions, a by the activation.
    // At the loss 1536 + y and its gradient = 2048; then the gradients of y and s: 1536 + 256 + 512 = 2304; then s is gone.
    let t = training(&g, &g.facts(), Precision::F32, Optimiser::AdamW, &Segments::whole()).expect("it fits");
    assert_eq!(t, Training { weights: 36, gradients: 36, optimiser: 72, kept: 1536, transient: 768 });
    let t = training(&g, &g.facts(), Precision::Bf16, Optimiser::Sgd, &Segments::whole()).expect("it fits");
    assert_eq!(t, Training { weights: 36, gradients: 36, optimiser: 36, kept: 768, transient: 384 });
    assert_eq!(t.total(), 36 * 3 + 768 + 384);
}

#[test]
fn a_value_that_two_operations_keep_counts_once_and_only_what_a_gradient_needs_is_kept() {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), Input.into(), Fact::new(1, 2, [4; 3]));
    let z = g.input("z".into(), Input.into(), Fact::new(1, 2, [4; 3]));
    let a = g.add("a".into(), Conv3d::new(2, Triple::all(1)).into(), &[x]).expect("it fits");
    let s = g.add("s".into(), Activation::SILU.into(), &[a]).expect("it fits");
    let m = g.add("m".into(), Mul.into(), &[a, s]).expect("it fits");
    // z learns nothing: its gradient is not asked for, so m need not be kept for it.
    let y = g.add("y".into(), Mul.into(), &[m, z]).expect("it fits");
    g.outputs.push(("y".into(), y));
    let t = training(&g, &g.facts(), Precision::F32, Optimiser::None, &Segments::whole()).expect("it fits");
    // x, a (for silu and the product), s, z.
    assert_eq!((t.kept, t.optimiser), (4 * 512, 0));
}

#[test]
fn nothing_to_learn_keeps_nothing() {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), Input.into(), Fact::new(1, 2, [4; 3]));
    let y = g.add("y".into(), Activation::SILU.into(), &[x]).expect("it fits");
    g.outputs.push(("y".into(), y));
    let t = training(&g, &g.facts(), Precision::F32, Optimiser::AdamW, &Segments::whole()).expect("it fits");
    assert_eq!((t.weights, t.kept, t.transient), (0, 0, 1024));
}

#[test]
fn hostile_sizes_are_refused() {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), Input.into(), Fact::new(1, 1, [usize::MAX / 2, 2, 1]));
    let y = g.add("y".into(), Activation::SILU.into(), &[x]).expect("its shape is one");
    g.outputs.push(("y".into(), y));
    assert!(plan(&g, &g.facts(), &Schedule::plain(&g), Precision::F32).is_err());
    assert!(training(&g, &g.facts(), Precision::Bf16, Optimiser::None, &Segments::whole()).is_err());
}

#[test]
fn the_largest_input() {
    let mut g = chain();
    // x, a and s are alive with at most one other of them: 16 bytes a voxel.
    let program = crate::compile::Program::from_graph("chain", std::mem::take(&mut g), vec![("x".into(), Value(0))]);
    let g = &program.graph;
    let schedule = Schedule::plain(g);
    let need = |f: &[Fact]| Ok(plan(g, f, &schedule, Precision::F32)?.bytes);
    assert_eq!(largest(&program, 1, 16 * 1000, Aspect::Cube, need), Some([10; 3]));
    assert_eq!(largest(&program, 1, 16 * 1000 - 1, Aspect::Cube, need), Some([9; 3]));
    assert_eq!(largest(&program, 2, 16 * 1000, Aspect::Cube, need), Some([7; 3]));
    assert_eq!(largest(&program, 1, 16 * 1000, Aspect::Of([2, 1, 4]), need), Some([10, 5, 20]));
    assert_eq!(largest(&program, 1, 1, Aspect::Cube, need), None);
    assert!(largest(&program, 1, u64::MAX, Aspect::Cube, need).is_some_and(|s| s[0] > 100_000));
}

#[test]
fn a_chain_in_two_segments_by_hand() {
    let g = chain();
    let count = |cuts: Vec<usize>| training(&g, &g.facts(), Precision::F32, Optimiser::None, &Segments::cut(cuts)).expect("it fits");
    // Cut before the activation. On the way forward x and a, then s, y and its gradient; at the loss x and a wait, and s.
    // The way back from y: its gradient and that of s, with s and a, x beside them; then a's gradient; then x, a again, and a's gradient.
    let t = count(vec![2]);
    assert_eq!((t.kept, t.kept + t.transient), (1536, 2304));
    // Cut before the last convolution: x and s wait; a is not there at the loss, and comes again when y is gone.
    let t = count(vec![3]);
    // At the turn of the first segment: x, a and s again, and the gradient of s, which a's joins: 4 * 512, then x, a, s's and a's.
    assert_eq!((t.kept, t.kept + t.transient), (1024, 2048));
    assert_eq!(Segments::least(&g, &g.facts(), Precision::F32).expect("it fits"), Segments::cut(vec![3]));
}

#[test]
fn segments_take_less_and_no_operation_is_parted_from_its_companion() {
    for name in ["lightmedseg", "lightmedseg-standard", "lightmedseg-detail", "lightmedseg-deep"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../graphs/{name}.ron"));
        let program = crate::compile::compile(&crate::text::Source::read(&path).expect("it is there"), &[], None).expect("it compiles");
        let g = &program.graph;
        let total = |s: &Segments| training(g, &g.facts(), Precision::F32, Optimiser::AdamW, s).expect("it fits").total();
        let least = Segments::least(g, &g.facts(), Precision::F32).expect("it fits");
        assert!(total(&least) * 2 < total(&Segments::whole()), "{name}: {} of {}", total(&least), total(&Segments::whole()));
        let ranges = least.ranges(g.len());
        let of = |v: usize| ranges.iter().position(|r| r.contains(&v));
        assert!(g.fused_epilogues().iter().enumerate().all(|(v, next)| next.is_none_or(|n| of(v) == of(n.0))), "{name}: {least:?}");
    }
}
