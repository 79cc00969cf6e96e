//! Under load: what is killed, runs beside itself or runs out of disk again and again loses nothing and leaves nothing wrong.
//!
//! Not part of `cargo test`: `tests/soak/run` starts it, and says how long each part takes. `$LMSC_SOAK` holds the counts and the seed,
//! as `seed=1 kills=20 volumes=20 pairs=3 fills=8`.
#![cfg(feature = "train")]

#[path = "../given/mod.rs"]
mod given;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmsc::compile::compile;
use lmsc::data::phantom;
use lmsc::infer::Card;
use lmsc::net::{self, Network};
use lmsc::text::Source;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use given::text;

const GRAPH: &str = include_str!("../given/tiny.ron");

/// A count of `$LMSC_SOAK`.
fn count(name: &str, otherwise: u64) -> u64 {
    let all = std::env::var("LMSC_SOAK").unwrap_or_default();
    let said = all.split_whitespace().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
    said.map_or(otherwise, |n| n.parse().unwrap_or_else(|_| panic!("{name}={n} is no count")))
}

fn random(part: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(count("seed", 1) * 1000 + part)
}

fn begun(folder: &Path, args: &[&str]) -> Child {
    let mut c = Command::new(env!("CARGO_BIN_EXE_lmsc"));
    c.args(args).current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    c.spawn().expect("it starts")
}

#[track_caller]
fn done(folder: &Path, args: &[&str]) {
    finished(begun(folder, args), args);
}

#[track_caller]
fn finished(child: Child, args: &[&str]) {
    let out = child.wait_with_output().expect("its output");
    assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
}

/// A folder with a graph, a data set, a model, and a config of it with `more`.
fn place(cases: usize, size: [usize; 3], more: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("tiny.ron"), GRAPH).expect("written");
    phantom::write(&at("data"), cases, size, count("seed", 1)).expect("written");
    let config = format!(
        r#"(graph: "tiny.ron", data: Msd(root: "data"), split: (validation: 0.4), patch: (16, 16, 16), augment: (flip: 0.5, noise: 0.1),
    optimiser: (lr: 0.01, average: Some(0.9)), epochs: 4, steps: 12, device: "cpu", {more})"#
    );
    std::fs::write(at("run.ron"), config).expect("written");
    let program = compile(&Source::new("tiny.ron", GRAPH), &[], None).expect("it compiles");
    let network = Network::new(Arc::new(program), &net::device("cpu").expect("a CPU"), 1).expect("it is made");
    let labels = ["background", "edema", "core", "enhancing"];
    let labels = labels.iter().enumerate().map(|(value, name)| (value as u32, (*name).to_owned())).collect();
    let modalities = ["FLAIR", "T1", "T1CE", "T2"].map(String::from).to_vec();
    net::save(&at("model.safetensors"), &network, &Card::new(modalities, labels, [16, 16, 16]).entries()).expect("saved");
    dir
}

/// What a run leaves that must not depend on how it came about: weights to the bit, scores of cases, figures of epochs without times.
fn left(run: &Path) -> (Vec<Vec<u8>>, Vec<String>) {
    let bytes = ["best.safetensors", "last.safetensors", "cases.csv", "cases.jsonl"].map(|n| std::fs::read(run.join(n)).expect(n));
    let objects = std::fs::read_to_string(run.join("metrics.jsonl")).expect("the journal");
    let figures = objects.lines().map(|l| {
        let mut object: Value = serde_json::from_str(l).expect("JSON");
        let fields = object.as_object_mut().expect("an object");
        fields.retain(|name, _| name != "seconds" && name != "waited");
        object.to_string()
    });
    let figures = figures.collect();
    litter(run);
    (bytes.to_vec(), figures)
}

/// How many half-written files a killed process has left; they are removed.
fn litter(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let left: Vec<_> = entries.filter(|e| e.file_name().to_string_lossy().starts_with(".writing-")).collect();
    left.iter().for_each(|e| std::fs::remove_file(e.path()).expect("removed"));
    left.len()
}

/// Segmentations by name, each held against its report.
fn predicted(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut all = vec![];
    for name in names {
        assert!(!name.starts_with(".writing-"), "{name} is left");
        let Some(case) = name.strip_suffix(".nii.gz") else { continue };
        let bytes = std::fs::read(folder.join(&name)).expect("labels");
        let report = std::fs::read_to_string(folder.join(format!("{case}.json"))).expect("a report");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(
            report["outputs"]["labels"]["blake3"],
            blake3::hash(&bytes).to_hex().to_string(),
            "the report of {case} is of another file"
        );
        lmsc::volume::read(&folder.join(&name)).expect("a volume");
        all.push((case.to_owned(), bytes));
    }
    all.sort();
    all
}

