//! The graph language: conditions, repeats, choices, imports, variants, claims and lints.

#[path = "../given/mod.rs"]
mod given;
mod invalid;
mod networks;
mod page;
mod remedies;
mod valid;

use std::path::Path;
use std::sync::Arc;

use lmsc::compile::{Program, compile, verify};
use lmsc::read::Set;
use lmsc::text::{Code, Diagnostics, Source};

fn build(text: &str, sets: &[&str]) -> Result<Program, Diagnostics> {
    let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).expect("a change")).collect();
    compile(&Source::new("test.ron", text), &sets, None)
}

fn paths(p: &Program) -> Vec<&str> {
    p.rows.iter().filter(|r| r.depth == 0).map(|r| r.path.as_str()).collect()
}

fn first(found: Diagnostics) -> (Code, String) {
    let d = found.0.into_iter().next().expect("an error");
    (d.code, d.message)
}

/// An encoder of n stages in one entry, with a switch and a choice.
const REPEATED: &str = r#"(
    params: { "stages": 3, "width": 8, "deep": true, "act": OneOf("silu", "relu"), "share": 0.5 },
    inputs: { "image": (channels: 2, size: (32, 32, 32)) },
    nodes: {
        "enc{i}": Conv3D(for: "i in 1..=stages", x: "pool{i - 1} | image", out: "width * 2 ^ (i - 1)", norm: 4, bias: false, activation: "act"),
        "pool{i}": MaxPool3D(for: "i in 1..stages", x: "enc{i}"),
        "extra": Conv3D(when: "deep && share < 0.7", x: "enc{stages}", out: 8),
        "up{i}": Resize(for: "i in 1..=stages", x: "enc{i}", like: "image"),
        "join": Concat(x: ["up{1..=stages}"]),
        "last": Resize(x: "extra | enc{stages}", like: "image"),
        "both": Concat(x: ["join", "last"]),
        "head": SegHead(x: "both", classes: 3),
    },
    outputs: { "logits": "head" },
)"#;

#[test]
fn one_entry_stands_for_many_nodes() {
    let p = build(REPEATED, &[]).expect("it compiles");
    assert_eq!(paths(&p), ["enc1", "pool1", "enc2", "pool2", "enc3", "extra", "up1", "up2", "up3", "join", "last", "both", "head"]);
    assert_eq!(p.multiple(), [1; 3], "a pooling drops what is left over, and the resizes bring any size back");
    let two = build(REPEATED, &["stages=2"]).expect("it compiles");
    assert!(!paths(&two).contains(&"enc3"));
    let again = build(p.resolved(), &[]).expect("the resolved text compiles");
    assert_eq!(again.hash(), p.hash());
}

#[test]
fn a_condition_leaves_a_node_out_and_an_alternative_steps_in() {
    for set in ["deep=false", "share=0.9"] {
        let p = build(REPEATED, &[set]).expect("it compiles");
        assert!(!paths(&p).contains(&"extra"), "{set}");
    }
}

#[test]
fn a_choice_is_one_of_its_words() {
    let kinds = |p: &Program| lmsc::show::listing(p).contains("relu");
    assert!(!kinds(&build(REPEATED, &[]).expect("it compiles")));
    assert!(kinds(&build(REPEATED, &["act=relu"]).expect("it compiles")));
    let (code, message) = first(build(REPEATED, &["act=swish"]).expect_err("no such choice"));
    assert_eq!((code, message.as_str()), (Code::E0207, "`act` is one of some words, but the text \"swish\" is given"));
}

#[test]
fn what_is_written_as_before_is_rewritten() {
    let old = REPEATED.replace(
        "like: \"image\"),\n        \"join\"",
        "like: \"image\"),\n        \"f\": Conv(x: \"image\", out: 4, norm: None, activation: \"tanh\"),\n        \"join\"",
    );
    let old = old.replace("[\"up{1..=stages}\"]", "[\"f\", \"up{1..=stages}\"]");
    let p = build(&old, &[]).expect("it compiles");
    let dated: Vec<&str> = p.warnings.0.iter().filter(|d| d.code == Code::W0102).map(|d| d.help[0].as_str()).collect();
    assert_eq!(dated, ["`lmsc fmt --upgrade` rewrites it and 4 others"]);
    let new = lmsc::read::upgrade(&Source::new("test.ron", old)).expect("a text");
    for part in ["OneOf(silu, relu)", "norm: group(4)", "norm: none", "activation: tanh", "activation: \"act\""] {
        assert!(new.contains(part), "{part}: {new}");
    }
    let again = build(&new, &[]).expect("it compiles");
    assert_eq!(again.hash(), p.hash());
    assert!(again.warnings.0.iter().all(|d| d.code != Code::W0102), "{:?}", again.warnings);
}

