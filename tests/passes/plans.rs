//! The memory plan keeps apart what is alive together.

use lmsc::compile::memory::{ALIGNMENT, Precision, Schedule, plan};
use lmsc::compile::passes;
use lmsc::ir::{Fact, Graph, Operator, Value};
use lmsc::op::{self, Op};

use crate::drawings;
use crate::given::{graph_at, graphs};
use crate::programs::{Drawing, X, conv, every_pass, programs, scale};

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
    for file in graphs() {
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
