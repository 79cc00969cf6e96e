//! `lmsc eval`: predictions held against references, file by file; and two sets of predictions against each other.
//!
//! May use `metric`, `text`, and `pairs`, `cases`, `report` below it.

mod cases;
mod pairs;
mod report;

use std::path::{Path, PathBuf};

use super::{output, print};
use crate::metric::{Convention, Figure, LesionRule, Region, Settings};
use crate::text::{Result, write_text};
use cases::Scope;
#[cfg(feature = "train")]
use cases::Set;
use report::{Report, Style};

/// Up to as many cases are listed one by one, unless --cases says so.
const LISTED: usize = 10;
/// What a table shows unless --figures says otherwise.
const SHOWN: &[Figure] = &[
    Figure::Dice,
    Figure::Precision,
    Figure::Recall,
    Figure::SurfaceDice,
    Figure::Hd95,
    Figure::Assd,
    Figure::VolumeDifference,
    Figure::LesionDice,
    Figure::LesionHd95,
    Figure::LesionF1,
];

/// Score predictions against references
///
/// Files are matched by name. Every label value above 0 is a region unless --labels or --region say otherwise. Dice, IoU, precision,
/// recall, surface Dice, HD95, Hausdorff distance, average surface distance and volume errors, in mm and ml; over the cases their mean,
/// standard deviation, median, quartiles, the 95% bootstrap interval of the mean, and the worst case. No case is dropped: what a figure
/// is where a region is in neither file, or in one of them only, stands under the table. --json and --csv have every figure of every case.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc eval --pred predictions --ref labelsTs
      every file of one folder needs its counterpart in the other

  lmsc eval --pred predictions --ref labelsTr --partial --labels 1=anterior,2=posterior --csv scores.csv
      score the predictions that are there, name the labels, and write every figure of every case

  lmsc eval --pred predictions --ref labels --region brats --lesions --lesion-min 50
      whole tumour, tumour core and enhancing tumour; lesion by lesion, as the challenge of 2023

  lmsc eval --pred new --against old --ref labelsTs --figures dice,hd95
      is `new` better than `old`? Wilcoxon's signed-rank test on the same cases")]
pub struct Args {
    /// The folder of predictions (.nii, .nii.gz), or one file
    #[arg(long, value_name = "DIR|FILE")]
    pub pred: PathBuf,

    /// The folder of references, or one file
    #[arg(long = "ref", value_name = "DIR|FILE")]
    pub reference: PathBuf,

    /// Other predictions for the same references: is --pred better than these?
    #[arg(long, value_name = "DIR|FILE")]
    pub against: Option<PathBuf>,

    /// Label values to score, with names if you like: 1,2 or 1=anterior,2=posterior
    #[arg(long, value_name = "VALUES", value_parser = labels)]
    pub labels: Option<Labels>,

    /// Label values to score as one: NAME=1,2,4; `brats` stands for WT, TC and ET; may be given several times
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Vec<Asked>,

    /// How surface distances are taken and brought together
    #[arg(long, value_enum, default_value_t, value_name = "TOOL")]
    pub convention: Tool,

    /// Surface Dice counts what lies within this of the other surface, mm
    #[arg(long, value_name = "MM", default_value = "1", value_parser = length)]
    pub tolerance: f64,

    /// Also score lesion by lesion, as the brain tumour challenge of 2023
    #[arg(long)]
    pub lesions: bool,

    /// Steps by which the reference's lesions are dilated: what touches then is one lesion, and what is predicted there belongs to it
    #[arg(long, value_name = "STEPS", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=50), requires = "lesions")]
    pub lesion_dilation: u8,

    /// Lesions of the reference of up to this volume are not scored, mm³
    #[arg(long, value_name = "MM3", default_value = "0", value_parser = length, requires = "lesions")]
    pub lesion_min: f64,

    /// What the table shows, by name: dice,hd95; or all
    #[arg(long, value_name = "FIGURES", value_parser = figures)]
    pub figures: Option<Figures>,

    /// List every case, however many there are
    #[arg(long)]
    pub cases: bool,

    /// Write everything as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write every figure of every case as CSV; - is standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// Print the tables as Markdown
    #[arg(long)]
    pub markdown: bool,

