//! `lmsc report`: the page of a run and the table of several, of small runs that are made here.
#![cfg(feature = "train")]

mod given;

use std::path::PathBuf;
use std::process::Output;

use base64::Engine;
use given::{lmsc, text};
use serde_json::Value;

const GRAPH: &str = include_str!("given/tiny.ron");

const CONFIG: &str = r#"(
    graph: "tiny.ron",
    data: Phantom(cases: 6, size: (16, 20, 18), seed: 1),
    split: (folds: Some(3)),
    patch: (16, 16, 16),
    optimiser: (lr: 0.01),
    epochs: 2,
    steps: 3,
    device: "cpu",
)"#;

#[track_caller]
fn sound(out: Output) -> String {
    assert!(out.status.success(), "{}", text(&out.stderr));
    text(&out.stdout)
}

/// A folder with the graph, the config, and a run of each `--set` that makes several.
fn given(sets: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_owned();
    std::fs::write(folder.join("tiny.ron"), GRAPH).expect("written");
    std::fs::write(folder.join("run.ron"), CONFIG).expect("written");
    let mut args = vec!["train", "run.ron", "--out", "runs"];
    sets.iter().for_each(|s| args.extend(["--set", s]));
    sound(lmsc(&folder, &args));
    (dir, folder)
}

/// The skeleton of a page: its headings, figures and tables, without numbers that depend on the machine.
fn skeleton(page: &str) -> Vec<String> {
    let tags = [
        ("<h1>", "</h1>"),
        ("<h2>", "</h2>"),
        ("<figcaption>", "</figcaption>"),
        ("<summary>", "</summary>"),
        ("<th>", "</th>"),
        ("<th class=\"n\">", "</th>"),
    ];
    let mut all = vec![];
    for (tag, end) in tags {
        let found = page.split(tag).skip(1).filter_map(|rest| rest.split(end).next()).map(|t| format!("{tag} {t}"));
        all.extend(found);
    }
    all
}

#[test]
fn a_run_becomes_one_page() {
    let (_dir, folder) = given(&[]);
    assert_eq!(sound(lmsc(&folder, &["report", "runs", "--pictures", "1"])).trim(), "runs/report.html");
    let page = std::fs::read_to_string(folder.join("runs/report.html")).expect("a page");
    let shown = skeleton(&page);
    for part in [
        "<h1> runs",
        "<h2> Curves",
        "<h2> Validation at the best epoch",
        "<h2> Worst and best cases",
        "<h2> Network",
        "<h2> How it was made",
    ] {
        assert!(shown.iter().any(|s| s == part), "{part}: {shown:?}");
    }
    let titles = ["Dice", "Loss", "Learning rate", "Time"];
    assert!(titles.iter().all(|t| shown.iter().any(|s| s.starts_with(&format!("<figcaption> {t}")))), "{shown:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/report");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"Dice \d\.\d+", "Dice [number]");
    settings.add_filter(r"phantom_\d+", "[case]");
    settings.bind(|| insta::assert_snapshot!("page", shown.join("\n")));
    // Nothing comes from elsewhere: the only addresses are names of languages.
    let outside = ["src=\"http", "href=\"http", "url(http", "@import", "fetch(", "XMLHttpRequest"];
    assert!(outside.iter().all(|word| !page.contains(word)));

    // The page's curves are the journal's figures.
    let journal: Vec<Value> = std::fs::read_to_string(folder.join("runs/metrics.jsonl"))
        .expect("the journal")
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    let curves: Vec<Value> = page
        .split("data-curves=\"")
        .skip(1)
        .filter_map(|rest| serde_json::from_str(&rest.split('"').next()?.replace("&quot;", "\"").replace("&amp;", "&")).ok())
        .collect();
    assert_eq!(curves.len(), 4);
    let of = |key: &str| journal.iter().map(|e| e[key].clone()).collect::<Vec<_>>();
    assert_eq!(curves[0]["curves"][0]["y"].as_array(), Some(&of("dice_mean")));
    assert_eq!(curves[0]["curves"].as_array().map(Vec::len), Some(4), "the mean and three classes");
    assert_eq!(curves[1]["curves"][0]["y"].as_array(), Some(&of("loss")));
    assert_eq!(curves[1]["curves"][2]["y"].as_array(), Some(&of("loss_cross_entropy")));
    assert_eq!(curves[2]["curves"][0]["y"].as_array(), Some(&of("lr")));

    // Two pictures of the two validation cases, and the graph.
    let pictures: Vec<Vec<u8>> = page
        .split("data:image/png;base64,")
        .skip(1)
        .map(|rest| base64::engine::general_purpose::STANDARD.decode(rest.split('"').next().expect("an end")).expect("base64"))
        .collect();
    assert_eq!(pictures.len(), 2);
    for picture in pictures {
        let reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().expect("PNG");
        assert_eq!(reader.info().width, 1000, "three columns: image, reference, prediction");
    }
    let scores: Vec<Value> = std::fs::read_to_string(folder.join("runs/cases.jsonl"))
        .expect("scores")
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(scores.len(), 2);
    for case in &scores {
        let (id, dice) = (case["case"].as_str().expect("a name"), case["dice_mean"].as_f64().expect("a number"));
        assert!(page.contains(&format!("{id} <span>Dice {dice:.3}")), "{id}");
    }
    // The mean of the epoch is that of the classes' means over the cases that have them.
    let of = |class: &str| scores.iter().filter_map(|c| c["classes"][class]["dice"].as_f64()).collect::<Vec<f64>>();
    let classes = ["edema", "core", "enhancing"].map(of);
    let means: Vec<f64> = classes.iter().filter(|d| !d.is_empty()).map(|d| d.iter().sum::<f64>() / d.len() as f64).collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let best = journal.iter().map(|e| e["dice_mean"].as_f64().expect("a number")).fold(0.0, f64::max);
    assert!((mean - best).abs() < 1e-9, "{mean} {best}");

    // Without the data it says so, and has all the rest.
    let config = std::fs::read_to_string(folder.join("runs/config.ron")).expect("a config");
    let (before, rest) = config.split_once("data: Phantom(").expect("the data");
    // Up to the bracket that closes the data's.
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    let after = &rest[end.expect("a bracket") + 1..];
    std::fs::write(folder.join("runs/config.ron"), format!("{before}data: Msd(root: \"nowhere\"){after}")).expect("written");
    let out = lmsc(&folder, &["report", "runs", "--out", "other.html"]);
    assert!(text(&out.stderr).contains("no pictures: ") && out.status.success(), "{}", text(&out.stderr));
    let page = std::fs::read_to_string(folder.join("other.html")).expect("a page");
    assert!(page.contains("No pictures: ") && page.contains("<h2>Curves</h2>") && !page.contains("image/png"));
}

