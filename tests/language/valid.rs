//! What the language can say, each in the smallest graph that has its names.

use lmsc::compile::Program;
use lmsc::ir::Operator;
use lmsc::read::{Set, variants};

use super::{build, paths};

/// A graph with an input of two channels, `c` in the expressions, and the output `y` from `out`.
pub fn graph(params: &str, blocks: &str, nodes: &str, out: &str) -> String {
    format!(
        "(params: {{ {params} }}, inputs: {{ \"image\": (channels: 2, size: (8, 8, 8)) }}, blocks: {{ {blocks} }}, nodes: {{ {nodes} }}, outputs: {{ {out} }})"
    )
}

fn compiled(params: &str, blocks: &str, nodes: &str, out: &str) -> Program {
    let text = graph(params, blocks, nodes, out);
    let p = build(&text, &[]).unwrap_or_else(|found| panic!("{text}\n{found}"));
    let again = build(p.resolved(), &[]).unwrap_or_else(|found| panic!("{}\n{found}", p.resolved()));
    assert_eq!(again.hash(), p.hash(), "the resolved text is another graph:\n{}", p.resolved());
    p
}

/// Which node feeds which, by paths of operations: `b.conv <- a.conv`.
fn fed(p: &Program) -> Vec<String> {
    let g = &p.graph;
    let name = |v| g.node(v).path.clone();
    g.values()
        .filter(|v| !g.inputs(*v).is_empty())
        .map(|v| format!("{} <- {}", name(v), g.inputs(v).iter().map(|i| name(*i)).collect::<Vec<_>>().join(" ")))
        .collect()
}

fn channels(p: &Program, node: &str) -> usize {
    let row = p.rows.iter().find(|r| r.path == node).unwrap_or_else(|| panic!("no node {node}"));
    p.graph.fact(row.output).channels
}

#[test]
fn lists_of_numbers_and_sizes() {
    let p = compiled("\"f\": \"8 * 2 ^ (0..3)\"", "", "\"c\": Conv3D(x: \"image\", out: \"f[2]\")", "\"y\": \"c\"");
    assert_eq!((p.params["f"].to_string(), channels(&p, "c")), ("[8, 16, 32]".to_owned(), 32));
    let p = compiled("\"w\": [1, (1, 2, 2)]", "", "\"c\": Conv3D(x: \"image\", out: 4, stride: \"w[1]\")", "\"y\": \"c\"");
    assert_eq!(p.graph.fact(p.graph.outputs[0].1).size, [8, 4, 4]);
    let first = "\"c{s}\": Conv3D(for: \"s in 0..2\", x: \"c{s - 1} | image\", out: \"if(s == 0, 1, f[s - 1])\")";
    let p = compiled("\"f\": [3, 5]", "", first, "\"y\": \"c1\"");
    assert_eq!((channels(&p, "c0"), channels(&p, "c1")), (1, 3));
    for (stride, there) in [("2", true), ("(1, 2, 2)", true), ("1", false), ("(1, 1, 1)", false)] {
        let nodes = "\"c\": Conv3D(when: \"max(stride) > 1\", x: \"image\", out: 1), \"d\": Conv3D(x: \"c | image\", out: 1, kernel: \"stride\", padding: 0)";
        let p = compiled(&format!("\"stride\": {stride}"), "", nodes, "\"y\": \"d\"");
        assert_eq!(paths(&p).contains(&"c"), there, "{stride}");
    }
}

#[test]
fn slices_and_joined_lists() {
    let p = compiled(
        "\"depths\": [1, 2, 3], \"wide\": \"concat(depths, [8], depths[0..2])\", \"odd\": \"wide[[5, 3, 0]]\"",
        "",
        "\"c{i}\": Conv(for: \"i in 0..3\", x: \"image\", out: \"1 + sum(depths[0..i])\"), \"d{w}\": Conv(for: \"w in odd\", x: \"image\", out: \"w\"), \"all\": Concat(x: [\"c{0..3}\", \"d{odd}\"])",
        "\"y\": \"all\"",
    );
    assert_eq!(["c0", "c1", "c2", "d2", "d8", "d1"].map(|n| channels(&p, n)), [1, 2, 4, 2, 8, 1]);
}

