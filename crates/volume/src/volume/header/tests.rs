use super::*;

/// A little-endian NIfTI-1 header of float32 voxels, i x j x k.
pub fn bytes(dim: &[i16]) -> [u8; SIZE_1] {
    let mut b = [0; SIZE_1];
    let mut put = |at: usize, v: &[u8]| b[at..at + v.len()].copy_from_slice(v);
    put(0, &348i32.to_le_bytes());
    put(40, &(dim.len() as i16).to_le_bytes());
    dim.iter().enumerate().for_each(|(i, d)| put(42 + 2 * i, &d.to_le_bytes()));
    put(70, &16i16.to_le_bytes());
    put(72, &32i16.to_le_bytes());
    for (i, p) in [1.0f32, 1.5, 2.0, 2.5, 1.0].iter().enumerate() {
        put(76 + 4 * i, &p.to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(344, b"n+1\0");
    b
}

/// The same as NIfTI-2, in either byte order.
pub fn bytes_2(dim: &[i64], big: bool) -> [u8; SIZE_2] {
    let mut b = [0; SIZE_2];
    let mut put = |at: usize, v: &[u8]| {
        b[at..at + v.len()].copy_from_slice(v);
        if big {
            b[at..at + v.len()].reverse();
        }
    };
    put(0, &540i32.to_le_bytes());
    put(12, &16i16.to_le_bytes());
    put(14, &32i16.to_le_bytes());
    put(16, &(dim.len() as i64).to_le_bytes());
    dim.iter().enumerate().for_each(|(i, d)| put(24 + 8 * i, &d.to_le_bytes()));
    for (i, p) in [1.0f64, 1.5, 2.0, 2.5, 1.0].iter().enumerate() {
        put(104 + 8 * i, &p.to_le_bytes());
    }
    put(168, &544i64.to_le_bytes());
    put(500, &2i32.to_le_bytes());
    b[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
    b
}

fn parse(b: &[u8]) -> Result<Header, Refusal> {
    Header::parse(HeaderKind::of(b)?, b)
}

fn reason(b: &[u8]) -> String {
    format!("{:?}", parse(b).unwrap_err())
}

#[test]
fn fields_are_read() {
    let h = parse(&bytes(&[5, 4, 3])).unwrap();
    assert_eq!((h.dim, h.pixdim, h.offset, h.scale, h.big_endian), ([5, 4, 3, 1], [1.0, 1.5, 2.0, 2.5], 352, None, false));
    assert_eq!(parse(&bytes(&[5, 4, 3, 1, 7])).unwrap().dim, [5, 4, 3, 7]);
    assert_eq!(parse(&bytes(&[5])).unwrap().dim, [5, 1, 1, 1]);
}

#[test]
fn the_second_version_says_the_same() {
    let first = parse(&bytes(&[5, 4, 3, 2])).unwrap();
    for big_endian in [false, true] {
        let second = parse(&bytes_2(&[5, 4, 3, 2], big_endian)).unwrap();
        let as_first = Header { version: 1, offset: 352, big_endian: false, units: 0, ..second.clone() };
        assert_eq!((as_first, second.version, second.offset, second.units), (first.clone(), 2, 544, 2));
        assert_eq!(second.big_endian, big_endian);
    }
    let mut spoilt = bytes_2(&[5, 4, 3], false);
    spoilt[8] = b'\n';
    assert!(reason(&spoilt).contains("as text"));
    assert!(reason(&bytes_2(&[1 << 40, 1 << 40, -1], false)).contains("dim[3] is -1"));
    assert_eq!(parse(&bytes_2(&[1 << 40, 1 << 40, 1 << 40], true)).unwrap().voxels(), None);
}

#[test]
fn lies_are_refused() {
    let with = |at: usize, v: &[u8]| {
        let mut b = bytes(&[5, 4, 3]);
        b[at..at + v.len()].copy_from_slice(v);
        b
    };
    assert!(reason(&bytes(&[5, -4, 3])).contains("dim[2] is -4"));
    assert!(reason(&bytes(&[5, 0, 3])).contains("dim[2] is 0"));
    assert!(reason(&bytes(&[2, 2, 2, 3, 3])).contains("2x2x2x3x3"));
    assert!(reason(&with(40, &[8, 0])).contains("8 dimensions"));
    assert!(reason(&with(72, &64i16.to_le_bytes())).contains("bitpix"));
    assert!(reason(&with(70, &1i16.to_le_bytes())).contains("1-bit"));
    assert!(reason(&with(108, &355.5f32.to_le_bytes())).contains("vox_offset"));
    assert!(reason(&with(108, &f32::NAN.to_le_bytes())).contains("vox_offset"));
    assert!(reason(&with(112, &f32::INFINITY.to_le_bytes())).contains("scl_slope"));
    assert!(reason(&with(0, &540i32.to_le_bytes())).contains("NIfTI-2"));
    assert!(reason(&with(344, b"xxxx")).contains("Analyze"));
    assert!(reason(&with(68, &3001i16.to_le_bytes())).contains("CIFTI"));
    assert!(reason(&bytes(&[5, 4, 3])[..300]).contains("ends within the header (348 bytes)"));
    assert!(reason(&bytes_2(&[5, 4, 3], true)[..500]).contains("ends within the header (540 bytes)"));
}

#[test]
fn what_others_leave_open_is_read_as_nibabel_does() {
    let with = |at: usize, v: &[u8]| {
        let mut b = bytes(&[5, 4, 3]);
        b[at..at + v.len()].copy_from_slice(v);
        parse(&b).unwrap()
    };
    assert_eq!(with(112, &f32::NAN.to_le_bytes()).scale, None);
    assert_eq!(with(112, &2f32.to_le_bytes()).scale, Some((2.0, 0.0)));
    assert_eq!(with(72, &[0, 0]).datatype, Datatype::F32);
    assert_eq!(with(254, &77i16.to_le_bytes()).sform_code, 0);
    assert_eq!(with(252, &(-1i16).to_le_bytes()).qform_code, 0);
    let pair = with(344, b"ni1\0");
    assert_eq!((pair.pair, pair.offset), (true, 352));
    assert_eq!(with(108, &0f32.to_le_bytes()).offset, 352);
}

#[test]
fn other_formats_are_named() {
    let mut dicom = vec![0; 400];
    dicom[128..132].copy_from_slice(b"DICM");
    assert!(reason(&dicom).contains("DICOM"));
    assert!(reason(b"BZh91AY&SY").contains("bzip2"));
    assert!(reason(b"\0n").contains("ends within the header"));
    assert!(reason("{\"größe\": 3}\n".repeat(40).as_bytes()).contains("a text file"));
    let mut unsized_ = bytes(&[5, 4, 3]);
    unsized_[0] = 0;
    assert!(reason(&unsized_).contains("348 must stand"));
}
