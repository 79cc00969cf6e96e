//! The archive that `torch.save` writes: a zip whose numbers are stored as they are.
//!
//! Part of `import`; may use `text`. Of the format (PKWARE's APPNOTE) what PyTorch writes: no compression, large files by zip64. Every place and
//! length is held against the file before anything is read or memory is taken.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;

/// The end of the directory, with the longest remark that may follow it.
const END: u64 = 22;
const REMARK: u64 = 65_535;
/// No directory is larger, in bytes.
const MOST: u64 = 64 << 20;
/// What a 32-bit field holds where the number stands in a zip64 field.
const ELSEWHERE: u64 = 0xffff_ffff;

/// An entry of an archive.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its header begins.
    start: u64,
    size: u64,
    checksum: u32,
    /// Whether it is compressed, as the code of a TorchScript archive is; only what is stored as it is can be read.
    packed: bool,
}

/// An archive, its entries by name.
#[derive(Debug)]
pub struct Archive {
    file: Mutex<File>,
    length: u64,
    entries: HashMap<String, Entry>,
}

/// Why an archive cannot be read, in words.
type Fault = String;

fn io(e: &std::io::Error) -> Fault {
    crate::text::reason(e)
}

/// A little-endian number of `N` bytes at a place.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut all = [0; 8];
    all[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
    Some(u64::from_le_bytes(all))
}

impl Archive {
    /// Reads the directory.
    ///
    /// # Errors
    /// Why the file is no such archive.
    pub fn open(mut file: File) -> Result<Self, Fault> {
        let length = file.metadata().map_err(|e| io(&e))?.len();
        let tail = part(&mut file, length.saturating_sub(END + REMARK), length.min(END + REMARK))?;
        let end = (0..=tail.len().saturating_sub(END as usize)).rev().find(|at| tail[*at..].starts_with(b"PK\x05\x06"));
        let cut = || "its directory is not there".to_owned();
        let end = end.ok_or_else(cut)?;
        let (mut size, mut start) = (number::<4>(&tail, end + 12).ok_or_else(cut)?, number::<4>(&tail, end + 16).ok_or_else(cut)?);
        if let Some(locator) = end.checked_sub(20).filter(|at| tail[*at..].starts_with(b"PK\x06\x07")) {
            let at = number::<8>(&tail, locator + 8).ok_or_else(cut)?;
            let large = part(&mut file, at, 56.min(length.saturating_sub(at)))?;
            if !large.starts_with(b"PK\x06\x06") {
                return Err(cut());
            }
            (size, start) = (number::<8>(&large, 40).ok_or_else(cut)?, number::<8>(&large, 48).ok_or_else(cut)?);
        }
        if size > MOST || start.checked_add(size).is_none_or(|end| end > length) {
            return Err("its directory does not lie within it".into());
        }
        let directory = part(&mut file, start, size)?;
        let mut entries = HashMap::new();
        let mut at = 0;
        while directory[at..].starts_with(b"PK\x01\x02") {
            let (name, entry, next) = entry(&directory, at)?;
            if entries.insert(name.clone(), entry).is_some() {
                return Err(format!("it has two entries `{}`", crate::text::printable(&name)));
            }
            at = next;
        }
        Ok(Self { file: Mutex::new(file), length, entries })
    }

    /// The names of all entries, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Bytes of an entry.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|e| e.size)
    }

    /// Reads an entry of at most `most` bytes.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, Fault> {
        let Some(entry) = self.entries.get(name) else { return Err(format!("it has no `{}`", crate::text::printable(name))) };
        if entry.packed {
            return Err(format!("`{}` is compressed, and `torch.save` compresses no numbers", crate::text::printable(name)));
        }
        if entry.size > most {
            return Err(format!("`{}` has {} bytes, and {most} are the most", crate::text::printable(name), entry.size));
        }
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let head = part(&mut file, entry.start, 30.min(self.length.saturating_sub(entry.start)))?;
        let lengths = number::<2>(&head, 26).zip(number::<2>(&head, 28)).filter(|_| head.starts_with(b"PK\x03\x04"));
        let (name_length, extra) =
            lengths.ok_or_else(|| format!("`{}` does not begin where its directory says", crate::text::printable(name)))?;
        let start = entry.start.saturating_add(30 + name_length + extra);
        if start.checked_add(entry.size).is_none_or(|end| end > self.length) {
            return Err(format!("it ends within `{}`", crate::text::printable(name)));
        }
        let bytes = part(&mut file, start, entry.size)?;
        // A file may be saved without checksums; they are 0 then.
        if entry.checksum != 0 && crc32fast::hash(&bytes) != entry.checksum {
            return Err(format!("`{}` does not fit its checksum", crate::text::printable(name)));
        }
        Ok(bytes)
    }
}

/// The entry of a directory that begins at a place, and where the next one does.
fn entry(directory: &[u8], at: usize) -> Result<(String, Entry, usize), Fault> {
    let cut = || "its directory ends within an entry".to_owned();
    let two = |offset| number::<2>(directory, at + offset).ok_or_else(cut);
    let four = |offset| number::<4>(directory, at + offset).ok_or_else(cut);
    let lengths = [two(28)?, two(30)?, two(32)?].map(|n| n as usize);
    let [name, extra, remark] = lengths;
    let next = at + 46 + name + extra + remark;
    let bytes = directory.get(at + 46..next).ok_or_else(cut)?;
    let shown = String::from_utf8_lossy(&bytes[..name]).into_owned();
    let (method, checksum, packed, size, start) = (two(10)?, four(16)? as u32, four(20)?, four(24)?, four(42)?);
    let mut numbers = [size, packed, start];
    // The numbers that do not fit stand one after the other in the field 1 of what follows the name.
    let mut fields = &bytes[name..name + extra];
    while let Some((kind, length)) = number::<2>(fields, 0).zip(number::<2>(fields, 2)) {
        let field = fields.get(4..4 + length as usize).ok_or_else(cut)?;
        if kind == 1 {
            let mut wide = field.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b));
            for number in numbers.iter_mut().filter(|n| **n == ELSEWHERE) {
                *number = wide.next().ok_or_else(cut)?;
            }
        }
        fields = &fields[4 + length as usize..];
    }
    let [size, packed, start] = numbers;
    Ok((shown, Entry { start, size, checksum, packed: method != 0 || size != packed }, next))
}

/// Some bytes of a file, which has them.
fn part(file: &mut File, start: u64, length: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![];
    file.seek(SeekFrom::Start(start)).map_err(|e| io(&e))?;
    file.take(length).read_to_end(&mut bytes).map_err(|e| io(&e))?;
    if (bytes.len() as u64) < length { Err("it was cut off".into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_zip() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }
}
