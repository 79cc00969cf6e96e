//! What is written as in another language, or nearly right: one error, and its help says what to write.

use lmsc::compile::compile;
use lmsc::text::{Code, Diagnostics, Source, render};

use super::valid::graph;

/// A network that narrows and widens, with every construct that is mistaken below.
const UNET: &str = r#"(
    name: "mini",
    params: { "classes": 3, "features": [4, 8, 16], "deep": false, "mode": OneOf(add, cat), "depth": "len(features) - 1" },
    inputs: { "image": (channels: 1, size: (16, 16, 16)) },
    blocks: {
        "Double": (params: { "out": Required }, inputs: ["x"], output: "b", nodes: {
            "a": Conv(x: "x", out: "out", norm: batch, activation: relu),
            "b": Conv(x: "a", out: "out", norm: batch, activation: relu),
        }),
    },
    nodes: {
        "enc{i}": Double(for: "i in 0..3", x: "pool{i} | image", out: "features[i]"),
        "pool{i}": MaxPool(for: "i in 1..3", x: "enc{i - 1}"),
        "up{i}": UpConv(for: "i in 0..depth", x: "dec{i + 1} | enc2", out: "features[i]"),
        "join{i}": Concat(for: "i in 0..2", when: "mode == 'add' || !deep", x: ["up{i}", "enc{i}"]),
        "dec{i}": Double(for: "i in 0..2", x: "join{i}", out: "features[i]"),
        "head": SegHead(x: "dec0", classes: "classes"),
    },
    outputs: { "logits": "head" },
    lints: { "W0302": allow },
)"#;

fn found(text: &str) -> Diagnostics {
    compile(&Source::new("test.ron", text), &[], None).err().unwrap_or_default()
}

fn shown(found: &Diagnostics) -> String {
    found.0.iter().map(|d| format!("{} {}\n", render::concise(d), d.help.join("; "))).collect()
}

/// That the network with `to` for `from` has one error, whose help has a part.
fn told(from: &str, to: &str, code: Code, help: &str) {
    assert_eq!(UNET.matches(from).count(), 1, "{from}");
    let found = found(&UNET.replace(from, to));
    let told = shown(&found);
    assert_eq!(found.0.len(), 1, "{to}:\n{told}");
    assert!(found.0[0].code == code && found.0[0].help.join("; ").contains(help), "{to}:\n{told}");
}

#[test]
fn expressions_of_other_languages() {
    assert_eq!(shown(&found(UNET)), "");
    let depth = |to: &str, help: &str| told("len(features) - 1", to, Code::E0105, help);
    for (to, help) in [
        ("len(features) ** 1", "`a ^ b`"),
        ("len(features) // 2", "`/` rounds towards zero"),
        ("2 if deep else 1", "`if(condition, a, b)`"),
        ("deep ? 1 : 2", "`if(condition, a, b)`"),
        ("int(2)", "`/` rounds towards zero"),
        ("length(features)", "`len(list)`"),
        ("lenn(features)", "did you mean `len`?"),
        ("if(True, 2, 1)", "write `true`"),
        ("if(relu == mode, 2, 2)", "`'relu'`"),
        ("relu", "without quotes: `relu`"),
        ("features[1..]", "`l[1..len(l)]`"),
        ("concat(features, 2)[0]", "`[2]`"),
        ("features[-1]", "`last(features)`"),
        ("features[-2]", "`features[len(features) - 2]`"),
    ] {
        depth(to, help);
    }
    // What there is at all is listed, where nothing nearer is known.
    for (to, part) in
        [("2 $ 3", "`== != < <= > >=`"), ("foo(2)", "channels(node), connected(input)"), ("2 +", "`&& || !`"), ("2 +", "rev(list)")]
    {
        depth(to, part);
    }
    told("mode == 'add' || !deep", "mode == add", Code::E0105, "`'add'`");
    told("mode == 'add' || !deep", "mode = 'add'", Code::E0105, "`a == b`");
    told("mode == 'add' || !deep", "deep and deep", Code::E0105, "`a && b`");
    told("mode == 'add' || !deep", "not deep", Code::E0105, "`!x`");
    told("for: \"i in 1..3\"", "for: \"i in range(1, 3)\"", Code::E0105, "`0..3`");
}

