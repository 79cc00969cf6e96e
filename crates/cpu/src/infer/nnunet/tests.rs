//! Each step by itself, against numbers of scipy 1.17.1 and by hand; whole cases are in `tests/nnunet.rs` of the program.

use half::f16;
use ndarray::{Array3, Array4, Axis, s};

use super::blend::{Blend, Sums, gaussian};
use super::resample::{between, nearest, resized, separate_axis, target};
use super::tiles::{Tiles, starts};
use super::{Nnunet, NnunetRestore, Resampling, Scheme, Source, VolumeReader, prepare};
use crate::infer::{Flips, Prepared};

const CUBIC: Resampling = Resampling { order: 3, order_across: 0, separate: None };
const LINEAR: Resampling = Resampling { order: 1, order_across: 0, separate: None };

fn rules(normalise: Vec<Scheme>) -> Nnunet {
    Nnunet {
        configuration: "3d_fullres".into(),
        reader: VolumeReader::SimpleItk,
        transpose: [0, 1, 2],
        spacing: [1.0; 3].into(),
        normalise,
        image: CUBIC,
        logits: LINEAR,
        mirror: Flips::default(),
        source: Source::default(),
    }
}

/// scipy: `clip(zoom(LINE, m / 13, order=order, mode="nearest", grid_mode=True), -5, 12)`.
const LINE: [f32; 13] = [0.0, 3.0, -2.0, 7.0, 7.0, 1.0, 12.0, -5.0, 0.0, 4.0, 4.0, 9.0, -1.0];
const CUBIC_19: [f32; 19] = [
    -0.367776, 2.338238, 2.023305, -2.00342, 2.527167, 8.627434, 7.413505, 1.146709, 4.832653, 12.0, 0.323065, -5.0, 0.482621, 3.877527,
    3.444588, 4.578504, 9.000464, 4.836326, -1.847127,
];
const CUBIC_8: [f32; 8] = [1.337133, -2.039334, 9.054693, 2.947287, -2.23451, 3.001567, 4.323793, 2.174217];
const LINEAR_8: [f32; 8] = [0.9375, -1.6875, 7.0, 3.0625, -1.8125, 1.75, 4.3125, 2.125];

#[test]
fn lines_are_those_of_scipy() {
    for (want, by) in [(&CUBIC_19[..], CUBIC), (&CUBIC_8, CUBIC), (&LINEAR_8, LINEAR)] {
        for axis in 0..3 {
            let mut size = [1; 3];
            size[axis] = LINE.len();
            let line = Array3::from_shape_vec(size, LINE.to_vec()).unwrap();
            size[axis] = want.len();
            let got = resized(line, size, None, &by);
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 2e-6), "{got:?}");
        }
    }
}

