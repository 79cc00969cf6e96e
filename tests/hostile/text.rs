//! Files and RON: what cannot be read, what is left open, values of the wrong kind, names, `extends` and `set`.

use std::path::{Path, PathBuf};

use lmsc::compile::compile;
use lmsc::text::{Code, Diagnostics, Source, printable, render};

use super::{compiled, graph, refused, told};

#[test]
fn an_empty_file_and_one_of_comments() {
    for text in ["«", "«   \n\n", "«// nothing\n/* at all */"] {
        assert_eq!(refused(Code::E0102, text).message, "the file is empty");
    }
}

#[test]
fn a_file_that_is_not_utf_8() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("latin.ron");
    std::fs::write(&file, b"(name: \"caf\xe9\")").expect("written");
    let d = Source::read(&file).expect_err("refused");
    assert!(d.code == Code::E0101 && d.message.contains("not UTF-8 (byte 11)"), "{d:?}");
}

#[test]
fn columns_are_right_after_a_byte_order_mark_and_in_windows_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("windows.ron");
    let marked = graph("\"ä\": Conv3D(x: \"image\", out: «1.5),", "ä").replace('\n', "\r\n");
    std::fs::write(&file, format!("\u{feff}{}", marked.replace('«', ""))).expect("written");
    let source = Source::read(&file).expect("a text");
    told(Code::E0104, &marked, compile(&source, &[], None).map(|_| ()));
}

#[test]
fn a_file_over_four_mebibytes_is_refused_and_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    // A terabyte that takes no room on the disk: reading it all would neither end nor fit.
    let sparse = folder.path().join("sparse.ron");
    let made = std::fs::File::create(&sparse).and_then(|f| f.set_len(1 << 40));
    let mut all: Vec<PathBuf> = made.is_ok().then_some(sparse).into_iter().collect();
    all.extend(Some(PathBuf::from("/dev/zero")).filter(|p| p.exists()));
    assert!(!all.is_empty());
    for file in all {
        let d = Source::read(&file).expect_err("refused");
        assert!(d.code == Code::E0101 && d.message.contains("larger than 4 MiB"), "{d:?}");
    }
}

#[test]
fn a_million_brackets_of_each_kind() {
    for open in ["[", "(", "{", "a(", "[[],", "{\"a\":", "(a:", "Some(", "((("] {
        let d = refused(Code::E0102, &open.repeat(1_000_000));
        assert_eq!(d.message, "brackets nest more than 128 deep", "{open}");
    }
}

#[test]
fn what_is_never_closed_is_shown_where_it_is_opened() {
    for (text, what) in [
        ("(name: «\"a", "\""),
        ("(name: «\"a\\\"", "\""),
        ("(name: «r##\"a\"# )", "r##\""),
        ("(name: \"a\", «/* b /* c */ )", "/*"),
        ("«/* b", "/*"),
        ("«(name: \"(\" // )\n", "("),
        ("(nodes: «{\"a\": A(x: [\"(\", r#\"(\"#])", "{"),
        ("(nodes: {}, outputs: «[", "["),
    ] {
        let d = refused(Code::E0102, text);
        assert_eq!(d.message, format!("the file ends before this `{what}` is closed"), "{text}");
    }
}

#[test]
fn what_follows_the_graph() {
    for text in ["() «x", "()«,", "()«)", "() «()", "()\n«\"\""] {
        let d = refused(Code::E0102, text);
        assert!(d.message.contains("trailing"), "{d:?}");
    }
}

#[test]
fn what_stands_twice_is_shown_in_both_places() {
    let conv = "Conv3D(x: \"image\", out: 1)";
    refused(Code::E0103, &graph(&format!("‹\"a\": {conv},\n«\"a\": {conv},"), "a"));
    refused(Code::E0103, &graph("\"a\": Conv3D(x: \"image\", ‹out: 1, «out: 2)", "a"));
    refused(Code::E0103, "(‹name: \"a\", «name: \"b\")");
    refused(Code::E0103, "(params: {‹\"n\": 1, «\"n\": 2})");
    // Escapes do not hide that it is the same name.
    refused(Code::E0103, &graph(&format!("‹\"a\": {conv},\n«\"\\u{{61}}\": {conv},"), "a"));
}