#[test]
fn a_parameter_keeps_its_type() {
    for (set, expected) in
        [("stages=true", "whole number"), ("deep=3", "`true` or `false`"), ("share=[1]", "a number"), ("stages=1.5", "whole number")]
    {
        let (code, message) = first(build(REPEATED, &[set]).expect_err(set));
        assert!(code == Code::E0207 && message.contains(expected), "{set}: {message}");
    }
    assert!(build(REPEATED, &["share=0", "stages=1 + 1"]).is_ok());
}

#[test]
fn loops_and_conditions_that_make_no_sense() {
    let with = |from: &str, to: &str| first(build(&REPEATED.replace(from, to), &[]).expect_err(to));
    assert_eq!(with("i in 1..=stages\", x: \"pool", "i of 3\", x: \"pool").0, Code::E0105);
    assert_eq!(with("i in 1..=stages\", x: \"pool", "i in 1..=1000000000\", x: \"pool").0, Code::E0105);
    assert_eq!(with("deep && share < 0.7", "width").0, Code::E0105);
    assert_eq!(with("\"enc{i}\": Conv3D(for", "\"enc\": Conv3D(for").0, Code::E0109);
    assert_eq!(with("\"pool{i}\"", "\"pool{i\"").0, Code::E0105);
    assert_eq!(with("pool{i - 1} | image", "pool{i - 1} | imag").0, Code::E0202);
}

#[test]
fn composites_come_from_a_library() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        path
    };
    write("blocks/base.ron", r#"(blocks: { "Act": (inputs: ["x"], nodes: { "a": Activation(x: "x", function: relu) }, output: "a") })"#);
    write(
        "blocks/stage.ron",
        r#"(import: ["base.ron"], blocks: { "Stage": (params: { "out": Required }, inputs: ["x"], nodes: { "c": Conv3D(x: "x", out: "out"), "act": Act(x: "c") }, output: "act") })"#,
    );
    let body = r#"inputs: { "image": (channels: 1, size: (8, 8, 8)) }, nodes: { "s": Stage(x: "image", out: 4), "t": Act(x: "s") }, outputs: { "y": "t" })"#;
    let read = |p: &Path| compile(&Source::read(p).expect("a text"), &[], None);
    let good = write("good.ron", &format!("(import: [\"blocks/stage.ron\", \"blocks/base.ron\"], {body}"));
    let p = read(&good).expect("it compiles");
    assert_eq!(build(p.resolved(), &[]).expect("without the library").hash(), p.hash());

    let twice = write(
        "twice.ron",
        &format!(
            "(import: [\"blocks/stage.ron\"], blocks: {{ \"Act\": (inputs: [\"x\"], nodes: {{ \"a\": Activation(x: \"x\", function: silu) }}, output: \"a\") }}, {body}"
        ),
    );
    assert_eq!(first(read(&twice).expect_err("twice")).0, Code::E0103);
    write("blocks/ring.ron", "(import: [\"ring.ron\"], blocks: {})");
    let ring = write("ring.ron", &format!("(import: [\"blocks/ring.ron\"], {body}"));
    assert_eq!(first(read(&ring).expect_err("a ring")).0, Code::E0108);
    let absolute = write("absolute.ron", "(extends: \"/etc/passwd\")");
    assert_eq!(first(read(&absolute).expect_err("absolute")).0, Code::E0108);
}

