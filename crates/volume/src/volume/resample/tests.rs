use super::super::affine::steps;
use super::super::orientation::{Orientation, reorient};
use super::*;
use proptest::prelude::*;

fn straight(size: [usize; 3], spacing: [f64; 3], origin: [f64; 3]) -> Grid {
    let ([d, h, w], [x, y, z]) = (spacing, origin);
    Grid { size, affine: [[w, 0.0, 0.0, x], [0.0, h, 0.0, y], [0.0, 0.0, d, z], [0.0, 0.0, 0.0, 1.0]] }
}

/// A rotation by three angles, steps along i, j, k and an origin.
fn turned(size: [usize; 3], angles: [f64; 3], step: [f64; 3], origin: [f64; 3]) -> Grid {
    let about = |axis: usize, angle: f64| {
        let (p, q) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut m = [[0.0; 4]; 4];
        (0..4).for_each(|n| m[n][n] = 1.0);
        (m[p][p], m[p][q], m[q][p], m[q][q]) = (angle.cos(), -angle.sin(), angle.sin(), angle.cos());
        m
    };
    let mut affine = after(&about(0, angles[0]), &after(&about(1, angles[1]), &about(2, angles[2])));
    for r in 0..3 {
        (0..3).for_each(|c| affine[r][c] *= step[c]);
        affine[r][3] = origin[r];
    }
    Grid { size, affine }
}

#[test]
fn by_hand_along_a_line() {
    // Voxels of 1 mm at 0, 1, 2, 3 become voxels of 2 mm around the same centre, 1.5: at 0.5 and 2.5.
    let from = straight([1, 1, 4], [1.0; 3], [0.0; 3]);
    let onto = from.resampled([1.0, 1.0, 2.0]);
    assert_eq!((onto.size, onto.affine[0]), ([1, 1, 2], [2.0, 0.0, 0.0, 0.5]));
    let image = Array3::from_shape_vec((1, 1, 4), vec![0.0, 10.0, 30.0, 70.0]).unwrap();
    assert_eq!(resample(image.view(), &from, &onto).as_slice().unwrap(), [5.0, 50.0]);
    // And finer: at -0.25, 0.25, 0.75, ..., 3.25; the edge goes on for half a voxel.
    let fine = from.resampled([1.0, 1.0, 0.5]);
    let there = resample(image.view(), &from, &fine);
    assert_eq!(there.as_slice().unwrap(), [0.0, 2.5, 7.5, 15.0, 25.0, 40.0, 60.0, 70.0]);
    // Beyond it there is nothing.
    let beside = straight([1, 1, 4], [1.0; 3], [2.0, 0.0, 0.0]);
    assert_eq!(resample(image.view(), &from, &beside).as_slice().unwrap(), [30.0, 70.0, 0.0, 0.0]);
}

#[test]
fn labels_by_hand() {
    let from = straight([1, 1, 4], [1.0; 3], [0.0; 3]);
    let labels = Array3::from_shape_vec((1, 1, 4), vec![0, 3, 3, 1]).unwrap();
    let fine = from.resampled([1.0, 1.0, 0.5]);
    for between in [LabelInterpolation::Nearest, LabelInterpolation::Linear] {
        assert_eq!(resample_labels(labels.view(), &from, &fine, between).as_slice().unwrap(), [0, 0, 3, 3, 3, 3, 1, 1], "{between:?}");
    }
    // Two of four neighbours are 2, one is 1, one 5, all alike near: together they win, and no label is made up between.
    let square = straight([1, 2, 2], [1.0; 3], [0.0; 3]);
    let labels = Array3::from_shape_vec((1, 2, 2), vec![1, 2, 5, 2]).unwrap();
    let middle = straight([1, 1, 1], [1.0; 3], [0.5, 0.5, 0.0]);
    assert_eq!(resample_labels(labels.view(), &square, &middle, LabelInterpolation::Linear)[[0, 0, 0]], 2);
    // A tie goes to the smallest.
    let labels = Array3::from_shape_vec((1, 2, 2), vec![4, 4, 1, 1]).unwrap();
    assert_eq!(resample_labels(labels.view(), &square, &middle, LabelInterpolation::Linear)[[0, 0, 0]], 1);
}

