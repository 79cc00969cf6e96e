//! `lmsc predict` from the command line: cases, options, reports, resuming; and one image in 48 axis orders.
#![cfg(feature = "predict")]

mod given;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lmsc::compile::{Program, compile};
use lmsc::data::CANONICAL;
use lmsc::infer::{Card, CpuEngine, Model, Options, Postprocess, Predictor, attached, read_card};
use lmsc::ir::{Array, Arrays};
use lmsc::store;
use lmsc::text::Source;
use lmsc::volume::{Header, Orientation, read, reorient, write_image};
use ndarray::{Array3, Array4, Axis};
use serde_json::Value;

fn graph(modalities: usize) -> String {
    format!(
        r#"(
    name: "tiny",
    params: {{ "modalities": {modalities}, "classes": 3 }},
    inputs: {{ "image": (channels: "modalities", size: (16, 16, 16)) }},
    nodes: {{
        "down": Conv3D(x: "image", out: 4, kernel: 3, stride: 2, norm: group(2), activation: silu),
        "up": UpConv3D(x: "down", out: 4),
        "head": SegHead(x: "up", classes: "classes"),
    }},
    outputs: {{ "logits": "head" }},
)"#
    )
}

fn network(modalities: usize, seed: u64) -> (Program, Arrays) {
    let program = compile(&Source::new("tiny.ron", graph(modalities)), &[], None).expect("it compiles");
    let weights = store::init(&program, seed).expect("it fits");
    (program, weights)
}

fn card(modalities: usize) -> Card {
    let modalities = ["t1", "t2"].iter().take(modalities).map(|m| (*m).to_owned()).collect();
    let labels = vec![(0, "background".into()), (7, "liver".into()), (9, "tumour".into())];
    Card::new(modalities, labels, [8, 16, 12])
}

/// A folder with a model (`model.safetensors`), and images of one modality in `images`.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(images: &[&str]) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::create_dir(place.at("images")).expect("a folder");
        place.model("model.safetensors", 3, card(1));
        images.iter().enumerate().for_each(|(n, name)| place.image(name, n));
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn model(&self, name: &str, seed: u64, card: Card) {
        let (program, weights) = network(card.modalities.len(), seed);
        store::save(&self.at(name), &program, weights, &card.entries()).expect("it is saved");
    }

    /// Smooth waves, so that random weights give regions and not noise.
    fn image(&self, name: &str, kind: usize) {
        let data = Array4::from_shape_fn((1, 21, 18, 25), |(_, z, y, x)| {
            100.0 + 50.0 * (z as f32 / 3.0 + kind as f32).sin() * ((y + 2 * x) as f32 / 5.0).cos()
        });
        write_image(&self.at("images").join(name), &data, &Header::plain([21, 18, 25], 1, [2.0, 1.0, 0.5])).expect("written");
    }

    /// Runs `lmsc predict model.safetensors ...` there; the exit code and what it says.
    fn predict(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("lmsc").expect("the program");
        let command =
            command.current_dir(&self.folder).args(["predict", "model.safetensors"]).args(args).env("NO_COLOR", "1").env("COLUMNS", "400");
        let out = command.output().expect("it runs");
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.at(name)).expect("a report")).expect("JSON")
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).expect("a file")
    }
}

