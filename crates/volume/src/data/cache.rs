//! Prepared cases on disk, so that reading, turning, cropping and resampling happen once.
//!
//! May use `text`, `volume`, and `dataset`, `load`, `preprocess`, `record`, `sample` beside it. A case is one file, written whole or not at all. It holds
//! what it was made of: the settings in its name, and of each source file its size, its time and the hash of its content. While size and time
//! are as they were it is used as it is; else the contents decide. A damaged file is made anew, and so is one of a format or a
//! preparation that this version does not know: a cache never stops anybody.
//!
//! ```text
//! "lmsc case 2\n" | u64 length of the head | head, JSON | for each channel: u64 length | LZ4 of its four byte planes |
//! u64 length | LZ4 of the labels | BLAKE3 of all before
//! ```
//!
//! The bytes of floats are apart by their place: those with sign and exponent repeat a lot, and zeros of a background cost nothing.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4};
use serde::{Deserialize, Serialize};

use super::dataset::{Case, Description};
use super::load::{CANONICAL, LoadedCase};
use super::preprocess::Preprocess;
use super::record::{FileRecord, nanoseconds_now};
use super::sample::Sample;
use super::taken::LostClass;
use crate::text::{Code, Diagnostic, probe, read_marked, write_whole};
use crate::volume::{Affine, Grid};

const MAGIC: &[u8] = b"lmsc case 1\n";
const HASH: usize = 32;
/// The version of what preparation makes of files: raised by hand when the same files and settings would become other voxels. Cases of another
/// version are made anew.
const PREPARATION: u32 = 1;

/// A folder of prepared cases.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    by: Preprocess,
    labels: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    id: String,
    channels: usize,
    /// D, H, W.
    size: [usize; 3],
    affine: Affine,
    sources: Vec<FileRecord>,
    /// Nanoseconds since 1970.
    made: u64,
    /// Not in files of before.
    #[serde(default)]
    lost: Vec<LostClass>,
    #[serde(default)]
    warnings: Vec<Told>,
    /// [`PREPARATION`]; files that do not name it are of version 1.
    #[serde(default = "first")]
    preparation: u32,
}

/// A warning that was given when the case was made.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    code: String,
    message: String,
    help: Vec<String>,
    kind: Option<[String; 2]>,
}

impl Told {
    fn of(d: &Diagnostic) -> Self {
        let kind = d.kind.as_ref().map(|k| [k.name.clone(), k.subject.clone()]);
        Self { code: d.code.name().into(), message: d.message.clone(), help: d.help.clone(), kind }
    }

    fn again(&self) -> Option<Diagnostic> {
        let code = *Code::ALL.iter().find(|c| c.name() == self.code)?;
        let d = Diagnostic { help: self.help.clone(), ..Diagnostic::warning(code, self.message.clone()) };
        Some(match &self.kind {
            Some([name, subject]) => d.of(subject.clone(), name.clone()),
            None => d,
        })
    }
}

fn first() -> u32 {
    1
}

impl Cache {
    /// For cases prepared in one way. Makes the folder.
    ///
    /// # Errors
    /// E0603 when it cannot be made or written.
    pub fn open(folder: &Path, by: Preprocess, about: &Description) -> Result<Self, Diagnostic> {
        std::fs::create_dir_all(folder).and_then(|()| probe(folder)).map_err(|e| crate::text::unwritable(folder, &e))?;
        Ok(Self { folder: folder.to_owned(), by, labels: about.labels.iter().map(|(value, _)| *value).collect() })
    }

