//! Which way the voxel axes run in the patient, and the turn from one way to another.
//!
//! May use `affine`, `grid` beside it.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array3, ArrayBase, ArrayView3, Axis, Ix3, RawData};
use serde::{Deserialize, Serialize};

use super::affine::{Affine, inverse, steps};
use super::grid::Grid;

/// A side of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Right,
    Left,
    Anterior,
    Posterior,
    Superior,
    Inferior,
}

impl Side {
    /// By world axis x, y, z, as NIfTI has them: the side at high numbers, then the one at low numbers.
    const ALL: [[Self; 2]; 3] = [[Self::Right, Self::Left], [Self::Anterior, Self::Posterior], [Self::Superior, Self::Inferior]];

    /// The side that the world axis 0 to 2 (x, y, z) reaches at high numbers (`true`) or at low ones.
    pub(super) fn of(axis: usize, high: bool) -> Self {
        Self::ALL[axis % 3][usize::from(!high)]
    }

    /// 0, 1, 2 for x, y, z, and whether this is the side at high numbers.
    pub(super) fn axis(self) -> (usize, bool) {
        match self {
            Self::Right => (0, true),
            Self::Left => (0, false),
            Self::Anterior => (1, true),
            Self::Posterior => (1, false),
            Self::Superior => (2, true),
            Self::Inferior => (2, false),
        }
    }

    /// The side across.
    pub fn opposite(self) -> Self {
        let (axis, high) = self.axis();
        Self::of(axis, !high)
    }

    /// `R`, `L`, `A`, `P`, `S`, `I`.
    pub fn letter(self) -> char {
        match self {
            Self::Right => 'R',
            Self::Left => 'L',
            Self::Anterior => 'A',
            Self::Posterior => 'P',
            Self::Superior => 'S',
            Self::Inferior => 'I',
        }
    }
}

/// The side that each voxel axis runs towards, along i, j, k: `RAS`, `LPI` and 46 others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Orientation([Side; 3]);

impl Orientation {
    /// i to the right, j to the front, k to the head: NIfTI's own axes.
    pub const RAS: Self = Self([Side::Right, Side::Anterior, Side::Superior]);
    /// i to the right, j to the head, k to the front: coronal slices, one after the other.
    pub const RSA: Self = Self([Side::Right, Side::Superior, Side::Anterior]);
    /// i to the front, j to the head, k to the right: sagittal slices, one after the other.
    pub const ASR: Self = Self([Side::Anterior, Side::Superior, Side::Right]);

    /// Whether it is NIfTI's own.
    pub fn is_ras(&self) -> bool {
        *self == Self::RAS
    }

    /// The sides along i, j, k, if there is one of each world axis.
    pub fn new(sides: [Side; 3]) -> Option<Self> {
        let mut seen = [false; 3];
        sides.iter().for_each(|s| seen[s.axis().0] = true);
        (seen == [true; 3]).then_some(Self(sides))
    }

    /// The axis order that is nearest to an affine, by nibabel's rule: of the rotation that is nearest to the affine the column with the largest
    /// number takes the world axis of that number, then the column with the next largest, among the axes that are left. Where numbers are
    /// equal several orders fit the rule, and the first of them in the order of [`Orientation::all`] is taken: RAS if it fits.
    pub fn of(affine: &Affine) -> Self {
        let turn = rotation(affine);
        let size = |column: usize, axis: usize| turn[axis][column].abs();
        let largest = |column: usize| (0..3).map(|axis| size(column, axis)).fold(0.0, f64::max);
        // Whether the rule can lead to an order when columns have their turns in a given one.
        let leads = |order: [usize; 3], turns: [usize; 3]| {
            (0..3).all(|n| {
                let (column, rest) = (turns[n], &turns[n..]);
                rest.iter().all(|later| {
                    largest(column) > largest(*later) - EQUAL && size(column, order[column]) > size(column, order[*later]) - EQUAL
                })
            })
        };
        let order = ORDERS.into_iter().find(|order| ORDERS.into_iter().any(|turns| leads(*order, turns))).unwrap_or(ORDERS[0]);
        Self([0, 1, 2].map(|column| Side::of(order[column], turn[order[column]][column] >= 0.0)))
    }