#[test]
fn loops_over_words_and_within_loops() {
    let p = compiled(
        "",
        "",
        "\"act_{a}\": Activation(for: \"a in ['silu', 'relu']\", x: \"image\", function: \"a\"), \"s\": Add(x: [\"act_{['silu', 'relu']}\"])",
        "\"y\": \"s\"",
    );
    assert_eq!(paths(&p), ["act_silu", "act_relu", "s"]);
    let nested = "\"x{i}_0\": Conv3D(for: \"i in 0..3\", x: \"image\", out: 1),
        \"x{i}_{j}\": Concat(for: [\"j in 1..3\", \"i in 0..3 - j\"], x: [\"x{i}_{0..j}\", \"x{i + 1}_{j - 1}\"])";
    let p = compiled("", "", nested, "\"y\": \"x0_2\"");
    assert_eq!(paths(&p)[3..], ["x0_1", "x1_1", "x0_2"]);
    assert!(fed(&p).contains(&"x0_2.concat <- x0_0.conv x0_1.concat x1_1.concat".to_owned()), "{:?}", fed(&p));
    let all = "\"n{i}{j}\": Conv3D(for: [\"i in 0..2\", \"j in 0..2\"], x: \"image\", out: 1), \"s\": Concat(x: [\"n{0..2}{0..2}\", \"n{rev(0..2)}0\"])";
    let p = compiled("", "", all, "\"y\": \"s\"");
    assert!(fed(&p).contains(&"s.concat <- n00.conv n01.conv n10.conv n11.conv n10.conv n00.conv".to_owned()), "{:?}", fed(&p));
}

#[test]
fn chains() {
    let chain =
        |over: &str| format!("\"b{{b}}\": Conv3D(chain: \"b in {over}\", x: \"image\", out: 3), \"c\": Conv3D(x: \"b{{last}}\", out: 1)");
    let p = compiled("", "", &chain("0..3"), "\"y\": \"c\"");
    assert_eq!(fed(&p), ["b0.conv <- image", "b1.conv <- b0.conv", "b2.conv <- b1.conv", "c.conv <- b2.conv"]);
    let p = compiled("", "", &chain("rev(0..3)"), "\"y\": \"c\"");
    assert_eq!(fed(&p), ["b2.conv <- image", "b1.conv <- b2.conv", "b0.conv <- b1.conv", "c.conv <- b0.conv"]);
    let p = compiled("", "", &chain("0..0"), "\"y\": \"c\"");
    assert_eq!(fed(&p), ["c.conv <- image"], "a chain without turns stands for what it begins with");
    let dropped = graph("", "", &chain("0..3"), "\"y\": \"c\"").replace("(params", "(drop: [\"b1\"], params");
    let p = build(&dropped, &[]).expect("it compiles");
    assert_eq!(fed(&p), ["b0.conv <- image", "b2.conv <- b0.conv", "c.conv <- b2.conv"]);
    let when = chain("0..3").replace("x: \"image\"", "when: \"b != 2\", x: \"image\"");
    assert_eq!(fed(&compiled("", "", &when, "\"y\": \"c\"")), ["b0.conv <- image", "b1.conv <- b0.conv", "c.conv <- b1.conv"]);
    // Through all turns of two loops; the last turn of the inner one feeds the next of the outer one.
    let nested = "\"r{i}_{u}\": Conv3D(chain: [\"i in 1..=2\", \"u in 1..=n[i - 1]\"], x: \"image\", out: 3), \"c\": Concat(x: [\"r1_{last}\", \"r2_{last}\"])";
    let p = compiled("\"n\": [2, 1]", "", nested, "\"y\": \"c\"");
    assert_eq!(fed(&p), ["r1_1.conv <- image", "r1_2.conv <- r1_1.conv", "r2_1.conv <- r1_2.conv", "c.concat <- r1_2.conv r2_1.conv"]);
}

/// A composite that passes on a list, and one that counts what it gets.
const LISTS: &str = r#"
    "Enc": (params: { "n": 2 }, inputs: ["x"], nodes: { "s{i}": Conv3D(for: "i in 0..n", x: "x", out: "i + 1") }, outputs: { "y": "s0", "features": ["s{0..n}"] }),
    "Join": (inputs: ["xs[]", "skip?"], output: "c", nodes: {
        "one": Conv3D(when: "connected(skip) && channels(skip) > 4", x: "skip", out: 1),
        "last": Conv3D(x: "xs[len(xs) - 1]", out: "channels(xs[0])"),
        "c": Concat(x: ["xs", "last", "one"]),
    })"#;

