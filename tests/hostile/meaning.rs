//! Graphs that mean nothing: rings, ports, dead ends, shapes, counts.

use lmsc::compile::compile;
use lmsc::ir::{Fact, Operator};
use lmsc::op::Op;
use lmsc::read::Set;
use lmsc::text::{Code, Source};

use super::{chain, compiled, graph, refused, vector};

fn relu(id: &str, x: &str) -> String {
    format!("\"{id}\": Activation(x: {x}, function: relu),\n")
}

#[test]
fn rings_are_shown_whole() {
    let d = refused(Code::E0205, &graph("«\"a\": Activation(x: \"a\", function: relu)", "a"));
    assert!(d.message.ends_with("`a` -> `a`"), "{d:?}");
    let two = format!("«{}‹{}", relu("a", "\"b\""), relu("b", "\"a\""));
    assert!(refused(Code::E0205, &graph(&two, "a")).message.ends_with("`a` -> `b` -> `a`"));
    let ring = |n: usize| {
        let nodes: String = (0..n).map(|i| relu(&format!("n{i}"), &format!("\"n{}\"", (i + n - 1) % n))).collect();
        refused(Code::E0205, &graph(&format!("«{nodes}"), "n0")).message
    };
    let whole = ring(60);
    assert!((0..60).all(|i| whole.contains(&format!("`n{i}` -> "))) && whole.ends_with("-> `n0`"), "{whole}");
    let long = ring(50_000);
    assert!(long.len() < 3000 && long.contains("49900 more") && long.ends_with("`n49999` -> `n0`"), "{long}");
}

#[test]
fn many_rings_one_after_the_other() {
    // Each ring feeds the next: looking for the way back must not leave the ring.
    let nodes: String = (0..20_000)
        .map(|i| {
            let before = if i == 0 { "image".to_owned() } else { format!("b{}", i - 1) };
            format!("\"a{i}\": Add(x: [\"{before}\", \"b{i}\"]),\n{}", relu(&format!("b{i}"), &format!("\"a{i}\"")))
        })
        .collect();
    let found = compiled(&graph(&nodes, "b19999")).expect_err("rings");
    assert!(found.0[0].message.ends_with("`a0` -> `b0` -> `a0`"));
    assert!(
        found.0.len() == 100 && found.0[99].help.iter().any(|h| h == "19900 more are not shown: mend these first"),
        "{:?}",
        found.0.last()
    );
}

#[test]
fn ports_that_are_not_there() {
    for reference in ["a.9", "a.", "a.x", "a.b.c", "a. "] {
        refused(Code::E0203, &graph(&format!("\"a\": Conv3D(x: \"image\", out: 1),\n\"b\": Conv3D(x: «\"{reference}\", out: 1)"), "b"));
    }
    let lspm = "‹\"l\": LSPM(x: \"image\"),\n\"b\": Conv3D(x: «";
    assert!(refused(Code::E0203, &graph(&format!("{lspm}\"l.textur\", out: 1)"), "b")).help[0].contains("`texture`"));
    assert!(refused(Code::E0203, &graph(&format!("{lspm}\"l\", out: 1)"), "b")).help[0].contains("\"l.texture\""));
    refused(Code::E0203, &graph("\"a\": Conv3D(x: \"image\", out: 1)", "«a.9").replace("\"«", "«\""));
    for reference in ["image.0", ".", "", " ", ".a"] {
        refused(Code::E0202, &graph(&format!("\"b\": Conv3D(x: «\"{reference}\", out: 1)"), "b"));
    }
}

#[test]
fn too_many_and_too_few_inputs() {
    refused(Code::E0204, &graph("\"a\": «Conv3D(out: 1)", "a"));
    refused(Code::E0204, &graph("\"a\": Conv3D(x: [\"image\", «\"image\"], out: 1)", "a"));
    refused(Code::E0204, &graph("\"a\": Conv3D(x: «[], out: 1)", "a"));
    refused(Code::E0204, &graph("\"a\": Concat(x: «[])", "a"));
    refused(Code::E0204, &graph("\"a\": Add(x: «[\"image\"])", "a"));
    refused(Code::E0107, &graph("\"a\": Conv3D(x: \"image\", «y: \"image\", out: 1)", "a"));
}

