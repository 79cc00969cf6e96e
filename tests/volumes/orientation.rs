//! One image in 48 axis orders is one image in space.

use lmsc::volume::{self, Grid, LabelInterpolation, Orientation, Volume, resample_labels};

use crate::given::beside;
use crate::walk;

/// The image as it stands in files that differ in axis order and in form (sform, qform), by name.
fn images() -> Option<Vec<(String, Volume)>> {
    let root = beside("exotic/niivue/packages/niivue/tests/images/nifti_space")?;
    let named = |p: &std::path::PathBuf| p.file_name().expect("a name").to_string_lossy().into_owned();
    let files = walk(&root).into_iter().filter(|p| named(p).contains(".nii"));
    Some(files.map(|p| (named(&p), volume::read(&p).expect("it is read"))).collect())
}

#[test]
fn every_axis_order_is_turned_to_the_same_voxels_in_the_same_place() {
    let Some(images) = images() else { return };
    let orders: std::collections::HashSet<Orientation> = images.iter().map(|(_, v)| v.grid().orientation()).collect();
    println!("{} files in {} axis orders", images.len(), orders.len());
    let first = images[0].1.reoriented(Orientation::RAS);
    let mut equal = 0;
    for (name, v) in &images {
        let turned = v.reoriented(Orientation::RAS);
        assert_eq!(turned.grid().orientation(), Orientation::RAS, "{name}");
        assert_eq!(v.grid().orientation().to_string(), name[..3], "the file is named after its axes");
        let back = turned.reoriented(v.grid().orientation());
        assert_eq!(back.data, v.data, "{name}");
        assert!(back.grid().is_near(&v.grid(), 1e-6), "{name}");
        assert!(turned.grid().is_near(&first.grid(), 1e-3), "{name}: {:?} and {:?}", turned.affine, first.affine);
        assert_eq!(turned.data, first.data, "{name}");
        equal += 1;
    }
    println!("{equal} are one image in RAS");
}

#[test]
fn labels_found_in_ras_at_another_spacing_come_back_onto_each_grid_in_one_place() {
    let Some(images) = images() else { return };
    // A class by a threshold, on the grid that a network would have seen; then back onto each image's own grid.
    let mut volumes = vec![];
    for (name, v) in &images {
        let seen = v.reoriented(Orientation::RAS).resampled([2.0, 1.5, 1.0]).expect("it fits");
        let middle = seen.data.sum() / seen.data.len() as f32;
        let found = seen.data.index_axis(ndarray::Axis(0), 0).mapv(|x| u8::from(x > middle));
        let own = resample_labels(found.view(), &seen.grid(), &v.grid(), LabelInterpolation::Linear);
        assert_eq!(own.dim(), v.size().into(), "{name}");
        volumes.push((own.iter().filter(|l| **l > 0).count(), center(&v.grid(), &own)));
    }
    let (count, at) = volumes[0];
    for ((n, c), (name, _)) in volumes.iter().zip(&images) {
        assert_eq!(*n, count, "{name}");
        assert!(c.iter().zip(at).all(|(p, q)| (p - q).abs() < 1e-2), "{name}: {c:?} and {at:?} mm");
    }
}

/// The mean place of labelled voxels in mm.
fn center(grid: &Grid, labels: &ndarray::Array3<u8>) -> [f64; 3] {
    let mut sum = [0.0; 3];
    let mut n = 0.0;
    for ((d, h, w), _) in labels.indexed_iter().filter(|(_, l)| **l > 0) {
        let p = grid.world([d as f64, h as f64, w as f64]);
        (0..3).for_each(|r| sum[r] += p[r]);
        n += 1.0;
    }
    sum.map(|s| s / n)
}