#[test]
fn lists_flow_into_and_out_of_composites() {
    let p = compiled(
        "",
        LISTS,
        "\"e\": Enc(x: \"image\", n: 3), \"j\": Join(xs: [\"image\", \"e.features\"]), \"k\": Conv3D(x: \"e.features[1]\", out: 1), \"s\": Concat(x: [\"j\", \"k\"])",
        "\"y\": \"s\"",
    );
    let all = fed(&p);
    for line in ["j.last.conv <- e.s2.conv", "j.c.concat <- image e.s0.conv e.s1.conv e.s2.conv j.last.conv", "k.conv <- e.s1.conv"] {
        assert!(all.contains(&line.to_owned()), "{line}: {all:?}");
    }
    assert_eq!(channels(&p, "j.last"), 2);
    assert!(!paths(&p).contains(&"j.one") && !p.rows.iter().any(|r| r.path == "j.one"), "nothing is connected to `skip`");
    let p = compiled("", LISTS, "\"c\": Conv3D(x: \"image\", out: 8), \"j\": Join(xs: \"image\", skip: \"c\")", "\"y\": \"j\"");
    assert!(p.rows.iter().any(|r| r.path == "j.one"));
    let empty = "\"Any\": (inputs: [\"xs[]?\", \"x\"], output: \"c\", nodes: { \"c\": Concat(x: [\"xs\", \"x\"]) })";
    assert_eq!(fed(&compiled("", empty, "\"j\": Any(x: \"image\")", "\"y\": \"j\"")), ["j.c.concat <- image"]);
}

#[test]
fn a_value_is_split_into_a_list() {
    let nodes = |how: &str| {
        format!(
            "\"w\": Conv(x: \"image\", out: 12), \"p\": Split(x: \"w\", {how}), \"a\": Conv(x: \"p[1]\", out: 1), \"s\": Concat(x: [\"p\", \"a\"])"
        )
    };
    for (how, entries, one) in [("parts: 3", "p.part0 p.part1 p.part2", 4), ("channels: [2, 10]", "p.part0 p.part1", 10)] {
        let p = compiled("", "", &nodes(how), "\"y\": \"s\", \"parts\": [\"p\"]");
        let all = fed(&p);
        assert!(all.contains(&format!("s.concat <- {entries} a.conv")) && all.contains(&"a.conv <- p.part1".into()), "{all:?}");
        assert_eq!((channels(&p, "s"), p.graph.fact(p.graph.outputs[2].1).channels), (13, one));
    }
}

#[test]
fn outputs_may_be_lists() {
    let heads = "\"h{i}\": Conv3D(for: \"i in 0..3\", when: \"deep || i == 0\", x: \"image\", out: 2)";
    let names = |p: &Program| p.graph.outputs.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    let p = compiled("\"deep\": true", "", heads, "\"y\": \"h0\", \"deep\": [\"h{rev(1..3)}\"]");
    assert_eq!(names(&p), ["y", "deep0", "deep1"]);
    assert_eq!(p.graph.node(p.graph.outputs[1].1).path, "h2.conv");
    let p = compiled("\"deep\": false", "", heads, "\"y\": \"h0\", \"deep\": [\"h{1..3}\"]");
    assert_eq!(names(&p), ["y"], "what is left out leaves the list");
    let p = compiled("\"deep\": true", "", heads, "\"y\": \"h{last}\", \"one\": [\"h{0..2}\"], \"deep\": [\"h{1..1}\"]");
    assert_eq!(names(&p), ["y", "one0", "one1"]);
    assert_eq!(p.graph.node(p.graph.outputs[0].1).path, "h2.conv");
}

