//! From files to files with a very small network of random weights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, Axis, s};

use super::*;
use crate::compile::compile;
use crate::data::{CANONICAL, CaseEntry as Entry, Dataset, DatasetSpec as Spec, SlicePlane};
use crate::store;
use crate::text::{Code, Source};
use crate::volume::{Header, Normalise, Orientation, Volume, read, reorient, write_image, write_labels};

const GRAPH: &str = r#"(
    name: "tiny",
    params: { "modalities": 2, "classes": 3 },
    inputs: { "image": (channels: "modalities", size: (16, 16, 16)) },
    nodes: {
        "down": Conv3D(x: "image", out: 4, kernel: 3, stride: 2, norm: group(2), activation: silu),
        "up": UpConv3D(x: "down", out: 4),
        "head": SegHead(x: "up", classes: "classes"),
    },
    outputs: { "logits": "head" },
)"#;

fn card() -> Card {
    let labels = vec![(0, "background".into()), (7, "liver".into()), (9, "tumour".into())];
    Card::new(vec!["t1".into(), "t2".into()], labels, [8, 10, 12])
}

fn model(seed: u64, card: Card) -> Model {
    let program = compile(&Source::new("tiny.ron", GRAPH), &[], None).unwrap();
    Model::new(CpuEngine::new(&program, &store::init(&program, seed).unwrap()).unwrap(), card)
}

fn predictor(card: Card, options: Options) -> Predictor {
    Predictor::new(model(3, card), options)
}

/// Smooth waves, so that a random network answers with regions and not with noise.
fn image(size: [usize; 3]) -> Array4<f32> {
    Array4::from_shape_fn((2, size[0], size[1], size[2]), |(c, z, y, x)| {
        100.0 + 50.0 * ((z * (c + 1)) as f32 / 3.0).sin() * ((y + 2 * x) as f32 / 5.0).cos()
    })
}

/// A grid with its own spacing, origin and codes.
fn grid(size: [usize; 3], channels: usize) -> Header {
    let mut header = Header::plain(size, channels, [2.0, 1.5, 0.75]);
    header.sform = [[0.75, 0.0, 0.1, -31.0], [0.0, -1.5, 0.0, 12.0], [0.05, 0.0, 2.0, 8.5]];
    header.sform_code = 2;
    header
}

fn write(dir: &Path, size: [usize; 3]) -> [PathBuf; 3] {
    let names = ["both.nii.gz", "t1.nii.gz", "t2.nii.gz"].map(|n| dir.join(n));
    let image = image(size);
    write_image(&names[0], &image, &grid(size, 2)).unwrap();
    for c in 0..2 {
        write_image(&names[c + 1], &image.slice(s![c..c + 1, .., .., ..]).to_owned(), &grid(size, 1)).unwrap();
    }
    names
}

fn put(path: &Path, v: &Volume) -> PathBuf {
    write_image(path, &v.data, &v.header).unwrap();
    path.to_owned()
}

fn predict(predictor: &Predictor, file: &Path) -> Prediction {
    predictor.predict(&[file.to_owned()], || ()).unwrap()
}

fn canonical(p: &Prediction) -> Array3<u8> {
    reorient(p.labels.view(), p.image.grid().orientation(), CANONICAL)
}

