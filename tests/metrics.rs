//! Figures are those of surface-distance, MONAI, MedPy and SciPy, within 1e-6 relative; where these differ, ours follows the one that is
//! asked for. `tests/metrics/compare.py` made `expected.json`, and says how the masks are made.
#![cfg(feature = "predict")]

use lmsc::metric::{Empty, LabelPair, LesionRule, Region, Scores, Settings, SurfaceConvention, signed_rank};
use ndarray::Array3;
use serde_json::Value;

fn expected() -> Value {
    serde_json::from_str(include_str!("metrics/expected.json")).expect("JSON")
}

fn list(v: &Value) -> &Vec<Value> {
    v.as_array().expect("a list")
}

fn number(v: &Value) -> f64 {
    v.as_f64().expect("a number")
}

fn numbers(mut state: u64) -> impl FnMut() -> usize {
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    }
}

/// The mask that `[kind, parameter, seed]` stands for.
fn made(size: [usize; 3], what: &Value) -> Array3<u8> {
    let what = list(what);
    let parameter = number(&what[1]) as usize;
    let mut draw = numbers(number(&what[2]) as u64);
    match what[0].as_str().expect("a kind") {
        "noise" => Array3::from_shape_simple_fn(size, || u8::from(draw().is_multiple_of(parameter))),
        "voxel" => {
            let mut number = 0..;
            Array3::from_shape_simple_fn(size, || u8::from(number.next() == Some(parameter)))
        }
        _ => {
            let mut mask = Array3::zeros(size);
            for _ in 0..parameter {
                let centre = size.map(|n| (draw() % n) as i64);
                let square = size.map(|n| (1 + draw() % (n / 4).max(1)) as i64).map(|half| half * half);
                for ((d, h, w), set) in mask.indexed_iter_mut() {
                    let at = [d, h, w].map(|n| n as i64);
                    let term = |a: usize| (at[a] - centre[a]).pow(2) * square.iter().product::<i64>() / square[a];
                    if term(0) + term(1) + term(2) <= square.iter().product() {
                        *set = 1;
                    }
                }
            }
            mask
        }
    }
}

fn triple(v: &Value) -> [f64; 3] {
    list(v).iter().map(number).collect::<Vec<_>>().try_into().expect("three numbers")
}

fn scored(case: &Value, convention: SurfaceConvention, tolerance: f64, dilation: usize) -> Scores {
    let size = triple(&case["size"]).map(|n| n as usize);
    let (p, r) = (made(size, &case["prediction"]), made(size, &case["reference"]));
    let voxels: Vec<u64> = [&p, &r].map(|m| m.iter().map(|v| u64::from(*v)).sum()).to_vec();
    assert_eq!(serde_json::json!(voxels), case["voxels"], "the masks are those of the script");
    let settings = Settings { convention, tolerance, lesions: Some(LesionRule { dilation, smallest: 0.0 }), empty: Empty::Absent };
    LabelPair::new(&p, &r, triple(&case["spacing"])).expect("one shape").score(&Region::label(1), &settings)
}

/// Holds each value of `theirs` against the one of that name in `ours`.
fn agree(name: &str, ours: &Value, theirs: &Value) -> usize {
    for (key, theirs) in theirs.as_object().expect("an object") {
        let (ours, theirs) = (number(&ours[key]), number(theirs));
        assert!((ours - theirs).abs() <= 1e-6 * theirs.abs(), "{name}, {key}: {ours} and {theirs}");
    }
    theirs.as_object().map_or(0, |o| o.len())
}

#[test]
fn figures_are_those_of_the_tools() {
    let all = expected();
    let (tolerance, dilation) = (number(&all["tolerance"]), number(&all["dilation"]) as usize);
    let mut compared = 0;
    for case in list(&all["cases"]) {
        let name = case["name"].as_str().expect("a name");
        for (tool, convention) in
            [("deepmind", SurfaceConvention::DeepMind), ("monai", SurfaceConvention::Monai), ("medpy", SurfaceConvention::MedPy)]
        {
            let ours = serde_json::to_value(scored(case, convention, tolerance, dilation)).expect("JSON");
            compared += agree(&format!("{name} as {tool}"), &ours, &case[tool]);
            if convention == SurfaceConvention::DeepMind {
                compared += agree(name, &ours, &case["overlap"]) + agree(name, &ours, &case["lesions"]);
            }
        }
    }
    assert_eq!(compared, 13 * (4 + 4 + 3 + 4 + 6));
}