#[test]
fn unknown_names_come_with_the_nearest() {
    let near = |code, text: &str, meant: &str| {
        let d = refused(code, text);
        assert!(d.help.iter().any(|h| h.contains(&format!("did you mean `{meant}`?"))), "{d:?}");
    };
    near(Code::E0201, &graph("\"a\": «Conv3d(x: \"image\", out: 1)", "a"), "Conv");
    near(Code::E0202, &graph("\"a\": Conv3D(x: «\"imag\", out: 1)", "a"), "image");
    near(Code::E0107, &graph("\"a\": Conv3D(x: \"image\", out: 1, «strid: 2)", "a"), "stride");
    near(Code::E0107, "(«node: {}, inputs: {}, nodes: {}, outputs: {})", "nodes");
    near(Code::E0105, &graph("\"a\": Conv3D(x: \"image\", out: «\"widht\")", "a").replacen('(', "(params: {\"width\": 4},", 1), "width");
    near(Code::E0104, &graph("\"a\": Activation(x: \"image\", function: «rellu)", "a"), "relu");
}

#[test]
fn missing_fields_are_named() {
    assert!(refused(Code::E0106, &graph("\"a\": «Conv3D(x: \"image\")", "a")).message.contains("`out`"));
    assert!(refused(Code::E0106, "«(inputs: {}, outputs: {})").message.contains("`nodes`"));
    assert!(refused(Code::E0106, "(inputs: {\"image\": «()}, nodes: {}, outputs: {})").message.contains("`image`"));
}

#[test]
fn sizes_that_are_no_sizes() {
    for (value, code) in [
        ("1.5", Code::E0104),
        ("-1", Code::E0104),
        ("0", Code::E0401),
        ("18446744073709551616", Code::E0104),
        ("99999999999999999999999999999999999999999999", Code::E0104),
        ("16u8", Code::E0104),
        ("1.0f32", Code::E0104),
        ("NaN", Code::E0104),
        ("inf", Code::E0104),
        ("-inf", Code::E0104),
        ("1e400", Code::E0104),
        ("true", Code::E0104),
        ("'a'", Code::E0104),
        ("b\"a\"", Code::E0104),
        ("()", Code::E0104),
        ("None", Code::E0104),
        ("Some(8)", Code::E0104),
        ("\"\"", Code::E0105),
        ("\"0 - 1\"", Code::E0104),
        ("\"1.5\"", Code::E0104),
        ("\"true\"", Code::E0104),
        ("\"1 / 0\"", Code::E0105),
        ("\"2 ^ 63\"", Code::E0105),
        ("\"18446744073709551615\"", Code::E0105),
        ("\"1e9\"", Code::E0105),
    ] {
        refused(code, &graph(&format!("\"a\": Conv3D(x: \"image\", out: «{value})"), "a"));
        if value != "0" {
            let size = graph("\"a\": Conv3D(x: \"image\", out: 1)", "a").replace("size: (8,", &format!("size: («{value},"));
            refused(code, &size);
        }
    }
    // 2^64 - 1 is a size like others; what it counts is too much.
    assert!(refused(Code::E0501, &graph("«\"a\": Conv3D(x: \"image\", out: 18446744073709551615)", "a")).message.contains("64 bits"));
}

#[test]
fn tuples_and_lists() {
    refused(Code::E0104, &graph("\"a\": Conv3D(x: «(\"image\", \"image\"), out: 1)", "a"));
    refused(Code::E0104, &graph("\"a\": Conv3D(x: \"image\", out: «[1])", "a"));
    refused(Code::E0104, &graph("\"a\": Conv3D(x: \"image\", out: 1, kernel: «(3, 3))", "a"));
    refused(Code::E0104, "(inputs: «[], nodes: {}, outputs: {})");
    refused(Code::E0104, "«[]");
    // Three numbers are a size in either bracket.
    let with = |kernel: &str| {
        compiled(&graph(&format!("\"a\": Conv3D(x: \"image\", out: 1, kernel: {kernel})"), "a")).expect("it compiles").hash()
    };
    assert_eq!(with("(3, 3, 3)"), with("[3, 3, 3]"));
}

