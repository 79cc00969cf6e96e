//! What a checkpoint says beside its weights: how images must be prepared, what the labels mean, how it was trained.
//!
//! Part of `infer`; may use `data`, `metric`, `text` and `volume`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use ndarray::{Array3, ArrayView4};

use super::nnunet::Nnunet;
use super::pipeline::{Decision, Pipeline};
use super::window::argmax;
use super::{ModelOrigin, OutputActivation, Postprocess, Regions};
use crate::data::{CANONICAL, Preprocess, Spacing};
use crate::metric::Region;
use crate::text::{Code, Diagnostic, Result, several};
use crate::volume::{Class, Colour, MOST_VALUES, Normalise, Orientation, colours};

/// The metadata of a trained network. Every field is one entry of the checkpoint's metadata, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// What each input channel holds, in order.
    pub modalities: Vec<String>,
    /// Value in label files and name of every class; a class index is a place in this list.
    pub labels: Vec<(u32, String)>,
    /// The colour of every class in pictures, in the order of `labels`.
    pub colours: Vec<Colour>,
    /// What each channel of the answer stands for where that is a region; absent where it is a class of `labels`.
    #[serde(default)]
    pub regions: Option<Regions>,
    /// How intensities are brought to the scale the network was trained on.
    pub normalise: Normalise,
    /// The axis order in which the network sees volumes: D, H, W are its k, j, i.
    #[serde(default = "canonical")]
    pub orientation: Orientation,
    /// The spacing in mm, along D, H, W of that order, to which images are brought; absent where they keep their own.
    #[serde(default)]
    pub spacing: Option<Spacing>,
    /// Whether the planes around an image that are 0 in all channels are cut away.
    #[serde(default)]
    pub crop: bool,
    /// What NaN and infinity in an image become; absent where such images are refused.
    #[serde(default)]
    pub nan: Option<f64>,
    /// What is done with the labels after the network; absent where nothing was found to help.
    #[serde(default)]
    pub postprocess: Option<Postprocess>,
    /// `[D, H, W]` of the training patches, in voxels.
    pub patch: [usize; 3],
    /// Overlap of the windows at prediction.
    pub overlap: f64,
    /// Epochs trained, from 1.
    pub epoch: usize,
    /// Mean Dice on the validation cases after that epoch, 0 to 1; absent where none was computed.
    pub validation_dice: Option<f64>,
    /// The same of each of [`Card::scored`], none of what no validation case has; empty where none was computed.
    pub class_dice: Vec<Option<f64>>,
    /// The seed of the run.
    pub seed: u64,
    /// nnU-Net's rules, of a model that it trained; `orientation`, `spacing`, `crop` and `normalise` then say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nnunet: Option<Nnunet>,
    /// Where the model came from, if another program trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ModelOrigin>,
    /// The steps of a model that sees a whole volume in one window; `orientation`, `spacing`, `crop`, `normalise`, `patch` and `overlap` then
    /// say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Pipeline>,
    /// Where the network and its weights are from, of a model that was not trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The terms under which its weights may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// What is to be cited by who uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
}

/// What stands for `normalise` in the file of a model that is prepared by other rules: no lmsc that does not know them takes it for one of its
/// own.
const OTHER_RULES: [&str; 2] = ["nnunet", "pipeline"];

fn canonical() -> Orientation {
    CANONICAL
}

impl Card {
    /// For a network that has not been trained: images as they are, nothing validated. `labels` are value and name of every class,
    /// `patch` is `[D, H, W]`.
    pub fn new(modalities: Vec<String>, labels: Vec<(u32, String)>, patch: [usize; 3]) -> Self {
        Self {
            colours: colours(&labels.iter().map(|(value, _)| *value).collect::<Vec<_>>()),
            modalities,
            labels,
            regions: None,
            normalise: Normalise::default(),
            orientation: CANONICAL,
            spacing: None,
            crop: false,
            nan: None,
            postprocess: None,
            patch,
            overlap: 0.5,
            epoch: 0,
            validation_dice: None,
            class_dice: vec![],
            seed: 0,
            nnunet: None,
            origin: None,
            pipeline: None,
            source: None,
            licence: None,
            citation: None,
        }
    }

