//! What a run that is gone on with must find as it was, and what may have changed.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::data::phantom;

/// A data set in files, and a run of it that was interrupted after its first step.
struct Begun {
    root: tempfile::TempDir,
}

impl Begun {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        phantom::write(&root.path().join("set"), 4, [16, 20, 18], 3).unwrap();
        let begun = Self { root };
        let stop = AtomicBool::new(true);
        train(&begun.job("set", &[]), &Folder::create(Some(&begun.run()), "x", false).unwrap(), &Device::flex(), &stop).unwrap();
        begun
    }

    fn run(&self) -> PathBuf {
        self.root.path().join("run")
    }

    fn job(&self, set: &str, sets: &[&str]) -> Job {
        let data = format!("data=Msd(root: {:?})", self.root.path().join(set).display().to_string());
        job(&[&[data.as_str(), "epochs=1", "steps=4"], sets].concat(), &[]).unwrap()
    }

    fn resume(&self, job: &Job) -> Result<Outcome> {
        resume(job, &Folder::open(&self.run()).unwrap(), &Device::flex(), &AtomicBool::new(true))
    }

    fn label(&self, case: usize) -> PathBuf {
        self.root.path().join(format!("set/labelsTr/phantom_000{case}.nii.gz"))
    }
}

fn touch(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
}

