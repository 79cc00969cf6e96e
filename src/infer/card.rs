//! What a checkpoint says beside its weights: how images must be prepared, what the labels mean, how it was trained.
//!
//! Part of `infer`; may use `text` and `volume`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::text::{Code, Diagnostic, Result};
use crate::volume::Normalise;

/// The metadata of a trained network. Every field is one entry of the checkpoint's metadata, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// What each input channel holds, in order.
    pub modalities: Vec<String>,
    /// Value in label files and name of every class; a class index is a place in this list.
    pub labels: Vec<(u8, String)>,
    /// How intensities are brought to the scale the network was trained on.
    pub normalise: Normalise,
    /// `[D, H, W]` of the training patches, in voxels.
    pub patch: [usize; 3],
    /// Overlap of the windows at prediction.
    pub overlap: f64,
    /// Epochs trained, from 1.
    pub epoch: usize,
    /// Mean Dice on the validation cases after that epoch, 0 to 1; absent where none was computed.
    pub validation_dice: Option<f64>,
    /// The seed of the run.
    pub seed: u64,
}

impl Card {
    /// The entries for a checkpoint's metadata.
    pub fn entries(&self) -> BTreeMap<String, String> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(k, v)| (k, v.to_string())).collect(),
            // A struct of plain values is always an object.
            _ => BTreeMap::new(),
        }
    }

    /// Reads the entries of a checkpoint; entries of others are left alone.
    ///
    /// # Errors
    /// E0801 naming the entry that is missing or has the wrong form.
    pub fn from_entries(path: &Path, entries: &BTreeMap<String, String>) -> Result<Self> {
        let refuse = |why: String| {
            Diagnostic::error(Code::E0801, format!("`{}` does not say how images are prepared for it: {why}", path.display()))
                .help("use a checkpoint written by `lmsc train` (best.safetensors or last.safetensors of a run folder)")
        };
        let fields: serde_json::Map<String, serde_json::Value> =
            entries.iter().filter_map(|(k, v)| Some((k.clone(), serde_json::from_str(v).ok()?))).collect();
        let card: Self = serde_json::from_value(serde_json::Value::Object(fields)).map_err(|e| refuse(e.to_string()))?;
        if card.patch.contains(&0) || !(0.0..1.0).contains(&card.overlap) {
            return Err(refuse(format!("its patch is {:?} and its overlap {}", card.patch, card.overlap)).into());
        }
        Ok(card)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            modalities: vec!["MRI \"T1\"".into()],
            labels: vec![(0, "background".into()), (2, "Anterior".into())],
            normalise: Normalise::default(),
            patch: [32, 64, 48],
            overlap: 0.5,
            epoch: 7,
            validation_dice: Some(0.8125),
            seed: u64::MAX,
        }
    }

    #[test]
    fn entries_and_back() {
        let mut entries = card().entries();
        assert_eq!(entries["labels"], r#"[[0,"background"],[2,"Anterior"]]"#);
        entries.insert("graph".into(), "(nodes: {})".into());
        assert_eq!(Card::from_entries(Path::new("m"), &entries).unwrap(), card());
    }

    #[test]
    fn what_is_missing_is_named() {
        for gone in ["patch", "labels", "normalise"] {
            let mut entries = card().entries();
            entries.remove(gone);
            let e = Card::from_entries(Path::new("m.safetensors"), &entries).unwrap_err();
            assert!(e.0[0].message.contains(gone) && e.0[0].code == Code::E0801, "{e:?}");
        }
        let mut entries = card().entries();
        entries.insert("patch".into(), "[0,1,1]".into());
        assert!(Card::from_entries(Path::new("m"), &entries).is_err());
    }
}