#[test]
fn fields_may_ask_for_channels() {
    let up = "\"Up\": (params: { \"out\": \"channels(x)\", \"half\": \"out / 2\" }, inputs: [\"x\", \"skip?\"], output: \"c\", nodes: {
        \"a\": Conv3D(x: \"x\", out: \"half\"),
        \"c\": Conv3D(x: \"a\", out: \"2 * channels(a) + channels(x)\"),
    })";
    let p = compiled(
        "",
        up,
        "\"w\": Conv3D(x: \"image\", out: 6), \"u\": Up(x: \"w\"), \"v\": Up(x: \"u\", out: \"channels(w)\")",
        "\"y\": \"v\"",
    );
    assert_eq!((channels(&p, "u.a"), channels(&p, "u"), channels(&p, "v.a"), channels(&p, "v")), (3, 12, 3, 18));
    // What is asked of need not stand before, nor feed the node.
    let p = compiled(
        "",
        "",
        "\"a\": Conv3D(x: \"image\", out: \"channels(b)\"), \"b\": Conv3D(x: \"image\", out: 7), \"s\": Add(x: [\"a\", \"b\"])",
        "\"y\": \"s\"",
    );
    assert_eq!(channels(&p, "a"), 7);
    let project = "\"Res\": (params: { \"out\": Required }, inputs: [\"x\"], output: \"s\", nodes: {
        \"c\": Conv3D(x: \"x\", out: \"out\"), \"p\": PointwiseConv3D(when: \"channels(x) != out\", x: \"x\", out: \"out\"), \"s\": Add(x: [\"c\", \"p | x\"]) })";
    let p = compiled("", project, "\"a\": Res(x: \"image\", out: 2), \"b\": Res(x: \"a\", out: 4)", "\"y\": \"b\"");
    assert!(p.rows.iter().any(|r| r.path == "b.p") && !p.rows.iter().any(|r| r.path == "a.p"));
}

#[test]
fn functions_and_blocks_are_values() {
    let acts = |p: &Program| {
        p.graph
            .values()
            .filter(|v| p.graph.node(*v).path.ends_with("act"))
            .map(|v| p.graph.node(v_of(v)).op.kind().to_owned())
            .collect::<Vec<_>>()
    };
    fn v_of(v: lmsc::ir::Value) -> lmsc::ir::Value {
        v
    }
    let nodes = "\"c\": conv(x: \"image\", out: 4), \"d\": conv(x: \"c\", activation: none), \"e\": conv(x: \"d\", kernel: 1)";
    let params = "\"act\": relu, \"conv\": Conv3D(activation: \"act\", bias: false, out: 3)";
    let p = compiled(params, "", nodes, "\"y\": \"e\"");
    assert_eq!((acts(&p), channels(&p, "c"), channels(&p, "d")), (vec!["relu".to_owned(), "relu".into()], 4, 3));
    let p = build(&graph(params, "", nodes, "\"y\": \"e\""), &["act=silu"]).expect("it compiles");
    assert_eq!(acts(&p), ["silu", "silu"]);
    let p = build(&graph(params, "", nodes, "\"y\": \"e\""), &["conv=Conv3D(out: 5)"]).expect("it compiles");
    assert_eq!((acts(&p), channels(&p, "e")), (vec![], 5));
    // Blocks are passed on, chosen by name, and evaluated where they are written.
    let stage = "\"A\": (params: { \"out\": 3 }, inputs: [\"x\"], output: \"c\", nodes: { \"c\": Conv3D(x: \"x\", out: \"out\") }),
        \"Stage\": (params: { \"block\": Required(block), \"out\": 9 }, inputs: [\"x\"], output: \"b\", nodes: { \"b\": block(x: \"x\") })";
    let p = compiled(
        "\"width\": 6, \"block\": OneOf(A, Conv3D(out: 5))",
        stage,
        "\"s\": Stage(x: \"image\", block: \"block\"), \"t\": Stage(x: \"s\", block: A(out: \"width\"))",
        "\"y\": \"t\"",
    );
    assert_eq!((channels(&p, "s"), channels(&p, "t")), (3, 6));
    assert_eq!(p.rows.iter().find(|r| r.path == "s.b").expect("a row").block, "A");
    let word = "\"c{s}\": Conv3D(for: \"s in 0..2\", x: \"c{s - 1} | image\", out: 4, activation: \"if(s > 0, act, 'none')\")";
    assert_eq!(acts(&compiled("\"act\": relu", "", word, "\"y\": \"c1\"")), ["relu"]);
}