#[test]
fn a_folder_of_cases_with_reports_and_what_is_done_is_left_alone() {
    let place = Place::new(&["a.nii.gz", "b.nii"]);
    let options = ["images", "--out", "out", "--json", "all.json"];
    let (code, out, err) = place.predict(&options);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("2 of 2 in out (0 background, 7 liver, 9 tumour)"), "{out}");
    assert!(err.contains("2 cases; the largest, ") && err.contains("25x18x21 voxels") && err.contains("windows, needs "), "{err}");
    let labels = read(&place.at("out/a.nii.gz")).expect("labels");
    let values: BTreeSet<u8> = labels.data.iter().map(|v| *v as u8).collect();
    assert!(values.len() > 1 && values.is_subset(&[0, 7, 9].into()), "{values:?}");

    let all = place.json("all.json");
    let report = &all["cases"][0];
    assert_eq!((&report["case"], report), (&"a".into(), &place.json("out/a.json")));
    assert_eq!(report["origin"]["models"][0]["blake3"], blake3::hash(&place.bytes("model.safetensors")).to_hex().to_string());
    assert_eq!(report["outputs"]["labels"]["blake3"], blake3::hash(&place.bytes("out/a.nii.gz")).to_hex().to_string());
    // 21 in steps of 4 with windows of 8, 18 in 16, 25 in steps of 6 with 12.
    assert_eq!(report["windows"], 5 * 2 * 4);
    for volume in report["volumes"].as_array().expect("classes") {
        // 2 x 1 x 0.5 mm is 1 mm³.
        let count = labels.data.iter().filter(|v| f64::from(**v) == volume["value"].as_f64().expect("a value")).count();
        assert!((volume["ml"].as_f64().expect("a volume") - count as f64 / 1000.0).abs() < 1e-12);
    }
    assert!(report["needed_bytes"].as_u64() > Some(0) && report["seconds"].as_f64() > Some(0.0));

    let when = |name: &str| std::fs::metadata(place.at(name)).and_then(|m| m.modified()).expect("a time");
    let times = ["out/a.nii.gz", "out/b.nii.gz"].map(when);
    let (code, _, err) = place.predict(&options);
    assert!(code == 0 && err.matches("as before").count() == 2, "{err}");
    assert_eq!(["out/a.nii.gz", "out/b.nii.gz"].map(when), times);
    assert_eq!(place.json("all.json"), all, "the reports of cases that were left alone are there");

    // Another image, another option, a file that was changed, and being asked to: each is done again, the other case is not.
    place.image("b.nii", 5);
    let (_, _, err) = place.predict(&options);
    assert!(err.matches("as before").count() == 1 && err.contains("out/a.nii.gz  as before"), "{err}");
    // A file that was changed is somebody's work, and the report does not vouch for it.
    std::fs::write(place.at("out/a.nii.gz"), "corrected by hand").expect("written");
    let (code, _, err) = place.predict(&options);
    assert!(code == 1 && err.contains("E0603") && err.contains("`out/a.nii.gz` is there already"), "{err}");
    assert!(err.contains("out/b.nii.gz  as before") && place.bytes("out/a.nii.gz") == b"corrected by hand", "{err}");
    let (code, _, err) = place.predict(&[&options[..], &["--overwrite"]].concat());
    assert!(code == 0 && err.contains("out/b.nii.gz  as before") && !err.contains("out/a.nii.gz  as before"), "{err}");
    let more: Vec<&str> = options.into_iter().chain(["--overlay", "--probabilities"]).collect();
    let (_, _, err) = place.predict(&more);
    assert!(!err.contains("as before") && place.at("out/a.png").exists() && place.at("out/probabilities/b.nii.gz").exists(), "{err}");
    let (_, _, err) = place.predict(&more);
    assert!(err.matches("as before").count() == 2, "{err}");
    let (_, _, err) = place.predict(&[&options[..], &["--again"]].concat());
    assert!(!err.contains("as before"), "{err}");
    let (_, _, err) = place.predict(&[&options[..], &["--flips=w"]].concat());
    assert!(!err.contains("as before"), "{err}");
    place.model("model.safetensors", 4, card(1));
    let (_, _, err) = place.predict(&[&options[..], &["--flips=w"]].concat());
    assert!(!err.contains("as before"), "another model: {err}");
}

#[test]
fn a_case_that_fails_does_not_stop_the_others() {
    let place = Place::new(&["a.nii.gz", "c.nii.gz"]);
    std::fs::write(place.at("images/b.nii"), "no volume at all").expect("written");
    std::fs::create_dir(place.at("out")).expect("a folder");
    std::fs::write(place.at("out/c.json"), "{\"RepetitionTime\": 2}").expect("written");
    let (code, out, err) = place.predict(&["images", "--out", "out", "--json", "all.json"]);
    assert_eq!(code, 1, "{err}");
    assert!(out.starts_with("1 of 3"), "{out}");
    assert!(
        err.contains("b.nii") && err.contains("E0702") && err.contains("c.json") && err.contains("E0603") && err.contains("2 errors"),
        "{err}"
    );
    let all = place.json("all.json");
    assert_eq!(
        (all["cases"].as_array().map(Vec::len), all["failed"][0]["case"].as_str(), all["failed"][1]["case"].as_str()),
        (Some(1), Some("b"), Some("c"))
    );
    assert!(!place.at("out/b.nii.gz").exists() && !place.at("out/c.nii.gz").exists());
    assert_eq!(place.bytes("out/c.json"), b"{\"RepetitionTime\": 2}");
}

