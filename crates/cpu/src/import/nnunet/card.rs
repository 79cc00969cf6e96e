//! What the card of an imported model says: nnU-Net's plans in the words of `infer`.
//!
//! Part of `import::nnunet`; may use `infer` and `text`.

use std::path::Path;

use super::dataset::DatasetJson;
use super::folder::Fold;
use super::plans::{Arguments, Configuration, Plans};
use super::weights::About;
use super::{Choice, refused};
use crate::data::Spacing;
use crate::infer::nnunet::{Nnunet, Resampling, Scheme, Source, VolumeReader};
use crate::infer::{Card, Flips};
use crate::text::{Result, printable, reason};

/// The part of a patch that tiles lie apart, in nnU-Net's prediction.
const STEP: f64 = 0.5;

/// The card of a model.
///
/// # Errors
/// E0804 for a reader, a normalisation or numbers that are not known.
pub fn card(plans: &Plans, c: &Configuration, dataset: &DatasetJson, about: &About, folds: &[Fold], choice: &Choice) -> Result<Card> {
    let patch = match c.patch_size[..] {
        [h, w] => [1, h, w],
        [d, h, w] => [d, h, w],
        _ => return Err(plans.refuse(format!("`{}` has no patch", printable(&c.name)), "look at its plans").into()),
    };
    let spacing = match c.spacing[..] {
        [h, w] => Spacing([None, Some(h), Some(w)]),
        [d, h, w] => Spacing([d, h, w].map(Some)),
        _ => return Err(plans.refuse(format!("`{}` has no spacing", printable(&c.name)), "look at its plans").into()),
    };
    let nnunet = Nnunet {
        configuration: c.name.clone(),
        reader: reader(plans)?,
        transpose: plans.transpose,
        spacing,
        normalise: schemes(plans, c, dataset.channels.len())?,
        image: resampling(c.resampling_fn_data_kwargs),
        logits: resampling(c.resampling_fn_probabilities_kwargs),
        mirror: mirror(plans, about, patch.len() - c.patch_size.len())?,
        source: Source {
            dataset: plans.dataset.clone(),
            plans: plans.name.clone(),
            trainer: about.trainer.clone(),
            checkpoint: choice.checkpoint.to_string(),
            folds: folds.iter().map(|f| f.name.clone()).collect(),
            files: hashes(plans, folds)?,
            licence: choice.licence.clone().or_else(|| dataset.licence.clone()),
        },
    };
    let mut card = Card::new(dataset.channels.clone(), dataset.labels.clone(), patch);
    card.regions = dataset.regions.clone();
    card.overlap = 1.0 - STEP;
    if let Some(fault) = nnunet.fault(card.modalities.len(), patch) {
        return Err(plans.refuse(fault, "there is no way round that").into());
    }
    card.nnunet = Some(nnunet);
    Ok(card)
}

fn reader(plans: &Plans) -> Result<VolumeReader> {
    serde_json::from_value(plans.reader.clone().into()).map_err(|_| {
        let message = format!("it reads images by `{}`, and only NIfTI is read here", printable(&plans.reader));
        plans.refuse(message, "known are SimpleITKIO and NibabelIO, each also WithReorient").into()
    })
}

fn schemes(plans: &Plans, c: &Configuration, channels: usize) -> Result<Vec<Scheme>> {
    if c.normalization_schemes.len() != channels || c.use_mask_for_norm.len() != channels {
        let (schemes, masks) = (c.normalization_schemes.len(), c.use_mask_for_norm.len());
        let message = format!("dataset.json names {channels} channels, and the plans have {schemes} normalisations and {masks} masks");
        return Err(plans.refuse(message, "look whether the two files belong together").into());
    }
    let one = |(n, (name, masked)): (usize, (&String, &bool))| {
        Ok(match name.as_str() {
            "ZScoreNormalization" => Scheme::ZScore { masked: *masked },
            "CTNormalization" => {
                let Some(p) = plans.intensities.get(&n.to_string()) else {
                    let message = format!("it has no `foreground_intensity_properties_per_channel` of channel {n}");
                    return Err(plans.refuse(message, "take it from the model's source again").into());
                };
                Scheme::Ct { low: p.percentile_00_5, high: p.percentile_99_5, mean: p.mean, deviation: p.std }
            }
            "RescaleTo01Normalization" => Scheme::RescaleTo01,
            "RGBTo01Normalization" => Scheme::RgbTo01,
            "NoNormalization" => Scheme::None,
            other => {
                let message = format!("channel {n} is normalised by `{}`, which is not nnU-Net's own", printable(other));
                let known =
                    "known are ZScoreNormalization, CTNormalization, RescaleTo01Normalization, RGBTo01Normalization, NoNormalization";
                return Err(plans.refuse(message, known).into());
            }
        })
    };
    c.normalization_schemes.iter().zip(&c.use_mask_for_norm).enumerate().map(one).collect()
}

fn resampling(by: Arguments) -> Resampling {
    Resampling { order: by.order, order_across: by.order_z, separate: by.force_separate_z }
}

/// The axes of mirror images; those of a 2D network are H and W.
fn mirror(plans: &Plans, about: &About, before: usize) -> Result<Flips> {
    let mut axes = [false; 3];
    for axis in &about.mirror {
        match axes.get_mut(axis + before) {
            Some(on) => *on = true,
            None => return Err(plans.refuse(format!("the checkpoint mirrors along an axis {axis}"), "look at the checkpoint").into()),
        }
    }
    Ok(Flips::new(axes))
}

/// The BLAKE3 hash of every file that was read.
fn hashes(plans: &Plans, folds: &[Fold]) -> Result<Vec<(String, String)>> {
    let dataset = plans.path.with_file_name("dataset.json");
    let files = [("plans.json", plans.path.as_path()), ("dataset.json", &dataset)];
    let all = files.into_iter().chain(folds.iter().map(|f| (f.place.as_str(), f.file.as_path())));
    all.map(|(place, file)| Ok((place.to_owned(), hash(file)?))).collect()
}

fn hash(file: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let read = std::fs::File::open(file).and_then(|f| hasher.update_reader(f).map(|_| ()));
    read.map_err(|e| refused(format!("cannot read `{}`: {}", file.display(), reason(&e))).help("check the path and its permissions"))?;
    Ok(hasher.finalize().to_hex().to_string())
}
