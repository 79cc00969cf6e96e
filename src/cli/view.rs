//! `lmsc view`: an image and its segmentation to look at, as a page for a browser or as a picture.
//!
//! May use `data`, `infer`, `net`, `train` (names of checkpoints), `volume` and `text`.

use std::path::{Path, PathBuf};

use ndarray::{ArrayView3, Axis};

use super::output::Overwrite;
use super::{complain, print};
use crate::data::{Labels, NotFinite, on_one_list, read_image, read_labels, split_files};
use crate::infer::{BEST, Card};
use crate::store;
use crate::text::{Code, Diagnostic, Diagnostics, Form, Result, several};
use crate::volume::overlay::{self, Overlay, Slices};
use crate::volume::viewer::{self, Viewer};
use crate::volume::{Class, Volume, case_name, colours};

/// The most voxels in a page if --limit does not say, MiB.
const LIMIT: u64 = 64;

/// Look at an image and its segmentation
///
/// Writes one page that needs no network and no program but a browser: three planes with sliders, zoom, cross-hair, window and level, the classes with
/// their colours, the place in mm and the value under the pointer. The segmentation is filled, the reference a pale outline; instead of both the
/// page shows on request where the segmentation is right and wrong. Or a picture for a paper: three planes through what is labelled, columns for the
/// image, the reference and the segmentation, a legend and a scale bar.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc view case1.nii.gz --labels predictions/case1.nii.gz --out case1.html
      a page; open it in a browser, send it by mail

  lmsc view t1.nii.gz,t2.nii.gz --labels seg.nii.gz --reference expert.nii.gz --model runs/brats --out case1.html
      several channels to choose from; names and colours of the classes from the model

  lmsc view case1.nii.gz --labels seg.nii.gz --reference expert.nii.gz --out case1.png --each-class
      a picture with three planes for each class

  lmsc view case1.nii.gz --labels seg.nii.gz --reference expert.nii.gz --out case1.png --errors
      a picture with a column of true positives, false positives and false negatives

  lmsc view ct.nii.gz --out ct.html --limit 8
      at most 8 MiB of voxels: coarser, and the page says so")]
pub struct Args {
    /// An image (.nii, .nii.gz), or the files of its channels joined by commas
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Its segmentation (prediction), on the same grid
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Its labels by hand, on the same grid
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,
    /// A checkpoint (.safetensors) or a run folder that names the classes, their colours and the channels
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// What to write: a page (.html) or a picture (.png)
    #[arg(long, value_name = "FILE", value_parser = output)]
    pub out: PathBuf,
    /// The most voxels in a page, in MiB before compression [default: 64]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub limit: Option<u64>,
    /// The channel in a picture, from 0 [default: 0]
    #[arg(long, value_name = "N")]
    pub channel: Option<usize>,
    /// In a picture, three planes for each class, not three in all
    #[arg(long)]
    pub each_class: bool,
    /// Show what is right and wrong of the segmentation: a column of its own in a picture; what a page begins with
    #[arg(long, requires = "labels", requires = "reference")]
    pub errors: bool,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// A path with one of the endings that are written.
fn output(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if page(&path) || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        Ok(path)
    } else {
        Err("its name must end in .html (a page) or .png (a picture)".into())
    }
}