#[test]
fn several_runs_become_a_table() {
    let (_dir, folder) = given(&["optimiser.lr=0.01,0.001", "split.fold=0..2"]);
    let all: Value = serde_json::from_str(&sound(lmsc(&folder, &["report", "runs", "--format", "json"]))).expect("JSON");
    let groups = all.as_array().expect("groups");
    assert_eq!(groups.iter().map(|g| g["name"].as_str().expect("a name")).collect::<Vec<_>>(), ["optimiser.lr=0.001", "optimiser.lr=0.01"]);
    for group in groups {
        // Only what differs, and the folds joined; the figures again from the journals.
        assert_eq!(group["differs"].as_object().map(|d| d.keys().collect::<Vec<_>>()), Some(vec![&"optimiser.lr".to_owned()]));
        let runs = group["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 3);
        let best = |run: &Value| {
            let file = folder.join(run["folder"].as_str().expect("a folder")).join("metrics.csv");
            let csv = std::fs::read_to_string(file).expect("the journal");
            let column = csv.lines().next().expect("headings").split(',').position(|c| c == "dice_mean").expect("a column");
            csv.lines().skip(1).map(|l| l.split(',').nth(column).expect("a cell").parse::<f64>().expect("a number")).fold(0.0, f64::max)
        };
        let values: Vec<f64> = runs.iter().map(best).collect();
        let mean = values.iter().sum::<f64>() / 3.0;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        assert!((group["dice_mean"]["mean"].as_f64().expect("a number") - mean).abs() < 1e-5);
        assert!((group["dice_mean"]["sd"].as_f64().expect("a number") - sd).abs() < 1e-5);
    }
    let table = sound(lmsc(&folder, &["report", "runs"]));
    for heading in ["run", "optimiser.lr", "folds", "params", "GFLOPs", "Dice", "edema", "best epoch", "trained", "time"] {
        // What does not fit beside the rest stands in a table below.
        assert!(table.contains(heading), "{heading}: {table}");
    }
    assert!(table.contains("±") && table.contains("over folds"), "{table}");
    let markdown = sound(lmsc(&folder, &["report", "runs", "--format", "markdown", "--out", "all.html"]));
    assert!(markdown.starts_with("| run") && markdown.contains("|---"), "{markdown}");
    let csv = sound(lmsc(&folder, &["report", "runs", "--format", "csv"]));
    let cells: Vec<usize> = csv.lines().map(|l| l.split(',').count()).collect();
    assert!(cells.len() == 3 && cells.iter().all(|n| *n == cells[0]), "{csv}");
    let page = std::fs::read_to_string(folder.join("all.html")).expect("a page");
    assert!(page.contains("2 configurations, 6 runs") && page.matches("class=\"chart\"").count() == 4);

    // Single folders in any order; the same fold twice is no further fold.
    let (a, b) = ("runs/optimiser.lr=0.01,split.fold=1", "runs/optimiser.lr=0.001,split.fold=1");
    let all: Value = serde_json::from_str(&sound(lmsc(&folder, &["report", a, b, a, "--format", "json"]))).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(3));
}

