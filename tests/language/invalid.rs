//! What the language refuses, with the code and a part of the message or its help.

use lmsc::compile::compile;
use lmsc::text::{Code, Source, render};

use super::valid::graph;

/// Everything that is said of a text.
fn told(text: &str) -> String {
    match compile(&Source::new("test.ron", text), &[], None) {
        Ok(p) => p.warnings.to_string(),
        Err(found) => found.to_string(),
    }
}

fn refused(what: &str, text: &str, sets: &[&str], code: Code, part: &str) {
    let sets: Vec<_> = sets.iter().map(|s| lmsc::read::Set::parse(s).expect("a change")).collect();
    let found = compile(&Source::new("test.ron", text), &sets, None).expect_err(what);
    let told: Vec<String> = found.0.iter().map(|d| format!("{} {}", render::concise(d), d.help.join(" "))).collect();
    assert!(found.0.iter().zip(&told).any(|(d, t)| d.code == code && t.contains(part)), "{what}:\n{}", told.join("\n"));
    assert_eq!(found.0.len(), 1, "{what} is told once:\n{}", told.join("\n"));
}

#[test]
fn expressions() {
    for (what, params, out, code, part) in [
        ("past the end", "\"f\": [1, 2, 3]", "f[3]", Code::E0105, "0 to 2"),
        ("before the beginning", "\"f\": [1, 2, 3]", "f[0 - 1]", Code::E0105, "entry -1"),
        ("a list as a number", "\"stride\": [1, 2, 2]", "if(stride == 1, 1, 2)", Code::E0105, "max(stride)"),
        ("lists of two lengths", "\"f\": \"[1, 2] + [1, 2, 3]\"", "f[0]", Code::E0105, "2 and 3 entries"),
        ("two kinds", "\"f\": [1, relu]", "f[0]", Code::E0104, "one kind"),
        ("a list for a width", "\"f\": [1, 2]", "f", Code::E0104, "a list"),
        ("a size", "", "size(image)", Code::E0105, "does not depend on sizes"),
        ("no such node", "", "channels(nobody)", Code::E0202, "nobody"),
        ("itself", "", "channels(c)", Code::E0205, "asks for the channels of `c`"),
        ("a word that is no word", "\"f\": reluu", "f", Code::E0104, "a parameter has"),
        ("a length of one value", "", "len(image)", Code::E0105, "no list"),
    ] {
        let text = graph(params, "", &format!("\"c\": Conv3D(x: \"image\", out: \"{out}\")"), "\"y\": \"c\"");
        refused(what, &text, &[], code, part);
    }
    let text = graph("\"n\": \"channels(image)\"", "", "\"c\": Conv3D(x: \"image\", out: \"n\")", "\"y\": \"c\"");
    refused("a parameter that asks", &text, &[], Code::E0105, "nothing can be asked here");
}