#[test]
fn nodes_and_inputs_that_lead_nowhere() {
    let end = relu("end", "\"image\"");
    refused(Code::E0206, &graph(&format!("{end}«{}", relu("dead", "\"end\"")), "end"));
    refused(Code::E0206, &graph(&format!("{end}{}«{}", relu("dead", "\"image\""), relu("deader", "\"dead\"")), "end"));
    // A hundred thousand of them: each is an error, a hundred are told.
    let dead: String = (0..100_000).map(|i| format!("\"d{i}\":Linear(x:\"image\",out:1),")).collect();
    let found = compiled(&graph(&format!("{end}{dead}"), "end")).expect_err("dead nodes");
    assert!(found.0.len() == 100 && found.0.iter().all(|d| d.code == Code::E0206));
}

#[test]
fn outputs_none_and_several() {
    let nodes = "\"a\": Conv3D(x: \"image\", out: 1),\n\"b\": Conv3D(x: \"a\", out: 2)";
    let text = graph(nodes, "a");
    let with = |outputs: &str| text.replace("{\"y\": \"a\"}", outputs);
    let d = refused(Code::E0106, &format!("«{}", with("{}")));
    assert!(d.message.contains("no output"), "{d:?}");
    assert!(refused(Code::E0106, &format!("«{}", with("{}").replace("outputs: {},", ""))).message.contains("`outputs`"));
    refused(Code::E0202, &with("{\"y\": «\"c\"}"));
    refused(Code::E0103, &with("{‹\"y\": \"a\", «\"y\": \"b\"}"));
    let p = compiled(&with("{\"y\": \"a\", \"z\": \"b\"}")).expect("two outputs");
    let channels: Vec<_> = p.graph.outputs.iter().map(|(n, v)| (n.as_str(), p.graph.fact(*v).channels)).collect();
    assert_eq!(channels, [("y", 1), ("z", 2)]);
    assert!(compiled(&graph(&relu("a", "\"image\""), "image")).is_err(), "then `a` is dead");
}

#[test]
fn shapes_and_channels_that_do_not_fit() {
    let pool = "\"p\": MaxPool3D(x: \"image\", kernel: 2),\n";
    refused(Code::E0301, &graph(&format!("{pool}\"a\": «Add(x: [‹\"p\", \"image\"])"), "a"));
    refused(Code::E0301, &graph(&format!("{pool}\"a\": «Concat(x: [\"p\", ‹\"image\"])"), "a"));
    refused(Code::E0302, &graph("\"a\": GroupNorm(x: ‹\"image\", groups: «3)", "a"));
    refused(Code::E0302, &graph("\"a\": Conv3D(x: \"image\", out: 4, groups: «3)", "a"));
    refused(Code::E0302, &graph("\"a\": Conv3D(x: \"image\", out: 6, groups: «4)", "a"));
    for zero in ["groups: «0", "norm: «0"] {
        let d =
            compiled(&graph(&format!("\"a\": Conv3D(x: \"image\", out: 4, {})", zero.replace('«', "")), "a")).expect_err(zero).0.remove(0);
        assert!(matches!(d.code, Code::E0302 | Code::E0401), "{d:?}");
    }
}

#[test]
fn kernels_strides_and_dilations() {
    for field in ["kernel: «0", "stride: «0", "dilation: «0", "kernel: «(3, 0, 3)", "stride: «(1, 1, 0)"] {
        refused(Code::E0401, &graph(&format!("\"a\": Conv3D(x: \"image\", out: 1, {field})"), "a"));
    }
    refused(Code::E0301, &graph("\"a\": Conv3D(x: \"image\", out: 1, padding: 0, kernel: «9)", "a"));
    refused(Code::E0301, &graph("\"a\": MaxPool3D(x: \"image\", kernel: «9)", "a"));
    refused(Code::E0401, &graph("\"a\": MaxPool3D(x: \"image\", kernel: «0)", "a"));
    // An even kernel has no padding that keeps the size; with what is stated the size is one less, and says so.
    let p = compiled(&graph("\"a\": Conv3D(x: \"image\", out: 1, kernel: 2)", "a")).expect("it compiles");
    assert_eq!(p.graph.fact(p.graph.outputs[0].1).size, [7; 3]);
    for huge in
        ["kernel: 18446744073709551615", "dilation: 18446744073709551615", "padding: 18446744073709551615", "stride: 18446744073709551615"]
    {
        if let Err(found) = compiled(&graph(&format!("\"a\": Conv3D(x: \"image\", out: 1, {huge})"), "a")) {
            assert!(matches!(found.0[0].code, Code::E0301 | Code::E0501), "{huge}: {found:?}");
        }
    }
}

