//! From image files to a segmentation on their grid.
//!
//! Part of `infer`; may use `data`, `volume` and `text`.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, Array5, ArrayView3, ArrayView4, ArrayView5, Axis, s};

use super::need::Need;
use super::nnunet::{self, Nnunet};
use super::pipeline;
use super::postprocess::Postprocess;
use super::prepare::Prepared;
use super::restore::Restore;
use super::window::Windows;
use super::{Card, Flips, Model};
use crate::data;
use crate::text::{Code, Diagnostic, Result, several};
use crate::volume::overlay::{self, Overlay, Slices};
use crate::volume::{self, Class, Grid, Volume, read_grid, read_header, reorient, turned};

/// How to predict.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Mirror images over which to average; `None` for what the model says, which is none unless nnU-Net trained it.
    pub flips: Option<Flips>,
    /// Whether to keep the probabilities of the whole volume.
    pub probabilities: bool,
    /// What to do with the labels; `None` for what the model says.
    pub postprocess: Option<Postprocess>,
    /// Windows that pass through the network at once, 1 or more.
    pub batch: usize,
    /// Whether to round to float16 where nnU-Net does; of models with its rules alone.
    pub exact: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { flips: None, probabilities: false, postprocess: None, batch: 1, exact: false }
    }
}

/// An image and what the network sees in it.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The image as read, all modalities, before normalisation.
    pub image: Volume,
    /// `[D, H, W]`, on the image's grid: classes, places in `classes`.
    pub labels: Array3<u8>,
    /// `[K, D, H, W]`, on the image's grid, before any postprocessing; if they were asked for.
    pub probabilities: Option<Array4<f32>>,
    /// Every class with its name and colour.
    pub classes: Vec<Class>,
    /// Windows that lay on the volume.
    pub windows: usize,
    /// Voxels that postprocessing set to the background.
    pub cleared: u64,
    /// Doubts about the image, and voxels that were not finite.
    pub warnings: Vec<Diagnostic>,
}

impl Prediction {
    /// Writes the labels, values as in the label files of the training data, as NIfTI on the image's own grid (extents, spacing, affine, codes).
    /// Gzip if the name ends in `.gz`.
    ///
    /// # Errors
    /// E0603 when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let values: Vec<u32> = self.classes.iter().map(|c| c.value).collect();
        Ok(volume::write_places(path, &self.labels, &values, &self.image.header)?)
    }

    /// Writes the probabilities as 4-D NIfTI of float32 on the image's own grid, one channel for each class or region; nothing where none were kept.
    ///
    /// # Errors
    /// E0603 when the file cannot be written.
    pub fn write_probabilities(&self, path: &Path) -> Result<()> {
        self.probabilities.as_ref().map_or(Ok(()), |p| Ok(volume::write_image(path, p, &self.image.header)?))
    }

    /// Writes a PNG: planes of the first modality, alone, with `reference` (classes, if there is one on the same grid) and with the labels.
    ///
    /// # Errors
    /// E0603 when the file cannot be written, E0703 when the reference has another shape.
    pub fn picture(&self, path: &Path, title: &str, reference: Option<ArrayView3<u8>>) -> Result<()> {
        let image = self.image.data.index_axis(Axis(0), 0);
        Ok(overlay::write(
            path,
            &Overlay {
                title,
                image,
                reference,
                prediction: Some(self.labels.view()),
                affine: self.image.affine,
                classes: &self.classes,
                slices: Slices::Foreground,
                errors: false,
            },
        )?)
    }

    /// The volume of each class in ml, in the order of [`Prediction::classes`].
    pub fn volumes_ml(&self) -> Vec<f64> {
        let mut count = [0u64; 256];
        self.labels.iter().for_each(|l| count[usize::from(*l)] += 1);
        let mm3 = self.image.spacing.iter().product::<f64>();
        self.classes.iter().map(|c| count[usize::from(c.place)] as f64 * mm3 / 1000.0).collect()
    }
}

/// One model or several of one configuration, whose probabilities are averaged.
#[derive(Clone, Debug)]
pub struct Predictor {
    first: Model,
    others: Vec<Model>,
    options: Options,
}

impl Predictor {
    pub fn new(model: Model, options: Options) -> Self {
        Self { first: model, others: vec![], options }
    }

