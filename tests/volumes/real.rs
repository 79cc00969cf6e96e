//! Real data sets load whole, and labels go back onto the grid of their image.

use lmsc::data::{Dataset, DatasetSpec, Preprocess};
use lmsc::volume;

use crate::given::beside;
use crate::walk;

#[test]
fn every_labelled_hippocampus_loads() {
    let Some(root) = beside("data/Task04_Hippocampus") else { return };
    let dataset = Dataset::open(&DatasetSpec::Msd { root }, Preprocess::default(), None).expect("the data set");
    let ids = dataset.description.ids();
    assert_eq!((ids.len(), dataset.description.labels.len()), (208, 3));
    let loaded = dataset.load_all(&ids, || ()).expect("every case");
    for l in loaded {
        assert!(l.warnings.is_empty(), "{}: {:?}", l.sample.id, l.warnings);
        let h = l.sample.histogram(3);
        assert!(h.iter().all(|n| *n > 0), "{}: {h:?}", l.sample.id);
        let mean = l.sample.image.iter().map(|x| f64::from(*x)).sum::<f64>() / l.sample.image.len() as f64;
        assert!(mean.abs() < 1e-4, "{}: mean {mean}", l.sample.id);
    }
}

#[test]
fn a_label_map_goes_out_and_comes_back_on_the_images_grid() {
    let Some(root) = beside("data/open_ms") else { return };
    let image = walk(&root).into_iter().find(|p| p.to_string_lossy().contains("FLAIR")).expect("an image");
    let v = volume::read(&image).expect("it is read");
    let [d, h, w] = v.size();
    let labels = ndarray::Array3::from_shape_fn((d, h, w), |(z, y, x)| ((z / 7 + y / 5 + x / 3) % 3) as u8);
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["out.nii.gz", "out.nii"] {
        let path = folder.path().join(name);
        volume::write_labels(&path, &labels, &v.header).expect("written");
        let back = volume::read(&path).expect("read back");
        assert_eq!((back.size(), back.affine, back.spacing), (v.size(), v.affine, v.spacing));
        assert!(back.data.iter().zip(labels.iter()).all(|(a, b)| *a == f32::from(*b)));
    }
}