const UNET: &str = "\"s1\": Conv3D(x: \"image\", out: 4, stride: 2),\n\"s2\": Conv3D(x: \"s1\", out: 4, stride: 2),\n\"s3\": Conv3D(x: \"s2\", out: 4, stride: 2),\n\"s4\": Conv3D(x: \"s3\", out: 4, stride: 2),\n\"u\": Resize(x: \"s4\", like: \"s3\"),\n\"j\": Add(x: [\"u\", \"s3\"]),\n\"v\": UpConv3D(x: \"j\", out: 4),\n\"k\": Add(x: [\"v\", \"s2\"])";

#[test]
fn odd_sizes_through_four_strides() {
    let odd = graph(UNET, "k").replace("(8, 8, 8)", "(13, 13, 13)");
    let p = compiled(&odd);
    // 13 -> 7 -> 4 -> 2 -> 1: the way up, doubled, gives 4 again. At 9 it does not.
    assert!(p.is_ok(), "{p:?}");
    let d = refused(Code::E0303, &graph(UNET, "k").replace("(8, 8, 8)", "(9, 9, 9)"));
    assert!(d.message.contains("9 is not a multiple of"), "{d:?}");
}

#[test]
fn a_size_that_reaches_nothing_does_not_wrap() {
    let pools = |n: usize| {
        (0..n)
            .map(|i| format!("\"p{}\": MaxPool3D(x: \"{}\", kernel: 2),\n", i + 1, if i == 0 { "image".into() } else { format!("p{i}") }))
            .collect::<String>()
    };
    assert!(compiled(&graph(&pools(3), "p3")).is_ok());
    let d = compiled(&graph(&pools(4), "p4")).expect_err("8 / 16").0.remove(0);
    assert!(matches!(d.code, Code::E0301 | Code::E0303) && !d.message.contains("1844674407"), "{d:?}");
    let convs: String = (1..6)
        .map(|i| format!("\"p{i}\": Conv3D(x: \"{}\", out: 1, padding: 0),\n", if i == 1 { "image".into() } else { format!("p{}", i - 1) }))
        .collect();
    let d = compiled(&graph(&convs, "p5")).expect_err("8 - 5 * 2").0.remove(0);
    assert!(d.code == Code::E0301 && d.message.contains("reaches over 3 voxels but the depth is 2"), "{d:?}");
}

#[test]
fn counts_beyond_64_bits() {
    let big = 1u64 << 62;
    for nodes in [
        format!("«\"a\": Conv3D(x: \"image\", out: {big})"),
        "«\"a\": Conv3D(x: \"image\", out: 4294967296, groups: 1, kernel: 65537)".to_string(),
        format!("«\"a\": GhostConv3D(x: \"image\", out: {big})"),
    ] {
        if let Err(found) = compiled(&graph(&nodes.replace('«', ""), "a")) {
            assert!(found.0.iter().all(|d| matches!(d.code, Code::E0501 | Code::E0301)), "{nodes}: {found:?}");
        } else {
            panic!("{nodes}");
        }
    }
    // Each node is below, their sum is not.
    let wide = "\"a\": PointwiseConv3D(x: \"image\", out: 1073741824),\n";
    let more: String = (0..40)
        .map(|i| {
            format!("\"b{i}\": PointwiseConv3D(x: \"{}\", out: 1073741824),\n", if i == 0 { "a".into() } else { format!("b{}", i - 1) })
        })
        .collect();
    refused(Code::E0501, &graph(&format!("{wide}{more}"), "b39").replace("(8, 8, 8)", "(1, 1, 1)"));
    // A volume of 2^96 voxels.
    refused(
        Code::E0501,
        &graph("«\"a\": Activation(x: \"image\", function: relu)", "a").replace("(8, 8, 8)", "(4294967296, 4294967296, 4294967296)"),
    );
}