    /// All 48.
    pub fn all() -> impl Iterator<Item = Self> {
        ORDERS.iter().flat_map(|order| (0..8).map(|bits| Self([0, 1, 2].map(|n| Side::of(order[n], bits >> n & 1 == 0)))))
    }

    /// The sides that i, j, k run towards.
    pub fn sides(self) -> [Side; 3] {
        self.0
    }
}

impl Default for Orientation {
    fn default() -> Self {
        Self::RAS
    }
}

/// Numbers of a rotation that differ by less are equal.
const EQUAL: f64 = 1e-12;

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|s| write!(f, "{}", s.letter()))
    }
}

impl FromStr for Orientation {
    type Err = String;

    /// Reads `RAS`, `lpi`.
    fn from_str(text: &str) -> Result<Self, String> {
        let side = |c: char| Side::ALL.into_iter().flatten().find(|s| s.letter() == c.to_ascii_uppercase());
        let sides: Option<Vec<Side>> = text.chars().map(side).collect();
        let sides = sides.and_then(|s| <[Side; 3]>::try_from(s).ok());
        sides.and_then(Self::new).ok_or_else(|| format!("`{text}` is no orientation: write one of R L, one of A P, one of S I, as in RAS"))
    }
}

/// The rotation (or reflection) that is nearest to the directions of an affine's columns: its polar factor, by Newton's iteration
/// X <- (X + X^-T) / 2. Higham, "Computing the polar decomposition - with applications" (1986).
fn rotation(affine: &Affine) -> Affine {
    let steps = steps(affine);
    let mut x = [[0.0; 4]; 4];
    (0..3).for_each(|r| (0..3).for_each(|c| x[r][c] = affine[r][c] / steps[c]));
    for _ in 0..100 {
        let back = inverse(&x);
        let mut next = x;
        (0..3).for_each(|r| (0..3).for_each(|c| next[r][c] = (x[r][c] + back[c][r]) / 2.0));
        let moved = next.iter().flatten().zip(x.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if !next.iter().flatten().all(|v| v.is_finite()) {
            break;
        }
        x = next;
        if moved < 1e-15 {
            break;
        }
    }
    x
}

impl From<Orientation> for String {
    fn from(o: Orientation) -> Self {
        o.to_string()
    }
}

impl TryFrom<String> for Orientation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// How axes are taken and turned to get from one orientation to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// New axis i, j, k: the old axis, and whether it runs backwards.
    from: [(usize, bool); 3],
}

impl Turn {
    pub fn new(from: Orientation, to: Orientation) -> Self {
        Self {
            from: to.0.map(|side| {
                let (axis, high) = side.axis();
                // Every orientation has each world axis once.
                let old = from.0.iter().position(|s| s.axis().0 == axis).unwrap_or(axis);
                (old, from.0[old].axis().1 != high)
            }),
        }
    }

    /// An array `[D, H, W]` (k, j, i) in the new order, without a copy.
    pub fn view<S: RawData>(&self, array: ArrayBase<S, Ix3>) -> ArrayBase<S, Ix3> {
        let [i, j, k] = self.from;
        let mut view = array.permuted_axes([2 - k.0, 2 - j.0, 2 - i.0]);
        for (n, (_, backwards)) in [k, j, i].into_iter().enumerate() {
            if backwards {
                view.invert_axis(Axis(n));
            }
        }
        view
    }

    pub fn grid(&self, grid: &Grid) -> Grid {
        let [d, h, w] = grid.size;
        let size = [w, h, d];
        let [i, j, k] = self.from.map(|(old, _)| size[old]);
        let mut affine = grid.affine;
        for (r, row) in affine.iter_mut().enumerate().take(3) {
            for (n, (old, backwards)) in self.from.into_iter().enumerate() {
                let step = grid.affine[r][old];
                row[n] = if backwards { -step } else { step };
                if backwards {
                    row[3] += step * (size[old] as f64 - 1.0);
                }
            }
        }
        Grid { size: [k, j, i], affine }
    }
}

