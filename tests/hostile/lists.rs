//! Lists, loops within loops and blocks as values that ask for more than a graph may be.

use lmsc::text::Code;

use super::{compiled, graph, refused};

/// A graph with these parameters beside the nodes.
fn with(params: &str, nodes: &str, output: &str) -> String {
    graph(nodes, output).replacen('(', &format!("(params: {{ {params} }}, "), 1)
}

/// What is told of a text that is no graph.
fn told(text: &str) -> Vec<Code> {
    compiled(text).expect_err("it is refused").0.into_iter().map(|d| d.code).collect()
}

#[test]
fn lists_that_are_too_long() {
    for list in ["0..1000000000", "0..9223372036854775807", "[0..100000, 0..100000]", "(0..100000) * [1, 2]", "-5..100000"] {
        assert_eq!(
            told(&with(&format!("\"l\": \"{list}\""), "\"a\": Conv3D(x: \"image\", out: \"len(l)\")", "a")),
            [Code::E0105],
            "{list}"
        );
    }
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(told(&with(&format!("\"l\": {deep}"), "\"a\": Conv3D(x: \"image\", out: \"l\")", "a")), [Code::E0104]);
}

#[test]
fn work_on_lists_is_bounded() {
    // Each sum goes through 100,000 entries: the expressions of a graph may not do so for ever.
    let long = format!("0{}", " + sum(l)".repeat(3000));
    let nodes = "\"a{i}\": Conv3D(for: \"i in 0..50\", x: \"image\", out: \"m\"), \"s\": Concat(x: [\"a{0..50}\"])"
        .replace("\"m\"", &format!("\"{long}\""));
    let codes = told(&with("\"l\": \"0..100000\"", &nodes, "s"));
    assert!(codes.iter().all(|c| *c == Code::E0105), "{codes:?}");
}

#[test]
fn loops_within_loops() {
    let empty = "\"a{i}_{j}_{k}_{l}\": Conv3D(for: [\"i in 0..100000\", \"j in 0..100000\", \"k in 0..100000\", \"l in 0..0\"], x: \"image\", out: 1), \"b\": Conv3D(x: \"image\", out: 1)";
    refused(Code::E0501, &graph(&format!("«{empty}"), "b"));
    let full =
        "\"a{i}_{j}\": Conv3D(for: [\"i in 0..100000\", \"j in 0..100000\"], x: \"image\", out: 1), \"b\": Conv3D(x: \"image\", out: 1)";
    refused(Code::E0501, &graph(&format!("«{full}"), "b"));
    let names = "\"a\": Concat(x: [«\"n{0..1000}{0..1000}{0..1000}\"])";
    assert!(told(&graph(names, "a").replace('«', "")).contains(&Code::E0501));
    let chain = "\"a{i}\": Activation(chain: \"i in 0..20000\", x: \"image\", function: relu)";
    assert_eq!(compiled(&graph(chain, "a{last}")).expect("a long chain").rows.len(), 20_000);
}

#[test]
fn ends_of_chains_that_begin_with_each_other() {
    let ring = "\"a{i}\": Conv3D(chain: \"i in 0..0\", x: \"b{last}\", out: 1), \"b{i}\": Conv3D(chain: \"i in 0..0\", x: \"a{last}\", out: 1), \"c\": Conv3D(x: \"a{last}\", out: 1)";
    assert!(!told(&graph(ring, "c")).is_empty());
    let long: String =
        (0..300).map(|i| format!("\"c{i}_{{k}}\": Conv3D(chain: \"k in 0..0\", x: \"c{}_{{last}}\", out: 1),", i + 1)).collect();
    assert!(!told(&graph(&format!("{long} \"d\": Conv3D(x: \"c0_{{last}}\", out: 1)"), "d")).is_empty());
}

#[test]
fn blocks_that_hold_themselves() {
    let blocks = "blocks: { \"R\": (params: { \"b\": Required(block) }, inputs: [\"x\"], nodes: { \"c\": b(x: \"x\") }, output: \"c\") },";
    let nested = |n: usize| format!("{}Conv3D(out: 1){}", "R(b: ".repeat(n), ")".repeat(n));
    let text = |n: usize| graph(&format!("\"a\": R(x: \"image\", b: {})", nested(n)), "a").replacen('(', &format!("({blocks} "), 1);
    assert!(compiled(&text(0)).is_ok());
    for n in [1, 2, 50] {
        assert_eq!(told(&text(n)), [Code::E0208], "{n}");
    }
    let ask = "\"a\": Conv3D(x: \"image\", out: \"channels(a)\")";
    assert_eq!(told(&graph(ask, "a")), [Code::E0205]);
    for text in ["channels(", "channels({", "channels(a[", "channels(a{b{c})", "channels(|)", "len()", "connected(x", "channels(a)[0]"] {
        assert!(!told(&graph(&format!("\"a\": Conv3D(x: \"image\", out: \"{text}\")"), "a")).is_empty(), "{text}");
    }
    for reference in [
        "image[",
        "image]",
        "image[0]",
        "[0]",
        "image[0][0]",
        "a|b[",
        "{last}",
        "{last}{last}",
        "a{last}.b[{last}]",
        "image[9999999999999999999]",
        "image[-1]",
    ] {
        assert!(!told(&graph(&format!("\"a\": Conv3D(x: \"{reference}\", out: 1)"), "a")).is_empty(), "{reference}");
    }
}
