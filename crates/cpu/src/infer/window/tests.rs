use super::*;

/// All planes together, by one window at a time, which is what several at a time give.
fn whole(
    image: &Array4<f32>,
    window: &Window,
    classes: usize,
    mut forward: impl FnMut(ArrayView4<f32>) -> Result<Array4<f32>>,
) -> Array4<f32> {
    let mut said = vec![];
    let one = swept(image, window, (classes, 1), |patch| {
        said.push(forward(patch)?);
        Ok(said[said.len() - 1].clone())
    });
    for batch in [2, 3, 100] {
        let mut again = said.iter();
        assert_eq!(swept(image, window, (classes, batch), |_| Ok(again.next().expect("as many windows").clone())), one);
        assert!(again.next().is_none());
    }
    one
}

fn swept(
    image: &Array4<f32>,
    window: &Window,
    (classes, batch): (usize, usize),
    mut forward: impl FnMut(ArrayView4<f32>) -> Result<Array4<f32>>,
) -> Array4<f32> {
    let mut together = |patches: ArrayView5<f32>| {
        assert!((1..=batch).contains(&patches.len_of(Axis(0))));
        let said = patches.axis_iter(Axis(0)).map(&mut forward).collect::<Result<Vec<_>>>()?;
        Ok(ndarray::stack(Axis(0), &said.iter().map(|p| p.view()).collect::<Vec<_>>()).expect("of one size"))
    };
    let (_, d, h, w) = image.dim();
    let mut out = Array4::from_elem((classes, d, h, w), f32::NAN);
    let windows = Windows::new([d, h, w], window);
    let mut next = 0;
    windows
        .sweep(&Prepared::ready(image.view()), (classes, batch), &mut together, |first, planes| {
            assert_eq!(first, next, "planes come in order, each once");
            assert!(planes.dim().1 <= windows.depth());
            next += planes.dim().1;
            out.slice_mut(s![.., first..next, .., ..]).assign(&planes);
            Ok(())
        })
        .unwrap();
    assert_eq!(next, d);
    out
}

/// The same written simply: a padded copy, all windows added up in two whole volumes, the one divided by the other.
fn simple(image: &Array4<f32>, window: &Window, classes: usize, forward: impl Fn(ArrayView4<f32>) -> Result<Array4<f32>>) -> Array4<f32> {
    let (c, d, h, w) = image.dim();
    let [p, q, r] = window.patch;
    let full = [d.max(p), h.max(q), w.max(r)];
    let [z, y, x] = [(full[0] - d) / 2, (full[1] - h) / 2, (full[2] - w) / 2];
    let mut padded = Array4::zeros((c, full[0], full[1], full[2]));
    padded.slice_mut(s![.., z..z + d, y..y + h, x..x + w]).assign(image);
    let (mut sum, mut norm) = (Array4::<f64>::zeros((classes, full[0], full[1], full[2])), Array3::<f64>::zeros(full));
    for &k in &starts(full[0], p, window.overlap) {
        for &j in &starts(full[1], q, window.overlap) {
            for &i in &starts(full[2], r, window.overlap) {
                let said = forward(padded.slice(s![.., k..k + p, j..j + q, i..i + r])).unwrap();
                for ((class, a, b, c), v) in said.indexed_iter() {
                    let distance = |at: usize, n: usize| ((at as f64 - (n as f64 - 1.0) / 2.0) / (n as f64 / 8.0)).powi(2);
                    let weight = (-0.5 * (distance(a, p) + distance(b, q) + distance(c, r))).exp();
                    sum[[class, k + a, j + b, i + c]] += weight * f64::from(*v);
                    if class == 0 {
                        norm[[k + a, j + b, i + c]] += weight;
                    }
                }
            }
        }
    }
    Array4::from_shape_fn((classes, d, h, w), |(c, k, j, i)| (sum[[c, k + z, j + y, i + x]] / norm[[k + z, j + y, i + x]]) as f32)
}

