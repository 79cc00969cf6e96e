//! Every verb with every kind of wrong argument, from the tree of commands itself: a verb or an option that is new is tried as well. What is
//! wrong is refused within a time, with a few lines and without a panic, and nothing that was there before is another afterwards.
#![cfg(feature = "train")]

mod given;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, CommandFactory, value_parser};
use lmsc::cli::Cli;
use lmsc::compile::compile;
use lmsc::data::phantom;
use lmsc::infer::Card;
use lmsc::net::{self, Network};
use lmsc::text::Source;

/// Nothing that is refused takes longer; it is there so that a hang is a failure.
const LONGEST: Duration = Duration::from_secs(120);
/// A refusal has at most so many lines.
const LINES: usize = 40;
/// Larger than any memory, and hardly anything on a disk.
const SPARSE: u64 = 1 << 40;

/// A folder with one good thing of each kind, and bad ones.
struct Place {
    folder: tempfile::TempDir,
    runs: std::cell::Cell<usize>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("graph.ron"), include_str!("given/tiny.ron")).expect("written");
        let config = r#"(graph: "graph.ron", data: Msd(root: "data"), split: (validation: 0.5), patch: (16, 16, 16), epochs: 1, steps: 1, device: "cpu")"#;
        std::fs::write(at("config.ron"), config).expect("written");
        std::fs::write(at("rules.map"), "a.{*} -> b.{*}\n").expect("written");
        phantom::write(&at("data"), 2, [16, 20, 18], 1).expect("written");
        let program = compile(&Source::new("tiny.ron", include_str!("given/tiny.ron")), &[], None).expect("it compiles");
        let network = Network::new(Arc::new(program), &net::device("cpu").expect("a CPU"), 1).expect("it is made");
        let labels = ["background", "edema", "core", "enhancing"];
        let labels = labels.iter().enumerate().map(|(value, name)| (value as u32, (*name).to_owned())).collect();
        let modalities = ["FLAIR", "T1", "T1CE", "T2"].map(String::from).to_vec();
        net::save(&at("model.safetensors"), &network, &Card::new(modalities, labels, [16, 16, 16]).entries()).expect("saved");
        let place = Self { folder, runs: 0.into() };
        let (code, said) = place.run(&["train", "config.ron", "--out", "run"].map(String::from));
        assert_eq!(code, 0, "{said}");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The exit code, and standard error.
    fn run(&self, args: &[String]) -> (i32, String) {
        let mut c = assert_cmd::Command::cargo_bin("lmsc").expect("the program");
        let c = c.current_dir(&self.folder).args(args).env("NO_COLOR", "1").env("COLUMNS", "100").write_stdin("");
        let out = c.timeout(LONGEST).output().expect("it runs");
        (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
    }

    /// What an argument is given that is not the wrong one.
    fn good(&self, arg: &Arg) -> String {
        let name = arg.get_value_names().and_then(|n| n.first()).map(|n| n.as_str().to_owned()).unwrap_or_default();
        let known = match (arg.get_id().as_str(), name.as_str()) {
            _ if is_output(arg) => {
                self.runs.set(self.runs.get() + 1);
                return format!("new-{}{}", self.runs.get(), ending(arg));
            }
            ("weights", _) => "model.safetensors",
            ("map", _) => "rules.map",
            (_, "GRAPH" | "A" | "B" | "FILE") if arg.is_positional() => "graph.ron",
            (_, "GRAPH") => "graph.ron",
            (_, "CONFIG") => "config.ron",
            (_, "DATA") => "data",
            (_, "RUN") => "run",
            (_, "MODEL") => "model.safetensors",
            (_, "IMAGE") => "data/imagesTr/phantom_0000.nii.gz",
            (_, "DIR|FILE" | "FILE") => "data/labelsTr/phantom_0000.nii.gz",
            _ => "graph.ron",
        };
        known.to_owned()
    }

    /// Everything that is there, by path, with its bytes; of a large file its length.
    fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for e in std::fs::read_dir(folder).expect("a folder").flatten() {
                let (path, about) = (e.path(), e.metadata().expect("it is there"));
                let content = match about.file_type() {
                    t if t.is_dir() => {
                        folders.push(path.clone());
                        b"a folder".to_vec()
                    }
                    t if t.is_symlink() => b"a link".to_vec(),
                    _ if about.len() == SPARSE => b"sparse".to_vec(),
                    _ => std::fs::read(&path).expect("it is read"),
                };
                all.insert(path, content);
            }
        }
        all
    }
}