#[test]
fn loops() {
    let nodes = |nodes: &str| graph("", "", nodes, "\"y\": \"c\"");
    for (what, text, code, part) in [
        (
            "a variable that is not in the name",
            "\"x{i}\": Conv3D(for: [\"i in 0..2\", \"j in 0..2\"], x: \"image\", out: 1), \"c\": Concat(x: [\"x0\"])",
            Code::E0109,
            "x{i}_{j}",
        ),
        (
            "two turns of one name",
            "\"x{i}{j}\": Conv3D(for: [\"i in [1, 11]\", \"j in [1, 11]\"], x: \"image\", out: 1), \"c\": Concat(x: [\"x{[1, 11]}{[1, 11]}\"])",
            Code::E0103,
            "both turns i = 1, j = 11 and i = 11, j = 1",
        ),
        (
            "a chain of what takes a list",
            "\"x{i}\": Concat(chain: \"i in 0..2\", x: \"image\"), \"c\": Conv3D(x: \"x1\", out: 1)",
            Code::E0204,
            "cannot be chained",
        ),
        (
            "for and chain",
            "\"x{i}\": Conv3D(chain: \"i in 0..2\", for: \"i in 0..2\", x: \"image\", out: 1), \"c\": Conv3D(x: \"x1\", out: 1)",
            Code::E0105,
            "not both",
        ),
        (
            "one variable twice",
            "\"x{i}{i}\": Conv3D(for: [\"i in 0..2\", \"i in 0..2\"], x: \"image\", out: 1), \"c\": Conv3D(x: \"x11\", out: 1)",
            Code::E0103,
            "two loops",
        ),
        (
            "what is no list",
            "\"x{i}\": Conv3D(for: \"i in 3\", x: \"image\", out: 1), \"c\": Conv3D(x: \"x1\", out: 1)",
            Code::E0105,
            "goes over a list",
        ),
        (
            "several names at once",
            "\"x{i}\": Conv3D(for: \"i in 0..2\", x: \"image\", out: 1), \"c\": Conv3D(x: \"x{0..2}\", out: 1), \"d\": Concat(x: [\"c\", \"x{0..2}\"])",
            Code::E0105,
            "makes several names",
        ),
        (
            "a turn that is not there",
            "\"x{i}\": Conv3D(for: \"i in 0..2\", x: \"image\", out: 1), \"d\": Concat(x: [\"x{0..2}\"]), \"c\": Concat(x: [\"d\", \"x5\"])",
            Code::E0202,
            "`x0` to `x1`",
        ),
        (
            "the last of none",
            "\"x{i}\": Conv3D(for: \"i in 0..0\", x: \"image\", out: 1), \"c\": Conv3D(x: \"x{last}\", out: 1)",
            Code::E0204,
            "its loop has no turn",
        ),
        ("the last of nothing", "\"c\": Conv3D(x: \"x{last}\", out: 1)", Code::E0202, "x{last}"),
        (
            "two nodes of one name",
            "\"x{i}\": Conv3D(for: \"i in 0..2\", x: \"image\", out: 1), \"x1\": Conv3D(x: \"x0\", out: 1), \"c\": Concat(x: [\"x{0..2}\"])",
            Code::E0103,
            "two nodes",
        ),
    ] {
        refused(what, &nodes(text), &[], code, part);
    }
    let when = "\"x{i}\": Conv3D(for: \"i in 0..2\", when: \"i < n\", x: \"image\", out: 1), \"c\": Conv3D(x: \"x1\", out: 1), \"d\": Add(x: [\"c\", \"x0\"])";
    let text = graph("\"n\": 1", "", when, "\"y\": \"d\"");
    refused("a turn that is left out", &text, &[], Code::E0204, "is switched off by `when: \"i < n\"`");
}

#[test]
fn what_structure_may_ask() {
    let blocks = |nodes: &str| {
        format!("\"A\": (inputs: [\"x\", \"skip?\"], output: \"c\", nodes: {{ \"conv1\": Conv3D(x: \"x\", out: 4), {nodes} }})")
    };
    let text = |nodes: &str| graph("", &blocks(nodes), "\"a\": A(x: \"image\")", "\"y\": \"a\"");
    let when = "\"c\": Conv3D(when: \"channels(conv1) > 4\", x: \"conv1\", out: 1)";
    refused("structure that asks a node", &text(when), &[], Code::E0105, "only its inputs `x` and `skip`");
    let skip = "\"c\": Conv3D(x: \"conv1\", out: \"channels(skip)\")";
    refused("channels of nothing", &text(skip), &[], Code::E0105, "does not connect");
    let ring = "\"a\": Conv3D(x: \"image\", out: \"channels(b)\"), \"b\": Conv3D(x: \"a\", out: 2)";
    refused("two that wait", &graph("", "", ring, "\"y\": \"b\""), &[], Code::E0205, "`a` asks for the channels of `b`");
}

