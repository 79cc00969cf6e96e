//! What is taken of a folder and what is refused, on small models made here.

use lmsc::import::nnunet::{Checkpoints, Choice, Folds, Imported, import};
use lmsc::import::pytorch::Checkpoint;
use lmsc::infer::{Model, Options, Predictor};
use lmsc::text::{Code, Result};
use lmsc::volume::{Header, write_image};
use ndarray::Array4;
use serde_json::{Value, json};

use super::checkpoint_sound as sound;
use super::given;
use super::made::{Item, Shapes, checkpoint, dataset, folder, plans, saved, shapes, text};

fn whole() -> Vec<u8> {
    checkpoint(&shapes(), |_| ())
}

/// What becomes of a folder with changed plans and data set.
fn of(change: impl FnOnce(&mut Value, &mut Value), bytes: Vec<u8>) -> Result<Imported> {
    let place = tempfile::tempdir().expect("a folder");
    let (mut plans, mut dataset) = (plans(), dataset());
    change(&mut plans, &mut dataset);
    folder(place.path(), &plans, &dataset, &[("fold_0", bytes)]);
    import(place.path(), &Choice::default())
}

/// That it is refused by a message with these words, and says what to do.
fn refused(said: Result<Imported>, code: Code, words: &str) {
    let Err(e) = said else { panic!("taken, not refused: {words}") };
    assert!(e.0.iter().any(|d| d.code == code && d.message.contains(words) && !d.help.is_empty()), "{words}: {e:?}");
}

#[test]
fn a_folder_becomes_a_model_that_predicts() {
    let place = tempfile::tempdir().expect("a folder");
    let other = checkpoint(&shapes(), |_| ());
    folder(place.path(), &plans(), &dataset(), &[("fold_0", whole()), ("fold_3", other)]);
    let model = import(place.path(), &Choice::default()).expect("it is imported");
    let n = model.card.nnunet.clone().expect("its rules");
    assert_eq!((n.source.folds.join(","), n.mirror.to_string(), n.configuration.as_str()), ("0,3".into(), "dw".into(), "3d_fullres"));
    assert_eq!((n.spacing.0, model.card.patch), ([Some(1.5), Some(1.0), Some(1.0)], [8; 3]));
    let names: Vec<&String> = n.source.files.iter().map(|(file, _)| file).collect();
    assert_eq!(names, ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth", "fold_3/checkpoint_final.pth"]);
    let file = place.path().join("two.safetensors");
    model.save(&file, []).expect("written");
    let two = Model::load(&file).expect("it is read");
    assert_eq!(two.sets(), 2);

    let image = place.path().join("case_0000.nii.gz");
    let data = Array4::from_shape_fn((1, 9, 12, 11), |(_, z, y, x)| ((z * 5 + y * 3 + x) % 13) as f32);
    write_image(&image, &data, &Header::plain([9, 12, 11], 1, [2.0, 1.0, 0.8])).expect("written");
    let said = |model: Model, exact| {
        let options = Options { probabilities: true, exact, ..Options::default() };
        Predictor::new(model, options).predict(std::slice::from_ref(&image), || ()).expect("it predicts").probabilities.expect("asked for")
    };
    // Both folds hold the same weights, so their mean is either.
    let one = import(place.path(), &Choice { folds: Folds::Numbers(vec![3]), ..Choice::default() }).expect("it is imported");
    let alone = place.path().join("one.safetensors");
    one.save(&alone, []).expect("written");
    for exact in [false, true] {
        let (a, b) = (said(two.clone(), exact), said(Model::load(&alone).expect("it is read"), exact));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "exact {exact}");
        assert!(a.axis_iter(ndarray::Axis(1)).all(|p| (p.sum() - 12.0 * 11.0).abs() < 1e-2));
    }
}