#[test]
fn signed_ranks_are_those_of_scipy() {
    for test in list(&expected()["wilcoxon"]) {
        let d: Vec<f64> = list(&test["differences"]).iter().map(number).collect();
        let ours = signed_rank(&d);
        assert_eq!(ours.positive.min(ours.negative), number(&test["statistic"]), "{}", test["why"]);
        let p = number(&test["p"]);
        assert!((ours.p - p).abs() <= 1e-9 * p, "{} of {}: {} and {p}", test["why"], d.len(), ours.p);
        assert_eq!(ours.exact, d.len() - ours.zeros <= 50);
    }
}

/// The program, run in a folder.
mod program {
    use super::made;
    use assert_cmd::Command;
    use lmsc::volume::{Header, write_labels};
    use ndarray::Array3;
    use serde_json::{Value, json};
    use std::path::Path;

    const SIZE: [usize; 3] = [12, 24, 24];
    const SPACING: [f64; 3] = [3.0, 1.0, 0.9];

    fn lmsc(folder: &Path, width: usize, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("lmsc").expect("the program");
        let out = command.arg("eval").args(args).current_dir(folder).env("NO_COLOR", "1").env("COLUMNS", width.to_string()).output();
        let out = out.expect("it runs");
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (out.status.code().expect("an exit code"), text(&out.stdout), text(&out.stderr))
    }

    fn write(folder: &Path, set: &str, case: &str, labels: &Array3<u8>) {
        std::fs::create_dir_all(folder.join(set)).expect("a folder");
        write_labels(&folder.join(set).join(format!("{case}.nii.gz")), labels, &Header::plain(SIZE, 1, SPACING)).expect("a file");
    }