#[test]
fn an_import_takes_some_composites_under_other_names_with_other_parameters() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    // A graph: its composites are taken, its nodes are not. `wide` follows from `width`, which `Up` does not name.
    write(
        "net.ron",
        r#"(
            params: { "wide": "2 * width", "width": 8, "act": relu },
            inputs: { "image": (channels: 1, size: (8, 8, 8)) },
            blocks: {
                "Two": (inputs: ["x"], nodes: { "c": Conv(x: "x", out: "wide", activation: "act") }, output: "c"),
                "Up": (inputs: ["x"], nodes: { "two": Two(x: "x"), "d": Conv(x: "two", out: "channels(x)") }, output: "d"),
                "Other": (inputs: ["x"], nodes: { "c": Conv(x: "x", out: "width") }, output: "c"),
            },
            nodes: { "up": Up(x: "image"), "o": Other(x: "up") },
            outputs: { "y": "o" },
        )"#,
    );
    let graph = |import: &str, params: &str, block: &str| {
        let channels = if params.is_empty() { "2" } else { "\"w\"" };
        let text = format!(
            "(import: [{import}], params: {{ {params} }}, inputs: {{ \"image\": (channels: {channels}, size: (8, 8, 8)) }}, nodes: {{ \"n\": {block}(x: \"image\") }}, outputs: {{ \"y\": \"n\" }})"
        );
        compile(&Source::read(&write("graph.ron", &text)).expect("a text"), &[], None)
    };
    let width = |p: &Program| p.graph.fact(p.rows.iter().find(|r| r.path == "n.two").expect("a row").output).channels;
    let sound = |import: &str, params: &str, block: &str| {
        let p = graph(import, params, block).unwrap_or_else(|found| panic!("{import}: {found}"));
        assert_eq!(build(p.resolved(), &[]).unwrap_or_else(|f| panic!("{f}\n{}", p.resolved())).hash(), p.hash(), "{import}");
        assert!(p.warnings.0.is_empty(), "{import}: {:?}", p.warnings);
        p
    };
    assert_eq!(width(&sound("\"net.ron\"", "", "Up")), 16);
    // The importer's own `width` is another one.
    let p = sound("(from: \"net.ron\", only: [\"Up\"])", "\"w\": \"width\", \"width\": 3", "Up");
    assert!(width(&p) == 16 && !p.resolved().contains("Other") && p.resolved().contains("Two"), "{}", p.resolved());
    assert_eq!(width(&sound("(from: \"net.ron\", set: { \"width\": 5 })", "", "Up")), 10);
    assert_eq!(width(&sound("(from: \"net.ron\", set: { \"width\": \"w + 1\" })", "\"w\": 2", "Up")), 6);
    let twice = "(from: \"net.ron\", only: [\"Up\"], rename: { \"Up\": \"UpA\", \"Two\": \"TwoA\" }), (from: \"net.ron\", set: { \"width\": 1, \"act\": silu })";
    assert_eq!((width(&sound(twice, "", "UpA")), width(&sound(twice, "", "Up"))), (16, 2));

    let refused = |import: &str, code: Code, part: &str| {
        let found = graph(import, "", "Up").expect_err(import);
        let d = &found.0[0];
        assert!(d.code == code && format!("{} {}", d.message, d.help.join(" ")).contains(part), "{import}: {found}");
    };
    refused("(from: \"net.ron\", only: [\"Upp\"])", Code::E0201, "`Up`");
    refused("(from: \"net.ron\", rename: { \"Down\": \"Up\" })", Code::E0201, "`Down`");
    refused("(from: \"net.ron\", set: { \"widht\": 1 })", Code::E0207, "`width`");
    refused("(from: \"net.ron\", onyl: [])", Code::E0107, "`only`");
    refused("(only: [\"Up\"])", Code::E0106, "from which file");
    refused("(from: \"net.ron\", hash: \"9f\")", Code::E0104, "--freeze");
    refused("\"net.ron\", (from: \"net.ron\", set: { \"width\": 1 })", Code::E0103, "(from: \"net.ron\", rename");
    write("less.ron", "(extends: \"net.ron\", drop: [\"Up.d\"])");
    refused("\"less.ron\"", Code::E0104, "`Up.d`");

    // What was frozen is taken while it is the same, whatever comments and layout are.
    let file = write(
        "graph.ron",
        "(import: [\"net.ron\"], inputs: { \"image\": (channels: 2, size: (8, 8, 8)) }, nodes: { \"n\": Up(x: \"image\") }, outputs: { \"y\": \"n\" })",
    );
    let frozen = lmsc::read::freeze(&Source::read(&file).expect("a text")).expect("it can be frozen");
    assert!(frozen.contains("(from: \"net.ron\", hash: { \"") && frozen.matches("b3:").count() == 3, "{frozen}");
    std::fs::write(&file, &frozen).expect("written");
    let read = || compile(&Source::read(&file).expect("a text"), &[], None);
    let net = std::fs::read_to_string(folder.path().join("net.ron")).expect("a text");
    assert!(read().is_ok());
    write("net.ron", &format!("// A comment.\n{}", net.replace("\n            ", "\n")));
    assert!(read().is_ok());
    write("net.ron", &net.replace("\"width\": 8", "\"width\": 9"));
    // What differs is named: `Up` itself is as it was.
    let found = read().expect_err("another content");
    let named = |found: &Diagnostics| {
        found.0.iter().map(|d| d.message.split(" is not what was frozen").next().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert!(found.0.iter().all(|d| d.code == Code::E0110), "{found}");
    assert_eq!(named(&found), ["`Two` of `net.ron`", "`Other` of `net.ron`"].map(|n| Some(n.to_owned())));
    // Of what is not taken nothing is frozen.
    write("net.ron", &net);
    let some = frozen.replace("(from: \"net.ron\", ", "(from: \"net.ron\", only: [\"Up\"], ");
    std::fs::write(&file, some).expect("written");
    std::fs::write(&file, lmsc::read::freeze(&Source::read(&file).expect("a text")).expect("it can be frozen")).expect("written");
    write("net.ron", &net.replace("\"Other\": (inputs: [\"x\"]", "\"Another\": (inputs: [\"x\"]").replace("Other(x", "Another(x"));
    assert!(read().is_ok());
    write("net.ron", &net.replace("\"d\": Conv(x", "\"d\": Conv(kernel: 1, x"));
    assert_eq!(named(&read().expect_err("another content")), [Some("`Up` of `net.ron`".to_owned())]);
    // A hash of the whole file, as it was written once, is read.
    let whole = |hash: &str| {
        frozen.split("{ \"").next().unwrap_or_default().to_owned()
            + &format!("\"b3:{hash}\")]")
            + frozen.split_once(")]").expect("an import").1
    };
    std::fs::write(&file, whole("00000000")).expect("written");
    let d = read().expect_err("another content").0.remove(0);
    assert!(d.code == Code::E0110 && d.message.starts_with("`net.ron` is not what was frozen: it is b3:"), "{d:?}");
    let now = d.message.rsplit("b3:").next().and_then(|rest| rest.split(' ').next()).expect("a hash").to_owned();
    std::fs::write(&file, whole(&now)).expect("written");
    assert!(read().is_ok());
    let again = lmsc::read::freeze(&Source::read(&file).expect("a text")).expect("it can be frozen");
    assert!(again != frozen && again.matches("hash").count() == 1, "{again}");
    std::fs::write(&file, again).expect("written");
    assert!(read().is_ok());
}

#[test]
fn chains_of_variants() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = std::fs::canonicalize("graphs/lightmedseg.ron").expect("the graph");
    std::fs::copy(base, folder.path().join("base.ron")).expect("copied");
    std::fs::write(folder.path().join("one.ron"), "(extends: \"base.ron\", drop: [\"anchors\"], set: { \"width\": 4 })").expect("written");
    std::fs::write(
        folder.path().join("two.ron"),
        "(extends: \"one.ron\", drop: [\"lspm\"], set: { \"enc1.x\": \"stem\", \"EncoderStage.se.least\": 2 })",
    )
    .expect("written");
    let p = compile(&Source::read(&folder.path().join("two.ron")).expect("a text"), &[], None).expect("it compiles");
    let nodes = paths(&p);
    assert!(!nodes.contains(&"anchors") && !nodes.contains(&"lspm") && p.params["width"] == lmsc::read::Value::Int(4));
    assert!(p.claims.is_empty(), "what a base claims is not true of its variants");
}

