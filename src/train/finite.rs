//! Detection of NaN and infinite losses and weights.
//!
//! Part of `train`; may use `net` and `text`.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::folder::Folder;
use super::run::LAST;
use crate::net::Network;
use crate::text::{Code, Diagnostic, Diagnostics};

/// That the loss of a batch of such cases is not finite; `step` is from 0.
pub fn stopped(cases: &str, epoch: usize, step: usize, folder: &Folder) -> Diagnostics {
    let what = format!("the loss is no longer finite in epoch {epoch}, step {}; the batch is made of {cases}", step + 1);
    stopped_at(what, folder)
}

/// The same for weights, with what remains of the run.
pub fn stopped_at(what: String, folder: &Folder) -> Diagnostics {
    let last = folder.file(LAST);
    let kept = if last.exists() {
        format!("the last good checkpoint is `{}`", last.display())
    } else {
        "no epoch was finished, so there is no checkpoint".into()
    };
    Diagnostic::error(Code::E0901, what)
        .help(kept)
        .help("look at those cases for extreme intensities, or lower `optimiser.lr`, or lengthen `schedule.warmup`")
        .into()
}

/// Whether every parameter is a finite number.
pub fn is_finite(network: &Network) -> bool {
    struct Intensity(bool);
    impl ModuleVisitor for Intensity {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data();
            self.0 &= values.as_slice::<f32>().is_ok_and(|v| v.iter().all(|x| x.is_finite()));
        }
    }
    let mut look = Intensity(true);
    network.visit(&mut look);
    look.0
}
