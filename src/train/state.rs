//! The checkpoint that a run resumes from: everything that the next step depends on, in one file that is replaced atomically.
//!
//! Part of `train`; may use `net` and `text`.
//!
//! The file is a line that names the format, the length of a RON text and the text, the numbers of the weights, of their average
//! and the optimiser's moments as little-endian float32 in the order that the text gives, and the BLAKE3 hash of all that.
//!
//! The text holds everything by name, so that a field or a term of the loss that a version adds is absent in older files and nothing else:
//! it then has its default. What older versions wrote otherwise is read as follows.
//!
//! | version | what is converted |
//! |---|---|
//! | 3 | nothing: it is the present one |
//! | 2 | the sums of the loss's terms have an order in place of names ([`TERMS_OF_2`]); of what the run is made of there is a hash alone, and the files of the run folder say it instead |

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::journal::Record;
use super::optimise::LossScaling;
use super::origin::RunOrigin;
use super::postprocess_search::PostprocessFound;
use crate::ir::Array;
use crate::text::{Code, Diagnostic, Result, printable, read_marked, reason, write_whole};

/// The file in the run folder.
pub const RESUME: &str = "resume.state";
/// The loss and its terms.
pub const TERMS: usize = TERM_NAMES.len();
/// As they are called in the file, in the order in which a step gives them.
const TERM_NAMES: [&str; 6] = ["loss", "dice", "cross_entropy", "boundary", "tversky", "focal"];
/// The order of version 2.
const TERMS_OF_2: [&str; 6] = ["loss", "dice", "cross_entropy", "boundary", "tversky", "focal"];
/// What the first line is without the version.
const MAGIC: &[u8] = b"lmsc run ";
/// The version that is written, and the oldest that is read.
const VERSION: u32 = 3;
const OLDEST: u32 = 2;
const HASH: usize = 32;

/// A weight by name: its dimensions and numbers.
pub type NamedArrays = Vec<(String, Array)>;

/// A run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    pub about: RunProgress,
    pub weights: NamedArrays,
    /// The moving average of the weights; empty without one.
    pub average: NamedArrays,
    /// The optimiser's moments, all of each weight one after the other, under the names of the weights.
    pub moments: NamedArrays,
}

/// All that is no weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunProgress {
    /// What the run is made of. Another run's state is refused. Version 2 does not have it.
    pub origin: Option<RunOrigin>,
    /// Optimiser steps taken in the whole run.
    pub steps: usize,
    /// Those of them that have moved the weights.
    pub moves: usize,
    /// Sums over the batches of the epoch that is under way: the loss and its terms, and how many batches.
    #[serde(serialize_with = "named", deserialize_with = "ordered")]
    pub sums: [f64; TERMS],
    pub batches: usize,
    /// Seconds spent on that epoch so far, and those of them that were spent waiting for batches.
    pub seconds: [f64; 2],
    /// How the loss is scaled, where it is.
    pub scaling: Option<LossScaling>,
    /// Every epoch that is done.
    pub records: Vec<Record>,
    /// Whether no epoch is left to do.
    pub finished: bool,
    /// What was found when postprocessing was looked for; none before that.
    pub cleaned: Option<PostprocessFound>,
}

/// What stands in the file before the numbers.
#[derive(Serialize, Deserialize)]
struct Head {
    about: RunProgress,
    weights: Vec<(String, Vec<usize>)>,
    average: Vec<(String, Vec<usize>)>,
    moments: Vec<(String, Vec<usize>)>,
}

/// Sums as a map of their names.
fn named<S: Serializer>(sums: &[f64; TERMS], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_map(TERM_NAMES.iter().zip(sums))
}