    /// The prepared case, if it is there and still what its files say.
    pub fn find(&self, case: &Case) -> Option<LoadedCase> {
        let bytes = read_marked(&self.file(case), MAGIC).ok()??;
        let (body, hash) = bytes.split_last_chunk::<HASH>()?;
        if blake3::hash(body).as_bytes() != hash {
            return None;
        }
        let (length, rest) = body.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        let (head, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        let fresh = head.preparation == PREPARATION
            && head.id == case.id
            && case.files().iter().eq(head.sources.iter().map(|s| &s.path))
            && head.sources.iter().all(|s| s.holds(&s.path, head.made));
        if !fresh {
            return None;
        }
        read(&head, rest)
    }

    /// Keeps a case.
    ///
    /// # Errors
    /// E0603 when it cannot be written, E0702 when a source went away.
    pub fn keep(&self, case: &Case, loaded: &LoadedCase) -> Result<(), Diagnostic> {
        let made = nanoseconds_now();
        let sources = case.files().iter().map(|path| FileRecord::of(path)).collect::<Result<_, _>>()?;
        let image = &loaded.sample.image;
        let head = Head {
            id: case.id.clone(),
            channels: image.dim().0,
            size: loaded.sample.size(),
            affine: loaded.grid.affine,
            sources,
            made,
            lost: loaded.sample.lost.clone(),
            warnings: loaded.warnings.iter().map(Told::of).collect(),
            preparation: PREPARATION,
        };
        let mut body = MAGIC.to_vec();
        let mut put = |part: &[u8]| {
            body.extend((part.len() as u64).to_le_bytes());
            body.extend(part);
        };
        put(serde_json::to_string(&head).unwrap_or_default().as_bytes());
        for channel in image.outer_iter() {
            put(&lz4_flex::block::compress(&apart(channel.iter().copied())));
        }
        put(&lz4_flex::block::compress(&loaded.sample.label.iter().copied().collect::<Vec<u8>>()));
        let hash = blake3::hash(&body);
        write_whole(&self.file(case), |out| out.write_all(&body).and_then(|()| out.write_all(hash.as_bytes())))
    }

    /// The file of a case: named so that people can tell whose it is, and by what it was made of and how.
    fn file(&self, case: &Case) -> PathBuf {
        let mut key = blake3::Hasher::new();
        key.update(serde_json::to_string(&(self.by, CANONICAL, &self.labels, &case.id)).unwrap_or_default().as_bytes());
        for path in case.files() {
            // Where the program is run must not matter.
            let whole = std::path::absolute(&path).unwrap_or(path);
            key.update(b"\0").update(whole.as_os_str().as_encoded_bytes());
        }
        let short: String =
            case.id.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).take(60).collect();
        self.folder.join(format!("{short}-{}.case", &key.finalize().to_hex()[..16]))
    }
}

/// The bytes of floats by their place: all first bytes, all second ones, ...
fn apart(values: impl ExactSizeIterator<Item = f32>) -> Vec<u8> {
    let count = values.len();
    let mut planes = vec![0; 4 * count];
    for (n, v) in values.enumerate() {
        for (place, byte) in v.to_le_bytes().into_iter().enumerate() {
            planes[place * count + n] = byte;
        }
    }
    planes
}

/// The voxels after the head; `None` where they do not fit it.
fn read(head: &Head, mut rest: &[u8]) -> Option<LoadedCase> {
    let [d, h, w] = head.size;
    let count = d.checked_mul(h)?.checked_mul(w)?;
    let mut part = |bytes: usize| -> Option<Vec<u8>> {
        let (length, after) = rest.split_first_chunk::<8>()?;
        let (own, after) = after.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        rest = after;
        // LZ4 makes at most 255 bytes of one: no memory is taken for more.
        let mut out = vec![0; Some(bytes).filter(|b| *b <= own.len().saturating_mul(256))?];
        (lz4_flex::block::decompress_into(own, &mut out).ok()? == bytes).then_some(out)
    };
    let mut values = vec![];
    for _ in 0..head.channels {
        let planes = part(count.checked_mul(4)?)?;
        let place = |p: usize| planes[p * count..][..count].iter();
        values.extend(place(0).zip(place(1)).zip(place(2)).zip(place(3)).map(|(((a, b), c), d)| f32::from_le_bytes([*a, *b, *c, *d])));
    }
    let label = Array3::from_shape_vec((d, h, w), part(count)?).ok()?;
    let image = Array4::from_shape_vec((head.channels, d, h, w), values).ok()?;
    let grid = Grid { size: head.size, affine: head.affine };
    let sample = Sample { lost: head.lost.clone(), ..Sample::new(&head.id, image, label, grid.spacing()) };
    Some(LoadedCase { sample, grid, warnings: head.warnings.iter().filter_map(Told::again).collect() })
}

#[cfg(test)]
mod tests {
    use super::super::phantom;
    use super::super::{Dataset, DatasetSpec};
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::volume::Normalise;

    struct Set {
        root: tempfile::TempDir,
        by: Preprocess,
    }

