//! The best and the worst validation cases of a run as pictures: image, label and the prediction of its best network.
//!
//! May use `train`, `infer`, `volume`, and `run` beside it.

use burn::tensor::Device;
use ndarray::Axis;

use super::run::{CaseDice, Run};
use crate::infer::BEST;
use crate::net::load_model;
use crate::text::{Code, Diagnostic, Result, Source, several};
use crate::train::Job;
use crate::volume::overlay::{self, Overlay, Slices};

/// A case that was drawn.
#[derive(Clone, Debug)]
pub struct CasePicture {
    pub case: String,
    /// Its Dice, the mean over the classes.
    pub dice: f64,
    /// Whether it is one of the best or of the worst.
    pub best: bool,
    pub png: Vec<u8>,
}

/// Segments so many of the best and of the worst cases and draws them, the worst first. `channel` is that of the image.
///
/// # Errors
/// What is wrong with the data, as they are found now, or with the checkpoint; E0703 for a channel that is not there.
pub fn pictures(run: &Run, each: usize, channel: usize, device: &Device) -> Result<Vec<CasePicture>> {
    let chosen = chosen(&run.cases, each);
    if chosen.is_empty() {
        return Ok(vec![]);
    }
    let file = run.path.join("config.ron");
    let (source, graph) = (Source::read(&file)?, Source::read(&run.config.graph_path(&file))?);
    let job = Job::prepare(run.config.clone(), &source, &graph, &[])?;
    let model = load_model(&run.path.join(BEST), device)?;
    let classes = model.card().classes();
    let mut all = vec![];
    for (case, best) in chosen {
        let Some(at) = job.store.ids().iter().position(|id| *id == case.id) else { continue };
        let sample = job.store.sample(at)?;
        if channel >= sample.image.dim().0 {
            let message = format!("the images have {}, so there is none of number {channel}", several(sample.image.dim().0, "channel"));
            return Err(Diagnostic::error(Code::E0703, message).help("give another with --channel, from 0").into());
        }
        let labels = model.segment(sample.image.view())?;
        let [d, h, w] = sample.spacing;
        let picture = overlay::draw(&Overlay {
            title: &case.id,
            image: sample.image.index_axis(Axis(0), channel),
            reference: Some(sample.label.view()),
            prediction: Some(labels.view()),
            affine: [[w, 0.0, 0.0, 0.0], [0.0, h, 0.0, 0.0], [0.0, 0.0, d, 0.0], [0.0, 0.0, 0.0, 1.0]],
            classes: &classes,
            slices: Slices::Foreground,
            errors: false,
        })?;
        let mut png = vec![];
        overlay::encode(&mut png, &picture).map_err(|e| {
            Diagnostic::error(Code::E0703, format!("cannot draw `{}`: {e}", case.id)).help("leave the pictures out: --pictures 0")
        })?;
        all.push(CasePicture { case: case.id.clone(), dice: case.mean.unwrap_or(f64::NAN), best, png });
    }
    Ok(all)
}

/// The worst cases, the worst first, and the best, the best last; none twice.
fn chosen(cases: &[CaseDice], each: usize) -> Vec<(&CaseDice, bool)> {
    let mut sorted: Vec<(&CaseDice, f64)> = cases.iter().filter_map(|c| Some((c, c.mean?))).collect();
    sorted.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let sorted: Vec<&CaseDice> = sorted.into_iter().map(|(c, _)| c).collect();
    let worst = each.min(sorted.len().div_ceil(2));
    let best = each.min(sorted.len() - worst);
    let (low, high) = (&sorted[..worst], &sorted[sorted.len() - best..]);
    low.iter().map(|c| (*c, false)).chain(high.iter().map(|c| (*c, true))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_case_is_drawn_twice() {
        let case = |id: &str, mean| CaseDice { epoch: 1, id: id.into(), mean, dice: vec![], referenced: vec![] };
        let cases = [case("b", Some(0.5)), case("a", Some(0.1)), case("x", None), case("c", Some(0.9))];
        let names = |each: usize| chosen(&cases, each).iter().map(|(c, best)| format!("{}{}", c.id, u8::from(*best))).collect::<Vec<_>>();
        assert_eq!(names(0), Vec::<String>::new());
        assert_eq!(names(1), ["a0", "c1"]);
        assert_eq!(names(2), ["a0", "b0", "c1"]);
        assert_eq!(names(9), ["a0", "b0", "c1"]);
        assert!(chosen(&[], 2).is_empty());
    }
}
