//! Fine-tuning: what a run begins with, what stays as it is, and what learns at another rate.

use super::*;
use crate::ir::{Array, Arrays};
use crate::store::{Store, write_store};

const GRAPH: &str = r#"(
    params: { "modalities": 4, "classes": 4 },
    inputs: { "image": (channels: "modalities", size: (16, 16, 16)) },
    nodes: {
        "a": Conv(x: "image", out: 6, norm: batch, activation: relu),
        "b": Conv(x: "a", out: 6, norm: instance, activation: relu),
        "head": SegHead(x: "b", classes: "classes"),
    },
    outputs: { "logits": "head" },
)"#;

fn arrays(run: &Path) -> Arrays {
    read_store(&run.join(LAST)).unwrap().arrays
}

/// The weights of a run of so many steps, beginning with a file.
fn run(root: &Path, name: &str, sets: &[&str]) -> Arrays {
    let all = [&["epochs=1", "steps=2", "optimiser.weight_decay=0"], sets].concat();
    train_in(&root.join(name), &job_of(GRAPH, &all, &[]).unwrap()).unwrap();
    arrays(&root.join(name))
}

#[test]
fn what_is_frozen_stays_and_rates_are_multiplied() {
    let root = tempfile::tempdir().unwrap();
    let first = run(root.path(), "first", &[]);
    let initial = format!("initial={:?}", root.path().join("first").join(BEST).display().to_string());
    let stay = ["a.conv.weight", "a.conv.bias", "a.norm.weight", "a.norm.bias", "a.norm.running_mean", "a.norm.running_var"];
    // SGD without momentum: what a step moves is the gradient times the rate.
    let sgd = ["optimiser.kind=sgd", "optimiser.momentum=0", "optimiser.nesterov=false", "steps=1", "seed=9", "schedule.warmup=0"];
    let frozen = run(root.path(), "frozen", &[&[initial.as_str(), "freeze=[\"a\"]", "frozen_statistics=true"], &sgd[..]].concat());
    for name in stay.iter().filter(|name| first.contains_key(**name)) {
        assert_eq!(first[*name], frozen[*name], "{name}");
    }
    assert_ne!(first["b.conv.weight"], frozen["b.conv.weight"]);
    let tenth = run(
        root.path(),
        "tenth",
        &[&[initial.as_str(), "freeze=[\"a.*\"]", "frozen_statistics=true", "rates={\"b*\": 0.1}"], &sgd[..]].concat(),
    );
    let moved =
        |after: &Arrays, name: &str| -> Vec<f32> { after[name].values.iter().zip(&first[name].values).map(|(a, b)| a - b).collect() };
    for (slow, fast) in moved(&tenth, "b.conv.weight").iter().zip(moved(&frozen, "b.conv.weight")) {
        assert!((slow - 0.1 * fast).abs() < 1e-6, "{slow} {fast}");
    }
    assert_eq!(tenth["head.conv.weight"], frozen["head.conv.weight"]);
    let report = std::fs::read_to_string(root.path().join("tenth").join(INITIAL)).unwrap();
    assert!(report.contains("\"b.conv.weight\": 0.1") && report.contains("\"a.conv.weight\""), "{report}");
}

#[test]
fn an_interrupted_fine_tuning_goes_on_without_its_file() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), "first", &[]);
    let file = root.path().join("weights.safetensors");
    std::fs::copy(root.path().join("first").join(BEST), &file).unwrap();
    let job = || {
        job_of(GRAPH, &[&format!("initial={:?}", file.display().to_string()), "freeze=[\"a.conv*\"]", "epochs=1", "steps=3"], &[]).unwrap()
    };
    let [whole, cut] = ["whole", "cut"].map(|n| root.path().join(n));
    train_in(&whole, &job()).unwrap();
    let stop = AtomicBool::new(true);
    train(&job(), &Folder::create(Some(&cut), "x", false).unwrap(), &Device::flex(), &stop).unwrap();
    std::fs::remove_file(&file).unwrap();
    while resume(&job(), &Folder::open(&cut).unwrap(), &Device::flex(), &stop).unwrap().ending != StopReason::Whole {}
    same(&whole, &cut);
}

#[test]
fn other_classes_are_drawn_anew_and_foreign_names_mapped() {
    let root = tempfile::tempdir().unwrap();
    let first = run(root.path(), "first", &[]);
    let renamed = |(name, array): (&String, &Array)| match name.as_str() {
        "head.conv.weight" => (name.clone(), Array::new([7, 6, 1, 1, 1], vec![0.5; 42])),
        _ => (format!("net.{name}"), array.clone()),
    };
    let mut store = Store { arrays: first.iter().map(renamed).collect(), ..Store::default() };
    store.arrays.insert("other".into(), Array::new([1], vec![1.0]));
    let (file, map) = (root.path().join("w.pth"), root.path().join("m.map"));
    write_store(&file, &store).unwrap();
    std::fs::write(&map, "prefix net.\n").unwrap();
    let [initial, map] = [("initial", &file), ("map", &map)].map(|(field, path)| format!("{field}={:?}", path.display().to_string()));
    let report = job_of(GRAPH, &[initial.as_str(), map.as_str()], &[]).unwrap().initial().unwrap().unwrap().report;
    assert_eq!(report.drawn.get("head.conv.weight").map(String::as_str), Some("[4, 6, 1, 1, 1] here, [7, 6, 1, 1, 1] there"));
    assert_eq!(
        (report.taken["a.conv.weight"].as_str(), &report.unused[..]),
        ("net.a.conv.weight", &["head.conv.weight".to_owned(), "other".to_owned()][..])
    );
    let lines = report.lines().join("\n");
    assert!(lines.contains("drawn anew: head.conv.weight") && lines.contains("of no use there"), "{lines}");
    for (sets, words) in [
        (&[initial.as_str(), map.as_str(), "freeze=[\"head*\"]"][..], "it is drawn anew"),
        (&["freeze=[\"a\"]"][..], "without `initial`"),
        (&[initial.as_str(), "freeze=[\"enc*\"]"][..], "no weight of"),
        (&["rates={\"a*\": 2.0, \"a.conv*\": 3.0}"][..], "two factors"),
        (&["rates={\"a*\": 0.0}"][..], "stands in `freeze`"),
        (&["map=\"m.map\""][..], "given without `initial`"),
        (&["initial=\"none.safetensors\""][..], "none.safetensors"),
    ] {
        let said = job_of(GRAPH, sets, &[]).and_then(|job| job.initial().map(|_| ())).expect_err(words).to_string();
        assert!(said.contains(words), "{said}");
    }
}
