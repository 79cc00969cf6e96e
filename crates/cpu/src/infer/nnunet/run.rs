//! From image files to labels by nnU-Net's rules, and the memory that this takes.
//!
//! Part of `infer::nnunet`; may use `data`, `volume`, `text`, and what runs networks around it.

use std::path::PathBuf;

use half::f16;
use ndarray::{Array3, Array4, ArrayView4, Axis, s};

use super::blend::{Blend, Sums};
use super::decide;
use super::plan::Nnunet;
use super::prepare::{Layout, Seen, prepare};
use super::resample::{separate_axis, target};
use super::restore::NnunetRestore;
use super::tiles::{PLANES, Tiles};
use crate::data;
use crate::infer::{Model, Need, Prediction, Predictor, Prepared};
use crate::text::{Code, Diagnostic, Result};
use crate::volume::{Grid, Header, Volume};

/// The sets of weights of a predictor, in order.
fn sets(p: &Predictor) -> Vec<(&Model, usize)> {
    p.models().flat_map(|model| (0..model.sets()).map(move |set| (model, set))).collect()
}

/// The model whose last layer is done at the end: only labels are asked for, and there are more of them than channels that they are made of. Sums
/// over tiles, mirror images and linear resampling commute with a pointwise convolution.
fn by_features(p: &Predictor) -> Option<(&Model, usize)> {
    let mut models = p.models();
    let only = models.next().filter(|_| models.next().is_none() && !p.options().exact && !p.options().probabilities)?;
    only.feature_channels().map(|channels| (only, channels))
}

/// As [`Predictor::predict`], of a model with nnU-Net's rules.
pub fn predict(p: &Predictor, n: &Nnunet, files: &[PathBuf], mut tick: impl FnMut()) -> Result<Prediction> {
    let data::Image { volume: image, warnings } = data::read_image(files, p.card().nan.into())?;
    p.fits(files, image.data.dim().0)?;
    let (card, options) = (p.card(), p.options());
    let layout = Layout::new(n, &image.grid());
    let channels: Vec<_> = data::channels(image.data.view()).into_iter().map(|c| layout.view(c)).collect();
    let Seen { image: seen, kept, own, spacing } = prepare(n, &channels, layout.spacing(n, &image.header))?;
    let (_, d, h, w) = seen.dim();

    let mut labels = Array3::zeros(image.size());
    let mut all = options.probabilities.then(|| outside(p, &image));
    let by_features = by_features(p);
    let summed = by_features.map_or(card.channels(), |(_, channels)| channels);
    let mut give = |first: usize, logits: ArrayView4<f32>| {
        let range = first..first + logits.dim().1;
        if logits.iter().any(|v| !v.is_finite()) {
            let message = "the network's answer is not finite: a number within it is beyond what its type can hold";
            return Err(Diagnostic::error(Code::E0901, message).help("look at the image's intensities, or leave out --exact").into());
        }
        let part = s![range, .., ..];
        let classes = match by_features {
            Some((model, _)) => model.classes_of(logits)?,
            None => decide::classes(card, logits),
        };
        kept.of(layout.view(labels.view_mut())).slice_mut(part).assign(&classes);
        if let Some(all) = &mut all {
            let said = decide::probabilities(card, logits);
            for (mut to, said) in all.axis_iter_mut(Axis(0)).zip(said.axis_iter(Axis(0))) {
                kept.of(layout.view(to.view_mut())).slice_mut(part).assign(&said);
            }
        }
        Ok(())
    };
    let across = separate_axis(spacing, own, n.logits.separate);
    let mut restore = NnunetRestore::new([d, h, w], kept.size, across, &n.logits, options.exact);
    let (tiles, sets) = (tiles(p, [d, h, w]), sets(p));
    let slab = tiles.slab();
    let mut blend: Box<dyn Blend> = match options.exact {
        true => Box::new(Sums::<f16>::new(card.patch, card.channels(), slab, sets.len(), true)),
        false => Box::new(Sums::<f32>::new(card.patch, summed, slab, sets.len(), false)),
    };
    let (mut at_work, mut passed) = (0, 0);
    tiles.sweep(
        &Prepared::ready(seen.view()),
        (sets.len(), options.batch),
        blend.as_mut(),
        |set, patches| {
            if set != at_work {
                let (model, before) = sets[at_work];
                model.release(before);
                at_work = set;
            }
            let (model, own) = sets[set];
            let said = p.flips().average(patches, |patches| match by_features {
                Some((model, _)) => model.features(patches),
                None => model.logits(own, patches),
            });
            for _ in 0..patches.dim().0 {
                passed += 1;
                if passed % sets.len() == 0 {
                    tick();
                }
            }
            said
        },
        |first, planes| restore.take(first, planes, &mut give),
    )?;

    let cleared = p.postprocess().apply(&mut labels, &card.values(), image.spacing.iter().product());
    Ok(Prediction { labels, probabilities: all, classes: card.classes(), windows: tiles.count(), cleared, warnings, image })
}

