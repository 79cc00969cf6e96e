//! What a run goes on from: everything that the next step depends on, in one file that is old or new, never half of each.
//!
//! Part of `train`; may use `net` and `text`.
//!
//! The file is a line that names the format, the length of a RON text and the text, the numbers of the weights, of their average
//! and the optimiser's moments as little-endian float32 in the order that the text gives, and the BLAKE3 hash of all that.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::clean::Cleaned;
use super::journal::Record;
use super::optimise::Scaling;
use crate::ir::Array;
use crate::text::{Code, Diagnostic, Result, reason, write_whole};

/// The file in the run folder.
pub const RESUME: &str = "resume.state";
/// The loss and its terms.
pub const TERMS: usize = 6;
const MAGIC: &[u8] = b"lmsc run 2\n";
const HASH: usize = 32;

/// A weight by name: its dimensions and numbers.
pub type Numbers = Vec<(String, Array)>;

/// A run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub about: About,
    pub weights: Numbers,
    /// The moving average of the weights; empty without one.
    pub average: Numbers,
    /// The optimiser's moments, all of each weight one after the other, under the names of the weights.
    pub moments: Numbers,
}

/// All that is no weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What the run was made of: config, graph and split. Another run's state is refused.
    pub run: String,
    /// Optimiser steps taken in the whole run.
    pub steps: usize,
    /// Those of them that have moved the weights.
    pub moves: usize,
    /// Sums over the batches of the epoch that is under way: the loss and its three terms, and how many batches.
    pub sums: [f64; TERMS],
    pub batches: usize,
    /// Seconds spent on that epoch so far, and those of them that were spent waiting for batches.
    pub seconds: [f64; 2],
    /// How the loss is scaled, where it is.
    #[serde(default)]
    pub scaling: Option<Scaling>,
    /// Every epoch that is done.
    pub records: Vec<Record>,
    /// Whether no epoch is left to do.
    pub finished: bool,
    /// What was found when postprocessing was looked for; none before that.
    #[serde(default)]
    pub cleaned: Option<Cleaned>,
}

/// What stands in the file before the numbers.
#[derive(Serialize, Deserialize)]
struct Head {
    about: About,
    weights: Vec<(String, Vec<usize>)>,
    average: Vec<(String, Vec<usize>)>,
    moments: Vec<(String, Vec<usize>)>,
}

impl State {
    /// Writes it whole.
    ///
    /// # Errors
    /// E0603 when it cannot be written; the file is then as it was.
    pub fn save(&self, path: &Path) -> Result<()> {
        let names = |all: &Numbers| all.iter().map(|(n, a)| (n.clone(), a.dims.clone())).collect();
        let head =
            Head { about: self.about.clone(), weights: names(&self.weights), average: names(&self.average), moments: names(&self.moments) };
        let text = ron::to_string(&head).unwrap_or_default().into_bytes();
        let mut bytes = MAGIC.to_vec();
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text);
        for (_, array) in self.weights.iter().chain(&self.average).chain(&self.moments) {
            bytes.extend(array.values.iter().flat_map(|v| v.to_le_bytes()));
        }
        let hash = blake3::hash(&bytes);
        bytes.extend(hash.as_bytes());
        Ok(write_whole(path, |out| out.write_all(&bytes))?)
    }

    /// Reads it; `None` where there is no such file.
    ///
    /// # Errors
    /// E0801 when the file cannot be read or was damaged.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let refuse = |why: &str| {
            Diagnostic::error(Code::E0801, format!("`{}` cannot be gone on from: {why}", path.display()))
                .help("start the run anew in another folder; its best.safetensors and last.safetensors are still there")
        };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(refuse(&reason(&e)).into()),
        };
        let Some((body, hash)) = bytes.split_last_chunk::<HASH>() else { return Err(refuse("it is too short").into()) };
        if !body.starts_with(MAGIC) {
            return Err(refuse("it is no state of a run, or one of another version of lmsc").into());
        }
        if blake3::hash(body).as_bytes() != hash {
            return Err(refuse("it was damaged after it was written").into());
        }
        Self::parse(&body[MAGIC.len()..]).map(Some).ok_or_else(|| refuse("its parts do not fit together").into())
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let (length, rest) = body.split_first_chunk::<8>()?;
        let (text, mut rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let head: Head = ron::de::from_bytes(text).ok()?;
        let mut take = |names: Vec<(String, Vec<usize>)>| -> Option<Numbers> {
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

    fn state() -> State {
        let w = |name: &str, v: f32| (name.to_owned(), Array::new([2, 1], vec![v, -v]));
        State {
            about: About { run: "r".into(), steps: 7, sums: [0.1, 0.2, 0.3, 1.0 / 3.0, 0.0, 1e-300], batches: 3, ..About::default() },
            weights: vec![w("a", 1e-40), w("b", 0.1)],
            average: vec![w("a", 3.0)],
            moments: vec![w("a", 0.5), w("b", 1e30)],
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESUME);
        assert_eq!(State::load(&path).unwrap(), None);
        state().save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), Some(state()));
    }

    #[test]
    fn every_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESUME);
        state().save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(State::load(&path).unwrap_err().0[0].code, Code::E0801, "cut at {at}");
            let mut turned = whole.clone();
            turned[at] ^= 1 << (at % 8);
            std::fs::write(&path, turned).unwrap();
            assert_eq!(State::load(&path).unwrap_err().0[0].code, Code::E0801, "turned at {at}");
        }
    }
}