/// What is trained on by a layout is predicted and compared by it: channels of a case in files of their own, a run config with its parts.
#[cfg(feature = "train")]
#[test]
fn a_data_set_is_predicted_by_its_cases_and_found_by_eval() {
    let place = Place::new(&[]);
    place.model("model.safetensors", 3, card(2));
    let names: Vec<String> = (0..4).map(|i| format!("c{i}")).collect();
    for (kind, name) in names.iter().enumerate() {
        place.image(&format!("{name}_0000.nii.gz"), kind);
        place.image(&format!("{name}_0001.nii.gz"), kind + 1);
    }
    std::fs::create_dir_all(place.at("set/labelsTr")).expect("a folder");
    std::fs::rename(place.at("images"), place.at("set/imagesTr")).expect("moved");
    let about = r#"{"channel_names": {"0": "t1", "1": "t2"}, "labels": {"background": 0, "liver": 7, "tumour": 9}, "numTraining": 4,
        "file_ending": ".nii.gz"}"#;
    std::fs::write(place.at("set/dataset.json"), about).expect("written");
    let config = r#"(graph: "x.ron", data: Nnunet(root: "set"), split: (folds: 4, fold: 0), patch: (16, 16, 16), epochs: 1)"#;
    std::fs::write(place.at("run.ron"), config).expect("written");

    let (code, out, err) = place.predict(&["set/imagesTr", "--out", "p"]);
    assert!(code == 0 && out.starts_with("4 of 4 in p"), "{out}{err}");
    assert!(names.iter().all(|n| place.at("p").join(format!("{n}.nii.gz")).exists()));
    let (code, out, err) = place.predict(&["set", "--out", "p"]);
    assert!(code == 0 && out.starts_with("4 of 4 in p") && err.matches("as before").count() == 4, "{out}{err}");

    // The references are what was predicted, in another axis order.
    for name in &names {
        let labels =
            read(&place.at("p").join(format!("{name}.nii.gz"))).expect("labels").reoriented("LPS".parse().expect("an orientation"));
        let map = labels.data.index_axis(Axis(0), 0).mapv(|v| v as u8);
        lmsc::volume::write_labels(&place.at("set/labelsTr").join(format!("{name}.nii.gz")), &map, &labels.header).expect("written");
    }
    let eval = |args: &[&str]| given::lmsc(place.folder.path(), &[&["eval", "--figures", "dice", "--cases"], args].concat());
    for reference in ["set", "run.ron", "set/labelsTr"] {
        let out = eval(&["--pred", "p", "--ref", reference]);
        let text = given::text(&out.stdout);
        assert!(out.status.success() && text.contains("their predictions, turned"), "{text}{}", given::text(&out.stderr));
        let json = given::text(&eval(&["--pred", "p", "--ref", reference, "--json", "-"]).stdout);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let cases = json["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 4);
        for case in cases {
            assert_eq!(case["reference_turned"], true);
            assert!(case["regions"].as_object().expect("regions").values().all(|r| r["dice"] == 1.0), "{case}");
        }
    }

    let (code, out, err) = place.predict(&["run.ron", "--part", "validation", "--out", "held"]);
    assert!(code == 0 && out.starts_with("1 of 1 in held"), "{out}{err}");
    assert!(eval(&["--pred", "held", "--ref", "run.ron", "--part", "validation"]).status.success());
    assert!(given::text(&eval(&["--pred", "held", "--ref", "run.ron"]).stderr).contains("3 references have no prediction"));
    let (code, _, err) = place.predict(&["set", "--part", "validation", "--out", "held"]);
    assert!(code == 1 && err.contains("--part is for run configs"), "{err}");

    #[cfg(unix)]
    {
        let image = place.at("set/imagesTr/c1_0001.nii.gz");
        std::fs::remove_file(&image).expect("removed");
        std::os::unix::fs::symlink("../.git/annex/objects/x.nii.gz", &image).expect("a link");
        let (code, out, err) = place.predict(&["set/imagesTr", "--out", "q"]);
        assert!(code == 1 && out.starts_with("3 of 4 in q"), "{out}{err}");
        assert!(err.contains("c1_0001.nii.gz") && err.contains("a link to `../.git/annex") && err.contains("datalad get"), "{err}");
        std::fs::remove_file(&image).expect("removed");
        let (code, _, err) = place.predict(&["set/imagesTr", "--out", "q"]);
        assert!(code == 1 && err.contains("the case `c1` has no file for channel 1 (t2)"), "{err}");
    }
}

