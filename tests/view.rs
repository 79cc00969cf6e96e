//! `lmsc view`: the page and the picture hold what the files say, and what does not belong together is refused.
#![cfg(feature = "predict")]

use std::io::Read;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use base64::Engine;
use lmsc::volume::{Header, read, write_image, write_labels};
use ndarray::{Array3, Array4};
use serde_json::Value;

mod given;

fn view(args: &[&Path], more: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("lmsc").expect("the program");
    let out = command.arg("view").args(args).args(more).env("NO_COLOR", "1").env("COLUMNS", "100").output().expect("it runs");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().expect("an exit code"), text(&out.stdout), text(&out.stderr))
}

/// A page's data, and the bytes of its volumes.
fn opened(page: &Path) -> (Value, Vec<Vec<u8>>) {
    let text = std::fs::read_to_string(page).expect("a page");
    let between = |from: &str| -> Vec<&str> { text.split(from).skip(1).filter_map(|rest| rest.split("</script>").next()).collect() };
    let data = serde_json::from_str(between("<script type=\"application/json\" id=\"data\">")[0]).expect("JSON");
    let unpack = |part: &str| {
        let packed = base64::engine::general_purpose::STANDARD.decode(part.split_once('>').expect("a part").1).expect("base64");
        let mut bytes = vec![];
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("gzip");
        bytes
    };
    (data, between("<script type=\"text/plain\" id=\"part").into_iter().map(unpack).collect())
}

/// An image of two channels and labels in a folder, oblique and turned.
fn files(folder: &Path) -> [PathBuf; 3] {
    let [image, labels, other] = ["case.nii.gz", "labels.nii.gz", "other.nii.gz"].map(|n| folder.join(n));
    let mut header = Header::plain([6, 7, 8], 2, [3.0, 1.0, 1.0]);
    header.qform_code = 0;
    header.sform = [[-1.0, 0.0, 0.3, 20.0], [0.0, -1.0, 0.0, 4.0], [0.1, 0.0, 3.0, -30.0]];
    let values = Array4::from_shape_fn((2, 6, 7, 8), |(c, d, h, w)| (c * 100 + d * 20 + h * 3 + w) as f32);
    write_image(&image, &values, &header).expect("written");
    let map = Array3::from_shape_fn((6, 7, 8), |(d, h, w)| if d == 4 && h > 3 && w < 3 { 2u8 } else { u8::from(d < 2 && w > 4) });
    write_labels(&labels, &map, &header).expect("written");
    header.sform[0][3] += 5.0;
    write_labels(&other, &map, &header).expect("written");
    [image, labels, other]
}