#[test]
fn thick_slices_are_taken_whole_and_clipped_by_themselves() {
    // One slice of noughts and one that swings: the range of the second is no excuse for the first.
    let array = Array3::from_shape_fn((2, 1, 13), |(z, _, x)| if z == 0 { 1.0 } else { LINE[x] });
    let got = resized(array.clone(), [4, 1, 19], Some(0), &CUBIC);
    assert!(got.slice(s![..2, .., ..]).iter().all(|v| *v == 1.0));
    assert!(got.slice(s![3, 0, ..]).iter().zip(CUBIC_19).all(|(a, b)| (a - b).abs() < 2e-6));
    // Of two slices that are as near the later one is taken.
    assert_eq!((0..10).map(|j| nearest(20, 10, j)).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    assert_eq!([0, 1, 2, 3].map(|j| between(2, 4, j)), [(0, 1, 0.0), (0, 1, 0.25), (0, 1, 0.75), (1, 1, 0.0)]);
    let mixed = resized(array, [4, 1, 13], Some(0), &Resampling { order_across: 1, ..CUBIC });
    assert_eq!([0, 1, 2, 3].map(|z| mixed[[z, 0, 6]]), [1.0, 3.75, 9.25, 12.0]);
}

#[test]
fn the_thick_axis_is_that_of_the_image_or_else_of_the_network() {
    let one = [1.0; 3];
    for (current, new, forced, want) in [
        ([3.0, 1.0, 1.0], one, None, None),
        ([3.01, 1.0, 1.0], one, None, Some(0)),
        (one, [1.0, 0.9, 4.0], None, Some(2)),
        ([4.0, 4.0, 1.0], [1.0, 9.0, 1.0], None, None),
        ([4.0, 1.0, 1.0], one, Some(false), None),
        ([1.0, 1.1, 1.0], one, Some(true), Some(1)),
        (one, [1.0, 9.0, 1.0], Some(true), None),
    ] {
        assert_eq!(separate_axis(current, new, forced), want, "{current:?} {new:?} {forced:?}");
    }
    // Halves go to the even number.
    assert_eq!(target([5, 7, 3], [0.5, 0.5, 0.001], one), [2, 4, 1]);
}

#[test]
fn tiles_begin_where_nnunet_has_them() {
    assert_eq!(starts(53, 40, 0.5), [0, 13]);
    assert_eq!(starts(40, 40, 0.5), [0]);
    assert_eq!(starts(41, 32, 0.5), [0, 9]);
    // 9 / 2 = 4.5 goes to 4, 13.5 to 14.
    assert_eq!(starts(28, 10, 0.5), [0, 4, 9, 14, 18]);
    assert_eq!(starts(3, 1, 1.0), [0, 1, 2]);
    let tiles = Tiles::new([4, 30, 7], [1, 10, 8], 0.5);
    assert_eq!((tiles.count(), tiles.layer(), tiles.slab()), (4 * 5, 5, [1, 30, 7]));
}

#[test]
fn the_weights_are_rounded_to_float16_and_never_nothing() {
    let all = gaussian([6, 6, 6]);
    assert_eq!(all[[3, 3, 3]], 10.0);
    // scipy's gaussian_filter of an impulse: 0.0151942 / 0.5319074 of the middle.
    assert_eq!(all[[1, 3, 3]], f16::from_f64(10.0 * 0.015194201073994846 / 0.5319073937682414).to_f32());
    let wide = gaussian([64; 3]);
    assert!(wide.iter().all(|v| *v > 0.0) && wide[[0, 0, 0]] == f16::from_bits(1).to_f32());
}

/// What is said of each voxel is itself: blended, it is the image again.
#[test]
fn blending_what_agrees_changes_nothing() {
    // Whole numbers: in corners sums in float16 hold no others.
    let image = Array4::from_shape_fn((1, 11, 9, 14), |(_, z, y, x)| ((z * 7 + y * 3 + x) % 16) as f32);
    for (patch, sets) in [([4, 4, 6], 1), ([16, 5, 20], 2), ([1, 4, 6], 3)] {
        let tiles = Tiles::new([11, 9, 14], patch, 0.5);
        for exact in [false, true] {
            let mut blend: Box<dyn Blend> = match exact {
                true => Box::new(Sums::<f16>::new(patch, 1, tiles.slab(), sets, true)),
                false => Box::new(Sums::<f32>::new(patch, 1, tiles.slab(), sets, false)),
            };
            let mut next = 0;
            let take = |first: usize, planes: Array4<f32>| {
                assert_eq!(first, next);
                next += planes.dim().1;
                let want = image.slice(s![.., first..next, .., ..]);
                let near = if exact { 0.05 } else { 1e-4 };
                assert!(planes.iter().zip(want).all(|(a, b)| (a - b).abs() < near), "{patch:?} {exact}");
                Ok(())
            };
            let mut passes = 0;
            let forward = |_: usize, p: ndarray::ArrayView5<f32>| {
                passes += p.dim().0;
                Ok(p.to_owned())
            };
            tiles.sweep(&Prepared::ready(image.view()), (sets, 2), blend.as_mut(), forward, take).unwrap();
            assert_eq!((next, passes), (11, sets * tiles.count()));
        }
    }
}

#[test]
fn planes_by_and_by_are_the_whole_at_once() {
    let by_z = Some(0);
    for (size, onto, across, order_across) in [
        ([9, 5, 6], [13, 4, 6], None, 0),
        ([4, 3, 8], [11, 6, 5], by_z, 0),
        ([7, 4, 4], [3, 9, 4], by_z, 1),
        ([5, 4, 3], [5, 2, 8], Some(2), 0),
    ] {
        let by = Resampling { order_across, ..LINEAR };
        let [d, h, w] = size;
        let all = Array4::from_shape_fn((2, d, h, w), |(k, z, y, x)| ((k * 3 + z * 7 + y * 5 + x) as f32).sin());
        let want: Vec<Array3<f32>> = all.axis_iter(Axis(0)).map(|c| resized(c.to_owned(), onto, across, &by)).collect();
        for step in [1, 2, d] {
            let mut restore = NnunetRestore::new(size, onto, across, &by, false);
            let mut next = 0;
            for first in (0..d).step_by(step) {
                let count = step.min(d - first);
                let most = restore.planes(count);
                let part = all.slice(s![.., first..first + count, .., ..]).to_owned();
                let mut give = |at: usize, planes: ndarray::ArrayView4<f32>| {
                    assert!(at == next && planes.dim().1 <= most, "{} planes of at most {most}", planes.dim().1);
                    next += planes.dim().1;
                    for (got, want) in planes.axis_iter(Axis(0)).zip(&want) {
                        let same = want.slice(s![at..next, .., ..]);
                        assert!(got.iter().zip(same).all(|(a, b)| (a - b).abs() < 1e-5), "{size:?} {onto:?} {step}");
                    }
                    Ok(())
                };
                restore.take(first, part, &mut give).unwrap();
            }
            assert_eq!(next, onto[0]);
        }
    }
}

#[test]
fn channels_are_normalised_as_their_schemes_say() {
    // A shell of 2 and 4 around a hole of noughts, noughts outside.
    let image = Array3::from_shape_fn((7, 7, 7), |(z, y, x)| {
        let far = [z, y, x].map(|v| v.abs_diff(3)).into_iter().max().unwrap_or(0);
        if far == 3 || far == 0 { 0.0 } else { 2.0 + 2.0 * ((z + y + x) % 2) as f32 }
    });
    let ct = Scheme::Ct { low: 1.0, high: 3.0, mean: 2.0, deviation: 0.5 };
    let all =
        vec![Scheme::ZScore { masked: true }, Scheme::ZScore { masked: false }, ct, Scheme::RescaleTo01, Scheme::RgbTo01, Scheme::None];
    let views = vec![image.view(); all.len()];
    let seen = prepare(&rules(all), &views, [1.0; 3]).unwrap();
    assert_eq!((seen.kept.start, seen.image.dim()), ([1; 3], (6, 5, 5, 5)));
    let (middle, edge) = ([2, 2, 2], [0, 0, 0]);
    let at = |c: usize, [z, y, x]: [usize; 3]| seen.image[[c, z, y, x]];
    let numbers: Vec<f64> = image.slice(s![1..6, 1..6, 1..6]).iter().map(|v| f64::from(*v)).collect();
    let mean = numbers.iter().sum::<f64>() / 125.0;
    let deviation = (numbers.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 125.0).sqrt();
    // The hole is filled, so it counts and is changed.
    assert!((0..2).all(|c| (f64::from(at(c, middle)) + mean / deviation).abs() < 1e-5));
    assert_eq!((at(2, middle), at(2, edge)), (-2.0, if image[[1, 1, 1]] > 3.0 { 2.0 } else { 0.0 }));
    assert_eq!((at(3, middle), at(4, edge), at(5, edge)), (0.0, image[[1, 1, 1]] / 255.0, image[[1, 1, 1]]));
    // Nothing at all keeps its whole size.
    let nothing = Array3::zeros((3, 4, 5));
    let seen = prepare(&rules(vec![Scheme::ZScore { masked: true }]), &[nothing.view()], [1.0; 3]).unwrap();
    assert!(seen.kept.size == [3, 4, 5] && seen.image.iter().all(|v| *v == 0.0));
    assert!(prepare(&rules(vec![Scheme::None]), &[nothing.view()], [0.0, 1.0, 1.0]).is_err());
    assert!(prepare(&rules(vec![Scheme::None]), &[nothing.view()], [1e6, 1e6, 1e6]).is_err());
}

#[test]
fn rules_that_make_no_sense_are_named() {
    let sound = rules(vec![Scheme::None]);
    assert_eq!(sound.fault(1, [8; 3]), None);
    for (change, words) in [
        ((|n| n.transpose = [0, 0, 1]) as fn(&mut Nnunet), "transposition"),
        (|n| n.spacing = [0.0, 1.0, 1.0].into(), "spacing"),
        (|n| n.spacing.0[0] = None, "one by one"),
        (|n| n.normalise.clear(), "0 channels of 1"),
        (|n| n.normalise = vec![Scheme::Ct { low: f64::NAN, high: 1.0, mean: 0.0, deviation: 1.0 }], "not finite"),
        (|n| n.image.order = 2, "order 1 or 3"),
    ] {
        let mut odd = sound.clone();
        change(&mut odd);
        assert!(odd.fault(1, [8; 3]).is_some_and(|why| why.contains(words)), "{words}");
    }
}