/// An array `[D, H, W]` or a view of one (k, j, i of a grid that lies as `from`), its axes as on the same grid turned to `to`. Nothing is copied.
pub fn turned<S: RawData>(array: ArrayBase<S, Ix3>, from: Orientation, to: Orientation) -> ArrayBase<S, Ix3> {
    Turn::new(from, to).view(array)
}

/// An array `[D, H, W]` (k, j, i of a grid that lies as `from`) as it stands on the same grid turned to `to`. Exact: voxels change places only.
pub fn reorient<T: Clone>(array: ArrayView3<'_, T>, from: Orientation, to: Orientation) -> Array3<T> {
    turned(array, from, to).as_standard_layout().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn there_are_48_and_each_is_found_again() {
        let all: std::collections::HashSet<Orientation> = Orientation::all().collect();
        assert_eq!(all.len(), 48);
        for o in all {
            assert_eq!(o.to_string().parse(), Ok(o));
            let mut affine = [[0.0; 4]; 4];
            for (column, side) in o.sides().into_iter().enumerate() {
                let (axis, high) = side.axis();
                affine[axis][column] = if high { 2.0 } else { -2.0 };
            }
            assert_eq!(Orientation::of(&affine), o);
            assert_eq!(o.sides().map(|s| s.opposite().opposite()), o.sides());
        }
        assert_eq!("RAS".parse(), Ok(Orientation::RAS));
        for wrong in ["", "RA", "RAR", "RLS", "XYZ", "RASI"] {
            assert!(wrong.parse::<Orientation>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_oblique_grid_has_the_nearest_order() {
        // i runs to the feet, j to the left, k to the front, tilted a little.
        let a = [[0.0, -2.0, 0.1, 0.0], [0.1, 0.0, 3.0, 0.0], [-1.0, 0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        assert_eq!(Orientation::of(&a).to_string(), "ILA");
        // So near to three equal numbers that only rounding tells them apart: the turned grid is RAS all the same.
        let (s, l) = (1.0 / 3.0, 2.0 / 3.0);
        let a = [[s, l, l, 0.0], [l, s, -l, 0.0], [-l, l, -s, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let grid = Grid { size: [2, 3, 4], affine: a };
        assert_eq!(grid.reoriented(Orientation::RAS).orientation(), Orientation::RAS);
        // At 45 degrees both orders fit alike: the one that leaves the axes in place is taken.
        let h = std::f64::consts::FRAC_1_SQRT_2;
        let a = [[h, -h, 0.0, 0.0], [h, h, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        assert_eq!(Orientation::of(&a).to_string(), "RAS");
    }

    proptest! {
        #[test]
        fn a_turn_keeps_every_voxel_in_its_place_in_space(
            size in [1usize..5, 1usize..6, 1usize..7],
            entries in prop::array::uniform12(-3.0f64..3.0),
            to in 0usize..48,
        ) {
            let [a, b, c, x, d, e, f, y, g, h, i, z] = entries;
            let affine = [[a, b, c, x], [d, e, f, y], [g, h, i, z], [0.0, 0.0, 0.0, 1.0]];
            prop_assume!(steps(&affine).iter().all(|s| *s > 0.1));
            let grid = Grid { size, affine };
            let to = Orientation::all().nth(to).unwrap();
            let turned = grid.reoriented(to);
            let values = Array3::from_shape_fn(size, |(d, h, w)| d * 100 + h * 10 + w);
            let there = reorient(values.view(), grid.orientation(), to);
            prop_assert_eq!(there.dim(), turned.size.into());
            for ((d, h, w), v) in there.indexed_iter() {
                let old = grid.world([v / 100, v / 10 % 10, v % 10].map(|n| n as f64));
                let new = turned.world([d, h, w].map(|n| n as f64));
                for (o, n) in old.iter().zip(new) {
                    prop_assert!((o - n).abs() < 1e-9, "{} {}", o, n);
                }
            }
            prop_assert_eq!(turned.orientation(), to);
            prop_assert_eq!(reorient(there.view(), to, grid.orientation()), values);
        }
    }
}