fn tiles(p: &Predictor, size: [usize; 3]) -> Tiles {
    Tiles::new(size, p.card().patch, 1.0 - p.card().overlap)
}

/// What stands where the image was cut away: the background, and no region.
fn outside(p: &Predictor, image: &Volume) -> Array4<f32> {
    let [d, h, w] = image.size();
    let mut all = Array4::<f32>::zeros((p.card().channels(), d, h, w));
    if p.card().regions.is_none() {
        all.index_axis_mut(Axis(0), 0).fill(1.0);
    }
    all
}

/// The memory that a case takes, from the header and the grid of its first file. Where the image is cropped this is the most: what is in it is not
/// known yet.
pub fn need(p: &Predictor, n: &Nnunet, header: &Header, grid: &Grid, channels: u64) -> Result<Need> {
    let layout = Layout::new(n, grid);
    let (size, own) = (layout.size(grid), layout.spacing(n, header));
    let spacing = n.spacing.of(own);
    let seen = target(size, own, spacing);
    let tiles = tiles(p, seen);
    let count = |n: [usize; 3]| n.iter().fold(1u64, |all, n| all.saturating_mul(*n as u64));
    let classes = by_features(p).map_or(p.card().channels(), |(_, channels)| channels) as u64;
    let sets = sets(p);
    let number: u64 = if p.options().exact { 2 * sets.len() as u64 } else { 4 };
    // The sums and what was finished of them, twice where planes wait for the next ones; labels and the best logit so far.
    let across = separate_axis(spacing, own, n.logits.separate);
    let back = NnunetRestore::new(seen, size, across, &n.logits, false).planes(tiles.depth().min(PLANES));
    let made = count([back, size[1], size[2]]);
    let [deep, high, wide] = tiles.slab();
    let finished = count([deep.min(PLANES), high, wide]);
    let slab = classes.saturating_mul(count(tiles.slab()).saturating_mul(number).saturating_add(finished.saturating_mul(12)));
    let slab = slab.saturating_add(made.saturating_mul(4 * classes + 6));
    let batch = p.options().batch.min(tiles.layer());
    let mut network = (8 * classes * batch as u64).saturating_mul(count(p.card().patch));
    let each = sets.iter().map(|(model, _)| model.bytes(batch)).collect::<Result<Vec<_>>>()?;
    // One set of weights after the other takes its memory.
    network = network.saturating_add(each.into_iter().max().unwrap_or_default());
    let between = count([0, 1, 2].map(|a| size[a].max(seen[a])));
    Ok(Need {
        size: seen,
        windows: tiles.count(),
        program: 0,
        picture: 0,
        // As read and as the network sees it; one channel after the other is normalised and brought to the spacing, axis by axis.
        image: (4 * channels).saturating_mul(count(size).saturating_add(count(seen))).saturating_add(8 * between),
        labels: count(size),
        slab,
        probabilities: if p.options().probabilities { (4 * classes).saturating_mul(count(size)) } else { 0 },
        network,
    })
}
