//! What an exported file says beside its graph.
//!
//! May use `infer` and `store`.

use std::collections::BTreeMap;

use crate::infer::{Card, OutputActivation};
use crate::store::Trained;
use crate::text::several;

/// Each field of the card as JSON, as in a model file; axis order and meaning of the output in words; version, graph and seal of the model.
pub fn metadata(trained: &Trained, card: &Card) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        card.entries().into_iter().filter(|(_, value)| !matches!(value.as_str(), "null" | "[]")).collect();
    let order = match (&card.nnunet, &card.pipeline) {
        (Some(_), _) => "D, H, W are the axes that nnU-Net's plans name (`nnunet`), the slowest first".to_owned(),
        (None, Some(p)) => format!("D, H, W are the volume's {}", p.axes),
        (None, None) => format!("D, H, W are the volume's k, j, i once it is turned to {}", card.orientation),
    };
    all.insert("axes".into(), format!("[N, C, D, H, W]; C are the `modalities` in their order; {order}"));
    let answer = match card.answer() {
        OutputActivation::Regions => "logits: their sigmoid is the probability of each channel",
        _ => "logits: their softmax over C is the probability of each class, in the order of `labels`",
    };
    let answer = match trained.more.len() {
        0 => answer.to_owned(),
        more => format!("{answer}; these logits are the mean over {}", several(more + 1, "set of weights")),
    };
    all.insert("answer".into(), answer);
    all.insert("lmsc.graph".into(), trained.program.resolved().into());
    for entry in ["lmsc.version", "lmsc.seal", "lmsc.semantics"] {
        all.extend(trained.metadata.get(entry).map(|value| (entry.to_owned(), value.clone())));
    }
    all
}