#[test]
fn what_is_no_expression_is_told_before_names_in_any_order() {
    for (first, second) in [("\"a\": \"b ** 2\"", "\"b\": 8"), ("\"b\": 8", "\"a\": \"b ** 2\"")] {
        let found = found(&graph(&format!("{first}, {second}"), "", "\"c\": Conv(x: \"image\", out: \"a\")", "\"y\": \"c\""));
        assert!(found.0.len() == 1 && found.0[0].message.contains("`*` where a number or a name"), "{}", shown(&found));
        assert_eq!(found.0[0].help, ["a power is written `a ^ b`"]);
    }
    let ring = shown(&found(&graph("\"a\": \"b\", \"b\": \"a\"", "", "\"c\": Conv(x: \"image\", out: \"a\")", "\"y\": \"c\"")));
    assert!(ring.contains("none that uses it"), "{ring}");
}

#[test]
fn ron_of_other_languages() {
    let text = |from: &str, to: &str, help: &str| told(from, to, Code::E0102, help);
    text("    name", "    # a name\n    name", "`//`");
    text("name: \"mini\"", "name: 'mini'", "\"mini\"");
    text("name: \"mini\"", "name = \"mini\"", "`name: value`");
    text("\"deep\": false", "\"deep\" = false", "`name: value`");
    text("x: \"pool{i} | image\", out: \"features[i]\"", "x: \"pool{i} | image\", out: features[i]", "`\"features[i]\"`");
    text("\"classes\": 3", "\"classes\": 2 + 1", "`\"2 + 1\"`");
    text("\"features\": [4, 8, 16]", "\"features\": [4, 8, 2 * 8]", "`\"2 * 8\"`");
    text("\"deep\": false", "\"deep\": not true", "`\"not true\"`");
    text("SegHead(x: \"dec0\", classes", "SegHead(\"dec0\", classes", "`SegHead(x: \"dec0\", ...)`");
    text("channels: 1, size", "channels: 1 size", "separate entries");
    told("SegHead(x: \"dec0\", classes: \"classes\")", "SegHead(\"dec0\")", Code::E0104, "`SegHead(x: \"dec0\", ...)`");
    told("\"deep\": false", "\"deep\": False", Code::E0104, "write `false`");
    told("\"deep\": false", "\"deep\": True", Code::E0104, "write `true`");
    told("\"out\": Required", "\"out\": Required, \"more\": True", Code::E0104, "write `true`");
}

#[test]
fn words_in_quotes_are_read_with_a_warning() {
    for (from, to) in [("norm: batch", "norm: \"batch\""), ("activation: relu", "activation: \"relu\""), ("norm: batch", "init: \"zeros\"")]
    {
        let text = UNET.replacen(from, to, 1);
        let p = compile(&Source::new("test.ron", text.as_str()), &[], None).expect(to);
        let dated: Vec<_> = p.warnings.0.iter().filter(|d| d.code == Code::W0102).collect();
        assert!(dated.len() == 1 && dated[0].message.contains(to.split('"').nth(1).expect("a word")), "{to}: {}", p.warnings);
    }
}

