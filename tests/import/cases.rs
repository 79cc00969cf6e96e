//! Whole cases against what `nnUNetv2_predict` wrote.

use std::path::{Path, PathBuf};

use lmsc::data::channels;
use lmsc::import::nnunet::{Choice, Folds, import};
use lmsc::infer::nnunet::{Layout, gaussian, prepare, starts};
use lmsc::infer::{Model, Options, Prediction, Predictor};
use lmsc::volume::{Orientation, read, turned};
use ndarray::{Array3, Array4, ArrayView3, Axis, s};
use safetensors::{Dtype, SafeTensors};

use super::given::beside;

/// A model's predictions that are compared.
pub struct Run {
    pub model: &'static str,
    pub folds: &'static [u32],
    pub data: &'static str,
    /// The folder of what is expected.
    pub expected: &'static str,
    /// Whether mirror images are averaged, as the checkpoint allows.
    pub mirrored: bool,
    pub cases: &'static [&'static str],
}

const HIPPOCAMPUS: &str = "Dataset004_Hippocampus";
const HIPPOCAMPI: &[&str] = &["hippocampus_197", "hippocampus_252", "hippocampus_298m", "hippocampus_329"];
const PHANTOMS: &[&str] = &["t000", "t001", "t002", "t003"];

/// A model of nnU-Net made one of ours, in a folder that goes with it.
pub fn imported(folder: &Path, folds: &[u32]) -> (tempfile::TempDir, Model) {
    let choice = Choice { folds: Folds::Numbers(folds.to_vec()), ..Choice::default() };
    let model = import(folder, &choice).unwrap_or_else(|e| panic!("{}: {e:?}", folder.display()));
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("model.safetensors");
    model.save(&file, []).expect("it is written");
    (place, Model::load(&file).expect("it is read"))
}

/// A tensor of a safetensors file as float32.
pub fn tensor(file: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(file).expect("a file");
    let all = SafeTensors::deserialize(&bytes).expect("safetensors");
    let t = all.tensor(name).unwrap_or_else(|e| panic!("{name} of {}: {e}", file.display()));
    let data = t.data();
    let values = match t.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect(),
        Dtype::BOOL | Dtype::U8 => data.iter().map(|b| f32::from(*b)).collect(),
        other => panic!("{name} is {other:?}"),
    };
    (t.shape().to_vec(), values)
}

fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (if bits >> 15 == 1 { -1.0 } else { 1.0 }, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * if exponent == 0 { fraction * 2f32.powi(-24) } else { (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15) }
}

pub fn files(shared: &Path, data: &str, case: &str, channels: usize) -> Vec<PathBuf> {
    (0..channels).map(|c| shared.join("cases").join(data).join("imagesTs").join(format!("{case}_{c:04}.nii.gz"))).collect()
}

/// How far a prediction is from what is expected.
struct Difference {
    foreground: usize,
    /// Where the labels differ.
    voxels: Vec<(usize, usize, usize)>,
    /// The largest difference of probabilities away from the corners, where they are given; and how many were in corners.
    probability: Option<(f32, usize)>,
}

/// The least number of float16 that is not rounded to multiples of 6e-8.
const NORMAL: f32 = 6.1035e-5;
/// No probability moves further where one last bit of a logit below 32 in float16 is another: a quarter of 2^-6.
const LAST_BIT: f32 = 4e-3;

