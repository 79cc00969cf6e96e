//! A run's figures as an event file, which TensorBoard reads: records in TensorFlow's framing, each a protocol buffer of a few fields.
//!
//! Part of `train`; may use `text`. The framing is that of `tensorflow/core/lib/io/record_writer.h`, the fields those of
//! `tensorflow/core/util/event.proto` and `summary.proto`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::text::{Result, unwritable};

/// How the names of event files begin; TensorBoard looks for `tfevents`.
const PREFIX: &str = "events.out.tfevents.";
/// How those end that are written here.
const SUFFIX: &str = ".lmsc";

/// An open event file.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// Starts a file in a run folder in place of any that an earlier start has left there. `now` is the time in seconds since 1970.
    ///
    /// A TensorBoard that watches the folder drops what it has read of the run.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn create(folder: &Path, now: f64) -> Result<Self> {
        for entry in fs::read_dir(folder).map_err(|e| unwritable(folder, &e))?.flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX)) {
                fs::remove_file(entry.path()).map_err(|e| unwritable(&entry.path(), &e))?;
            }
        }
        let path = folder.join(format!("{PREFIX}{:010}{SUFFIX}", now as u64));
        let file = File::create(&path).map_err(|e| unwritable(&path, &e))?;
        let mut events = Self { path, file };
        events.write(event(now, 0, 3, b"brain.Event:2"))?;
        // A log of status START: what was read of this run so far is void.
        events.write(event(now, 0, 9, &[0x08, 1]))?;
        Ok(events)
    }

    /// Adds figures by name at a step. `time` is in seconds since 1970.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn add(&mut self, time: f64, step: usize, figures: &[(String, f64)]) -> Result<()> {
        let mut summary = vec![];
        for (name, figure) in figures {
            let mut value = vec![];
            bytes(&mut value, 1, name.as_bytes());
            value.push(0x15); // field 2, four bytes
            value.extend((*figure as f32).to_le_bytes());
            bytes(&mut summary, 1, &value);
        }
        self.write(event(time, step, 5, &summary))
    }

    fn write(&mut self, data: Vec<u8>) -> Result<()> {
        // One write for each record: a reader sees whole ones.
        Ok(self.file.write_all(&framed(&data)).map_err(|e| unwritable(&self.path, &e))?)
    }
}

/// An event: its time, its step, and one field of bytes.
fn event(time: f64, step: usize, field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x09]; // field 1, eight bytes
    out.extend(time.to_le_bytes());
    out.push(0x10); // field 2, a number
    varint(&mut out, step as u64);
    bytes(&mut out, field, content);
    out
}

/// A field of bytes with their count.
fn bytes(out: &mut Vec<u8>, field: u8, content: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, content.len() as u64);
    out.extend(content);
}

/// Seven bits a byte, the lowest first.
fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A record: its length and that length's checksum, then the data and theirs.
fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// The checksum as the framing has it, turned and shifted, so that one of data that hold checksums is sound.
fn masked(data: &[u8]) -> [u8; 4] {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli), a byte at a time: an epoch is a few hundred of them.
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let mut c = n as u32;
            let mut bit = 0;
            while bit < 8 {
                c = if c & 1 == 1 { 0x82f6_3b78 ^ (c >> 1) } else { c >> 1 };
                bit += 1;
            }
            table[n] = c;
            n += 1;
        }
        table
    };
    !data.iter().fold(!0, |c, b| TABLE[usize::from(c as u8 ^ b)] ^ (c >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32C by division of polynomials, highest power first, over reflected bits: not the way of the code above.
    fn divided(data: &[u8]) -> u32 {
        let mut bits: Vec<u8> = data.iter().flat_map(|b| (0..8).map(move |i| b >> i & 1)).collect();
        bits.extend([0; 32]);
        bits.iter_mut().take(32).for_each(|b| *b ^= 1);
        const POLYNOMIAL: u64 = 0x1_1edc_6f41;
        for at in 0..data.len() * 8 {
            if bits[at] == 1 {
                (0..33).for_each(|i| bits[at + i] ^= (POLYNOMIAL >> (32 - i) & 1) as u8);
            }
        }
        let rest = &bits[data.len() * 8..];
        !(0..32).fold(0, |c, i| c | u32::from(rest[i]) << i)
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4, and the usual check value.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(divided(b"123456789"), 0xe306_9283);
    }

    /// The records of a file, their checksums proved.
    fn records(mut file: &[u8]) -> Vec<Vec<u8>> {
        let mut all = vec![];
        let unmasked = |b: &[u8]| u32::from_le_bytes(b.try_into().unwrap()).wrapping_sub(0xa282_ead8).rotate_left(15);
        while !file.is_empty() {
            let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
            assert_eq!(unmasked(&file[8..12]), divided(&file[..8]));
            let data = &file[12..12 + length];
            assert_eq!(unmasked(&file[12 + length..16 + length]), divided(data));
            all.push(data.to_vec());
            file = &file[16 + length..];
        }
        all
    }

    #[test]
    fn a_file_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("events.out.tfevents.1.lmsc"), "old").unwrap();
        std::fs::write(dir.path().join("events.out.tfevents.1.other"), "of another program").unwrap();
        let mut events = Events::create(dir.path(), 1.7e9).unwrap();
        events.add(1.7e9 + 0.5, 300, &[("loss".into(), 0.75), ("dice/é".into(), 0.5)]).unwrap();
        let all = records(&std::fs::read(&events.path).unwrap());
        let head = [vec![0x09], 1.7e9f64.to_le_bytes().to_vec(), vec![0x10, 0]].concat();
        assert_eq!(all[0], [&head[..], &[0x1a, 13], b"brain.Event:2"].concat());
        assert_eq!(all[1], [&head[..], &[0x4a, 2, 0x08, 1]].concat());
        let value =
            |tag: &str, bits: [u8; 4]| [&[0x0a, tag.len() as u8 + 7, 0x0a, tag.len() as u8], tag.as_bytes(), &[0x15], &bits].concat();
        let values = [value("loss", [0, 0, 0x40, 0x3f]), value("dice/é", [0, 0, 0, 0x3f])].concat();
        let time = (1.7e9f64 + 0.5).to_le_bytes();
        assert_eq!(all[2], [&[0x09], &time[..], &[0x10, 0xac, 0x02, 0x2a, values.len() as u8], &values].concat());
        assert_eq!(all.len(), 3);
        let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["events.out.tfevents.1.other", "events.out.tfevents.1700000000.lmsc"]);
    }
}