#[test]
fn names_that_are_no_names() {
    let long = "a".repeat(1_000_000);
    for name in [
        "",
        " ",
        "a.b",
        "a b",
        "1a",
        "a-b",
        "a|b",
        "a}",
        "\\u{0}",
        "a\\n",
        "a\u{202e}b",
        "a\u{200b}",
        "a\\u{1b}[31m",
        "a\u{1b}[31m",
        "\u{feff}a",
        &long,
    ] {
        for (what, text) in [
            ("node", graph(&format!("«\"{name}\": Conv3D(x: \"image\", out: 1)"), name)),
            ("parameter", format!("(params: {{«\"{name}\": 1}}, inputs: {{}}, nodes: {{}}, outputs: {{}})")),
            ("block", format!("(inputs: {{}}, blocks: {{«\"{name}\": (nodes: {{}}, outputs: {{}})}}, nodes: {{}}, outputs: {{}})")),
            ("input", format!("(inputs: {{«\"{name}\": (channels: 1)}}, nodes: {{}}, outputs: {{}})")),
            ("output", format!("(inputs: {{}}, nodes: {{}}, outputs: {{«\"{name}\": \"x\"}})")),
        ] {
            let d = refused(Code::E0109, &text);
            assert!(d.message.chars().count() < 300, "{what}");
            assert!(!d.message.contains(['\u{202e}', '\u{200b}', '\u{1b}', '\n', '\0', '\u{feff}']), "{what}: {d:?}");
        }
    }
    // Letters of any script are letters.
    assert!(compiled(&graph("\"größe_名\": Conv3D(x: \"image\", out: 1)", "größe_名")).is_ok());
    let d = refused(Code::E0103, &graph("«\"image\": Conv3D(x: \"image\", out: 1)", "image"));
    assert!(d.message.contains("the name of an input"), "{d:?}");
}

#[test]
fn hidden_characters_are_escaped_wherever_a_name_is_repeated() {
    for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}', '\u{7}', '\u{9b}', '\u{feff}', '\u{ad}'] {
        for text in [
            graph(&format!("\"a\": Bl{c}ock(x: \"image\")"), "a"),
            graph(&format!("\"a\": Conv3D(x: \"im{c}age\", out: 1)"), "a"),
            graph(&format!("\"a\": Conv3D(x: \"image.p{c}\", out: 1)"), "a"),
            graph(&format!("\"a\": Conv3D(x: \"image\", out: \"w{c}\")"), "a"),
            graph(&format!("\"a\": Activation(x: \"image\", function: \"re{c}lu\")"), "a"),
            graph("\"a\": Conv3D(x: \"image\", out: 1)", &format!("a{c}")),
            format!("(extends: \"{c}.ron\")"),
            format!("(lints: {{\"W{c}\": allow}}, inputs: {{}}, nodes: {{}}, outputs: {{}})"),
        ] {
            let found = compiled(&text).expect_err("refused");
            for d in &found.0 {
                let shown = [render::concise(d), render::full(d, false, 100)].concat();
                assert!(!shown.contains(c), "{}", shown.escape_debug());
            }
        }
    }
    assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
}

/// Files by name in a folder of their own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text.replace('«', "")).expect("written");
    }
    folder
}

fn read(file: &Path) -> Result<(), Diagnostics> {
    compile(&Source::read(file)?, &[], None).map(|_| ())
}