/// Headers and voxels in two files are one image, called by the name that they share.
#[test]
fn a_pair_of_files_is_one_image() {
    let place = Place::new(&["a.nii"]);
    // Of a header in a file of its own: its size, another word for what it is, and the voxels from the start of the other file.
    let mut whole = place.bytes("images/a.nii");
    let voxels = whole.split_off(352);
    whole.truncate(348);
    whole[344..348].copy_from_slice(b"ni1\0");
    whole[108..112].copy_from_slice(&0f32.to_le_bytes());
    std::fs::write(place.at("images/s-1-T1.hdr"), &whole).expect("written");
    std::fs::write(place.at("images/s-1-T1.img"), &voxels).expect("written");
    let (code, out, err) = place.predict(&["images", "--out", "out"]);
    assert!(code == 0 && out.starts_with("2 of 2 in out"), "{out}{err}");
    assert_eq!(place.bytes("out/s-1-T1.nii.gz"), place.bytes("out/a.nii.gz"));
    let (code, _, err) = place.predict(&["images/s-1-T1.img", "--out", "other"]);
    assert!(code == 0 && place.at("other/s-1-T1.nii.gz").exists(), "{err}");
}

#[test]
fn memory_is_told_and_kept() {
    let place = Place::new(&["a.nii"]);
    let (code, _, err) = place.predict(&["images/a.nii", "--out", "out", "--max-memory", "1MiB"]);
    assert!(code == 1 && err.contains("E0902") && err.contains("--max-memory allows 1 MiB") && err.contains("network"), "{err}");
    assert!(!place.at("out/a.nii.gz").exists());
    assert_eq!(place.predict(&["images/a.nii", "--out", "out", "--max-memory", "2GiB"]).0, 0);
    let (code, _, err) = place.predict(&["images/a.nii", "--out", "out", "--max-memory", "much"]);
    assert!(code == 2 && err.contains("2GiB"), "{err}");
}

#[test]
fn several_models_postprocessing_and_probabilities() {
    let place = Place::new(&["a.nii"]);
    place.model("second.safetensors", 9, card(1));
    place.model("third.safetensors", 9, Card { labels: vec![(0, "background".into()), (1, "x".into()), (2, "y".into())], ..card(1) });
    let (code, _, err) = place.predict(&["images", "--out", "o", "--with", "third.safetensors"]);
    assert!(code == 1 && err.contains("third.safetensors") && err.contains("labels"), "{err}");
    let (code, _, err) = place.predict(&["images", "--out", "o", "--with", "second.safetensors", "--flips", "--probabilities"]);
    assert!(code == 0 && err.contains("40 windows of 16 passes"), "{err}");
    let (p, labels) = (read(&place.at("o/probabilities/a.nii.gz")).expect("4-D"), read(&place.at("o/a.nii.gz")).expect("labels"));
    assert_eq!(p.data.dim(), (3, 21, 18, 25));
    for ((z, y, x), label) in labels.data.index_axis(Axis(0), 0).indexed_iter() {
        let own = [0.0, 7.0, 9.0].iter().position(|v| v == label).expect("a class");
        assert!((0..3).all(|c| p.data[[c, z, y, x]] <= p.data[[own, z, y, x]]));
    }

    let options = ["images", "--out", "post", "--no-postprocess"];
    assert_eq!(place.predict(&options).0, 0);
    let mut want = read(&place.at("post/a.nii.gz")).expect("labels").data.index_axis(Axis(0), 0).mapv(|v| v as u8);
    let post = Postprocess { largest: vec![7], min_mm3: 12.5, ..Postprocess::default() };
    let cleared = post.apply(&mut want, &(0..=255).collect::<Vec<u32>>(), 1.0);
    assert!(cleared > 0);
    let (code, _, err) = place.predict(&["images", "--out", "post", "--largest", "Liver", "--min-size", "12.5"]);
    assert!(code == 0 && !err.contains("as before"), "{err}");
    assert_eq!(read(&place.at("post/a.nii.gz")).expect("labels").data.index_axis(Axis(0), 0).mapv(|v| v as u8), want);
    assert_eq!(place.json("post/a.json")["cleared_voxels"], cleared);
    let (code, _, err) = place.predict(&["images", "--out", "post", "--largest", "lever"]);
    assert!(code == 1 && err.contains("`lever`") && err.contains("liver"), "{err}");
    for wrong in [["--flips=x", "dhw"], ["--min-size=-3", "positive"]] {
        let (code, _, err) = place.predict(&["images", "--out", "post", wrong[0]]);
        assert!(code == 2 && err.contains(wrong[1]), "{err}");
    }
}

