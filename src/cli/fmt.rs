//! `lmsc fmt`: graphs and configs laid out one way.
//!
//! May use `read`, `text`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::print;
use crate::read::fmt::format;
use crate::read::{freeze, upgrade};
use crate::text::{Code, Diagnostic, Diagnostics, MAX_TEXT_BYTES, Result, Source, write_text};

/// Lay out graphs and configs one way, keeping comments
///
/// Indents by four, puts what does not fit on one line on a line each, with commas, and leaves one blank line at most. Comments stay
/// with what they speak of, and those in a column stay in one. A group that is spread over lines stays so; join it to have it on one.
/// The meaning is compared before and after; a file with errors is left alone. A new file takes the old one's place at once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc fmt graphs/*.ron configs/*.ron
  lmsc fmt graphs/*.ron --check             for a commit hook: fails if a file would change
  lmsc fmt graphs/*.ron --upgrade           what older versions wrote, as it is written now
  lmsc fmt graphs/mine.ron --freeze         imports are taken as they are now, and no other
  lmsc fmt graphs/mine.ron --stdout | diff graphs/mine.ron -
  lmsc fmt - < graphs/mine.ron              for editors: the text laid out goes to standard output")]
pub struct Args {
    /// Graphs and configs (.ron); `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; name the files that would change, and fail if there are any
    #[arg(long, conflicts_with = "stdout")]
    pub check: bool,
    /// Change nothing; print the text laid out
    #[arg(long)]
    pub stdout: bool,
    /// Write as of today what is read as before (W0102): `group(4)` for `norm: 4`, `OneOf(silu, relu)` for words in quotes
    #[arg(long, conflicts_with = "freeze")]
    pub upgrade: bool,
    /// Write the hash of every composite beside the file that it is imported from, so that another is refused (E0110) until it is
    /// frozen again
    #[arg(long)]
    pub freeze: bool,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the files; nothing more when `--check` finds files that would change.
pub fn run(args: Args) -> Result<()> {
    let mut found = Diagnostics::default();
    let mut differ = false;
    for file in &args.files {
        let stdin = file == Path::new("-");
        let Some(mut source) = found.keep(if stdin { standard_input() } else { Source::read(file) }) else { continue };
        // Reading drops a byte order mark, and standard input may hold one too.
        let marked = if stdin { source.text.starts_with('\u{feff}') } else { begins_with_mark(file) };
        if let Some(text) = source.text.strip_prefix('\u{feff}') {
            source = Source::new(source.name.clone(), text);
        }
        let laid = match (args.freeze, args.upgrade) {
            (true, _) => freeze(&source),
            (_, true) => upgrade(&source),
            _ => format(&source),
        };
        let Some(text) = found.keep(laid) else { continue };
        let changed = text != source.text;
        let text = if marked { format!("\u{feff}{text}") } else { text };
        if args.check {
            differ |= changed;
            if changed {
                print(&format!("{}\n", file.display()));
            }
        } else if args.stdout || stdin {
            print(&text);
        } else if changed {
            found.keep(write_text(file, &text));
        }
    }
    found.or(())?;
    if differ { Err(Diagnostics::default()) } else { Ok(()) }
}

fn standard_input() -> Result<std::sync::Arc<Source>, Diagnostic> {
    let refuse = |why: String| {
        Diagnostic::error(Code::E0101, format!("cannot read standard input: {why}"))
            .help("give a graph or config as UTF-8 text of at most 4 MiB, or name a file")
    };
    let mut bytes = vec![];
    std::io::stdin().lock().take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(|e| refuse(e.to_string()))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(refuse(format!("it is larger than {} MiB", MAX_TEXT_BYTES >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    Ok(Source::new("-", text))
}

fn begins_with_mark(file: &Path) -> bool {
    let mut first = [0; 3];
    std::fs::File::open(file).and_then(|mut f| f.read_exact(&mut first)).is_ok() && first == *"\u{feff}".as_bytes()
}