#[test]
fn windows_reach_both_ends_with_the_overlap_asked_for() {
    assert_eq!(starts(10, 10, 0.5), [0]);
    assert_eq!(starts(11, 10, 0.5), [0, 1]);
    assert_eq!(starts(20, 10, 0.5), [0, 5, 10]);
    assert_eq!(starts(20, 10, 0.0), [0, 10]);
    for size in 8..60 {
        for patch in 1..=8 {
            for overlap in [0.0, 0.3, 0.5, 0.99] {
                let s = starts(size, patch, overlap);
                assert_eq!((s[0], s[s.len() - 1]), (0, size - patch));
                let most = (patch as f64 * (1.0 - overlap)).max(1.0).ceil() as usize;
                assert!(s.windows(2).all(|p| p[1] > p[0] && p[1] - p[0] <= most), "{size} {patch} {overlap} {s:?}");
            }
        }
    }
}

const SIZES: [(usize, usize, usize); 6] = [(5, 9, 7), (4, 4, 4), (3, 2, 1), (12, 3, 8), (1, 17, 4), (23, 5, 6)];

fn ramp(size: (usize, usize, usize)) -> Array4<f32> {
    Array4::from_shape_fn((2, size.0, size.1, size.2), |(c, z, y, x)| (c * 1000 + z * 100 + y * 10 + x) as f32)
}

#[test]
fn a_pointwise_network_is_not_changed_by_windows_or_padding() {
    for size in SIZES {
        let image = ramp(size);
        for overlap in [0.0, 0.5, 0.9] {
            let mut count = 0;
            let window = Window { patch: [4, 4, 4], overlap };
            let out = whole(&image, &window, 2, |p| {
                count += 1;
                assert_eq!(p.dim(), (2, 4, 4, 4));
                let mut y = p.to_owned();
                y.index_axis_mut(Axis(0), 0).mapv_inplace(|v| v * 0.5);
                Ok(y)
            });
            let mut want = image.clone();
            want.index_axis_mut(Axis(0), 0).mapv_inplace(|v| v * 0.5);
            // Up to 64 windows are added, each with an error of 2^-24.
            assert!(out.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 4e-6 * b.abs()), "{size:?} {overlap}");
            assert_eq!(count, Windows::new(size.into(), &window).count());
        }
    }
}

#[test]
fn slabs_give_what_whole_volumes_give() {
    // A network whose answer depends on the place in the window and on the padding around the image.
    let forward = |p: ArrayView4<f32>| {
        let (_, d, h, w) = p.dim();
        let all = p.sum() / 1e4;
        Ok(Array4::from_shape_fn((3, d, h, w), |(k, z, y, x)| {
            (p[[k % 2, z, y, x]] / 500.0 + all + (k * 5 + z * 3 + y * 7 + x) as f32).sin().abs() + 0.1
        }))
    };
    for size in SIZES {
        for (patch, overlap) in [([4, 4, 4], 0.5), ([4, 3, 2], 0.25), ([8, 2, 5], 0.75)] {
            let window = Window { patch, overlap };
            let (got, want) = (whole(&ramp(size), &window, 3, forward), simple(&ramp(size), &window, 3, forward));
            let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-6, "{size:?} {patch:?} {overlap}: {worst}");
        }
    }
}

#[test]
fn the_middle_of_a_window_counts_most() {
    // Two windows of 8 over 12 voxels; the first says 0, the second 1.
    let image = Array4::<f32>::zeros((1, 8, 8, 12));
    let mut said = -1.0;
    let out = whole(&image, &Window { patch: [8, 8, 8], overlap: 0.5 }, 1, |p| {
        said += 1.0;
        Ok(Array4::from_elem((1, p.dim().1, p.dim().2, p.dim().3), said))
    });
    let line: Vec<f32> = out.slice(s![0, 4, 4, ..]).to_vec();
    assert_eq!(&line[..4], [0.0; 4]);
    assert!(line[8..].iter().all(|v| (v - 1.0).abs() < 1e-6));
    // Voxel 4 is half a voxel right of the middle of the first window and at the second's first voxel: sigma is 1.
    let (near, far) = ((-0.125f64).exp(), (-0.5 * 3.5f64 * 3.5).exp());
    assert!((f64::from(line[4]) - far / (near + far)).abs() < 1e-6);
    assert!(line[..9].windows(2).all(|p| p[0] <= p[1]));
}

#[test]
fn argmax_takes_the_first_of_equals() {
    let p = Array4::from_shape_vec((3, 1, 1, 4), vec![0.5, 0.2, 0.3, f32::NAN, 0.5, 0.6, 0.3, f32::NAN, 0.0, 0.2, 0.4, f32::NAN]).unwrap();
    assert_eq!(argmax(p.view()).into_raw_vec_and_offset().0, [0, 1, 2, 0]);
}