/// A network that says of each voxel whether it is above a number, with a card file, saved with the model that finds its box.
fn whole(place: &Place, name: &str, above: f32, card: &str) {
    let text = r#"(inputs: { "image": (channels: 1, size: (8, 8, 8)) }, nodes: { "deep": Conv(x: "image", out: 2, kernel: 1),
        "head": Conv(x: "deep", out: 2, kernel: 1) }, outputs: { "logits": "head" })"#;
    let program = compile(&Source::new("above.ron", text), &[], None).expect("it compiles");
    let array = |dims: &[usize], values: &[f32]| Array::new(dims, values.to_vec());
    let mut weights = Arrays::from([
        ("deep.conv.weight".to_owned(), array(&[2, 1, 1, 1, 1], &[0.0, 1.0])),
        ("deep.conv.bias".to_owned(), array(&[2], &[0.0, -above])),
        ("head.conv.weight".to_owned(), array(&[2, 2, 1, 1, 1], &[1.0, 0.0, 0.0, 1.0])),
        ("head.conv.bias".to_owned(), array(&[2], &[0.0, 0.0])),
    ]);
    std::fs::write(place.at("card.ron"), card).expect("written");
    let mut card = read_card(&place.at("card.ron")).unwrap_or_else(|e| panic!("{e:?}"));
    let mut meta = std::collections::BTreeMap::new();
    store::attach(attached(&mut card).unwrap_or_else(|e| panic!("{e:?}")), &mut weights, &mut meta).expect("it fits");
    meta.extend(card.entries());
    store::save(&place.at(name), &program, weights, &meta).expect("it is saved");
}

