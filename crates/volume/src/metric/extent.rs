//! The box of what is set: work is done there and nowhere else.
//!
//! Depends on nothing of this crate.

use ndarray::{ArrayView3, Axis, s};

/// A box of voxels, `from` included, `to` not; empty where they are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    from: [usize; 3],
    to: [usize; 3],
}

impl Extent {
    /// The box around the `true` voxels.
    pub(super) fn of(mask: ArrayView3<'_, bool>) -> Self {
        let mut all = Self::default();
        for axis in 0..3 {
            let mut set = mask.axis_iter(Axis(axis)).map(|plane| plane.iter().any(|v| *v));
            let Some(first) = set.position(|s| s) else { return Self::default() };
            let last = mask.axis_iter(Axis(axis)).rposition(|plane| plane.iter().any(|v| *v)).unwrap_or(first);
            (all.from[axis], all.to[axis]) = (first, last + 1);
        }
        all
    }

    /// One voxel.
    pub(super) fn voxel(at: [usize; 3]) -> Self {
        Self { from: at, to: at.map(|n| n + 1) }
    }

    /// The box around both; an empty one adds nothing.
    pub(super) fn joined(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        Self { from: std::array::from_fn(|a| self.from[a].min(other.from[a])), to: std::array::from_fn(|a| self.to[a].max(other.to[a])) }
    }

    /// With `margin` voxels more on each side, as far as an array of `size` goes.
    pub(super) fn grown(self, margin: usize, size: [usize; 3]) -> Self {
        if self.is_empty() {
            return self;
        }
        Self {
            from: self.from.map(|n| n.saturating_sub(margin)),
            to: std::array::from_fn(|a| self.to[a].saturating_add(margin).min(size[a])),
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.from == self.to
    }

    /// That part of an array.
    pub(super) fn cut<T>(self, array: ArrayView3<'_, T>) -> ArrayView3<'_, T> {
        let Self { from: [a, b, c], to: [d, e, f] } = self;
        array.slice_move(s![a..d, b..e, c..f])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn boxes_hold_what_is_set() {
        let mut m = Array3::from_elem((5, 6, 7), false);
        assert!(Extent::of(m.view()).is_empty());
        m[[1, 2, 3]] = true;
        assert_eq!(Extent::of(m.view()), Extent::voxel([1, 2, 3]));
        m[[4, 0, 3]] = true;
        let e = Extent::of(m.view());
        assert_eq!(e, Extent { from: [1, 0, 3], to: [5, 3, 4] });
        assert_eq!(e.cut(m.view()).dim(), (4, 3, 1));
        assert_eq!(e.grown(2, [5, 6, 7]), Extent { from: [0, 0, 1], to: [5, 5, 6] });
        assert_eq!(e.joined(Extent::default()), e);
        assert_eq!(Extent::default().joined(e), e);
        assert_eq!(Extent::voxel([1, 2, 3]).joined(Extent::voxel([4, 0, 3])), e);
        assert!(Extent::default().grown(3, [5, 6, 7]).is_empty());
    }
}
