use super::*;

#[test]
fn what_differs_between_grids_is_said() {
    let grid = |spacing: [f64; 3], origin: [f64; 3]| {
        let [i, j, k] = spacing;
        let [x, y, z] = origin;
        Grid { size: [4, 5, 6], affine: [[i, 0.0, 0.0, x], [0.0, j, 0.0, y], [0.0, 0.0, k, z], [0.0, 0.0, 0.0, 1.0]] }
    };
    let one = grid([1.0, 1.0, 1.0], [-10.0, 2.5, 5.0]);
    assert_eq!(one.differences(&one), "");
    assert_eq!(one.differences(&grid([1.0, 1.0, 1.2], [-10.0, 2.5, 5.0])), "spacings 1 x 1 x 1 and 1 x 1 x 1.2 mm");
    assert_eq!(one.differences(&grid([1.0, 1.0, 1.0], [-10.0, 2.5, 6.0])), "origins (-10, 2.5, 5) and (-10, 2.5, 6) mm");
    let other = Grid { size: [4, 5, 7], ..grid([-1.0, 1.0, 1.0], [-10.0, 2.5, 5.0]) };
    assert_eq!(one.differences(&other), "voxels 6x5x4 and 7x5x4; axes RAS and LAS");
    let (s, c) = 10f64.to_radians().sin_cos();
    let tilted = Grid { affine: [[c, -s, 0.0, -10.0], [s, c, 0.0, 2.5], [0.0, 0.0, 1.0, 5.0], [0.0, 0.0, 0.0, 1.0]], ..one };
    assert_eq!(one.differences(&tilted), "axes that are turned by 10.0 degrees");
}
use crate::volume::{read, write_image};
use ndarray::Array4;
use proptest::prelude::*;

/// A volume whose header says its affine.
fn volume(size: [usize; 3], affine: Affine) -> Volume {
    let [d, h, w] = size;
    let data = Array4::from_shape_fn((2, d, h, w), |(c, d, h, w)| (c * 1000 + d * 100 + h * 10 + w) as f32);
    let grid = Grid { size, affine };
    let header = Header { sform_code: 2, qform_code: 3, ..Header::plain(size, 2, grid.spacing()) }.placed(&grid, 2);
    Volume { data, spacing: grid.spacing(), affine, header }
}

const OBLIQUE: Affine = [[0.1, -1.9, 0.2, 30.0], [-1.4, -0.1, 0.3, -7.0], [0.2, 0.3, 3.0, 12.5], [0.0, 0.0, 0.0, 1.0]];

fn near(a: &Affine, b: &Affine) -> bool {
    corner_distance(a, b, [9, 9, 9]) < 1e-4
}

#[test]
fn a_resampled_grid_keeps_its_centre_and_its_edge_nearly() {
    for (size, spacing) in [([10, 20, 30], [1.0, 0.7, 3.3]), ([1, 2, 3], [9.0, 9.0, 0.05]), ([5, 5, 5], [2.0, 1.0, 0.5])] {
        let grid = Grid { size, affine: OBLIQUE };
        let new = grid.resampled(spacing);
        let middle = |g: &Grid| g.world(g.size.map(|n| (n as f64 - 1.0) / 2.0));
        for (o, n) in middle(&grid).iter().zip(middle(&new)) {
            assert!((o - n).abs() < 1e-9);
        }
        for a in 0..3 {
            assert!((new.spacing()[a] - spacing[a]).abs() < 1e-9);
            let (old, now) = (size[a] as f64 * grid.spacing()[a], new.size[a] as f64 * spacing[a]);
            assert!((old - now).abs() <= spacing[a] || new.size[a] == 1, "{old} mm and {now} mm");
        }
    }
}

#[test]
fn what_cannot_be_afforded_is_refused_before_it_is_taken() {
    let v = volume([4, 5, 6], OBLIQUE);
    for spacing in [[1e-9, 1.0, 1.0], [1e-300; 3], [0.001; 3]] {
        let d = v.resampled(spacing).unwrap_err();
        assert!(d.message.contains("MiB") && d.code == Code::E0702, "{d:?}");
    }
    for spacing in [[0.0, 1.0, 1.0], [-1.0, 1.0, 1.0], [f64::NAN, 1.0, 1.0], [f64::INFINITY, 1.0, 1.0]] {
        assert!(v.resampled(spacing).unwrap_err().message.contains("spacing"), "{spacing:?}");
    }
}