#[test]
fn references_of_other_languages() {
    let one = "x: \"join{i}\"";
    told(one, "x: \"up{i} + enc{i}\"", Code::E0202, "`Add(x: [\"up0\", \"enc0\"])`");
    told(one, "x: \"up{i} * enc{i}\"", Code::E0202, "`Multiply(a: \"up0\", b: \"enc0\")`");
    told(one, "x: \"up{i}, enc{i}\"", Code::E0202, "[\"up0\", \"enc0\"]");
    told(one, "x: \"enc{i - 3}\"", Code::E0202, "");
    told("Conv(x: \"x\"", "Conv(x: \"image\"", Code::E0202, "`inputs: [\"image\"]`, and connect it where `Double` is used");
    told("Conv(x: \"x\"", "Conv(x: \"enc1\"", Code::E0202, "`inputs: [\"enc1\"]`");
    told("Conv(x: \"x\"", "Conv(x: \"xx\"", Code::E0202, "did you mean");
}

#[test]
fn a_variable_without_a_loop_is_told_once() {
    told("SegHead(x: \"dec0\"", "SegHead(x: \"dec{i}\"", Code::E0105, "");
    told("\"head\": SegHead(x: \"dec0\"", "\"head{i}\": SegHead(x: \"dec{i}\"", Code::E0105, "add `for: \"i in 0..3\"`");
    told("\"pool{i}\": MaxPool(for: \"i in 1..3\", ", "\"pool{i}\": MaxPool(", Code::E0105, "add `for: \"i in 0..3\"`");
    told("\"head\": SegHead(", "\"head{classess}\": SegHead(", Code::E0105, "name the parameter `classes`");
}

#[test]
fn fields_of_other_names_are_told_once() {
    let field = |from: &str, to: &str, meant: &str| told(from, to, Code::E0107, &format!("did you mean `{meant}`?"));
    field("    nodes: {\n        \"enc", "    layers: {\n        \"enc", "nodes");
    field("output: \"b\", nodes: {", "output: \"b\", layers: {", "nodes");
    field("output: \"b\"", "returns: \"b\"", "output");
    field("    outputs: {", "    heads: {", "outputs");
    field("    inputs: {", "    arguments: {", "inputs");
    field("size: (16, 16, 16)", "shape: (16, 16, 16)", "size");
}

#[test]
fn no_dead_node_is_an_echo() {
    let dead = |from: &str, to: &str| {
        assert_eq!(UNET.matches(from).count(), 1, "{from}");
        found(&UNET.replace(from, to))
    };
    // Of those that feed each other the last alone; the others go with it.
    let all = dead("SegHead(x: \"dec0\"", "SegHead(x: \"dec1\"");
    assert_eq!(shown(&all).lines().count(), 1, "{}", shown(&all));
    assert_eq!(all.0[0].message, "`dec0` reaches no output");
    assert_eq!(all.0[0].help, ["connect it, or remove it with what feeds it alone: `up0`, `join0`"]);
    for (from, to) in [
        ("SegHead(x: \"dec0\"", "SegHead(x: \"dec5\""),
        ("x: \"dec{i + 1} | enc2\"", "x: \"dec{i} | enc2\""),
        ("UpConv(for", "Upsample(for"),
        ("output: \"b\"", "output: \"c\""),
        ("x: \"a\", out: \"out\"", "x: \"aa\", out: \"out\""),
        ("x: [\"up{i}\", \"enc{i}\"]", "x: \"up{i}, enc{i}\""),
        ("x: \"join{i}\"", "x: \"jion{i}\""),
        ("for: \"i in 0..depth\"", "for: \"i in 0..dpeth\""),
        ("outputs: { \"logits\": \"head\" }", "outputs: { \"logits\": \"hd\" }"),
        ("\"head\": SegHead", "\"head\": SegHead(x: \"enc0\", classes: 2), \"head\": SegHead"),
    ] {
        let all = dead(from, to);
        assert!(all.0.len() == 1 && all.0[0].code != Code::E0206, "{to}:\n{}", shown(&all));
    }
    // An error in a composite is none of the graph around it.
    let all = dead("SegHead(x: \"dec0\"", "SegHead(x: \"dec1\"");
    let both = found(&UNET.replace("SegHead(x: \"dec0\"", "SegHead(x: \"dec1\"").replacen("norm: batch", "norm: batsh", 1));
    assert_eq!(both.0.len(), all.0.len() + 1, "{}", shown(&both));
}

