use super::*;
use proptest::prelude::*;

const ALL: [Neighbours; 3] = [Neighbours::Faces, Neighbours::Edges, Neighbours::Corners];

/// Floods from each voxel that has no number yet.
fn flooded(labels: &Array3<u8>, neighbours: Neighbours) -> Components {
    let most = match neighbours {
        Neighbours::Faces => 1,
        Neighbours::Edges => 2,
        Neighbours::Corners => 3,
    };
    let mut map = Array3::zeros(labels.dim());
    let mut all = vec![];
    for (start, label) in labels.indexed_iter().filter(|(_, l)| **l > 0) {
        if map[start] > 0 {
            continue;
        }
        let mut voxels = 0;
        let mut left = vec![start];
        map[start] = all.len() as u32 + 1;
        while let Some((d, h, w)) = left.pop() {
            voxels += 1;
            for step in 0..27usize {
                let step = [step / 9, step / 3 % 3, step % 3].map(|s| s as isize - 1);
                if step.iter().map(|s| s.abs()).sum::<isize>() > most {
                    continue;
                }
                let at = [d, h, w].iter().zip(step).map(|(a, s)| a.checked_add_signed(s)).collect::<Option<Vec<_>>>();
                let Some(at) = at.map(|a| (a[0], a[1], a[2])) else { continue };
                if labels.get(at) == Some(label) && map[at] == 0 {
                    map[at] = all.len() as u32 + 1;
                    left.push(at);
                }
            }
        }
        all.push(Component { label: *label, voxels });
    }
    Components { map, all }
}

proptest! {
    #[test]
    fn they_are_what_a_flood_finds(
        size in [1usize..6, 1usize..8, 1usize..12],
        classes in 1u64..4,
        background in 1u64..4,
        seed in any::<u64>(),
    ) {
        let mut state = seed;
        let labels = Array3::from_shape_simple_fn(size, || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % (classes + background)).saturating_sub(background - 1) as u8
        });
        for n in ALL {
            prop_assert_eq!(components(labels.view(), n), flooded(&labels, n), "{:?}", n);
        }
    }
}

#[test]
fn a_diagonal_holds_together_by_corners_alone() {
    let labels = Array3::from_shape_fn((4, 4, 4), |(d, h, w)| u8::from(d == h && h == w));
    assert_eq!(ALL.map(|n| components(labels.view(), n).all.len()), [4, 4, 1]);
    let labels = Array3::from_shape_fn((1, 4, 4), |(_, h, w)| u8::from(h == w));
    assert_eq!(ALL.map(|n| components(labels.view(), n).all.len()), [4, 1, 1]);
}

#[test]
fn the_largest_of_each_label_stays() {
    // 1: two voxels, one voxel; 2: one voxel, two voxels.
    let mut labels = Array3::from_shape_vec((1, 1, 10), vec![1, 1, 0, 1, 2, 0, 2, 2, 0, 0]).unwrap();
    assert_eq!(keep_largest(&mut labels, Neighbours::Corners), 2);
    assert_eq!(labels.as_slice().unwrap(), [1, 1, 0, 0, 0, 0, 2, 2, 0, 0]);
    let mut equal = Array3::from_shape_vec((1, 1, 3), vec![5, 0, 5]).unwrap();
    assert_eq!((keep_largest(&mut equal, Neighbours::Faces), equal.into_raw_vec_and_offset().0), (1, vec![5, 0, 0]));
}

#[test]
fn small_ones_go() {
    let mut labels = Array3::from_shape_vec((1, 1, 8), vec![1, 1, 1, 0, 1, 1, 0, 2]).unwrap();
    assert_eq!(drop_small(&mut labels, 3, Neighbours::Corners), 3);
    assert_eq!(labels.as_slice().unwrap(), [1, 1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(drop_small(&mut labels, 0, Neighbours::Corners), 0);
    let mut none = Array3::zeros((0, 3, 3));
    assert_eq!(drop_small(&mut none, 9, Neighbours::Corners) + keep_largest(&mut none, Neighbours::Faces), 0);
}
