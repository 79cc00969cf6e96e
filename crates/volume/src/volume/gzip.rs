//! A byte stream over a file that may be gzip: told by its first bytes, never by its name.
//!
//! Several gzip members in a row (as pigz and bgzip write) are one stream, every member's checksum is verified, NUL padding
//! after the last is ignored as gzip does, and anything else there is an error.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// More than deflate can expand: a stream whose header promises more than this many times the file's bytes is a lie.
pub(super) const MAX_RATIO: u64 = 1040;

/// The decoded bytes of a file.
pub(super) enum Stream<R: BufRead> {
    Plain(R),
    Gzip(Members<R>),
}

impl<R: BufRead> Stream<R> {
    pub fn new(mut inner: R) -> io::Result<Self> {
        if inner.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            Ok(Self::Gzip(Members(Some(GzDecoder::new(inner)))))
        } else {
            Ok(Self::Plain(inner))
        }
    }

    pub fn is_gzip(&self) -> bool {
        matches!(self, Self::Gzip(_))
    }
}

impl<R: BufRead> Read for Stream<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(r) => r.read(into),
            Self::Gzip(m) => m.read(into),
        }
    }
}

/// Gzip members one after another; `None` once the last has ended.
pub(super) struct Members<R: BufRead>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(member) = &mut self.0 else { return Ok(0) };
            let n = member.read(into)?;
            if n > 0 {
                return Ok(n);
            }
            // The member is over and its checksum was right: what follows?
            let Some(rest) = self.0.take().map(GzDecoder::into_inner) else { return Ok(0) };
            self.0 = next_member(rest)?.map(GzDecoder::new);
        }
    }
}

fn next_member<R: BufRead>(mut rest: R) -> io::Result<Option<R>> {
    let mut padded = false;
    loop {
        let buffer = rest.fill_buf()?;
        let Some(&first) = buffer.first() else { return Ok(None) };
        if first == 0x1f && !padded {
            return Ok(Some(rest));
        }
        if buffer.iter().any(|b| *b != 0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes that are not gzip follow the gzip stream"));
        }
        padded = true;
        let n = buffer.len();
        rest.consume(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut e = GzEncoder::new(vec![], Compression::default());
        e.write_all(bytes).unwrap();
        e.finish().unwrap()
    }

    fn decode(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = vec![];
        Stream::new(bytes)?.read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn members_and_padding_are_one_stream() {
        let two = [gz(b"one "), gz(b"two")].concat();
        assert_eq!(decode(&two).unwrap(), b"one two");
        assert_eq!(decode(&[two.clone(), vec![0; 700]].concat()).unwrap(), b"one two");
        assert_eq!(decode(b"plain").unwrap(), b"plain");
        assert!(decode(&[two, b"junk".to_vec()].concat()).is_err());
    }

    #[test]
    fn every_flipped_byte_of_the_trailer_and_every_cut_is_seen() {
        let good = gz(b"some voxels, and some more voxels");
        for i in good.len() - 8..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert!(decode(&bad).is_err(), "byte {i}");
        }
        for n in 2..good.len() {
            assert!(decode(&good[..n]).is_err(), "cut at {n}");
        }
    }
}
