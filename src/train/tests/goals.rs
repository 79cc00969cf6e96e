//! Regions, several outputs and postprocessing in whole runs.

use ndarray::Axis;

use super::*;
use crate::data::phantom;
use crate::infer::{Options, Predictor};
use crate::ir::Array;

/// Beside the head, one on the coarse features: its size is half of the patch.
const TWO: &str = r#"(
    name: "two",
    params: { "modalities": 4, "classes": 4 },
    inputs: { "image": (channels: "modalities", size: (16, 16, 16)) },
    nodes: {
        "down": Conv3D(x: "image", out: 8, kernel: 3, stride: 2, norm: group(2), activation: silu),
        "up": UpConv3D(x: "down", out: 8),
        "head": SegHead(x: "up", classes: "classes"),
        "deep": SegHead(x: "down", classes: "classes"),
    },
    outputs: { "logits": "head", "deep": "deep" },
)"#;

/// The phantom's labels lie within each other: 1 edema, 2 core, 3 enhancing.
const REGIONS: &str = r#"regions={"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}"#;

/// The first kernel of a node.
fn kernel(of: impl IntoIterator<Item = (String, Array)>, node: &str) -> Vec<f32> {
    of.into_iter().find(|(n, _)| n.starts_with(node) && n.ends_with(".weight")).unwrap().1.values
}

fn trained(dir: &Path, node: &str) -> Vec<f32> {
    kernel(read_store(&dir.join(LAST)).unwrap().arrays, node)
}

#[test]
fn a_network_of_regions_is_trained_saved_and_used() {
    let root = tempfile::tempdir().unwrap();
    let job = job(&[REGIONS, "set.classes=3", "epochs=2", "loss.tversky=0.5", "loss.focal=0.5"], &[]).unwrap();
    let outcome = train_in(&root.path().join("run"), &job).unwrap();
    let first = lines(&root.path().join("run/metrics.csv")).remove(0);
    assert!(first.contains("dice_whole,dice_core,dice_enhancing,dice_mean"), "{first}");

    let model = load_model(&root.path().join("run").join(BEST), &Device::flex()).unwrap();
    let card = model.card().clone();
    let regions = card.regions.as_ref().unwrap();
    assert_eq!(regions.paint, [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(card.class_dice, outcome.best.unwrap().dice.into_iter().map(Some).collect::<Vec<_>>());
    // Validation scores what prediction writes, by region.
    let scores = super::super::validate::validate(&model, &job.store, &job.validation, |_| ()).unwrap();
    assert!((scores.mean.unwrap() - card.validation_dice.unwrap()).abs() < 1e-6);

    phantom::write(root.path(), 1, [16, 20, 18], 1).unwrap();
    let options = Options { probabilities: true, ..Options::default() };
    let image = root.path().join("imagesTr/phantom_0000.nii.gz");
    let said = Predictor::new(model, options).predict(&[image], || ()).unwrap();
    let p = said.probabilities.unwrap();
    assert_eq!(p.dim(), (3, 16, 20, 18));
    // Sigmoid: each on its own, so that they do not sum to 1.
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)) && p.sum_axis(Axis(0)).iter().any(|s| (s - 1.0).abs() > 0.1));
    for (at, label) in said.labels.indexed_iter() {
        let inside = |c: usize| p[[c, at.0, at.1, at.2]] >= 0.5;
        let want = if inside(2) {
            3
        } else if inside(1) {
            2
        } else {
            u8::from(inside(0))
        };
        assert_eq!(*label, want);
    }
}