fn checked(text: &str) -> Result<usize, Diagnostics> {
    let source: Arc<Source> = Source::new("test.ron", text);
    verify(&source, &compile(&source, &[], None)?)
}

#[test]
fn claims_are_counted_again() {
    let body = |claims: &str| {
        format!(
            "(params: {{ \"width\": 8 }}, inputs: {{ \"image\": (channels: 1, size: (8, 8, 8)) }}, nodes: {{ \"c\": Conv3D(x: \"image\", out: \"width\"), \"head\": SegHead(x: \"c\", classes: 2) }}, outputs: {{ \"y\": \"head\" }}, claims: [{claims}])"
        )
    };
    // 1 x 8 x 27 + 8 weights, then 8 x 2 + 2.
    assert_eq!(
        checked(&body(
            "(params: 242, macs: 118784), (node: \"c\", params: 224), (params: 482, set: { \"width\": 16 }), (flops: \"0.24M\")"
        ))
        .ok(),
        Some(5)
    );
    assert_eq!(checked(&body("(macs: 14848, at: (4, 4, 4))")).ok(), Some(1));
    // All turns of an entry together: 27 x 4 weights and 4 biases, then twice 4 x 27 x 4 and 4.
    let turns = "(inputs: { \"image\": (channels: 1, size: (8, 8, 8)) }, nodes: { \"enc{s}\": Conv(chain: \"s in 0..3\", x: \"image\", out: 4) }, outputs: { \"y\": \"enc{last}\" }, claims: [(node: \"enc{s}\", params: 984), (node: \"enc0\", params: 112)])";
    assert_eq!(checked(turns).ok(), Some(2));
    let found = checked(&body("(params: 250), (node: \"c\", params: 232)")).expect_err("wrong");
    assert_eq!(found.0.len(), 2);
    let d = &found.0[0];
    assert_eq!((d.code, d.message.as_str()), (Code::E0502, "250 parameters are claimed, but it has 242"));
    assert!(d.help[0].contains("c     224  232 claimed"), "{}", d.help[0]);
    assert_eq!(first(checked(&body("(node: \"cc\", params: 1)")).expect_err("no node")).0, Code::E0202);
    assert_eq!(first(checked(&body("(prams: 1)")).expect_err("no field")).0, Code::E0107);
    assert_eq!(first(checked(&body("(node: \"c\")")).expect_err("nothing")).0, Code::E0106);
}