#[test]
fn a_segmentation_lies_on_the_grid_of_its_image_whatever_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let predictor = predictor(card(), Options::default());
    // Smaller than the patch, odd, larger along one axis, larger along all.
    for size in [[5, 6, 7], [8, 10, 12], [9, 10, 12], [17, 23, 25]] {
        let [both, t1, t2] = write(dir.path(), size);
        let mut ticks = 0;
        let prediction = predictor.predict(std::slice::from_ref(&both), || ticks += 1).unwrap();
        assert_eq!(ticks, prediction.windows);
        let out = dir.path().join("out.nii.gz");
        prediction.write(&out).unwrap();
        let (segmentation, image) = (read(&out).unwrap(), read(&both).unwrap());
        assert_eq!((segmentation.size(), segmentation.affine, segmentation.spacing), (image.size(), image.affine, image.spacing));
        assert_eq!((segmentation.header.sform_code, segmentation.header.qform_code), (image.header.sform_code, image.header.qform_code));
        let values: BTreeSet<u8> = segmentation.data.iter().map(|v| *v as u8).collect();
        assert!(values.len() > 1 && values.is_subset(&BTreeSet::from([0, 7, 9])), "{values:?}");
        assert_eq!(predictor.predict(&[t1, t2], || ()).unwrap().labels, prediction.labels, "{size:?}: in two files");
        // 2 x 1.5 x 0.75 mm, up to the tilt of the axes.
        let ml: f64 = prediction.volumes_ml().iter().sum();
        let all = prediction.labels.len() as f64 * image.spacing.iter().product::<f64>() / 1000.0;
        assert!((ml - all).abs() < 1e-9 * all);
    }
}

#[test]
fn one_image_in_48_axis_orders_has_one_segmentation_in_space() {
    let dir = tempfile::tempdir().unwrap();
    for spacing in [None, Some([1.5, 1.5, 1.0])] {
        let options = Options { probabilities: true, ..Options::default() };
        let predictor = predictor(Card { spacing: spacing.map(Into::into), ..card() }, options);
        let [both, ..] = write(dir.path(), [9, 17, 21]);
        let plain = read(&both).unwrap();
        let mut first: Option<Array3<u8>> = None;
        for to in Orientation::all() {
            let file = put(&dir.path().join("turned.nii"), &plain.reoriented(to));
            let p = predict(&predictor, &file);
            assert_eq!(p.image.grid().orientation(), to);
            let labels = canonical(&p);
            // The probabilities lie as the labels do.
            let highest = window::argmax(p.probabilities.as_ref().unwrap().view());
            assert_eq!(highest, p.labels, "{to}");
            match &first {
                None => {
                    assert!(labels.iter().collect::<BTreeSet<_>>().len() > 1);
                    first = Some(labels);
                }
                Some(first) => assert_eq!(labels, *first, "{to} {spacing:?}"),
            }
        }
    }
}

#[test]
fn files_of_a_case_may_run_differently() {
    let dir = tempfile::tempdir().unwrap();
    let predictor = predictor(card(), Options::default());
    let [_, t1, t2] = write(dir.path(), [9, 12, 14]);
    let want = predictor.predict(&[t1.clone(), t2.clone()], || ()).unwrap().labels;
    let turned = put(&dir.path().join("turned.nii"), &read(&t2).unwrap().reoriented("PIR".parse().unwrap()));
    assert_eq!(predictor.predict(&[t1, turned], || ()).unwrap().labels, want);
}

#[test]
fn probabilities_are_such() {
    let dir = tempfile::tempdir().unwrap();
    for spacing in [None, Some([3.0, 1.0, 1.0])] {
        let predictor =
            predictor(Card { spacing: spacing.map(Into::into), ..card() }, Options { probabilities: true, ..Options::default() });
        let [both, ..] = write(dir.path(), [11, 10, 30]);
        let prediction = predict(&predictor, &both);
        let path = dir.path().join("p.nii.gz");
        prediction.write_probabilities(&path).unwrap();
        let p = read(&path).unwrap();
        assert_eq!(p.data.dim(), (3, 11, 10, 30));
        assert_eq!(p.affine, prediction.image.affine);
        assert!(p.data.sum_axis(Axis(0)).iter().all(|s| (s - 1.0).abs() < 1e-5));
    }
}

