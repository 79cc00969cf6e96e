//! A short text that asks for a large program: a limit is named before the memory is taken.

use lmsc::compile::{compile, verify};
use lmsc::text::{Code, Diagnostics, Source};

use super::{chain, compiled, graph, refused, vector};

/// Composites, each made of `times` of the one before, `levels` times over.
pub fn laughs(levels: usize, times: usize) -> String {
    let mut blocks = "\"L0\": (inputs: [\"x\"], nodes: {\"a\": Activation(x: \"x\", function: relu)}, output: \"a\"),\n".to_owned();
    for i in 1..=levels {
        let node = |j: usize| format!("\"n{j}\": L{}(x: \"{}\")", i - 1, if j == 0 { "x".to_owned() } else { format!("n{}", j - 1) });
        let nodes: Vec<String> = (0..times).map(node).collect();
        blocks.push_str(&format!("\"L{i}\": (inputs: [\"x\"], nodes: {{{}}}, output: \"n{}\"),\n", nodes.join(", "), times - 1));
    }
    graph(&format!("\"a\": L{levels}(x: \"image\")"), "a").replacen('(', &format!("(blocks: {{\n{blocks}}},"), 1)
}

/// A graph with parameters and blocks before its inputs.
fn with(before: &str, nodes: &str, output: &str) -> String {
    graph(nodes, output).replacen('(', &format!("({before},"), 1)
}

fn limit(text: &str, words: &str) {
    let d = refused(Code::E0501, text);
    assert!(d.message.contains(words), "{d:?}");
}

#[test]
fn composites_that_double_forty_times() {
    assert_eq!(compiled(&laughs(10, 2)).expect("it compiles").graph.len(), 1025);
    limit(&laughs(40, 2), "more than 250,000 nodes");
    // Without a single operation, too.
    limit(
        &laughs(40, 2).replace("{\"a\": Activation(x: \"x\", function: relu)}, output: \"a\"", "{}, output: \"x\""),
        "more than 250,000 nodes",
    );
}

#[test]
fn composites_a_thousand_deep() {
    assert_eq!(compiled(&laughs(63, 1)).expect("it compiles").rows.len(), 65);
    limit(&laughs(64, 1), "more than 64 deep");
    limit(&laughs(1000, 1), "more than 64 deep");
    limit(&laughs(20_000, 1), "more than 64 deep");
}

#[test]
fn loops_with_huge_ranges() {
    for range in ["0..=9223372036854775807", "-9223372036854775807..9223372036854775807", "0..100001", "1..=2 ^ 40"] {
        let d =
            refused(Code::E0105, &graph(&format!("\"a{{i}}\": Activation(for: «\"i in {range}\", x: \"image\", function: relu)"), "a0"));
        assert!(d.message.contains("longer than 100000"), "{d:?}");
    }
    let loops: String =
        (0..100).map(|k| format!("\"a{k}_{{i}}\": Activation(for: \"i in 0..100000\", x: \"image\", function: relu),\n")).collect();
    limit(&graph(&loops, "a0"), "more than 250,000 nodes");
    let lists = vec!["\"image{0..100000}\""; 1000].join(", ");
    limit(&graph(&format!("\"a\": Concat(x: [{lists}])"), "a"), "more than 1,000,000 connections from ranges");
    limit(
        &graph("\"a{i}\": Add(for: \"i in 0..3000\", x: [\"image\", \"a{0..i}\"])", "a2999"),
        "more than 1,000,000 connections from ranges",
    );
    let long = "x".repeat(1_000_000);
    limit(&graph(&format!("\"a{{i}}\": Add(for: \"i in 0..100000\", x: [\"{long}\", \"image\"])"), "a0"), "characters of nodes");
    // An empty range is no node at all.
    assert_eq!(
        compiled(&graph("\"a{i}\": Conv3D(for: \"i in 5..1\", x: \"image\", out: 1)", "a0")).expect_err("nothing").0[0].code,
        Code::E0202
    );
}

#[test]
fn names_and_words_that_grow() {
    let word = format!("params: {{\"t\": OneOf(«\"{}\")}}", "a".repeat(1000));
    refused(Code::E0501, &with(&word.replace("OneOf(«", "«OneOf("), "\"a\": Conv3D(x: \"image\", out: 1)", "a"));
    let t = format!("params: {{\"t\": OneOf(\"{}\")}}", "a".repeat(60));
    refused(Code::E0109, &with(&t, &format!("«\"{}\": Conv3D(x: \"image\", out: 1)", "{t}".repeat(2)), "a"));
    limit(&with(&t, &format!("\"a\": Conv3D(x: «\"{}\", out: 1)", "{t}".repeat(1_000_000)), "a"), "more than the 256");
}

#[test]
fn operations_are_counted_as_they_are_made() {
    // A node of a block with many operations, as often as nodes are allowed.
    let nodes = "\"l{i}\": LSPM(for: \"i in 0..n\", x: \"image\"),\n\"j\": Concat(x: [\"l{0..n}.features\", \"l{0..n}.texture\"])";
    let text = with("params: {\"n\": 100000}", nodes, "j");
    limit(&text, "more than 1,000,000 operations");
}

