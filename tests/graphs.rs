//! Every graph of the project compiles, to the counts that are known of it.

mod given;

use std::path::Path;

use lmsc::compile::memory::facts_at;
use lmsc::compile::{Program, compile};
use lmsc::read::Set;
use lmsc::text::{Source, render};

fn program(file: &str, sets: &[&str]) -> Program {
    let source = Source::read(&Path::new("graphs").join(file)).expect("the graph is there");
    let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).expect("a change")).collect();
    match compile(&source, &sets, None) {
        Ok(p) => p,
        Err(found) => panic!("{file}: {}", found.0.iter().map(|d| render::full(d, false, 120)).collect::<Vec<_>>().join("\n")),
    }
}

fn params(file: &str, sets: &[&str]) -> u64 {
    let p = program(file, sets);
    p.cost(0..p.graph.len()).expect("it fits").params
}

#[test]
fn parameters_are_those_of_the_specification() {
    for (file, sets, expected) in [
        ("lightmedseg.ron", &[][..], 482_778),
        ("lightmedseg-standard.ron", &[], 662_274),
        ("lightmedseg-k16.ron", &[], 493_554),
        ("lightmedseg-k32.ron", &[], 515_106),
        ("lightmedseg.ron", &["anchors=16"], 493_554),
        ("lightmedseg.ron", &["anchors=32"], 515_106),
        ("lightmedseg-no-lspm.ron", &[], 471_116),
        ("lightmedseg-no-anchors.ron", &[], 465_978),
        ("lightmedseg-no-router.ron", &[], 454_550),
        ("lightmedseg-literal.ron", &[], 477_530),
        ("lightmedseg-literal-standard.ron", &[], 693_314),
        ("lightmedseg-literal.ron", &["anchors=16"], 493_106),
        ("lightmedseg-literal.ron", &["anchors=32"], 524_258),
        // Of these, 68 + 132 are of the deep heads.
        ("lightmedseg-thick.ron", &["modalities=1"], 478_422),
        ("lightmedseg-small.ron", &["modalities=1", "classes=3"], 368_645),
    ] {
        assert_eq!(params(file, sets), expected, "{file} {sets:?}");
    }
}

/// SPEC: parameters and MACs (in units of 10,000) of every block of `graphs/lightmedseg.ron` at 4x128x128x128.
#[test]
fn every_block_costs_what_the_specification_says() {
    let p = program("lightmedseg.ron", &[]);
    let expected = [
        ("stem", 556, 14156),
        ("anchors", 8_640, 29020),
        ("lspm", 11_662, 302042),
        ("enc1", 2_764, 58301),
        ("pool1", 0, 0),
        ("enc2", 7_380, 20657),
        ("pool2", 0, 0),
        ("enc3", 25_636, 9621),
        ("pool3", 0, 0),
        ("enc4", 95_304, 4634),
        ("bottleneck", 8_576, 419),
        ("skips", 31_100, 92589),
        ("dec1", 214_635, 40200),
        ("dec2", 56_375, 88657),
        ("dec3", 15_519, 210344),
        ("dec4", 4_595, 552809),
        ("head", 36, 6711),
    ];
    let rows: Vec<_> = p.rows.iter().filter(|r| r.depth == 0).collect();
    assert_eq!(rows.len(), expected.len());
    for (name, params, macs) in expected {
        let row = rows.iter().find(|r| r.path == name).unwrap_or_else(|| panic!("no row {name}"));
        let c = p.cost(row.values.clone()).expect("it fits");
        assert_eq!((c.params, (c.macs + 5_000) / 10_000), (params, macs), "{name}");
    }
    let total = p.cost(0..p.graph.len()).expect("it fits");
    assert_eq!((total.macs + 5_000) / 10_000, 1_430_161);
    assert_eq!(total.norms, 5 * 67_960_832);
    assert_eq!((total.fvcore() + 500_000) / 1_000_000, 14_641);
}

#[test]
fn every_graph_takes_other_modalities_and_classes() {
    for file in given::graphs() {
        let name = file.file_name().and_then(|n| n.to_str()).expect("a name");
        let p = program(name, &["modalities=1", "classes=3"]);
        assert_eq!((p.input_channels(), p.classes()), (1, 3), "{name}");
        let multiple = match name {
            "lightmedseg-thick.ron" => [4, 16, 16],
            "lightmedseg-small.ron" => [8; 3],
            _ => [16; 3],
        };
        assert_eq!(p.multiple(), multiple, "{name}");
    }
}

#[test]
fn a_resolved_graph_is_the_same_graph() {
    for file in given::graphs() {
        let name = file.file_name().and_then(|n| n.to_str()).expect("a name");
        let p = program(name, &["anchors=16"]);
        let again = compile(&Source::new("resolved.ron", p.resolved()), &[], None).expect("it compiles");
        assert_eq!(p.hash(), again.hash(), "{name}");
        assert_eq!(p.resolved(), again.resolved(), "{name}");
    }
}

#[test]
fn compiled_graphs_and_stats_are_as_kept() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/graphs");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // Of the networks of others, three that use most of the language.
    for file in given::graphs().into_iter().chain(["nnunet.ron", "segresnet.ron", "mednext.ron"].map(Into::into)) {
        let name = file.file_stem().and_then(|n| n.to_str()).expect("a name");
        let p = program(&format!("{name}.ron"), &[]);
        let stats = lmsc::show::stats(&p, 3, &[]).expect("it fits").print(lmsc::show::Format::Table);
        settings.bind(|| {
            insta::assert_snapshot!(format!("{name}.graph"), lmsc::show::listing(&p));
            insta::assert_snapshot!(format!("{name}.stats"), stats);
        });
    }
}

#[test]
fn an_input_follows_the_first_unless_it_states_its_size() {
    let two = |size: &str| {
        let text = format!(
            r#"(name: "two", inputs: {{ "a": (channels: 1, size: (16, 16, 16)), "b": (channels: 1{size}) }},
               nodes: {{ "down": Conv3D(x: "b", out: 2, kernel: 2, stride: 2), "up": Resize(x: "down", scale: 2),
                        "y": Concat(x: ["a", "up"]) }}, outputs: {{ "y": "y" }})"#
        );
        compile(&Source::new("two.ron", text), &[], None).unwrap_or_else(|d| panic!("{d:?}"))
    };
    // Stated and equal by chance: the size of the first input alone may not change it.
    let (follows, stated) = (two(""), two(", size: (16, 16, 16)"));
    let sizes = |p: &Program| p.inputs_at(2, [8, 24, 16]).iter().map(|f| (f.batch, f.size)).collect::<Vec<_>>();
    assert_eq!(sizes(&follows), [(2, [8, 24, 16]); 2]);
    assert_eq!(sizes(&stated), [(2, [8, 24, 16]), (2, [16; 3])]);
    let at = |p: &Program| facts_at(p, 1, Some([8, 24, 16])).is_ok();
    assert!(at(&follows) && !at(&stated));
    assert_eq!(follows.multiple(), [2; 3]);
    assert!(follows.inputs.iter().all(|(_, v)| follows.follows(*v)));
    assert!(!stated.follows(stated.inputs[1].1));
}