#[test]
fn windows_at_once_say_what_they_say_alone() {
    let dir = tempfile::tempdir().unwrap();
    let [both, ..] = write(dir.path(), [17, 23, 25]);
    let said = |batch: usize| {
        let options = Options { probabilities: true, flips: Some("w".parse().unwrap()), batch, ..Options::default() };
        let predictor = predictor(card(), options);
        let need = predictor.need(std::slice::from_ref(&both)).unwrap();
        (predict(&predictor, &both).probabilities.unwrap(), need.network)
    };
    let (one, least) = said(1);
    for batch in [2, 5, 200] {
        let (several, need) = said(batch);
        assert!(need > least, "several windows take more memory");
        assert!(one.iter().zip(&several).all(|(a, b)| (a - b).abs() < 1e-6), "{batch}");
    }
}

#[test]
fn several_models_and_mirror_images_are_averaged() {
    let dir = tempfile::tempdir().unwrap();
    let [both, ..] = write(dir.path(), [8, 10, 12]);
    let said = |seeds: &[u64], flips: &str, file: &Path| {
        let options = Options { probabilities: true, flips: Some(flips.parse().unwrap()), ..Options::default() };
        let mut all = seeds.iter().map(|seed| model(*seed, card()));
        let mut predictor = Predictor::new(all.next().unwrap(), options);
        for model in all {
            predictor = predictor.with(Path::new("other"), model).unwrap();
        }
        assert_eq!(predictor.passes(), seeds.len() * (1 << flips.len()));
        predict(&predictor, file).probabilities.unwrap()
    };
    let near = |a: &Array4<f32>, b: &Array4<f32>| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let (a, b) = (said(&[3], "", &both), said(&[4], "", &both));
    assert!(!near(&a, &b));
    assert!(near(&said(&[3, 4], "", &both), &((&a + &b) / 2.0)));
    // One window covers the image: the mean over a mirror image is that of the image and of the mirrored file, mirrored back.
    let mut mirrored = read(&both).unwrap();
    mirrored.data.invert_axis(Axis(3));
    let mut other = said(&[3], "", &put(&dir.path().join("mirrored.nii"), &mirrored));
    other.invert_axis(Axis(3));
    assert!(near(&said(&[3], "w", &both), &((&a + &other) / 2.0)));
}

/// As many regions as the network has channels.
fn three() -> Vec<crate::metric::Region> {
    let region = |name: &str, values: &[u32]| crate::metric::Region { name: name.into(), values: values.to_vec() };
    vec![region("both", &[7, 9]), region("liver", &[7]), region("tumour", &[9])]
}

#[test]
fn models_of_other_configurations_are_not_averaged() {
    let other = [
        ("labels", Card { labels: vec![(0, "background".into()), (7, "tumour".into()), (9, "liver".into())], ..card() }),
        ("regions", Card { regions: Regions::new(three(), Some(&[7, 7, 9])).ok(), ..card() }),
        ("modalities", Card { modalities: vec!["t2".into(), "t1".into()], ..card() }),
        ("normalisation", Card { normalise: Normalise::ZScoreNonZero, ..card() }),
        ("patch", Card { patch: [8, 8, 8], ..card() }),
        ("spacing", Card { spacing: Some([1.0; 3].into()), ..card() }),
        ("axis order", Card { orientation: "LPS".parse().unwrap(), ..card() }),
    ];
    for (what, other) in other {
        let e = predictor(card(), Options::default()).with(Path::new("fold1"), model(4, other)).unwrap_err();
        assert!(e.0[0].code == Code::E0802 && e.0[0].message.contains(what) && e.0[0].message.contains("fold1"), "{e:?}");
    }
}

#[test]
fn a_model_may_ask_for_postprocessing_and_a_user_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let [both, ..] = write(dir.path(), [17, 23, 25]);
    let plain = predict(&predictor(card(), Options::default()), &both);
    let post = Postprocess { largest: vec![7], min_mm3: 20.0, ..Postprocess::default() };
    let asked = predict(&predictor(Card { postprocess: Some(post.clone()), ..card() }, Options::default()), &both);
    // The same by hand, in the network's axis order.
    let mut want = canonical(&plain);
    let cleared = post.apply(&mut want, &card().values(), plain.image.spacing.iter().product());
    assert!(cleared > 0 && asked.cleared == cleared);
    assert_eq!(canonical(&asked), want);
    let none = Options { postprocess: Some(Postprocess::default()), ..Options::default() };
    assert_eq!(predict(&predictor(Card { postprocess: Some(post), ..card() }, none), &both).labels, plain.labels);
}