    /// The entries for a checkpoint's metadata.
    pub fn entries(&self) -> BTreeMap<String, String> {
        let mut entries: BTreeMap<String, String> = match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(k, v)| (k, v.to_string())).collect(),
            // A struct of plain values is always an object.
            _ => BTreeMap::new(),
        };
        if let Some(rules) = OTHER_RULES.iter().find(|rules| entries.contains_key(**rules)) {
            entries.insert("normalise".into(), format!("\"{rules}\""));
        }
        entries
    }

    /// Reads the entries of a checkpoint; entries of others are left alone.
    ///
    /// # Errors
    /// E0801 naming the entry that is missing or has the wrong form.
    pub fn from_entries(path: &Path, entries: &BTreeMap<String, String>) -> Result<Self> {
        let refuse = |why: String| {
            Diagnostic::error(Code::E0801, format!("`{}` does not say how images are prepared for it: {why}", path.display()))
                .help("use a checkpoint written by `lmsc train` (best.safetensors or last.safetensors of a run folder) or by `lmsc import`")
        };
        let mut fields: serde_json::Map<String, serde_json::Value> =
            entries.iter().filter_map(|(k, v)| Some((k.clone(), serde_json::from_str(v).ok()?))).collect();
        let stands = fields.get("normalise").and_then(|n| n.as_str()).unwrap_or_default();
        if OTHER_RULES.contains(&stands) && fields.contains_key(stands) {
            fields.insert("normalise".into(), serde_json::to_value(Normalise::default()).unwrap_or_default());
        }
        let card: Self = serde_json::from_value(serde_json::Value::Object(fields)).map_err(|e| refuse(e.to_string()))?;
        match card.fault() {
            Some((_, fault)) => Err(refuse(fault).into()),
            None => Ok(card),
        }
    }

    /// What makes no sense in it: the field and why.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let count = self.labels.len();
        let twice = |at: usize| self.labels.iter().take(at).any(|(value, _)| *value == self.labels[at].0);
        if self.patch.contains(&0) || !(0.0..1.0).contains(&self.overlap) {
            Some(("patch", format!("its patch is {:?} and its overlap {}", self.patch, self.overlap)))
        } else if let Some(at) = (0..count).find(|at| twice(*at)) {
            Some(("labels", format!("two of its labels have the value {}", self.labels[at].0)))
        } else if count > MOST_VALUES {
            Some(("labels", format!("it has {count} labels, and at most {MOST_VALUES} are told apart")))
        } else if self.colours.len() != count {
            Some(("colours", format!("it has {} and {}", several(count, "label"), several(self.colours.len(), "colour"))))
        } else if let Some(fault) = self.regions.as_ref().and_then(|r| self.fault_of(r)) {
            Some(("regions", fault))
        } else if let Some(fault) = self.nnunet.as_ref().and_then(|n| n.fault(self.modalities.len(), self.patch)) {
            Some(("nnunet", fault))
        } else if let Some(fault) = self.pipeline.as_ref().and_then(|p| p.fault(count)) {
            Some(("pipeline", fault))
        } else if self.pipeline.is_some() && self.nnunet.is_some() {
            Some(("pipeline", "it has nnU-Net's rules and steps of its own".into()))
        } else if !self.class_dice.is_empty() && self.class_dice.len() != self.scored().len() {
            let what = if self.regions.is_some() { several(self.scored().len(), "region") } else { several(count, "label") };
            Some(("class_dice", format!("it has {what} and the Dice of {}", several(self.class_dice.len(), "class"))))
        } else {
            match self.preprocess().fault() {
                Some(("spacing", _)) => Some(("spacing", format!("its spacing is {} mm", self.spacing.unwrap_or_default()))),
                other => other.map(|(field, why)| (field, format!("its `{field}`: {why}"))),
            }
        }
    }

    /// How images are prepared for the network.
    pub fn preprocess(&self) -> Preprocess {
        Preprocess { normalise: self.normalise, orientation: self.orientation, spacing: self.spacing, crop: self.crop, nan: self.nan }
    }

    fn fault_of(&self, regions: &Regions) -> Option<String> {
        let known = |value: &u32| self.labels.iter().any(|(own, _)| own == value);
        let unknown = regions.channels.iter().flat_map(|r| &r.values).find(|v| !known(v));
        regions.fault().or(unknown.map(|v| format!("its regions have the value {v}, which is none of its labels")))
    }

    /// Channels of the network's answer; of one whose channel is held against a threshold as many as there are up to it, perhaps of more.
    pub fn channels(&self) -> usize {
        match (&self.regions, self.decision()) {
            (Some(regions), _) => regions.channels.len(),
            (None, Decision::Argmax) => self.labels.len(),
            (None, Decision::Softmax { channel, .. } | Decision::Sigmoid { channel, .. }) => channel.saturating_add(1),
        }
    }

    /// Whether a network's answer of so many channels is what the card describes.
    pub fn takes(&self, channels: usize) -> bool {
        let own = self.channels();
        if self.decision() == Decision::Argmax || self.regions.is_some() { channels == own } else { channels >= own }
    }

    /// How the network's answer becomes labels.
    fn decision(&self) -> Decision {
        self.pipeline.as_ref().map_or(Decision::Argmax, |p| p.decision)
    }

    /// How the network's answer becomes probabilities.
    pub fn answer(&self) -> OutputActivation {
        let sigmoid = self.regions.is_some() || matches!(self.decision(), Decision::Sigmoid { .. });
        if sigmoid { OutputActivation::Regions } else { OutputActivation::Classes }
    }

    /// What is scored, in label values: the regions, or every class but the background.
    pub fn scored(&self) -> Vec<Region> {
        match &self.regions {
            Some(regions) => regions.channels.clone(),
            None => self.labels.iter().skip(1).map(|(value, name)| Region { name: name.clone(), values: vec![*value] }).collect(),
        }
    }

    /// The class of every voxel `[d, h, w]`, a place in `labels`, from its probabilities `[K, d, h, w]`: the most probable one, or the one
    /// that the regions paint.
    pub fn decide(&self, probabilities: ArrayView4<f32>) -> Array3<u8> {
        match &self.regions {
            Some(regions) => regions.classes(probabilities, &self.values()),
            None => argmax(probabilities),
        }
    }

    /// The value in label files of every class.
    pub fn values(&self) -> Vec<u32> {
        self.labels.iter().map(|(value, _)| *value).collect()
    }

    /// Every class with its name and colour, for pictures of maps that hold classes.
    pub fn classes(&self) -> Vec<Class> {
        let all = (0..=u8::MAX).zip(&self.labels).zip(&self.colours);
        all.map(|((place, (value, name)), colour)| Class { value: *value, place, name: name.clone(), colour: *colour }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            modalities: vec!["MRI \"T1\"".into()],
            labels: vec![(0, "background".into()), (1002, "Anterior".into())],
            colours: vec![Colour::of(0), Colour([255, 0, 16])],
            regions: None,
            normalise: Normalise::default(),
            orientation: CANONICAL,
            spacing: Some([3.0, 0.5, 0.5].into()),
            crop: true,
            nan: Some(0.0),
            postprocess: Some(Postprocess { largest: vec![1002], ..Postprocess::default() }),
            patch: [32, 64, 48],
            overlap: 0.5,
            epoch: 7,
            validation_dice: Some(0.8125),
            class_dice: vec![Some(0.8125)],
            seed: u64::MAX,
            nnunet: None,
            origin: None,
            pipeline: None,
            source: None,
            licence: None,
            citation: None,
        }
    }

    #[test]
    fn entries_and_back() {
        let mut entries = card().entries();
        assert_eq!(entries["labels"], r#"[[0,"background"],[1002,"Anterior"]]"#);
        assert_eq!(entries["colours"], r##"["#000000","#ff0010"]"##);
        entries.insert("graph".into(), "(nodes: {})".into());
        assert_eq!(Card::from_entries(Path::new("m"), &entries).unwrap(), card());
    }

    #[test]
    fn regions_are_entries_too_and_are_scored_instead_of_labels() {
        let labels = vec![(0, "background".into()), (1, "core".into()), (2, "oedema".into())];
        let region = |name: &str, values: &[u32]| Region { name: name.into(), values: values.to_vec() };
        let regions = Regions::new(vec![region("whole", &[1, 2]), region("core", &[1])], None).unwrap();
        let card = Card { regions: Some(regions), class_dice: vec![Some(0.5), None], ..Card::new(vec!["t1".into()], labels, [8; 3]) };
        assert_eq!(Card::from_entries(Path::new("m"), &card.entries()).unwrap(), card);
        assert_eq!((card.channels(), card.scored()), (2, vec![region("whole", &[1, 2]), region("core", &[1])]));
        let plain = Card { regions: None, ..card.clone() };
        assert_eq!((plain.channels(), plain.scored()), (3, vec![region("core", &[1]), region("oedema", &[2])]));
        let short = Card { class_dice: vec![Some(0.5)], ..card };
        let e = Card::from_entries(Path::new("m"), &short.entries()).unwrap_err();
        assert!(e.0[0].message.contains("2 regions and the Dice of 1 class"), "{e:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        for gone in ["patch", "labels", "normalise"] {
            let mut entries = card().entries();
            entries.remove(gone);
            let e = Card::from_entries(Path::new("m.safetensors"), &entries).unwrap_err();
            assert!(e.0[0].message.contains(gone) && e.0[0].code == Code::E0801, "{e:?}");
        }
        for (name, value, words) in [
            ("patch", "[0,1,1]", "its patch is [0, 1, 1]"),
            ("overlap", "1", "its overlap 1"),
            ("labels", r#"[[2,"a"],[2,"b"]]"#, "two of its labels have the value 2"),
            ("labels", r#"[[0,"a"]]"#, "1 label and 2 colours"),
            ("labels", r#"[[4294967296,"a"],[2,"b"]]"#, "4294967296"),
            ("colours", r##"["#000000","red"]"##, "`red` is no colour"),
            ("spacing", "[1.0,0.0,1.0]", "its spacing is [1.0, 0.0, 1.0] mm"),
            ("spacing", "[1.0,-2.0,1.0]", "its spacing is [1.0, -2.0, 1.0] mm"),
            ("normalise", r#"{"Percentiles":{"low":99,"high":1}}"#, "its `normalise`: percentiles"),
            ("orientation", "\"RAR\"", "RAR"),
            ("class_dice", "[0.5,0.5]", "2 labels and the Dice of 2 classes"),
            (
                "regions",
                r#"{"channels":[{"name":"all","values":[3,1002]}],"paint":[[0,1002]]}"#,
                "the value 3, which is none of its labels",
            ),
            ("regions", r#"{"channels":[{"name":"all","values":[1002]}],"paint":[[0,0]]}"#, "`all` has no label 0"),
            ("regions", r#"{"channels":[{"name":"all","values":[1002]}],"paint":[[1,1002]]}"#, "not every region is painted once"),
            ("regions", r#"{"channels":[],"paint":[]}"#, "no regions"),
            ("regions", r#"{"channels":[{"name":"all","values":[2]}]}"#, "paint"),
        ] {
            let mut entries = card().entries();
            entries.insert(name.into(), value.into());
            let e = Card::from_entries(Path::new("m"), &entries).unwrap_err();
            assert!(e.0[0].message.contains(words), "{e:?}");
        }
        let mut entries = card().entries();
        entries.retain(|name, _| !["orientation", "spacing", "crop", "nan", "postprocess", "regions"].contains(&name.as_str()));
        let plain = Card { spacing: None, crop: false, nan: None, postprocess: None, ..card() };
        assert_eq!(Card::from_entries(Path::new("m"), &entries).unwrap(), plain, "images keep their spacing, labels what they are");
    }
}