#[test]
fn a_changed_label_is_named_and_gone_on_with_only_when_that_is_said() {
    let begun = Begun::new();
    let job = begun.job("set", &[]);
    // Of the same size as before, and with the time of then.
    let time = std::fs::metadata(begun.label(2)).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(begun.label(2)).unwrap();
    // A file name in gzip's header would be of no consequence; the operating system's number is there, too.
    bytes[9] ^= 1;
    std::fs::write(begun.label(2), &bytes).unwrap();
    touch(&begun.label(2));
    let e = begun.resume(&job).unwrap_err();
    let shown = format!("{:?}", e.0[0]);
    assert_eq!(e.0[0].code, Code::E0801);
    for words in ["1 file of the data set changed", "phantom_0002.nii.gz` is not what it was", "--changed-data"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // The time alone does not hide it: what was written within two seconds before the record was made is read again.
    std::fs::File::options().write(true).open(begun.label(2)).unwrap().set_modified(time).unwrap();
    assert!(begun.resume(&job).is_err());
    let changed = accept_data(&job, &Folder::open(&begun.run()).unwrap()).unwrap();
    assert_eq!(changed, [begun.label(2)]);
    begun.resume(&job).unwrap();
    let record = std::fs::read_to_string(begun.run().join(DATA)).unwrap();
    assert_eq!(record.matches("phantom_0002.nii.gz").count(), 3, "image, label, and that it changed: {record}");
    assert!(record.contains("changed_since"));
}

#[test]
fn every_file_that_changed_is_counted_and_some_are_named() {
    let begun = Begun::new();
    for case in 0..4 {
        for folder in ["imagesTr", "labelsTr"] {
            let path = begun.root.path().join(format!("set/{folder}/phantom_000{case}.nii.gz"));
            let longer = [std::fs::read(&path).unwrap(), vec![0]].concat();
            std::fs::write(&path, longer).unwrap();
        }
    }
    let e = begun.resume(&begun.job("set", &[])).unwrap_err();
    assert!(e.0[0].message.starts_with("8 files of") && e.0[0].help.iter().any(|h| h == "and 3 more"), "{e:?}");
}

#[test]
fn a_data_set_that_was_moved_copied_or_touched_is_the_same() {
    let begun = Begun::new();
    touch(&begun.label(1));
    begun.resume(&begun.job("set", &[])).unwrap();
    std::fs::rename(begun.root.path().join("set"), begun.root.path().join("elsewhere")).unwrap();
    begun.resume(&begun.job("elsewhere", &[])).unwrap();
    // All times are new.
    for folder in ["imagesTr", "labelsTr"] {
        std::fs::create_dir_all(begun.root.path().join("copy").join(folder)).unwrap();
    }
    for file in ["dataset.json".to_owned()]
        .into_iter()
        .chain((0..4).flat_map(|n| ["imagesTr", "labelsTr"].map(|folder| format!("{folder}/phantom_000{n}.nii.gz"))))
    {
        let bytes = std::fs::read(begun.root.path().join("elsewhere").join(&file)).unwrap();
        std::fs::write(begun.root.path().join("copy").join(&file), bytes).unwrap();
    }
    begun.resume(&begun.job("copy", &[])).unwrap();
}

#[test]
fn what_was_never_recorded_is_recorded_from_then_on() {
    let begun = Begun::new();
    std::fs::remove_file(begun.run().join(DATA)).unwrap();
    begun.resume(&begun.job("set", &[])).unwrap();
    assert!(begun.run().join(DATA).exists());
    std::fs::write(begun.label(0), b"else").unwrap();
    assert!(begun.resume(&begun.job("set", &[])).is_err());
    std::fs::write(begun.run().join(DATA), "{").unwrap();
    let e = begun.resume(&begun.job("set", &[])).unwrap_err();
    assert!(e.0[0].message.contains(DATA) && !e.0[0].help.is_empty(), "{e:?}");
}

#[test]
fn where_a_run_is_computed_may_change_and_what_it_is_may_not() {
    let begun = Begun::new();
    let cache = format!("cache={:?}", begun.root.path().join("cache").display().to_string());
    begun.resume(&begun.job("set", &[&cache, "workers=2", "out=somewhere", "checkpointing=true"])).unwrap();
    // What is not set and what it then means are the same.
    begun.resume(&begun.job("set", &["split.seed=0"])).unwrap();
    for (set, words) in [
        ("optimiser.lr=0.02", "`optimiser.lr` was 0.01 and is 0.02"),
        ("loss.boundary=0.5", "`loss.boundary` was 0.0 and is 0.5"),
        ("patience=3", "`patience` was not set and is 3"),
        ("split.seed=5", "`split.seed` was 0 and is 5"),
    ] {
        let e = begun.resume(&begun.job("set", &[set])).unwrap_err();
        assert!(e.0[0].message.contains(words) && e.0[0].code == Code::E0801, "{words}: {e:?}");
        assert_eq!(RunStatus::of(&begun.job("set", &[set]), &begun.run()).unwrap(), RunStatus::Other);
    }
    assert_eq!(RunStatus::of(&begun.job("set", &[]), &begun.run()).unwrap(), RunStatus::Interrupted(0));
    let other = job_of(&GRAPH.replace("silu", "relu"), &["epochs=1", "steps=4"], &[]).unwrap();
    assert!(RunStatus::differences(&other, &begun.run()).unwrap().iter().any(|d| d == "its graph is another one"));
}

#[test]
fn a_comment_in_the_files_of_a_run_changes_nothing() {
    let begun = Begun::new();
    for name in ["config.ron", "graph.ron"] {
        let path = begun.run().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("// mine\n{text}\n")).unwrap();
    }
    let source = Source::read(&begun.run().join("config.ron")).unwrap();
    let config = RunConfig::read(&source, &[]).unwrap();
    let graph = Source::read(&begun.run().join("graph.ron")).unwrap();
    let job = Job::prepare(config, &source, &graph, &[]).unwrap();
    begun.resume(&job).unwrap();
}

#[test]
fn what_a_data_set_says_of_itself_is_part_of_it() {
    let begun = Begun::new();
    let about = begun.root.path().join("set/dataset.json");
    let text = std::fs::read_to_string(&about).unwrap();
    assert!(text.contains("edema"));
    std::fs::write(&about, text.replace("edema", "oedema")).unwrap();
    let job = begun.job("set", &[]);
    let e = begun.resume(&job).unwrap_err();
    let shown = format!("{:?}", e.0[0]);
    assert!(
        shown.contains("what the data set says of itself has changed") && shown.contains("1 edema") && shown.contains("1 oedema"),
        "{shown}"
    );
    accept_data(&job, &Folder::open(&begun.run()).unwrap()).unwrap();
    begun.resume(&job).unwrap();
}
