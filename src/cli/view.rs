//! `lmsc view`: an image and its segmentation to look at, as a page for a browser or as a picture.
//!
//! May use `predict` (names of cases), `data`, `infer`, `net`, `train` (names of checkpoints), `volume` and `text`.

use std::path::{Path, PathBuf};

use ndarray::{Array3, ArrayView3, Axis};

use super::predict::case_name;
use super::print;
use crate::data::{read_image, read_labels};
use crate::infer::{BEST, Card};
use crate::store;
use crate::text::{Code, Diagnostic, Diagnostics, Result, write_text};
use crate::volume::overlay::{self, Overlay, Slices};
use crate::volume::viewer::{self, Viewer};
use crate::volume::{Class, Grid, Volume};

/// The most voxels in a page if --limit does not say, MiB.
const LIMIT: u64 = 64;

/// Look at an image and its segmentation
///
/// Writes one page that needs no network and no program but a browser: three planes with sliders, cross-hair, window and level, the classes with
/// their colours, the place in mm and the value under the pointer. Or a picture for a paper: three planes through what is labelled, columns for the
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
    let files: Vec<PathBuf> = match Path::new(&args.image) {
        // A file may have a comma in its name.
        one if one.exists() || !args.image.contains(',') => vec![one.to_owned()],
        _ => args.image.split(',').map(PathBuf::from).collect(),
    };
    let mut found = Diagnostics::default();
    let image = found.keep(read_image(&files));
    let card = args.model.as_deref().and_then(|m| found.keep(card(m)));
    let [labels, reference] =
        [&args.labels, &args.reference].map(|f| f.as_deref().and_then(|f| found.keep(map(f, image.as_ref(), &files))));
    let Some(image) = image.filter(|_| !found.has_errors()) else { return Err(found) };

    let first = files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let title = case_name(first).unwrap_or_else(|| first.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let classes: Vec<Class> = card.as_ref().map(Card::classes).unwrap_or_default();
    if page(&args.out) {
        let channels = channels(card.as_ref(), &files, &image);
        let named = [("prediction", &labels), ("reference", &reference)];
        let layers: Vec<(&str, ArrayView3<u8>)> = named.iter().filter_map(|(name, l)| Some((*name, l.as_ref()?.view()))).collect();
        let what = Viewer {
            title: &title,
            image: &image,
            channels: &channels,
            layers: &layers,
            classes: &classes,
            limit: args.limit.unwrap_or(LIMIT) << 20,
        };
        write_text(&args.out, &viewer::html(&what)?)?;
    } else {
        let count = image.data.dim().0;
        let channel = args.channel.unwrap_or(0);
        if channel >= count {
            let message = format!("`{}` has {count} channels, so there is none of number {channel}", args.image);
            return Err(Diagnostic::error(Code::E0703, message).help(format!("give --channel 0 to {}", count.saturating_sub(1))).into());
        }
        let slices = if args.each_class { Slices::EachClass } else { Slices::Foreground };
        let [prediction, reference] = [&labels, &reference].map(|l| l.as_ref().map(|l| l.view()));
        let channel = image.data.index_axis(Axis(0), channel);
        overlay::write(
            &args.out,
            &Overlay { title: &title, image: channel, reference, prediction, affine: image.affine, classes: &classes, slices },
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

/// A label map that lies on the image's grid.
fn map(path: &Path, image: Option<&Volume>, files: &[PathBuf]) -> Result<Array3<u8>> {
    let labels = read_labels(path, None)?;
    let Some(image) = image else { return Ok(labels.data) };
    let grid = Grid { size: labels.data.dim().into(), affine: labels.affine };
    // Headers differ by rounding in many a good data set; half a voxel is another place.
    let tolerance = image.spacing.iter().copied().fold(f64::INFINITY, f64::min) / 2.0;
    if image.grid().is_near(&grid, tolerance) {
        return Ok(labels.data);
    }
    let shown = |[d, h, w]: [usize; 3]| format!("{w}x{h}x{d} voxels");
    let name = files.first().map(|f| f.display().to_string()).unwrap_or_default();
    let how = if grid.size == image.size() {
        "they have as many voxels, but lie elsewhere".to_owned()
    } else {
        format!("{} and {}", shown(image.size()), shown(grid.size))
    };
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
