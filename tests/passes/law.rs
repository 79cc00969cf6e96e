//! Law 7: every pass leaves every output as it is, with the weights that its refits give.

use std::collections::BTreeMap;

use lmsc::compile::Program;
use lmsc::compile::passes::{Optimised, Refit, Refits};
use lmsc::ir::{Array, Arrays, Fact, Graph, Init, Value, Volume64, Weight, evaluate};
use lmsc::op::Op;
use lmsc::text::Code;

use crate::programs::{every_pass, programs};

/// Numbers of a weight, drawn from its name.
fn drawn(name: &str, w: &Weight) -> Vec<f32> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    let (middle, width) = match w.init {
        Init::Zeros => (0.0, 0.5),
        Init::Ones => (1.0, 0.5),
        Init::Constant(value) => (value, 0.5),
        Init::Uniform(bound) => (0.0, bound),
        Init::Normal { mean, deviation } => (mean, deviation),
        Init::TruncatedNormal(deviation) => (0.0, deviation),
    };
    (0..w.dims.iter().product()).map(|_| (middle + width * draw()) as f32).collect()
}

/// Weights of a program's own, drawn from their names.
pub fn trained(g: &Graph<Op>) -> Arrays {
    g.tensors().into_iter().map(|(_, name, w)| (name.clone(), Array::new(w.dims.clone(), drawn(&name, &w)))).collect()
}

/// The weights of a changed program.
pub fn refitted(refits: &Refits, g: &Graph<Op>, trained: &Arrays) -> Arrays {
    refits.weights(g, trained).unwrap_or_else(|f| panic!("{f:?}"))
}

fn outputs(p: &Program, weights: &Arrays) -> Vec<Volume64> {
    let batched = |f: Fact| Fact { batch: f.batch.max(2), ..f };
    let inputs: Vec<Volume64> =
        p.inputs.iter().enumerate().map(|(i, (_, v))| Volume64::wave(batched(p.graph.fact(*v)), i as f64)).collect();
    let weight = |name: &str| weights.get(name).map(|a| a.values.iter().map(|x| f64::from(*x)).collect()).unwrap_or_default();
    let all = evaluate(&p.graph, &inputs, &weight).unwrap_or_else(|f| panic!("{f:?}"));
    p.graph.outputs.iter().map(|(_, v): &(String, Value)| all[v.0].clone()).collect()
}

/// The outputs of a program before any pass, with its weights.
pub struct Before {
    trained: Arrays,
    outputs: Vec<Volume64>,
}

impl Before {
    pub fn new(p: &Program) -> Self {
        let trained = trained(&p.graph);
        Self { outputs: outputs(p, &trained), trained }
    }

    /// The largest difference of the outputs, relative to the largest number of each, or to `least` where that is more.
    pub fn error(&self, name: &str, o: &Optimised, least: f64) -> f64 {
        let now = outputs(&o.program, &refitted(&o.refits, &o.program.graph, &self.trained));
        assert_eq!(self.outputs.len(), now.len());
        let mut worst: f64 = 0.0;
        for (a, b) in self.outputs.iter().zip(&now) {
            assert_eq!(a.fact, b.fact, "{name}");
            let largest = a.values.iter().fold(least, |m, x| m.max(x.abs()));
            let error = a.values.iter().zip(&b.values).fold(0.0f64, |m, (x, y)| m.max((x - y).abs()));
            assert!(largest.is_finite() && largest > 0.0, "{name}: nothing to compare");
            worst = worst.max(error / largest);
        }
        worst
    }
}

#[test]
fn every_pass_leaves_every_output_as_it_is() {
    let mut changed = BTreeMap::new();
    let mut worst: f64 = 0.0;
    for (name, p) in programs().into_iter().chain(crate::drawings()).chain(crate::carried::drawings()) {
        let mut before = None;
        let mut seen = vec![p.hash()];
        for (pass, o) in every_pass(&p) {
            // The same graph has the same refits: each is looked at once.
            if seen.contains(&o.program.hash()) {
                continue;
            }
            seen.push(o.program.hash());
            *changed.entry(pass).or_insert(0) += 1;
            let e = before.get_or_insert_with(|| Before::new(&p)).error(&format!("{name} after {pass}"), &o, 0.0);
            assert!(e <= 1e-5, "{name} after {pass}: {e}");
            worst = worst.max(e);
        }
    }
    println!("{changed:?}, at most {worst:e}");
    assert!(changed.values().sum::<i32>() > 40 && changed.len() >= 8, "{changed:?}");
}