#[test]
#[ignore = "takes minutes; see tests/soak/run"]
fn a_training_killed_at_random_moments() {
    let wanted = count("kills", 20);
    let place = place(5, [16, 20, 18], "");
    let start = Instant::now();
    done(place.path(), &["train", "run.ron", "--out", "once"]);
    let takes = start.elapsed();
    let once = left(&place.path().join("once"));
    let mut random = random(1);
    let (mut kills, mut runs, begin) = (0, 0, Instant::now());
    while kills < wanted {
        let name = format!("often-{runs}");
        let run = place.path().join(&name);
        let mut here = 0u32;
        let mut child = begun(place.path(), &["train", "run.ron", "--out", &name]);
        loop {
            // Later kills come later, so that a run ends.
            let most = takes.mul_f64(random.random_range(0.02..0.7) * (1.0 + 0.1 * f64::from(here)));
            let until = Instant::now() + most;
            while child.try_wait().expect("a status").is_none() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if child.try_wait().expect("a status").is_some() {
                break;
            }
            child.kill().expect("it is killed");
            child.wait().expect("it ends");
            here += 1;
            let known = run.join("config.ron").exists();
            let again: &[&str] = if known { &["train", "--resume", &name] } else { &["train", "run.ron", "--out", &name, "--force"] };
            child = begun(place.path(), again);
        }
        finished(child, &["train", &name]);
        assert!(left(&run) == once, "after {here} kills the run has left something else");
        std::fs::remove_dir_all(&run).expect("removed");
        kills += u64::from(here);
        runs += 1;
    }
    println!(
        "training: {kills} kills in {runs} runs, each as one of {:.1} s that was not killed; {:.0} s",
        takes.as_secs_f64(),
        begin.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "takes minutes; see tests/soak/run"]
fn a_prediction_of_many_volumes() {
    let volumes = count("volumes", 20) as usize;
    let place = place(volumes, [40, 48, 44], "");
    let begin = Instant::now();
    done(place.path(), &["predict", "model.safetensors", "data/imagesTr", "--out", "p", "--json", "all.json", "--probabilities"]);
    assert_eq!(predicted(&place.path().join("p")).len(), volumes);
    let all = std::fs::read_to_string(place.path().join("all.json")).expect("the reports");
    let all: Value = serde_json::from_str(&all).expect("JSON");
    let peaks: Vec<f64> = all["cases"].as_array().expect("cases").iter().filter_map(|c| c["peak_bytes"].as_f64()).collect();
    assert_eq!(peaks.len(), volumes, "the system does not say what a process holds");
    let part = (volumes / 10).clamp(1, 10).max(volumes.min(10) / 2);
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64 / f64::from(1 << 20);
    let (first, last) = (mean(&peaks[..part]), mean(&peaks[volumes - part..]));
    println!(
        "prediction: {volumes} volumes, at most {first:.1} MiB in the first {part} and {last:.1} MiB in the last {part}; {:.0} s",
        begin.elapsed().as_secs_f64()
    );
    assert!(last < 1.05 * first + 4.0, "the memory grows: {peaks:?}");
}

#[test]
#[ignore = "takes minutes; see tests/soak/run"]
fn two_processes_in_one_folder() {
    let pairs = count("pairs", 3);
    let place = place(6, [16, 20, 18], "spacing: (1.0, 1.0, 1.0), cache: \"cache\"");
    let begin = Instant::now();
    let predict =
        |out: &'static str, more: &[&'static str]| [&["predict", "model.safetensors", "data/imagesTr", "--out", out], more].concat();
    done(place.path(), &["train", "run.ron", "--out", "once", "--set", "cache=other"]);
    let once = left(&place.path().join("once"));
    done(place.path(), &predict("alone", &[]));
    let alone = predicted(&place.path().join("alone"));
    for round in 0..pairs {
        // One cache: both prepare the same cases at once.
        let _ = std::fs::remove_dir_all(place.path().join("cache"));
        let outs = [format!("a-{round}"), format!("b-{round}")];
        let both = outs.each_ref().map(|out| begun(place.path(), &["train", "run.ron", "--out", out]));
        both.into_iter().for_each(|child| finished(child, &["train"]));
        outs.iter().for_each(|out| assert!(left(&place.path().join(out)) == once, "{out} has left something else"));
        assert_eq!(litter(&place.path().join("cache")), 0);
        // One run folder: one of the two trains there, the other says so.
        let out = format!("c-{round}");
        let both = [0, 1].map(|_| begun(place.path(), &["train", "run.ron", "--out", &out]));
        let both = both.map(|child| child.wait_with_output().expect("its output"));
        assert_eq!(both.iter().filter(|o| o.status.success()).count(), 1, "{}{}", text(&both[0].stderr), text(&both[1].stderr));
        assert!(both.iter().any(|o| text(&o.stderr).contains("E0601")), "{}{}", text(&both[0].stderr), text(&both[1].stderr));
        assert!(left(&place.path().join(&out)) == once);
        // One prediction folder, the same cases; then with other options each time, so that they take turns.
        let _ = std::fs::remove_dir_all(place.path().join("p"));
        let both = [0, 1].map(|_| begun(place.path(), &predict("p", &[])));
        both.into_iter().for_each(|child| finished(child, &["predict"]));
        assert!(predicted(&place.path().join("p")) == alone, "two processes have left something else");
        let both = [&["--flips=w"][..], &["--flips=h"]].map(|more| begun(place.path(), &predict("p", more)));
        both.into_iter().for_each(|child| finished(child, &["predict"]));
        assert_eq!(predicted(&place.path().join("p")).len(), alone.len());
        done(place.path(), &predict("p", &[]));
        assert!(predicted(&place.path().join("p")) == alone);
    }
    println!("two processes: {pairs} times in one cache, one run folder and one prediction folder; {:.0} s", begin.elapsed().as_secs_f64());
}

