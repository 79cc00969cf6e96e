//! Real and odd volumes: every file is read as nibabel reads it, or refused with its name and a reason; none is read wrongly.
//!
//! Needs the data beside the checkout (`../shared`, or `$LMSC_SHARED`); without it the tests say so and pass, unless
//! `LMSC_REQUIRE_SHARED` is set.
#![cfg(feature = "run")]

use std::path::{Path, PathBuf};

use lmsc::data::{Dataset, Spec};
use lmsc::volume::{self, Normalise};

fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LMSC_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("LMSC_REQUIRE_SHARED").is_none(), "{} is not there", path.display());
    eprintln!("not run: {} is not there", path.display());
    None
}

/// One line of comma-separated values with quotes.
fn cells(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(String::new()),
            c => all.last_mut().expect("a cell").push(c),
        }
    }
    all
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | 'e' | '+'))).filter_map(|n| n.parse().ok()).collect()
}

/// What nibabel says of a file.
struct Oracle {
    file: String,
    reads: bool,
    shape: Vec<usize>,
    affine: Vec<f64>,
    sum: f64,
    finite: bool,
}

fn oracle(root: &Path) -> Vec<Oracle> {
    let text = std::fs::read_to_string(root.join("oracle.csv")).expect("the oracle");
    let mut lines = text.lines();
    let names = cells(lines.next().expect("a heading"));
    let column = |name: &str| names.iter().position(|n| n == name).expect("a column");
    let (file, nib, shape, affine, sum, bad) =
        (column("file"), column("nib"), column("nib_shape"), column("nib_affine"), column("nib_sum"), column("nib_nonfinite"));
    // A quoted reason may go over several lines; what follows its first is no row.
    let each = lines.filter(|l| cells(l).len() == names.len()).map(|l| {
        let c = cells(l);
        Oracle {
            file: c[file].clone(),
            reads: c[nib] == "ok",
            shape: numbers(&c[shape]).into_iter().map(|n| n as usize).collect(),
            affine: numbers(&c[affine]),
            sum: c[sum].parse().unwrap_or(f64::NAN),
            finite: c[bad] == "0",
        }
    });
    each.collect()
}

#[test]
fn odd_files_are_read_right_or_refused() {
    let Some(root) = shared("exotic") else { return };
    // The oracle leaves units and a missing offset alone; here millimetres are millimetres.
    let excepted =
        |file: &str| file.contains("units_meter") || file.contains("units_micron") || file.contains("metre") || file.contains("micron");
    let (mut read, mut refused) = (0, 0);
    for o in oracle(&root) {
        let path = root.join(&o.file);
        if !path.exists() {
            continue;
        }
        match volume::read(&path) {
            Err(d) => {
                assert!(d.message.contains(&*path.file_name().expect("a name").to_string_lossy()), "{}: {}", o.file, d.message);
                assert!(!d.help.is_empty(), "{}: no remedy: {}", o.file, d.message);
                refused += 1;
            }
            Ok(v) => {
                read += 1;
                if !o.reads || excepted(&o.file) {
                    continue;
                }
                let voxels: usize = o.shape.iter().product();
                assert_eq!(v.data.len(), voxels, "{}", o.file);
                let [d, h, w] = v.size();
                assert_eq!([Some(&w), o.shape.get(1).map(|_| &h)], [o.shape.first(), o.shape.get(1)], "{}", o.file);
                assert_eq!(Some(d), o.shape.get(2).copied().or(Some(1)), "{}", o.file);
                for (ours, theirs) in v.affine.iter().flatten().zip(&o.affine) {
                    assert!((ours - theirs).abs() <= 1e-3 * theirs.abs().max(1.0), "{}: affine {ours} and {theirs}", o.file);
                }
                if o.finite && o.sum.is_finite() {
                    let sum: f64 = v.data.iter().map(|x| f64::from(*x)).sum();
                    let size: f64 = v.data.iter().map(|x| f64::from(x.abs())).sum();
                    assert!((sum - o.sum).abs() <= 1e-5 * size.max(1.0), "{}: sum {sum} and {}", o.file, o.sum);
                }
            }
        }
    }
    assert!(read > 100 && refused > 20, "{read} read, {refused} refused");
}

#[test]
fn every_labelled_hippocampus_loads() {
    let Some(root) = shared("data/Task04_Hippocampus") else { return };
    let dataset = Dataset::open(&Spec::Msd { root }, Normalise::ZScore).expect("the data set");
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
    let Some(root) = shared("data/open_ms") else { return };
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

fn walk(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![];
    for e in std::fs::read_dir(root).expect("a folder") {
        let path = e.expect("an entry").path();
        if path.is_dir() { all.extend(walk(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}
