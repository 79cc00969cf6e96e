use std::io::Read;

use ndarray::{Array3, Array4};

use super::*;
use crate::volume::{Affine, Colour, Header};

/// x to the left, y to the front, z to the head: i is turned on the page.
const LAS: Affine = [[-2.0, 0.0, 0.0, 30.0], [0.0, 1.0, 0.0, -7.0], [0.0, 0.0, 4.0, 5.0], [0.0, 0.0, 0.0, 1.0]];

fn volume(size: [usize; 3], channels: usize) -> Volume {
    let [d, h, w] = size;
    let data = Array4::from_shape_fn((channels, d, h, w), |(c, d, h, w)| (c * 1000 + d * 100 + h * 10 + w) as f32 + 0.25);
    Volume { data, spacing: [4.0, 1.0, 2.0], affine: LAS, header: Header::plain(size, channels, [4.0, 1.0, 2.0]) }
}

/// The data of a page, and the bytes of its parts.
fn parts(page: &str) -> (Value, Vec<Vec<u8>>) {
    let between = |text: &str, from: &str| -> Vec<String> {
        text.split(from).skip(1).map(|rest| rest.split_once("</script>").unwrap().0.to_owned()).collect()
    };
    let data = serde_json::from_str(&between(page, "<script type=\"application/json\" id=\"data\">")[0]).unwrap();
    let unpack = |part: String| {
        let mut bytes = vec![];
        let packed = STANDARD.decode(part.split_once("\">").unwrap().1).unwrap();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
        bytes
    };
    (data, between(page, "<script type=\"text/plain\" id=\"part").into_iter().map(unpack).collect())
}

fn viewer<'a>(image: &'a Volume, layers: &'a [(&'a str, ArrayView3<'a, u8>)]) -> Viewer<'a> {
    Viewer { title: "case", image, channels: &[], layers, classes: &[], errors: false, limit: 1 << 20 }
}

#[test]
fn every_voxel_is_where_it_lies_and_nearly_what_it_is() {
    let image = volume([3, 4, 5], 2);
    let labels = Array3::from_shape_fn((3, 4, 5), |(d, h, w)| u8::from((d, h, w) == (2, 1, 0)) * 7);
    let (data, parts) = parts(&html(&viewer(&image, &[("prediction", labels.view())])).unwrap());
    assert_eq!(data["size"], json!([5, 4, 3]));
    assert_eq!(data["spacing"], json!([2.0, 1.0, 4.0]));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [60; 3]);
    let affine: Affine = serde_json::from_value(data["affine"].clone()).unwrap();
    let voxels: Vec<(usize, bool, usize, usize)> = serde_json::from_value(data["voxels"].clone()).unwrap();
    for (n, at) in (0..60).map(|n| (n, [n % 5, n / 5 % 4, n / 20])) {
        // Back to the file's voxel, as the page does.
        let [i, j, k] = [0, 1, 2].map(|a| {
            let (axis, turned, count, by) = voxels[a];
            if turned { count - 1 - at[axis] * by } else { at[axis] * by }
        });
        let mm = |m: &Affine, v: [usize; 3], r: usize| (0..3).map(|c| m[r][c] * v[c] as f64).sum::<f64>() + m[r][3];
        for r in 0..3 {
            assert_eq!(mm(&affine, at, r), mm(&LAS, [i, j, k], r), "{at:?}");
        }
        for c in 0..2 {
            let of = |name: &str| data["channels"][c][name].as_f64().unwrap();
            let shown = of("low") + of("step") * f64::from(parts[c][n]);
            assert!((shown - f64::from(image.data[[c, k, j, i]])).abs() <= of("step") / 2.0 + 1e-3, "{at:?}: {shown}");
        }
        assert_eq!(parts[2][n], labels[[k, j, i]], "{at:?}");
    }
    assert_eq!((data["note"].is_null(), &data["classes"][0]["name"]), (true, &json!("7")));
    // It begins at the label: i = 0 is the right end.
    assert_eq!(data["at"], json!([4, 1, 2]));
}