    /// Seven cases: references, predictions `near` them, off by a voxel, and `far` from them, off by three. Label 2 of case 5 is in `far`
    /// alone; `near` has none of it in case 6.
    fn cases() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for i in 0..7u64 {
            let one = made(SIZE, &json!(["blobs", 2, 100 + i]));
            let two = made(SIZE, &json!(["blobs", 3, 200 + i]));
            let shifted = |w: usize, second: bool| {
                Array3::from_shape_fn(SIZE, |(d, h, x)| match x.checked_sub(w).map(|x| [d, h, x]) {
                    Some(at) if second && two[at] == 1 => 2,
                    Some(at) => one[at],
                    None => 0,
                })
            };
            let case = format!("case_{i}");
            write(dir.path(), "ref", &case, &shifted(0, i != 5));
            write(dir.path(), "near", &case, &shifted(1, i != 5 && i != 6));
            write(dir.path(), "far", &case, &shifted(3, true));
        }
        dir
    }

    fn snapshot(name: &str, text: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots/metrics");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }

    #[test]
    fn tables_fit_their_width() {
        let dir = cases();
        for width in [80, 120] {
            let (code, out, err) = lmsc(dir.path(), width, &["--pred", "near", "--ref", "ref"]);
            assert_eq!((code, err.as_str()), (0, ""));
            assert!(out.lines().all(|l| l.chars().count() <= width), "{out}");
            snapshot(&format!("eval-{width}"), &out);
            let compared = ["--pred", "near", "--against", "far", "--ref", "ref", "--figures", "dice,hd95,volume_difference"];
            let (_, out, _) = lmsc(dir.path(), width, &compared);
            assert!(out.lines().all(|l| l.chars().count() <= width), "{out}");
            snapshot(&format!("against-{width}"), &out);
        }
        let (_, out, _) =
            lmsc(dir.path(), 80, &["--pred", "near", "--ref", "ref", "--markdown", "--figures", "dice", "--region", "all=1,2"]);
        snapshot("eval-markdown", &out);
    }

    #[test]
    fn files_have_every_figure_of_every_case() {
        let dir = cases();
        let args = ["--pred", "near", "--against", "far", "--ref", "ref", "--lesions", "--json", "s.json", "--csv", "s.csv"];
        let (code, _, err) = lmsc(dir.path(), 100, &args);
        assert_eq!((code, err.as_str()), (0, ""));
        let csv = std::fs::read_to_string(dir.path().join("s.csv")).expect("a file");
        let width = csv.lines().next().expect("a line").split(',').count();
        assert_eq!((csv.lines().count(), width), (1 + 2 * 7 * 2, 6 + 13 + 1));
        assert!(csv.lines().all(|l| l.split(',').count() == width && !l.contains("NaN") && !l.contains("inf")));
        let json: Value = serde_json::from_str(&std::fs::read_to_string(dir.path().join("s.json")).expect("a file")).expect("JSON");
        let lost = &json["cases"][6]["regions"]["2"];
        let diagonal = (36f64.powi(2) + 24f64.powi(2) + 21.6f64.powi(2)).sqrt();
        assert_eq!((&lost["presence"], &lost["dice"]), (&json!("reference_only"), &json!(0.0)));
        assert!((lost["hd95_mm"].as_f64().expect("a number") - diagonal).abs() < 1e-4);
        // In neither file: nothing to score, in no mean.
        assert!(json["cases"][5]["regions"]["2"]["hd95_mm"].is_null() && csv.contains("case_5,2,neither,0,0,,,"), "{csv}");
        let row = json["summary"].as_array().expect("rows").iter().find(|r| r["region"] == "2" && r["figure"] == "dice").expect("a row");
        assert_eq!((&row["n"], &row["of"]), (&json!(6), &json!(7)));
        assert_eq!(json["regions"][1]["in_neither"], 1);
        assert_eq!(json["regions"][1]["in_reference_only"], 1);
        let compared = json["against"]["comparison"].as_array().expect("a list");
        let dice = compared.iter().find(|c| c["region"] == "1" && c["figure"] == "dice").expect("a row");
        assert_eq!((&dice["wins"], &dice["wilcoxon"]["p"]), (&json!(7), &json!(2.0 / 128.0)));
        let (_, out, _) = lmsc(dir.path(), 100, &["--pred", "near", "--ref", "ref", "--json", "-"]);
        assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON alone")["cases"], {
            let (_, out, _) = lmsc(dir.path(), 100, &["--pred", "near", "--ref", "ref", "--json", "-", "--seed", "5"]);
            serde_json::from_str::<Value>(&out).expect("JSON alone")["cases"].clone()
        });
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let dir = cases();
        std::fs::remove_file(dir.path().join("near/case_3.nii.gz")).expect("it was there");
        let (code, _, err) = lmsc(dir.path(), 200, &["--pred", "near", "--ref", "ref"]);
        assert!(code == 1 && err.contains("1 reference has no prediction of the same name in `near`: `case_3`"), "{err}");
        assert_eq!(lmsc(dir.path(), 100, &["--pred", "near", "--ref", "ref", "--partial"]).0, 0);
        let (code, _, err) = lmsc(dir.path(), 200, &["--pred", "near", "--against", "far", "--ref", "ref", "--partial"]);
        assert!(code == 1 && err.contains("`case_3`") && err.contains("same cases"), "{err}");
        for bad in [
            &["--region", "x"][..],
            &["--region", "x=0"],
            &["--labels", "a"],
            &["--tolerance", "-1"],
            &["--tolerance", "nan"],
            &["--figures", "dices"],
            &["--lesion-min", "50"],
        ] {
            assert_eq!(lmsc(dir.path(), 100, &[&["--pred", "near", "--ref", "ref"], bad].concat()).0, 2, "{bad:?}");
        }
        // A corner is 23 voxels away along the last axis: 23 x 0.0001 is rounding, 23 x 0.03 is another grid.
        let near = dir.path().join("near/case_3.nii.gz");
        let rounded = Header::plain(SIZE, 1, [3.0, 1.0, 0.9001]);
        write_labels(&near, &Array3::<u8>::zeros(SIZE), &rounded).expect("a file");
        let (code, out, _) = lmsc(dir.path(), 200, &["--pred", "near/case_3.nii.gz", "--ref", "ref/case_3.nii.gz"]);
        assert!(code == 0 && out.contains("in 1 of 1 cases, their corners lie up to 0.002 mm apart (case_3)"), "{out}");
        let shifted = Header::plain(SIZE, 1, [3.0, 1.0, 0.93]);
        write_labels(&near, &Array3::<u8>::zeros(SIZE), &shifted).expect("a file");
        let (code, _, err) = lmsc(dir.path(), 200, &["--pred", "near/case_3.nii.gz", "--ref", "ref/case_3.nii.gz"]);
        assert!(code == 1 && err.contains("E0703") && err.contains("0.690 mm apart"), "{err}");
    }

    /// A folder of `ref` and `pred`: balls of two labels, predicted with the label 1 moved by a voxel.
    fn two_labels(cases: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for i in 0..cases as u64 {
            let (one, two) = (made(SIZE, &json!(["blobs", 2, 300 + i])), made(SIZE, &json!(["blobs", 2, 400 + i])));
            let at = |w: usize| {
                Array3::from_shape_fn(
                    SIZE,
                    |(d, h, x)| if two[[d, h, x]] == 1 { 2 } else { x.checked_sub(w).map_or(0, |x| one[[d, h, x]]) },
                )
            };
            write(dir.path(), "ref", &format!("c{i}"), &at(0));
            write(dir.path(), "pred", &format!("c{i}"), &at(1));
            write(dir.path(), "far", &format!("c{i}"), &at(4));
        }
        dir
    }

    fn means(folder: &Path, args: &[&str]) -> Vec<(String, Value)> {
        let (code, out, err) = lmsc(folder, 100, &[args, &["--figures", "dice", "--json", "-"]].concat());
        // What scores nothing has said so, with exit code 1.
        let nothing = err.contains("nothing to score");
        assert!(code == i32::from(nothing) && (nothing || err.is_empty()), "{err}");
        let json: Value = serde_json::from_str(&out).expect("JSON");
        let rows = json["summary"].as_array().expect("rows").iter().filter(|r| r["figure"] == "dice");
        rows.map(|r| (r["region"].as_str().expect("a name").to_owned(), r["mean"].clone())).collect()
    }

    #[test]
    fn a_label_that_no_reference_has_lifts_no_mean() {
        let dir = two_labels(3);
        let args = ["--pred", "pred", "--ref", "ref"];
        let before = means(dir.path(), &args);
        let file = dir.path().join("pred/c1.nii.gz");
        let mut labels = lmsc::data::read_labels(&file, None).expect("labels").data;
        let at = labels.indexed_iter().find(|(_, v)| **v == 0).expect("background").0;
        labels[at] = 3;
        write_labels(&file, &labels, &Header::plain(SIZE, 1, SPACING)).expect("a file");
        assert_eq!(means(dir.path(), &args), before);
        let (_, out, _) = lmsc(dir.path(), 100, &args);
        assert!(out.contains("3: predicted only, in 1 case, 1 voxel"), "{out}");
        // Asked for it is shown where it was predicted, and is in no mean.
        let named = means(dir.path(), &[&args[..], &["--labels", "1,2,3"]].concat());
        assert_eq!(named.iter().map(|(_, mean)| mean).collect::<Vec<_>>(), [&before[0].1, &before[1].1, &Value::Null, &before[2].1]);
    }

    #[test]
    fn nothing_labelled_is_nothing_to_score() {
        let dir = tempfile::tempdir().expect("a folder");
        for set in ["ref", "pred"] {
            write(dir.path(), set, "a", &Array3::zeros(SIZE));
        }
        for further in [&[][..], &["--labels", "1,2"], &["--region", "brats"], &["--empty", "one"]] {
            let args = [&["--pred", "pred", "--ref", "ref", "--figures", "dice"], further].concat();
            let (code, out, _) = lmsc(dir.path(), 100, &args);
            assert!(code == 1 && out.contains("nothing to score: no reference has"), "{out}");
            let means =
                means(dir.path(), &args[..args.len()].iter().filter(|a| **a != "--figures" && **a != "dice").copied().collect::<Vec<_>>());
            assert!(means.iter().all(|(_, mean)| mean.is_null()), "{means:?}");
        }
    }

    #[test]
    fn an_empty_region_scores_one_where_that_is_asked_for() {
        let dir = cases();
        let dice = |further: &[&str]| {
            let (_, out, _) = lmsc(dir.path(), 100, &[&["--pred", "near", "--ref", "ref", "--json", "-"], further].concat());
            let json: Value = serde_json::from_str(&out).expect("JSON");
            (json["cases"][5]["regions"]["2"]["dice"].clone(), json["settings"]["empty"].clone())
        };
        assert_eq!((dice(&[]), dice(&["--empty", "one"])), ((Value::Null, json!("absent")), (json!(1.0), json!("one"))));
    }

    #[test]
    fn what_a_label_is_taken_for_stands_beside_the_figures() {
        let dir = tempfile::tempdir().expect("a folder");
        // As the Decathlon numbers them: 1 oedema around 2 core around 3 enhancing.
        let shells = |outer: usize| {
            Array3::from_shape_fn(SIZE, |(d, h, w)| {
                let far = [(d, 6), (h, 12), (w, 12)].map(|(at, middle)| usize::abs_diff(at, middle)).into_iter().max().unwrap_or(0);
                match far {
                    0..=1 => 3,
                    2..=3 => 2,
                    far if far <= outer => 1,
                    _ => 0u8,
                }
            })
        };
        write(dir.path(), "ref", "a", &shells(5));
        write(dir.path(), "pred", "a", &shells(4));
        let run = |further: &[&str]| lmsc(dir.path(), 500, &[&["--pred", "pred", "--ref", "ref", "--figures", "dice"], further].concat());
        let (_, out, _) = run(&["--region", "brats"]);
        assert!(out.contains("WT = 1, 2, 3; TC = 1, 3; ET = 3 (BraTS 2023 numbering: 1 core, 2 oedema, 3 enhancing)"), "{out}");
        assert!(out.contains("warning: ") && out.contains("--region brats-msd"), "{out}");
        let (_, out, _) = run(&["--region", "brats-msd", "--csv", "s.csv"]);
        assert!(out.contains("TC = 2, 3; ET = 3 (MSD Task01 and nnU-Net numbering: 1 oedema, 2 core, 3 enhancing)"), "{out}");
        assert!(!out.contains("warning: "), "{out}");
        let csv = std::fs::read_to_string(dir.path().join("s.csv")).expect("a file");
        assert!(csv.contains(",2 3,\"MSD Task01 and nnU-Net numbering: 1 oedema, 2 core, 3 enhancing\""), "{csv}");
        let all = means(dir.path(), &["--pred", "pred", "--ref", "ref", "--region", "brats-msd"]);
        assert_eq!((&all[1].1, &all[2].1), (&json!(1.0), &json!(1.0)));
        let (code, _, err) = run(&["--region", "brats", "--region", "brats-msd"]);
        assert!(code == 1 && err.contains("E0601"), "{err}");
    }

    #[test]
    fn too_few_pairs_are_told() {
        let dir = two_labels(4);
        let (_, out, _) =
            lmsc(dir.path(), 300, &["--pred", "pred", "--against", "far", "--ref", "ref", "--labels", "1", "--figures", "dice"]);
        assert!(out.contains("4 pairs cannot give p below 0.125") && out.contains("6 or more are needed for 0.05"), "{out}");
    }

    #[test]
    fn nothing_is_left_out_at_any_width() {
        let dir = cases();
        let words = |s: &str| {
            let tables = s.split("  2, of 7 cases").next().expect("tables").to_owned();
            let mut all: Vec<String> = tables
                .lines()
                .flat_map(|l| l.split("  "))
                .map(|w| w.trim().to_owned())
                .filter(|w| !w.is_empty() && !w.contains('─'))
                .collect();
            all.sort();
            all.dedup();
            all
        };
        let args = ["--pred", "near", "--against", "far", "--ref", "ref", "--lesions"];
        let wide = words(&lmsc(dir.path(), 400, &args).1);
        for width in [60, 72, 80, 100] {
            let (_, out, _) = lmsc(dir.path(), width, &args);
            assert!(out.lines().all(|l| l.chars().count() <= width), "{width}\n{out}");
            let shown = words(&out);
            let missing: Vec<&str> =
                wide.iter().flat_map(|w| w.split_whitespace()).filter(|part| !shown.iter().any(|s| s.contains(part))).collect();
            assert!(missing.is_empty(), "{width}: {missing:?}\n{out}");
        }
    }
}
