use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::super::header::tests::bytes;
use super::*;

fn file(header: &[u8], voxels: &[u8]) -> Vec<u8> {
    [header, &[0; 4], voxels].concat()
}

fn parse(bytes: &[u8]) -> Result<Volume, Refusal> {
    from_stream(bytes, bytes.len() as u64, 1 << 20)
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
