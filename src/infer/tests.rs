//! From files to files with a very small network of random weights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use ndarray::{Array4, Axis, s};

use super::*;
use crate::compile::compile;
use crate::net::Network;
use crate::text::{Code, Source};
use crate::volume::{Header, Normalise, read, write_image};

const GRAPH: &str = r#"(
    name: "tiny",
    params: { "modalities": 2, "classes": 3 },
    inputs: { "image": (channels: "modalities", size: (16, 16, 16)) },
    nodes: {
        "down": Conv3D(x: "image", out: 4, kernel: 3, stride: 2, norm: 2, activation: silu),
        "up": UpConv3D(x: "down", out: 4),
        "head": SegHead(x: "up", classes: "classes"),
    },
    outputs: { "logits": "head" },
)"#;

fn model() -> Model {
    let program = Arc::new(compile(&Source::new("tiny.ron", GRAPH), &[], None).unwrap());
    let card = Card {
        modalities: vec!["t1".into(), "t2".into()],
        labels: vec![(0, "background".into()), (7, "liver".into()), (9, "tumour".into())],
        normalise: Normalise::ZScore,
        patch: [8, 10, 12],
        overlap: 0.5,
        epoch: 1,
        validation_dice: None,
        seed: 0,
    };
    Model::new(&Network::new(program, &Device::flex(), 3).unwrap(), card).unwrap()
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

#[test]
fn a_segmentation_lies_on_the_grid_of_its_image_whatever_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let model = model();
    // Smaller than the patch, odd, larger along one axis, larger along all.
    for size in [[5, 6, 7], [8, 10, 12], [9, 10, 12], [17, 23, 25]] {
        let [both, t1, t2] = write(dir.path(), size);
        let prediction = model.predict(std::slice::from_ref(&both)).unwrap();
        let out = dir.path().join("out.nii.gz");
        prediction.write(&out).unwrap();
        let (segmentation, image) = (read(&out).unwrap(), read(&both).unwrap());
        assert_eq!((segmentation.size(), segmentation.affine, segmentation.spacing), (image.size(), image.affine, image.spacing));
        assert_eq!((segmentation.header.sform_code, segmentation.header.qform_code), (image.header.sform_code, image.header.qform_code));
        let values: BTreeSet<u8> = segmentation.data.iter().map(|v| *v as u8).collect();
        assert!(values.len() > 1 && values.is_subset(&BTreeSet::from([0, 7, 9])), "{values:?}");
        assert_eq!(model.predict(&[t1, t2]).unwrap().labels, prediction.labels, "{size:?}: in two files");
    }
}

#[test]
fn probabilities_are_such() {
    let model = model();
    let mut image = image([11, 10, 30]);
    model.card().normalise.apply(&mut image);
    let p = model.probabilities(image.view()).unwrap();
    assert_eq!(p.dim(), (3, 11, 10, 30));
    assert!(p.sum_axis(Axis(0)).iter().all(|s| (s - 1.0).abs() < 1e-5));
}

#[test]
fn other_channels_and_other_grids_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = model();
    let [both, t1, _] = write(dir.path(), [8, 8, 8]);
    let e = model.predict(std::slice::from_ref(&t1)).unwrap_err();
    assert!(e.0[0].code == Code::E0302 && e.0[0].message.contains("1 channel") && e.0[0].message.contains("t1, t2"), "{e:?}");
    assert_eq!(model.predict(&[t1.clone(), both]).unwrap_err().0[0].code, Code::E0302);
    let other = dir.path().join("other.nii");
    write_image(&other, &image([8, 8, 9]).slice(s![..1, .., .., ..]).to_owned(), &grid([8, 8, 9], 1)).unwrap();
    assert_eq!(model.predict(&[t1, other]).unwrap_err().0[0].code, Code::E0703);
    assert_eq!(model.predict(&[dir.path().join("none.nii")]).unwrap_err().0[0].code, Code::E0702);
}
