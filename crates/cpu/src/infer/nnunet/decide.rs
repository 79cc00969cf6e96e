//! From logits to labels and probabilities.
//!
//! Part of `infer::nnunet`; may use `regions` and `window` around it.

use ndarray::{Array3, Array4, ArrayView4, Axis, Zip};

use crate::infer::Card;
use crate::infer::window::argmax;

/// A voxel is in a region above this probability, and not at it.
const INSIDE: f32 = 0.5;

/// The class of every voxel, a place in the card's labels, from logits `[K, d, h, w]`: that of the greatest, the first of several; or the one that
/// the regions paint.
pub fn classes(card: &Card, logits: ArrayView4<f32>) -> Array3<u8> {
    let Some(regions) = &card.regions else { return argmax(logits) };
    let (count, d, h, w) = logits.dim();
    let mut classes = Array3::<u8>::zeros((d, h, w));
    let values = card.values();
    for (channel, label) in regions.paint.iter().filter(|(channel, _)| *channel < count) {
        let own = values.iter().position(|v| v == label).and_then(|place| u8::try_from(place).ok()).unwrap_or(0);
        Zip::from(&mut classes).and(logits.index_axis(Axis(0), *channel)).for_each(|to, v| {
            if sigmoid(*v) > INSIDE {
                *to = own;
            }
        });
    }
    classes
}

/// The probabilities of logits `[K, d, h, w]`: softmax over classes, sigmoid for each region.
pub fn probabilities(card: &Card, logits: ArrayView4<f32>) -> Array4<f32> {
    let mut all = logits.to_owned();
    if card.regions.is_some() {
        all.mapv_inplace(sigmoid);
        return all;
    }
    for mut voxel in all.lanes_mut(Axis(0)) {
        let most = voxel.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        voxel.mapv_inplace(|v| (v - most).exp());
        let sum = voxel.sum();
        voxel.mapv_inplace(|v| v / sum);
    }
    all
}

fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + (-v).exp())
}