#[test]
fn lists_that_flow() {
    let blocks = "\"Enc\": (inputs: [\"x\"], nodes: { \"s{i}\": Conv3D(for: \"i in 0..4\", x: \"x\", out: 2) }, outputs: { \"y\": \"s0\", \"features\": [\"s{0..4}\"] }),
        \"Many\": (inputs: [\"xs[]\"], output: \"c\", nodes: { \"c\": Concat(x: [\"xs\"]) })";
    let text = |node: &str| graph("", blocks, &format!("\"enc\": Enc(x: \"image\"), \"one\": {node}"), "\"y\": \"one\"");
    for (node, code, part) in [
        ("Conv3D(x: \"enc.features\", out: 1)", Code::E0204, "has 4"),
        ("Conv3D(x: \"enc.features[4]\", out: 1)", Code::E0203, "0 to 3"),
        ("Conv3D(x: \"enc.y[0]\", out: 1)", Code::E0203, "has no entries"),
        ("Many()", Code::E0204, "nothing is connected to the input `xs`"),
        ("Conv3D(x: \"enc\", out: 1)", Code::E0203, "several outputs"),
    ] {
        refused(node, &text(node), &[], code, part);
    }
}

#[test]
fn forms() {
    let stage = "\"A\": (params: { \"b\": Required(block), \"act\": relu }, inputs: [\"x\"], output: \"c\", nodes: { \"c\": b(x: \"x\", activation: \"act\") }),
        \"R\": (params: { \"body\": Required(block) }, inputs: [\"x\"], output: \"c\", nodes: { \"c\": body(x: \"x\") })";
    let text = |params: &str, node: &str| graph(params, stage, &format!("\"a\": {node}"), "\"y\": \"a\"");
    for (params, node, code, part) in [
        ("", "A(x: \"image\", b: relu)", Code::E0207, "is a block, but the function `relu`"),
        ("", "A(x: \"image\", b: 3)", Code::E0207, "is a block, but a whole number"),
        ("", "A(x: \"image\", b: Conv3D(out: 1), act: batch)", Code::E0207, "is a function, but the norm `batch`"),
        ("", "R(x: \"image\", body: R(body: Conv3D(out: 1)))", Code::E0208, "contains itself"),
        ("", "R(x: \"image\", body: Conv3D(out: 1, kernal: 3))", Code::E0107, "kernal"),
        ("", "R(x: \"image\", body: Conv3D(kernel: 3))", Code::E0106, "`out` is missing"),
        ("", "R(x: \"image\", body: Conv3D(8))", Code::E0104, "have names"),
        ("", "R(x: \"image\", body: Conv9(out: 8))", Code::E0201, "Conv9"),
        ("\"attention\": layer", "attention(x: \"image\")", Code::E0104, "the norm `layer`"),
        ("\"attention\": 3", "attention(x: \"image\")", Code::E0104, "a whole number"),
    ] {
        refused(node, &text(params, node), &[], code, part);
    }
    let text = graph("\"norm\": instance, \"act\": relu", "", "\"a\": Conv3D(x: \"image\", out: 2, activation: \"act\")", "\"y\": \"a\"");
    refused(
        "a function for a norm",
        &text,
        &["norm=relu"],
        Code::E0207,
        "the parameter `norm` is a norm, but the function `relu` is given",
    );
    refused("a number for a function", &text, &["act=3"], Code::E0207, "a function");
    refused("a word for a function", &text, &["act=fast"], Code::E0105, "fast");
    // What is wrong in a form is told where it is written, used or not.
    for (params, part) in [
        ("\"norm\": group(groups: 4, epz: 1)", "`group` has no field `epz`"),
        ("\"norm\": OneOf(instance, leaky(slope: 1), group(groups: 4, epz: 1))", "`group` has no field `epz`"),
        ("\"act\": leaky_relu(slop: 0.1)", "did you mean `slope`?"),
        ("\"conv\": Conv(kernal: 3)", "did you mean `kernel`?"),
        ("\"act\": relu(slope: 0.1)", "a word without parentheses"),
    ] {
        for node in [
            "Conv(x: \"image\", out: 8)",
            "Conv(x: \"image\", out: 8, norm: \"norm\")",
            "Conv(x: \"image\", out: 8, activation: \"act\")",
            "conv(x: \"image\", out: 8)",
        ] {
            let used = node.match_indices('"').nth(2).map_or("", |(i, _)| &node[i + 1..node.len() - 2]);
            if used.is_empty() && !node.starts_with("conv(")
                || params.starts_with(&format!("\"{used}\""))
                || node.starts_with("conv(") && params.starts_with("\"conv\"")
            {
                let text = graph(params, "", &format!("\"a\": {node}"), "\"y\": \"a\"");
                let all = told(&text);
                assert!(all.contains(part) && all.matches("error[").count() == 1, "{params} in {node}: {all}");
            }
        }
    }
    let text = graph("\"f\": [1, 2]", "", "\"a\": Conv3D(x: \"image\", out: \"f[0]\")", "\"y\": \"a\"");
    refused("an entry that is not there", &text, &["f[2]=3"], Code::E0207, "0 to 1");
    refused("a number for a list", &text, &["f=3"], Code::E0207, "a list");
}

