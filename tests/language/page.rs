//! The page that `lmsc explain language` prints names everything, and every line of its examples compiles.

use std::path::Path;

use lmsc::block::{FunctionForm, InitForm, NormForm, Spec};
use lmsc::compile::{compile, verify};
use lmsc::read::{Answer, NodeQuestion, Scope, Value, calls, evaluate};
use lmsc::show::reference::{language, pages, schema};
use lmsc::text::{Code, Result, Source, render};

/// The fences of the page: what stands behind the opening one, and the lines inside.
fn fences(page: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = page.split("```").collect();
    assert!(parts.len() % 2 == 1, "a fence is open");
    let inside = parts.into_iter().skip(1).step_by(2);
    inside.map(|part| part.split_once('\n').map(|(head, text)| (head.to_owned(), text.to_owned())).expect("lines")).collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|l| l.split("//").next().unwrap_or_default().trim()).filter(|l| !l.is_empty())
}

const PARAMS: &str = r#""width": 8, "deep": true, "features": [8, 16, 32], "conv": Conv(norm: batch, activation: relu)"#;

/// A graph with some entries more of `params`, `blocks`, `nodes` and `outputs`, and further fields.
fn graph(params: &str, blocks: &str, nodes: &str, outputs: &str, fields: &str) -> String {
    let lints = if fields.contains("lints") { "" } else { r#"lints: { "E0206": allow, "W0101": allow }"# };
    format!(
        "(params: {{ {params} }}, inputs: {{ \"image\": (channels: 4, size: (32, 32, 32)) }}, blocks: {{ {blocks} }}, nodes: {{ \
         \"stem\": Conv(x: \"image\", out: \"width\"), {nodes} }}, outputs: {{ {outputs} }}, {fields} {lints})"
    )
}

fn holds(folder: &Path, text: &str) {
    let source = Source::new(folder.join("page.ron").to_str().expect("a path"), text);
    let checked = || -> Result<usize> { verify(&source, &compile(&source, &[], None)?) };
    if let Err(found) = checked() {
        panic!("{text}\n{}", found.0.iter().map(|d| render::full(d, false, 120) + "\n").collect::<String>());
    }
}

#[test]
fn every_example_compiles() {
    let page = language();
    let folder = tempfile::tempdir().expect("a folder");
    let base = graph(
        PARAMS,
        r#""Part": (inputs: ["x"], output: "y", nodes: { "y": Conv(x: "x", out: "width") })"#,
        r#""a": Conv(x: "stem", out: "width"), "b": MaxPool(x: "a"), "c": Part(x: "b | a")"#,
        r#""logits": "c", "deep": ["a", "b"]"#,
        "",
    );
    std::fs::write(folder.path().join("base.ron"), base).expect("written");
    let all = fences(&page);
    let blocks: String =
        all.iter().filter(|(kind, _)| kind == "blocks").flat_map(|(_, text)| lines(text)).map(|l| format!("{l},")).collect();
    let mut seen = 0;
    for (kind, text) in &all {
        let (kind, shown) = kind.split_once(' ').unwrap_or((kind, ""));
        let one =
            |params: &str, nodes: &str, outputs: &str, fields: &str| holds(folder.path(), &graph(params, &blocks, nodes, outputs, fields));
        match kind {
            "ron" => holds(folder.path(), text),
            "params" => {
                let own: Vec<&str> = lines(text).collect();
                let params: String = own.iter().map(|l| format!("{l},")).collect();
                one(&params, "", r#""y": "stem""#, "");
            }
            "nodes" => {
                let nodes: String = lines(text).map(|l| format!("{l},")).collect();
                one(PARAMS, &nodes, &format!("\"y\": {shown}"), "");
            }
            "blocks" => one(PARAMS, "", r#""y": "stem""#, ""),
            "outputs" => {
                for line in lines(text) {
                    one(PARAMS, r#""d{i}": Conv(for: "i in 1..=2", x: "stem", out: 2)"#, line, "");
                }
            }
            "top" => lines(text).for_each(|line| one(r#""width": 8"#, "", r#""y": "stem""#, &format!("{line},"))),
            "variant" => lines(text).for_each(|line| holds(folder.path(), line)),
            "expr" => text.lines().for_each(expression),
            "text" => continue,
            other => panic!("`{other}` is no kind of example"),
        }
        seen += lines(text).count();
    }
    assert!(seen > 90, "{seen}");
}

/// `width * 2    // 16`
fn expression(line: &str) {
    let (text, value) = line.split_once("//").expect("a value");
    let ints = |all: &[i64]| Value::list(all.iter().map(|n| Value::Int(*n)).collect());
    let scope = Scope::from([
        ("width".to_owned(), Value::Int(8)),
        ("deep".to_owned(), Value::Bool(true)),
        ("mode".to_owned(), Value::Text("plain".into())),
        ("stride".to_owned(), ints(&[1, 2, 2])),
        ("features".to_owned(), ints(&[8, 16, 32])),
    ]);
    let asked: [((NodeQuestion, String), Answer); 1] = [((NodeQuestion::Channels, "image".into()), Ok(Value::Int(4)))];
    let given = evaluate(text.trim(), &scope.answering(asked, None)).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    assert_eq!(given.to_string(), value.trim(), "{text}");
}

#[test]
fn everything_is_named() {
    let page = language();
    for (form, _) in calls() {
        assert!(page.contains(form), "{form}");
        assert!(Code::E0105.page().contains(form), "{form}");
    }
    for name in NormForm::NAMES.iter().chain(FunctionForm::NAMES).chain(InitForm::NAMES) {
        let row = page.lines().find(|l| l.starts_with(&format!("{name} ")) || l.starts_with(&format!("{name}(")));
        assert!(row.is_some_and(|l| l.contains("  ")), "{name} has no row");
    }
    for e in Spec::LIST {
        assert!(page.contains(&format!("`{}`", e.name)), "{}", e.name);
    }
    let fields = schema(&pages().expect("pages"), &[]);
    for field in fields["properties"].as_object().expect("fields").keys() {
        assert!(page.contains(&format!("`{field}`")) || page.contains(&format!("`{field}:")), "{field}");
    }
    // Every form of the tables reads as it is shown.
    for (_, text) in fences(&page).iter().filter(|(kind, _)| kind == "text") {
        for form in text.lines().map(|l| l.split("  ").next().unwrap_or_default()).filter(|f| !f.contains("list") && !f.contains(", b)")) {
            let word = form.split('(').next().unwrap_or_default();
            let class = |names: &[&str]| names.contains(&word);
            let node = if class(NormForm::NAMES) {
                format!("Norm(x: \"stem\", kind: {form})")
            } else if class(FunctionForm::NAMES) {
                format!("Activation(x: \"stem\", function: {form})")
            } else if class(InitForm::NAMES) {
                format!("Conv(x: \"stem\", out: 2, init: {form})")
            } else {
                continue;
            };
            holds(Path::new(""), &graph(PARAMS, "", &format!("\"n\": {node}"), r#""y": "n""#, ""));
        }
    }
}