#[test]
fn a_chain_of_a_hundred_thousand_nodes() {
    let nodes = chain(100_000, |_, x| format!("Linear(x:\"{x}\",out:1)"));
    let p = compiled(&vector(&nodes, "n99999")).expect("it compiles");
    assert_eq!((p.rows.len(), p.graph.len()), (100_000, 100_001));
    // And backwards in the file.
    let nodes: Vec<&str> = nodes.lines().take(10_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert_eq!(compiled(&vector(&nodes.join("\n"), "n9999")).expect("it compiles").rows.len(), 10_000);
}

#[test]
fn a_value_that_thousands_use() {
    let nodes: String = (0..1000).map(|i| relu(&format!("n{i}"), "\"image\"")).collect();
    let all: Vec<String> = (0..1000).map(|i| format!("\"n{i}\"")).collect();
    let p = compiled(&graph(&format!("{nodes}\"all\": Concat(x: [{}])", all.join(", ")), "all")).expect("it compiles");
    assert_eq!(p.classes(), 4000);
    // Every node of a long chain is also an output's neighbour: no way is walked twice.
    let chain: String = (0..20_000)
        .map(|i| format!("\"c{i}\":Add(x:[\"{}\",\"image\"]),", if i == 0 { "image".into() } else { format!("c{}", i - 1) }))
        .collect();
    assert_eq!(compiled(&graph(&chain, "c19999")).expect("it compiles").rows.len(), 20_000);
}

#[test]
fn gates_of_no_and_of_one_path() {
    refused(Code::E0204, &graph("\"g\": MultiPathGate(x: \"image\", paths: «[])", "g"));
    refused(Code::E0204, &graph("\"g\": «MultiPathGate(x: \"image\")", "g"));
    let p = compiled(&graph("\"g\": MultiPathGate(x: \"image\", paths: [\"image\"])", "g")).expect("one path is sound");
    assert_eq!(p.warnings.0.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::W0204]);
}

#[test]
fn anchors_none_and_more_than_voxels() {
    refused(Code::E0401, &graph("\"a\": AnchorDetector(x: \"image\", count: «0)", "a"));
    // Anchors are points, not voxels: there may be more of them, up to a stated limit.
    assert!(compiled(&graph("\"a\": AnchorDetector(x: \"image\", count: 1000)", "a")).is_ok());
    for count in [349_526, u64::MAX] {
        let d = refused(Code::E0401, &graph(&format!("\"a\": AnchorDetector(x: \"image\", count: «{count})"), "a"));
        assert!(d.message.contains("fewer than 349,525"), "{d:?}");
    }
}

#[test]
fn one_channel_in_eight_groups_and_no_channel() {
    refused(Code::E0302, &graph("\"a\": Conv3D(x: \"image\", out: 1),\n\"b\": GroupNorm(x: ‹\"a\", groups: «8)", "b"));
    refused(Code::E0302, &graph("\"a\": Conv3D(x: \"image\", out: 1, norm: «8)", "a"));
    refused(Code::E0301, &graph(&relu("a", "\"image\""), "a").replace("channels: 4", "channels: «0"));
    let base = graph(&relu("a", "\"image\""), "a");
    let zero = compile(&Source::new("zero.ron", base.clone()), &[], Some([0, 8, 8])).expect_err("no depth");
    assert_eq!(zero.0[0].code, Code::E0301, "{zero:?}");
    let set = Set::parse("a.function=tanhh").expect("a change");
    assert_eq!(compile(&Source::new("set.ron", base), &[set], None).expect_err("no such function").0[0].code, Code::E0104);
}

#[test]
fn a_batch_of_none() {
    // The batch is free in a graph; operations refuse none, or say that nothing comes out.
    for e in Op::examples() {
        let x: Vec<Fact> = e.inputs.iter().map(|f| Fact { batch: 0, ..*f }).collect();
        if let Ok(y) = e.op.infer(&x) {
            assert_eq!(y.elements().ok(), Some(0), "{:?}", e.op);
            assert!(e.op.cost(&x, &y).is_ok_and(|c| c.macs == 0), "{:?}", e.op);
        }
    }
}

#[test]
fn a_norm_over_one_element() {
    let one = |groups: usize| {
        let text = graph(&format!("\"a\": Conv3D(x: \"image\", out: 4, bias: false),\n\"b\": GroupNorm(x: \"a\", groups: {groups})"), "b");
        compiled(&text.replace("(8, 8, 8)", "(1, 1, 1)"))
    };
    assert!(one(2).is_ok(), "two elements have a variance");
    // One element a group is its own mean: what comes out is the bias whatever goes in.
    let p = one(4).expect("it compiles");
    assert!(p.warnings.0.iter().any(|d| d.code == Code::W0301), "{:?}", p.warnings);
}
