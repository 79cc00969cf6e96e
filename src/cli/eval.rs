//! `lmsc eval`: predictions held against references, file by file; and two sets of predictions against each other.
//!
//! May use `data`, `evaluate`, `metric`, `train` (data sets by name) and `text`.

use std::path::{Path, PathBuf};

use super::named::{CaseSelection, Cases, is_config, named};
use super::output::Overwrite;
use super::{complain, output, print};
use crate::data::{self, Counterparts, Want, labels_in, labels_of, matched};
use crate::evaluate::{EvaluationReport, ScoredRegions, TableStyle, nothing_scored, score};
use crate::metric::{Empty, LesionRule, Metric, Numbering, Occurrence, Region, Settings, SurfaceConvention};
use crate::text::{Code, Diagnostic, Diagnostics, Form, Result, a_few, several};

/// What the table of --csv begins with.
const TABLE: Form = Form::Csv("set,case,region,");
/// Up to as many cases are listed one by one, unless --cases says so.
const LISTED: usize = 10;
/// What a table shows unless --figures says otherwise.
const SHOWN: &[Metric] = &[
    Metric::Dice,
    Metric::Precision,
    Metric::Recall,
    Metric::SurfaceDice,
    Metric::Hd95,
    Metric::Assd,
    Metric::VolumeDifference,
    Metric::LesionDice,
    Metric::LesionHd95,
    Metric::LesionF1,
];

/// Score predictions against references
///
/// Files are matched by name, those that are left over by what stands before `_gt`, `_seg` or a channel's number. Every label value above 0
/// of the references is a region unless --labels or --region say otherwise; one that was only predicted is named under the table. Dice, IoU,
/// precision, recall, surface Dice, HD95, Hausdorff distance, average surface distance and volume errors, in mm and ml; over the cases their
/// mean, standard deviation, median, quartiles, the 95% bootstrap interval of the mean, and the worst case. A case whose two files lack a region
/// does not count for it; one that has it in one file only counts, with Dice 0 and the diagonal of the image; a region that no reference has is
/// in no mean. --json and --csv have every figure of every case.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc eval --pred predictions --ref labelsTs
      every file of one folder needs its counterpart in the other

  lmsc eval --pred predictions --ref labelsTr --partial --labels 1=anterior,2=posterior --csv scores.csv
      score the predictions that are there, name the labels, and write every figure of every case

  lmsc eval --pred predictions --ref configs/hippo.ron --part validation
      the references are the labels of the cases that the run kept for validation

  lmsc eval --pred predictions --ref labels --region brats --lesions --lesion-min 50 --empty one
      whole tumour, tumour core and enhancing tumour; lesion by lesion, as the challenge of 2023

  lmsc eval --pred predictions --ref labelsTs --region brats-msd
      the same of the numbering of the Medical Segmentation Decathlon and nnU-Net: 1 oedema, 2 core, 3 enhancing

  lmsc eval --pred new --against old --ref labelsTs --figures dice,hd95
      is `new` better than `old`? Wilcoxon's signed-rank test on the same cases")]
pub struct Args {
    /// The folder of predictions (.nii, .nii.gz), or one file
    #[arg(long, value_name = "DIR|FILE")]
    pub pred: PathBuf,

    /// The references: a folder, one file, or a data set, by its folder or by a run config
    #[arg(long = "ref", value_name = "DIR|FILE")]
    pub reference: PathBuf,

    /// Of a run config: which of its cases
    #[arg(long, value_enum, default_value_t, value_name = "CASES")]
    pub part: Cases,

    /// Other predictions for the same references: is --pred better than these?
    #[arg(long, value_name = "DIR|FILE")]
    pub against: Option<PathBuf>,

    /// Label values to score, with names if you like: 1,2 or 1=anterior,2=posterior
    #[arg(long, value_name = "VALUES", value_parser = labels)]
    pub labels: Option<NamedLabels>,

    /// Label values to score as one: NAME=1,2,4; may be given several times. `brats` stands for WT, TC and ET of the challenge's numbering
    /// (1 core, 2 oedema, 3 or 4 enhancing), `brats-msd` for those of the Decathlon's and nnU-Net's (1 oedema, 2 core, 3 enhancing)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Vec<AskedRegion>,

    /// How surface distances are taken and brought together
    #[arg(long, value_enum, default_value_t, value_name = "TOOL")]
    pub convention: Tool,