/// Sums from a map, or in the order of version 2; a term that the file does not have is 0.
fn ordered<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<[f64; TERMS], D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sums {
        Named(BTreeMap<String, f64>),
        Ordered(Vec<f64>),
    }
    let all = match Sums::deserialize(from)? {
        Sums::Named(all) => all,
        Sums::Ordered(all) => TERMS_OF_2.iter().map(|name| (*name).to_owned()).zip(all).collect(),
    };
    Ok(TERM_NAMES.map(|name| all.get(name).copied().unwrap_or_default()))
}

/// The version in the first line, and what follows it.
fn opened(body: &[u8]) -> Option<(&str, &[u8])> {
    let rest = body.strip_prefix(MAGIC)?;
    let end = rest.iter().take(12).position(|b| *b == b'\n')?;
    Some((std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]))
}

impl RunState {
    /// Writes it whole.
    ///
    /// # Errors
    /// E0603 when it cannot be written; the file is then as it was.
    pub fn save(&self, path: &Path) -> Result<()> {
        let names = |all: &NamedArrays| all.iter().map(|(n, a)| (n.clone(), a.dims.clone())).collect();
        let head =
            Head { about: self.about.clone(), weights: names(&self.weights), average: names(&self.average), moments: names(&self.moments) };
        let text = ron::to_string(&head).unwrap_or_default().into_bytes();
        let mut bytes = [MAGIC, VERSION.to_string().as_bytes(), b"\n"].concat();
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text);
        for (_, array) in self.weights.iter().chain(&self.average).chain(&self.moments) {
            bytes.extend(array.values.iter().flat_map(|v| v.to_le_bytes()));
        }
        let hash = blake3::hash(&bytes);
        bytes.extend(hash.as_bytes());
        Ok(write_whole(path, |out| out.write_all(&bytes))?)
    }

    /// Reads it; `None` where there is no such file. The states of older versions are brought to the present one.
    ///
    /// # Errors
    /// E0801 when the file cannot be read, was damaged or is of a newer lmsc.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let refuse = |why: &str| {
            Diagnostic::error(Code::E0801, format!("`{}` cannot be gone on from: {why}", path.display()))
                .help("start the run anew in another folder; its best.safetensors and last.safetensors are still there")
        };
        let bytes = match read_marked(path, MAGIC) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(refuse("it is no state of a run, or one of another version of lmsc").into()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(refuse(&reason(&e)).into()),
        };
        let Some((body, hash)) = bytes.split_last_chunk::<HASH>() else { return Err(refuse("it is too short").into()) };
        let Some((version, rest)) = opened(body) else { return Err(refuse("it is no state of a run").into()) };
        if blake3::hash(body).as_bytes() != hash {
            return Err(refuse("it was damaged after it was written").into());
        }
        match version.parse::<u32>() {
            Ok(OLDEST..=VERSION) => Self::parse(rest).map(Some).ok_or_else(|| refuse("its parts do not fit together").into()),
            Ok(version) if version > VERSION => {
                let message = format!(
                    "`{}` was made by a newer lmsc: it is of version {version}, and this lmsc reads versions {OLDEST} to {VERSION}",
                    path.display()
                );
                Err(Diagnostic::error(Code::E0801, message).help("update lmsc, or start a new run in another folder").into())
            }
            _ => Err(refuse(&format!("it is of version {}, and this lmsc reads {OLDEST} to {VERSION}", printable(version))).into()),
        }
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let (length, rest) = body.split_first_chunk::<8>()?;
        let (text, mut rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let head: Head = ron::de::from_bytes(text).ok()?;
        let mut take = |names: Vec<(String, Vec<usize>)>| -> Option<NamedArrays> {
            let one = |(name, dims): (String, Vec<usize>)| {
                let n = dims.iter().try_fold(4usize, |n, d| n.checked_mul(*d))?;
                let (own, after) = rest.split_at_checked(n)?;
                rest = after;
                let numbers = own.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                Some((name, Array::new(dims, numbers)))
            };
            names.into_iter().map(one).collect()
        };
        let (weights, average, moments) = (take(head.weights)?, take(head.average)?, take(head.moments)?);
        rest.is_empty().then_some(Self { about: head.about, weights, average, moments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> RunState {
        let w = |name: &str, v: f32| (name.to_owned(), Array::new([2, 1], vec![v, -v]));
        RunState {
            about: RunProgress {
                origin: Some(RunOrigin { config: "c\"é".into(), ..RunOrigin::default() }),
                steps: 7,
                sums: [0.1, 0.2, 0.3, 1.0 / 3.0, 0.0, 1e-300],
                batches: 3,
                ..RunProgress::default()
            },
            weights: vec![w("a", 1e-40), w("b", 0.1)],
            average: vec![w("a", 3.0)],
            moments: vec![w("a", 0.5), w("b", 1e30)],
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESUME);
        assert_eq!(RunState::load(&path).unwrap(), None);
        state().save(&path).unwrap();
        assert_eq!(RunState::load(&path).unwrap(), Some(state()));
    }

    #[test]
    fn every_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESUME);
        state().save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(RunState::load(&path).unwrap_err().0[0].code, Code::E0801, "cut at {at}");
            let mut turned = whole.clone();
            turned[at] ^= 1 << (at % 8);
            std::fs::write(&path, turned).unwrap();
            assert_eq!(RunState::load(&path).unwrap_err().0[0].code, Code::E0801, "turned at {at}");
        }
    }

    /// The file of a state with another first line and a changed text.
    fn written(path: &Path, version: &str, text: impl FnOnce(String) -> String) {
        state().save(path).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let (_, rest) = opened(&bytes).unwrap();
        let length = u64::from_le_bytes(*rest.first_chunk::<8>().unwrap()) as usize;
        let text = text(String::from_utf8(rest[8..8 + length].to_vec()).unwrap());
        let numbers = &rest[8 + length..rest.len() - HASH];
        let mut body = [MAGIC, version.as_bytes(), b"\n", &(text.len() as u64).to_le_bytes(), text.as_bytes(), numbers].concat();
        let hash = blake3::hash(&body);
        body.extend(hash.as_bytes());
        std::fs::write(path, body).unwrap();
    }

    #[test]
    fn terms_and_fields_are_read_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESUME);
        // A version that has a term and a field more, and one that has a term less.
        written(&path, "3", |t| t.replace("\"dice\":", "\"skeleton\":5.0,\"dice\":").replace("steps:7", "colour:(1,[\"a\"]),steps:7"));
        assert_eq!(RunState::load(&path).unwrap(), Some(state()));
        written(&path, "3", |t| t.replace("\"dice\":0.2,", ""));
        assert_eq!(RunState::load(&path).unwrap().unwrap().about.sums, [0.1, 0.0, 0.3, 1.0 / 3.0, 0.0, 1e-300]);
    }

    #[test]
    fn the_order_of_version_2_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESUME);
        written(&path, "2", |t| {
            let (start, end) = (t.find("sums:{").unwrap(), t.find("},batches").unwrap());
            let before = t[..start].replace(&t[t.find("origin:").unwrap()..t.find("steps:").unwrap()], "run:\"abc\",");
            format!("{before}sums:(1.0,2.0,3.0,4.0,5.0,6.0){}", &t[end + 1..])
        });
        let read = RunState::load(&path).unwrap().unwrap();
        assert_eq!((read.about.sums, read.about.steps, read.about.origin), ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 7, None));
        assert_eq!(read.weights, state().weights);
    }

    #[test]
    fn other_versions_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESUME);
        for (version, words) in
            [("4", "made by a newer lmsc: it is of version 4"), ("1", "it is of version 1"), ("x", "version x"), ("", "of version ,")]
        {
            written(&path, version, |t| t);
            let e = RunState::load(&path).unwrap_err();
            assert!(e.0[0].code == Code::E0801 && e.0[0].message.contains(words), "{e:?}");
        }
    }
}