#[test]
fn shear_is_an_angle() {
    let mut a = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    assert_eq!(Grid { size: [1; 3], affine: a }.shear(), 0.0);
    (a[1][2], a[2][2]) = (0.5, 0.75f64.sqrt());
    assert!((Grid { size: [1; 3], affine: a }.shear() - 30.0).abs() < 1e-9);
}

#[test]
fn a_turned_or_resampled_volume_is_written_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.nii");
    let v = volume([4, 5, 6], OBLIQUE);
    for moved in [v.reoriented(Orientation::RAS), v.reoriented("PIR".parse().unwrap()), v.resampled([1.0, 2.0, 3.0]).unwrap()] {
        write_image(&path, &moved.data, &moved.header).unwrap();
        let back = read(&path).unwrap();
        assert_eq!(back.data, moved.data);
        assert!(near(&back.affine, &moved.affine), "{:?} {:?}", back.affine, moved.affine);
        assert_eq!((back.header.sform_code, back.header.qform_code), (2, 0), "the axes are not at right angles");
    }
}

proptest! {
    #[test]
    fn there_and_back_is_the_identity_and_the_qform_says_the_same(
        quaternion in prop::array::uniform4(-1.0f64..1.0),
        step in prop::array::uniform3(0.2f64..5.0),
        mirrored in any::<bool>(),
        to in 0usize..48,
    ) {
        let length = quaternion.iter().map(|q| q * q).sum::<f64>().sqrt();
        prop_assume!(length > 0.1);
        let [a, b, c, d] = quaternion.map(|q| q / length * if quaternion[0] < 0.0 { -1.0 } else { 1.0 });
        prop_assume!(a >= 0.0);
        let header = Header {
            sform_code: 0,
            qform_code: 1,
            quaternion: [b, c, d, 5.0, -6.0, 7.0],
            pixdim: [if mirrored { -1.0 } else { 1.0 }, step[0], step[1], step[2]],
            ..Header::plain([4, 5, 6], 2, [1.0; 3])
        };
        let v = volume([4, 5, 6], header.affine().unwrap());
        prop_assert!(v.grid().shear() < 1e-4);
        let to = Orientation::all().nth(to).unwrap();
        let there = v.reoriented(to);
        prop_assert_eq!(there.grid().orientation(), to);
        let by_qform = Header { sform_code: 0, ..there.header.clone() };
        if by_qform.qform_code == 0 {
            // As near to half a turn as nibabel takes for half a turn, and not quite one.
            let [b, c, d] = [0, 1, 2].map(|i| by_qform.quaternion[i]);
            prop_assert!(1.0 - (b * b + c * c + d * d) < 3.0 * f64::from(f32::EPSILON), "{:?}", by_qform.quaternion);
        } else {
            prop_assert_eq!(by_qform.qform_code, 2);
            prop_assert!(near(&by_qform.affine().unwrap(), &there.affine), "{:?} {:?}", by_qform.affine(), there.affine);
        }
        let back = there.reoriented(v.grid().orientation());
        prop_assert_eq!(&back.data, &v.data);
        prop_assert!(back.grid().is_near(&v.grid(), 1e-9));
    }
}

#[test]
fn a_qform_that_would_be_read_as_another_grid_is_not_written() {
    // 2 acos(a) is the turn; at 0.9995 of half a turn and beyond, float32 leaves nothing of a.
    for (turn, kept) in [(170.0f64, true), (179.9, true), (179.98, false), (180.0, true)] {
        let (a, d) = ((turn / 2.0).to_radians().cos(), (turn / 2.0).to_radians().sin());
        let (cosine, sine) = (a * a - d * d, 2.0 * a * d);
        let affine = [[cosine, -sine, 0.0, 0.0], [sine, cosine, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let v = volume([4, 5, 6], affine);
        let there = v.reoriented(v.grid().orientation());
        assert_eq!((there.header.sform_code > 0, there.header.qform_code > 0), (true, kept), "{turn} degrees");
    }
}