/// The verbs by their words, with their arguments.
fn verbs() -> Vec<(Vec<String>, Vec<Arg>)> {
    fn below(command: &clap::Command, words: &[String], all: &mut Vec<(Vec<String>, Vec<Arg>)>) {
        let inner: Vec<&clap::Command> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
        if inner.is_empty() {
            all.push((words.to_vec(), command.get_arguments().cloned().collect()));
        }
        for c in inner {
            below(c, &[words, &[c.get_name().to_owned()]].concat(), all);
        }
    }
    let mut all = vec![];
    below(&Cli::command(), &[], &mut all);
    assert!(all.len() >= 20);
    all
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn is_a(arg: &Arg, parser: &ValueParser) -> bool {
    arg.get_value_parser().type_id() == parser.type_id()
}

fn is_path(arg: &Arg) -> bool {
    let named = arg.get_value_names().unwrap_or_default().iter().any(|n| n == "IMAGE");
    takes_value(arg) && (named || is_a(arg, &value_parser!(PathBuf)))
}

fn is_number(arg: &Arg) -> bool {
    let whole: [ValueParser; 6] = [
        value_parser!(u8).into(),
        value_parser!(u16).into(),
        value_parser!(u32).into(),
        value_parser!(u64).into(),
        value_parser!(usize).into(),
        value_parser!(f64).into(),
    ];
    takes_value(arg) && whole.iter().any(|p| is_a(arg, p))
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default().to_lowercase()
}

fn is_output(arg: &Arg) -> bool {
    is_path(arg) && (arg.get_id() == "out" || help(arg).contains("write"))
}

/// Whether the argument is a folder that may be there already.
fn is_folder(arg: &Arg) -> bool {
    arg.get_value_names().unwrap_or_default().iter().any(|n| n == "DIR")
}

/// How the name of such a file ends.
fn ending(arg: &Arg) -> &'static str {
    let help = help(arg);
    let is_image = arg.get_value_names().unwrap_or_default().iter().any(|n| n == "IMAGE");
    let known = [(".html", ".html"), ("page", ".html"), (".safetensors", ".safetensors"), (".ron", ".ron"), (".nii", ".nii.gz")];
    match known.iter().find(|(word, _)| help.contains(word)) {
        _ if is_image => ".nii.gz",
        _ if is_folder(arg) => "",
        Some((_, ending)) => ending,
        None => "",
    }
}

