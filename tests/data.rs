//! Data sets as a user meets them: `lmsc data check` and `lmsc data plan`, on generated sets and on those beside the checkout.
#![cfg(feature = "train")]

mod given;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use given::beside;
use lmsc::data::phantom;

fn lmsc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lmsc")).args(args).env("NO_COLOR", "1").env("COLUMNS", "130").output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn set() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a folder");
    phantom::write(dir.path(), 5, [16, 20, 18], 1).expect("written");
    let root = dir.path().display().to_string();
    (dir, root)
}

fn file(root: &str, name: &str) -> PathBuf {
    Path::new(root).join(name)
}

/// Holds a page against its snapshot.
fn hold(name: &str, page: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, page));
}

/// Standard output with the root's path taken out.
fn said(out: &Output, root: &str) -> String {
    text(&out.stdout).replace(root, "ROOT")
}

#[test]
fn a_good_set_is_a_table_and_a_line() {
    let (_dir, root) = set();
    let out = lmsc(&["data", "check", &root]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    hold("data-check", &said(&out, &root));
    assert!(out.stderr.is_empty(), "{}", text(&out.stderr));
}

#[test]
fn faults_are_all_said_and_make_the_exit_code_1() {
    let (_dir, root) = set();
    let cut = std::fs::read(file(&root, "imagesTr/phantom_0001.nii.gz")).expect("it is there");
    std::fs::write(file(&root, "imagesTr/phantom_0001.nii.gz"), &cut[..cut.len() / 2]).expect("written");
    std::fs::copy(file(&root, "imagesTr/phantom_0003.nii.gz"), file(&root, "imagesTr/phantom_0004.nii.gz")).expect("copied");
    let pictures = file(&root, "pictures");
    let out = lmsc(&["data", "check", &root, "--overlay", &pictures.display().to_string()]);
    assert_eq!(out.status.code(), Some(1));
    let (table, errors) = (text(&out.stdout), text(&out.stderr));
    assert!(table.contains("4 of 5 cases can be used") && table.contains("1 wrong"), "{table}");
    assert!(errors.contains("phantom_0001.nii.gz") && errors.contains("E0702"), "{errors}");
    assert!(errors.contains("`phantom_0003`, `phantom_0004` hold the same voxels"), "{errors}");
    assert_eq!(std::fs::read_dir(&pictures).expect("a folder").count(), 4);

    let out = lmsc(&["data", "check", &root, "--json"]);
    assert_eq!(out.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!((json["sound"].as_bool(), json["cases"].as_array().map(Vec::len)), (Some(false), Some(5)));
    assert_eq!(json["cases"][1]["findings"][0]["code"], "E0702");
    assert!(json["findings"][0]["message"].as_str().is_some_and(|m| m.contains("same voxels")), "{json}");
}

#[test]
fn a_copy_across_the_split_is_an_error() {
    let (dir, root) = set();
    std::fs::copy(file(&root, "imagesTr/phantom_0003.nii.gz"), file(&root, "imagesTr/phantom_0004.nii.gz")).expect("copied");
    std::fs::write(dir.path().join("tiny.ron"), include_str!("given/tiny.ron")).expect("written");
    let config = dir.path().join("run.ron");
    let with = |fold: usize| {
        let text =
            format!("(graph: \"tiny.ron\", data: Msd(root: {root:?}), split: (folds: 5, fold: {fold}), patch: (16, 16, 16), epochs: 1)");
        std::fs::write(&config, text).expect("written");
        lmsc(&["data", "check", &config.display().to_string()])
    };
    let codes: Vec<Option<i32>> = (0..5).map(|fold| with(fold).status.code()).collect();
    assert_eq!(codes.iter().filter(|c| **c == Some(1)).count(), 2, "each of the two is held back once: {codes:?}");
    assert_eq!(codes.iter().filter(|c| **c == Some(0)).count(), 3);
}

#[test]
fn a_plan_is_a_config_that_trains() {
    let (dir, root) = set();
    let config = dir.path().join("mine.ron").display().to_string();
    let out = lmsc(&["data", "plan", &root, "--graph", "graphs/lightmedseg.ron", "--memory", "4GiB", "--out", &config]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    hold("data-plan", &said(&out, &root));
    let plan = std::fs::read_to_string(&config).expect("the config");
    assert!(plan.contains("patch: (16, 32, 16)") && plan.contains("crop: true") && plan.contains("normalise: ZScoreNonZero"), "{plan}");
    let run = dir.path().join("run").display().to_string();
    let out = lmsc(&["train", &config, "--set", "epochs=1", "--set", "steps=1", "--device", "cpu", "--out", &run]);
    assert!(out.status.success(), "{}", text(&out.stderr));

    let out = lmsc(&["data", "plan", &root, "--graph", "graphs/lightmedseg.ron", "--memory", "1MiB"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("E0902"), "{}", text(&out.stderr));
    let out = lmsc(&["data", "plan", &root]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("--graph"), "{}", text(&out.stderr));
}

#[test]
fn regions_of_the_data_set_are_in_the_plan() {
    let (dir, root) = set();
    let nnunet = dir.path().join("nnunet");
    for folder in ["imagesTr", "labelsTr"] {
        std::fs::create_dir_all(nnunet.join(folder)).expect("a folder");
    }
    for i in 0..5 {
        let label = file(&root, &format!("labelsTr/phantom_{i:04}.nii.gz"));
        std::fs::copy(&label, nnunet.join(format!("imagesTr/p{i}_0000.nii.gz"))).expect("copied");
        std::fs::copy(&label, nnunet.join(format!("labelsTr/p{i}.nii.gz"))).expect("copied");
    }
    let described = r#"{"channel_names": {"0": "T1"}, "labels": {"background": 0, "whole": [1, 2, 3], "core": [1, 3], "inner": 3},
        "regions_class_order": [2, 1, 3], "numTraining": 5, "file_ending": ".nii.gz"}"#;
    std::fs::write(nnunet.join("dataset.json"), described).expect("written");
    let config = dir.path().join("mine.ron").display().to_string();
    let data = nnunet.display().to_string();
    let out = lmsc(&["data", "plan", &data, "--graph", "graphs/lightmedseg.ron", "--memory", "4GiB", "--out", &config]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let plan = std::fs::read_to_string(&config).expect("the config");
    for row in ["\"classes\": 3", r#"regions: { "whole": [1, 2, 3], "core": [1, 3], "inner": [3] },"#, "paint: [2, 1, 3],"] {
        assert!(plan.contains(row), "{row}: {plan}");
    }
    let run = dir.path().join("run").display().to_string();
    let out = lmsc(&["train", &config, "--set", "epochs=1", "--set", "steps=1", "--device", "cpu", "--out", &run]);
    assert!(out.status.success() && text(&out.stdout).contains("whole"), "{}", text(&out.stderr));
}

#[test]
fn a_run_prepares_its_cases_once() {
    let (dir, root) = set();
    std::fs::write(dir.path().join("tiny.ron"), include_str!("given/tiny.ron")).expect("written");
    let config = dir.path().join("run.ron");
    let cache = dir.path().join("kept");
    let text_of = |cache: &str| {
        format!(
            "(graph: \"tiny.ron\", data: Msd(root: {root:?}), patch: (16, 16, 16), spacing: (1.5, 1.0, 1.2), crop: true, {cache}
             augment: (rotate: (probability: 0.5, degrees: 20), gamma: (probability: 0.5, low: 0.8, high: 1.2)), epochs: 1, steps: 2, device: \"cpu\")"
        )
    };
    let mut figures = vec![];
    for (name, kept) in [("a", String::new()), ("b", format!("cache: {cache:?},")), ("c", format!("cache: {cache:?},"))] {
        std::fs::write(&config, text_of(&kept)).expect("written");
        let run = dir.path().join(name);
        let out = lmsc(&["train", &config.display().to_string(), "--out", &run.display().to_string()]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        figures.push(std::fs::read(run.join("last.safetensors")).expect("a model"));
    }
    assert!(figures.iter().all(|f| *f == figures[0]), "kept cases train the same weights");
    assert_eq!(std::fs::read_dir(&cache).expect("a folder").count(), 5);
    // The model sees images as training did: at its spacing, cropped.
    let model = dir.path().join("c/last.safetensors").display().to_string();
    let shown = text(&lmsc(&["info", &model]).stdout);
    assert!(shown.contains("1.5 x 1 x 1.2 mm") && shown.contains("cut away"), "{shown}");
    let image = file(&root, "imagesTr/phantom_0000.nii.gz").display().to_string();
    let out = lmsc(&["predict", &model, &image, "--out", &dir.path().join("out").display().to_string()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let label = lmsc::volume::read(&dir.path().join("out/phantom_0000.nii.gz")).expect("a label map");
    assert_eq!(label.size(), [16, 20, 18]);
}

#[test]
fn the_sets_beside_the_checkout_are_sound() {
    let Some(root) = beside("data") else { return };
    let check = |folder: &str, more: &[&str]| {
        let target = root.join(folder).display().to_string();
        lmsc(&[&["data", "check", &target], more].concat())
    };
    let out = check("Task04_Hippocampus", &[]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(text(&out.stdout).contains("208 of 208 cases can be used"), "{}", text(&out.stdout));
    let out = check("ACDC", &["--json"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let cases = json["cases"].as_array().expect("cases");
    assert_eq!((cases.len(), cases[1]["subject"].as_str()), (20, Some("patient001")));
    assert!(
        cases.iter().all(|c| c["voxels_of_classes"].as_array().is_some_and(|n| n.len() == 4 && n.iter().all(|n| n.as_u64() > Some(0))))
    );

    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("glioma.ron");
    std::fs::write(dir.path().join("tiny.ron"), include_str!("given/tiny.ron")).expect("written");
    let files = format!(
        "(graph: \"tiny.ron\", patch: (16, 16, 16), epochs: 1, data: Files(root: {:?}, modalities: [(\"FLAIR\", \"{{case}}/Flair*.nii.gz\"), \
         (\"T1c\", \"{{case}}/T1c*.nii.gz\")], label: \"{{case}}/OTMultiClass.nii.gz\", \
         labels: [(0, \"background\"), (1, \"necrosis\"), (2, \"edema\"), (3, \"non-enhancing\"), (4, \"enhancing\")]))",
        root.join("brats2013")
    );
    std::fs::write(&config, files).expect("written");
    let out = lmsc(&["data", "check", &config.display().to_string()]);
    assert!(out.status.success() && text(&out.stdout).contains("4 of 4 cases can be used"), "{}{}", text(&out.stdout), text(&out.stderr));
}