#[test]
fn norms_are_values() {
    let nodes = "\"c\": Conv(x: \"image\", out: 8, bias: false, norm: \"norm\"), \"d\": Conv(x: \"c\", out: 8, bias: false, norm: \"if(deep, norm, 'none')\")";
    let text = graph("\"norm\": group(4), \"deep\": true", "", nodes, "\"y\": \"d\"");
    let params = |sets: &[&str]| {
        build(&text, sets)
            .map(|p| p.cost(0..p.graph.len()).expect("a cost").params - 27 * 8 * 2 - 27 * 8 * 8)
            .unwrap_or_else(|f| panic!("{sets:?}: {f}"))
    };
    assert_eq!((params(&[]), params(&["deep=false"])), (32, 16));
    assert_eq!(params(&["norm=instance(affine: false)"]), 0);
    for norm in ["batch", "group(groups: 2)", "layer(eps: 0.000001)", "'none'"] {
        assert_eq!(params(&[&format!("norm={norm}")]), if norm == "'none'" { 0 } else { 32 }, "{norm}");
    }
    let act =
        build(&graph("\"act\": leaky_relu(slope: 0.1)", "", "\"c\": Conv(x: \"image\", out: 8, activation: \"act\")", "\"y\": \"c\""), &[])
            .expect("it compiles");
    assert!(act.params["act"].to_string() == "leaky_relu(slope: 0.1)", "{}", act.params["act"]);
}

#[test]
fn nodes_share_weights() {
    let blocks =
        "\"P\": (inputs: [\"x\"], output: \"d\", nodes: { \"c\": Conv(x: \"x\", out: 4, norm: batch), \"d\": Conv(x: \"c\", out: 4) })";
    let nodes = |shares: &str| {
        format!(
            "\"m{{m}}\": Scale(for: \"m in 0..2\", x: \"image\", by: \"m + 1\"), \"t{{m}}\": P(for: \"m in 0..2\", {shares} x: \"m{{m}}\"), \"s\": Add(x: [\"t{{0..2}}\"])"
        )
    };
    let cost = |p: &Program| p.cost(0..p.graph.len()).expect("a cost");
    let (one, two) = (compiled("", blocks, &nodes("shares: \"t0\","), "\"y\": \"s\""), compiled("", blocks, &nodes(""), "\"y\": \"s\""));
    assert_eq!((2 * cost(&one).params, cost(&one).macs), (cost(&two).params, cost(&two).macs), "weights once, MACs each time");
    assert!(
        one.graph.weights().iter().all(|(_, name, _)| name.starts_with("t0."))
            && one.graph.buffers().iter().all(|(_, name, _)| name.starts_with("t0."))
    );
}

#[test]
fn what_shares_weights_has_the_fields_of_their_owner() {
    let nodes = "\"w{i}\": Conv(for: \"i in 0..2\", x: \"image\", out: \"4 + i\", kernel: 1),
        \"a\": Conv(x: \"w0\", out: 4, bias: false, norm: group(2)), \"b\": Conv(x: \"a\", stride: 2, shares: \"a\"),
        \"c\": Conv(x: \"image\", shares: \"w1\"), \"s\": Resize(x: \"b\", scale: 2), \"t\": Concat(x: [\"s\", \"c\", \"w1\"])";
    let p = compiled("", "", nodes, "\"y\": \"t\"");
    assert_eq!((channels(&p, "b"), channels(&p, "c")), (4, 5));
    assert_eq!(p.graph.fact(p.rows.iter().find(|r| r.path == "b").expect("a row").output).size, [4; 3], "what is written wins");
    assert!(p.graph.weights().iter().all(|(_, n, _)| n.starts_with('a') || n.starts_with('w')), "{:?}", p.graph.weights());
}