    /// Adds the model that was read from `path`.
    ///
    /// # Errors
    /// E0802 when it was trained for other modalities or labels, or sees images in another way.
    pub fn with(mut self, path: &Path, model: Model) -> Result<Self> {
        let (a, b) = (self.card(), model.card());
        let differs = [
            ("modalities", a.modalities != b.modalities),
            ("labels", a.labels != b.labels),
            ("regions", a.regions != b.regions),
            ("normalisation", a.normalise != b.normalise),
            ("axis order", a.orientation != b.orientation),
            ("spacing", a.spacing != b.spacing),
            ("cropping", a.crop != b.crop),
            ("rule for NaN", a.nan != b.nan),
            ("patch", a.patch != b.patch),
            ("rules of nnU-Net", !alike(a.nnunet.as_ref(), b.nnunet.as_ref())),
            ("steps", a.pipeline != b.pipeline),
        ];
        if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
            return Err(Diagnostic::error(Code::E0802, format!("`{}` differs from the first model in its {what}", path.display()))
                .help("only models of one configuration are averaged, for instance the folds of a cross-validation")
                .into());
        }
        self.others.push(model);
        Ok(self)
    }

    /// What the first model says of itself; the others agree in how images are prepared and in what labels mean.
    pub fn card(&self) -> &Card {
        self.first.card()
    }

    /// How often a network runs for each window.
    pub fn passes(&self) -> usize {
        self.models().map(Model::sets).sum::<usize>() * self.flips().ways().count()
    }

    /// The axes along which images are mirrored.
    pub fn flips(&self) -> Flips {
        self.options.flips.or_else(|| self.card().nnunet.as_ref().map(|n| n.mirror)).unwrap_or_default()
    }

    /// How it predicts.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The models that are averaged.
    pub(super) fn models(&self) -> impl Iterator<Item = &Model> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// What is done with the labels.
    pub fn postprocess(&self) -> Postprocess {
        self.options.postprocess.clone().or_else(|| self.card().postprocess.clone()).unwrap_or_default()
    }

    /// The memory that a case takes, from the headers of its files.
    ///
    /// # Errors
    /// E0702 for a file that cannot be read.
    pub fn need(&self, files: &[PathBuf]) -> Result<Need> {
        let mut channels = 0;
        let mut grid = None;
        for file in files {
            let (own, count) = read_grid(file)?;
            channels += count as u64;
            grid.get_or_insert(own);
        }
        let (Some(grid), Some(first)) = (grid, files.first()) else { return Ok(Need::default()) };
        match (&self.card().nnunet, &self.card().pipeline) {
            (Some(n), _) => nnunet::need(self, n, &read_header(first)?, &grid, channels),
            (None, Some(steps)) => pipeline::need(self, steps, &grid, channels),
            (None, None) => self.need_on(&grid, channels),
        }
    }

    fn need_on(&self, grid: &Grid, channels: u64) -> Result<Need> {
        // Where the image is cropped this is the most: what is in it is not known yet.
        let own = grid.reoriented(self.card().orientation);
        let other = self.card().preprocess().grid(&own)?;
        let seen = other.unwrap_or(own);
        let windows = Windows::new(seen.size, &self.first.window());
        let count = |n: [usize; 3]| n.iter().fold(1u64, |all, n| all.saturating_mul(*n as u64));
        let planes = |n: usize, grid: &Grid| count([n, grid.size[1], grid.size[2]]);
        let classes = self.first.channels() as u64;
        let depth = windows.depth();
        // The sums of the slab in f32; labels and the best value so far of planes that are finished.
        let mut slab = (4 * classes).saturating_mul(planes(depth, &seen));
        let mut finished = planes(depth, &seen);
        if other.is_some() {
            let back = planes(Restore::new(seen, own).planes(depth), &own);
            let taken = planes(depth + 2, &seen);
            slab = slab.saturating_add((4 * classes).saturating_mul(taken.saturating_add(back))).saturating_add(4 * back);
            finished = back;
        }
        let batch = self.options.batch.min(windows.layer());
        let answers = (8 * classes * batch as u64).saturating_mul(count(self.card().patch));
        let mut network = answers;
        for model in std::iter::once(&self.first).chain(&self.others) {
            network = network.saturating_add(model.bytes(batch)?);
        }
        Ok(Need {
            size: seen.size,
            windows: windows.count(),
            program: 0,
            picture: 0,
            image: (4 * channels).saturating_mul(count(own.size)).saturating_add(other.map_or(0, |g| {
                // One channel after the other is brought to the spacing, axis by axis.
                let between = count([0, 1, 2].map(|a| own.size[a].max(g.size[a])));
                (4 * channels).saturating_mul(count(g.size)).saturating_add(8 * between)
            })),
            labels: 2 * count(own.size),
            slab: slab.saturating_add(6 * finished),
            probabilities: if self.options.probabilities { (4 * classes).saturating_mul(count(own.size)) } else { 0 },
            network,
        })
    }

    /// Segments one case: one file with all modalities (4-D, or 3-D for one modality), or one 3-D file for each, in the order of
    /// the model's modalities. `tick` is called after each window.
    ///
    /// # Errors
    /// E0702 for a file that cannot be read or holds numbers that are not finite, E0703 when the files lie on different grids, E0302 when their
    /// channels are not the model's modalities.
    pub fn predict(&self, files: &[PathBuf], mut tick: impl FnMut()) -> Result<Prediction> {
        if let Some(n) = &self.card().nnunet {
            return nnunet::predict(self, n, files, tick);
        }
        if let Some(steps) = &self.card().pipeline {
            return pipeline::predict(self, steps, files, tick);
        }
        let data::Image { volume: image, warnings } = data::read_image(files, self.card().nan.into())?;
        self.fits(files, image.data.dim().0)?;
        let card = self.card();
        let (from, to) = (image.grid().orientation(), card.orientation);
        let by = card.preprocess();
        let whole = image.grid().reoriented(to);
        let channels: Vec<_> = data::channels(image.data.view()).into_iter().map(|c| turned(c, from, to)).collect();
        let extent = by.extent(&channels);
        let channels: Vec<_> = channels.into_iter().map(|c| extent.seen(c)).collect();
        let own = extent.grid(&whole);
        let other = by.grid(&own)?;
        let at_spacing = other.map(|grid| by.image(&channels, &by.scales(&channels), &own, &grid));
        let prepared = match &at_spacing {
            Some(v) => Prepared::ready(v.view()),
            None => Prepared::new(channels, card.normalise),
        };

        let classes = self.first.channels();
        let [d, h, w] = image.size();
        let mut labels = Array3::zeros(whole.size);
        let mut all = self.options.probabilities.then(|| Array4::<f32>::zeros((classes, d, h, w)));
        if extent.size != whole.size && card.regions.is_none() {
            // Outside of what is kept there is the background and no region.
            all.iter_mut().for_each(|all| all.index_axis_mut(Axis(0), 0).fill(1.0));
        }
        let mut give = |first: usize, planes: ArrayView4<f32>| {
            let range = first..first + planes.dim().1;
            extent.of(labels.view_mut()).slice_mut(s![range.clone(), .., ..]).assign(&card.decide(planes));
            for (class, kept) in planes.axis_iter(Axis(0)).zip(all.iter_mut().flat_map(|all| all.axis_iter_mut(Axis(0)))) {
                extent.of(turned(kept, from, to)).slice_mut(s![range.clone(), .., ..]).assign(&class);
            }
            Ok(())
        };
        let mut back = other.map(|grid| Restore::new(grid, own));
        let windows = Windows::new(prepared.size(), &self.first.window());
        windows.sweep(
            &prepared,
            (classes, self.options.batch),
            |patches| {
                let said = self.patches(patches);
                patches.axis_iter(Axis(0)).for_each(|_| tick());
                said
            },
            |first, planes| match &mut back {
                Some(back) => back.take(first, planes, &mut give),
                None => give(first, planes),
            },
        )?;

        let cleared = self.postprocess().apply(&mut labels, &card.values(), image.spacing.iter().product());
        let labels = reorient(labels.view(), to, from);
        Ok(Prediction { labels, probabilities: all, classes: card.classes(), windows: windows.count(), cleared, warnings, image })
    }

    /// The mean probabilities of all models and mirror images.
    fn patches(&self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        self.flips().average(patches, |patches| {
            let mut sum = self.first.patches(patches)?;
            for other in &self.others {
                sum += &other.patches(patches)?;
            }
            if !self.others.is_empty() {
                let count = 1.0 + self.others.len() as f32;
                sum.mapv_inplace(|v| v / count);
            }
            Ok(sum)
        })
    }

    pub(super) fn fits(&self, files: &[PathBuf], channels: usize) -> Result<()> {
        let wanted = &self.card().modalities;
        if channels == wanted.len() {
            return Ok(());
        }
        let what = several(channels, "channel");
        let error = format!("{} has {what}, and the model was trained on {}: {}", names(files), wanted.len(), wanted.join(", "));
        Err(Diagnostic::error(Code::E0302, error)
            .help(if wanted.len() == 1 {
                "give a 3-D image".into()
            } else {
                format!("give one 4-D file, or {} 3-D files joined by commas in that order: t1.nii.gz,t2.nii.gz,...", wanted.len())
            })
            .into())
    }
}

/// Whether two models prepare images by the same rules, whoever trained them.
fn alike(a: Option<&Nnunet>, b: Option<&Nnunet>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same_rules(b),
        (None, None) => true,
        _ => false,
    }
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|f| format!("`{}`", f.display())).collect::<Vec<_>>().join(", ")
}
