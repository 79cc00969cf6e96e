use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::super::header::tests::{bytes, bytes_2};
use super::*;

fn file(header: &[u8], voxels: &[u8]) -> Vec<u8> {
    [header, &[0; 4], voxels].concat()
}

fn parse(bytes: &[u8]) -> Result<Volume, Refusal> {
    let mut source = Source::new(bytes, bytes.len() as u64)?;
    let header = source.header()?;
    let mut voxels = Floats::default();
    let (header, affine) = finish(source, header, 1 << 20, &mut voxels)?;
    whole(header, affine, voxels)
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(vec![], Compression::default());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

fn ramp(n: usize) -> Vec<u8> {
    (0..n).flat_map(|v| (v as f32).to_le_bytes()).collect()
}

#[test]
fn axes_are_channel_k_j_i() {
    let v = parse(&file(&bytes(&[5, 4, 3, 2]), &ramp(120))).unwrap();
    assert_eq!(v.data.dim(), (2, 3, 4, 5));
    assert_eq!(v.data[[0, 0, 0, 1]], 1.0);
    assert_eq!(v.data[[0, 0, 1, 0]], 5.0);
    assert_eq!(v.data[[0, 1, 0, 0]], 20.0);
    assert_eq!(v.data[[1, 0, 0, 0]], 60.0);
    assert_eq!(v.spacing, [2.5, 2.0, 1.5]);
}

#[test]
fn gzip_is_told_by_content_and_its_checksum_is_read() {
    let plain = file(&bytes(&[5, 4, 3]), &ramp(60));
    let mut packed = gz(&plain);
    assert_eq!(parse(&packed).unwrap(), parse(&plain).unwrap());
    let two = [gz(&plain[..400]), gz(&plain[400..])].concat();
    assert_eq!(parse(&two).unwrap(), parse(&plain).unwrap());
    let crc = packed.len() - 8;
    packed[crc] ^= 0x10;
    assert!(parse(&packed).is_err());
}

#[test]
fn types_orders_and_scales() {
    // int16, big-endian, slope 2, intercept -1: every multi-byte field turned by hand.
    let mut h = bytes(&[3, 1, 1]);
    let mut put = |at: usize, v: &[u8]| h[at..at + v.len()].copy_from_slice(v);
    put(0, &348i32.to_be_bytes());
    for (i, d) in [3i16, 3, 1, 1].iter().enumerate() {
        put(40 + 2 * i, &d.to_be_bytes());
    }
    put(70, &4i16.to_be_bytes());
    put(72, &16i16.to_be_bytes());
    for i in 0..4 {
        put(76 + 4 * i, &1f32.to_be_bytes());
    }
    put(108, &352f32.to_be_bytes());
    put(112, &2f32.to_be_bytes());
    put(116, &(-1f32).to_be_bytes());
    let voxels: Vec<u8> = [-300i16, 0, 300].iter().flat_map(|v| v.to_be_bytes()).collect();
    let v = parse(&file(&h, &voxels)).unwrap();
    assert_eq!(v.data.as_slice().unwrap(), [-601.0, -1.0, 599.0]);
}

#[test]
fn every_cut_is_refused_and_none_panics() {
    let plain = file(&bytes(&[5, 4, 3]), &ramp(60));
    for cut in 0..plain.len() {
        assert!(parse(&plain[..cut]).is_err(), "cut at {cut}");
    }
    let packed = gz(&plain);
    for cut in 0..packed.len() {
        assert!(parse(&packed[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn every_flipped_header_byte_is_read_or_refused() {
    let plain = file(&bytes(&[5, 4, 3]), &ramp(60));
    for at in 0..352 {
        for bit in 0..8 {
            let mut bad = plain.clone();
            bad[at] ^= 1 << bit;
            if let Ok(v) = parse(&bad) {
                assert!(v.data.len() <= 60 && v.spacing.iter().all(|s| *s > 0.0), "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn claims_are_checked_before_memory_is_taken() {
    let reason = |r: Result<Volume, Refusal>| format!("{:?}", r.unwrap_err());
    assert!(reason(parse(&file(&bytes(&[32767, 32767, 32767]), &ramp(60)))).contains("can hold at most"));
    assert!(reason(parse(&file(&bytes(&[32767; 4]), &ramp(60)))).contains("promises"));
    assert!(reason(parse(&gz(&file(&bytes(&[32767, 32767, 32767]), &ramp(60))))).contains("can hold at most"));
    let large = file(&bytes(&[100, 100, 100]), &vec![0; 4_000_000]);
    assert!(reason(parse(&gz(&large))).contains("are allowed"));
}

#[test]
fn the_offset_is_honoured() {
    let mut h = bytes(&[2, 1, 1]);
    h[108..112].copy_from_slice(&400f32.to_le_bytes());
    let v = parse(&[&h[..], &[9; 52], &ramp(2)].concat()).unwrap();
    assert_eq!(v.data.as_slice().unwrap(), [0.0, 1.0]);
}

#[test]
fn the_second_version_is_read_in_both_orders() {
    let first = parse(&file(&bytes(&[5, 4, 3, 2]), &ramp(120))).unwrap();
    let second = parse(&file(&bytes_2(&[5, 4, 3, 2], false), &ramp(120))).unwrap();
    assert_eq!((first.data, first.affine), (second.data.clone(), second.affine));
    let big: Vec<u8> = (0..120).flat_map(|v| (v as f32).to_be_bytes()).collect();
    assert_eq!(parse(&file(&bytes_2(&[5, 4, 3, 2], true), &big)).unwrap().data, second.data);
    let plain = file(&bytes_2(&[5, 4, 3], true), &ramp(60));
    (0..plain.len()).for_each(|cut| assert!(parse(&plain[..cut]).is_err(), "cut at {cut}"));
    for at in 0..544 {
        for bit in 0..8 {
            let mut bad = plain.clone();
            bad[at] ^= 1 << bit;
            if let Ok(v) = parse(&bad) {
                assert!(v.data.len() <= 60 && v.spacing.iter().all(|s| *s > 0.0), "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn a_pair_is_read_by_either_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let single = parse(&file(&bytes(&[5, 4, 3]), &ramp(60))).unwrap();
    let mut h = bytes(&[5, 4, 3]);
    h[344..348].copy_from_slice(b"ni1\0");
    h[108..112].copy_from_slice(&16f32.to_le_bytes());
    let voxels = [vec![7; 16], ramp(60)].concat();
    std::fs::write(at("a.hdr"), h).unwrap();
    let message = |name: &str| read(&at(name)).unwrap_err().message;
    assert!(message("a.hdr").contains("not beside it"));
    std::fs::write(at("a.img.gz"), gz(&voxels)).unwrap();
    std::fs::write(at("b.hdr.gz"), gz(&h)).unwrap();
    std::fs::write(at("b.img"), &voxels).unwrap();
    for name in ["a.hdr", "a.img.gz", "b.hdr.gz", "b.img"] {
        let v = read(&at(name)).unwrap();
        assert_eq!((v.data, v.affine, v.header.pair), (single.data.clone(), single.affine, true), "{name}");
    }
    std::fs::write(at("b.img"), &voxels[..100]).unwrap();
    assert!(message("b.hdr.gz").contains("b.hdr.gz") && message("b.hdr.gz").contains("`b.img`"), "{}", message("b.hdr.gz"));
    std::fs::write(at("c.img"), &voxels).unwrap();
    assert!(message("c.img").contains("the header (.hdr or .hdr.gz) is not beside it"));
}

#[test]
fn colours_and_complex_numbers_are_known_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rgb.nii");
    let mut h = bytes(&[2, 1, 1]);
    h[70..72].copy_from_slice(&128i16.to_le_bytes());
    h[72..74].copy_from_slice(&24i16.to_le_bytes());
    std::fs::write(&path, file(&h, &[1; 6])).unwrap();
    assert_eq!(read_header(&path).unwrap().datatype.name(), "RGB");
    assert!(read(&path).unwrap_err().message.contains("colours (RGB)"));
}
