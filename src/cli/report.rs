//! `lmsc report`: what runs have come to.
//!
//! May use `report`, `net`, `text`.

use std::path::{Path, PathBuf};

use super::output::{Overwrite, print, width};
use crate::net;
use crate::report::{self, Run};
use crate::show::{self, Format};
use crate::text::{Code, Diagnostic, Diagnostics, Form, Outputs, Result, list, render};

/// Report on a training run as a page, or compare several in a table
///
/// One run becomes one page without anything from the network: Dice per class and case, curves, the worst and the best validation cases
/// as pictures, the graph, the config, and the machine. A run that is under way can be looked at, too.
///
/// Several runs, or a folder that holds them, become a table: the fields of config and graph in which they differ, parameters, FLOPs, the
/// best validation Dice, epochs, time. Runs that differ in `split.fold` only are one row, with mean and standard deviation over folds.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc report runs/hippocampus
      writes runs/hippocampus/report.html

  lmsc report runs/hippocampus --pictures 4 --out hippocampus.html
      with the four worst and the four best cases

  lmsc report runs/ablation
      the table of all runs in the folder, as `lmsc train --set anchors=8,16,32 --out runs/ablation` leaves them

  lmsc report runs/a runs/b runs/c --format markdown
  lmsc report runs/ablation --format csv > ablation.csv
      csv and json have every digit

  lmsc report runs/ablation --out ablation.html
      a page with the table and the curves of all runs")]
pub struct Args {
    /// Run folders, or folders that hold them
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// The page to write [default: of one run its report.html, of several none]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How to print the table [default: table for several runs; for one run only the page is written]
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// So many of the worst and of the best cases are drawn; 0 needs no data
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub pictures: usize,
    /// The channel of the image in pictures, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub channel: usize,
    /// Where to segment the cases of the pictures: auto, cpu, cuda, cuda:1, wgpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    Table,
    Markdown,
    Csv,
    Json,
}

/// Runs the verb.
///
/// # Errors
/// E0601 for what is no run, E0101 for a file of one that cannot be read, E0603 when the page cannot be written.
pub fn run(args: Args) -> Result<()> {
    let mut found = Diagnostics::default();
    let folders: Vec<PathBuf> = args.runs.iter().filter_map(|r| found.keep(report::folders(r))).flatten().collect();
    let runs: Vec<Run> = folders.iter().filter_map(|f| found.keep(Run::read(f))).collect();
    found.or(())?;
    match runs.as_slice() {
        [one] if args.format.is_none() => single(&args, one),
        several => {
            if let Some(out) = &args.out {
                let outputs = page(&args, out)?;
                outputs.write(out, Form::Html, &report::compare(&title(&args, several), several))?;
                eprintln!("{}", out.display());
            }
            let format = match args.format.unwrap_or(ReportFormat::Table) {
                ReportFormat::Table => Format::Table,
                ReportFormat::Markdown => Format::Markdown,
                ReportFormat::Csv => Format::Csv,
                ReportFormat::Json => Format::Json,
            };
            print(&report::sheet(several, format, width(&std::io::stdout(), show::WIDTH)));
            Ok(())
        }
    }
}

/// Writes the page of a run.
fn single(args: &Args, run: &Run) -> Result<()> {
    // Before the cases are segmented, which takes a while.
    let out = args.out.clone().unwrap_or_else(|| run.path.join("report.html"));
    let outputs = page(args, &out)?;
    let device = net::device(&args.device)?;
    let drawn = report::pictures(run, args.pictures, args.channel, &device);
    let (pictures, missing) = match drawn {
        Ok(pictures) => (pictures, None),
        // A channel that is not there is a slip on the command line; data that are elsewhere now are none.
        Err(e) if args.channel > 0 => return Err(e),
        Err(e) => {
            e.0.iter().for_each(|d| eprintln!("no pictures: {}", render::concise(d)));
            (vec![], e.0.first().map(|d| d.message.clone()))
        }
    };
    outputs.write(&out, Form::Html, &report::page(run, &pictures, missing.as_deref()))?;
    print(&format!("{}\n", out.display()));
    Ok(())
}

/// The outputs of the command, with its page.
fn page(args: &Args, out: &Path) -> Result<Outputs> {
    if !out.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm")) {
        let d = Diagnostic::error(Code::E0603, format!("`{}` is no page: its name does not end in .html", out.display()));
        return Err(d.help("give --out FILE.html; `--format markdown` and the like print to standard output").into());
    }
    let mut outputs = args.overwrite.outputs("report");
    outputs.claim(out, Form::Html)?;
    Ok(outputs)
}

/// What a page of several runs is called: the folder that holds them, or their names.
fn title(args: &Args, runs: &[Run]) -> String {
    match args.runs.as_slice() {
        [one] => one.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned())).unwrap_or("runs".into()),
        _ => list(runs.iter().map(|run| run.name.clone()), 3),
    }
}
