//! Every independent mistake is told once, at its place, in one run; no error is the echo of another.

mod given;

use std::path::Path;

use assert_cmd::Command;
use lmsc::compile::compile;
use lmsc::read::Set;
use lmsc::text::{Code, Diagnostic, Diagnostics, Source, render};

const SOUND: &str = r#"(
    params: { "width": 8, "deep": true, "n": 2 },
    inputs: { "image": (channels: 2, size: (16, 16, 16)), "other": (channels: 2) },
    blocks: {
        "Stage": (
            params: { "out": Required, "groups": 4, "with": OneOf("relu", "tanh") },
            inputs: ["x", "skip?"],
            nodes: {
                "conv": Conv3D(x: "x", out: "out", norm: "groups", bias: false),
                "act": Activation(x: "conv", function: "with"),
            },
            output: "act",
        ),
        "Pair": (
            inputs: ["x", "y"],
            nodes: {
                "sum": Add(x: ["x", "y"]),
                "last": Stage(x: "sum", out: 4),
            },
            outputs: { "sum": "sum", "last": "last" },
        ),
    },
    nodes: {
        "stem": Conv3D(x: "image", out: "width", stride: 1, bias: false),
        "left": Stage(x: "image", out: "width"),
        "right": Stage(x: "stem", out: "width", groups: 2),
        "pair": Pair(x: "left", y: "right"),
        "turn{i}": Conv3D(for: "i in 1..=n", x: "image", out: 4),
        "extra": Conv3D(when: "deep", x: "other", out: 4),
        "join": Concat(x: ["pair.last", "turn1", "turn2", "extra"]),
        "mix": PointwiseConv3D(x: "join", out: 4),
        "head": SegHead(x: "mix", classes: 3),
        "side": SegHead(x: "pair.sum", classes: 3),
    },
    outputs: { "logits": "head", "side": "side" },
    lints: { "W0501": allow },
    claims: [(node: "stem", params: 432)],
)"#;

