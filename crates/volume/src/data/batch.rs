//! Collates patches into one batch.
//!
//! May use `patch`, `augment`, `rng`, `foreground`, `sample`.

use super::augment::Augment;
use super::foreground::Foreground;
use super::patch::{Patch, cut, place};
use super::rng::{RngStream, draw};
use super::sample::Sample;

/// A batch, flat: images `[N, C, D, H, W]` and labels `[N, D, H, W]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub count: usize,
    pub channels: usize,
    /// D, H, W.
    pub size: [usize; 3],
    pub images: Vec<f32>,
    pub labels: Vec<u8>,
}

impl Batch {
    /// Adds a patch; it has the channels and the size of the others.
    pub fn push(&mut self, patch: &Patch) {
        if self.count == 0 {
            (self.channels, self.size) = (patch.channels, patch.size);
        }
        debug_assert_eq!((self.channels, self.size), (patch.channels, patch.size));
        self.count += 1;
        self.images.extend_from_slice(&patch.image);
        self.labels.extend_from_slice(&patch.label);
    }
}

/// The training batch of the given places of an epoch: place `index` is a patch of `sample`, cut and changed by the draws of
/// (seed, epoch, index). Those that `foreground` says are placed at a foreground voxel; one that is turned or scaled may lose it again.
pub fn assemble(places: &[(u64, &Sample)], size: [usize; 3], augment: &Augment, foreground: Foreground, seed: u64, epoch: u64) -> Batch {
    let mut batch = Batch::default();
    for (at, (index, sample)) in places.iter().enumerate() {
        let mut rng = draw(seed, RngStream::Patch, epoch, *index);
        let aim = foreground.aim(at, places.len(), &mut rng);
        let start = place(sample, size, &mut rng, aim);
        // Own generators: what one change draws does not move another's draws.
        let warp = augment.warp(size, sample.spacing, &mut draw(seed, RngStream::Warp, epoch, *index));
        let mut patch = match warp {
            Some(warp) => warp.cut(sample, start),
            None => cut(sample, size, start),
        };
        augment.change_intensities(&mut patch, sample, &mut draw(seed, RngStream::Intensity, epoch, *index));
        augment.reflect(&mut patch, &mut rng);
        batch.push(&patch);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::super::augment::{Flip, Noise, RandomRange, Rotate};
    use super::*;
    use ndarray::{Array3, Array4};

    #[test]
    fn a_place_depends_on_nothing_but_itself() {
        let image = Array4::from_shape_fn((1, 9, 9, 9), |(_, z, y, x)| (z * 81 + y * 9 + x) as f32);
        let s = Sample::new("s", image, Array3::from_elem((9, 9, 9), 1), [1.0; 3]);
        let augment = Augment {
            flip: Flip::all(0.5),
            noise: Noise::Always(0.1),
            intensity: 0.1,
            rotate: Rotate { probability: 0.5, degrees: 30.0, ..Rotate::default() },
            gamma: RandomRange { probability: 0.5, low: 0.7, high: 1.5 },
            ..Augment::default()
        };
        let make = |places: &[u64], epoch| {
            let places: Vec<_> = places.iter().map(|i| (*i, &s)).collect();
            assemble(&places, [4, 5, 6], &augment, Foreground::Each(0.5), 7, epoch)
        };
        let both = make(&[3, 4], 2);
        assert_eq!((both.count, both.channels, both.size, both.images.len(), both.labels.len()), (2, 1, [4, 5, 6], 240, 240));
        assert_eq!(both.images[120..], make(&[4], 2).images);
        assert_eq!(both, make(&[3, 4], 2));
        assert_ne!(both, make(&[3, 4], 3));
    }
}