#[test]
fn whole_numbers_are_kept() {
    let mut image = volume([2, 3, 4], 1);
    image.data = Array4::from_shape_fn((1, 2, 3, 4), |(_, d, h, w)| (d * 100 + h * 10 + w) as f32 - 50.0);
    let (data, parts) = parts(&html(&viewer(&image, &[])).unwrap());
    assert_eq!((&data["channels"][0]["exact"], &data["channels"][0]["step"]), (&json!(true), &json!(1.0)));
    let low = data["channels"][0]["low"].as_f64().unwrap();
    let all: std::collections::BTreeSet<i64> = parts[0].iter().map(|b| low as i64 + i64::from(*b)).collect();
    assert_eq!(all, image.data.iter().map(|v| *v as i64).collect());
}

#[test]
fn what_is_too_much_is_made_coarser_and_said() {
    let image = volume([6, 9, 11], 1);
    let labels = Array3::from_shape_fn((6, 9, 11), |(_, h, _)| u8::from(h < 4));
    let layers = [("labels", labels.view())];
    let small = Viewer { limit: 2 * 100, ..viewer(&image, &layers) };
    let (data, parts) = parts(&html(&small).unwrap());
    let size: [usize; 3] = serde_json::from_value(data["size"].clone()).unwrap();
    assert!(size.iter().product::<usize>() <= 100 && parts.iter().all(|p| p.len() == size.iter().product::<usize>()), "{size:?}");
    assert!(data["note"].as_str().unwrap().contains("of its 11 x 9 x 6 voxels"), "{}", data["note"]);
    // The finest axis, y, gives way first.
    assert_eq!(factors([6, 9, 11], [4.0, 1.0, 2.0], 400), [1, 2, 1]);
    assert_eq!(factors([1, 1, 1], [1.0; 3], 0), [1; 3]);
    assert_eq!(factors([7, 1, 5], [1.0; 3], 1), [7, 1, 5]);
    // A constant stays one; a tie goes to the label.
    let flat = Array3::from_elem((3, 3, 3), 2.5f32);
    assert!(means(flat.view(), [2; 3]).iter().all(|v| *v == 2.5));
    let two = Array3::from_shape_vec((1, 1, 4), vec![0u8, 5, 0, 0]).unwrap();
    assert_eq!(modes(two.view(), [1, 1, 2]).into_raw_vec_and_offset().0, [5, 0]);
    // The middle of two voxels lies between them.
    let grid = Grid { size: [1, 1, 4], affine: LAS };
    assert_eq!(reduced(&grid, [1, 1, 2]).world([0.0; 3]), grid.world([0.0, 0.0, 0.5]));
}

#[test]
fn names_cannot_leave_their_place() {
    let image = volume([1, 1, 2], 1);
    let evil = "</script><script>alert(1)</script>{parts}{data}";
    let labels = Array3::from_elem((1, 1, 2), 3u8);
    let classes = [Class { value: 2035, place: 3, name: evil.into(), colour: Colour::of(3) }];
    let layers = [(evil, labels.view())];
    let what = Viewer { title: evil, channels: &[evil.to_owned()], classes: &classes, ..viewer(&image, &layers) };
    let page = html(&what).unwrap();
    assert!(!page.contains("<script>alert"));
    let (data, parts) = parts(&page);
    assert_eq!((data["title"].as_str(), data["classes"][0]["name"].as_str(), parts.len()), (Some(evil), Some(evil), 2));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn odd_images_are_shown_or_refused() {
    for value in [0.0, -3.5, 1e30] {
        let mut image = volume([1, 2, 3], 1);
        image.data.fill(value);
        let (data, parts) = parts(&html(&viewer(&image, &[])).unwrap());
        assert!(data["channels"][0]["step"].as_f64().is_some_and(|s| s > 0.0 && s.is_finite()), "{value}: {data}");
        assert_eq!(parts[0].len(), 6);
    }
    let image = volume([1, 2, 3], 1);
    let other = Array3::zeros((1, 2, 4));
    assert_eq!(html(&viewer(&image, &[("labels", other.view())])).unwrap_err().code, Code::E0703);
    // NaN and infinity are empty, and the page says how many there are.
    let mut image = volume([1, 2, 3], 1);
    (image.data[[0, 0, 0, 0]], image.data[[0, 0, 1, 2]]) = (f32::NAN, f32::INFINITY);
    let (data, parts) = parts(&html(&viewer(&image, &[])).unwrap());
    assert!(data["note"].as_str().unwrap().starts_with("2 of 6 voxels hold no finite number"), "{}", data["note"]);
    // i runs to the left and is turned on the page.
    assert_eq!((parts[0][2], parts[0][3]), (0, 0));
    assert!(parts[0][0] > 0);
}