    impl Set {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            phantom::write(root.path(), 2, [16, 18, 20], 4).unwrap();
            Self {
                root,
                by: Preprocess {
                    normalise: Normalise::ZScoreNonZero,
                    spacing: Some([2.0, 1.0, 1.3].into()),
                    crop: true,
                    ..Preprocess::default()
                },
            }
        }

        fn open(&self, cache: bool) -> Dataset {
            let folder = self.root.path().join("kept");
            Dataset::open(&DatasetSpec::Msd { root: self.root.path().into() }, self.by, cache.then_some(folder.as_path())).unwrap()
        }

        fn files(&self) -> Vec<PathBuf> {
            let mut all: Vec<PathBuf> = std::fs::read_dir(self.root.path().join("kept")).unwrap().map(|e| e.unwrap().path()).collect();
            all.sort();
            all
        }
    }

    #[test]
    fn what_is_kept_is_what_was_made() {
        let set = Set::new();
        let plain = set.open(false).load("phantom_0001").unwrap();
        for _ in 0..2 {
            let kept = set.open(true).load("phantom_0001").unwrap();
            assert_eq!((kept.sample, kept.grid, kept.warnings), (plain.sample.clone(), plain.grid, plain.warnings.clone()));
        }
        let [file] = &set.files()[..] else { panic!("one file") };
        assert!(file.file_name().unwrap().to_str().unwrap().starts_with("phantom_0001-"));
        // Read from the file, not made again: with a file that holds another case's voxels, those come out.
        let open = set.open(true);
        let (a, b) = (&open.description.cases[0], &open.description.cases[1]);
        let cache = Cache::open(&set.root.path().join("kept"), set.by, &open.description).unwrap();
        cache.keep(a, &plain).unwrap();
        assert_eq!(open.load(&a.id).unwrap().sample.image, plain.sample.image);
        assert_eq!(cache.find(b).unwrap().sample, plain.sample);
    }

    #[test]
    fn other_settings_and_other_contents_are_made_anew() {
        let mut set = Set::new();
        let first = set.open(true).load("phantom_0000").unwrap();
        set.by.crop = false;
        assert_ne!(set.open(true).load("phantom_0000").unwrap().sample, first.sample);
        assert_eq!(set.files().len(), 2);
        set.by.crop = true;
        // The other case's image under this one's name, its time set back to that of the old file.
        let images = set.root.path().join("imagesTr");
        let old = images.join("phantom_0000.nii.gz");
        let time = std::fs::metadata(&old).unwrap().modified().unwrap();
        std::fs::copy(images.join("phantom_0001.nii.gz"), &old).unwrap();
        std::fs::File::options().write(true).open(&old).unwrap().set_modified(time).unwrap();
        assert_eq!(set.open(true).load("phantom_0000").unwrap().sample, set.open(false).load("phantom_0000").unwrap().sample);
    }

    #[test]
    fn every_damage_is_made_good() {
        let set = Set::new();
        let want = set.open(true).load("phantom_0000").unwrap().sample;
        let file = set.files().remove(0);
        let whole = std::fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 40) {
            let mut turned = whole.clone();
            turned[at] ^= 1 << (at % 8);
            for broken in [&turned[..], &whole[..at]] {
                std::fs::write(&file, broken).unwrap();
                let cache = Cache::open(&set.root.path().join("kept"), set.by, &set.open(false).description).unwrap();
                assert!(cache.find(&set.open(false).description.cases[0]).is_none(), "{at}");
            }
        }
        assert_eq!(set.open(true).load("phantom_0000").unwrap().sample, want);
        assert_eq!(std::fs::read(&file).unwrap().len(), whole.len());
    }

    #[test]
    fn a_touched_file_with_its_old_content_is_the_same() {
        let set = Set::new();
        let open = set.open(true);
        open.load("phantom_0000").unwrap();
        let image = &open.description.cases[0].image[0];
        std::fs::File::options().write(true).open(image).unwrap().set_modified(SystemTime::now() + Duration::from_secs(9)).unwrap();
        let cache = Cache::open(&set.root.path().join("kept"), set.by, &open.description).unwrap();
        assert!(cache.find(&open.description.cases[0]).is_some());
        std::fs::remove_file(image).unwrap();
        assert!(cache.find(&open.description.cases[0]).is_none());
    }

    #[test]
    fn what_is_lost_and_what_was_said_are_kept_too() {
        let mut set = Set::new();
        set.by.spacing = Some([9.0; 3].into());
        let made = set.open(true).load("phantom_0000").unwrap();
        assert!(!made.sample.lost.is_empty() && !made.warnings.is_empty(), "{:?}", made.warnings);
        let kept = set.open(true).load("phantom_0000").unwrap();
        assert_eq!((kept.sample.lost, kept.warnings), (made.sample.lost, made.warnings));
    }

    /// Of a file with its parts taken apart and put together with another line of the format and another head.
    fn rewritten(file: &[u8], magic: &[u8], head: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let rest = file.strip_prefix(MAGIC).unwrap();
        let length = u64::from_le_bytes(*rest.first_chunk::<8>().unwrap()) as usize;
        let mut value: serde_json::Value = serde_json::from_slice(&rest[8..8 + length]).unwrap();
        head(&mut value);
        let text = value.to_string().into_bytes();
        let mut body = [magic, &(text.len() as u64).to_le_bytes(), &text, &rest[8 + length..rest.len() - HASH]].concat();
        let hash = blake3::hash(&body);
        body.extend(hash.as_bytes());
        body
    }

    #[test]
    fn a_case_of_another_format_or_preparation_is_made_anew_and_one_with_more_in_its_head_is_read() {
        let set = Set::new();
        let want = set.open(true).load("phantom_0000").unwrap().sample;
        let file = set.files().remove(0);
        let whole = std::fs::read(&file).unwrap();
        let open = set.open(true);
        let case = &open.description.cases[0];
        let cache = Cache::open(&set.root.path().join("kept"), set.by, &open.description).unwrap();
        let fields = |value: &mut serde_json::Value| value.as_object_mut().unwrap().insert("more".into(), serde_json::json!([1]));
        let read = |magic: &[u8], head: &dyn Fn(&mut serde_json::Value)| {
            std::fs::write(&file, rewritten(&whole, magic, head)).unwrap();
            let found = cache.find(case).is_some();
            assert_eq!(open.load(&case.id).unwrap().sample, want);
            found
        };
        assert!(read(MAGIC, &|_| ()) && read(MAGIC, &|head| drop(fields(head))));
        assert!(read(MAGIC, &|head| drop(head.as_object_mut().unwrap().remove("preparation"))), "before there was a version");
        assert!(!read(b"lmsc case 2\n", &|_| ()) && !read(b"lmsc case 0\n", &|_| ()));
        assert!(!read(MAGIC, &|head| head["preparation"] = serde_json::json!(2)));
        assert!(!read(MAGIC, &|head| drop(head.as_object_mut().unwrap().remove("size"))));
    }

    /// Cases that were prepared by an earlier version ([`tests/kept`]). Their names hold where the data set lay.
    #[test]
    fn prepared_cases_that_were_kept_are_read() {
        let by = Preprocess { normalise: Normalise::ZScore, spacing: Some([1.0, 1.0, 1.25].into()), crop: true, ..Preprocess::default() };
        let open = |cache: Option<&Path>| Dataset::open(&DatasetSpec::Msd { root: "../../tests/kept/set".into() }, by, cache).unwrap();
        let plain = open(None);
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), by, &plain.description).unwrap();
        let kept: Vec<PathBuf> = std::fs::read_dir("../../tests/kept/v0/cases").unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(kept.len(), plain.description.cases.len());
        for case in &plain.description.cases {
            let old = kept.iter().find(|p| p.file_name().unwrap().to_str().unwrap().starts_with(&format!("{}-", case.id))).unwrap();
            // The data set lies elsewhere, seen from here.
            let moved = rewritten(&std::fs::read(old).unwrap(), MAGIC, |head| {
                for source in head["sources"].as_array_mut().unwrap() {
                    source["path"] = format!("../../{}", source["path"].as_str().unwrap()).into();
                }
            });
            std::fs::write(cache.file(case), moved).unwrap();
            let (found, made) = (cache.find(case).expect("it is read"), plain.load(&case.id).unwrap());
            assert_eq!((found.grid.size, &found.sample.label), (made.grid.size, &made.sample.label));
            let far = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-4;
            assert!(!found.sample.image.iter().zip(&made.sample.image).any(far), "prepared now it is something else: raise PREPARATION");
        }
    }
}