/// What is written, what is written instead, the error, and a text of the line at which it is told.
type Mistake = (&'static str, &'static str, Code, &'static str);

const MISTAKES: &[Mistake] = &[
    (r#""width": 8, "#, r#""width": 8, "wide": "widht * 2", "#, Code::E0105, "widht"),
    (r#"norm: "groups", bias"#, r#"norm: "groups", bais"#, Code::E0107, "bais"),
    (r#"function: "with""#, r#"function: "wiht""#, Code::E0104, "wiht"),
    ("stride: 1", "strid: 1", Code::E0107, "strid:"),
    (r#"Stage(x: "image""#, r#"Stage(x: "imag""#, Code::E0202, "imag\""),
    ("groups: 2", "gruops: 2", Code::E0107, "gruops"),
    (r#"Pair(x: "left", y: "right")"#, r#"Pair(x: "left")"#, Code::E0204, "Pair(x"),
    ("1..=n", "1..=m", Code::E0105, "1..=m"),
    (r#"when: "deep""#, r#"when: "dep""#, Code::E0105, "dep\""),
    ("pair.last", "pair.lats", Code::E0203, "pair.lats"),
    ("PointwiseConv3D(", "PointConv3D(", Code::E0201, "PointConv3D"),
    (r#"x: "mix", classes: 3"#, r#"x: "mix", classes: "three""#, Code::E0105, "three"),
    (r#""side": "side""#, r#""side": "sied""#, Code::E0202, "sied"),
    ("W0501", "W9501", Code::E0107, "W9501"),
    ("params: 432", "parms: 432", Code::E0107, "parms"),
    (r#""other": (channels: 2)"#, r#""other": (chanels: 2)"#, Code::E0107, "chanels"),
    (r#"Add(x: ["x", "y"])"#, r#"Add(x: ["x", "z"])"#, Code::E0202, "\"z\""),
    (r#"x: "sum", out: 4"#, r#"x: "sum", uot: 4"#, Code::E0107, "uot"),
    (r#"x: "image", out: 4"#, r#"x: "image", out: 4, groups: 3"#, Code::E0302, "groups: 3"),
    (r#""groups": 4"#, r#""groups": 4u8"#, Code::E0104, "4u8"),
];

fn found(text: &str) -> Diagnostics {
    compile(&Source::new("test.ron", text), &[], None).err().unwrap_or_default()
}

fn shown(found: &Diagnostics) -> String {
    found.0.iter().map(|d| render::concise(d) + "\n").collect()
}

/// The line of the first place of an error.
fn line(d: &Diagnostic) -> &str {
    let place = &d.labels.iter().find(|l| l.primary).expect("a place").place;
    let (line, _) = place.source.line_column(place.span.start);
    &place.source.text[place.source.line(line)]
}

fn with(mistakes: &[&Mistake]) -> String {
    mistakes.iter().fold(SOUND.to_owned(), |text, (from, to, ..)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    })
}

fn each_is_told(mistakes: &[&Mistake]) {
    let found = found(&with(mistakes));
    let told = shown(&found);
    for (_, to, code, part) in mistakes {
        assert!(found.0.iter().any(|d| d.code == *code && line(d).contains(part)), "{to} is not told:\n{told}");
    }
    assert_eq!(found.0.len(), mistakes.len(), "{:?}:\n{told}", mistakes.iter().map(|m| m.1).collect::<Vec<_>>());
}

#[test]
fn so_many_mistakes_so_many_errors() {
    assert_eq!(shown(&found(SOUND)), "");
    for (i, a) in MISTAKES.iter().enumerate() {
        each_is_told(&[a]);
        for (j, b) in MISTAKES.iter().enumerate().skip(i + 1) {
            each_is_told(&[a, b]);
            for c in &MISTAKES[j + 1..] {
                each_is_told(&[a, b, c]);
            }
        }
    }
    each_is_told(&MISTAKES.iter().collect::<Vec<_>>());
}

/// A graph with these nodes, each on a line of its own.
fn graph(nodes: &str, output: &str) -> String {
    format!("(inputs: {{\"image\": (channels: 4, size: (16, 16, 16))}}, nodes: {{\n{nodes}\n}}, outputs: {{\"y\": \"{output}\"}})")
}

/// The errors of a text as `CODE: message`.
fn told(text: &str) -> Vec<String> {
    found(text).0.iter().map(|d| format!("{}: {}", d.code.name(), d.message)).collect()
}

#[test]
fn of_one_node_everything_is_told() {
    let text = graph(r#""w": Conv3D(x: "imag", out: "w", strid: 2, activation: rellu, kernal: 5)"#, "w");
    let mut all = told(&text);
    all.sort();
    let expected = [
        "E0104: `rellu` is not one of the choices here",
        "E0105: there is no parameter `w`",
        "E0107: there is no field `kernal` here",
        "E0107: there is no field `strid` here",
        "E0202: there is no node `imag`",
    ];
    assert_eq!(all, expected);
    // What is missing is told beside what is wrong; a field that was only misspelt is not missing as well.
    assert_eq!(told(&graph(r#""w": Conv3D(x: "image", strid: 2)"#, "w")).len(), 2);
    assert_eq!(told(&graph(r#""w": Conv3D(x: "image", outt: 2)"#, "w")), ["E0107: there is no field `outt` here"]);
    assert_eq!(told(&graph(r#""w": Conv3D(y: "image", out: 2)"#, "w")), ["E0107: there is no field `y` here"]);
    let two = told(&SOUND.replace(r#"Pair(x: "left", y: "right")"#, "Pair()"));
    assert_eq!(two.len(), 2, "{two:?}");
}

#[test]
fn a_node_that_fails_is_there_for_its_readers() {
    for broken in ["5", "Conv3D", "Nothing(x: \"image\")", "Conv3D(x: \"image\")", "LSPM(x: \"image\", kernal: 3)", "[1, 2]", "NaN"] {
        let nodes = format!(
            "\"a\": {broken},\n\"b\": Activation(x: \"a\", function: relu),\n\"c\": Concat(x: [\"a.texture\", \"b\"]),\n\"d\": Conv3D(x: \"c\", out: \"z\")"
        );
        let all = told(&graph(&nodes, "d"));
        assert_eq!(all.len(), 2, "{broken}: {all:?}");
        assert!(all.iter().any(|t| t == "E0105: there is no parameter `z`"), "{all:?}");
    }
}

#[test]
fn what_cannot_be_read_of_names_makes_no_errors_of_those_who_use_them() {
    for (from, to) in [
        ("inputs: { \"image\"", "input: { \"image\""),
        ("    params: { \"width\"", "    parms: { \"width\""),
        ("    outputs: { \"logits\": \"head\", \"side\": \"side\" }", "    outputs: [\"head\"]"),
        ("\"Pair\": (", "\"Pair\": Pair("),
        ("inputs: [\"x\", \"skip?\"]", "input: [\"x\", \"skip?\"]"),
        ("output: \"act\"", "ouput: \"act\""),
        ("\"image\": (channels: 2, size", "\"image\": (size"),
        ("size: (16, 16, 16)", "size: (16, 16, 16, 16)"),
        ("\"out\": Required", "\"out\": Requird"),
        ("\"width\": 8", "\"width\": 0x"),
        ("\"deep\": true", "\"deep\": truee"),
    ] {
        assert_eq!(SOUND.matches(from).count(), 1, "{from}");
        let all = found(&SOUND.replace(from, to));
        assert_eq!(all.0.len(), 1, "{to}:\n{}", shown(&all));
    }
}

#[test]
fn what_is_not_there_is_named_with_where() {
    let nodes = |by: &str| {
        format!(
            "\"pre\": LSPM(x: \"image\"),\n\"l\": LSPM({by}x: \"pre.features\"),\n\"t\": TextureRouting(x: \"l.features\", texture: \"l.texture\"),\n\"h\": SegHead(x: \"l.features\", classes: 2),\n\"s\": Concat(x: [\"t\", \"h\"])"
        )
    };
    let dropped = graph(&nodes(""), "s").replace("outputs:", "drop: [\"l\"],\noutputs:");
    let all = told(&dropped);
    let expected = [
        "E0204: nothing is connected to the input `x` of `t`: `l` was dropped at test.ron:7",
        "E0204: nothing is connected to the input `x` of `h`: `l` was dropped at test.ron:7",
    ];
    assert_eq!(all, expected);
    let off = found(&graph(&nodes("when: \"1 > 2\", "), "s"));
    assert_eq!(off.0.len(), 2, "{}", shown(&off));
    for d in &off.0 {
        assert!(d.message.ends_with("`l` is switched off by `when: \"1 > 2\"` at test.ron:3"), "{}", d.message);
        assert!(d.labels.iter().any(|l| !l.primary && line_of(l).contains("when")), "{d:?}");
    }
    let output = told(&graph("\"a\": Conv3D(when: false, x: \"image\", out: 2)", "a"));
    assert_eq!(output, ["E0204: the output `y` takes `a`, which is switched off by `when: false` at test.ron:2"]);
    // Inside of composites: a node that is off, and an optional input that is not connected.
    let blocks = |inside: &str, output: &str| {
        graph("\"a\": B(x: \"image\"),\n\"b\": B(x: \"a\")", "b").replace(
            "nodes: {\n\"a\": B",
            &format!("blocks: {{ \"B\": (inputs: [\"x\", \"z?\"], nodes: {{ {inside} }}, output: \"{output}\") }}, nodes: {{\n\"a\": B"),
        )
    };
    let all = told(&blocks("\"n\": Conv3D(when: false, x: \"x\", out: 4)", "n"));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with("E0204: the output of `B` takes `n`, which is switched off"), "{all:?}");
    let all = told(&blocks("\"n\": Conv3D(x: \"z\", out: 4)", "n"));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].contains("`z` is an optional input that `a` does not connect"), "{all:?}");
}

fn line_of(l: &lmsc::text::Label) -> &str {
    let (line, _) = l.place.source.line_column(l.place.span.start);
    &l.place.source.text[l.place.source.line(line)]
}

#[test]
fn a_loop_says_which_nodes_it_makes() {
    let text = graph("\"seg{i}\": SegHead(for: \"i in 1..=4\", x: \"image\", classes: 2),\n\"s\": Concat(x: [\"seg{1..=5}\"])", "s");
    let all = found(&text);
    assert_eq!(told(&text), ["E0202: there is no node `seg5`"]);
    assert_eq!(all.0[0].help, ["the loop makes `seg1` to `seg4`"]);
    // Each turn says the same: once.
    let text = graph("\"a{i}\": Conv3D(for: \"i in 1..=300\", x: \"image\", out: 2, strid: 2, kernal: 3)", "a300");
    assert_eq!(told(&text).len(), 2, "{:?}", told(&text));
    let text = graph(
        "\"a{i}\": Conv3D(for: \"i of 3\", x: \"imag\", out: \"b\"),\n\"c{k}\": Conv3D(for: \"k in 1..=z\", x: \"a{k}\", strid: 1, out: 3)",
        "c2",
    );
    assert_eq!(told(&text).len(), 5, "{:?}", told(&text));
}

#[test]
fn a_wrong_word_is_told_where_it_was_given() {
    let all = found(&SOUND.replace(r#"Stage(x: "image", out: "width")"#, r#"Stage(x: "image", out: "width", with: "rellu")"#));
    assert_eq!(shown(&all).lines().count(), 1, "{}", shown(&all));
    assert!(line(&all.0[0]).contains("rellu") && all.0[0].help[0].starts_with("did you mean `relu`?"), "{all:?}");
    for given in ["tanh", "\"tanh\"", "\"'tanh'\""] {
        let text = SOUND.replace(r#"Stage(x: "image", out: "width")"#, &format!(r#"Stage(x: "image", out: "width", with: {given})"#));
        assert_eq!(shown(&found(&text)), "", "{given}");
    }
    // A word that the parameter lists and the block does not know: the declaration, or what chose it, is at fault.
    let text = SOUND.replace(r#"OneOf("relu", "tanh")"#, r#"OneOf("rellu", "tanh")"#);
    let all = found(&text);
    assert_eq!(all.0.len(), 1, "{}", shown(&all));
    assert!(line(&all.0[0]).contains("OneOf") && all.0[0].labels.iter().any(|l| line_of(l).contains("Activation")), "{all:?}");
    let text = graph("\"a\": Activation(x: \"image\", function: \"f\")", "a")
        .replace("(inputs", "(params: { \"f\": OneOf(\"relu\", \"swish\") }, inputs");
    let all = compile(&Source::new("test.ron", text), &[Set::parse("f=swish").expect("a change")], None).expect_err("no such function");
    assert_eq!((all.0.len(), all.0[0].labels[0].place.source.name.as_str()), (1, "--set"), "{}", shown(&all));
}

/// A folder with the project's graphs and configs, and files of other kinds.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::copy("graphs/lightmedseg.ron", at("net.ron")).expect("copied");
    for (name, bytes) in [
        ("run.ron", &b"(graph: \"net.ron\", data: Phantom(cases: 4), patch: (32, 32, 32), epochs: 1)"[..]),
        ("blocks.ron", b"(blocks: { \"B\": (inputs: [\"x\"], nodes: { \"a\": Activation(x: \"x\", function: relu) }, output: \"a\") })"),
        ("data.json", b"{\"labels\": {\"background\": 0}, \"nodes\": null}"),
        ("w.pth", b"PK\x03\x04\x00\x00\x08\x08archive/data.pklFB"),
        ("a.nrrd", b"NRRD0005\ntype: short\ndimension: 3\n\n\x00\x01\x02"),
        ("c.mha", b"ObjectType = Image\nNDims = 3\nElementDataFile = LOCAL\n\x00\x01"),
        ("d.mhd", b"ObjectType = Image\nNDims = 3\nElementDataFile = d.raw\n"),
    ] {
        std::fs::write(at(name), bytes).expect("written");
    }
    std::fs::write(at("m.safetensors"), [&2u64.to_le_bytes()[..], b"{}"].concat()).expect("written");
    std::fs::write(at("v.nii"), [&348i32.to_le_bytes()[..], &[0; 400]].concat()).expect("written");
    std::fs::create_dir_all(at("set/imagesTr")).and_then(|()| std::fs::create_dir_all(at("runs/a"))).expect("made");
    std::fs::copy(at("run.ron"), at("runs/a/config.ron")).expect("copied");
    folder
}

fn lmsc(folder: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("lmsc").expect("the program");
    let out = command.current_dir(folder).args(args).args(["--error-format", "json"]).output().expect("it runs");
    (out.status.code().expect("an exit code"), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn where_a_graph_is_expected_one_sentence_says_what_the_file_is() {
    let folder = folder();
    for (file, says, remedy) in [
        ("run.ron", "`run.ron` is a run config, not a graph", "lmsc check net.ron"),
        ("blocks.ron", "`blocks.ron` is a file of blocks", "import"),
        ("data.json", "`data.json` is a JSON text", "RON"),
        ("m.safetensors", "it is a model or other weights", "lmsc predict"),
        ("v.nii", "it is a volume (NIfTI)", "lmsc view"),
        ("w.pth", "it is PyTorch weights", "safetensors"),
        ("a.nrrd", "it is a NRRD file", "NIfTI"),
        ("c.mha", "it is a MetaImage header", "NIfTI"),
        ("d.mhd", "it is a MetaImage header", "NIfTI"),
        ("set", "it is a folder: a data set", "lmsc data check set"),
        ("runs/a", "it is a folder: that of a run", "runs/a/graph.ron"),
        ("runs", "it is a folder", "name a file in it"),
    ] {
        for verb in [&["check"][..], &["stats"], &["graph"], &["diff", "net.ron"]] {
            // Blocks are checked alone.
            if verb == ["check"] && file == "blocks.ron" {
                assert_eq!(lmsc(folder.path(), &["check", file]), (0, String::new()));
                continue;
            }
            let (code, err) = lmsc(folder.path(), &[verb, &[file]].concat());
            // Of a folder `stats` takes all graphs.
            if verb == ["stats"] && file == "runs" {
                assert!(code == 1 && err.contains("there is no graph in the folder `runs`"), "{err}");
                continue;
            }
            assert_eq!((code, err.lines().count()), (1, 1), "{verb:?} {file}: {err}");
            assert!(err.contains(says) && err.contains(remedy), "{verb:?} {file}: {err}");
        }
    }
    for (import, says) in [("run.ron", "`run.ron` is a run config"), ("w.pth", "it is PyTorch weights")] {
        let text = format!(
            "(import: [\"{import}\"], inputs: {{\"image\": (channels: 1)}}, nodes: {{\"a\": EncoderStag(x: \"image\")}}, outputs: {{\"y\": \"a\"}})"
        );
        std::fs::write(folder.path().join("importing.ron"), text).expect("written");
        let (code, err) = lmsc(folder.path(), &["check", "importing.ron"]);
        assert_eq!((code, err.lines().count()), (1, 1), "{import}: {err}");
        assert!(err.contains(says) && err.contains("importing.ron"), "{import}: {err}");
    }
}

#[cfg(feature = "train")]
#[test]
fn where_something_else_is_expected_too() {
    let folder = folder();
    for (args, says, remedy) in [
        (&["train", "net.ron"][..], "`net.ron` is a graph, not a run config", "lmsc check net.ron"),
        (&["data", "check", "net.ron"], "`net.ron` is a graph, not a run config", "lmsc check net.ron"),
        (&["data", "plan", "net.ron", "--graph", "net.ron"], "`net.ron` is a graph, not a run config", "lmsc check net.ron"),
        (&["train", "data.json"], "`data.json` is a JSON text, not a run config", "lmsc data check"),
        (&["train", "m.safetensors"], "it is a model or other weights", "lmsc predict"),
        (&["train", "runs/a"], "it is a folder: that of a run", "lmsc train --resume runs/a"),
        (&["predict", "net.ron", "v.nii", "--out", "o"], "it is a graph, not a safetensors file", "lmsc check net.ron"),
        (&["predict", "run.ron", "v.nii", "--out", "o"], "it is a run config, not a safetensors file", "lmsc train run.ron"),
        (&["predict", "w.pth", "v.nii", "--out", "o"], "it is PyTorch weights", "safetensors"),
        (&["predict", "v.nii", "v.nii", "--out", "o"], "it is a volume (NIfTI), not a safetensors file", "lmsc view"),
        (&["predict", "set", "v.nii", "--out", "o"], "`set` is a folder: a data set, not a model", "lmsc data check set"),
        (&["info", "w.pth"], "`w.pth` is PyTorch weights", "safetensors"),
        (&["info", "a.nrrd"], "`a.nrrd` is a NRRD file", "NIfTI"),
        (&["info", "c.mha"], "`c.mha` is a MetaImage header", "NIfTI"),
        (&["info", "d.mhd"], "`d.mhd` is a MetaImage header", "NIfTI"),
        (&["info", "run.ron"], "`run.ron` is a run config", "lmsc check net.ron"),
        (&["info", "set"], "`set` is a folder: a data set", "lmsc data check set"),
    ] {
        let (code, err) = lmsc(folder.path(), args);
        assert_eq!((code, err.lines().count()), (1, 1), "{args:?}: {err}");
        assert!(err.contains(says) && err.contains(remedy), "{args:?}: {err}");
    }
}

#[test]
fn what_is_given_on_the_command_line_is_told_as_it_is_written_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let graph = |channels: &str| {
        format!(
            r#"(
    params: {{ "bands": 4, "half": 2, "out": 8, "wide": [4, 8], "deep": true, "mode": OneOf(add, cat) }},
    inputs: {{ "scan": (channels: {channels}, size: (16, 16, 16)) }},
    nodes: {{ "a": Conv(x: "scan", out: "out + wide[0] + half + bands"), "b": Conv(when: "deep && mode != 'cat'", x: "a", out: 8), "c": SegHead(x: "b | a", classes: 2) }},
    outputs: {{ "y": "c" }},
)"#
        )
    };
    let told = |channels: &str, args: &[&str]| {
        std::fs::write(folder.path().join("net.ron"), graph(channels)).expect("written");
        let (code, all) = lmsc(folder.path(), &[&["check", "net.ron"], args].concat());
        assert_eq!(
            (code != 0, all.lines().filter(|l| l.contains("\"error\"")).count()),
            (!all.is_empty(), usize::from(code != 0)),
            "{all}"
        );
        all.replace("\\\"", "\"")
    };
    for (channels, args, parts) in [
        ("\"bands\"", ["--input", "2x16x16x16"], &["`--set bands=2`"][..]),
        ("\"2 * half\"", ["--input", "2x16x16x16"], &["they are `2 * half` in the graph: set `half`"]),
        ("4", ["--input", "2x16x16x16"], &["channels of `scan` as a number"]),
        ("4", ["--set", "out=8,16"], &["takes one value here, but 2 are given", "`out=[8,16]`", "`lmsc stats`"]),
        ("4", ["--set", "wide=8,16"], &["`wide=[8,16]`"]),
        ("4", ["--set", "a.kernel=1,3"], &["`a.kernel=[1,3]`"]),
        ("4", ["--set", "mode=cats"], &["did you mean `cat`?"]),
        ("4", ["--set", "deep=False"], &["write `deep=false`"]),
        ("4", ["--set", "deep=yes"], &["write `deep=true`"]),
    ] {
        let all = told(channels, &args);
        assert!(parts.iter().all(|p| all.contains(p)), "{args:?}: {all}");
    }
    for set in ["wide=[8,16]", "wide=(8, 16)", "a.kernel=(1, 3, 3)", "a.activation=leaky_relu(slope: 0.1)"] {
        assert_eq!(told("4", &["--set", set]), "", "{set}");
    }
}

#[test]
fn of_a_variant_every_change_that_is_wrong_is_told() {
    let folder = folder();
    let text = r#"(
        extends: "net.ron",
        set: { "widht": 4, "enc1.nothing": 1, "nobody.out": 2, "EncoderStage.sse.least": 2, "enc2.out": "wdith", "anchors": true },
        replace: { "GhostConv": Conv3D(bias: false), "SegHead": 5 },
        drop: ["nobody"],
        import: 5,
    )"#;
    std::fs::write(folder.path().join("variant.ron"), text).expect("written");
    let (code, err) = lmsc(folder.path(), &["check", "variant.ron"]);
    assert_eq!((code, err.lines().count()), (1, 10), "{err}");
}

#[cfg(feature = "train")]
#[test]
fn of_a_run_config_every_mistake_is_told_and_none_takes_a_field_away() {
    use lmsc::train::RunConfig;
    let read = |text: &str, sets: &[&str]| {
        let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).expect("a change")).collect();
        RunConfig::read(&Source::new("run.ron", text), &sets)
    };
    let text = "(graph: \"net.ron\", data: Phantom(cases: 4), patch: (32, 32, 32), epochs: 1, spacing: (1, 1, 1), optimiser: (clip: 1.0))";
    let config = read(text, &["spacing=None", "optimiser.clip=None", "steps=None"]).expect("a config");
    assert_eq!((config.spacing, config.optimiser.clip, config.steps), (None, None, None));
    assert_eq!(read(text, &["spacing=Some((2, 2, 2))"]).expect("a config").spacing, Some([2.0; 3].into()));
    let refused = read(text, &["patch=None"]).expect_err("a patch is needed");
    assert_eq!(refused.0.len(), 1, "{}", shown(&refused));
    let text = "(graph: 5, data: Phantom(case: 4), patch: (32, 32, 32, 32), epoch: 1, optimiser: (kind: adam, lr: \"fast\", clp: 1), loss: (dice: true))";
    let refused = read(text, &["schedule.kind=cosin"]).expect_err("many mistakes");
    assert_eq!(refused.0.len(), 9, "{}", shown(&refused));
}

/// The texts in quotes after `.help(` and `help:` of the compiler's half, and the pages of the codes.
fn helps() -> Vec<(String, String)> {
    fn files(folder: &Path, all: &mut Vec<std::path::PathBuf>) {
        for e in std::fs::read_dir(folder).expect("a folder") {
            let path = e.expect("an entry").path();
            if path.is_dir() { files(&path, all) } else { all.push(path) }
        }
    }
    let mut all = vec![];
    for folder in
        ["crates/graph/src/op", "crates/graph/src/block", "crates/graph/src/compile", "crates/graph/src/read", "crates/text/src/page"]
    {
        files(Path::new(folder), &mut all);
    }
    let mut texts = vec![];
    for path in all {
        let text = std::fs::read_to_string(&path).expect("a text");
        let name = path.display().to_string();
        if name.ends_with(".md") {
            texts.push((name, text));
            continue;
        }
        for part in text.split("help(").skip(1) {
            let end = part.find('\n').unwrap_or(part.len());
            let next = part[end..].find("\n\n").map_or(part.len(), |i| end + i).min(end + 200);
            texts.push((name.clone(), part.get(..next).unwrap_or(&part[..end]).to_owned()));
        }
    }
    texts
}

#[test]
fn help_names_blocks_that_there_are() {
    let known: Vec<&str> = lmsc::block::Spec::LIST.iter().flat_map(|e| [Some(e.name), e.older]).flatten().collect();
    // Names of other things that look like blocks, and those that examples of mistakes and of composites use.
    let others = ["OneOf", "Required", "None", "Some", "Block", "Stage", "EncoderStage", "DecoderStage", "Act", "Twice", "Phantom"];
    let helps = helps();
    assert!(helps.len() > 100);
    for (file, text) in helps {
        for word in text.split('`').skip(1).step_by(2).filter_map(|w| w.split(['(', '.']).next()) {
            let block = word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.chars().all(char::is_alphanumeric)
                && word.contains(|c: char| c.is_ascii_lowercase());
            let code = word.len() == 5 && word[1..].chars().all(|c| c.is_ascii_digit());
            assert!(!block || code || known.contains(&word) || others.contains(&word), "{file}: there is no block `{word}`: {text}");
        }
        for layer in ["batch norm", "instance norm block"] {
            assert!(!text.to_lowercase().contains(layer), "{file}: there is no {layer}: {text}");
        }
    }
}
