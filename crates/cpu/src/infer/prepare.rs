//! An image as a network sees it, without a copy: turned to the network's axis order, each channel on its own scale, zeros around it.
//!
//! Part of `infer`; may use `data`, `volume`.

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut4, Axis, Slice, s};

use crate::data::channels;
use crate::volume::{IntensityScale as Scale, Normalise};

/// An image in the axis order and on the scale that a network was trained on.
#[derive(Clone, Debug)]
pub struct Prepared<'a> {
    channels: Vec<(ArrayView3<'a, f32>, Scale)>,
    size: [usize; 3],
}

impl<'a> Prepared<'a> {
    /// From the channels of an image, all of one size, in that order. The scale is that of the voxels as the views go through them, so it is the
    /// same to the last bit whatever order a file has.
    pub fn new(channels: Vec<ArrayView3<'a, f32>>, normalise: Normalise) -> Self {
        Self::of(channels, |channel| normalise.scale(channel.view()))
    }

    /// From an image `[C, D, H, W]` that is in that order and on that scale.
    pub fn ready(image: ArrayView4<'a, f32>) -> Self {
        Self::of(channels(image), |_| Scale::IDENTITY)
    }

    fn of(channels: Vec<ArrayView3<'a, f32>>, scale: impl Fn(&ArrayView3<'a, f32>) -> Scale) -> Self {
        let size = channels.first().map_or([0; 3], |channel| channel.dim().into());
        let scaled = channels.into_iter().map(|channel| {
            let scale = scale(&channel);
            (channel, scale)
        });
        Self { channels: scaled.collect(), size }
    }

    /// D, H, W.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// C.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Puts the box `[C, d, h, w]` whose first voxel is `start` into zeros of its size, which stay where it reaches beyond the image.
    pub fn cut(&self, start: [isize; 3], mut out: ArrayViewMut4<f32>) {
        let size = [1, 2, 3].map(|axis| out.len_of(Axis(axis)));
        // Along each axis: the first voxel in the box, the first in the image, how many.
        let part = [0, 1, 2].map(|a| {
            let before = start[a].min(0).unsigned_abs();
            let from = start[a].max(0).unsigned_abs();
            (before, from, size[a].saturating_sub(before).min(self.size[a].saturating_sub(from)))
        });
        if part.iter().any(|(_, _, count)| *count == 0) {
            return;
        }
        let [z, y, x] = part.map(|(before, _, count)| before..before + count);
        for ((channel, scale), mut to) in self.channels.iter().zip(out.axis_iter_mut(Axis(0))) {
            let mut from = *channel;
            for (axis, (_, first, count)) in part.iter().enumerate() {
                from.slice_axis_inplace(Axis(axis), Slice::from(*first..first + count));
            }
            to.slice_mut(s![z.clone(), y.clone(), x.clone()]).zip_mut_with(&from, |to, v| *to = scale.of_value(*v));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Orientation, reorient, turned};
    use ndarray::Array4;

    fn cut(prepared: &Prepared, start: [isize; 3], [d, h, w]: [usize; 3]) -> Array4<f32> {
        let mut out = Array4::zeros((prepared.channels(), d, h, w));
        prepared.cut(start, out.view_mut());
        out
    }

    #[test]
    fn what_is_cut_is_what_a_turned_and_normalised_copy_holds() {
        let size = [3, 4, 5];
        let image = Array4::from_shape_fn((2, 3, 4, 5), |(c, z, y, x)| (c * 7 + z * z * 20 + y * 5 + x) as f32 % 17.0);
        for from in Orientation::all() {
            let mut copy = ndarray::stack(
                Axis(0),
                &image
                    .axis_iter(Axis(0))
                    .map(|c| reorient(c, from, Orientation::RAS))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(|c| c.view())
                    .collect::<Vec<_>>(),
            )
            .unwrap();
            Normalise::ZScoreNonZero.apply(&mut copy);
            let views = channels(image.view()).into_iter().map(|c| turned(c, from, Orientation::RAS)).collect();
            let prepared = Prepared::new(views, Normalise::ZScoreNonZero);
            assert_eq!(cut(&prepared, [0; 3], prepared.size()), copy, "{from}");
            // A box that reaches beyond on both sides: voxel by voxel.
            let own = prepared.size();
            let cut = cut(&prepared, [-1, 1, -2], [5, 4, 9]);
            for ((c, z, y, x), v) in cut.indexed_iter() {
                let at = [z as isize - 1, y as isize + 1, x as isize - 2];
                let inside = at.iter().zip(own).all(|(a, n)| (0..n as isize).contains(a));
                let want = if inside { copy[[c, at[0] as usize, at[1] as usize, at[2] as usize]] } else { 0.0 };
                assert_eq!(*v, want);
            }
        }
        let beyond = cut(&Prepared::ready(image.view()), [9, 0, 0], size);
        assert!(beyond.iter().all(|v| *v == 0.0));
    }
}