#[test]
fn entries_of_lists_and_turns_of_loops_can_be_set() {
    let text = graph("\"f\": [4, 6]", "", "\"c{s}\": Conv3D(chain: \"s in 0..len(f)\", x: \"image\", out: \"f[s]\")", "\"y\": \"c{last}\"");
    let p = build(&text, &["f[1]=8"]).expect("it compiles");
    assert_eq!(channels(&p, "c1"), 8);
    let p = build(&text, &["f=[1, 2, 3]"]).expect("it compiles");
    assert_eq!(paths(&p), ["c0", "c1", "c2"]);
    let p = build(&text, &["c1.out=9", "c{s}.bias=false"]).expect("it compiles");
    assert_eq!((channels(&p, "c0"), channels(&p, "c1")), (4, 9));
    assert_eq!(build(p.resolved(), &[]).expect("the resolved text compiles").hash(), p.hash());
    let runs = |set: &str| {
        variants(&[set.to_owned()])
            .expect("variants")
            .iter()
            .map(|v| v.varied.iter().map(|(n, v)| format!("{n}={v}")).collect())
            .collect::<Vec<String>>()
    };
    assert_eq!(runs("f[1]=8,16"), ["f[1]=8", "f[1]=16"]);
    assert_eq!(runs("norm=batch,group(8)"), ["norm=batch", "norm=group(8)"]);
    assert_eq!(runs("f=[16,32],[32,64]"), ["f=[16,32]", "f=[32,64]"]);
    assert!(Set::parse("norm=instance(affine: false)").is_ok());
}

#[test]
fn a_variant_changes_turns() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let base = graph(
        "",
        LISTS,
        "\"c{s}\": Conv3D(chain: \"s in 0..3\", x: \"image\", out: 4), \"e\": Enc(x: \"c{last}\"), \"h\": Concat(x: [\"e.features\"])",
        "\"y\": \"h\", \"z\": \"c0\"",
    );
    write("base.ron", &base);
    let read = |text: &str| {
        write("variant.ron", text);
        let p = lmsc::compile::compile(&lmsc::text::Source::read(&folder.path().join("variant.ron")).expect("a text"), &[], None);
        let p = p.unwrap_or_else(|found| panic!("{text}: {found}"));
        assert_eq!(build(p.resolved(), &[]).unwrap_or_else(|f| panic!("{f}\n{}", p.resolved())).hash(), p.hash(), "{text}");
        p
    };
    let p = read("(extends: \"base.ron\", nodes: { \"c1\": PointwiseConv3D(x: \"c0\", out: 7) })");
    assert!(fed(&p).contains(&"c2.conv <- c1.conv".to_owned()) && channels(&p, "c1") == 7, "{:?}", fed(&p));
    let p = read("(extends: \"base.ron\", nodes: { \"c{s}\": PointwiseConv3D(chain: \"s in 0..2\", x: \"image\", out: 7) })");
    assert_eq!((paths(&p).len(), channels(&p, "c1")), (4, 7));
    let p = read(
        "(extends: \"base.ron\", drop: [\"c1\", \"outputs.z\", \"Enc.s9\"], set: { \"c2.out\": 5, \"Enc.s1.out\": 6 })"
            .replace(", \"Enc.s9\"", "")
            .as_str(),
    );
    assert!(fed(&p).contains(&"c2.conv <- c0.conv".to_owned()) && channels(&p, "c2") == 5 && channels(&p, "e.s1") == 6);
    assert_eq!(p.graph.outputs.len(), 1);
}

#[test]
fn initialisations() {
    use lmsc::ir::Init;
    let start = |nodes: &str, params: &str| {
        let p = compiled(params, "", nodes, "\"y\": \"c\"");
        p.graph.weights().into_iter().map(|(_, name, w)| (name, w.init)).collect::<Vec<_>>()
    };
    let of = |all: &[(String, Init)], name: &str| all.iter().find(|(n, _)| n == name).map(|(_, init)| *init).expect("a weight");
    let plain = start("\"c\": Conv(x: \"image\", out: 4, norm: batch)", "");
    for init in ["default", "\"init\""] {
        let same = start(&format!("\"c\": Conv(x: \"image\", out: 4, norm: batch, init: {init})"), "\"init\": default");
        assert_eq!(same, plain, "{init}");
    }
    // Two channels in, four out, 27 taps.
    let normal = |variance: f64| Init::Normal { mean: 0.0, deviation: variance.sqrt() };
    for (init, expected) in [
        ("kaiming", normal(2.0 / 54.0)),
        ("kaiming(slope: 0.5)", normal(2.0 / 1.25 / 54.0)),
        ("kaiming(fan_out: true)", normal(2.0 / 108.0)),
        ("xavier", Init::Uniform((6.0f64 / 162.0).sqrt())),
        ("normal(0.02)", Init::Normal { mean: 0.0, deviation: 0.02 }),
        ("trunc_normal(0.02)", Init::TruncatedNormal(0.02)),
        ("zeros", Init::Constant(0.0)),
        ("0.5", Init::Constant(0.5)),
        ("\"1 / 4.0\"", Init::Constant(0.25)),
        ("\"init\"", normal(2.0 / 1.25 / 54.0)),
    ] {
        let node = format!("\"c\": Conv(x: \"image\", out: 4, norm: batch, init: {init}, norm_init: zeros)");
        let all = start(&node, "\"init\": kaiming(slope: 0.5)");
        assert_eq!((of(&all, "c.conv.weight"), of(&all, "c.conv.bias")), (expected, Init::Zeros), "{init}");
        assert_eq!((of(&all, "c.norm.weight"), of(&all, "c.norm.bias")), (Init::Constant(0.0), Init::Zeros), "{init}");
    }
    let all = start("\"u\": UpConv(x: \"image\", out: 3, init: kaiming), \"c\": Norm(x: \"u\", kind: group(3), init: 0.1)", "");
    assert_eq!((of(&all, "u.conv.weight"), of(&all, "c.norm.weight")), (normal(2.0 / 24.0), Init::Constant(0.1)));
    assert_eq!(start("\"c\": Norm(x: \"image\", kind: none, init: zeros)", ""), []);
}

