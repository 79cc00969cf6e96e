//! Training as a process: killed at any moment and gone on with, stopped by a signal, kept from a folder that another one trains in.
#![cfg(feature = "train")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};

const GRAPH: &str = include_str!("given/tiny.ron");

const CONFIG: &str = r#"(
    graph: "tiny.ron",
    data: Phantom(cases: 5, size: (16, 20, 18), seed: 1),
    patch: (16, 16, 16),
    augment: (flip: 0.5, noise: 0.1, intensity: 0.1),
    optimiser: (lr: 0.01, average: Some(0.9)),
    epochs: 4,
    steps: 12,
    device: "cpu",
)"#;

fn lmsc(args: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_lmsc"));
    c.args(args).env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    c
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the graph and the config.
fn given() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("tiny.ron"), GRAPH).expect("written");
    let config = dir.path().join("run.ron");
    std::fs::write(&config, CONFIG).expect("written");
    let config = config.display().to_string();
    (dir, config)
}

fn whole(config: &str, out: &Path) -> Output {
    lmsc(&["train", config, "--out", &out.display().to_string()]).output().expect("it runs")
}

/// What a run must leave, however it was interrupted: the weights bit for bit, the figures of the epochs without the times, and the
/// scores of the cases.
fn left(run: &Path) -> (Vec<Vec<u8>>, Vec<String>) {
    let bytes = ["best.safetensors", "last.safetensors", "cases.csv", "cases.jsonl"].map(|n| std::fs::read(run.join(n)).expect(n));
    let csv = std::fs::read_to_string(run.join("metrics.csv")).expect("the journal");
    let mut figures: Vec<String> = csv.lines().map(|l| l.rsplitn(3, ',').last().unwrap_or_default().to_owned()).collect();
    let objects = std::fs::read_to_string(run.join("metrics.jsonl")).expect("the journal");
    figures.extend(objects.lines().map(|l| {
        let mut object: serde_json::Value = serde_json::from_str(l).expect("JSON");
        let fields = object.as_object_mut().expect("an object");
        assert!(fields.remove("seconds").is_some() && fields.remove("waited").is_some());
        object.to_string()
    }));
    figures.extend(events(run).iter().map(|(step, figures)| format!("{step} {figures}")));
    (bytes.to_vec(), figures)
}

/// The events of a run's one event file that hold figures: the step, and how many figures.
fn events(run: &Path) -> Vec<(u64, usize)> {
    let names = std::fs::read_dir(run).expect("a folder").map(|e| e.expect("an entry").path());
    let files: Vec<PathBuf> = names.filter(|p| p.display().to_string().contains("tfevents")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = std::fs::read(&files[0]).expect("events");
    let (mut at, mut all) = (0, vec![]);
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
        let event = &bytes[at + 12..at + 12 + length];
        // The time in nine bytes, then the step, which is below 128 here.
        if event[11] == 0x2a {
            // The length of the figures has two bytes where it is 128 or more; a figure has less.
            let mut figures = if event[12] < 0x80 { &event[13..] } else { &event[14..] };
            let mut count = 0;
            while let [0x0a, length, rest @ ..] = figures {
                figures = &rest[usize::from(*length)..];
                count += 1;
            }
            assert!(figures.is_empty());
            all.push((u64::from(event[10]), count));
        }
        at += 16 + length;
    }
    all
}