    /// What a region scores in a case that has it in neither file: nothing, so that the case does not count for it, as nnU-Net; or 1 (and
    /// 0 mm), as the brain tumour challenge
    #[arg(long, value_enum, default_value_t, value_name = "RULE")]
    pub empty: Nothing,

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

    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// Label values that were named one by one.
#[derive(Clone, Debug)]
pub struct NamedLabels(Vec<Region>);

/// A region as it was asked for.
#[derive(Clone, Debug)]
pub enum AskedRegion {
    Tumours(Numbering),
    Named(Region),
}

/// The rules for what is in neither file by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Nothing {
    /// The case does not count for the region
    #[default]
    Absent,
    /// Shares are 1, distances and errors 0
    One,
}

/// Figures that were asked for.
#[derive(Clone, Debug)]
pub struct Figures(Vec<Metric>);

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

fn labels(text: &str) -> Result<NamedLabels, String> {
    Region::labels(text).map(NamedLabels)
}

fn region(text: &str) -> Result<AskedRegion, String> {
    Numbering::parse(text).map_or_else(|| Region::parse(text).map(AskedRegion::Named), |n| Ok(AskedRegion::Tumours(n)))
}

fn length(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|_| "it is not a number".to_owned())?;
    if (0.0..=1e12).contains(&number) { Ok(number) } else { Err("it must be 0 or more, up to 1e12".to_owned()) }
}

fn figures(text: &str) -> Result<Figures, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Figures(Metric::ALL.to_vec()));
    }
    let keys = || Metric::ALL.iter().map(|f| f.key()).collect::<Vec<_>>().join(", ");
    let one = |name: &str| Metric::parse(name).ok_or_else(|| format!("`{}` is none of {}", name.trim(), keys()));
    text.split(',').map(one).collect::<Result<_, _>>().map(Figures)
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            convention: match self.convention {
                Tool::Deepmind => SurfaceConvention::DeepMind,
                Tool::Monai => SurfaceConvention::Monai,
                Tool::Medpy => SurfaceConvention::MedPy,
            },
            tolerance: self.tolerance,
            lesions: self.lesions.then_some(LesionRule { dilation: usize::from(self.lesion_dilation), smallest: self.lesion_min }),
            empty: match self.empty {
                Nothing::Absent => Empty::Absent,
                Nothing::One => Empty::One,
            },
        }
    }

    fn scope(&self) -> Result<ScoredRegions> {
        let regions: Vec<Region> =
            self.region.iter().filter_map(|a| if let AskedRegion::Named(r) = a { Some(r.clone()) } else { None }).collect();
        let mut numberings = self.region.iter().filter_map(|a| if let AskedRegion::Tumours(n) = a { Some(*n) } else { None });
        let numbering = numberings.next();
        if let Some((one, other)) = numbering.zip(numberings.next()) {
            let d = Diagnostic::error(Code::E0601, format!("--region is given as {} and as {}", one.name(), other.name()));
            return Err(d.help("the labels have one numbering: give one of them").into());
        }
        ScoredRegions::new(self.labels.as_ref().map(|l| l.0.as_slice()), &regions, numbering)
    }
}

