//! nnU-Net's pipeline step by step, each from what nnU-Net itself had before it.

use std::path::Path;

use lmsc::data::channels;
use lmsc::infer::nnunet::{Layout, Nnunet, NnunetRestore, Seen, Sums, Tiles, gaussian, prepare, separate_axis};
use lmsc::infer::{Flips, Model, Prepared};
use lmsc::volume::read;
use ndarray::{Array, Array4, Array5, ArrayView4, s};

use super::cases::{files, imported, tensor};
use super::given::beside;

/// A case whose stages were kept.
struct Case {
    model: &'static str,
    folds: &'static [u32],
    data: &'static str,
    name: &'static str,
}

const CASES: &[Case] = &[
    Case { model: "hippo-plain", folds: &[0], data: "Dataset004_Hippocampus", name: "hippocampus_329" },
    Case { model: "hippo-2d", folds: &[0], data: "Dataset004_Hippocampus", name: "hippocampus_252" },
    Case { model: "ct-aniso", folds: &[0], data: "Dataset110_SynthCT", name: "t000" },
    Case { model: "regions", folds: &[0], data: "Dataset111_SynthRegion", name: "t001" },
    Case { model: "hippo-resenc", folds: &[0, 1], data: "Dataset004_Hippocampus", name: "hippocampus_197" },
];

fn four(file: &Path, name: &str) -> Array4<f32> {
    let (shape, values) = tensor(file, name);
    // Of one channel or not.
    let whole = [vec![1; 4 - shape.len().min(4)], shape].concat();
    Array::from_shape_vec(whole, values).expect("a shape").into_dimensionality().expect("four axes")
}

/// |a - b| at most, and how many are not the same.
fn apart(a: impl IntoIterator<Item = f32>, b: impl IntoIterator<Item = f32>) -> (f32, usize) {
    a.into_iter().zip(b).fold((0.0, 0), |(most, many), (a, b)| (most.max((a - b).abs()), many + usize::from(a != b)))
}

#[test]
fn every_stage_is_that_of_nnunet() {
    let Some(shared) = beside("nnunet") else { return };
    for case in CASES {
        let stages = shared.join(format!("stages/{}-{}.safetensors", case.model, case.name));
        let (_place, model) = imported(&shared.join("models").join(case.model), case.folds);
        let card = model.card().clone();
        let Some(n) = &card.nnunet else { panic!("{} has no rules", case.model) };
        weights(&stages, card.patch);
        let seen = images(&shared, case, n, &stages, card.modalities.len());
        tile(&model, &stages, card.patch);
        logits(&model, n, &stages);
        back(n, &stages, seen.kept.size, (seen.spacing, seen.own));
    }
}

/// The Gaussian, bit for bit.
fn weights(stages: &Path, patch: [usize; 3]) {
    let (_, want) = tensor(stages, "gaussian");
    let got = gaussian(patch);
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(&want).all(|(a, b)| a == b), "{}", stages.display());
}

/// The image cropped and normalised, then at the network's spacing.
fn images(shared: &Path, case: &Case, n: &Nnunet, stages: &Path, count: usize) -> Seen {
    let read: Vec<_> = files(shared, case.data, case.name, count).iter().map(|f| read(f).expect("an image")).collect();
    let layout = Layout::new(n, &read[0].grid());
    let views: Vec<_> = read.iter().map(|v| layout.view(channels(v.data.view()).remove(0))).collect();
    let own = layout.spacing(n, &read[0].header);
    // At the image's own spacing nothing is resampled.
    let plain = prepare(&Nnunet { spacing: own.into(), ..n.clone() }, &views, own).expect("it is prepared");
    for (name, got, most) in
        [("normalised", plain.image, 2e-6), ("preprocessed", prepare(n, &views, own).expect("it is prepared").image, 4e-6)]
    {
        let want = four(stages, name);
        assert_eq!(got.dim(), want.dim(), "{} {name}", case.model);
        let scale = want.iter().fold(1f32, |m, v| m.max(v.abs()));
        let (off, many) = apart(got.iter().copied(), want.iter().copied());
        println!("{} {name}: {many} of {} differ, by {off:.1e} of {scale:.1}", case.model, want.len());
        assert!(off <= most * scale, "{} {name}: {off} of {scale}", case.model);
    }
    prepare(n, &views, own).expect("it is prepared")
}