#[test]
fn a_nan_stays_where_it_is() {
    let from = straight([2, 2, 2], [1.0; 3], [0.0; 3]);
    let mut image = Array3::from_elem((2, 2, 2), 1.0);
    image[[0, 0, 1]] = f32::NAN;
    let same = resample(image.view(), &from, &from);
    assert!(same.indexed_iter().all(|(at, v)| v.is_nan() == (at == (0, 0, 1))));
}

proptest! {
    #[test]
    fn a_ramp_in_space_is_the_same_ramp_on_any_grid(
        angles in prop::array::uniform3(-3.0f64..3.0),
        step in prop::array::uniform3(0.5f64..3.0),
        origin in prop::array::uniform3(-20.0f64..20.0),
        other in prop::array::uniform3(-3.0f64..3.0),
        slope in prop::array::uniform3(-2.0f64..2.0),
    ) {
        let from = turned([9, 10, 11], angles, step, origin);
        // A small grid inside the first one, turned otherwise.
        let middle = from.world([4.0, 4.5, 5.0]);
        let mut onto = turned([3, 3, 3], other, [0.3, 0.4, 0.5], [0.0; 3]);
        let off = onto.world([1.0; 3]);
        (0..3).for_each(|r| onto.affine[r][3] = middle[r] - off[r]);
        let ramp = |grid: &Grid| Array3::from_shape_fn(grid.size, |(d, h, w)| {
            let p = grid.world([d as f64, h as f64, w as f64]);
            (0..3).map(|r| (p[r] - middle[r]) * slope[r]).sum::<f64>() as f32
        });
        let out = resample(ramp(&from).view(), &from, &onto);
        for (o, r) in out.iter().zip(&ramp(&onto)) {
            prop_assert!((o - r).abs() < 1e-3, "{} {}", o, r);
        }
    }

    #[test]
    fn onto_a_turned_grid_is_a_turn_and_back_is_the_identity(
        size in [1usize..6, 1usize..6, 1usize..6],
        angles in prop::array::uniform3(-3.0f64..3.0),
        step in prop::array::uniform3(0.3f64..4.0),
        origin in prop::array::uniform3(-200.0f64..200.0),
        to in 0usize..48,
        seed in 0u8..255,
    ) {
        let grid = turned(size, angles, step, origin);
        prop_assume!(steps(&grid.affine).iter().all(|s| *s > 0.0));
        let to = Orientation::all().nth(to).unwrap();
        let there = grid.reoriented(to);
        let labels = Array3::from_shape_fn(size, |(d, h, w)| ((d * 31 + h * 17 + w * 7) as u8).wrapping_mul(seed | 1));
        let moved = reorient(labels.view(), grid.orientation(), to);
        for between in [LabelInterpolation::Nearest, LabelInterpolation::Linear] {
            prop_assert_eq!(&resample_labels(labels.view(), &grid, &there, between), &moved);
            prop_assert_eq!(&resample_labels(moved.view(), &there, &grid, between), &labels);
        }
        let image = labels.mapv(|l| f32::from(l) * 0.37);
        prop_assert_eq!(resample(resample(image.view(), &grid, &there).view(), &there, &grid), image);
    }

    #[test]
    fn thick_labels_survive_finer_voxels_and_back(
        spacing in prop::array::uniform3(0.5f64..3.0),
        finer in prop::array::uniform3(0.2f64..0.34),
    ) {
        // Blocks of four voxels; there and back on voxels less than half as large.
        let from = straight([8, 8, 12], spacing, [0.0; 3]);
        let labels = Array3::from_shape_fn((8, 8, 12), |(d, h, w)| (d / 4 + 2 * (h / 4) + 4 * (w / 4)) as u8);
        let onto = from.resampled([0, 1, 2].map(|a| spacing[a] * finer[a]));
        for between in [LabelInterpolation::Nearest, LabelInterpolation::Linear] {
            let there = resample_labels(labels.view(), &from, &onto, between);
            prop_assert_eq!(&resample_labels(there.view(), &onto, &from, between), &labels);
        }
    }
}
