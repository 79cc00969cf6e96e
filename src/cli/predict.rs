//! `lmsc predict`: checkpoints and images become segmentations.
//!
//! May use `infer`, `net` (memory among it), `read`, `train` (names of checkpoints), `volume` and `text`.

mod cases;
mod memory;
mod place;
mod progress;
mod report;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::engine::Models;
use super::named::Cases;
use super::output::Overwrite;
use super::{complain, print_lines, size};
use crate::host;
use crate::infer::{BEST, Card, Flips, Need, Options, Postprocess, Prediction, Predictor, need};
use crate::read::recognise;
use crate::text::{Code, Diagnostic, Diagnostics, FileKind, Form, Outputs, Result, list, suggestion};
use progress::PredictProgress;
use report::{CaseReport, ClassVolume, Hashed, SegmentationOrigin};

/// The word for all classes but the background together.
const FOREGROUND: &str = "foreground";
/// The most labels that are named in a line.
const NAMED: usize = 20;

/// Segment images with a trained network
///
/// Each image becomes a NIfTI file of labels on the image's own grid, under the image's name. Any size, axis order and orientation is
/// taken: the image is turned to the axes that the network knows, small volumes are padded, large ones are gone over in overlapping
/// windows, and the labels are turned back. Beside it a JSON file tells from what the segmentation came and how large each class is; a
/// case that is done is not done again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc predict runs/hippo/best.safetensors case1.nii.gz case2.nii.gz --out predictions
      writes predictions/case1.nii.gz and predictions/case2.nii.gz

  lmsc predict runs/hippo imagesTs --out predictions --overlay
      a run folder stands for its best.safetensors, a folder of images for all in it; --overlay adds a PNG of each

  lmsc predict runs/brats/best.safetensors p1_flair.nii.gz,p1_t1.nii.gz,p1_t1ce.nii.gz,p1_t2.nii.gz --out predictions
      one case in four files, joined by commas in the order of the training data's modalities

  lmsc predict runs/brats Dataset001_X/imagesTs --out predictions
      the channels of a case are brought together by their names, as nnU-Net gives them: CASE_0000.nii.gz, CASE_0001.nii.gz

  lmsc predict runs/hippo configs/hippo.ron --part validation --out predictions
      the cases that the run kept for validation; a folder in the layout of a data set stands for all of its cases

  lmsc predict runs/fold0 imagesTs --with runs/fold1 --with runs/fold2 --flips --out predictions
      the mean of three networks and eight mirror images: 24 times the work

  lmsc predict liver.safetensors imagesTs --exact --out predictions
      a model that `lmsc import nnunet` made, rounded as nnU-Net rounds; mirrored as nnU-Net does, or not, with --flips=none

  lmsc predict runs/liver imagesTs --largest liver --min-size 50 --max-memory 4GiB --json all.json --out predictions
      of the liver only the largest piece, no piece of anything below 50 mm³; a case that needs more than 4 GiB is refused")]
pub struct Args {
    /// A checkpoint (.safetensors) or a run folder
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,

    /// Images (.nii, .nii.gz, .hdr), the files of one case joined by commas, folders of images, data sets, run configs
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,

    /// Of a run config: which of its cases
    #[arg(long, value_enum, default_value_t, value_name = "CASES")]
    pub part: Cases,

    /// Where to write; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// Where to compute: auto, cpu, cuda, cuda:1, wgpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,

    /// Average with another model of the same configuration; may be repeated
    #[arg(long = "with", value_name = "MODEL")]
    pub with: Vec<PathBuf>,

    /// Average over mirror images along these axes: d (feet, head), h (back, front), w (left, right); all eight without a value; a model
    /// of nnU-Net says itself which, unless this does (`none` for the image alone)
    #[arg(long, value_name = "AXES", num_args = 0..=1, require_equals = true, default_missing_value = "dhw")]
    pub flips: Option<Flips>,

    /// Of a model of nnU-Net: round sums and logits to float16 where it does, so that the same voxels come out
    #[arg(long)]
    pub exact: bool,

    /// Also write the probabilities of every class or region, float32, into DIR/probabilities
    #[arg(long)]
    pub probabilities: bool,

    /// Keep only the largest piece of these classes, by name or value; `foreground` for all of them together
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub largest: Vec<String>,

    /// Drop pieces of a class that are smaller than this, in mm³
    #[arg(long, value_name = "MM3", value_parser = positive)]
    pub min_size: Option<f64>,

    /// Leave out the postprocessing that the model asks for
    #[arg(long, conflicts_with_all = ["largest", "min_size"])]
    pub no_postprocess: bool,

    /// Windows that pass through the network at once: a GPU may need several to be busy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub batch: u8,

    /// Refuse cases that need more memory than this (2GiB, 800MB)
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub max_memory: Option<u64>,

    /// Also write a PNG of each image with its segmentation
    #[arg(long)]
    pub overlay: bool,

    /// Segment again what has been segmented from the same image with the same model and options
    #[arg(long)]
    pub again: bool,

