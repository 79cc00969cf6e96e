//! Data sets as a user meets them: `lmsc data check` and `lmsc data plan`, on generated sets and on those beside the checkout.
#![cfg(feature = "train")]

mod given;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use given::beside;
use lmsc::data::phantom;
use lmsc::volume::{Header, write_image, write_labels};
use ndarray::{Array3, Array4};

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
    assert!(
        plan.contains("patch: (16, 32, 16)")
            && plan.contains("crop: true")
            && plan.contains("steps: 250")
            && plan.contains("normalise: ZScoreNonZero"),
        "{plan}"
    );
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
        let image = lmsc::volume::read(&file(&root, &format!("imagesTr/phantom_{i:04}.nii.gz"))).expect("an image");
        let first = image.data.slice(ndarray::s![..1, .., .., ..]).to_owned();
        lmsc::volume::write_image(&nnunet.join(format!("imagesTr/p{i}_0000.nii.gz")), &first, &image.header).expect("written");
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

/// Standard error without its line breaks.
fn heard(out: &Output) -> String {
    text(&out.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A set of single channels; `change` makes image and label of a case, label values of 32 bits.
fn made(change: impl Fn(usize, &mut Array4<f32>, &mut Array3<u32>)) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let size = [16, 20, 18];
    for folder in ["imagesTr", "labelsTr"] {
        std::fs::create_dir_all(dir.path().join(folder)).expect("a folder");
    }
    for case in 0..4 {
        let made = phantom::generate(size, 3, case as u64);
        let mut image = made.image.slice(ndarray::s![..1, .., .., ..]).to_owned();
        let mut label = made.label.mapv(|l| [0, 205, 420, 70_500][usize::from(l)]);
        change(case, &mut image, &mut label);
        let at = |folder: &str| dir.path().join(folder).join(format!("c_{case}.nii.gz"));
        write_image(&at("imagesTr"), &image, &Header::plain(size, 1, [1.0; 3])).expect("written");
        write_labels(&at("labelsTr"), &label, &Header::plain(size, 1, [1.0; 3])).expect("written");
    }
    std::fs::write(dir.path().join("tiny.ron"), include_str!("given/tiny.ron").replace("\"modalities\": 4", "\"modalities\": 1"))
        .expect("written");
    let root = dir.path().display().to_string();
    (dir, root)
}

/// A run config for such a set.
fn config(dir: &Path, more: &str) -> String {
    let path = dir.join("run.ron");
    let text = format!(
        "(graph: \"tiny.ron\", patch: (16, 16, 16), epochs: 1, steps: 2, device: \"cpu\", split: (validation: 0.25), data: Files(root: {dir:?},
         modalities: [(\"T1\", \"imagesTr/{{case}}.nii.gz\")], label: \"labelsTr/{{case}}.nii.gz\",
         labels: [(0, \"background\"), (205, \"myocardium\"), (420, \"left atrium\"), (70500, \"left ventricle\")]), {more})"
    );
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[test]
fn labels_of_large_values_are_checked_trained_predicted_scored_and_viewed() {
    let (dir, _) = made(|_, _, label| label[[8, 10, 9]] = 70_500);
    let config = config(dir.path(), "");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let out = lmsc(&["data", "check", &config]);
    assert!(out.status.success() && text(&out.stdout).contains("420 left atrium"), "{}{}", text(&out.stdout), heard(&out));
    let out = lmsc(&["train", &config, "--out", &at("run")]);
    assert!(out.status.success(), "{}", heard(&out));
    let out = lmsc(&["predict", &at("run"), &at("imagesTr"), "--out", &at("p"), "--overlay"]);
    assert!(out.status.success(), "{}", heard(&out));
    let predicted = lmsc::volume::read(&dir.path().join("p/c_0.nii.gz")).expect("labels");
    assert!(predicted.data.iter().all(|v| [0.0, 205.0, 420.0, 70_500.0].contains(v)));
    let out = lmsc(&["eval", "--pred", &at("labelsTr"), "--ref", &at("labelsTr"), "--labels", "205=myo,420=LA", "--figures", "dice"]);
    assert!(out.status.success(), "{}", heard(&out));
    assert!(text(&out.stdout).contains("myo") && text(&out.stdout).contains("not scored: 70500"), "{}", text(&out.stdout));
    let out = lmsc(&["eval", "--pred", &at("p"), "--ref", &at("labelsTr"), "--figures", "dice"]);
    assert!(out.status.success() && text(&out.stdout).contains("70500"), "{}{}", text(&out.stdout), heard(&out));
    let (image, label) = (at("imagesTr/c_0.nii.gz"), at("labelsTr/c_0.nii.gz"));
    for (name, model) in [("a.html", false), ("b.html", true), ("c.png", true)] {
        let mut args = vec!["view", &image, "--labels", &label, "--out"];
        let (out, run) = (at(name), at("run"));
        args.push(&out);
        args.extend(if model { vec!["--model", &run] } else { vec![] });
        let done = lmsc(&args);
        assert!(done.status.success(), "{name}: {}", text(&done.stderr));
        if name.ends_with("html") {
            let page = std::fs::read_to_string(&out).expect("a page");
            assert!(page.contains(if model { "left ventricle" } else { "\"70500\"" }), "{name}");
        }
    }
}

#[test]
fn voxels_that_are_not_finite_are_counted_and_a_rule_makes_them_numbers() {
    let (dir, _) = made(|_, image, _| image.slice_mut(ndarray::s![.., ..2, .., ..]).fill(f32::NAN));
    let at = |name: &str| dir.path().join(name).display().to_string();
    let plain = config(dir.path(), "");
    let out = lmsc(&["data", "check", &plain]);
    assert_eq!(out.status.code(), Some(1));
    assert!(heard(&out).contains("720 of 5760 voxels are NaN") && heard(&out).contains("`nan: 0`"), "{}", heard(&out));
    let ruled = config(dir.path(), "nan: 0,");
    let out = lmsc(&["data", "check", &ruled]);
    assert!(out.status.success() && heard(&out).contains("become 0"), "{}", heard(&out));
    // The same of four cases is one warning.
    assert_eq!(heard(&out).matches("are NaN").count(), 1, "{}", heard(&out));
    assert!(heard(&out).contains("likewise in 3 more"), "{}", heard(&out));
    let out = lmsc(&["train", &ruled, "--out", &at("run")]);
    assert!(out.status.success() && heard(&out).contains("are NaN"), "{}", heard(&out));
    let out = lmsc(&["predict", &at("run"), &at("imagesTr"), "--out", &at("p")]);
    assert!(out.status.success() && heard(&out).contains("are NaN"), "{}", heard(&out));
    let report = std::fs::read_to_string(dir.path().join("p/c_1.json")).expect("a report");
    assert!(report.contains("720 of 5760 voxels are NaN and become 0"), "{report}");
    let out = lmsc(&["view", &at("imagesTr/c_0.nii.gz"), "--out", &at("a.html")]);
    assert!(out.status.success() && heard(&out).contains("720 of 5760 voxels are NaN"), "{}", heard(&out));
    assert!(std::fs::read_to_string(dir.path().join("a.html")).expect("a page").contains("720 of 5760 voxels hold no finite number"));
}

#[test]
fn what_the_spacing_takes_away_is_said_and_scores_nothing() {
    let (dir, _) = made(|case, _, label| {
        label.fill(0);
        // Between the voxels that are left of its row.
        label[[3, 5, 5 + case]] = 205;
    });
    let at = |name: &str| dir.path().join(name).display().to_string();
    let config = config(dir.path(), "spacing: (3.0, 3.0, 3.0),");
    let out = lmsc(&["data", "check", &config]);
    assert!(heard(&out).contains("class 205 (myocardium) has 1 voxel and none at 3 x 3 x 3 mm"), "{}", heard(&out));
    let out = lmsc(&["train", &config, "--out", &at("run")]);
    assert!(out.status.success() && heard(&out).contains("has 1 voxel and none at 3 x 3 x 3 mm"), "{}", heard(&out));
    let epochs = std::fs::read_to_string(dir.path().join("run/metrics.jsonl")).expect("the journal");
    let epoch: serde_json::Value = serde_json::from_str(epochs.lines().next().expect("an epoch")).expect("JSON");
    assert!(epoch.to_string().contains("\"myocardium\":0.0"), "{epoch}");
}

#[test]
fn a_set_without_any_label_is_refused() {
    let (dir, _) = made(|_, _, label| label.fill(0));
    let config = config(dir.path(), "");
    let out = lmsc(&["data", "check", &config]);
    assert!(out.status.code() == Some(1) && heard(&out).contains("no case has any label"), "{}", heard(&out));
    let out = lmsc(&["train", &config, "--out", &dir.path().join("run").display().to_string()]);
    assert!(out.status.code() == Some(1) && heard(&out).contains("nothing can be learned"), "{}", heard(&out));
    assert!(!dir.path().join("run").exists());
}

#[test]
fn every_verb_tells_the_doubts_about_a_volume() {
    let (dir, _) = made(|_, _, _| ());
    let at = |name: &str| dir.path().join(name).display().to_string();
    for folder in ["imagesTr", "labelsTr"] {
        for case in 0..2 {
            let path = dir.path().join(folder).join(format!("c_{case}.nii.gz"));
            let volume = lmsc::volume::read(&path).expect("a volume");
            let header = Header { sform_code: 0, qform_code: 0, ..volume.header };
            write_image(&path, &volume.data, &header).expect("written");
        }
    }
    let config = config(dir.path(), "");
    let (image, labels) = (at("imagesTr/c_0.nii.gz"), at("labelsTr/c_0.nii.gz"));
    let said = |args: &[&str]| {
        let out = lmsc(args);
        assert!(out.status.success(), "{args:?}: {}", heard(&out));
        heard(&out).matches("neither sform nor qform").count()
    };
    assert_eq!(said(&["data", "check", &config]), 1);
    assert_eq!(said(&["train", &config, "--out", &at("run")]), 1);
    assert_eq!(said(&["predict", &at("run"), &at("imagesTr"), "--out", &at("p")]), 1);
    assert_eq!(said(&["eval", "--pred", &labels, "--ref", &labels, "--figures", "dice"]), 1);
    assert_eq!(said(&["view", &image, "--labels", &labels, "--out", &at("a.html")]), 1);
    let report = std::fs::read_to_string(dir.path().join("p/c_0.json")).expect("a report");
    assert!(report.contains("neither sform nor qform"), "{report}");
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

/// Both streams.
fn both(out: &Output) -> String {
    text(&out.stdout) + &text(&out.stderr)
}

#[test]
fn a_run_is_found_again_from_any_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    phantom::write(&at("set"), 4, [16, 20, 18], 1).expect("written");
    for folder in ["configs", "elsewhere"] {
        std::fs::create_dir(at(folder)).expect("a folder");
    }
    std::fs::write(at("configs/tiny.ron"), include_str!("given/tiny.ron")).expect("written");
    let text = r#"(graph: "tiny.ron", data: Msd(root: "../set"), cache: "kept", split: (validation: 0.5), patch: (16, 16, 16), epochs: 1, steps: 1,
        device: "cpu", out: "../runs/a")"#;
    std::fs::write(at("configs/run.ron"), text).expect("written");
    let lmsc = |folder: &str, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lmsc"));
        let out = command.args(args).current_dir(at(folder)).env("NO_COLOR", "1").env("COLUMNS", "1000").output().expect("it runs");
        (out.status.code(), both(&out))
    };
    // Everything that the config names starts at its folder, wherever the program is run.
    let (code, said) = lmsc("elsewhere", &["train", "../configs/run.ron"]);
    assert!(code == Some(0) && !said.contains("warning"), "{said}");
    assert!(at("runs/a/best.safetensors").exists() && at("configs/kept").is_dir(), "{said}");
    let resolved = std::fs::read_to_string(at("runs/a/config.ron")).expect("a config");
    assert!(resolved.contains(&format!("{:?}", at("set").display().to_string())) || resolved.contains("configs/../set"), "{resolved}");
    // The run, from two other folders.
    for folder in ["configs", "runs"] {
        let run = at("runs/a").display().to_string();
        for args in [&["report", &run][..], &["train", "--resume", &run], &["data", "check", &format!("{run}/config.ron")]] {
            let (code, said) = lmsc(folder, args);
            assert!(code == Some(0) && !said.contains("no pictures"), "{args:?}: {said}");
        }
    }
    let (code, said) = lmsc("elsewhere", &["train", "../runs/a/config.ron", "--out", "b"]);
    assert!(code == Some(0) && at("elsewhere/b/best.safetensors").exists(), "{said}");
    // A plan for a folder that is named from here is a config that finds it from there.
    let (code, said) = lmsc(
        "elsewhere",
        &["data", "plan", "../set", "--graph", "../configs/tiny.ron", "--memory", "4GiB", "--out", "../configs/mine.ron"],
    );
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = lmsc("runs", &["data", "check", "../configs/mine.ron"]);
    assert!(code == Some(0) && !said.contains("is taken"), "{said}");
    // Where earlier versions looked is looked too, and it is said.
    std::fs::write(at("configs/old.ron"), text.replace("../set", "set").replace("../runs/a", "../runs/old")).expect("written");
    let (code, said) = lmsc(".", &["data", "check", "configs/old.ron"]);
    assert!(code == Some(0) && said.contains("`set` at the working directory is taken"), "{said}");
    let (code, said) = lmsc("elsewhere", &["data", "check", "../configs/old.ron"]);
    assert!(code == Some(1) && said.contains("../configs/set") && said.contains("--set data.root="), "{said}");
    // What the command line gives starts at the working directory.
    let (code, said) = lmsc("elsewhere", &["data", "check", "../configs/old.ron", "--set", "data.root=../set"]);
    assert!(code == Some(0) && !said.contains("is taken"), "{said}");
}
