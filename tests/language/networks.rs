//! Networks of the field in `graphs/`: what their text says stays the same when it is written out, and a plan is a `set` of lists.

use std::path::Path;

use lmsc::compile::{Program, compile};
use lmsc::read::Set;
use lmsc::text::Source;

use super::given;

fn network(name: &str, sets: &[&str]) -> Program {
    let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).expect("a change")).collect();
    let source = Source::read(Path::new(&format!("graphs/{name}.ron"))).expect("a text");
    compile(&source, &sets, None).unwrap_or_else(|found| panic!("{name}: {found}"))
}

#[test]
fn the_resolved_text_is_the_same_network() {
    for path in given::graphs() {
        let p = compile(&Source::read(&path).expect("a text"), &[], None).unwrap_or_else(|found| panic!("{}: {found}", path.display()));
        let again = compile(&Source::new("resolved.ron", p.resolved()), &[], None).unwrap_or_else(|f| panic!("{}: {f}", path.display()));
        assert_eq!(again.hash(), p.hash(), "{}", path.display());
    }
}

#[test]
fn a_plan_of_nnunet_is_a_set_of_lists() {
    let p = network("nnunet", &["strides=[1, (1, 2, 2), 2, 2, 2, (1, 2, 2)]", "kernel_sizes=[(1, 3, 3), 3, 3, 3, 3, 3]"]);
    let row = |path: &str| p.graph.fact(p.rows.iter().find(|r| r.path == path).expect("a node").output);
    assert_eq!((row("enc1").size, row("enc5").size), ([128, 64, 64], [16, 4, 4]));
    assert_eq!(p.multiple(), [8, 32, 32]);
    let small = ["features_per_stage=[8, 16, 32]", "strides=[1, 2, 2]", "kernel_sizes=[3, 3, 3]", "n_conv_per_stage=[1, 1, 1]"];
    let p = network("nnunet", &[&small[..], &["n_conv_per_stage_decoder=[1, 1]"]].concat());
    assert_eq!(p.graph.outputs.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["logits", "deep0"]);
    let path = |set: &str| network("nnunet", &[set]).graph.values().count();
    assert!(path("norm=batch") == path("norm=group(8)") && path("norm=none") < path("norm=batch"));
}

#[test]
fn names_of_weights_come_from_the_keys_alone() {
    let p = network("nnunet-resenc", &[]);
    assert!(p.graph.values().any(|v| p.graph.node(v).path.starts_with("enc3.block0.")));
}