#[test]
fn a_class_that_no_case_has_is_in_no_mean() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    lmsc::data::phantom::write(&folder.join("set"), 4, [16, 20, 18], 3).expect("written");
    let about = std::fs::read_to_string(folder.join("set/dataset.json")).expect("a description");
    let mut about: Value = serde_json::from_str(&about).expect("JSON");
    about["labels"]["4"] = "never".into();
    std::fs::write(folder.join("set/dataset.json"), about.to_string()).expect("written");
    std::fs::write(folder.join("tiny.ron"), GRAPH).expect("written");
    let data = r#"data: Msd(root: "set"), set: {"classes": 5}"#;
    let config = CONFIG.replace("data: Phantom(cases: 6, size: (16, 20, 18), seed: 1)", data);
    std::fs::write(folder.join("run.ron"), config).expect("written");

    let out = lmsc(folder, &["train", "run.ron", "--out", "run"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(text(&out.stderr).matches("no validation case has `never`").count(), 1, "{}", text(&out.stderr));
    assert!(text(&out.stdout).contains("never -"), "{}", text(&out.stdout));
    let journal = std::fs::read_to_string(folder.join("run/metrics.jsonl")).expect("the journal");
    for line in journal.lines() {
        let epoch: Value = serde_json::from_str(line).expect("JSON");
        let dice = epoch["dice"].as_object().expect("classes");
        assert!(dice["never"].is_null() && epoch["dice_cases"]["never"] == 0, "{line}");
        let known: Vec<f64> = dice.values().filter_map(Value::as_f64).collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        assert!((epoch["dice_mean"].as_f64().expect("a mean") - mean).abs() < 1e-9, "{line}");
    }
    let cases = std::fs::read_to_string(folder.join("run/cases.csv")).expect("the cases");
    assert!(cases.lines().filter(|l| l.contains(",never,,0,")).count() > 0 || cases.contains(",never,0.000000,0,"), "{cases}");

    let all: Value = serde_json::from_str(&sound(lmsc(folder, &["report", "run", "--format", "json"]))).expect("JSON");
    assert!(all[0]["dice"]["never"].is_null() && all[0]["dice_mean"]["mean"].is_number(), "{all:#}");
    let table = sound(lmsc(folder, &["report", "run", "--format", "table"]));
    assert!(table.contains("never") && table.contains("no validation case has the class"), "{table}");
    assert!(sound(lmsc(folder, &["info", "run/best.safetensors"])).contains("Dice -"));
}

#[test]
fn what_is_no_run_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_other, folder) = given(&[]);
    let none = dir.path().display().to_string();
    for (args, words) in [
        (&["report", &none][..], "holds none"),
        (&["report", "nowhere"], "no run folder"),
        (&["report", "runs", "--out", "a.pdf"], "does not end in .html"),
        (&["report", "runs", "--channel", "9"], "channels"),
        (&["report", "runs", "--device", "cuda:77"], "E0602"),
    ] {
        let out = lmsc(&folder, args);
        assert!(out.status.code() == Some(1) && text(&out.stderr).contains(words), "{words}: {}", text(&out.stderr));
    }
    std::fs::write(folder.join("runs/metrics.jsonl"), "{\"epoch\": 1}\n").expect("written");
    let out = lmsc(&folder, &["report", "runs"]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("is not as `lmsc train` writes it"), "{}", text(&out.stderr));
}