/// A disk that is small at first and large afterwards: a file system in memory where one may be mounted, else a limit on files.
struct Disk {
    folder: PathBuf,
    mounted: bool,
}

impl Disk {
    fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        let mounted = mount(&["-t", "tmpfs", "-o", "size=64k", "tmpfs", &folder.display().to_string()]);
        Self { folder, mounted }
    }

    /// Runs with so many kilobytes of room; whether it was done.
    fn small(&self, kilobytes: u64, at: &Path, args: &[&str]) -> bool {
        let out = if self.mounted {
            assert!(mount(&["-o", &format!("remount,size={kilobytes}k"), &self.folder.display().to_string()]));
            begun(at, args).wait_with_output().expect("its output")
        } else {
            let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
            let mut c = Command::new("bash");
            c.args(["-c", &script, env!("CARGO_BIN_EXE_lmsc")]).args(args).current_dir(at).env("NO_COLOR", "1").output().expect("it runs")
        };
        let said = text(&out.stderr);
        assert!(matches!(out.status.code(), Some(0 | 1)) && !said.contains("panicked"), "{args:?} in {kilobytes} KiB: {said}");
        assert!(out.status.success() || said.contains("E0603"), "{args:?} in {kilobytes} KiB: {said}");
        out.status.success()
    }

    fn large(&self) {
        assert!(!self.mounted || mount(&["-o", "remount,size=64m", &self.folder.display().to_string()]));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg(&self.folder).status();
        }
    }
}

fn mount(args: &[&str]) -> bool {
    Command::new("mount").args(args).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

#[test]
#[ignore = "takes minutes; see tests/soak/run"]
fn a_disk_that_fills() {
    let fills = count("fills", 8);
    let place = place(5, [16, 20, 18], "");
    let begin = Instant::now();
    done(place.path(), &["train", "run.ron", "--out", "once"]);
    let once = left(&place.path().join("once"));
    done(place.path(), &["predict", "model.safetensors", "data/imagesTr", "--out", "alone", "--probabilities", "--overlay"]);
    let alone = predicted(&place.path().join("alone"));
    let mut random = random(4);
    let (mut full, mut rounds, mut mounted) = (0, 0, false);
    while full < fills && rounds < 50 * fills {
        let disk = Disk::new(place.path().join(format!("disk-{rounds}")));
        mounted = disk.mounted;
        let run = disk.folder.join("run");
        let (name, mut room) = (run.display().to_string(), 0);
        // A little more room each time, until it is enough.
        loop {
            room += random.random_range(1..24);
            let known = run.join("config.ron").exists();
            let again: &[&str] = if known { &["train", "--resume", &name] } else { &["train", "run.ron", "--out", &name, "--force"] };
            if disk.small(room.max(4), place.path(), again) {
                break;
            }
            full += 1;
        }
        disk.large();
        assert!(left(&run) == once, "a full disk has left something else");
        let out = disk.folder.join("p").display().to_string();
        let predict = ["predict", "model.safetensors", "data/imagesTr", "--out", &out, "--probabilities", "--overlay"];
        let before = full;
        loop {
            room += random.random_range(1..48);
            if disk.small(room, place.path(), &predict) {
                break;
            }
            full += 1;
            assert!(full < before + 1000, "it never ends");
        }
        assert!(predicted(&disk.folder.join("p")) == alone, "a full disk has left something else");
        rounds += 1;
    }
    let how = if mounted { "a file system that was full" } else { "a limit on files" };
    println!("disk: {full} times {how}, in {rounds} rounds of training and prediction; {:.0} s", begin.elapsed().as_secs_f64());
}