/// The first tile through the first fold's network.
fn tile(model: &Model, stages: &Path, [d, h, w]: [usize; 3]) {
    let input = four(stages, "tile0_in");
    let count = model.card().modalities.len();
    let patch = Array5::from_shape_vec((1, count, d, h, w), input.iter().copied().collect()).expect("a patch");
    let got = model.logits(0, patch.view()).expect("it runs");
    let want = four(stages, "tile0_out_fold0");
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1f32, |m, v| m.max(v.abs()));
    let (off, _) = apart(got.iter().copied(), want.iter().copied());
    println!("tile: {off:.1e} of {scale:.1}");
    assert!(off < 1e-4 * scale, "{}: {off} of {scale}", stages.display());
}

/// The blended logits of nnU-Net's own input, rounded as it rounds.
fn logits(model: &Model, n: &Nnunet, stages: &Path) {
    let input = four(stages, "preprocessed");
    let card = model.card();
    let (_, d, h, w) = input.dim();
    let tiles = Tiles::new([d, h, w], card.patch, 0.5);
    for (name, flips) in [("logits", n.mirror), ("logits_no_mirroring", Flips::default())] {
        if name == "logits" && n.mirror.ways().count() > 4 {
            // Eight passes take their time; the whole cases have them.
            continue;
        }
        let want = four(stages, name);
        let sets = model.sets();
        let mut blend = Sums::<half::f16>::new(card.patch, card.channels(), tiles.slab(), sets, true);
        let mut got = Array4::<f32>::zeros((card.channels(), d, h, w));
        let forward = |set: usize, patches: ndarray::ArrayView5<f32>| flips.average(patches, |p| model.logits(set, p));
        let take = |first: usize, planes: Array4<f32>| {
            got.slice_mut(s![.., first..first + planes.dim().1, .., ..]).assign(&planes);
            Ok(())
        };
        tiles.sweep(&Prepared::ready(input.view()), (sets, 1), &mut blend, forward, take).expect("it runs");
        assert_eq!(got.dim(), want.dim());
        let (off, many) = apart(got.iter().copied(), want.iter().copied());
        println!("{name}: {many} of {} differ, by {off:.1e}", want.len());
        // Another order of summation in a convolution may turn the last bit of a float16, and at a corner a whole number.
        assert!(many * 20 <= want.len(), "{} {name}: {many} of {}", stages.display(), want.len());
    }
}

/// nnU-Net's own logits brought back to the image's grid.
fn back(n: &Nnunet, stages: &Path, size: [usize; 3], (spacing, own): ([f64; 3], [f64; 3])) {
    let (input, want) = (four(stages, "logits"), four(stages, "logits_resampled"));
    let (k, d, h, w) = input.dim();
    let across = separate_axis(spacing, own, n.logits.separate);
    let [od, oh, ow] = size;
    let mut got = Array4::<f32>::zeros((k, od, oh, ow));
    assert_eq!(got.dim(), want.dim());
    let mut restore = NnunetRestore::new([d, h, w], size, across, &n.logits, true);
    let mut give = |first: usize, planes: ArrayView4<f32>| {
        got.slice_mut(s![.., first..first + planes.dim().1, .., ..]).assign(&planes);
        Ok(())
    };
    // Plane by plane, as they are finished.
    for z in 0..d {
        restore.take(z, input.slice(s![.., z..z + 1, .., ..]).to_owned(), &mut give).expect("it is brought back");
    }
    let (off, many) = apart(got.iter().copied(), want.iter().copied());
    println!("back: {many} of {} differ, by {off:.1e}", want.len());
    assert!(many * 1000 <= want.len(), "{}: {many} of {} differ, by {off}", stages.display(), want.len());
}