/// Of more labels than channels that they are made of, the channels are averaged over tiles: the labels are those of the logits.
#[test]
fn many_labels_are_made_at_the_end() {
    let place = tempfile::tempdir().expect("a folder");
    let (mut all, mut about) = (shapes(), dataset());
    let count = all.len();
    (all[count - 2].1, all[count - 1].1) = (vec![40, 2, 1, 1, 1], vec![40]);
    let names = (0..40).map(|n| (if n == 0 { "background".into() } else { format!("part {n}") }, json!(n)));
    about["labels"] = Value::Object(names.collect());
    folder(place.path(), &plans(), &about, &[("fold_0", checkpoint(&all, |_| ()))]);
    let file = place.path().join("many.safetensors");
    import(place.path(), &Choice::default()).expect("it is imported").save(&file, []).expect("written");
    let model = Model::load(&file).expect("it is read");
    assert_eq!(model.feature_channels(), Some(2));
    let image = place.path().join("case_0000.nii.gz");
    let data = Array4::from_shape_fn((1, 9, 12, 11), |(_, z, y, x)| ((z * 5 + y * 3 + x) % 13) as f32);
    write_image(&image, &data, &Header::plain([9, 12, 11], 1, [2.0, 1.0, 0.8])).expect("written");
    let said = |probabilities| {
        let options = Options { probabilities, ..Options::default() };
        Predictor::new(model.clone(), options).predict(std::slice::from_ref(&image), || ()).expect("it predicts").labels
    };
    let (few, whole) = (said(false), said(true));
    let kinds: std::collections::HashSet<u8> = whole.iter().copied().collect();
    assert!(kinds.len() > 2, "{kinds:?}");
    let other = few.iter().zip(&whole).filter(|(a, b)| a != b).count();
    assert!(other <= 2, "{other} voxels differ, of {}", whole.len());
}

