//! Messages as they are written: on narrow terminals, with wide and hidden characters, one a line, as JSON, in colour or without.

use assert_cmd::Command;
use lmsc::compile::compile;
use lmsc::text::{Code, Diagnostic, Place, Source, Span, columns, render};

/// The first thing that is wrong with a graph.
fn wrong(name: &str, text: &str) -> Diagnostic {
    let found = compile(&Source::new(name, text), &[], None).expect_err("a broken graph is refused");
    found.0.into_iter().next().expect("an error")
}

fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/errors");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

const SIZES: &str = r#"(
    inputs: { "image": (channels: 4, size: (32, 32, 32)) },
    nodes: {
        "stem": GhostConv3D(x: "image", out: 8),
        "deep": GhostConv3D(x: "stem", out: 8, stride: 2),
        "both": Concat(x: ["stem", "deep"]),
        "head": SegHead(x: "both", classes: 4),
    },
    outputs: { "logits": "head" },
)
"#;

/// A graph whose node `head` names a node that is not there; `before` stands before the node in its line.
fn unknown_node(before: &str) -> String {
    format!(
        "(inputs: {{\"image\": (channels: 4)}}, nodes: {{\n{before}\"head\": SegHead(x: \"stem\", classes: 4)}}, outputs: {{\"y\": \"head\"}})"
    )
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [20, 40, 80] {
        let text = render::full(&wrong("sizes.ron", SIZES), false, width);
        for line in text.lines() {
            assert!(columns(line) <= width, "{width}: {line}");
        }
        snapshots().bind(|| insta::assert_snapshot!(format!("width-{width}"), text));
    }
}

#[test]
fn marks_stand_under_what_they_mean_after_tabs_and_wide_characters() {
    for (name, before) in [("tabs", "\t\t"), ("wide", "/* 脳腫瘍 🧠 */ "), ("combining", "/* cafe\u{301} */ ")] {
        let d = wrong("marks.ron", &unknown_node(before));
        let text = render::full(&d, false, 80);
        let lines: Vec<&str> = text.lines().collect();
        let line = lines.iter().position(|l| l.contains("\"head\"")).expect("the line");
        let column = |line: &str, what: &str| columns(line.split(what).next().unwrap_or_default());
        assert_eq!(column(lines[line], "\"stem\""), column(lines[line + 1], "^"), "{text}");
        // Columns count characters, a tab and a wide one as one.
        let place = 2 + before.chars().count() + "\"head\": SegHead(x: ".chars().count() - 1;
        assert!(render::concise(&d).starts_with(&format!("marks.ron:2:{place}: error[E0202]: ")), "{}", render::concise(&d));
        snapshots().bind(|| insta::assert_snapshot!(name, text));
    }
}

#[test]
fn windows_lines_and_a_byte_order_mark_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("windows.ron");
    std::fs::write(&file, format!("\u{feff}{}", SIZES.replace('\n', "\r\n"))).expect("written");
    let read = Source::read(&file).expect("read");
    let windows = wrong("sizes.ron", &read.text);
    let plain = wrong("sizes.ron", SIZES);
    assert_eq!(render::full(&windows, false, 80), render::full(&plain, false, 80));
    assert_eq!(render::json(&windows), render::json(&plain));
}

#[test]
fn of_a_very_long_line_a_window_is_shown() {
    let long = format!("/* {} */ ", "x".repeat(1 << 20));
    for (name, text) in
        [("long-before", unknown_node(&long)), ("long-after", unknown_node("").replace(")}, out", &format!(") {long} }}, out")))]
    {
        let text = render::full(&wrong("long.ron", &text), false, 80);
        assert!(text.len() < 1000 && text.lines().all(|l| columns(l) <= 80), "{}", &text[..1000.min(text.len())]);
        snapshots().bind(|| insta::assert_snapshot!(name, text));
    }
    // A name of a million characters is marked as far as it is seen.
    let text = unknown_node("").replace("\"stem\"", &format!("\"{}\"", "s".repeat(1 << 20)));
    let text = render::full(&wrong("long.ron", &text), false, 80);
    assert!(text.len() < 1000 && text.lines().all(|l| columns(l) <= 80), "{}", &text[..1000.min(text.len())]);
    snapshots().bind(|| insta::assert_snapshot!("long-name", text));
}

#[test]
fn hidden_characters_are_written_as_escapes() {
    let text = unknown_node("/* \u{1b}[31m \u{202e} \u{200b} \u{7} */ ").replace("\"stem\"", "\"st\u{202e}em\u{1b}[0m\"");
    let d = wrong("hid\u{1b}den.ron", &text);
    let (full, concise, json) = (render::full(&d, false, 100), render::concise(&d), render::json(&d));
    for text in [&full, &concise] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}' && c != '\u{200b}'), "{text:?}");
    }
    assert!(!json.chars().any(char::is_control), "{json:?}");
    snapshots().bind(|| insta::assert_snapshot!("hidden", full + "\n\n" + &concise));
}