#[test]
fn weights_that_cannot_be_shared() {
    let nodes = |b: &str| format!("\"a\": Conv(x: \"image\", out: 2), \"b\": {b}, \"s\": Add(x: [\"a\", \"b\"])");
    for (b, part) in [
        ("Conv(x: \"image\", out: 2, kernel: 1, shares: \"a\")", "2x2x3x3x3 there and 2x2x1x1x1 here"),
        ("PointwiseConv(x: \"image\", out: 2, shares: \"a\")", "it is a Conv"),
        ("Conv(x: \"image\", out: 2, bias: false, shares: \"a\")", "other weights"),
        ("Conv(x: \"image\", out: 2, norm: batch, shares: \"a\")", "its parts are others"),
        ("Conv(x: \"image\", out: 2, shares: \"c\")", "it is not there"),
    ] {
        refused(b, &graph("", "", &nodes(b), "\"y\": \"s\""), &[], Code::E0209, part);
    }
    let tower = graph(
        "",
        "",
        "\"t{m}\": Conv(for: \"m in 0..3\", x: \"image\", out: 2, shares: \"t0\"), \"s\": Concat(x: [\"t{0..3}\"])",
        "\"y\": \"s\"",
    );
    let dropped = tower.replace("(params", "(drop: [\"t0\"], params");
    assert!(told(&dropped).contains("E0209") && !told(&tower).contains("error"), "{}", told(&dropped));
}

#[test]
fn changes_of_turns() {
    let text =
        graph("", "", "\"seg{i}\": Conv3D(for: \"i in 1..=4\", x: \"image\", out: 2), \"c\": Concat(x: [\"seg{1..=4}\"])", "\"y\": \"c\"");
    refused("no such turn", &text, &["seg9.out=1"], Code::E0207, "`seg1` to `seg4`");
    let drop = text.replace("(params", "(drop: [\"seg9\"], params");
    refused("no such turn to drop", &drop, &[], Code::E0202, "`seg1` to `seg4`");
}

#[test]
fn a_file_of_blocks_is_checked_alone() {
    let of = |text: &str| lmsc::compile::library(&Source::new("parts.ron", text));
    let sound = "(blocks: { \"A\": (params: { \"n\": Required }, inputs: [\"x\", \"ys[]?\"], nodes: { \"c{i}\": Conv(chain: \"i in 0..n\", x: \"x\", out: \"width * channels(x)\"), \"s\": Concat(x: [\"ys\", \"c{last}\"]) }, output: \"s\") })";
    assert_eq!(of(sound).map(|(n, warnings)| (n, warnings.0.len())), Ok((1, 0)), "`width` may be a parameter of the graph that uses it");
    for (from, to, code) in [
        ("Conv(", "Covn(", Code::E0201),
        ("out: ", "uot: ", Code::E0107),
        ("\"ys\", ", "\"zs\", ", Code::E0202),
        ("output: \"s\"", "output: \"t\"", Code::E0202),
        ("0..n", "0..", Code::E0105),
        ("width *", "width +* 3", Code::E0105),
    ] {
        let found = of(&sound.replace(from, to)).expect_err(to);
        assert!(found.0.len() == 1 && found.0[0].code == code, "{to}: {found}");
    }
    assert_eq!(of(&graph("", "", "\"c\": Conv(x: \"image\", out: 1)", "\"y\": \"c\"")).expect_err("a graph").0[0].code, Code::E0110);
    // Its own parameters are known.
    let own = sound.replace("(blocks", "(params: { \"width\": [1, 2] }, blocks").replace("width * channels(x)", "width");
    assert_eq!(of(&own).expect_err("a list for a number").0[0].code, Code::E0104);
}