#[test]
fn bases_that_cannot_be() {
    let whole = graph("\"a\": Conv3D(x: \"image\", out: 1)", "a");
    let files = [
        ("itself.ron", "(extends: «\"itself.ron\")"),
        ("a.ron", "(extends: \"b.ron\")"),
        ("b.ron", "(extends: \"c.ron\")"),
        ("c.ron", "(extends: «\"a.ron\")"),
        ("dotted.ron", "(extends: «\"./x/.././dotted.ron\")"),
        ("x/good.ron", whole.as_str()),
        ("x/up.ron", "(extends: \"../y/good.ron\")"),
        ("y/good.ron", whole.as_str()),
        ("missing.ron", "(extends: «\"nothing.ron\")"),
        ("absolute.ron", "(extends: «\"/etc/passwd\")"),
        ("above.ron", "(extends: «\"../../../../../../../../nothing.ron\")"),
        ("folder.ron", "(extends: «\"x\")"),
        ("empty.ron", "(extends: «\"\")"),
        ("number.ron", "(extends: «5)"),
        ("nul.ron", "(extends: «\"a\\u{0}b\")"),
    ];
    let folder = folder(&files);
    let marked = |name: &str| files.iter().find(|(n, _)| *n == name).map_or("", |(_, t)| *t);
    for (file, in_file, code, words) in [
        ("itself.ron", "itself.ron", Code::E0108, "in a ring: itself.ron -> itself.ron"),
        ("a.ron", "c.ron", Code::E0108, "in a ring: a.ron -> b.ron -> c.ron -> a.ron"),
        ("dotted.ron", "dotted.ron", Code::E0108, "in a ring"),
        ("missing.ron", "missing.ron", Code::E0108, "no such file"),
        ("absolute.ron", "absolute.ron", Code::E0108, "`/etc/passwd` is an absolute path"),
        ("above.ron", "above.ron", Code::E0108, "no such file"),
        ("folder.ron", "folder.ron", Code::E0108, "it is a folder"),
        ("empty.ron", "empty.ron", Code::E0108, "it is a folder"),
        ("number.ron", "number.ron", Code::E0104, "a file's name is expected"),
        ("nul.ron", "nul.ron", Code::E0108, "cannot read"),
    ] {
        let d = told(code, marked(in_file), read(&folder.path().join(file)));
        assert!(d.message.contains(words), "{file}: {}", d.message);
    }
    assert!(read(&folder.path().join("x/up.ron")).is_ok(), "a path may lead upwards");
}

#[cfg(unix)]
#[test]
fn links_that_lead_to_themselves() {
    let folder = folder(&[("graph.ron", "(extends: «\"loop.ron\")"), ("self.ron", "(extends: «\"alias.ron\")")]);
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, folder.path().join(from)).expect("a link");
    link("loop.ron", "pool.ron");
    link("pool.ron", "loop.ron");
    link("alias.ron", "self.ron");
    told(Code::E0108, "(extends: «\"loop.ron\")", read(&folder.path().join("graph.ron")));
    let d = told(Code::E0108, "(extends: «\"alias.ron\")", read(&folder.path().join("self.ron")));
    assert!(d.message.contains("in a ring"), "{}", d.message);
}

#[test]
fn a_path_to_set_that_is_not_there() {
    let base = r#"(params: {"width": 4}, inputs: {"image": (channels: 1)}, blocks: {"Stage": (params: {"out": 1}, inputs: ["x"], nodes: {"c": Conv3D(x: "x", out: "out")}, output: "c")}, nodes: {"stem": Conv3D(x: "image", out: "width"), "s": Stage(x: "stem")}, outputs: {"y": "s"})"#;
    for path in ["widht", "stm.out", "Stage.ot", "Stage.d.out", "Stge.c.out", "a.b.c.d", "", "."] {
        let marked = format!("(extends: \"base.ron\", set: {{«\"{path}\": 8}})");
        let folder = folder(&[("base.ron", base), ("variant.ron", &marked)]);
        told(Code::E0207, &marked, read(&folder.path().join("variant.ron")));
    }
    let marked = "(extends: \"base.ron\", set: {\"stem.out\": 8, «\"stem.ot\": 8})";
    let folder = folder(&[("base.ron", base), ("variant.ron", marked)]);
    told(Code::E0107, marked, read(&folder.path().join("variant.ron")));
}
