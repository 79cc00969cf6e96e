//! The files that `torch.save` wrote before release 1.6: pickles one after the other, then the numbers of each storage.
//!
//! Part of `import::pytorch`; may use `import::pickle`. In order: a magic number, the format's version, facts of the machine, the object that was saved, the
//! keys of its storages in their order; then of each storage the count of its numbers (eight bytes) and the numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;

use crate::import::pickle::{self, Kind, Pickle, Value};
use crate::text::{printable, reason};

/// How such a file begins: the pickle of 0x1950a86a20f9469cfc6c as a long whole number, protocol 2.
pub const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The only version of the format that there is.
const VERSION: i64 = 1001;

/// The storages of such a file, by key.
#[derive(Debug)]
pub struct Storages {
    file: Mutex<File>,
    /// Where the numbers of each begin, and their bytes.
    places: HashMap<String, (u64, u64)>,
}

/// Reads the pickles and finds the storages. `most` are the most bytes that pickles may take.
///
/// # Errors
/// Why it is not such a file, in words.
pub fn open(mut file: File, most: u64) -> Result<(Pickle, Storages), String> {
    let length = file.metadata().map_err(|e| reason(&e))?.len();
    let mut bytes = vec![];
    file.seek(SeekFrom::Start(0)).map_err(|e| reason(&e))?;
    // Numbers follow the pickles, so that most of what is taken here may be none of theirs.
    (&mut file).take(most.min(length)).read_to_end(&mut bytes).map_err(|e| reason(&e))?;
    let mut at = 0;
    let mut next = || -> Result<Pickle, String> {
        let (pickle, taken) = pickle::read_first(&bytes[at..])?;
        at += taken;
        Ok(pickle)
    };
    next()?;
    let version = next()?;
    if *version.get(version.root) != Value::Int(VERSION) {
        return Err("its format has a version that is not known".into());
    }
    let machine = next()?;
    if machine.entry(machine.root, "little_endian").map(|id| machine.get(id)) == Some(&Value::Bool(false)) {
        return Err("its numbers are big-endian".into());
    }
    let (saved, keys) = (next()?, next()?);
    let Value::List(order) = keys.get(keys.root) else { return Err("it does not say which storages follow".into()) };
    let kinds = kinds(&saved)?;
    let mut places = HashMap::new();
    let mut place = at as u64;
    for key in order {
        let Value::Text(key) = keys.get(*key) else { return Err("the key of a storage is no text".into()) };
        let mut count = [0; 8];
        file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(&mut count)).map_err(|_| "it ends before its numbers".to_owned())?;
        let Some(width) = kinds.get(key.as_str()) else {
            return Err(format!("nothing says what the numbers of its storage `{}` are", printable(key)));
        };
        let size = u64::from_le_bytes(count).checked_mul(*width as u64);
        let Some(end) = size.and_then(|size| place.checked_add(8)?.checked_add(size)).filter(|end| *end <= length) else {
            return Err("it ends within its numbers".into());
        };
        places.insert(key.clone(), (place + 8, end - place - 8));
        place = end;
    }
    Ok((saved, Storages { file: Mutex::new(file), places }))
}

/// The bytes of a number of each storage, by key.
fn kinds(saved: &Pickle) -> Result<HashMap<&str, usize>, String> {
    let mut kinds: HashMap<&str, Kind> = HashMap::new();
    for storage in saved.storages() {
        if kinds.insert(&storage.key, storage.kind).is_some_and(|other| other != storage.kind) {
            return Err(format!("its storage `{}` holds numbers of two types", printable(&storage.key)));
        }
    }
    Ok(kinds.into_iter().map(|(key, kind)| (key, kind.bytes())).collect())
}

impl Storages {
    /// The bytes of a storage, at most `most`.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn read(&self, key: &str, most: u64) -> Result<Vec<u8>, String> {
        let Some((start, size)) = self.places.get(key).filter(|(_, size)| *size <= most) else {
            return Err(format!("its storage `{}` is not there, or larger than {most} bytes", printable(key)));
        };
        let mut bytes = vec![];
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(*start)).map_err(|e| reason(&e))?;
        (&mut *file).take(*size).read_to_end(&mut bytes).map_err(|e| reason(&e))?;
        Ok(bytes)
    }
}
