//! The compiled network equals an independent implementation: every part's output, the logits and every gradient.
//!
//! Needs the reference tensors, which lie beside the checkout (`../shared/reference`, or `$LMSC_SHARED/reference`); without them the
//! tests say so and pass, unless `LMSC_REQUIRE_SHARED` is set.
#![cfg(feature = "train")]

mod given;

use std::path::Path;
use std::sync::Arc;

use lmsc::compile::compile;
use lmsc::ir::Array;
use lmsc::net::{self, Network};
use lmsc::store::{NameMap, Store, read_store};
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
    let theirs = read_store(&path).expect("the reference");
    let shape = &theirs.arrays["input"].dims;
    let source = Source::read(&Path::new("graphs").join(graph)).expect("the graph");
    let program = compile(&source, &[], Some([shape[2], shape[3], shape[4]])).expect("it compiles");
    let device = given::device().autodiff();
    let mut network = Network::new(Arc::new(program), &device, 0).expect("it fits");
    let map = NameMap::read(Path::new("maps/reference.map")).expect("the map");
    let names = net::port(&mut network, &theirs, &map, &path, &device).expect("every weight is there");
    let foreign = theirs.arrays.keys().filter(|k| k.starts_with("param/")).count();
    assert_eq!(names.len(), foreign, "every parameter of the reference has its place");
    let ours: Store = net::forward(&network, &theirs, &path, true, true, &device).expect("it runs");
    let mut compared = 0;
    let mut check = |own: String, Array { dims, values }: &Array| {
        let mine = ours.arrays.get(&own).unwrap_or_else(|| panic!("no {own}"));
        let error = relative(&mine.values, values);
        assert!(error < 1e-4, "{graph}: {own} {dims:?} differs by {error:e} of its norm");
        compared += 1;
    };
    for (name, tensor) in &theirs.arrays {
        if let Some(tap) = name.strip_prefix("out/") {
            check(format!("out/{}", part(tap)), tensor);
        }
    }
    for (own, foreign) in &names {
        check(format!("grad/{own}"), &theirs.arrays[&foreign.replacen("param/", "grad/", 1)]);
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