fn wait(child: &mut Child, most: Duration) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < most {
        if let Some(status) = child.try_wait().expect("a status") {
            return Some(status.code().unwrap_or(-1));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_one_that_never_was() {
    let (dir, config) = given();
    let [once, often] = ["once", "often"].map(|n| dir.path().join(n));
    let start = Instant::now();
    let out = whole(&config, &once);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let takes = start.elapsed();

    // Kills fall anywhere in a run: while it starts, steps, validates and saves. Later ones come later, so that it ends; how many
    // there are is the machine's affair, so that runs are made until there were enough.
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(20);
    let mut all = 0;
    for round in 0..30 {
        let run = often.join(round.to_string());
        let name = run.display().to_string();
        let mut kills = 0;
        let mut child = lmsc(&["train", &config, "--out", &name]).spawn().expect("it starts");
        while wait(&mut child, takes.mul_f64(rng.random_range(0.05..0.7) * (1.0 + 0.1 * f64::from(kills)))).is_none() {
            child.kill().expect("it is killed");
            child.wait().expect("it ends");
            kills += 1;
            let begun = run.join("config.ron").exists();
            let again: &[&str] = if begun { &["train", "--resume", &name] } else { &["train", &config, "--out", &name, "--force"] };
            child = lmsc(again).spawn().expect("it starts");
        }
        let out = child.wait_with_output().expect("its output");
        assert!(out.status.success(), "{}", text(&out.stderr));
        assert!(left(&once) == left(&run), "after {kills} kills the run has left something else");
        all += kills;
        if all >= 6 {
            return;
        }
    }
    panic!("{all} kills in 30 runs of {takes:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_finishes_the_step_and_says_how_to_go_on() {
    let (dir, config) = given();
    let [once, cut] = ["once", "cut"].map(|n| dir.path().join(n));
    assert!(whole(&config, &once).status.success());
    let run = cut.display().to_string();
    let mut child = lmsc(&["train", &config, "--out", &run, "--set", "epochs=4"]).spawn().expect("it starts");
    // The journal is made just before the first step.
    let start = Instant::now();
    while !cut.join("metrics.csv").exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    assert_eq!(wait(&mut child, Duration::from_secs(120)), Some(130));
    let out = child.wait_with_output().expect("its output");
    let err = text(&out.stderr);
    assert!(err.contains("finishing the step") && err.contains(&format!("go on with:\n  lmsc train --resume {run}")), "{err}");
    let out = lmsc(&["train", "--resume", &run]).output().expect("it runs");
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(left(&once) == left(&cut));
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let (dir, config) = given();
    let run = dir.path().join("run").display().to_string();
    let mut first = lmsc(&["train", &config, "--out", &run, "--set", "epochs=1000"]).spawn().expect("it starts");
    let start = Instant::now();
    while !PathBuf::from(&run).join("metrics.csv").exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    for args in [&["train", &config, "--out", &run, "--force"][..], &["train", "--resume", &run]] {
        let out = lmsc(args).output().expect("it runs");
        assert_eq!(out.status.code(), Some(1));
        assert!(text(&out.stderr).contains("another process trains in"), "{}", text(&out.stderr));
    }
    first.kill().expect("it is killed");
    first.wait().expect("it ends");
}

/// Trains on regions, and goes with the model to where it is used.
#[test]
fn regions_go_from_the_config_to_the_scores() {
    let (dir, config) = given();
    let run = dir.path().join("run").display().to_string();
    let text_of = CONFIG.replace("epochs: 4", "epochs: 1").replace(
        "steps: 12,",
        r#"steps: 4,
    set: { "classes": 3 },
    regions: {"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]},
    postprocess: auto,
    workers: 2,"#,
    );
    std::fs::write(&config, text_of).expect("written");
    let done = |args: &[&str]| {
        let out = lmsc(args).current_dir(dir.path()).env("COLUMNS", "140").output().expect("it runs");
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    };
    let said = done(&["train", &config, "--out", &run]);
    assert!(said.contains("(whole ") && said.contains(", enhancing ") && said.contains("postprocessing"), "{said}");
    let said = done(&["info", &format!("{run}/best.safetensors")]);
    let row = said.lines().find(|l| l.contains("whole")).expect("the region");
    assert!(row.contains("1 2 3") && row.contains("painted as 1") && row.contains("Dice"), "{said}");

    lmsc::data::phantom::write(dir.path(), 2, [16, 20, 18], 7).expect("written");
    done(&["predict", &run, "imagesTr", "--out", "said", "--probabilities", "--no-postprocess"]);
    let p = lmsc::volume::read(&dir.path().join("said/probabilities/phantom_0001.nii.gz")).expect("a volume");
    assert_eq!(p.data.dim(), (3, 16, 20, 18));
    let labels = lmsc::volume::read(&dir.path().join("said/phantom_0001.nii.gz")).expect("a volume");
    let inside = |c: usize| p.data.index_axis(ndarray::Axis(0), c).iter().filter(|p| **p >= 0.5).count();
    assert_eq!(labels.data.iter().filter(|l| **l == 3.0).count(), inside(2));
    let said = done(&["eval", "--pred", "said", "--ref", "labelsTr", "--region", "whole=1,2,3", "--region", "enhancing=3"]);
    assert!(said.contains("whole") && said.contains("enhancing"), "{said}");
}

#[test]
fn what_is_no_run_is_not_gone_on_with() {
    let (dir, config) = given();
    let out = lmsc(&["train", "--resume", &dir.path().display().to_string()]).output().expect("it runs");
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("is no run folder"), "{}", text(&out.stderr));
    for args in [&["train"][..], &["train", &config, "--resume", "x"]] {
        assert_eq!(lmsc(args).output().expect("it runs").status.code(), Some(2));
    }
}
