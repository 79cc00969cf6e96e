use ndarray::{Array4, Axis};

use super::super::image::NotFinite;
use super::*;
use crate::volume::{read, write_image};

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
    assert!(l.warnings.is_empty(), "{:?}", l.warnings);
    // Both channels are one ramp: normalised they are the same.
    let apart = &l.sample.image.index_axis(Axis(0), 0) - &l.sample.image.index_axis(Axis(0), 1);
    assert!(apart.iter().all(|v| v.abs() < 1e-5));
    let wrong = load(&case(&[&a], &label), &description(2), &Preprocess::default()).unwrap_err();
    assert!(wrong.code == Code::E0701 && wrong.message.contains("1 channel,"), "{wrong:?}");
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
    let e = read_image(std::slice::from_ref(&image), NotFinite::Refused).unwrap_err();
    assert!(e.code == Code::E0702 && e.message.contains("NaN at voxel i=1, j=1, k=0"), "{}", e.message);
    assert!(e.message.contains("1 of 24 voxels are NaN"), "{}", e.message);
    assert_eq!(read_image(&[], NotFinite::Refused).unwrap_err().code, Code::E0701);
    // A rule for them makes them a number and says how many there are, once for the files of a case.
    let two = f.put("b.nii", &ramp().mapv(|v| if v < 2.0 { f32::NEG_INFINITY } else { v }), |_| ());
    let made = read_image(&[image.clone(), two.clone()], NotFinite::Become(0.0)).unwrap();
    assert!(made.volume.data.iter().all(|v| v.is_finite()) && made.volume.data[[0, 0, 1, 1]] == 0.0);
    let [warning] = &made.warnings[..] else { panic!("{:?}", made.warnings) };
    assert!(warning.message.contains("a.nii`: 1 of 24 voxels are NaN and become 0"), "{}", warning.message);
    let kept = read_image(&[two], NotFinite::Kept).unwrap();
    assert!(kept.volume.data[[0, 0, 0, 0]].is_infinite() && kept.warnings[0].message.contains("2 of 24 voxels are infinite"));
    let label = f.put("l.nii", &(ramp() * 0.0), |_| ());
    let by = Preprocess { nan: Some(0.0), ..Preprocess::default() };
    assert!(load(&case(&[&image], &label), &description(1), &by).is_ok());
    assert!(load(&case(&[&image], &label), &description(1), &Preprocess::default()).is_err());
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
    // Its axes are skewed on purpose.
    assert!(plain.warnings.iter().all(|w| w.message.contains("right angles")), "{:?}", plain.warnings);
    let all: Vec<Orientation> = Orientation::all().collect();
    for (n, o) in all.iter().enumerate() {
        let turned = load(*o, all[(n * 7 + 5) % 48], all[(n * 11 + 3) % 48]);
        assert_eq!(turned.sample, plain.sample, "{o}");
        assert!(corner_distance(&turned.grid.affine, &plain.grid.affine, [2, 3, 4]) < 1e-5);
    }
}

#[test]
fn what_preparation_takes_is_said() {
    let f = Folder::new();
    // Zeros outside of the left half; one class is one voxel, the other lies partly where the image is 0.
    let big = |of: &dyn Fn(usize, usize, usize) -> f32| Array4::from_shape_fn((1, 9, 9, 12), |(_, d, h, w)| of(d, h, w));
    let image = f.put("a.nii", &big(&|d, h, w| if w < 8 { (1 + d + h + w) as f32 } else { 0.0 }), |_| ());
    let label = f.put(
        "l.nii",
        &big(&|d, h, w| match (d, h, w) {
            (4, 4, 0) => 1.0,
            (2..7, 2..7, 3..9) => 4.0,
            _ => 0.0,
        }),
        |_| (),
    );
    let said = |by: Preprocess| {
        let l = load(&case(&[&image], &label), &description(1), &by).unwrap();
        (l.sample.lost, l.warnings.iter().map(|w| w.message.clone()).collect::<Vec<_>>().join("\n"))
    };
    let plain = Preprocess::default();
    assert_eq!(said(plain), (vec![], String::new()));
    let (lost, text) = said(Preprocess { spacing: Some([3.0; 3].into()), ..plain });
    assert_eq!(lost, [super::super::LostClass { class: 1, voxels: 1 }]);
    assert!(text.starts_with("case `x`: class 1 (a) has 1 voxel and none at 3 x 3 x 3 mm"), "{text}");
    let (lost, text) = said(Preprocess { crop: true, ..plain });
    assert_eq!((lost.len(), text.as_str()), (0, "case `x`: cropping cuts off 25 of 150 voxels of class 4 (b)"));
    let window = crate::volume::Normalise::Window { low: 500.0, high: 900.0, mean: 0.0, deviation: 1.0 };
    assert!(
        said(Preprocess { normalise: window, ..plain })
            .1
            .contains("the channel m0 is one number everywhere after normalisation: the window")
    );
    let percentiles = crate::volume::Normalise::Percentiles { low: 0.0, high: 1.0 };
    assert!(said(Preprocess { normalise: percentiles, ..plain }).1.contains("percentiles 0 and 1 are one number"));
}

#[test]
fn doubts_about_a_volume_are_those_of_its_case() {
    let f = Folder::new();
    let no_form = |h: &mut Header| (h.sform_code, h.qform_code) = (0, 0);
    let (a, b, label) = (f.put("a.nii", &ramp(), no_form), f.put("b.nii", &ramp(), no_form), f.put("l.nii", &(ramp() * 0.0), no_form));
    let l = load(&case(&[&a, &b], &label), &description(2), &Preprocess::default()).unwrap();
    let said: Vec<&str> = l.warnings.iter().map(|w| w.message.as_str()).filter(|m| m.contains("neither sform nor qform")).collect();
    assert!(said.len() == 2 && said[0].contains("a.nii") && said[1].contains("l.nii"), "{said:?}");
}