/// Where tiles weigh so little that nnU-Net's sums in float16 are coarse, on the image's grid: the volume's corners.
fn corners(model: &Model, image: &lmsc::volume::Volume) -> Array3<bool> {
    let card = model.card();
    let n = card.nnunet.as_ref().expect("its rules");
    let layout = Layout::new(n, &image.grid());
    let views: Vec<_> = channels(image.data.view()).into_iter().map(|c| layout.view(c)).collect();
    let seen = prepare(n, &views, layout.spacing(n, &image.header)).expect("it is prepared");
    let (_, d, h, w) = seen.image.dim();
    let size = [d, h, w];
    // With the padding.
    let whole = [0, 1, 2].map(|a| size[a].max(card.patch[a]));
    let mut sum = Array3::<f32>::zeros(whole);
    let weights = gaussian(card.patch);
    let [zs, ys, xs] = [0, 1, 2].map(|a| starts(whole[a], card.patch[a], if card.patch[a] == 1 { 1.0 } else { 0.5 }));
    for (z, y, x) in zs.iter().flat_map(|z| ys.iter().flat_map(|y| xs.iter().map(move |x| (*z, *y, *x))).collect::<Vec<_>>()) {
        let [pd, ph, pw] = card.patch;
        let mut part = sum.slice_mut(s![z..z + pd, y..y + ph, x..x + pw]);
        part += &weights;
    }
    let before = [0, 1, 2].map(|a| (whole[a] - size[a]) / 2);
    // Along an axis: the network's voxels on both sides of an image's.
    let sides = |a: usize, j: usize| {
        let at = (j as f64 + 0.5) * size[a] as f64 / seen.kept.size[a] as f64 - 0.5;
        [at.floor(), at.ceil()].map(|v| (v.max(0.0) as usize).min(size[a] - 1) + before[a])
    };
    let mut found = Array3::from_elem(image.size(), false);
    let mut kept = seen.kept.of(layout.view(found.view_mut()));
    for ((z, y, x), corner) in kept.indexed_iter_mut() {
        let near = sides(0, z)
            .into_iter()
            .flat_map(|z| sides(1, y).into_iter().flat_map(move |y| sides(2, x).into_iter().map(move |x| [z, y, x])));
        *corner = near.into_iter().any(|at| sum[at] < NORMAL);
    }
    found
}

fn compare(shared: &Path, run: &Run, case: &str, said: &Prediction, corners: &Array3<bool>) -> Difference {
    let folder = shared.join("expected").join(run.expected);
    let want = read(&folder.join(format!("{case}.nii.gz"))).expect("a segmentation");
    let want: Array3<u32> = want.data.index_axis(Axis(0), 0).mapv(|v| v as u32);
    let values: Vec<u32> = said.classes.iter().map(|c| c.value).collect();
    let got = said.labels.mapv(|place| values[usize::from(place)]);
    assert_eq!(got.dim(), want.dim(), "{case}");
    let voxels = got.indexed_iter().filter(|(at, v)| **v != want[*at]).map(|(at, _)| at).collect();
    let file = folder.join(format!("{case}.safetensors"));
    let probability = file.exists().then(|| {
        let (shape, values) = tensor(&file, "probabilities");
        let [k, d, h, w] = shape[..] else { panic!("{shape:?}") };
        let want = Array4::from_shape_vec((k, d, h, w), values).expect("a shape");
        let got = said.probabilities.as_ref().expect("they were asked for");
        let orientation = said.image.grid().orientation();
        // As the reader of nnU-Net gave the image.
        let to = if run.model == "regions" { Orientation::RAS } else { orientation };
        let (mut most, mut many) = (0f32, 0);
        for (got, want) in got.axis_iter(Axis(0)).zip(want.axis_iter(Axis(0))) {
            let got: ArrayView3<f32> = turned(got, orientation, to);
            assert_eq!(got.dim(), want.dim(), "{case}");
            for ((a, b), corner) in got.iter().zip(want).zip(turned(corners.view(), orientation, to)) {
                if *corner {
                    many += 1;
                } else {
                    most = most.max((a - b).abs());
                }
            }
        }
        (most, many)
    });
    Difference { foreground: want.iter().filter(|v| **v > 0).count(), voxels, probability }
}