/// Whole volumes go through the steps of a card, another model finds the box, and labels lie on the image's own grid, whatever its axes.
#[test]
fn whole_volumes_go_through_steps_and_back() {
    let place = Place::new(&[]);
    let labels = r#"modalities: ["T1"], labels: [(0, "o"), (5, "x")], source: "by hand", licence: "MIT","#;
    whole(&place, "finder.safetensors", 0.9, &format!("(pipeline: (axes: xyz, steps: [Resize(size: (10, 8, 6))]), {labels})"));
    let finder = place.at("finder.safetensors").display().to_string();
    let steps = format!(
        r#"(pipeline: (axes: xyz, steps: [Orient("LPI"), MinMax, Box(model: "{finder}", margin: 2), Resize(size: (33, 40, 17)), Affine(scale: 2)]),
            postprocess: (largest_foreground: true), {labels})"#
    );
    whole(&place, "model.safetensors", 0.8, &steps);
    // 10 to 110: a bright ball with a rim that the network still takes, a pair of voxels far from it, and a bright voxel outside of the box.
    let size = [12usize, 16, 20];
    let image = Array3::from_shape_fn(size, |(z, y, x)| {
        let far = [(z, 6), (y, 9), (x, 11)].iter().map(|(a, b)| (*a as f32 - *b as f32).powi(2)).sum::<f32>().sqrt();
        if far < 2.5 {
            110.0
        } else if far < 3.5 {
            60.0
        } else {
            10.0 + ((x + y + z) % 7) as f32
        }
    });
    let header = Header::plain(size, 1, [2.0, 1.5, 1.0]);
    let plain = place.at("images/plain.nii.gz");
    write_image(&plain, &image.clone().insert_axis(Axis(0)), &header).expect("written");
    let (code, out, err) = place.predict(&["images", "--out", "out", "--probabilities"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("0 o, 5 x") && err.contains("33x40x17 voxels, 1 window, needs"), "{out}{err}");
    let written = read(&place.at("out/plain.nii.gz")).expect("labels");
    assert_eq!((written.size(), written.affine), (size, read(&plain).expect("the image").affine));
    let got = written.data.index_axis(Axis(0), 0).to_owned();
    // Above 0.4 of the range: the ball with its rim. Nearest voxels out and back are the same voxels where the grid is finer.
    let want = image.mapv(|v| if v >= 60.0 { 5.0 } else { 0.0 });
    assert_eq!(got, want);
    let said = read(&place.at("out/probabilities/plain.nii.gz")).expect("probabilities").data;
    assert_eq!((said[[0, 0, 0, 0]], said[[1, 0, 0, 0]]), (1.0, 0.0), "outside of the box is background");
    assert!((said[[1, 6, 9, 11]] - 1.0 / (1.0 + (-1.2f32).exp())).abs() < 1e-6, "2 - 0.8");
    // Averages over mirror images take the way over probabilities: the same labels.
    let (code, _, err) = place.predict(&["images", "--out", "flips", "--flips"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(read(&place.at("flips/plain.nii.gz")).expect("labels").data, written.data);
    let info = given::lmsc(place.folder.path(), &["info", "model.safetensors"]);
    let info = given::text(&info.stdout);
    for words in ["turned to LPI", "cut to what `finder` finds and 2 voxels more", "within it", "finder", "by hand", "MIT"] {
        assert!(info.contains(words), "{words}: {info}");
    }
    // A file whose steps ask for a model that is not in it.
    let mut store = store::read_store(&place.at("model.safetensors")).expect("a model");
    store.arrays.retain(|name, _| !name.starts_with("finder/"));
    store.metadata.remove(store::ATTACHED);
    store::write_store(&place.at("model.safetensors"), &store).expect("written");
    let (code, _, err) = place.predict(&["images", "--out", "none"]);
    assert!(code == 1 && err.contains("has no model `finder` within it"), "{err}");
}

/// Trained public models: card, folder, file of weights. What finds a box for another comes before it.
const PUBLIC: &[(&str, &str, &str)] = &[
    ("brainchop-model5", "brainchop-model5", "model.pth"),
    ("brainchop-model20chan3cls", "brainchop-model20chan3cls", "tfjs/model.json"),
    ("brainchop-model30chan18cls", "brainchop-model30chan18cls", "tfjs/model.json"),
    ("brainchop-model5-finder", "brainchop-model5", "model.pth"),
    ("brainchop-model21-104class", "brainchop-model21-104class", "tfjs/model.json"),
    ("brainchop-mindgrab", "brainchop-mindgrab", "model.pth"),
    ("brainchop-meshnet15-bn", "brainchop-meshnet15-bn", "model.pth"),
    ("brainchop-sae-robust-tissue", "brainchop-sae-robust-tissue", "model.pth"),
    ("deepbet-finder", "deepbet", "bbox_model.pt.xz"),
    ("deepbet", "deepbet", "model.pt.xz"),
    ("deepbrain", "deepbrain-v1", "weights.safetensors"),
];

/// Imported by the verb and run on the whole volume on which the originals were run: their label maps.
#[test]
#[ignore = "takes minutes, and in a build that is not optimised an hour"]
fn public_models_give_their_own_labels() {
    let Some(shared) = given::beside("models") else { return };
    let place = Place::new(&[]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = |args: &[&str]| {
        let out = given::lmsc(place.folder.path(), args);
        assert!(out.status.success(), "{args:?}: {}", given::text(&out.stderr));
    };
    for (card, folder, file) in PUBLIC {
        let (graph, sets) = given::public_model(folder);
        let mut weights = shared.join(folder).join(file);
        if file.ends_with(".xz") {
            let plain = place.at(file.trim_end_matches(".xz"));
            let unpacked = std::process::Command::new("xz").arg("-dc").arg(&weights).output().expect("xz is there");
            std::fs::write(&plain, unpacked.stdout).expect("written");
            weights = plain;
        }
        let at = |folder: &str, name: String| root.join(folder).join(name).display().to_string();
        let (weights, model) = (weights.display().to_string(), format!("{card}.safetensors"));
        let (graph, map, card_file) =
            (at("graphs", format!("{graph}.ron")), at("maps", format!("{graph}.map")), at("cards", format!("{card}.ron")));
        let mut args = vec!["import", "weights", &weights, "--graph", &graph, "--map", &map, "--card", &card_file, "--out", &model];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        run(&args);
        if card.ends_with("-finder") {
            continue;
        }
        let image = shared.join("volumes/t1_crop.nii.gz").display().to_string();
        run(&["predict", &model, &image, "--out", card]);
        let own = shared.join(folder);
        let theirs = ["t1.labels.nii.gz", "t1.mask.nii.gz"].into_iter().map(|name| own.join(name)).find(|p| p.exists());
        let want = read(&theirs.expect("the original's labels")).expect("labels").data;
        let got = read(&place.at(&format!("{card}/t1_crop.nii.gz"))).expect("labels").data;
        let apart = got.iter().zip(&want).filter(|(a, b)| a != b).count();
        println!("{card}: {apart} of {} voxels differ", want.len());
        // Voxels whose two best logits are nearer to each other than rounding is.
        assert!(got.dim() == want.dim() && apart <= 20, "{card}: {apart} voxels differ");
    }
}

/// One image of the files in 48 axis orders that another project tests its viewer with.
#[test]
fn files_in_48_axis_orders_have_one_segmentation_in_space() {
    let Some(root) = given::beside("exotic/niivue/packages/niivue/tests/images/nifti_space") else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(root).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    files.retain(|p| p.to_string_lossy().contains(".nii"));
    files.sort();
    let (program, weights) = network(1, 3);
    let model = Model::new(CpuEngine::new(&program, &weights).expect("it runs"), Card { patch: [32; 3], ..card(1) });
    let predictor = Predictor::new(model, Options::default());
    let folder = tempfile::tempdir().expect("a folder");
    let mut first: Option<Array3<u8>> = None;
    let mut orders = BTreeSet::new();
    for file in &files {
        let out = folder.path().join("labels.nii.gz");
        predictor.predict(std::slice::from_ref(file), || ()).expect("it is segmented").write(&out).expect("written");
        let (image, labels) = (read(file).expect("an image"), read(&out).expect("labels"));
        assert_eq!((labels.size(), labels.affine), (image.size(), image.affine), "{}", file.display());
        let order: Orientation = image.grid().orientation();
        orders.insert(order.to_string());
        let turned = reorient(labels.data.index_axis(Axis(0), 0), order, CANONICAL).mapv(|v| v as u8);
        match &first {
            None => {
                assert!(turned.iter().collect::<BTreeSet<_>>().len() > 1, "there is something to see");
                first = Some(turned);
            }
            Some(first) => assert_eq!(turned, *first, "{}", file.display()),
        }
    }
    println!("{} files in {} axis orders: one segmentation", files.len(), orders.len());
    assert_eq!(orders.len(), 48);
}

/// What is written for a real case lies on its grid, and the memory that was foreseen is not exceeded by much.
#[test]
fn real_volumes_are_segmented_on_their_grid() {
    let Some(root) = given::beside("data/Task04_Hippocampus/imagesTr") else { return };
    let place = Place::new(&[]);
    let mut files: Vec<PathBuf> = std::fs::read_dir(root).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "gz") && !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')));
    files.sort();
    let files: Vec<&Path> = files.iter().take(3).map(PathBuf::as_path).collect();
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let args: Vec<&str> = names.iter().map(String::as_str).chain(["--out", "out"]).collect();
    let (code, _, err) = place.predict(&args);
    assert_eq!(code, 0, "{err}");
    for file in files {
        let labels = read(&place.at("out").join(file.file_name().expect("a name"))).expect("labels");
        let image = read(file).expect("an image");
        assert_eq!((labels.size(), labels.affine, labels.header.sform_code), (image.size(), image.affine, image.header.sform_code));
    }
}
