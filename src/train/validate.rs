//! Validation: the cases that training does not see, segmented whole, Dice per class or region.
//!
//! Part of `train`; may use `infer` and `metric`.

use ndarray::Array3;

use super::store::Store;
use crate::infer::{Card, Model};
use crate::metric::{self, Counts, Pair, Summary};
use crate::text::Result;

/// A case as the network has segmented it, and as it is; label values `[D, H, W]`.
pub struct Segmented {
    pub id: String,
    pub labels: Array3<u8>,
    pub truth: Array3<u8>,
    /// Distance between voxels in mm, along D, H, W.
    pub spacing: [f64; 3],
}

/// Segments a case as prediction would, without postprocessing.
///
/// # Errors
/// What is wrong with its files, or the device.
pub fn segment(model: &Model, store: &Store, case: usize) -> Result<Segmented> {
    let sample = store.sample(case)?;
    let labels = model.segment(sample.image.view())?;
    let values = &model.card().labels;
    let truth = sample.label.mapv(|class| values.get(usize::from(class)).map_or(0, |(value, _)| *value));
    Ok(Segmented { id: sample.id.clone(), labels, truth, spacing: sample.spacing })
}

/// What is right and wrong in two label maps, for each of what the card says is scored.
pub fn counts(card: &Card, labels: &Array3<u8>, truth: &Array3<u8>, spacing: [f64; 3]) -> Vec<Counts> {
    let pair = Pair::new(labels, truth, spacing);
    card.scored().iter().map(|region| pair.as_ref().map(|p| p.counts(region)).unwrap_or_default()).collect()
}

/// Cases with what [`counts`] says of them, summed up.
pub fn summarise(card: &Card, cases: Vec<(String, Vec<Counts>)>) -> Summary {
    let names: Vec<String> = card.scored().into_iter().map(|region| region.name).collect();
    metric::summarise(&names, cases)
}

/// Segments `cases` as prediction would, and scores them. `seen` is told how many are done.
///
/// # Errors
/// What is wrong with a case's files, or the device.
pub fn validate(model: &Model, store: &Store, cases: &[usize], mut seen: impl FnMut(usize)) -> Result<Summary> {
    let mut counted = vec![];
    for (done, &case) in cases.iter().enumerate() {
        seen(done);
        let s = segment(model, store, case)?;
        counted.push((s.id, counts(model.card(), &s.labels, &s.truth, s.spacing)));
    }
    Ok(summarise(model.card(), counted))
}