/// Running a pass on what it has made changes nothing.
#[test]
fn passes_are_idempotent() {
    use lmsc::compile::passes::{NAMES, apply, run};
    for (name, p) in programs().into_iter().chain(crate::drawings()).chain(crate::carried::drawings()) {
        for pass in NAMES {
            let once = run(&p, pass).expect("a pass").expect("it fits");
            let twice = apply(once.clone(), pass).expect("a pass").expect("it fits");
            assert_eq!(once.program.hash(), twice.program.hash(), "{name}: {pass}");
            assert_eq!((once.refits, once.schedule, once.in_place), (twice.refits, twice.schedule, twice.in_place), "{name}: {pass}");
        }
    }
}

#[test]
fn trained_weights_that_do_not_fit_are_refused() {
    let refused = |r: Refit| {
        let trained = Arrays::from([("w".into(), Array::new([4, 6], vec![1.0; 24]))]);
        let f = r.evaluate(&trained).expect_err("it does not fit");
        assert_eq!(f.code, Code::E0802);
        f.message
    };
    let w = || Refit::Of("w".into());
    let fill = |dims: &[usize]| Refit::Fill { dims: dims.to_vec(), value: 1.0 };
    assert!(refused(Refit::Of("v".into())).contains("`v` is not among them"));
    assert!(refused(w().slice(4, 3)).contains("[4, 6]"));
    assert!(refused(w().times(fill(&[4]))).contains("[4, 6] is to be multiplied by [4]"));
    assert!(refused(w().inner(fill(&[4, 2]))).contains("[4, 2]"));
    assert!(refused(fill(&[4, 2, 3]).times(w())).contains("not a matrix"));
    assert!(refused(Refit::Taps(Box::new(fill(&[4])))).contains("[4]"));
    assert!(refused(Refit::Sum(vec![w(), fill(&[4])])).contains("are to be added"));
    let short = Arrays::from([("w".into(), Array::new([2, 3], vec![0.0; 5]))]);
    assert_eq!(w().evaluate(&short).expect_err("five numbers").code, Code::E0802);
}

#[test]
fn refits_are_what_they_say() {
    let values: Vec<f32> = (1..=12).map(|x| x as f32).collect();
    let trained = Arrays::from([("w".into(), Array::new([2, 3, 2, 1, 1], values))]);
    let of = |r: Refit| r.evaluate(&trained).expect("it fits");
    let array = |dims: &[usize], values: &[f32]| Array::new(dims, values.to_vec());
    let w = || Refit::Of("w".into());
    let row = |dims: &[usize]| Refit::Fill { dims: dims.to_vec(), value: 2.0 };
    assert_eq!(of(w().slice(1, 1)), array(&[2, 1, 2, 1, 1], &[3.0, 4.0, 9.0, 10.0]));
    assert_eq!(
        of(Refit::Transposed(Box::new(w()))),
        array(&[3, 2, 2, 1, 1], &[1.0, 2.0, 7.0, 8.0, 3.0, 4.0, 9.0, 10.0, 5.0, 6.0, 11.0, 12.0])
    );
    assert_eq!(of(Refit::Taps(Box::new(w()))), array(&[2, 3], &[3.0, 7.0, 11.0, 15.0, 19.0, 23.0]));
    assert_eq!(of(row(&[1, 2]).times(w())), array(&[1, 3, 2, 1, 1], &[16.0, 20.0, 24.0, 28.0, 32.0, 36.0]));
    assert_eq!(of(w().inner(row(&[3, 1]))), array(&[2, 1, 2, 1, 1], &[18.0, 24.0, 54.0, 60.0]));
    assert_eq!(of(w().slice(0, 1).affine(2.0, 1.0).affine(1.0, -1.0)).values, [2.0, 4.0, 14.0, 16.0]);
}