#[test]
fn parameters_ports_and_claims() {
    let many = |n: usize| (0..n).map(|i| format!("\"p{i}\": 1")).collect::<Vec<_>>().join(", ");
    let conv = "\"a\": Conv3D(x: \"image\", out: 1)";
    limit(&with(&format!("params: {{{}}}", many(300)), conv, "a"), "300 entries of `params` are more than the 256");
    let ports: Vec<String> = (0..100).map(|i| format!("\"i{i}\"")).collect();
    let block = format!("blocks: {{\"B\": (inputs: [{}], nodes: {{}}, output: \"i0\")}}", ports.join(", "));
    limit(&with(&block, conv, "a"), "100 inputs of a composite are more than the 64");
    let outputs: Vec<String> = (0..100).map(|i| format!("\"o{i}\": \"x\"")).collect();
    let block = format!("blocks: {{\"B\": (inputs: [\"x\"], nodes: {{}}, outputs: {{{}}})}}", outputs.join(", "));
    limit(&with(&block, conv, "a"), "100 entries of `outputs` are more than the 64");
    limit(&with(&format!("claims: [{}]", "(params: 1),".repeat(2000)), conv, "a"), "2,000 claims are more than the 1,000");

    let settings: String = (1..=100).map(|i| format!("(params: {}, set: {{\"a.out\": {i}}}),", i * 109)).collect();
    let text = with(&format!("claims: [{settings}]"), conv, "a");
    let source = Source::new("claims.ron", text);
    let program = compile(&source, &[], None).expect("it compiles");
    let found: Diagnostics = verify(&source, &program).expect_err("too many settings");
    assert!(found.0.len() == 1 && found.0[0].message.contains("more than 64 different settings"), "{found:?}");
}

#[test]
fn a_claim_that_fails_on_a_long_graph_stays_short() {
    let nodes = chain(5000, |i, x| format!("Linear(x:\"{x}\",out:{})", 1 + i % 7));
    let text = vector(&nodes, "n4999").replacen('(', &format!("(claims: [{}],", "(params: 1),".repeat(1000)), 1);
    let source = Source::new("claims.ron", text);
    let program = compile(&source, &[], None).expect("it compiles");
    let found = verify(&source, &program).expect_err("wrong");
    assert_eq!(found.0.len(), 100);
    let table = &found.0[0].help[0];
    assert!(table.lines().count() == 42 && table.ends_with("and 4960 smaller ones"), "{table}");
}

#[test]
fn many_errors_have_few_causes() {
    let nodes: String = (0..50_000).map(|i| format!("\"n{i}\":Linear(x:\"m{i}\",out:1),")).collect();
    let found = compiled(&graph(&nodes, "n0")).expect_err("unknown nodes");
    assert!(found.0.len() == 100 && found.0[99].help.iter().any(|h| h.contains("more are not shown")), "{:?}", found.0.last());
    let dead: String = (0..50_000).map(|i| format!("\"d{i}\":Linear(x:\"image\",out:1),")).collect();
    let end = "\"end\": Activation(x: \"image\", function: relu)";
    let p = compiled(&with("lints: {\"E0206\": warn}", &format!("{dead}{end}"), "end")).expect("warnings are no failure");
    assert!(p.rows.len() == 1 && p.warnings.0.len() == 100, "{}", p.warnings.0.len());
}

#[test]
fn files_that_import_each_other_many_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("written");
    // Each level names both files of the next: 2^30 ways, 60 files.
    for level in 0..30 {
        for side in ["a", "b"] {
            let next = if level < 29 { format!("import: [\"a{0}.ron\", \"b{0}.ron\"],", level + 1) } else { String::new() };
            let block = format!("\"B{side}{level}\": (inputs: [\"x\"], nodes: {{}}, output: \"x\")");
            write(&format!("{side}{level}.ron"), format!("({next} blocks: {{{block}}})"));
        }
    }
    let import = |list: &str| graph("\"a\": Conv3D(x: \"image\", out: 1)", "a").replacen('(', &format!("(import: [{list}],"), 1);
    write("twice.ron", import("\"a0.ron\", \"b0.ron\", \"a0.ron\""));
    write("many.ron", import(&"\"a0.ron\",".repeat(2000)));
    let read = |name: &str| compile(&Source::read(&folder.path().join(name))?, &[], None);
    assert!(read("twice.ron").is_ok());
    let d = read("many.ron").expect_err("too many").0.remove(0);
    assert!(d.code == Code::E0501 && d.message.contains("2,000 files to import"), "{d:?}");
    // A chain of variants, one file longer than it may be.
    for i in 0..40 {
        write(&format!("v{i}.ron"), format!("(extends: \"v{}.ron\")", i + 1));
    }
    let d = read("v0.ron").expect_err("too long").0.remove(0);
    assert!(d.code == Code::E0108 && d.message.contains("more than 32 files"), "{d:?}");
}

#[test]
fn variants_that_change_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("written");
    let nodes = chain(40_000, |_, x| format!("Linear(x:\"{x}\",out:1)"));
    write("base.ron", vector(&nodes, "n39999"));
    write("again.ron", format!("(extends: \"base.ron\", nodes: {{{nodes}}})"));
    let drop: String = (0..40_000).map(|i| format!("\"n{i}\",")).collect();
    write(
        "drop.ron",
        format!("(extends: \"base.ron\", drop: [{drop}], nodes: {{\"z\": Linear(x: \"image\", out: 1)}}, outputs: {{\"y\": \"z\"}})"),
    );
    let set: String = (0..2000).map(|i| format!("\"n{i}.out\": 2,")).collect();
    write("set.ron", format!("(extends: \"base.ron\", set: {{{set}}})"));
    let read = |name: &str| compile(&Source::read(&folder.path().join(name))?, &[], None);
    assert_eq!(read("again.ron").expect("it compiles").rows.len(), 40_000);
    assert_eq!(read("drop.ron").expect("it compiles").rows.len(), 1);
    assert_eq!(read("set.ron").expect_err("too many").0[0].code, Code::E0501);
}