#[test]
fn definitions_are_checked_unopened() {
    let bad = |name: &str| {
        format!(
            "\"{name}\": (params: {{ \"n\": Required }}, inputs: [\"x\", \"ys[]\"], output: \"c{{last}}\", nodes: {{ \"c{{i}}\": Cov{name}(chain: \"i in 0..n\", x: \"x\"), \"d\": Concat(x: [\"ys\", \"c{{n - 1}}\"]) }})"
        )
    };
    let text = graph("", &["P", "Q", "R"].map(bad).join(", "), "\"c\": Conv3D(x: \"image\", out: 1)", "\"y\": \"c\"");
    let all = told(&text);
    assert_eq!(all.matches("E0201").count(), 3, "{all}");
    assert_eq!(all.lines().count(), 3, "{all}");
    let fine =
        bad("P").replace("CovP(", "Conv3D(out: 1, ").replace(", \"d\": Concat(x: [\"ys\", \"c{n - 1}\"])", "").replace(", \"ys[]\"", "");
    assert!(!told(&graph("", &fine, "\"c\": Conv3D(x: \"image\", out: 1)", "\"y\": \"c\"")).contains("error"));
    // Nodes that are never there together are no fault of a composite that nobody uses.
    let either = "\"E\": (params: { \"a\": Required }, inputs: [\"x\"], output: \"z\", nodes: { \"y{i}\": Conv(for: \"i in 0..2\", when: \"a\", x: \"x\", out: 1), \"y{j}\": Conv(for: \"j in 0..2\", when: \"!a\", x: \"x\", out: 2), \"z\": Conv(x: [\"p\", \"q\"], out: 1), \"p\": Conv(when: \"a\", x: \"y0\", out: 1), \"q\": Conv(when: \"!a\", x: \"y1\", out: 1) })";
    assert!(!told(&graph("", either, "\"c\": Conv3D(x: \"image\", out: 1)", "\"y\": \"c\"")).contains("error"));
    let field = fine.replace("out: 1", "out: \"m\", strid: 2");
    let all = told(&graph("", &field, "\"c\": Conv3D(x: \"image\", out: 1)", "\"y\": \"c\""));
    assert!(all.contains("E0105") && all.contains("strid"), "{all}");
}

#[test]
fn an_entry_that_is_not_there_is_told_at_both_places() {
    let text = graph(
        "\"widths\": [4, 8, 16, 32], \"strides\": [1, 2]",
        "",
        "\"enc{s}\": Conv(chain: \"s in 0..len(widths)\", x: \"image\", out: \"widths[s]\", stride: \"strides[s]\")",
        "\"y\": \"enc{last}\"",
    );
    let found = compile(&Source::new("test.ron", text.as_str()), &[], None).expect_err("too few");
    let d = &found.0[0];
    assert_eq!((d.code, d.message.as_str()), (Code::E0105, "`strides` has 2 entries, 0 to 1, and entry 2 is asked for"));
    let labels: Vec<(&str, &str)> = d.labels.iter().map(|l| (&text[l.place.span.start..l.place.span.end], l.text.as_str())).collect();
    assert_eq!(labels, [("\"strides[s]\"", "here, where s = 2"), ("[1, 2]", "`strides` is set here")]);
}

