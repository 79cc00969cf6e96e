use super::*;
use crate::ir::Array;
use crate::volume::{Header, write_image, write_labels};
use ndarray::{Array3, Array4};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn numbers_are_short_and_never_lie() {
    assert_eq!([0.0, -1e-9, 1.5, 1234.56789, 1e9].map(|v| number(v, 4)), ["0", "-1.000e-9", "1.5", "1234.5679", "1.000e9"]);
    assert_eq!([0, 1023, 1024, 3 << 30].map(bytes), ["0 bytes", "1023 bytes", "1.0 KiB", "3.0 GiB"]);
    assert_eq!(
        [(0, 9), (9, 9), (1, 8), (999_999, 1_000_000), (1, 1_000_000), (3, 1000)].map(|(a, b)| percent(a, b)),
        ["0 %", "100 %", "12.5 %", "99.99 %", "under 0.01 %", "0.30 %"]
    );
}

#[test]
fn a_volume_is_told_by_its_content() {
    let folder = folder();
    let path = folder.path().join("labels.ron.txt");
    let labels = Array3::from_shape_fn((3, 4, 5), |(d, _, _)| [0u8, 0, 7][d]);
    let written = folder.path().join("labels.nii");
    write_labels(&written, &labels, &Header::plain([3, 4, 5], 1, [2.5, 2.0, 10.0])).unwrap();
    std::fs::rename(&written, &path).unwrap();
    let sheet = sheet(&path, false).unwrap();
    let page = sheet.page(80);
    for words in
        ["a volume, NIfTI-1", "5 x 4 x 3 (i, j, k), 1 channel", "10 x 2 x 2.5 mm", "RAS: i to the right", "uint8", "0 to 7", "33.3 %"]
    {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
    assert!(page.lines().any(|l| l.split_whitespace().eq(["7", "20", "33.3", "%", "1.00"])), "{page}");
    assert!(page.lines().all(|l| columns(l) <= 80) && !page.contains("warning"), "{page}");
    assert_eq!((sheet.json["dim"].to_string(), sheet.json["labels"][1]["voxels"].as_u64()), ("[5,4,3]".into(), Some(20)));
}

#[test]
fn channels_and_doubts_are_shown() {
    let folder = folder();
    let path = folder.path().join("image.nii.gz");
    let mut image = Array4::from_shape_fn((2, 3, 4, 5), |(c, d, _, w)| (c * 100 + d * 10 + w) as f32 + 0.5);
    image[[0, 0, 0, 0]] = f32::NAN;
    let header = Header { sform_code: 0, qform_code: 0, ..Header::plain([3, 4, 5], 2, [1.0; 3]) };
    write_image(&path, &image, &header).unwrap();
    let page = sheet(&path, false).unwrap().page(80);
    for words in [
        "gzip",
        "2 channels",
        "1 NaN, 0 infinite",
        "warning: it has neither sform nor qform",
        "warning: it holds numbers that are not finite",
    ] {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
}

#[test]
fn a_graph_and_weights_are_told_by_their_content() {
    let graph = sheet(Path::new("graphs/lightmedseg.ron"), false).unwrap();
    let page = graph.page(80);
    assert!(page.contains("482,778") && page.contains("a graph, lightmedseg") && page.lines().all(|l| columns(l) <= 80), "{page}");
    assert_eq!(graph.json["stats"]["total"]["params"], 482_778);
    let folder = folder();
    let path = folder.path().join("weights.nii");
    let mut tensors = crate::store::Store::default();
    tensors.arrays.insert("a".into(), Array::new([2, 3], vec![1.0, 2.0, f32::NAN, 0.0, 0.0, 0.0]));
    crate::store::write_store(&path, &tensors).unwrap();
    let page = sheet(&path, false).unwrap().page(80);
    assert!(
        page.contains("without a graph") && page.contains("6 numbers in 1 tensor,") && page.contains("1 of its weights are not"),
        "{page}"
    );
}

#[test]
fn a_model_says_how_it_was_made() {
    let folder = folder();
    let path = folder.path().join("best");
    let labels = vec![(0, "background".into()), (4, "enhancing tumour".into())];
    let card = crate::infer::Card {
        epoch: 7,
        validation_dice: Some(0.8125),
        class_dice: vec![Some(0.8125)],
        seed: 3,
        ..crate::infer::Card::new(vec!["FLAIR".into()], labels, [32, 64, 48])
    };
    let mut tensors = crate::store::Store { metadata: card.entries(), ..Default::default() };
    tensors.metadata.insert("lmsc.graph".into(), std::fs::read_to_string("graphs/lightmedseg.ron").unwrap());
    tensors.metadata.insert("lmsc.hash".into(), "0".repeat(64));
    tensors.arrays.insert("a".into(), Array::new([2], vec![1.0, 2.0]));
    crate::store::write_store(&path, &tensors).unwrap();
    let sheet = sheet(&path, false).unwrap();
    let page = sheet.page(80);
    let words = [
        "a model, lightmedseg",
        "1 channel: FLAIR",
        "4  enhancing tumour  #06d6a0  Dice 0.8125",
        "32 x 64 x 48",
        "validation Dice 0.8125",
        "482,778",
    ];
    for words in
        words.into_iter().chain(["hash then", &"0".repeat(64), "an lmsc that does not name itself, semantics 1", "more than it holds"])
    {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
    assert_eq!(sheet.json["seal"].as_str().map(str::len), Some(64));
    assert_eq!((sheet.json["kind"].as_str(), sheet.json["card"]["epoch"].as_u64()), (Some("model"), Some(7)));
    let of_regions = crate::infer::Regions::new(vec![crate::metric::Region { name: "whole".into(), values: vec![4] }], None).unwrap();
    tensors.metadata.insert("regions".into(), serde_json::to_string(&of_regions).unwrap());
    crate::store::write_store(&path, &tensors).unwrap();
    let page = super::sheet(&path, false).unwrap().page(80);
    assert!(page.contains("regions") && page.contains("whole  4  painted as 4  Dice 0.8125") && !page.contains("#06d6a0  Dice"), "{page}");
    tensors.metadata.remove("patch");
    crate::store::write_store(&path, &tensors).unwrap();
    assert!(super::sheet(&path, false).unwrap().page(80).contains("cannot predict"));
}

#[test]
fn what_is_none_of_them_is_refused_by_name() {
    let folder = folder();
    let files = [("empty", &b""[..], "empty"), ("noise", &[0, 1, 2, 255, 254], "E0702"), ("notes.txt", b"just words", "E0102")];
    let named = [("a.nii", &b"just words"[..], "a text file"), ("a.safetensors", b"just words", "E0801"), ("b.safetensors", b"", "E0801")];
    for (name, content, word) in files.into_iter().chain(named) {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let found = sheet(&path, false).err().unwrap();
        let text = format!("{found:?}");
        assert!(text.contains(name) && text.contains(word), "{text}");
    }
    assert!(format!("{:?}", sheet(folder.path(), false).err().unwrap()).contains("a folder"));
    assert!(format!("{:?}", sheet(Path::new("nowhere.nii"), false).err().unwrap()).contains("no such file"));
}
