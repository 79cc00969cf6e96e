use ndarray::Array4;

use super::*;
use crate::volume::write_image;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, data: &Array4<f32>, change: impl Fn(&mut Header)) -> PathBuf {
        let (c, d, h, w) = data.dim();
        let mut header = Header::plain([d, h, w], c, [1.0, 1.0, 1.0]);
        change(&mut header);
        let path = self.0.path().join(name);
        write_image(&path, data, &header).unwrap();
        path
    }
}

fn description(channels: usize) -> Description {
    Description {
        name: "test".into(),
        modalities: (0..channels).map(|c| format!("m{c}")).collect(),
        labels: vec![(0, "background".into()), (1, "a".into()), (4, "b".into())],
        ..Description::default()
    }
}

fn case(image: &[&PathBuf], label: &Path) -> Case {
    Case::new("x", image.iter().map(|p| (*p).clone()).collect(), Some(label.into()))
}

fn ramp() -> Array4<f32> {
    Array4::from_shape_fn((1, 2, 3, 4), |(_, d, h, w)| (d * 12 + h * 4 + w) as f32)
}

#[test]
fn values_become_classes_and_channels_follow() {
    let f = Folder::new();
    let (a, b) = (f.put("a.nii", &ramp(), |_| ()), f.put("b.nii.gz", &(ramp() * 3.0), |_| ()));
    let label = f.put("l.nii", &ramp().mapv(|v| if v < 3.0 { 4.00005 } else { f32::from(v == 5.0) }), |_| ());
    let l = load(&case(&[&a, &b], &label), &description(2), &Preprocess::default()).unwrap();
    assert_eq!(l.sample.image.dim(), (2, 2, 3, 4));
    assert_eq!(l.sample.histogram(3), [20, 1, 3]);
    assert_eq!(l.sample.label[[0, 0, 2]], 2);
    assert!(l.warnings.is_empty());
    // Both channels are one ramp: normalised they are the same.
    let apart = &l.sample.image.index_axis(Axis(0), 0) - &l.sample.image.index_axis(Axis(0), 1);
    assert!(apart.iter().all(|v| v.abs() < 1e-5));
    let wrong = load(&case(&[&a], &label), &description(2), &Preprocess::default()).unwrap_err();
    assert!(wrong.code == Code::E0701 && wrong.message.contains("1 channels"), "{wrong:?}");
}

#[test]
fn odd_labels_are_named() {
    let f = Folder::new();
    let image = f.put("a.nii", &ramp(), |_| ());
    for value in [7.0, -1.0, 0.5, 300.0, f32::NAN, f32::INFINITY, 1.001] {
        let label = f.put("l.nii", &ramp().mapv(|v| if v == 17.0 { value } else { 0.0 }), |_| ());
        let e = load(&case(&[&image], &label), &description(1), &Preprocess::default()).unwrap_err();
        assert_eq!(e.code, Code::E0704, "{value}");
        assert!(e.message.contains("l.nii") && e.message.contains("i=1, j=1, k=1 (1 such"), "{}", e.message);
    }
    assert!(read_labels(&f.put("m.nii", &ramp(), |_| ()), None).is_ok());
}

#[test]
fn another_grid_is_refused_and_a_slight_shift_is_told() {
    let f = Folder::new();
    let image = f.put("a.nii", &ramp(), |_| ());
    let zero = ramp() * 0.0;
    let with = |shift: f64| f.put("l.nii", &zero, |h| h.sform[1][3] = shift);
    let run = |label: PathBuf| load(&case(&[&image], &label), &description(1), &Preprocess::default());
    assert!(run(with(0.0005)).unwrap().warnings.is_empty());
    assert_eq!(run(with(0.01)).unwrap().warnings.len(), 1);
    assert_eq!(run(with(0.6)).unwrap_err().code, Code::E0703);
    let mirrored = f.put("l.nii", &zero, |h| (h.sform[0][0], h.sform[0][3]) = (-1.0, 0.0));
    assert_eq!(run(mirrored).unwrap_err().code, Code::E0703);
    let other = f.put("l.nii", &Array4::zeros((1, 2, 3, 5)), |_| ());
    let e = run(other).unwrap_err();
    assert!(e.code == Code::E0703 && e.message.contains("4x3x2") && e.message.contains("5x3x2"), "{}", e.message);
}

#[test]
fn what_is_not_finite_is_named() {
    let f = Folder::new();
    let image = f.put("a.nii", &ramp().mapv(|v| if v == 5.0 { f32::NAN } else { v }), |_| ());
    let e = read_image(&[image]).unwrap_err();
    assert!(e.code == Code::E0702 && e.message.contains("NaN at voxel i=1, j=1, k=0"), "{}", e.message);
    assert_eq!(read_image(&[]).unwrap_err().code, Code::E0701);
}

#[test]
fn a_case_is_one_sample_in_whatever_order_its_files_are() {
    let f = Folder::new();
    let label = ramp().mapv(|v| if v < 3.0 { 4.0 } else { f32::from(v == 5.0) });
    let volume = |data: &Array4<f32>| {
        let header = Header {
            sform: [[1.0, 0.0, 0.1, -4.0], [0.0, 2.0, 0.0, 7.0], [-0.1, 0.0, 3.0, 5.0]],
            ..Header::plain([2, 3, 4], 1, [3.0, 2.0, 1.0])
        };
        let path = f.put("x.nii", data, |h| *h = header.clone());
        read(&path).unwrap()
    };
    let put = |name: String, v: &Volume, to: Orientation| {
        let v = v.reoriented(to);
        let path = f.0.path().join(name);
        write_image(&path, &v.data, &v.header).unwrap();
        path
    };
    let (image, label) = (volume(&ramp()), volume(&label));
    let load = |a: Orientation, b: Orientation, c: Orientation| {
        let files = [put("a.nii".into(), &image, a), put("b.nii".into(), &image, b), put("l.nii".into(), &label, c)];
        load(&case(&[&files[0], &files[1]], &files[2]), &description(2), &Preprocess::default()).unwrap()
    };
    let plain = load(CANONICAL, CANONICAL, CANONICAL);
    assert_eq!(plain.sample.label[[0, 0, 2]], 2, "in RAS voxels stay in their places");
    assert!(plain.warnings.is_empty());
    let all: Vec<Orientation> = Orientation::all().collect();
    for (n, o) in all.iter().enumerate() {
        let turned = load(*o, all[(n * 7 + 5) % 48], all[(n * 11 + 3) % 48]);
        assert_eq!(turned.sample, plain.sample, "{o}");
        assert!(corner_distance(&turned.grid.affine, &plain.grid.affine, [2, 3, 4]) < 1e-5);
    }
}