#[test]
fn the_program_imports_and_predicts() {
    let place = tempfile::tempdir().expect("a folder");
    let at = place.path().join("Dataset900_Made/nnUNetTrainer__nnUNetPlans__3d_fullres");
    folder(&at, &plans(), &dataset(), &[("fold_all", whole())]);
    // The only configuration within a folder is found.
    let out = given::lmsc(
        place.path(),
        &["import", "nnunet", "Dataset900_Made", "--out", "m.safetensors", "--licence", "CC0", "--graph", "g.ron"],
    );
    assert!(out.status.success(), "{}", given::text(&out.stderr));
    let said = given::text(&out.stdout);
    assert!(said.contains("wrote m.safetensors: 3d_fullres of Dataset900_Made, 1 fold, 1 channel, 2 labels"), "{said}");
    let checked = given::lmsc(place.path(), &["check", "g.ron"]);
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", given::text(&checked.stderr));
    let said = given::text(&given::lmsc(place.path(), &["info", "m.safetensors"]).stdout);
    for words in ["CT to mean 0 and deviation 1", "at 1.5 x 1 x 1 mm", "1 fold, 4 mirror images (dw)", "nnUNetTrainer", "CC0", "organ"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let data = Array4::from_shape_fn((1, 9, 12, 11), |(_, z, y, x)| ((z * 5 + y * 3 + x) % 13) as f32);
    write_image(&place.path().join("a_0000.nii.gz"), &data, &Header::plain([9, 12, 11], 1, [2.0, 1.0, 0.8])).expect("written");
    let predict = |more: &[&str]| {
        let all = [&["predict", "m.safetensors", "a_0000.nii.gz", "--out", "p"][..], more].concat();
        let out = given::lmsc(place.path(), &all);
        assert!(out.status.success(), "{}", given::text(&out.stderr));
        given::text(&out.stderr)
    };
    assert!(predict(&[]).contains("of 4 passes"));
    assert!(predict(&["--exact"]).contains("of 4 passes") && !predict(&["--exact", "--flips=none"]).contains("passes"));
    let report =
        std::fs::read_dir(place.path().join("p")).expect("a folder").flatten().find(|e| e.path().extension().is_some_and(|e| e == "json"));
    let report = std::fs::read_to_string(report.expect("a report").path()).expect("a text");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((&report["origin"]["exact"], &report["origin"]["flips"]), (&json!(true), &json!("")));
}

#[test]
fn plans_that_ask_for_something_else_are_refused_by_name() {
    type Change = fn(&mut Value, &mut Value);
    let all: &[(Change, &str)] = &[
        (|p, _| p["configurations"]["base"]["previous_stage"] = json!("3d_lowres"), "the second stage of a cascade"),
        (|p, _| p["configurations"]["base"]["resampling_fn_data"] = json!("resample_torch_fornnunet"), "resample_torch_fornnunet"),
        (|p, _| p["configurations"]["base"]["normalization_schemes"] = json!(["MyNormalization"]), "MyNormalization"),
        (|p, _| p["configurations"]["base"]["preprocessor_name"] = json!("MyPreprocessor"), "MyPreprocessor"),
        (
            |p, _| p["configurations"]["base"]["architecture"]["network_class_name"] = json!("nets.STUNet"),
            "`nets.STUNet`, trained by `nnUNetTrainer`",
        ),
        (|p, _| p["configurations"]["base"]["architecture"]["arch_kwargs"]["norm_op"] = json!("torch.nn.GroupNorm"), "torch.nn.GroupNorm"),
        (|p, _| p["configurations"]["base"]["architecture"]["arch_kwargs"]["n_stages"] = json!(1u64 << 40), "stages"),
        (|p, _| p["configurations"]["base"]["architecture"]["arch_kwargs"]["features_per_stage"] = json!([2, 3, 4]), "features_per_stage"),
        (|p, _| p["configurations"]["base"]["architecture"]["arch_kwargs"]["kernel_sizes"] = json!([[3, 3], [3, 3]]), "kernel sizes"),
        (|p, _| p["configurations"]["base"]["architecture"]["arch_kwargs"]["nonlin"] = json!("torch.nn.GELU"), "torch.nn.GELU"),
        (|p, _| p["configurations"]["base"]["patch_size"] = json!([8, 8]), "a patch of [8, 8] and a spacing of [1.5, 1.0, 1.0]"),
        (|p, _| p["configurations"]["base"]["resampling_fn_data_kwargs"]["order"] = json!(5), "order 1 or 3"),
        (|p, _| p["configurations"]["3d_fullres"]["inherits_from"] = json!("3d_fullres"), "no configuration `3d_fullres`"),
        (|p, _| p["configurations"]["3d_fullres"]["spacing"] = json!([0.0, 1.0, 1.0]), "spacing"),
        (|p, _| p["image_reader_writer"] = json!("NaturalImage2DIO"), "NaturalImage2DIO"),
        (|p, _| p["label_manager"] = json!("MyLabels"), "MyLabels"),
        (|p, _| p["transpose_backward"] = json!([0, 2, 1]), "inverse"),
        (|p, _| *p = json!([]), "plans.json"),
        (|p, _| p["configurations"] = json!({"2d": {}}), "no configuration `3d_fullres`"),
        (|_, d| d["channel_names"] = json!({"0": "CT", "1": "PET"}), "2 channels"),
        (|_, d| d["channel_names"] = json!({"1": "CT"}), "does not number"),
        (|_, d| d["labels"] = json!({"background": 0, "organ": 2}), "label 1 is missing"),
        (|_, d| d["labels"] = json!({"background": 0, "organ": -1}), "whole number"),
        (|_, d| d["labels"] = json!({"background": 0, "whole": [1, 2], "core": 2}), "regions_class_order"),
        (|_, d| d["file_ending"] = json!(".png"), ".png"),
        (|_, d| d["labels"] = json!({"background": 0, "a": 1, "b": 2}), "decoder.seg_layers.0.weight"),
    ];
    for (change, words) in all {
        refused(of(change, whole()), Code::E0804, words);
    }
    refused(
        of(|p, _| p["configurations"]["base"]["patch_size"] = json!([8, 8, 9]), whole()),
        Code::E0303,
        "the width 9 is not a multiple of 2",
    );
    // A CT's numbers are taken from the plans, and must be there.
    let ct = |p: &mut Value, _: &mut Value| {
        p["configurations"]["base"]["normalization_schemes"] = json!(["CTNormalization"]);
        p["foreground_intensity_properties_per_channel"] = json!({});
    };
    refused(of(ct, whole()), Code::E0804, "foreground_intensity_properties_per_channel");
}

#[test]
fn every_weight_is_accounted_for() {
    let with = |change: &dyn Fn(&mut Shapes)| {
        let mut all = shapes();
        change(&mut all);
        of(|_, _| (), checkpoint(&all, |_| ()))
    };
    refused(
        with(&|all| all.retain(|(n, _)| n != "decoder.transpconvs.0.bias")),
        Code::E0804,
        "lacks weights of its plans' network: `decoder.transpconvs.0.bias`",
    );
    refused(
        with(&|all| all.push(("encoder.attention.weight".into(), vec![2]))),
        Code::E0804,
        "`encoder.attention.weight`; its trainer `nnUNetTrainer`",
    );
    // Running statistics in one norm make all of them batch norms.
    let running = |all: &mut Shapes| all.push(("encoder.stages.0.0.convs.0.norm.running_mean".into(), vec![2]));
    refused(with(&running), Code::E0804, "lacks weights of its plans' network: `encoder.stages.0.0.convs.0.norm.running_var`");
    refused(with(&|all| all[0].1 = vec![2, 1, 1, 3, 3]), Code::E0804, "`encoder.stages.0.0.convs.0.conv.weight` is [2, 1, 1, 3, 3]");
    let whole = with(&|all| {
        let norms: Vec<_> = all.iter().filter(|(name, _)| name.ends_with("norm.bias")).cloned().collect();
        for (name, dims) in norms {
            all.extend(["running_mean", "running_var"].map(|part| (name.replace("bias", part), dims.clone())));
            all.push((name.replace("bias", "num_batches_tracked"), vec![1]));
        }
    });
    assert!(whole.expect("batch norms are known").program.resolved().contains("norm: batch"));
    // Doubles, coarser answers and the words of wrappers are passed by.
    let doubled = with(&|all| {
        all.push(("encoder.stages.0.0.convs.0.all_modules.0.weight".into(), vec![2, 1, 3, 3, 3]));
        all.push(("decoder.encoder.stages.0.0.convs.0.conv.bias".into(), vec![2]));
        all.iter_mut().for_each(|(name, _)| *name = format!("module._orig_mod.{name}"));
    });
    assert_eq!(doubled.expect("it is imported").sets[0].1.len(), shapes().len());
}

#[test]
fn folders_and_folds_that_are_not_there_are_named() {
    let place = tempfile::tempdir().expect("a folder");
    let at = |name: &str| place.path().join(name);
    let said = |name: &str, folds: &str, checkpoint| {
        let folds = if folds.is_empty() { Folds::default() } else { folds.parse().expect("folds") };
        import(&at(name), &Choice { folds, checkpoint, licence: None })
    };
    refused(said("nowhere", "", Checkpoints::Final), Code::E0804, "nowhere");
    std::fs::write(at("file"), "x").expect("written");
    refused(said("file", "", Checkpoints::Final), Code::E0804, "is a file");
    folder(&at("d/a__b__2d"), &plans(), &dataset(), &[]);
    refused(said("d", "", Checkpoints::Final), Code::E0804, "no folder fold_0");
    folder(&at("d/a__b__3d_fullres"), &plans(), &dataset(), &[("fold_2", whole())]);
    refused(said("d", "", Checkpoints::Final), Code::E0804, "several configurations");
    refused(said("d/a__b__3d_fullres", "0,2", Checkpoints::Final), Code::E0804, "no fold_0");
    refused(said("d/a__b__3d_fullres", "all", Checkpoints::Final), Code::E0804, "no fold_all");
    refused(said("d/a__b__3d_fullres", "2", Checkpoints::Best), Code::E0804, "no fold_2/checkpoint_best.pth");
    assert!(said("d/a__b__3d_fullres", "2", Checkpoints::Final).is_ok());
    for wrong in ["", "x", "0,0", "-1", "0;1"] {
        assert!(wrong.parse::<Folds>().is_err(), "{wrong}");
    }
    // Folds of two trainings.
    let other = checkpoint(&shapes(), |entries| entries[1].1 = text("nnUNetTrainer_100epochs"));
    folder(&at("mixed"), &plans(), &dataset(), &[("fold_0", whole()), ("fold_1", other)]);
    refused(said("mixed", "", Checkpoints::Final), Code::E0804, "nnUNetTrainer_100epochs");
}

#[test]
fn files_that_are_no_checkpoints_are_refused() {
    let plain = Item::Dict(vec![("epoch".into(), Item::Int(1))]);
    let cases: &[(Vec<u8>, Code, &str)] = &[
        (b"".to_vec(), Code::E0801, "it is empty"),
        (b"no checkpoint at all, but text".to_vec(), Code::E0801, "not a checkpoint"),
        (saved(&plain, &[]), Code::E0801, "it has no tensors at `network_weights`"),
        (saved(&Item::List(vec![]), &[]), Code::E0801, "cannot read"),
        (whole()[..900].to_vec(), Code::E0801, "cannot read"),
        (checkpoint(&shapes(), |entries| entries[1].1 = Item::None), Code::E0804, "does not say which trainer"),
        (checkpoint(&shapes(), |entries| entries[3].1 = Item::List(vec![Item::Int(3)])), Code::E0804, "mirror"),
    ];
    for (bytes, code, words) in cases {
        refused(of(|_, _| (), bytes.clone()), *code, words);
    }
}

/// A pickle may name any function. None is called, and a model with a name that nnU-Net does not need is refused.
#[test]
fn nothing_in_a_checkpoint_is_run() {
    let place = tempfile::tempdir().expect("a folder");
    let trap = place.path().join("trap");
    let call = format!("touch {}", trap.display());
    let bytes = checkpoint(&shapes(), |entries| entries.push(("logging".into(), Item::Call("os", "system", call))));
    let file = place.path().join("c.pth");
    std::fs::write(&file, bytes).expect("written");
    // Beside the weights it is named.
    let opened = Checkpoint::open(&file, Some("network_weights")).expect("its tensors are read");
    assert_eq!(opened.left_out, ["os.system"]);
    assert!(!trap.exists());
    let place = tempfile::tempdir().expect("a folder");
    folder(place.path(), &plans(), &dataset(), &[("fold_0", std::fs::read(&file).expect("a file"))]);
    let said = import(place.path(), &Choice::default()).expect_err("it is refused").to_string();
    assert!(said.contains("no checkpoint of nnU-Net needs: os.system"), "{said}");
    // In place of the weights it is refused.
    let call = Item::Call("builtins", "eval", "1".into());
    let bytes = checkpoint(&shapes(), |entries| entries[0].1 = call);
    assert!(of(|_, _| (), bytes).is_err());
}

/// A tensor whose shape asks for more than its storage holds, and bytes changed everywhere: an error, or a checkpoint, but no panic.
#[test]
fn broken_checkpoints_are_errors() {
    let mut wide = shapes();
    wide[0].1 = vec![1 << 20, 1 << 10, 3, 3, 3];
    let storages: Vec<Vec<f32>> = wide.iter().map(|_| vec![0.5; 8]).collect();
    let weights = wide.iter().enumerate().map(|(n, (name, dims))| (name.clone(), Item::Tensor(dims.clone(), n))).collect();
    let item = Item::Dict(vec![("network_weights".into(), Item::Dict(weights)), ("trainer_name".into(), text("t"))]);
    assert!(of(|_, _| (), saved(&item, &storages)).is_err());

    let place = tempfile::tempdir().expect("a folder");
    let file = whole();
    for n in 0..400usize {
        let mut bytes = file.clone();
        let at = (n * 2654435761) % bytes.len();
        match n % 3 {
            0 => bytes[at] ^= 1 << (n / 3 % 8),
            1 => bytes.truncate(at),
            _ => {
                bytes.splice(at..at, [0xff; 3]);
            }
        }
        sound::sound(place.path(), &bytes);
    }
    let corpus = std::fs::read_dir("fuzz/corpus/checkpoint").expect("the corpus");
    let read = corpus.map(|e| std::fs::read(e.expect("an entry").path()).expect("a file"));
    assert!(read.filter(|bytes| sound::sound(place.path(), bytes)).count() >= 1);
}