/// Runs the verb.
///
/// # Errors
/// E0703 for files without a counterpart and for pairs that lie on different grids, E0704 for values that are no labels, E0601 for regions
/// that cannot be; what is wrong with a file.
pub fn run(args: Args) -> Result<()> {
    let settings = args.settings();
    let scope = args.scope()?;
    let part = CaseSelection::from(args.part);
    let own = counterparts(&args.pred, &args.reference, part, args.partial)?;
    tell(&own);
    let own = own.pairs;
    let other = args.against.as_ref().map(|a| against(a, &args.reference, part, &own)).transpose()?;
    let standard = Path::new("-");
    let mut outputs = args.overwrite.outputs("eval");
    outputs.inputs(own.values().chain(other.iter().flat_map(|o| o.values())).flat_map(|(prediction, reference)| [prediction, reference]));
    for (path, form) in args.json.iter().map(|path| (path, Form::Json)).chain(args.csv.iter().map(|path| (path, TABLE))) {
        if path != standard {
            outputs.claim(path, form)?;
        }
    }
    let (own, other) = score(own, other, &scope, &settings)?;
    let mut shown = args.figures.map_or_else(|| SHOWN.to_vec(), |f| f.0);
    shown.retain(|f| args.lesions || !f.is_lesion_wise());
    let report = EvaluationReport { own: &own, other: other.as_ref(), settings, seed: args.seed, shown };
    let list = args.cases || own.evaluation.cases.len() <= LISTED;
    let json = args.json.map(|path| (path, Form::Json, report.json()));
    let csv = args.csv.map(|path| (path, TABLE, report.csv()));
    let files: Vec<(PathBuf, Form, String)> = json.into_iter().chain(csv).collect();
    if files.iter().all(|(path, ..)| path != standard) {
        let style = if args.markdown { TableStyle::Markdown } else { TableStyle::Plain(output::width(&std::io::stdout(), output::WIDTH)) };
        print(&report.text(style, list));
    }
    for (path, form, text) in files {
        if path == standard { print(&text) } else { outputs.write(&path, form, &text)? }
    }
    let sets = std::iter::once(&own).chain(&other);
    let mut doubts = Diagnostics(sets.flat_map(|set| &set.files).flat_map(|f| f.warnings.clone()).collect());
    // References stand in both sets.
    doubts.dedup();
    complain(&doubts.gathered());
    // That is said under the tables too, but a program looks at the exit code.
    if !own.evaluation.occurrences().iter().any(Occurrence::is_referenced) {
        let message = nothing_scored(&own);
        return Err(Diagnostic::error(Code::E0704, message).help("`lmsc info FILE` lists the label values of a file").into());
    }
    Ok(())
}

/// Predictions with their references: two files as they are, else by the names of their cases.
fn counterparts(predictions: &Path, references: &Path, part: CaseSelection, partial: bool) -> Result<Counterparts> {
    let whole = part == CaseSelection::All && !is_config(references);
    let mut found = Diagnostics::default();
    let predicted = found.keep(labels_in(predictions)).unwrap_or_default();
    let expected = if whole { labels_in(references) } else { named(references, part, Want::Labels).and_then(|about| labels_of(&about)) };
    let expected = found.keep(expected).unwrap_or_default();
    found.or(())?;
    if whole && !predictions.is_dir() && !references.is_dir() {
        let pairs = predicted.into_iter().zip(expected).map(|((name, p), (_, r))| (name, (p, r)));
        return Ok(Counterparts { pairs: pairs.collect(), renamed: vec![] });
    }
    matched(&predicted, &expected, predictions, references, partial)
}

/// The same cases as `own`, predicted otherwise.
fn against(predictions: &Path, references: &Path, part: CaseSelection, own: &data::Pairs) -> Result<data::Pairs> {
    if predictions.is_file() && own.len() == 1 {
        return Ok(own.iter().map(|(name, (_, reference))| (name.clone(), (predictions.to_owned(), reference.clone()))).collect());
    }
    data::against(predictions, counterparts(predictions, references, part, true)?.pairs, own)
}

/// Tells of files that were matched though their names differ.
fn tell(of: &Counterparts) {
    if of.renamed.is_empty() {
        return;
    }
    let names: Vec<String> = of.renamed.iter().map(|(p, r)| format!("{p} and {r}")).collect();
    let message = format!("{} matched by what their names begin with: {}", several(names.len(), "pair"), a_few(&names, 3));
    complain(&Diagnostic::warning(Code::E0703, message).help("give prediction and reference one name to have no doubt").into());
}

#[cfg(feature = "train")]
/// The table of two folders whose files all have their counterpart.
///
/// # Errors
/// As [`run`].
pub(super) fn compare(predictions: &Path, references: &Path, regions: Vec<Region>) -> Result<String> {
    let settings = Settings { convention: SurfaceConvention::default(), tolerance: 1.0, lesions: None, empty: Empty::Absent };
    let pairs = counterparts(predictions, references, CaseSelection::All, false)?.pairs;
    let (own, _) = score(pairs, None, &ScoredRegions::Regions(regions), &settings)?;
    let shown = SHOWN.iter().copied().filter(|f| !f.is_lesion_wise()).collect();
    let report = EvaluationReport { own: &own, other: None, settings, seed: 1, shown };
    Ok(report.text(TableStyle::Plain(output::width(&std::io::stdout(), output::WIDTH)), own.evaluation.cases.len() <= LISTED))
}