/// A wrong file of each kind, its name ending so. `None` where the system has no such thing.
fn bad(place: &Place, kind: &str, ending: &str) -> Option<PathBuf> {
    let path = place.at(&format!("bad-{kind}{ending}"));
    if std::fs::symlink_metadata(&path).is_ok() {
        return Some(path);
    }
    let noise = |n: u32| (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<u8>>();
    match kind {
        "missing" => {}
        "folder" => std::fs::create_dir(&path).ok()?,
        "empty" => std::fs::write(&path, "").ok()?,
        "text" => std::fs::write(&path, "These are notes, and nothing else.\n").ok()?,
        "json" => std::fs::write(&path, "{\"RepetitionTime\": 2, \"of\": [null, tru").ok()?,
        "png" => {
            let mut encoder = png::Encoder::new(std::fs::File::create(&path).ok()?, 2, 2);
            encoder.set_color(png::ColorType::Rgb);
            encoder.write_header().ok()?.write_image_data(&[7; 12]).ok()?;
        }
        "gzip" => {
            let mut packed = flate2::write::GzEncoder::new(std::fs::File::create(&path).ok()?, flate2::Compression::fast());
            packed.write_all(&noise(5000)).ok()?;
            packed.finish().ok()?;
        }
        "noise" => std::fs::write(&path, noise(5000)).ok()?,
        "sparse" => std::fs::File::create(&path).and_then(|f| f.set_len(SPARSE)).ok()?,
        #[cfg(unix)]
        "dangling" => std::os::unix::fs::symlink("nowhere", &path).ok()?,
        #[cfg(unix)]
        "loop" => std::os::unix::fs::symlink(path.file_name()?, &path).ok()?,
        _ => return None,
    }
    Some(path)
}

const KINDS: &[&str] = &["missing", "folder", "empty", "text", "json", "png", "gzip", "noise", "sparse", "dangling", "loop"];

/// An argument as it stands on a command line.
fn written(arg: &Arg, value: &str) -> Vec<String> {
    match arg.get_long() {
        Some(long) => vec![format!("--{long}={value}")],
        None => vec![value.to_owned()],
    }
}

/// The command line in which `wrong` has a value and the others what `other` gives; with those that need not be there only if they stand alone.
fn line(words: &[String], args: &[Arg], wrong: &Arg, value: &str, positional: bool, other: impl Fn(&Arg) -> String) -> Vec<String> {
    let mut all = words.to_vec();
    for arg in
        args.iter().filter(|a| takes_value(a) && (a.is_required_set() || positional && a.is_positional() || a.get_id() == wrong.get_id()))
    {
        let value = if arg.get_id() == wrong.get_id() { value.to_owned() } else { other(arg) };
        all.extend(written(arg, &value));
    }
    all
}

/// Runs a line in which something is wrong; what is wrong with the answer.
fn refused(place: &Place, line: &[String], codes: &[i32]) -> Option<String> {
    let (code, said) = place.run(line);
    let why = if said.contains("panicked") {
        "it panicked"
    } else if code == -1 {
        "it was killed, or hung"
    } else if !codes.contains(&code) {
        "the exit code is another"
    } else if code != 0 && said.trim().is_empty() {
        "it says nothing"
    } else if said.lines().count() > LINES {
        "it says too much"
    } else {
        return None;
    };
    Some(format!("{why} ({code}): lmsc {}\n{said}", line.join(" ")))
}

#[test]
fn wrong_files() {
    let place = Place::new();
    let mut wrong = vec![];
    for (words, args) in verbs() {
        for arg in args.iter().filter(|a| is_path(a)) {
            for kind in KINDS {
                if is_output(arg) && (*kind == "missing" || *kind == "folder" && is_folder(arg)) {
                    continue;
                }
                let Some(path) = bad(&place, kind, ending(arg)) else { continue };
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                let before = place.everything();
                let whole = line(&words, &args, arg, &name, true, |other| place.good(other));
                let mut found = refused(&place, &whole, &[1, 2]);
                if found.is_none() && !arg.is_positional() && !arg.is_required_set() {
                    // What cannot stand beside a positional argument stands alone.
                    found = refused(&place, &line(&words, &args, arg, &name, false, |other| place.good(other)), &[1, 2]);
                }
                wrong.extend(found);
                let after = place.everything();
                for (path, content) in &before {
                    if after.get(path) != Some(content) {
                        wrong.push(format!("{} is another: lmsc {}", path.display(), whole.join(" ")));
                    }
                }
                if after.keys().any(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".writing-"))) {
                    wrong.push(format!("half a file is left: lmsc {}", whole.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn numbers_out_of_range() {
    let place = Place::new();
    let missing = |arg: &Arg| if is_path(arg) { format!("none{}", ending(arg)) } else { "x".to_owned() };
    let mut wrong = vec![];
    for (words, args) in verbs() {
        for arg in args.iter().filter(|a| is_number(a)) {
            for value in ["", "-1", "many", "NaN", "-inf", "1e", "0x10", "99999999999999999999999999", "1.5.2"] {
                wrong.extend(refused(&place, &line(&words, &args, arg, value, true, missing), &[2]));
            }
            for value in ["0", "1e308", "255", "65535", "4294967295", "18446744073709551615"] {
                // It may be in the range; the files are not there, so nothing begins. A verb that takes none is not begun.
                if args.iter().any(|a| is_path(a) && !is_output(a)) {
                    wrong.extend(refused(&place, &line(&words, &args, arg, value, true, missing), &[1, 2]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn words_that_mean_nothing() {
    let place = Place::new();
    let mut wrong = vec![];
    for (words, args) in verbs() {
        for arg in args.iter().filter(|a| takes_value(a) && !is_path(a) && !is_number(a)) {
            for value in ["", "☃", "=", "a=b=c", "../..", "{}", "1,,2", "\u{202e}"] {
                let line = line(&words, &args, arg, value, true, |other| if is_path(other) { place.good(other) } else { "x".to_owned() });
                wrong.extend(refused(&place, &line, &[0, 1, 2]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers\n{}", wrong.len(), wrong.join("\n"));
}

/// Links to an input, one path for two outputs, and files that people wrote stand for all that must not be written over.
#[test]
fn what_is_there_is_only_replaced_where_lmsc_wrote_it() {
    let place = Place::new();
    let run = |line: &str| place.run(&line.split(' ').map(String::from).collect::<Vec<_>>());
    let refused = |line: &str, words: &[&str]| {
        let before = place.everything();
        let (code, said) = run(line);
        assert!(code == 1 && said.contains("E0603") && words.iter().all(|w| said.contains(w)), "{line}: {code} {said}");
        assert!(place.everything() == before, "{line} has changed something");
    };
    let done = |line: &str| {
        let (code, said) = run(line);
        assert_eq!(code, 0, "{line}: {said}");
    };
    let image = "data/imagesTr/phantom_0000.nii.gz";
    let labels = "data/labelsTr/phantom_0000.nii.gz";
    // Files that others wrote: the labels of the data set, a graph, a config, a page, a table.
    std::fs::write(place.at("notes.html"), "<html><head></head></html>").expect("written");
    std::fs::write(place.at("notes.csv"), "case,dice\n").expect("written");
    refused(&format!("predict model.safetensors {image} --out data/labelsTr"), &["phantom_0000.nii.gz", "--overwrite"]);
    refused(&format!("view {image} --out notes.html"), &["notes.html", "--overwrite"]);
    refused("graph graph.ron --format svg --out config.ron", &["config.ron"]);
    refused("graph graph.ron --format svg --out graph.ron --overwrite", &["an input"]);
    refused("data plan data --graph graph.ron --out config.ron", &["config.ron"]);
    refused("data plan config.ron --out config.ron --overwrite", &["an input"]);
    refused("data plan data --graph graph.ron --out data/dataset.json --overwrite", &["an input"]);
    refused("new graph.ron", &["graph.ron"]);
    refused("train config.ron --set epochs=1,2 --slurm graph.ron", &["graph.ron"]);
    refused("train config.ron --out . --force", &["graph.ron", "an input"]);
    refused("report run --out notes.html", &["notes.html"]);
    let eval = format!("eval --pred {labels} --ref {labels}");
    refused(&format!("{eval} --json config.ron"), &["config.ron"]);
    refused(&format!("{eval} --csv notes.csv"), &["notes.csv"]);
    refused(&format!("{eval} --json {labels} --overwrite"), &["an input"]);
    refused(&format!("{eval} --json a.json --csv ./a.json"), &["twice"]);
    refused(&format!("{eval} --json none/a.json"), &["none"]);
    refused(&format!("predict model.safetensors {image} --out p --json p/phantom_0000.nii.gz"), &["twice"]);
    refused("bench graph.ron --runs 1 --trace config.ron", &["config.ron"]);
    refused("forward graph.ron --weights model.safetensors --input model.safetensors --out model.safetensors", &["an input"]);

    // What lmsc wrote is written again.
    for _ in 0..2 {
        done(&format!("{eval} --json a.json --csv a.csv"));
        done(&format!("view {image} --out a.html"));
        done(&format!("view {image} --out a.png"));
        done("report run --pictures 0");
        done("graph graph.ron --format svg --out a.svg");
        done("graph graph.ron --format json --out g.json");
        done(&format!("predict model.safetensors {image} --out p --overlay --again --json all.json"));
        done("data check data --overlay pictures");
        done("bench graph.ron --whole --runs 1 --export e");
    }
    refused("graph graph.ron --format json --out a.json", &["a.json"]);
    refused(&format!("{eval} --json p/phantom_0000.json"), &["phantom_0000.json"]);
    done("graph graph.ron --format json --out a.json --overwrite");

    // A segmentation that was corrected is no longer lmsc's.
    let corrected = std::fs::read(place.at(labels)).expect("labels");
    std::fs::write(place.at("p/phantom_0000.nii.gz"), &corrected).expect("written");
    let again = format!("predict model.safetensors {image} --out p");
    refused(&again, &["p/phantom_0000.nii.gz"]);
    done(&format!("{again} --overwrite"));
    assert_ne!(std::fs::read(place.at("p/phantom_0000.nii.gz")).expect("labels"), corrected);
    // What was written with another option is still known.
    done(&format!("{again} --overlay --probabilities"));
    done(&format!("{again} --flips=w"));
    done(&format!("{again} --probabilities"));

    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.at("graph.ron"), place.at("link.svg")).expect("a link");
        std::fs::hard_link(place.at("graph.ron"), place.at("hard.svg")).expect("a link");
        refused("graph graph.ron --format svg --out link.svg --overwrite", &["an input"]);
        refused("graph graph.ron --format svg --out hard.svg --overwrite", &["an input"]);
    }
    // A graph that is extended is an input, too.
    std::fs::write(place.at("variant.ron"), "(extends: \"graph.ron\", name: \"variant\")").expect("written");
    refused("graph variant.ron --format svg --out graph.ron --overwrite", &["an input"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let place = Place::new();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut c = std::process::Command::new(env!("CARGO_BIN_EXE_lmsc"));
    let out = c.args(["graph", "graph.ron"]).current_dir(&place.folder).env("NO_COLOR", "1").stdout(full).output().expect("it runs");
    let said = given::text(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("cannot write to standard output: no space left"), "{said}");
    // A file may have so many kilobytes, and no more.
    for args in
        ["graph graph.ron --format html --out a.html", "predict model.safetensors data/imagesTr --out p", "train config.ron --out r"]
    {
        let script = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" {args}");
        let mut c = std::process::Command::new("bash");
        let out =
            c.args(["-c", &script, env!("CARGO_BIN_EXE_lmsc")]).current_dir(&place.folder).env("NO_COLOR", "1").output().expect("it runs");
        let said = given::text(&out.stderr);
        assert!(out.status.code() == Some(1) && said.contains("E0603") && said.contains("file too large"), "{args}: {said}");
        let left = place.everything();
        assert!(!left.keys().any(|p| p.ends_with("a.html") || p.to_string_lossy().contains(".writing-")), "{args}: {:?}", left.keys());
        assert!(!left.keys().any(|p| Path::new(p).starts_with(place.at("p")) && p.is_file()), "{args}: {:?}", left.keys());
    }
}
