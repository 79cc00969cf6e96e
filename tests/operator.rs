//! The promise of operations as objects: one that exists only here is compiled, counted, run, differentiated and optimised as any other.
#![cfg(feature = "train")]

mod given;

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use lmsc::compile::Program;
use lmsc::compile::passes::{Optimised, legalise};
use lmsc::exec::{Executor, Shape};
use lmsc::ir::{
    Arrays, Cost, Expanded, Expansion, Fact, Fault, Graph, Init, Operator, SavedForBackward, Triple, Value, Volume64, Weight, WeightView,
    evaluate,
};
use lmsc::net::Network;
use lmsc::op::{self, Op};
use lmsc::store::init;

/// `x * sigmoid(w x)` with a learned `w` for each channel: swish as it was first published.
#[derive(Clone, Debug)]
struct LearnedSwish;

impl Operator for LearnedSwish {
    fn kind(&self) -> &'static str {
        "learned_swish"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        match x {
            [x] => Ok(*x),
            _ => Err(Fault::new(lmsc::text::Code::E0204, "it takes one value")),
        }
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        vec![Weight::new("weight", [x[0].channels], Init::Ones)]
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        Ok(Cost { other: 5 * y.elements()?, ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn expand(&self, x: &[Fact]) -> Option<Expansion> {
        let c = x.first()?.channels;
        let mut e = Expansion::default();
        let view = WeightView { of: "weight", start: 0, rows: c, dims: vec![c] };
        let scaled = e.with("scale", op::ChannelAffine::SCALE, &[Expanded::Input(0)], vec![("weight", view)]);
        let gate = e.add("gate", op::Activation::SIGMOID, &[scaled]);
        e.add("product", op::Mul, &[Expanded::Input(0), gate]);
        Some(e)
    }
}

/// A convolution, the operation, and another convolution.
fn program() -> Program {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), op::Input.into(), Fact::new(2, 3, [4, 5, 6]));
    let a = g.add("a".into(), op::Conv3d::new(4, Triple::all(3)).into(), &[x]).expect("it fits");
    let s = g.add("swish".into(), Op::Other(Arc::new(LearnedSwish)), &[a]).expect("it fits");
    let y = g.add("y".into(), op::Conv3d::new(2, Triple::all(3)).into(), &[s]).expect("it fits");
    g.outputs = vec![("y".into(), y)];
    Program::from_graph("swish", g, vec![("x".into(), x)])
}

/// The output by definitions, of the program with the operation expanded.
fn by_definition(p: &Program, weights: &Arrays, x: &Volume64) -> Volume64 {
    let o = legalise(Optimised::new(p), |op| !matches!(op, Op::Other(_))).expect("it expands");
    let own = o.refits.weights(&o.program.graph, weights).expect("views fit");
    let weight = |name: &str| own.get(name).map(|a| a.values.iter().map(|v| f64::from(*v)).collect()).unwrap_or_default();
    let all = evaluate(&o.program.graph, std::slice::from_ref(x), &weight).expect("all have definitions");
    all[o.program.graph.outputs[0].1.0].clone()
}

#[test]
fn it_is_counted() {
    let p = program();
    let cost = p.cost(0..p.graph.len()).expect("it fits");
    assert_eq!(cost.params, (3 * 4 * 27 + 4) + 4 + (4 * 2 * 27 + 2));
    assert_eq!(p.graph.weights()[2].1, "swish.weight");
    assert_eq!(p.graph.cost(Value(2)).expect("it fits").other, 5 * 2 * 4 * 4 * 5 * 6);
}

#[test]
fn it_runs_and_learns_as_its_definition_says() {
    let p = Arc::new(program());
    let mut weights = init(&p, 3).expect("it fits");
    weights.get_mut("swish.weight").expect("there").values = vec![0.5, -1.0, 2.0, 0.25];
    let x = Volume64::wave(p.graph.fact(Value(0)), 0.3);
    let y = by_definition(&p, &weights, &x);
    let numbers: Vec<f32> = x.values.iter().map(|v| *v as f32).collect();
    let near = |got: &[f32], what: &str| {
        for (a, b) in got.iter().zip(&y.values) {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{what}: {a} for {b}");
        }
    };
    // The executor.
    let mut e = Executor::new(&p, &weights).expect("it plans");
    near(&e.run(&[&numbers], Shape { batch: 2, size: [4, 5, 6] }).expect("it runs")[0], "the executor");
    // Burn, with gradients against central differences.
    let device = given::device().autodiff();
    let net = Network::from_arrays(p.clone(), &weights, &device).expect("it fits");
    let input = Tensor::<5>::from_data(TensorData::new(numbers, [2, 3, 4, 5, 6]), &device);
    let out = net.forward(input);
    near(&out.clone().into_data().try_into_vec::<f32>().expect("numbers"), "Burn");
    let grads = (out.clone() * out).sum().backward();
    let loss = |w: &Arrays| by_definition(&p, w, &x).values.iter().map(|v| v * v).sum::<f64>();
    for (name, w) in net.weights() {
        let g = w.grad(&grads).expect("a gradient").into_data().try_into_vec::<f32>().expect("numbers");
        for at in (0..g.len()).step_by((g.len() / 4).max(1)) {
            let moved = |by: f32| {
                let mut all = weights.clone();
                let own = &mut all.get_mut(name).expect("there").values[at];
                *own += by;
                (f64::from(*own), loss(&all))
            };
            let ((a, up), (b, down)) = (moved(1e-3), moved(-1e-3));
            let want = (up - down) / (a - b);
            assert!((f64::from(g[at]) - want).abs() < 2e-3 * (1.0 + want.abs()), "{name} at {at}: {} for {want}", g[at]);
        }
    }
}
