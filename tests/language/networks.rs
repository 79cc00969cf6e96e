//! Networks of the field: each is counted as its reference is.

use std::path::Path;

use lmsc::compile::{Program, compile, verify};
use lmsc::read::Set;
use lmsc::text::Source;

fn network(name: &str, sets: &[&str]) -> Program {
    let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).expect("a change")).collect();
    let source = Source::read(Path::new(&format!("tests/language/networks/{name}.ron"))).expect("a text");
    compile(&source, &sets, None).unwrap_or_else(|found| panic!("{name}: {found}"))
}

#[test]
fn every_claim_holds_and_the_resolved_text_is_the_same_network() {
    for file in std::fs::read_dir("tests/language/networks").expect("the folder") {
        let path = file.expect("an entry").path();
        let source = Source::read(&path).expect("a text");
        let p = compile(&source, &[], None).unwrap_or_else(|found| panic!("{}: {found}", path.display()));
        assert!(p.warnings.0.is_empty(), "{}: {}", path.display(), p.warnings);
        assert!(verify(&source, &p).unwrap_or_else(|found| panic!("{}: {found}", path.display())) > 1, "{}", path.display());
        let again = compile(&Source::new("resolved.ron", p.resolved()), &[], None).unwrap_or_else(|f| panic!("{}: {f}", path.display()));
        assert_eq!(again.hash(), p.hash());
    }
}

#[test]
fn a_plan_of_nnunet_is_a_set_of_lists() {
    let p = network("nnunet", &["strides=[1, (1, 2, 2), 2, 2, 2, (1, 2, 2)]", "kernels=[(1, 3, 3), 3, 3, 3, 3, 3]"]);
    let row = |path: &str| p.graph.fact(p.rows.iter().find(|r| r.path == path).expect("a node").output);
    assert_eq!((row("enc1").size, row("enc5").size), ([128, 64, 64], [16, 4, 4]));
    assert_eq!(p.multiple(), [8, 32, 32]);
    let p = network("nnunet", &["features=[8, 16, 32]", "strides=[1, 2, 2]", "kernels=[3, 3, 3]", "encoder=[1, 1, 1]", "decoder=[1, 1]"]);
    assert_eq!(p.graph.outputs.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["logits", "deep0"]);
    // The names of weights come from the keys alone.
    let p = network("resenc", &[]);
    assert!(p.graph.values().any(|v| p.graph.node(v).path == "enc3.block0.project.conv"));
}