#[test]
fn a_place_behind_the_end_and_a_span_of_several_lines() {
    let source = Source::new("end.ron", "(\n    name: \"a\",\n");
    let at = |start, end| Diagnostic::error(Code::E0102, "what is wrong").at(Place::new(&source, Span::new(start, end)), "here it is");
    let end = source.text.len();
    let text: Vec<String> = [at(end, end), at(0, end), at(usize::MAX, 0)].iter().map(|d| render::full(d, false, 80)).collect();
    snapshots().bind(|| insta::assert_snapshot!("places", text.join("\n\n")));
}

#[test]
fn without_a_place_there_is_no_gutter() {
    let d = Diagnostic::error(Code::E0101, "cannot read `a.ron`: no such file").help("check the path");
    assert_eq!(render::full(&d, false, 80), "error[E0101]: cannot read `a.ron`: no such file\n  = help: check the path");
    assert_eq!(render::concise(&d), "error[E0101]: cannot read `a.ron`: no such file");
}

fn lmsc(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("lmsc").expect("the program");
    command.args(args).env("COLUMNS", "100").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(env.iter().copied());
    let out = command.output().expect("it runs");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().expect("an exit code"), text(&out.stdout), text(&out.stderr))
}

const BROKEN: &str = "tests/reject/several-at-once.ron";

#[test]
fn in_full_the_run_ends_with_a_count_and_where_more_is_said() {
    let (code, _, err) = lmsc(&["check", BROKEN], &[]);
    assert_eq!(code, 1);
    assert!(err.ends_with("\n\n4 errors; `lmsc explain E0105` says more, and likewise of E0107, E0201 and E0202\n"), "{err}");
    let (code, _, err) = lmsc(&["check", "tests/reject/w0101-unused-parameter.ron"], &[]);
    assert_eq!(code, 0, "a warning is no failure");
    assert!(err.ends_with("\n\n1 warning; `lmsc explain W0101` says more\n"), "{err}");
}

#[test]
fn concise_is_one_message_a_line_and_nothing_else() {
    for args in [["check", BROKEN, "--error-format", "concise"], ["--error-format", "concise", "check", BROKEN]] {
        let (code, out, err) = lmsc(&args, &[("CLICOLOR_FORCE", "1")]);
        assert_eq!((code, out.as_str()), (1, ""));
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], format!("{BROKEN}:5:17: error[E0201]: there is no block `GhostConv`"));
    }
}

#[test]
fn json_is_one_object_a_line() {
    let (code, _, err) = lmsc(&["check", "--error-format=json", BROKEN, "tests/reject/e0203-unknown-port.ron"], &[]);
    assert_eq!(code, 1);
    let all: Vec<serde_json::Value> = err.lines().map(|l| serde_json::from_str(l).expect("an object")).collect();
    assert_eq!(all.len(), 5);
    let port = serde_json::json!({
        "code": "E0203",
        "severity": "error",
        "message": "`lspm` has no output `textur`",
        "labels": [
            {"file": "tests/reject/e0203-unknown-port.ron", "line": 7, "column": 28, "end_line": 7, "end_column": 41, "text": "named here", "primary": true},
            {"file": "tests/reject/e0203-unknown-port.ron", "line": 6, "column": 9, "end_line": 6, "end_column": 15, "text": "this node", "primary": false},
        ],
        "help": ["did you mean `texture`?"],
    });
    assert_eq!(all[4], port);
    assert_eq!(lmsc(&["check", "nowhere.ron", "--error-format", "json"], &[]).2.lines().count(), 1);
}

#[test]
fn colour_is_asked_for_by_option_then_by_environment() {
    let coloured = |args: &[&str], env: &[(&str, &str)]| lmsc(args, env).2.contains("\x1b[");
    let args = ["check", BROKEN];
    // Standard error is no terminal here.
    assert!(!coloured(&args, &[]));
    assert!(coloured(&args, &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&args, &[("CLICOLOR_FORCE", "0")]));
    assert!(!coloured(&args, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(coloured(&args, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")]), "an empty NO_COLOR says nothing");
    assert!(coloured(&["check", BROKEN, "--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["check", BROKEN, "--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert_eq!(lmsc(&["check", BROKEN, "--color", "sometimes"], &[]).0, 2);
}

#[test]
fn colours_change_no_character() {
    let d = wrong("sizes.ron", SIZES);
    let coloured = render::full(&d, true, 60);
    let mut parts = coloured.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let plain = parts.fold(first, |all, part| all + part.split_once('m').expect("a style ends").1);
    let trimmed = |t: &str| t.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&plain), trimmed(&render::full(&d, false, 60)));
}

#[test]
fn a_hundred_are_shown_in_full_and_the_rest_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("many.ron");
    let nodes: String = (0..60).map(|i| format!("\"n{i}\": Nothing(x: \"image\"),\n")).collect();
    std::fs::write(&file, format!("(inputs: {{\"image\": (channels: 4)}}, nodes: {{ {nodes} }}, outputs: {{\"y\": \"n0\"}})"))
        .expect("written");
    let name = file.to_str().expect("a path");
    let (code, _, err) = lmsc(&["check", name, name], &[]);
    assert_eq!((code, err.matches("error[E0201]").count()), (1, 100));
    assert!(err.contains("... and 20 more\n\n120 errors; "), "{}", &err[err.len() - 200..]);
    assert_eq!(lmsc(&["check", name, name, "--error-format", "concise"], &[]).2.lines().count(), 120);
}
