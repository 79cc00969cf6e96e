//! The compiled network equals an independent implementation: every part's output, the logits and every gradient.
//!
//! Needs the reference tensors, which lie beside the checkout (`../shared/reference`, or `$LMSC_SHARED/reference`); without them the
//! tests say so and pass, unless `LMSC_REQUIRE_SHARED` is set.
#![cfg(feature = "run")]

mod given;

use std::path::Path;
use std::sync::Arc;

use lmsc::compile::compile;
use lmsc::net::{self, NameMap, Network, Tensors};
use lmsc::text::Source;

/// The name of a part's output in the graph.
fn part(name: &str) -> String {
    match name {
        "texture" => "lspm.texture".into(),
        "lspm" => "lspm.features".into(),
        _ => name.strip_prefix("skip").map_or_else(|| name.to_owned(), |i| format!("skips.s{i}")),
    }
}

/// |a - b| / |b|
fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |x: f64| x * x;
    let difference: f64 = a.iter().zip(b).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let norm: f64 = b.iter().map(|b| square(f64::from(*b))).sum();
    difference.sqrt() / norm.sqrt()
}

fn agrees(graph: &str, file: &str) {
    let Some(path) = given::beside(&format!("reference/{}", file)) else { return };
    let theirs = net::read_tensors(&path).expect("the reference");
    let shape = &theirs.all["input"].0;
    let source = Source::read(&Path::new("graphs").join(graph)).expect("the graph");
    let program = compile(&source, &[], Some([shape[2], shape[3], shape[4]])).expect("it compiles");
    let device = given::device().autodiff();
    let mut network = Network::new(Arc::new(program), &device, 0).expect("it fits");
    let map = NameMap::read(Path::new("maps/reference.map")).expect("the map");
    let names = net::port(&mut network, &theirs, &map, &path, &device).expect("every weight is there");
    let foreign = theirs.all.keys().filter(|k| k.starts_with("param/")).count();
    assert_eq!(names.len(), foreign, "every parameter of the reference has its place");
    let ours: Tensors = net::forward(&network, &theirs, &path, true, true, &device).expect("it runs");
    let mut compared = 0;
    let mut check = |own: String, (shape, values): &(Vec<usize>, Vec<f32>)| {
        let (_, mine) = ours.all.get(&own).unwrap_or_else(|| panic!("no {own}"));
        let error = relative(mine, values);
        assert!(error < 1e-4, "{graph}: {own} {shape:?} differs by {error:e} of its norm");
        compared += 1;
    };
    for (name, tensor) in &theirs.all {
        if let Some(tap) = name.strip_prefix("out/") {
            check(format!("out/{}", part(tap)), tensor);
        }
    }
    for (own, foreign) in &names {
        check(format!("grad/{own}"), &theirs.all[&foreign.replacen("param/", "grad/", 1)]);
    }
    assert!(compared > 230, "{compared}");
}

#[test]
fn the_reconstruction() {
    agrees("lightmedseg.ron", "r-k8.safetensors");
}

#[test]
fn standard_convolutions() {
    agrees("lightmedseg-standard.ron", "r-standard-conv.safetensors");
}

#[test]
fn the_literal_reading() {
    agrees("lightmedseg-literal.ron", "literal-k8.safetensors");
}

#[test]
fn without_the_local_structural_prior() {
    agrees("lightmedseg-no-lspm.ron", "r-no-lspm.safetensors");
}