    /// Write the reports of all cases into one file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    #[command(flatten)]
    pub overwrite: Overwrite,
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|v| *v > 0.0 && *v <= 1e12).ok_or_else(|| "write a positive number, up to 1e12".into())
}

/// Runs the verb. A case that fails does not stop the others.
///
/// # Errors
/// What is wrong with a checkpoint or any of the images.
pub fn run(args: Args) -> Result<()> {
    cases::look(&args.images)?;
    let (predictor, models) = load(&args)?;
    let cases = cases::cases(&args.images, args.part.into(), &predictor.card().modalities, &args.out)?;
    let outputs = place::claimed(&args, &cases)?;
    outputs.make(&args.out)?;
    let (held, progress) = (memory::held(), PredictProgress::new(cases.len()));
    let work = Work { args: &args, outputs, predictor, models, held, progress, doubts: RefCell::default() };
    work.announce(&cases);

    let mut found = Diagnostics::default();
    let mut reports = vec![];
    let mut failed = vec![];
    for (at, (name, files)) in cases.iter().enumerate() {
        match work.one(at + 1, name, files) {
            Ok(report) => reports.push(report),
            Err(e) => {
                work.progress.say(&format!("{name}  failed"));
                failed.push(serde_json::json!({ "case": name, "errors": e.0.iter().map(|d| d.message.clone()).collect::<Vec<_>>() }));
                found.0.extend(e.0);
            }
        }
    }
    work.progress.finish();
    complain(&work.doubts.borrow().gathered());
    if !reports.is_empty() {
        let labels = list(work.predictor.card().labels.iter().map(|(value, name)| format!("{value} {name}")), NAMED);
        print_lines(&format!("{} of {} in {} ({labels})\n", reports.len(), cases.len(), args.out.display()));
    }
    if let Some(file) = &args.json {
        let all = serde_json::json!({ "cases": reports, "failed": failed });
        found.keep(work.outputs.write(file, Form::Json, &format!("{all:#}\n")));
    }
    found.or(())
}

/// The file of a model: a run folder stands for its best checkpoint.
fn checkpoint(model: &Path) -> PathBuf {
    if model.is_dir() { model.join(BEST) } else { model.to_owned() }
}

/// The models that are averaged, and what their files are.
fn load(args: &Args) -> Result<(Predictor, Vec<Hashed>)> {
    let models = Models::on(&args.device)?;
    let mut found = Diagnostics::default();
    let mut all = vec![];
    for path in std::iter::once(&args.model).chain(&args.with) {
        if path.is_dir() && !path.join(BEST).exists() {
            let kind = recognise(path);
            let mut d = kind.instead_of(&format!("a model or a folder with {BEST}"), path);
            if kind == FileKind::Folder {
                d.help = vec![format!("name a model (.safetensors), or the folder of a run, which has a {BEST}")];
            }
            found.push(d);
            continue;
        }
        let path = checkpoint(path);
        let model = models.load(&path).and_then(|model| Ok((Hashed::of(&path, Code::E0801)?, model)));
        all.extend(found.keep(model));
    }
    found.or(())?;
    let mut all = all.into_iter();
    let Some((hash, first)) = all.next() else { unreachable!("there is one model at least, or an error") };
    let options = Options {
        flips: args.flips,
        probabilities: args.probabilities,
        postprocess: postprocess(args, first.card())?,
        batch: args.batch.into(),
        exact: args.exact,
    };
    if args.exact && first.card().nnunet.is_none() {
        let message = format!("--exact is for models of nnU-Net, and `{}` is none", hash.file.display());
        return Err(Diagnostic::error(Code::E0601, message).help("leave it out").into());
    }
    let mut hashes = vec![hash];
    let mut predictor = Predictor::new(first, options);
    for (hash, model) in all {
        predictor = predictor.with(&hash.file, model)?;
        hashes.push(hash);
    }
    Ok((predictor, hashes))
}

/// What the options say of postprocessing; `None` leaves it to the model.
fn postprocess(args: &Args, card: &Card) -> Result<Option<Postprocess>> {
    if args.no_postprocess {
        return Ok(Some(Postprocess::default()));
    }
    if args.largest.is_empty() && args.min_size.is_none() {
        return Ok(None);
    }
    let mut post = Postprocess { min_mm3: args.min_size.unwrap_or_default(), ..Postprocess::default() };
    let classes = card.labels.iter().skip(1);
    for wanted in args.largest.iter().map(|l| l.trim()) {
        if let Some((value, _)) = classes.clone().find(|(value, name)| name.eq_ignore_ascii_case(wanted) || value.to_string() == wanted) {
            post.largest.push(*value);
        } else if wanted.eq_ignore_ascii_case(FOREGROUND) {
            post.largest_foreground = true;
        } else {
            let known = classes.clone().map(|(_, name)| name.as_str()).chain([FOREGROUND]);
            let message = format!("the model knows no class `{}`", crate::text::printable(wanted));
            return Err(Diagnostic::error(Code::E0601, message).help(suggestion(wanted, known, "classes")).into());
        }
    }
    post.largest.sort_unstable();
    post.largest.dedup();
    Ok(Some(post))
}

