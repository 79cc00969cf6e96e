//! Holes of a mask: voxels outside of it from which no path over faces leads to the volume's edge.
//!
//! Depends on nothing of this crate.

use ndarray::Array3;

/// Not in the mask, and not known to be reached from the edge.
const INSIDE: u8 = 0;
const MASK: u8 = 1;
const OUTSIDE: u8 = 2;

/// The mask `[D, H, W]` with its holes filled, as `scipy.ndimage.binary_fill_holes` does with its default of six neighbours.
pub fn fill_holes(mask: &Array3<bool>) -> Array3<bool> {
    let (d, h, w) = mask.dim();
    let mut state: Vec<u8> = mask.iter().map(|m| if *m { MASK } else { INSIDE }).collect();
    // The voxels that were reached last: a wave, never as many as the volume has.
    let mut front: Vec<usize> = vec![];
    let reach = |state: &mut [u8], at: usize, front: &mut Vec<usize>| {
        if state[at] == INSIDE {
            state[at] = OUTSIDE;
            front.push(at);
        }
    };
    for z in 0..d {
        for y in 0..h {
            let edge = z == 0 || y == 0 || z + 1 == d || y + 1 == h;
            let step = if edge { 1 } else { (w - 1).max(1) };
            (0..w).step_by(step).for_each(|x| reach(&mut state, (z * h + y) * w + x, &mut front));
        }
    }
    while !front.is_empty() {
        for at in std::mem::take(&mut front) {
            let (z, y, x) = (at / (h * w), at / w % h, at % w);
            if z > 0 {
                reach(&mut state, at - h * w, &mut front);
            }
            if z + 1 < d {
                reach(&mut state, at + h * w, &mut front);
            }
            if y > 0 {
                reach(&mut state, at - w, &mut front);
            }
            if y + 1 < h {
                reach(&mut state, at + w, &mut front);
            }
            if x > 0 {
                reach(&mut state, at - 1, &mut front);
            }
            if x + 1 < w {
                reach(&mut state, at + 1, &mut front);
            }
        }
    }
    let kept = state.into_iter().map(|s| s != OUTSIDE).collect();
    Array3::from_shape_vec((d, h, w), kept).unwrap_or_else(|_| mask.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enclosed_is_filled_and_nothing_else() {
        // A box of walls around one voxel; a box with a window; a corner that touches the edge.
        let mut mask = Array3::from_elem((7, 7, 12), false);
        for (z, y, x) in itertools(1..4, 1..4, 1..4) {
            mask[[z, y, x]] = (z, y, x) != (2, 2, 2);
        }
        for (z, y, x) in itertools(1..4, 1..4, 6..9) {
            mask[[z, y, x]] = (z, y, x) != (2, 2, 7) && (z, y, x) != (2, 2, 6);
        }
        let full = fill_holes(&mask);
        let added: Vec<_> = full.indexed_iter().filter(|(at, v)| **v && !mask[*at]).map(|(at, _)| at).collect();
        assert_eq!(added, [(2, 2, 2)]);
        let thin = Array3::from_elem((1, 3, 1), false);
        assert_eq!(fill_holes(&thin), thin);
    }

    fn itertools(
        a: std::ops::Range<usize>,
        b: std::ops::Range<usize>,
        c: std::ops::Range<usize>,
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        a.flat_map(move |z| {
            b.clone().flat_map({
                let c = c.clone();
                move |y| c.clone().map(move |x| (z, y, x))
            })
        })
    }
}
