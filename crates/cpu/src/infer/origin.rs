//! Where an imported model came from.
//!
//! Part of `infer`; may use `text`.

use serde::{Deserialize, Serialize};

use crate::text::printable;

/// The sources of a model whose weights another program trained: each thing that the model holds, and what said it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelOrigin {
    /// The files of weights by name, and the SHA-256 of each in hexadecimal digits.
    pub weights: Vec<(String, String)>,
    /// What they are: `a checkpoint of PyTorch`, with the way to the tensors within it.
    pub form: String,
    /// The file of the graph, the map of names, and the card that said how images are prepared.
    pub graph: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    pub card: String,
}

impl std::fmt::Display for ModelOrigin {
    /// `model.pth, a checkpoint of PyTorch; graph meshnet.ron, names by meshnet.map, card mindgrab.ron`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: Vec<String> = self.weights.iter().map(|(file, _)| printable(file)).collect();
        // Word by word: what is printable is also cut where it is long.
        let graph: Vec<String> = self.graph.split(' ').map(printable).collect();
        write!(f, "{}, {}; graph {}", files.join(" and "), printable(&self.form), graph.join(" "))?;
        if let Some(map) = &self.map {
            write!(f, ", names by {}", printable(map))?;
        }
        write!(f, ", card {}", printable(&self.card))
    }
}