#[test]
fn every_claim_of_the_projects_graphs_holds() {
    let mut checked = 0;
    for path in given::graphs() {
        let source = Source::read(&path).expect("a text");
        let program = compile(&source, &[], None).expect("it compiles");
        assert!(program.warnings.0.is_empty(), "{}: {:?}", path.display(), program.warnings);
        checked += verify(&source, &program).unwrap_or_else(|f| panic!("{}: {f:?}", path.display()));
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn lints_can_be_allowed_and_denied() {
    let text = |lints: &str| {
        format!(
            "(params: {{ \"spare\": 1 }}, inputs: {{ \"image\": (channels: 1, size: (8, 8, 8)) }}, nodes: {{ \"c\": Conv3D(x: \"image\", out: 4, norm: group(4)), \"dead\": Activation(x: \"c\", function: relu), \"head\": SegHead(x: \"c\", classes: 2) }}, outputs: {{ \"y\": \"head\" }}, lints: {{ {lints} }})"
        )
    };
    let codes = |p: &Program| p.warnings.0.iter().map(|d| d.code.name()).collect::<Vec<_>>();
    let p = build(&text("\"E0206\": warn"), &[]).expect("it compiles");
    assert_eq!(codes(&p), ["E0206", "W0101", "W0301", "W0302"]);
    assert_eq!(paths(&p), ["c", "head"]);
    let p = build(&text("\"E0206\": allow, \"W0101\": allow, \"W0301\": allow"), &[]).expect("it compiles");
    assert_eq!(codes(&p), ["W0302"]);
    assert_eq!(first(build(&text(""), &[]).expect_err("dead")).0, Code::E0206);
    assert_eq!(first(build(&text("\"E0206\": allow, \"W0302\": deny"), &[]).expect_err("denied")).0, Code::W0101);
    assert_eq!(first(build(&text("\"E0206\": allow, \"W9\": deny"), &[]).expect_err("unknown")).0, Code::E0107);
    assert_eq!(first(build(&text("\"W0101\": loud"), &[]).expect_err("no level")).0, Code::E0104);
}

#[test]
fn sizes_are_told_with_their_reason() {
    let source = Source::read(Path::new("graphs/lightmedseg.ron")).expect("the graph");
    let d = compile(&source, &[], Some([64, 72, 64])).expect_err("72 is no multiple of 16").0.remove(0);
    assert_eq!((d.code, d.message.as_str()), (Code::E0303, "the height 72 is not a multiple of 16"));
    assert_eq!(d.help, ["use 64x80x64", "D, H and W are multiples of 16, because stem, pool1, pool2 and pool3 make them smaller"]);
}