#[test]
fn two_dimensions() {
    let flat = |input: &str, nodes: &str| {
        let text = graph("\"k\": [1, (3, 5)]", "", nodes, "\"y\": \"c\"").replace("(channels: 2, size: (8, 8, 8))", input);
        build(&text, &[]).unwrap_or_else(|found| panic!("{text}\n{found}"))
    };
    let shape = |p: &Program| p.graph.fact(p.graph.outputs[0].1).size;
    let kernel = |p: &Program| p.graph.weights().into_iter().map(|(_, _, w)| w.dims[2..].to_vec()).next().expect("a weight");
    let plane = "(channels: 2, size: (32, 48))";
    let p = flat(plane, "\"c\": Conv(x: \"image\", out: 4, kernel: 3, stride: 2)");
    assert_eq!((kernel(&p), shape(&p), p.multiple()), (vec![1, 3, 3], [1, 16, 24], [1, 2, 2]));
    assert!(p.flat() && p.sizes().starts_with("H and W are multiples of 2"), "{}", p.sizes());
    for (nodes, weight, size) in [
        ("\"c\": Conv(x: \"image\", out: 4, kernel: \"k[1]\")", vec![1, 3, 5], [1, 32, 48]),
        ("\"c\": Conv(x: \"image\", out: 4, kernel: (1, 3, 3), padding: 0)", vec![1, 3, 3], [1, 30, 46]),
        ("\"u\": UpConv(x: \"image\", out: 4), \"c\": MaxPool(x: \"u\", kernel: (4, 2), stride: 2)", vec![1, 2, 2], [1, 31, 48]),
        (
            "\"v\": DepthwiseConv(x: \"image\"), \"u\": Pad(x: \"v\", before: 1, after: (0, 3)), \"c\": Resize(x: \"u\", scale: 2)",
            vec![1, 3, 3],
            [1, 66, 104],
        ),
    ] {
        let p = flat(plane, nodes);
        assert_eq!((kernel(&p), shape(&p)), (weight, size), "{nodes}");
    }
    let p = flat("(channels: 2, dims: 2)", "\"c\": Conv(x: \"image\", out: 4)");
    assert_eq!(shape(&p), [1, 128, 128]);
    // A library serves both, and the published count of U-Net++ in two dimensions is that of the graph in three.
    let text = "(extends: \"unetpp.ron\", inputs: { \"image\": (channels: \"in_channels\", size: (96, 96)) }, claims: [(params: 9163716, at: (96, 96))])";
    let source = lmsc::text::Source::new("graphs/unetpp-2d.ron", text);
    let p = lmsc::compile::compile(&source, &[], None).unwrap_or_else(|found| panic!("{found}"));
    // 9,163,329 with three channels in and one class; each further channel in costs 32 x 9, each further class 33.
    assert_eq!(lmsc::compile::verify(&source, &p), Ok(1));
    assert_eq!(9_163_716, 9_163_329 + 32 * 9 + 3 * 33);
}