struct Work<'a> {
    args: &'a Args,
    outputs: Outputs,
    predictor: Predictor,
    models: Vec<Hashed>,
    /// Bytes that the process held when the models were loaded.
    held: u64,
    progress: PredictProgress,
    /// Warnings about the images that were segmented.
    doubts: RefCell<Diagnostics>,
}

impl Work<'_> {
    /// Says before anything begins what the largest case needs, and whether that is there.
    fn announce(&self, cases: &BTreeMap<String, Vec<PathBuf>>) {
        let needs = cases.iter().filter_map(|(name, files)| Some((name, self.need(files).ok()?)));
        let Some((name, most)) = needs.max_by_key(|(_, need)| need.bytes()) else { return };
        let [d, h, w] = most.size;
        let passes = self.predictor.passes();
        let passes = if passes > 1 { format!(" of {passes} passes") } else { String::new() };
        let which = if cases.len() > 1 { format!("{} cases; the largest, {name}: ", cases.len()) } else { format!("{name}: ") };
        self.progress.say(&format!("{which}{w}x{h}x{d} voxels, {}{passes}, needs {most}", most.counted()));
        if let Some(free) = host::available_memory().filter(|free| most.bytes().saturating_sub(self.held) > *free) {
            self.progress
                .say(&format!("only {} are free: the system may stop it; --max-memory leaves out what does not fit", need::size(free)));
        }
    }

    fn need(&self, files: &[PathBuf]) -> Result<Need> {
        let picture = if self.args.overlay { need::PICTURE } else { 0 };
        Ok(Need { program: self.held, picture, ..self.predictor.need(files)? })
    }

    fn one(&self, at: usize, name: &str, files: &[PathBuf]) -> Result<CaseReport> {
        let start = Instant::now();
        let old = CaseReport::read(&self.args.out, name, &self.outputs)?;
        // Of a file that is no volume no gigabytes are hashed.
        let need = self.need(files)?;
        let images = files.iter().map(|f| Hashed::of(f, Code::E0702)).collect::<Result<Vec<_>>>()?;
        let flips = self.predictor.flips().to_string();
        let postprocess = self.predictor.postprocess();
        let (lmsc, exact) = (env!("CARGO_PKG_VERSION").into(), self.args.exact);
        let origin = SegmentationOrigin { lmsc, models: self.models.clone(), images, flips, exact, postprocess };
        let wanted = place::wanted(self.args, name);
        if let Some(old) = old.as_ref().filter(|old| !self.args.again && old.still_holds(&origin, &wanted)) {
            self.progress.say(&format!("{}  as before; {}", wanted[0].1.display(), old.volumes_text()));
            return Ok(old.clone());
        }
        place::replaceable(&self.outputs, &CaseReport::known(old.as_ref()), &wanted)?;
        if let Some(limit) = self.args.max_memory.filter(|limit| need.bytes() > *limit) {
            return Err(memory::above(name, &need, limit).into());
        }
        self.progress.begin(at, name, need.windows);
        // What the case before took is of other sizes.
        lmsc_cpu::kernel::release_idle();
        memory::restart_peak();
        let prediction = self.predictor.predict(files, || self.progress.tick())?;
        self.doubts.borrow_mut().0.extend(prediction.warnings.clone());
        let (staged, outputs) = place::write(&prediction, name, &wanted, &self.outputs)?;
        let report = CaseReport { outputs, seconds: start.elapsed().as_secs_f64(), ..self.report(name, origin, &prediction, &need) };
        let report = place::publish(&self.outputs, &self.args.out, report, &wanted, staged)?;
        let peak = report.peak_bytes.map_or(String::new(), |b| format!(", {}", need::size(b)));
        self.progress.say(&format!("{}  {:.1} s{peak}; {}", wanted[0].1.display(), report.seconds, report.volumes_text()));
        Ok(report)
    }

    fn report(&self, name: &str, origin: SegmentationOrigin, p: &Prediction, need: &Need) -> CaseReport {
        let [d, h, w] = p.image.size();
        let [sd, sh, sw] = p.image.spacing;
        let volumes = p.classes.iter().zip(p.volumes_ml());
        CaseReport {
            case: name.to_owned(),
            origin,
            outputs: BTreeMap::new(),
            earlier: BTreeSet::new(),
            size: [w, h, d],
            spacing_mm: [sw, sh, sd],
            orientation: p.image.grid().orientation().to_string(),
            volumes: volumes.map(|(c, ml)| ClassVolume { value: c.value, name: c.name.clone(), ml }).collect(),
            cleared_voxels: p.cleared,
            windows: p.windows,
            passes: self.predictor.passes(),
            seconds: 0.0,
            needed_bytes: need.bytes(),
            peak_bytes: host::peak_memory(),
            warnings: p.warnings.iter().map(|d| d.message.clone()).collect(),
        }
    }
}