#[test]
fn the_need_grows_with_what_is_held_and_not_with_the_length_of_the_volume() {
    let dir = tempfile::tempdir().unwrap();
    let need = |size, card, options: Options| {
        let [both, ..] = write(dir.path(), size);
        predictor(card, options).need(&[both]).unwrap()
    };
    let short = need([16, 12, 14], card(), Options::default());
    let long = need([64, 12, 14], card(), Options::default());
    // `grid` runs LPS or the like: its D is the network's.
    assert_eq!((short.size, long.size), ([16, 12, 14], [64, 12, 14]));
    assert_eq!((long.slab, long.network), (short.slab, short.network));
    assert_eq!((long.image, long.labels), (4 * short.image, 4 * short.labels));
    assert_eq!(short.image, 2 * 4 * 16 * 12 * 14);
    // Three classes in eight planes, and what is made of eight finished planes.
    assert_eq!(short.slab, (3 * 4 + 6) * 8 * 12 * 14);
    let with = need([64, 12, 14], card(), Options { probabilities: true, ..Options::default() });
    assert_eq!(with.probabilities, 3 * 4 * 64 * 12 * 14);
    let fine = need([64, 12, 14], Card { spacing: Some([1.0, 0.75, 0.75].into()), ..card() }, Options::default());
    assert!(fine.image > 4 * long.image && fine.slab > long.slab);
    let [both, ..] = write(dir.path(), [16, 12, 14]);
    let absurd = predictor(Card { spacing: Some([1e-12; 3].into()), ..card() }, Options::default());
    assert_eq!(absurd.need(std::slice::from_ref(&both)).unwrap_err().0[0].code, Code::E0702);
    assert_eq!(absurd.predict(&[both], || ()).unwrap_err().0[0].code, Code::E0702);
}

#[test]
fn other_channels_and_other_grids_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let predictor = predictor(card(), Options::default());
    let refused = |files: &[PathBuf]| predictor.predict(files, || ()).unwrap_err();
    let [both, t1, _] = write(dir.path(), [8, 8, 8]);
    let e = refused(std::slice::from_ref(&t1));
    assert!(e.0[0].code == Code::E0302 && e.0[0].message.contains("1 channel") && e.0[0].message.contains("t1, t2"), "{e:?}");
    assert_eq!(refused(&[t1.clone(), both]).0[0].code, Code::E0302);
    let other = dir.path().join("other.nii");
    write_image(&other, &image([8, 8, 9]).slice(s![..1, .., .., ..]).to_owned(), &grid([8, 8, 9], 1)).unwrap();
    assert_eq!(refused(&[t1, other]).0[0].code, Code::E0703);
    assert_eq!(refused(&[dir.path().join("none.nii")]).0[0].code, Code::E0702);
}