/// Predicts all cases of a run in both ways and compares.
fn predicted(run: &Run) {
    let Some(shared) = beside("nnunet") else { return };
    let (_place, model) = imported(&shared.join("models").join(run.model), run.folds);
    let channels = model.card().modalities.len();
    for exact in [true, false] {
        let flips = if run.mirrored { None } else { Some("none".parse().expect("no axes")) };
        let options = Options { probabilities: true, flips, exact, ..Options::default() };
        let predictor = Predictor::new(model.clone(), options);
        for case in run.cases {
            let start = std::time::Instant::now();
            let said = predictor.predict(&files(&shared, run.data, case, channels), || ()).expect("it predicts");
            // With the rounding of nnU-Net its corners are matched, too.
            let corners = if exact { Array3::from_elem(said.image.size(), false) } else { corners(&model, &said.image) };
            let d = compare(&shared, run, case, &said, &corners);
            let (most, many) = d.probability.unwrap_or_default();
            let what = format!(
                "{} {case} exact {exact}: {} of {} differ {:?}, probabilities by {most:.1e}, {many} in corners, {:.1} s",
                run.expected,
                d.voxels.len(),
                d.foreground,
                &d.voxels[..d.voxels.len().min(5)],
                start.elapsed().as_secs_f64()
            );
            println!("{what}");
            if exact {
                assert!(d.voxels.is_empty() && most < LAST_BIT, "{what}");
            } else {
                assert!(d.voxels.len() <= d.foreground.div_ceil(1000) && most < 5e-3, "{what}");
            }
        }
    }
}

#[test]
fn a_plain_network_with_mirror_images() {
    let cases = &HIPPOCAMPI[1..2];
    predicted(&Run { model: "hippo-plain", folds: &[0], data: HIPPOCAMPUS, expected: "hippo-plain", mirrored: true, cases });
}

#[test]
fn a_plain_network_alone() {
    let (model, expected) = ("hippo-plain", "hippo-plain-no-mirroring");
    predicted(&Run { model, folds: &[0], data: HIPPOCAMPUS, expected, mirrored: false, cases: HIPPOCAMPI });
}

#[test]
fn slices_one_by_one() {
    predicted(&Run { model: "hippo-2d", folds: &[0], data: HIPPOCAMPUS, expected: "hippo-2d", mirrored: true, cases: &HIPPOCAMPI[..2] });
    let expected = "hippo-2d-no-mirroring";
    predicted(&Run { model: "hippo-2d", folds: &[0], data: HIPPOCAMPUS, expected, mirrored: false, cases: HIPPOCAMPI });
}

#[test]
fn thick_slices_transposed_with_two_channels() {
    let (data, folds) = ("Dataset110_SynthCT", &[0]);
    predicted(&Run { model: "ct-aniso", folds, data, expected: "ct-aniso", mirrored: true, cases: PHANTOMS });
    predicted(&Run { model: "ct-aniso", folds, data, expected: "ct-aniso-no-mirroring", mirrored: false, cases: PHANTOMS });
}

#[test]
fn regions_in_other_axis_orders() {
    let cases = &PHANTOMS[..3];
    predicted(&Run { model: "regions", folds: &[0], data: "Dataset111_SynthRegion", expected: "regions", mirrored: true, cases });
}

#[test]
fn residual_blocks_and_two_folds() {
    let (model, data) = ("hippo-resenc", HIPPOCAMPUS);
    predicted(&Run { model, folds: &[0, 1], data, expected: "hippo-resenc", mirrored: true, cases: &HIPPOCAMPI[..1] });
    predicted(&Run { model, folds: &[0, 1], data, expected: "hippo-resenc-no-mirroring", mirrored: false, cases: HIPPOCAMPI });
    predicted(&Run { model, folds: &[1], data, expected: "hippo-resenc-fold1", mirrored: true, cases: &HIPPOCAMPI[..1] });
}

#[test]
fn plans_of_the_first_releases_make_the_same_model() {
    let Some(shared) = beside("nnunet") else { return };
    let from = shared.join("models/hippo-plain");
    let place = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(place.path().join("fold_0")).expect("a folder");
    for (name, to) in
        [("plans_old.json", "plans.json"), ("dataset.json", "dataset.json"), ("fold_0/checkpoint_final.pth", "fold_0/checkpoint_final.pth")]
    {
        std::fs::copy(from.join(name), place.path().join(to)).expect("copied");
    }
    let [old, new] = [place.path(), &from].map(|folder| import(folder, &Choice::default()).expect("it is imported"));
    assert_eq!(old.program.hash(), new.program.hash());
    assert_eq!(old.sets, new.sets);
    assert!(old.card.nnunet.zip(new.card.nnunet).is_some_and(|(a, b)| a.same_rules(&b)));
}
