//! The area of the surface that runs through a cube of eight voxels.
//!
//! Depends on nothing of this crate.
//!
//! The corners of the cube are voxel centres, some inside a mask. Marching cubes (Lorensen and Cline 1987) cuts each edge between inside
//! and outside at its middle and spans triangles over the cuts. Corners that only share a diagonal of a face are kept apart; where more
//! than four are inside, it is the outside corners that are. So the surface falls into one piece for each group of corners that hang
//! together by edges, and there are six shapes of pieces, whose areas follow from their triangles. With F(a) the face across axis `a`,
//! e(a) = √(F(b)² + F(c)²) / 2 the cut along an edge of axis `a`, and q = √(F(0)² + F(1)² + F(2)²) / 8 the triangle that cuts off a corner:
//!
//! | corners of the piece | area |
//! |---|---|
//! | one | q |
//! | two, an edge of axis a | e(a) |
//! | three, in the plane across a | F(a) / 2 + 3q |
//! | four, the face across a | F(a) |
//! | four, one and its three neighbours | 6q |
//! | four, a path along a, b, c | (e(a) + e(c)) / 2 + 4q |

/// Area in mm² of the surface through a cube, for each of 256 sets of inside corners; bit `4d + 2h + w` of the set stands for the corner
/// (d, h, w). `spacing` is the distance in mm between voxels along the three axes. 0 for none and for all.
pub(super) fn areas(spacing: [f64; 3]) -> [f64; 256] {
    std::array::from_fn(|code| {
        let code = code as u8;
        area(if code.count_ones() > 4 { !code } else { code }, spacing)
    })
}

fn area(inside: u8, [d, h, w]: [f64; 3]) -> f64 {
    let face = [h * w, d * w, d * h];
    let edge = |axis: usize| (0..3).filter(|a| *a != axis).map(|a| face[a].powi(2)).sum::<f64>().sqrt() / 2.0;
    let corner = face.iter().map(|f| f.powi(2)).sum::<f64>().sqrt() / 8.0;
    pieces(inside)
        .map(|piece| {
            // The edges of the piece along each axis, and the most that meet in one corner.
            let axes = [0, 1, 2].map(|axis| corners(piece).filter(|c| c & bit(axis) == 0 && piece & 1 << (c | bit(axis)) != 0).count());
            let meet = corners(piece).map(|c| (0..3).filter(|a| piece & 1 << (c ^ bit(*a)) != 0).count()).max().unwrap_or(0);
            let along = |n: usize| (0..3).filter(move |a| axes[*a] == n);
            match (piece.count_ones(), meet) {
                (1, _) => corner,
                (2, _) => along(1).map(edge).sum(),
                (3, _) => along(0).map(|a| face[a] / 2.0).sum::<f64>() + 3.0 * corner,
                (_, 3) => 6.0 * corner,
                _ if axes.contains(&2) => along(0).map(|a| face[a]).sum(),
                _ => (0..3).filter(|a| !is_middle(piece, *a)).map(|a| edge(a) / 2.0).sum::<f64>() + 4.0 * corner,
            }
        })
        .sum()
}

/// Whether a path of three edges has its second along `axis`: both ends of that edge have two neighbours.
fn is_middle(path: u8, axis: usize) -> bool {
    let neighbours = |c: u8| (0..3).filter(|a| path & 1 << (c ^ bit(*a)) != 0).count();
    corners(path).any(|c| path & 1 << (c ^ bit(axis)) != 0 && neighbours(c) == 2 && neighbours(c ^ bit(axis)) == 2)
}

/// The corners of a set, 0 to 7.
fn corners(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |c| set & 1 << c != 0)
}

/// The bit of a corner's number that steps along an axis.
fn bit(axis: usize) -> u8 {
    4 >> axis
}

/// The groups of corners that hang together by edges.
fn pieces(mut set: u8) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let mut piece = set & set.wrapping_neg();
        if piece == 0 {
            return None;
        }
        loop {
            let reached = corners(piece).flat_map(|c| (0..3).map(move |a| 1 << (c ^ bit(a)))).fold(piece, |all, b: u8| all | b) & set;
            if reached == piece {
                break;
            }
            piece = reached;
        }
        set &= !piece;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hang_together_by_edges() {
        assert_eq!(pieces(0b1000_0001).collect::<Vec<_>>(), [0b1, 0b1000_0000]);
        assert_eq!(pieces(0b0000_0110).collect::<Vec<_>>(), [0b10, 0b100]);
        assert_eq!(pieces(0b1111_1111).collect::<Vec<_>>(), [0b1111_1111]);
        assert_eq!(pieces(0).count(), 0);
    }

    #[test]
    fn areas_by_hand() {
        let a = areas([2.0, 3.0, 5.0]);
        assert_eq!((a[0], a[255]), (0.0, 0.0));
        // A plane across each axis has the area of a face of the voxel.
        assert_eq!(a[0b0000_1111], 15.0);
        assert_eq!(a[0b0011_0011], 10.0);
        assert_eq!(a[0b0101_0101], 6.0);
        // One corner: the triangle over the middles of three edges, half the length of a cross product.
        let (u, v) = ([-1.0, 1.5, 0.0], [-1.0, 0.0, 2.5]);
        let cross: [f64; 3] = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        assert!((a[1] - cross.iter().map(|c| c * c).sum::<f64>().sqrt() / 2.0).abs() < 1e-12);
        for code in 0..=255u8 {
            assert_eq!(a[usize::from(code)], a[usize::from(!code)], "{code}");
            assert!(code == 0 || code == 255 || a[usize::from(code)] > 0.0);
        }
    }
}