fn page(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm"))
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with a file; E0703 when the files do not lie on one grid; E0603 when the result cannot be written.
pub fn run(args: Args) -> Result<()> {
    fits(&args)?;
    let files = split_files(&args.image);
    let form = if page(&args.out) { Form::Html } else { Form::Png };
    let mut outputs = args.overwrite.outputs("view");
    outputs.inputs(&files);
    outputs.inputs(args.labels.iter().chain(&args.reference));
    outputs.inputs(args.model.iter().flat_map(|m| [m.clone(), m.join(BEST)]));
    outputs.claim(&args.out, form)?;
    let mut found = Diagnostics::default();
    let image = found.keep(read_image(&files, NotFinite::Kept));
    let card = args.model.as_deref().and_then(|m| found.keep(card(m)));
    let [mut labels, mut reference] =
        [&args.labels, &args.reference].map(|f| f.as_deref().and_then(|f| found.keep(map(f, image.as_ref().map(|i| &i.volume), &files))));
    let Some(image) = image.filter(|_| !found.has_errors()) else { return Err(found) };
    let maps = || labels.iter().chain(&reference);
    let mut doubts = Diagnostics(image.warnings);
    maps().for_each(|m| doubts.0.extend(m.warnings.clone()));
    complain(&doubts.gathered());
    let image = image.volume;
    let values = on_one_list(&mut labels.iter_mut().chain(&mut reference).collect::<Vec<_>>())?;

    let first = files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let title = case_name(first).unwrap_or_else(|| first.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let classes = classes(card.as_ref(), &values, labels.iter().chain(&reference));
    if page(&args.out) {
        let channels = channels(card.as_ref(), &files, &image);
        let named = [("prediction", &labels), ("reference", &reference)];
        let layers: Vec<(&str, ArrayView3<u8>)> = named.iter().filter_map(|(name, l)| Some((*name, l.as_ref()?.data.view()))).collect();
        let what = Viewer {
            title: &title,
            image: &image,
            channels: &channels,
            layers: &layers,
            classes: &classes,
            errors: args.errors,
            limit: args.limit.unwrap_or(LIMIT) << 20,
        };
        outputs.write(&args.out, form, &viewer::html(&what)?)?;
    } else {
        let count = image.data.dim().0;
        let channel = args.channel.unwrap_or(0);
        if channel >= count {
            let message = format!("`{}` has {}, so there is none of number {channel}", args.image, several(count, "channel"));
            return Err(Diagnostic::error(Code::E0703, message).help(format!("give --channel 0 to {}", count.saturating_sub(1))).into());
        }
        let slices = if args.each_class { Slices::EachClass } else { Slices::Foreground };
        let [prediction, reference] = [&labels, &reference].map(|l| l.as_ref().map(|l| l.data.view()));
        let channel = image.data.index_axis(Axis(0), channel);
        overlay::write(
            &args.out,
            &Overlay {
                title: &title,
                image: channel,
                reference,
                prediction,
                affine: image.affine,
                classes: &classes,
                slices,
                errors: args.errors,
            },
        )?;
    }
    let size = std::fs::metadata(&args.out).map(|m| m.len()).unwrap_or_default();
    print(&format!("{} ({:.1} MiB)\n", args.out.display(), size as f64 / f64::from(1 << 20)));
    Ok(())
}

/// That no option was given which what is written has no use for.
fn fits(args: &Args) -> Result<()> {
    let page = page(&args.out);
    let given =
        [("--limit", args.limit.is_some(), true), ("--channel", args.channel.is_some(), false), ("--each-class", args.each_class, false)];
    match given.into_iter().find(|(_, given, of_page)| *given && *of_page != page) {
        None => Ok(()),
        Some((option, _, of_page)) => {
            let (has, lacks) = if of_page { ("a page (.html)", "a picture") } else { ("a picture (.png)", "a page") };
            let message = format!("{option} is for {has}, and `{}` is {lacks}", args.out.display());
            Err(Diagnostic::error(Code::E0601, message).help("leave it out, or write the other kind").into())
        }
    }
}

/// The card of a checkpoint or of the best one of a run folder.
fn card(model: &Path) -> Result<Card> {
    let path = if model.is_dir() { model.join(BEST) } else { model.to_owned() };
    Card::from_entries(&path, &store::read_store(&path)?.metadata)
}

/// The classes of maps whose bytes are places in `values`: those of the model, and what occurs beside them, called by its value.
fn classes<'a>(card: Option<&Card>, values: &[u32], maps: impl Iterator<Item = &'a Labels>) -> Vec<Class> {
    let known = card.map(Card::classes).unwrap_or_default();
    let mut seen: Vec<u32> = maps.flat_map(Labels::used).filter(|v| *v > 0 && !known.iter().any(|c| c.value == *v)).collect();
    seen.sort_unstable();
    seen.dedup();
    let of_seen = seen.iter().zip(colours(&seen)).map(|(value, colour)| Class { value: *value, place: 0, name: value.to_string(), colour });
    let place = |c: Class| {
        let at = values.iter().position(|v| *v == c.value)?;
        Some(Class { place: u8::try_from(at).ok()?, ..c })
    };
    known.into_iter().chain(of_seen).filter_map(place).collect()
}

/// A label map that lies on the image's grid.
fn map(path: &Path, image: Option<&Volume>, files: &[PathBuf]) -> Result<Labels> {
    let labels = read_labels(path, None)?;
    let Some(image) = image else { return Ok(labels) };
    let labels = labels.along(&image.grid()).0;
    let grid = labels.grid();
    // Headers differ by rounding in many a good data set; half a voxel is another place.
    let tolerance = image.spacing.iter().copied().fold(f64::INFINITY, f64::min) / 2.0;
    if image.grid().is_near(&grid, tolerance) {
        return Ok(labels);
    }
    let name = files.first().map(|f| f.display().to_string()).unwrap_or_default();
    let how = image.grid().differences(&grid);
    let message = format!("`{name}` and `{}` are not on one grid: {how}", path.display());
    Err(Diagnostic::error(Code::E0703, message).help("resample the labels to the image's grid").into())
}

/// What the channels of an image are called: as the model calls them, or as their files.
fn channels(card: Option<&Card>, files: &[PathBuf], image: &Volume) -> Vec<String> {
    let count = image.data.dim().0;
    match card.map(|c| &c.modalities).filter(|m| m.len() == count) {
        Some(modalities) => modalities.clone(),
        None if files.len() == count => files.iter().filter_map(|f| case_name(f)).collect(),
        None => vec![],
    }
}