#[test]
fn a_page_holds_the_image_and_its_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let [image, labels, _] = files(folder.path());
    let out = folder.path().join("case.html");
    let (code, said, err) =
        view(&[&image, Path::new("--labels"), &labels, Path::new("--reference"), &labels, Path::new("--out"), &out], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(said.contains("case.html"), "{said}");
    let (data, parts) = opened(&out);
    assert_eq!((data["title"].as_str(), data["layers"].to_string()), (Some("case"), r#"["prediction","reference"]"#.to_owned()));
    assert_eq!(data["classes"].as_array().map(Vec::len), Some(2));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [6 * 7 * 8; 4]);
    assert!(parts[2] == parts[3]);
    let count = |label: u8| parts[2].iter().filter(|v| **v == label).count();
    assert_eq!((count(1), count(2)), (2 * 7 * 3, 3 * 3));
}

#[test]
fn a_picture_is_written_for_all_or_for_each_class() {
    let folder = tempfile::tempdir().expect("a folder");
    let [image, labels, _] = files(folder.path());
    let height = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let (code, _, err) = view(&[&image, Path::new("--labels"), &labels, Path::new("--out"), &out], more);
        assert_eq!((code, err.as_str()), (0, ""));
        let reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&out).expect("a picture"))).read_info().expect("PNG");
        (reader.info().width, reader.info().height)
    };
    let (all, each) = (height("all.png", &[]), height("each.PNG", &["--each-class", "--channel", "1"]));
    assert!(all.0 == each.0 && each.1 > all.1 * 3 / 2, "{all:?} {each:?}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let [image, labels, other] = files(folder.path());
    let out = folder.path().join("a.html");
    let png = folder.path().join("a.png");
    let small = folder.path().join("small.nii.gz");
    write_labels(&small, &Array3::<u8>::zeros((2, 2, 2)), &Header::plain([2, 2, 2], 1, [1.0; 3])).expect("written");
    let [l, o] = ["--labels", "--out"].map(Path::new);
    for (args, more, words) in [
        (vec![&*image, l, &other, o, &out], vec![], "E0703"),
        (vec![&*image, l, &small, o, &out], vec![], "voxels 8x7x6 and 2x2x2"),
        (vec![&*image, l, &image, o, &out], vec![], "2 channels"),
        (vec![&*image, o, &png], vec!["--channel", "2"], "give --channel 0 to 1"),
        (vec![&*image, o, &png], vec!["--limit", "8"], "--limit is for a page"),
        (vec![&*image, o, &out], vec!["--channel", "0"], "--channel is for a picture"),
        (vec![&*image, o, &out], vec!["--each-class"], "--each-class is for a picture"),
        (vec![&*image, o, &out], vec!["--model", "nowhere"], "nowhere"),
        (vec![Path::new("nowhere.nii"), o, &out], vec![], "nowhere.nii"),
        (vec![&*image, l, &labels, o, Path::new("/nowhere/a.html")], vec![], "E0603"),
    ] {
        let (code, _, err) = view(&args, &more);
        assert!(code == 1 && err.contains(words), "{words}: {err}");
    }
    assert!(!out.exists() && !png.exists(), "nothing was written");
    for more in [&["--out", "a.pdf"][..], &["--out", "a.html", "--limit", "0"], &[]] {
        assert_eq!(view(&[&image], more).0, 2, "{more:?}");
    }
}

/// On a real brain: every place of the page has the value that the file has there, found through the affines alone.
#[test]
fn real_volumes_are_where_they_lie() {
    let Some(image) = given::beside("data/open_ms/patient07") else { return };
    let find = |word: &str| {
        let mut all: Vec<PathBuf> = std::fs::read_dir(&image).expect("a folder").map(|e| e.expect("an entry").path()).collect();
        all.sort();
        all.into_iter().find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().to_lowercase().contains(word)))
    };
    let (Some(flair), Some(mask)) = (find("flair_n4"), find("gold")) else { panic!("another data set") };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("ms.html");
    let (code, _, err) = view(&[&flair, Path::new("--labels"), &mask, Path::new("--out"), &out], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let (data, parts) = opened(&out);
    let (file, labels) = (read(&flair).expect("a volume"), read(&mask).expect("labels"));
    let size: [usize; 3] = serde_json::from_value(data["size"].clone()).expect("a size");
    let affine: [[f64; 4]; 4] = serde_json::from_value(data["affine"].clone()).expect("an affine");
    let (low, step) = (data["channels"][0]["low"].as_f64().expect("a number"), data["channels"][0]["step"].as_f64().expect("a number"));
    let mut compared = 0;
    // A step that is prime to the sizes goes through all places.
    for n in (0..parts[0].len()).step_by(9973) {
        let at = [n % size[0], n / size[0] % size[1], n / size[0] / size[1]].map(|v| v as f64);
        let mm = [0, 1, 2].map(|r| (0..3).map(|c| affine[r][c] * at[c]).sum::<f64>() + affine[r][3]);
        // The file's axes are the patient's here: its affine is solved by hand.
        let voxel = [0, 1, 2].map(|a| ((mm[a] - file.affine[a][3]) / file.affine[a][a]).round() as usize);
        let [i, j, k] = voxel;
        let (value, byte) = (f64::from(file.data[[0, k, j, i]]), parts[0][n]);
        let shown = low + step * f64::from(byte);
        let fits = match byte {
            0 => value <= shown + step,
            255 => value >= shown - step,
            _ => (value - shown).abs() <= step / 2.0 + 1e-6,
        };
        assert!(fits, "{voxel:?}: {value} is shown as {shown}");
        assert_eq!(f32::from(parts[1][n]), labels.data[[0, k, j, i]], "{voxel:?}");
        compared += 1;
    }
    assert!(compared > 500);
}