/// The data set's loader and the predictor prepare one file: what training segments is what prediction writes.
#[test]
fn training_and_prediction_see_one_image() {
    let dir = tempfile::tempdir().unwrap();
    let size = [13, 18, 22];
    // Zeros all around, so that cropping changes every index; the file runs in another axis order than the network.
    let mut data = image(size);
    for ((_, z, y, x), v) in data.indexed_iter_mut() {
        if z < 2 || y < 3 || !(4..20).contains(&x) {
            *v = 0.0;
        }
    }
    let files = [dir.path().join("image.nii.gz"), dir.path().join("label.nii.gz")];
    write_image(&files[0], &data, &grid(size, 2)).unwrap();
    write_labels(&files[1], &Array3::<u8>::zeros(size), &grid(size, 1)).unwrap();
    let percentiles = Normalise::Percentiles { low: 5.0, high: 95.0 };
    for (normalise, crop) in [(Normalise::ZScoreNonZero, true), (percentiles, true), (percentiles, false)] {
        let card = Card { normalise, crop, ..card() };
        let entry = Entry { id: "a".into(), image: vec![files[0].clone()], label: files[1].clone(), subject: None };
        let spec =
            Spec::List { root: PathBuf::new(), modalities: card.modalities.clone(), labels: card.labels.clone(), cases: vec![entry] };
        let loaded = Dataset::open(&spec, card.preprocess(), None).unwrap().load("a").unwrap();
        let model = model(3, card.clone());
        let trained = model.segment(loaded.sample.image.view()).unwrap();
        let predicted = predict(&Predictor::new(model, Options { probabilities: true, ..Options::default() }), &files[0]);
        let whole = canonical(&predicted);
        let [d, h, w] = loaded.sample.size();
        assert_eq!(crop, [d, h, w] != size, "{d} {h} {w}");
        // Where the cropped case lies in the whole one.
        let turned = predicted.image.grid().reoriented(CANONICAL);
        let start: Vec<usize> = {
            let origin = loaded.grid.world([0.0; 3]);
            let near = |at: [usize; 3]| turned.world(at.map(|v| v as f64)).iter().zip(origin).map(|(a, b)| (a - b).abs()).sum::<f64>();
            let all = (0..size[0]).flat_map(|z| (0..size[1]).flat_map(move |y| (0..size[2]).map(move |x| [z, y, x])));
            all.min_by(|a, b| near(*a).total_cmp(&near(*b))).unwrap().to_vec()
        };
        let part = whole.slice(s![start[0]..start[0] + d, start[1]..start[1] + h, start[2]..start[2] + w]);
        assert_eq!(part, trained, "{normalise:?} {crop}");
        let outside = whole.len() - part.len();
        let zeros = whole.iter().filter(|v| **v == 0).count() - part.iter().filter(|v| **v == 0).count();
        assert_eq!(outside, zeros, "what is cut away is background");
        let sums = predicted.probabilities.unwrap().sum_axis(Axis(0));
        assert!(sums.iter().all(|p| (p - 1.0).abs() < 1e-4), "probabilities of the background, and of all classes, sum to 1");
    }
}

#[test]
fn a_network_in_two_dimensions_sees_the_slices_across_the_axis_that_its_card_names() {
    let dir = tempfile::tempdir().unwrap();
    let text = GRAPH.replace("size: (16, 16, 16)", "size: (16, 16)");
    let program = compile(&Source::new("flat.ron", text), &[], None).unwrap();
    let weights = store::init(&program, 3).unwrap();
    let [both, ..] = write(dir.path(), [9, 11, 14]);
    let file = read(&both).unwrap();
    let mut seen = vec![];
    for slices in [SlicePlane::Axial, SlicePlane::Coronal, SlicePlane::Sagittal] {
        let orientation = slices.orientation();
        let model = |patch| {
            let card = Card { orientation, ..Card { patch, ..card() } };
            Model::new(CpuEngine::new(&program, &weights).unwrap(), card)
        };
        let predicted = predict(&Predictor::new(model([1, 16, 16]), Options::default()), &both);
        // Slice by slice by hand: each alone, in the plane that is asked for.
        let turned = file.reoriented(orientation);
        let mut image = turned.data.clone();
        Normalise::default().apply(&mut image);
        let mut labels = Array3::zeros(turned.size());
        for z in 0..turned.size()[0] {
            let slice = image.slice(s![.., z..z + 1, .., ..]);
            labels.slice_mut(s![z..z + 1, .., ..]).assign(&model([1, 16, 16]).segment(slice).unwrap());
        }
        assert_eq!(predicted.windows, turned.size()[0]);
        assert_eq!(reorient(predicted.labels.view(), file.grid().orientation(), orientation), labels, "{slices:?}");
        seen.push(predicted.labels);
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2]);
}