#[test]
fn wrong_claims_are_told_with_those_that_cannot_be_read() {
    let claims = "claims: [(params: 85000), (params: \"86k\"), (node: \"dec9\", params: 3), (param: 3), (params: two)],\n    lints";
    let all = found(&UNET.replace("lints", claims));
    let codes: Vec<Code> = all.in_order().0.iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::E0502, Code::E0502, Code::E0202, Code::E0107, Code::E0104], "{}", shown(&all));
}

#[test]
fn composites_that_nobody_uses_are_judged_by_kind_alone() {
    let with = |params: &str, block: &str| {
        let block = format!("\"B\": (params: {{ \"n\": 2 }}, inputs: [\"x\"], output: {block})");
        found(&graph(params, &block, "\"c\": Conv(x: \"image\", out: 1)", "\"y\": \"c\""))
    };
    let mode = "\"mode\": OneOf(none, a, b), \"gate\": false, \"list\": [1, 2]";
    for block in [
        // What is switched off.
        "\"y\", nodes: { \"y\": Activation(when: \"gate\", x: \"x\", function: relu) }",
        "\"p | q\", nodes: { \"p\": Conv(when: \"mode == 'a'\", x: \"x\", out: 1), \"q\": Conv(when: \"mode == 'b'\", x: \"x\", out: 1) }",
        "\"z\", nodes: { \"y\": Conv(when: \"gate\", x: \"x\", out: 1), \"z\": Conv(x: \"y\", out: 1) }",
        // Turns and entries that are not there with these values.
        "\"y5\", nodes: { \"y{i}\": Conv(chain: \"i in 0..n + 4\", x: \"x\", out: 1) }",
        "\"y3\", nodes: { \"y{i}\": Conv(chain: \"i in 0..n\", x: \"x\", out: 1) }",
        "\"y\", nodes: { \"y\": Conv(x: \"x\", out: \"list[n]\") }",
        "\"y\", nodes: { \"y\": Conv(x: \"x\", out: \"8 / (n - 2)\") }",
        "\"y\", nodes: { \"y\": Conv(x: \"x\", out: \"n - 4\") }",
    ] {
        assert_eq!(shown(&with(mode, block)), "", "{block}");
    }
    for (block, code) in [
        ("\"y\", nodes: { \"y\": Conv(when: false, x: \"x\", out: 1) }", Code::E0204),
        ("\"y5\", nodes: { \"y{i}\": Conv(chain: \"i in 0..4\", x: \"x\", out: 1) }", Code::E0202),
        ("\"y\", nodes: { \"y\": Conv(x: \"x\", out: \"list\") }", Code::E0104),
        ("\"y\", nodes: { \"y\": Conv(x: \"x\", out: \"list[1] +\") }", Code::E0105),
        ("\"y\", nodes: { \"y\": Conv(x: \"x\", out: 1, when: \"gat\") }", Code::E0105),
    ] {
        let all = with(mode, block);
        assert!(all.0.len() == 1 && all.0[0].code == code, "{block}:\n{}", shown(&all));
    }
    // Where it is used, it is told, and what is done already is no remedy.
    let gate = "\"G\": (inputs: [\"x\"], output: \"p | q\", nodes: { \"p\": Conv(when: \"mode == 'a'\", x: \"x\", out: 1), \"q\": Conv(when: \"mode == 'b'\", x: \"x\", out: 1) })";
    let all = found(&graph(mode, gate, "\"c\": G(x: \"image\")", "\"y\": \"c\""));
    assert_eq!(all.0.len(), 1, "{}", shown(&all));
    assert!(
        all.0[0].message.contains("one of `p | q`, of which none is there: `q` is switched off by `when: \"mode == 'b'\"`"),
        "{}",
        shown(&all)
    );
    assert!(!all.0[0].help.concat().contains("with `|`"), "{}", shown(&all));
}
