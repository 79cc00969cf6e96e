//! Validation: the cases that training does not see, segmented whole, Dice per class.
//!
//! Part of `train`; may use `infer` and `metric`.

use super::store::Store;
use crate::infer::Model;
use crate::metric::{self, Summary};
use crate::text::Result;

/// Segments `cases` as prediction would, and scores them. `seen` is told how many are done.
///
/// # Errors
/// What is wrong with a case's files, or the device.
pub fn validate(model: &Model, store: &Store, cases: &[usize], mut seen: impl FnMut(usize)) -> Result<Summary> {
    let foreground = store.description().foreground();
    let mut counted = vec![];
    for (done, &case) in cases.iter().enumerate() {
        seen(done);
        let sample = store.sample(case)?;
        let labelled = model.segment(sample.image.view())?;
        counted.push((sample.id.clone(), metric::counts(&labelled, &sample.label, foreground.len() + 1)));
    }
    Ok(metric::summarise(&foreground, counted))
}