    /// Allow references without a prediction
    #[arg(long)]
    pub partial: bool,

    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Label values that were named one by one.
#[derive(Clone, Debug)]
pub struct Labels(Vec<Region>);

/// A region as it was asked for.
#[derive(Clone, Debug)]
pub enum Asked {
    Brats,
    Named(Region),
}

/// Figures that were asked for.
#[derive(Clone, Debug)]
pub struct Figures(Vec<Figure>);

/// The conventions by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Tool {
    /// Surfaces between voxels, by area; HD95 is the larger of the directed percentiles
    #[default]
    Deepmind,
    /// Surface voxels, each counted once; HD95 is the larger of the directed percentiles
    Monai,
    /// Surface voxels, each counted once; HD95 is the percentile of both directions together
    Medpy,
}

fn labels(text: &str) -> Result<Labels, String> {
    Region::labels(text).map(Labels)
}

fn region(text: &str) -> Result<Asked, String> {
    if text.eq_ignore_ascii_case("brats") { Ok(Asked::Brats) } else { Region::parse(text).map(Asked::Named) }
}

fn length(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|_| "it is not a number".to_owned())?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err("it must be 0 or more".to_owned()) }
}

fn figures(text: &str) -> Result<Figures, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Figures(Figure::ALL.to_vec()));
    }
    let keys = || Figure::ALL.iter().map(|f| f.key()).collect::<Vec<_>>().join(", ");
    let one = |name: &str| Figure::parse(name).ok_or_else(|| format!("`{}` is none of {}", name.trim(), keys()));
    text.split(',').map(one).collect::<Result<_, _>>().map(Figures)
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            convention: match self.convention {
                Tool::Deepmind => Convention::DeepMind,
                Tool::Monai => Convention::Monai,
                Tool::Medpy => Convention::MedPy,
            },
            tolerance: self.tolerance,
            lesions: self.lesions.then_some(LesionRule { dilation: usize::from(self.lesion_dilation), smallest: self.lesion_min }),
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// E0703 for files without a counterpart and for pairs that lie on different grids, E0704 for values that are no labels, E0601 for regions
/// that cannot be; what is wrong with a file.
pub fn run(args: Args) -> Result<()> {
    let settings = args.settings();
    let scope = Scope::new(args.labels.as_ref().map(|l| l.0.as_slice()), &args.region)?;
    let own = pairs::pairs(&args.pred, &args.reference, args.partial)?;
    let other = args.against.as_ref().map(|a| pairs::against(a, &args.reference, &own)).transpose()?;
    let (own, other) = cases::score(own, other, &scope, &settings)?;
    let mut shown = args.figures.map_or_else(|| SHOWN.to_vec(), |f| f.0);
    shown.retain(|f| args.lesions || !f.is_lesion_wise());
    let report = Report { own: &own, other: other.as_ref(), settings, seed: args.seed, shown };
    let list = args.cases || own.evaluation.cases.len() <= LISTED;
    let json = args.json.map(|path| (path, report.json()));
    let csv = args.csv.map(|path| (path, report.csv()));
    let files: Vec<(PathBuf, String)> = json.into_iter().chain(csv).collect();
    let standard = Path::new("-");
    if files.iter().all(|(path, _)| path != standard) {
        let style = if args.markdown { Style::Markdown } else { Style::Plain(output::width(&std::io::stdout(), output::WIDTH)) };
        print(&report.text(style, list));
    }
    for (path, text) in files {
        if path == standard { print(&text) } else { write_text(&path, &text)? }
    }
    Ok(())
}

#[cfg(feature = "train")]
/// The table of two folders whose files all have their counterpart.
///
/// # Errors
/// As [`run`].
pub(super) fn compare(predictions: &Path, references: &Path) -> Result<String> {
    let settings = Settings { convention: Convention::default(), tolerance: 1.0, lesions: None };
    let pairs = pairs::pairs(predictions, references, false)?;
    let (own, _): (Set, _) = cases::score(pairs, None, &Scope::EachLabel, &settings)?;
    let shown = SHOWN.iter().copied().filter(|f| !f.is_lesion_wise()).collect();
    let report = Report { own: &own, other: None, settings, seed: 1, shown };
    Ok(report.text(Style::Plain(output::width(&std::io::stdout(), output::WIDTH)), own.evaluation.cases.len() <= LISTED))
}