#[test]
fn regions_that_do_not_fit_are_refused_at_their_place() {
    let refused = |sets: &[&str], words: &str| {
        let e = job(sets, &[]).unwrap_err();
        assert!(e.0.iter().any(|d| d.code == Code::E0601 && d.message.contains(words)), "{words}: {e:?}");
    };
    refused(&[REGIONS], "the data have 3 regions (whole, core, enhancing), but `tiny` is built for 4");
    refused(&[r#"regions={"whole": [1, 5], "core": [1]}"#, "set.classes=2"], "no label 5, which `whole` names");
    refused(&[r#"regions={"whole": [1, 2], "rest": [3]}"#], "`whole` has 2 labels that no smaller region has (1, 2)");
    refused(&[REGIONS, "paint=[1, 2]"], "3 regions and 2 labels");
    refused(&[r#"regions={"whole": [0, 1]}"#, "paint=[1]"], "labels above 0");
    refused(&["paint=[1]"], "given without `regions`");
    refused(&[REGIONS, "set.classes=3", "loss.background=false"], "has no background");
    refused(&[REGIONS, "set.classes=3", "loss.class_weights=[1, 2]"], "`loss.class_weights` are 2, and there are 3 regions");
    refused(&["loss.class_weights=[1, 2]"], "are 2, and there are 4 classes");
}

#[test]
fn losses_that_cannot_be_are_refused() {
    for (sets, words) in [
        (&["loss.dice=0", "loss.cross_entropy=0", "loss.boundary=0"][..], "`loss` is 0 in every term"),
        (&["loss.tversky=1", "loss.alpha=0", "loss.beta=0"], "loss.alpha"),
        (&["loss.gamma=-1"], "loss.gamma"),
        (&["loss.tversky_power=0"], "loss.tversky_power"),
        (&["loss.radius=65"], "loss.radius"),
        (&["loss.class_weights=[0, 0, 0, 0]"], "loss.class_weights"),
        (&["loss.class_weights=[1, 1, 1, 1]", "loss.frequency_of=dataset"], "loss.frequency_of"),
        (&["loss.deep_supervision=[0, 1]"], "prediction uses that output"),
        (&["loss.deep_supervision=[1, 1]"], "has 2 weights, and `tiny` has 1 output"),
        (&["workers=0"], "workers"),
        (&["workers=3"], "at most `batch`"),
    ] {
        let e = job(sets, &[]).unwrap_err();
        assert!(e.0.iter().any(|d| d.code == Code::E0601 && (d.message.contains(words))), "{words}: {e:?}");
    }
}

#[test]
fn class_weights_of_the_data_set_are_counted_over_the_training_cases() {
    let j = job(&["loss.frequency_of=dataset", "loss.inverse_frequency=1"], &[]).unwrap();
    let mut counts = [0u64; 4];
    for case in &j.training {
        let made = phantom::generate([16, 20, 18], 1, *case as u64);
        made.label.iter().for_each(|l| counts[usize::from(*l)] += 1);
    }
    let raw = counts.map(|n| if n == 0 { 0.0 } else { 1.0 / n as f64 });
    let fixed = j.loss().unwrap().fixed.unwrap();
    let sum: f64 = raw.iter().sum();
    assert!(fixed.iter().zip(raw).all(|(w, r)| (w - r / sum).abs() < 1e-12), "{fixed:?} {counts:?}");
    assert_eq!(job(&[], &[]).unwrap().loss().unwrap().fixed, None);
}

#[test]
fn every_output_is_trained_on_as_its_weight_says_and_the_first_one_predicts() {
    let root = tempfile::tempdir().unwrap();
    let with = |sets: &[&str]| job_of(TWO, &[&["epochs=1", "steps=2"], sets].concat(), &[]);
    let run = |name: &str, sets: &[&str]| {
        let dir = root.path().join(name);
        let job = with(sets).unwrap();
        train_in(&dir, &job).unwrap();
        (dir, job)
    };
    let (both, job) = run("both", &[]);
    let heads: Vec<_> = job.heads.iter().map(|h| (h.output, h.size, h.weight)).collect();
    assert_eq!(heads, [(0, [16; 3], 1.0 / 1.5), (1, [8; 3], 0.5 / 1.5)]);
    let (one, _) = run("one", &["loss.deep_supervision=[1, 0]"]);
    let (same, _) = run("same", &["loss.deep_supervision=[2, 1]"]);
    let drawn = Network::new(job.program.clone(), &Device::flex(), 0).unwrap();
    let drawn = kernel(crate::net::arrays(&drawn), "deep");
    assert_ne!(trained(&both, "deep"), drawn);
    assert_eq!(trained(&one, "deep"), drawn, "an output of weight 0 is not trained");
    assert_eq!(trained(&both, "down"), trained(&same, "down"));
    assert_ne!(trained(&both, "down"), trained(&one, "down"));
    assert_eq!(load_model(&both.join(BEST), &Device::flex()).unwrap().channels(), 4);

    let e = with(&["loss.deep_supervision=[1]"]).unwrap_err();
    assert!(e.0[0].message.contains("1 weight, and `two` has 2 outputs: `logits`, `deep`"), "{e:?}");
    let swapped = TWO.replace(r#""logits": "head", "deep": "deep""#, r#""deep": "deep", "logits": "head""#);
    let e = job_of(&swapped, &[], &[]).unwrap_err();
    assert!(e.0[0].message.contains("`deep` of `two` is 8x8x8 for a patch of 16x16x16"), "{e:?}");
    let other = TWO.replace(r#"(x: "down", classes: "classes")"#, r#"(x: "down", classes: 2)"#);
    let e = job_of(&other, &[], &[]).unwrap_err();
    assert!(e.0[0].message.contains("`deep` has 2 channels, and the first one 4"), "{e:?}");
    assert!(job_of(&other, &["loss.deep_supervision=[1, 0]"], &[]).is_ok());
}

#[test]
fn postprocessing_that_helps_goes_into_the_best_checkpoint_whenever_the_run_was_cut() {
    let root = tempfile::tempdir().unwrap();
    let [plain, whole, cut] = ["plain", "whole", "cut"].map(|n| root.path().join(n));
    let with = |sets: &[&str]| job(&[&["epochs=2", "steps=4", "data.cases=4"], sets].concat(), &[]).unwrap();
    let none = train_in(&plain, &with(&[])).unwrap();
    assert_eq!(none.cleaned, None);
    let auto = with(&["postprocess=auto"]);
    let outcome = train_in(&whole, &auto).unwrap();
    let cleaned = outcome.cleaned.unwrap();
    assert!(cleaned.after >= cleaned.before && (cleaned.before - outcome.best.unwrap().dice_mean).abs() < 1e-6, "{cleaned:?}");
    let model = load_model(&whole.join(BEST), &Device::flex()).unwrap();
    assert_eq!(model.card().postprocess.clone().unwrap_or_default(), cleaned.postprocess);
    assert_eq!(read_store(&plain.join(BEST)).unwrap().arrays, read_store(&whole.join(BEST)).unwrap().arrays);

    let stop = AtomicBool::new(true);
    train(&auto, &Folder::create(Some(&cut), "x", false).unwrap(), &Device::flex(), &stop).unwrap();
    let last = loop {
        let outcome = resume(&auto, &Folder::open(&cut).unwrap(), &Device::flex(), &stop).unwrap();
        if outcome.ending == StopReason::Whole {
            break outcome;
        }
    };
    assert_eq!(last.cleaned, Some(cleaned.clone()));
    assert_eq!(std::fs::read(whole.join(BEST)).unwrap(), std::fs::read(cut.join(BEST)).unwrap());
    // Killed between the last epoch's state and the search: the search is made up for.
    let path = cut.join(RESUME);
    let mut state = super::super::state::RunState::load(&path).unwrap().unwrap();
    state.about.cleaned = None;
    state.save(&path).unwrap();
    assert_eq!(resume(&auto, &Folder::open(&cut).unwrap(), &Device::flex(), &stop).unwrap().cleaned, Some(cleaned));
    assert_eq!(std::fs::read(whole.join(BEST)).unwrap(), std::fs::read(cut.join(BEST)).unwrap());
}

#[test]
fn a_step_that_is_too_large_is_refused_with_what_would_fit() {
    let j = job(&["batch=8", "optimiser.average=0.9"], &[]).unwrap();
    let fits = |bytes: u64| super::super::memory::fits(&j, Some(bytes), Some(bytes));
    let small = (144 + 12) << 20;
    assert!(fits(1 << 30).unwrap().is_none());
    let e = fits(small).unwrap_err();
    let help = e.help.join("\n");
    assert!(
        e.code == Code::E0902 && e.message.contains("8 patches of 16x16x16") && e.message.contains("this machine has 156 MiB"),
        "{e:?}"
    );
    // What is advised fits, and a patch more would not.
    let number: usize = help.split("batch=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let of = |batch: usize| job(&[&format!("batch={batch}"), "optimiser.average=0.9"], &[]).unwrap();
    let held = |j: &Job| super::super::memory::fits(j, Some(small), Some(small)).is_ok();
    assert!((1..8).contains(&number) && held(&of(number)) && !held(&of(number + 1)), "{help}");
    assert!(help.contains("patch=("), "{help}");
    // A little more, and it would do to compute activations again.
    let [j, checkpointed] = ["false", "true"].map(|c| job(&["batch=8", "patch=(48, 48, 48)", &format!("checkpointing={c}")], &[]).unwrap());
    let enough = |j: &Job, mib: u64| super::super::memory::fits(j, Some(mib << 20), Some(mib << 20)).is_ok();
    let [least, whole] = [&checkpointed, &j].map(|j| (144..1000).find(|mib| enough(j, *mib)).unwrap());
    assert!(least < whole, "{least} {whole}");
    let advice = |mib: u64| super::super::memory::fits(&j, Some(mib << 20), Some(mib << 20)).unwrap_err().help.join("\n");
    assert!(advice(least).contains("checkpointing=true") && !advice(least - 1).contains("checkpointing=true"), "{}", advice(least));
    // Where only other programs are in the way it is a warning; where nothing is known, nothing.
    let warned = super::super::memory::fits(&j, Some(small), Some(1 << 30)).unwrap().unwrap();
    assert!(warned.message.contains("free are 156 MiB"), "{warned:?}");
    assert!(super::super::memory::fits(&j, None, None).unwrap().is_none());
    assert!(fits(1000).unwrap_err().help[0].contains("fewer channels"));
}
