//! Every broken graph in `tests/reject` is refused with the error that its name says, in the words of its snapshot.

use std::path::Path;

use lmsc::compile::{compile, verify};
use lmsc::text::{Code, Diagnostics, Severity, Source, render};

fn refused(file: &str, text: String) -> Diagnostics {
    compile(&Source::new(file, text), &[], None).expect_err("a broken graph is refused")
}

/// Every file of `tests/reject`: its name and what is said of it, as `lmsc check` does.
fn files() -> Vec<(String, Diagnostics)> {
    let mut files: Vec<_> = std::fs::read_dir("tests/reject").expect("tests/reject").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    let said = |file: &Path| {
        let source = Source::read(file)?;
        let program = compile(&source, &[], None)?;
        verify(&source, &program)?;
        Ok(program.warnings)
    };
    let name = |file: &Path| file.file_stem().and_then(|n| n.to_str()).expect("a name").to_owned();
    files.iter().map(|f| (name(f), said(f).unwrap_or_else(|found: Diagnostics| found))).collect()
}

#[test]
fn each_file_with_its_own_words() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/reject");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, found) in files() {
        let first = found.0.first().unwrap_or_else(|| panic!("{name} is accepted")).code.name().to_lowercase();
        assert!(name.starts_with(&first) || name.starts_with("several"), "{name} is refused with {first}");
        let text: Vec<String> = found.0.iter().map(|d| render::full(d, false, 120) + "\n\n" + &render::concise(d)).collect();
        settings.bind(|| insta::assert_snapshot!(name.clone(), text.join("\n\n")));
    }
}

#[test]
fn each_code_of_a_graph_has_a_file() {
    let files = files();
    // What cannot be read as text has a test of its own below; E06 and later are no faults of graphs.
    for code in Code::ALL.iter().filter(|c| **c != Code::E0101 && !(Code::E0601..Code::W0101).contains(*c)) {
        let name = code.name().to_lowercase();
        assert!(files.iter().any(|(n, found)| n.starts_with(&name) && found.0[0].code == *code), "{name} has no file");
    }
}

#[test]
fn each_message_says_what_to_change_in_lower_case() {
    for (name, found) in files() {
        for d in found.0 {
            assert!(!d.help.is_empty(), "{name}: `{}` has no help", d.message);
            let texts = std::iter::once(&d.message).chain(&d.help).chain(d.labels.iter().map(|l| &l.text));
            for text in texts.filter(|t| !t.starts_with("D, H and W")) {
                assert!(!text.starts_with(char::is_uppercase) && !text.ends_with('.') && !text.is_empty(), "{name}: {text}");
            }
            assert!(d.labels.iter().any(|l| l.primary), "{name}: `{}` has no place", d.message);
        }
    }
}

#[test]
fn a_lint_can_be_allowed_and_denied() {
    let text = std::fs::read_to_string("tests/reject/w0204-gate-of-one.ron").expect("the graph");
    let with = |level: &str| text.replace("    outputs:", &format!("    lints: {{ \"W0204\": {level} }},\n    outputs:"));
    let compiled = |text: String| compile(&Source::new("gate.ron", text), &[], None);
    let warned = compiled(with("warn")).expect("a warning is no failure").warnings;
    assert_eq!(warned.0.iter().map(|d| (d.code, d.severity)).collect::<Vec<_>>(), [(Code::W0204, Severity::Warning)]);
    assert_eq!(compiled(text.clone()).expect("it compiles").warnings.0.len(), 1, "a lint warns by default");
    assert!(compiled(with("allow")).expect("it compiles").warnings.0.is_empty());
    assert_eq!(compiled(with("deny")).expect_err("denied").0[0].severity, Severity::Error);
}

#[test]
fn a_million_brackets() {
    let found = refused("deep.ron", "[".repeat(1_000_000));
    assert!(found.0[0].message.contains("128 deep"), "{found:?}");
}

#[test]
fn a_byte_order_mark_and_windows_lines() {
    let text = std::fs::read_to_string("graphs/lightmedseg.ron").expect("the graph");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("windows.ron");
    std::fs::write(&file, format!("\u{feff}{}", text.replace('\n', "\r\n"))).expect("written");
    let p = compile(&Source::read(&file).expect("read"), &[], None).expect("it compiles");
    assert_eq!(p.name, "lightmedseg");

    std::fs::write(&file, format!("\u{feff}{}", text.replace('\n', "\r\n").replace("LSPM(x", "LSPMM(x"))).expect("written");
    let found = compile(&Source::read(&file).expect("read"), &[], None).expect_err("an unknown block");
    let l = &found.0[0].labels[0].place;
    let line = text.lines().position(|l| l.contains("LSPM(x")).expect("the node") + 1;
    assert_eq!(l.source.line_column(l.span.start), (line, 17));
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let refuse = |p: &Path| Source::read(p).expect_err("refused").message;
    assert!(refuse(&folder.path().join("nothing.ron")).contains("no such file"));
    assert!(refuse(folder.path()).contains("it is a folder"));
    let latin = folder.path().join("latin.ron");
    std::fs::write(&latin, b"(name: \"caf\xe9\")").expect("written");
    assert!(refuse(&latin).contains("not UTF-8 (byte 11)"));
    let huge = folder.path().join("huge.ron");
    std::fs::File::create(&huge).and_then(|f| f.set_len(5 << 20)).expect("written");
    assert!(refuse(&huge).contains("larger than 4 MiB"));
}

#[test]
fn hostile_names_are_escaped() {
    let text = "(inputs: {\"image\": (channels: 1)}, nodes: {\"a\": Bl\u{202e}ock(x: \"image\")}, outputs: {\"y\": \"a\"})";
    for d in refused("bidi.ron", text.into()).0 {
        assert!(!render::concise(&d).contains('\u{202e}'));
    }
}

#[test]
fn a_long_chain_is_compiled_without_recursion() {
    let n = 20_000;
    let nodes: String = (1..=n).map(|i| format!("\"n{i}\": Activation(x: \"n{}\", function: relu),\n", i - 1)).collect();
    let text = format!("(inputs: {{\"n0\": (channels: 1, size: (4, 4, 4))}}, nodes: {{ {nodes} }}, outputs: {{\"y\": \"n{n}\"}})");
    let p = compile(&Source::new("chain.ron", text), &[], None).expect("it compiles");
    assert_eq!(p.rows.len(), n);
}