#[test]
fn splits() {
    let with = |how: &str, y: &str| graph("", "", &format!("\"p\": Split(x: \"image\"{how})"), &format!("\"y\": {y}"));
    refused("three of two", &with(", parts: 3", "[\"p\"]"), &[], Code::E0302, "2 channels cannot be cut into 3 parts");
    refused("a sum", &with(", channels: [1, 2]", "[\"p\"]"), &[], Code::E0302, "do not make up");
    refused("nothing", &with("", "[\"p\"]"), &[], Code::E0401, "where to cut");
    refused("both", &with(", parts: 2, channels: [1, 1]", "[\"p\"]"), &[], Code::E0401, "both say");
    refused("past the end", &with(", parts: 2", "\"p[2]\""), &[], Code::E0203, "0 to 1");
    refused("which", &with(", parts: 2", "\"p\""), &[], Code::E0204, "\"p[0]\"");
}

#[test]
fn initialisations_that_cannot_be() {
    let with =
        |init: &str| graph("\"init\": kaiming", "", &format!("\"c\": Conv(x: \"image\", out: 4, norm: batch, {init})"), "\"y\": \"c\"");
    refused("no fan", &with("norm_init: kaiming"), &[], Code::E0401, "fan in");
    refused("a deviation", &with("init: normal(std: -1)"), &[], Code::E0401, "`std`");
    refused("a word", &with("init: keiming"), &[], Code::E0104, "`keiming`");
    refused("a field", &with("init: kaiming(slop: 1)"), &[], Code::E0107, "`kaiming` has no field `slop`");
    refused("a class", &with("init: relu"), &[], Code::E0104, "`relu`");
    refused("a parameter's class", &with("init: \"init\""), &["init=relu"], Code::E0207, "an initialisation");
}

#[test]
fn sizes_of_two_dimensions() {
    let with = |input: &str, node: &str| {
        graph("", "", &format!("\"c\": {node}"), "\"y\": \"c\"").replace("\"image\": (channels: 2, size: (8, 8, 8))", input)
    };
    let conv = "Conv(x: \"image\", out: 4)";
    let plane = "\"image\": (channels: 2, size: (32, 32))";
    refused(
        "four",
        &with(plane, "Conv(x: \"image\", out: 4, stride: (1, 1, 2, 2))"),
        &[],
        Code::E0104,
        "two numbers here, (H, W), or one for both; 4 are",
    );
    let volume = "\"image\": (channels: 2, size: (8, 8, 8))";
    refused(
        "two",
        &with(volume, "Conv(x: \"image\", out: 4, stride: (2, 2))"),
        &[],
        Code::E0104,
        "three numbers here, (D, H, W), or one for all; 2 are",
    );
    refused("one in a list", &with(volume, "Conv(x: \"image\", out: 4, stride: [2])"), &[], Code::E0104, "1 value in a list");
    let both = "\"image\": (channels: 2, size: (32, 32)), \"ct\": (channels: 1, size: (8, 8, 8))";
    refused("inputs", &with(both, conv), &[], Code::E0104, "`image` is 2D and `ct` is 3D");
    refused("dims", &with("\"image\": (channels: 2, dims: 4)", conv), &[], Code::E0104, "two or three dimensions");
    refused("dims and size", &with("\"image\": (channels: 2, dims: 3, size: (8, 8))", conv), &[], Code::E0104, "`dims` is 3");
    refused("a depth", &with("\"image\": (channels: 2, dims: 2, size: (8, 8, 8))", conv), &[], Code::E0303, "a depth of 8");
    let deep = compile(&Source::new("flat.ron", with(plane, conv)), &[], Some([4, 32, 32])).expect_err("a depth");
    assert!(deep.0[0].code == Code::E0303 && deep.0[0].help[0].contains("32x32"), "{deep}");
    let odd = with(plane, "Add(x: [\"p\", \"image\"])")
        .replace("nodes: {", "nodes: { \"q\": MaxPool(x: \"image\"), \"p\": UpConv(x: \"q\", out: 2), ");
    let odd = compile(&Source::new("flat.ron", odd), &[], Some([1, 31, 32])).expect_err("odd");
    assert!(odd.0[0].code == Code::E0303 && odd.0[0].help[0] == "use 32x32", "{odd}");
}
