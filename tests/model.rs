//! The model file: what is written is read again, and whatever is wrong with a file has its own answer before anything in it is used.
//!
//! The seal is computed here a second time, from its description alone.
#![cfg(feature = "predict")]

use std::path::{Path, PathBuf};

use lmsc::compile::compile;
use lmsc::infer::{Card, Model};
use lmsc::ir::Array;
use lmsc::store::{self, Store, read_store, write_store};
use lmsc::text::{Code, Diagnostic, Source};
use lmsc::volume::{Colour, Normalise};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Four parameters, so that every byte of the file can be tried.
const GRAPH: &str = r#"(
    name: "tiny",
    inputs: { "image": (channels: 1, size: (4, 4, 4)) },
    nodes: { "head": SegHead(x: "image", classes: 2) },
    outputs: { "logits": "head" },
)"#;

fn card() -> Card {
    Card {
        colours: vec![Colour::of(0), Colour([1, 2, 3])],
        normalise: Normalise::ZScoreNonZero,
        epoch: 3,
        validation_dice: Some(0.75),
        class_dice: vec![Some(0.75)],
        seed: 9,
        ..Card::new(vec!["T1".into()], vec![(0, "background".into()), (4, "tumeur \"é\"".into())], [4, 4, 4])
    }
}

/// A folder with the model `a.safetensors`.
fn saved(graph: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.safetensors");
    let program = compile(&Source::new("tiny.ron", graph), &[], None).expect("a graph");
    let weights = store::init(&program, 5).expect("it fits");
    store::save(&path, &program, weights, &card().entries()).expect("written");
    (folder, path)
}

fn load(path: &Path) -> Result<Model, Diagnostic> {
    Model::load(path).map_err(|found| found.0.into_iter().next().expect("a reason"))
}

/// What is said of a file: it is named, and there is a remedy.
fn refused(path: &Path, code: Code, words: &str) {
    let d = load(path).err().unwrap_or_else(|| panic!("{words}: it was used"));
    assert!(d.code == code && d.message.contains(words), "{words}: {d:?}");
    assert!(!d.help.is_empty(), "{d:?}");
}

/// A file with this header and these numbers.
fn raw(header: &str, numbers: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), numbers].concat()
}

/// Seals a file again: the hash of all bytes while the 64 digits are zeros.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let entry = br#""lmsc.seal":""#;
    let at = file.windows(entry.len()).position(|w| w == entry).expect("an entry") + entry.len();
    file[at..at + 64].fill(b'0');
    let hash = blake3::hash(&file).to_hex();
    file[at..at + 64].copy_from_slice(hash.as_bytes());
    file
}

/// A file with a text in it exchanged, sealed again.
fn exchanged(path: &Path, from: &str, to: &str) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("a file");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let text = std::str::from_utf8(&bytes[8..8 + header]).expect("a text");
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    sealed(raw(&text.replace(from, to), &bytes[8 + header..]))
}

/// A model with its tensors or its metadata changed, written as the project writes.
fn changed(path: &Path, change: impl FnOnce(&mut Store)) {
    let mut tensors = read_store(path).expect("a model");
    change(&mut tensors);
    write_store(path, &tensors).expect("written");
}

#[test]
fn what_is_written_is_read_again() {
    let (_folder, path) = saved(GRAPH);
    let bytes = std::fs::read(&path).expect("a file");
    assert_eq!(sealed(bytes.clone()), bytes, "the seal is what its description says");
    assert_eq!(load(&path).expect("a model").card(), &card());
    let model = store::load(&path).expect("a model");
    let entries = &model.metadata;
    assert_eq!((entries["lmsc.format"].as_str(), entries["lmsc.seal"].len()), ("1", 64));
    // Written again, it is the same file.
    store::save(&path, &model.program, model.weights, &card().entries()).expect("written");
    assert!(std::fs::read(&path).expect("a file") == bytes);
    // The format's own library agrees, and numbers begin at a multiple of eight.
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut names = file.names();
    names.sort_unstable();
    assert_eq!(names, ["head.conv.bias", "head.conv.weight"]);
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    assert_eq!(header % 8, 0);
}

#[test]
fn a_file_that_ends_anywhere_is_refused() {
    let (_folder, path) = saved(GRAPH);
    let bytes = std::fs::read(&path).expect("a file");
    for end in 0..bytes.len() {
        std::fs::write(&path, &bytes[..end]).expect("written");
        let d = load(&path).err().unwrap_or_else(|| panic!("cut at {end}"));
        assert!(d.code == Code::E0801 && d.message.contains("a.safetensors") && !d.help.is_empty(), "{end}: {d:?}");
    }
    std::fs::write(&path, [&bytes[..], &[0]].concat()).expect("written");
    refused(&path, Code::E0801, "16 bytes of numbers, but 17 follow");
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let (_folder, path) = saved(GRAPH);
    let bytes = std::fs::read(&path).expect("a file");
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..9).map(move |bit| (at, bit))) {
        let mut file = bytes.clone();
        // Eight single bits, then all of them.
        file[at] ^= if bit == 8 { 0xff } else { 1 << bit };
        std::fs::write(&path, &file).expect("written");
        let d = load(&path).err().unwrap_or_else(|| panic!("bit {bit} of byte {at}: it was used"));
        assert!(matches!(d.code, Code::E0801 | Code::E0803) && !d.help.is_empty(), "bit {bit} of byte {at}: {d:?}");
        if at >= bytes.len() - 16 {
            assert_eq!(d.code, Code::E0803, "in the numbers, only the seal can tell: {d:?}");
        }
    }
}

#[test]
fn a_flipped_byte_of_a_large_model_is_found() {
    let (_folder, path) = saved(&std::fs::read_to_string("graphs/lightmedseg.ron").expect("a graph"));
    let bytes = std::fs::read(&path).expect("a file");
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..200 {
        let mut file = bytes.clone();
        let at = random.random_range(0..file.len());
        file[at] ^= random.random_range(1..=255u8);
        std::fs::write(&path, &file).expect("written");
        let found = read_store(&path).map(|_| ()).expect_err("damaged");
        assert!(matches!(found.0[0].code, Code::E0801 | Code::E0803), "{at}: {found:?}");
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let (folder, _) = saved(GRAPH);
    let path = folder.path().join("b.safetensors");
    let tensor = |name: &str, kind: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{kind}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let two = |a: (u64, u64), b: (u64, u64)| format!("{{{},{}}}", tensor("a", "F32", "[2]", a.0, a.1), tensor("b", "F32", "[2]", b.0, b.1));
    let one = |kind: &str, shape: &str, to: u64| format!("{{{}}}", tensor("a", kind, shape, 0, to));
    let with = |file: Vec<u8>, length: u64| [&length.to_le_bytes()[..], &file[8..]].concat();
    let sound = raw(&one("F32", "[2]", 8), &[0; 8]);
    for (file, words) in [
        (b"".to_vec(), "it has 0 bytes"),
        (b"1234567".to_vec(), "it has 7 bytes"),
        (b"%PDF-1.7 and so on".to_vec(), "it is a PDF document, not a safetensors file"),
        (with(sound.clone(), u64::MAX), "announce a header of 18446744073709551615 bytes"),
        (with(sound.clone(), 100_000_001), "announce a header of 100000001 bytes"),
        (with(sound.clone(), 99_999_999), "its header has 99999999 bytes, but the file ends after"),
        (with(sound.clone(), 3), "not what the safetensors format prescribes"),
        (raw("{", &[]), "not what the safetensors format prescribes"),
        (raw("[]", &[]), "not what the safetensors format prescribes"),
        (raw(&"[".repeat(100_000), &[]), "not what the safetensors format prescribes"),
        (raw("{\"a\u{0}\":1}", &[]), "not what the safetensors format prescribes"),
        (raw(&two((0, 8), (4, 12)), &[0; 12]), "overlap another tensor's"),
        (raw(&two((0, 8), (0, 8)), &[0; 8]), "overlap another tensor's"),
        (raw(&two((0, 8), (12, 20)), &[0; 20]), "leave a gap"),
        (raw(&two((8, 16), (16, 24)), &[0; 24]), "leave a gap"),
        (raw(&two((0, 8), (16, 8)), &[0; 16]), "leave a gap or end before they begin"),
        (raw(&two((0, 8), (8, 16)), &[0; 8]), "promises 16 bytes of numbers, but 8 follow"),
        (raw(&one("F32", "[2]", 1 << 60), &[0; 8]), "more or fewer bytes than its shape"),
        (raw(&one("F32", "[3]", 8), &[0; 8]), "more or fewer bytes than its shape"),
        (raw(&one("F32", "[4294967296,4294967296,4]", 8), &[0; 8]), "beyond 64 bits"),
        (raw(&one("F32", "[18446744073709551616]", 8), &[0; 8]), "not what the safetensors format prescribes"),
        (raw(&one("BOOL", "[2]", 2), &[0; 2]), "`a` holds BOOL numbers"),
        (raw(&one("Q7", "[2]", 8), &[0; 8]), "not what the safetensors format prescribes"),
        (sound, "holds weights but no graph"),
    ] {
        std::fs::write(&path, file).expect("written");
        refused(&path, Code::E0801, words);
    }
    refused(folder.path(), Code::E0801, "it is a folder");
    refused(&folder.path().join("none"), Code::E0801, "no such file");
    // Twelve GiB of nothing behind a small header: it is refused before it is read.
    let file = std::fs::File::create(&path).expect("a file");
    std::io::Write::write_all(&mut &file, &raw(&one("F32", "[2]", 8), &[])).expect("written");
    if file.set_len(12 << 30).is_ok() {
        refused(&path, Code::E0801, "promises 8 bytes of numbers, but 128");
    }
}

#[test]
fn a_newer_or_unknown_format_is_told_apart_from_damage() {
    let (_folder, path) = saved(GRAPH);
    for (to, code, words) in [
        ("\"2\"", Code::E0801, "is of format 2, and this lmsc reads formats up to 1"),
        ("\"4294967295\"", Code::E0801, "is of format 4294967295"),
        ("\"0\"", Code::E0803, "does not say its format"),
        ("\"one\"", Code::E0803, "does not say its format"),
    ] {
        let (_folder, path) = saved(GRAPH);
        let file = exchanged(&path, "\"lmsc.format\":\"1\"", &format!("\"lmsc.format\":{to}"));
        std::fs::write(&path, file).expect("written");
        refused(&path, code, words);
    }
    // Without its seal, and with the entry twice.
    let bytes = std::fs::read(&path).expect("a file");
    let seal = String::from_utf8_lossy(&bytes).split("\"lmsc.seal\":\"").nth(1).expect("an entry")[..64].to_owned();
    let text = format!(",\"lmsc.seal\":\"{seal}\"");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let written = std::str::from_utf8(&bytes[8..8 + header]).expect("a text").to_owned();
    std::fs::write(&path, raw(&written.replace(&text, ""), &bytes[8 + header..])).expect("written");
    refused(&path, Code::E0803, "it has no seal");
    std::fs::write(&path, raw(&written.replace(&text, &text.repeat(2)), &bytes[8 + header..])).expect("written");
    refused(&path, Code::E0803, "it has no seal");
    std::fs::write(&path, raw(&written.replace("lmsc.seal", "lmsc.\\u0073eal"), &bytes[8 + header..])).expect("written");
    refused(&path, Code::E0803, "it has no seal");
}

#[test]
fn weights_that_are_not_those_of_the_graph_are_refused() {
    let with = |code: Code, words: &str, change: &dyn Fn(&mut Store)| {
        let (_folder, path) = saved(GRAPH);
        changed(&path, change);
        refused(&path, code, words);
    };
    with(Code::E0802, "`head.conv.bias` of the graph's weights are not in", &|t| {
        t.arrays.remove("head.conv.bias");
    });
    with(Code::E0802, "`head.conv.bias` and 1 more of the graph's weights are not in", &|t| t.arrays.clear());
    with(Code::E0802, "`stem.weight` in", &|t| {
        t.arrays.insert("stem.weight".into(), Array::new([1], vec![0.0]));
    });
    with(Code::E0802, "`head.conv.bias` is [2] in the graph but [1, 2] in", &|t| {
        t.arrays.insert("head.conv.bias".into(), Array::new([1, 2], vec![0.0; 2]));
    });
    with(Code::E0802, "`head.conv.bias` is [2] in the graph but [3] in", &|t| {
        t.arrays.insert("head.conv.bias".into(), Array::new([3], vec![0.0; 3]));
    });
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        with(Code::E0803, "1 numbers of `head.conv.bias`", &|t| {
            t.arrays.insert("head.conv.bias".into(), Array::new([2], vec![0.0, bad]));
        });
    }
    // Another graph; one that asks for 40 GB before it is compared with the file.
    with(Code::E0802, "is [3] in the graph but [2] in", &|t| {
        t.metadata.insert("lmsc.graph".into(), GRAPH.replace("classes: 2", "classes: 3"));
    });
    with(Code::E0802, "is [2, 100000, 1, 1, 1] in the graph but [2, 1, 1, 1, 1] in", &|t| {
        let wide = GRAPH.replace("\"head\": SegHead(x: \"image\",", "\"wide\": Conv3D(x: \"image\", out: 100000, kernel: 1), \"more\": Conv3D(x: \"wide\", out: 100000, kernel: 1), \"head\": SegHead(x: \"more\",");
        t.metadata.insert("lmsc.graph".into(), wide);
    });
}

#[test]
fn semantics_decide_whether_a_model_is_read_and_the_hash_does_not() {
    let with = |change: &dyn Fn(&mut Store)| {
        let (folder, path) = saved(GRAPH);
        let before = read_store(&path).expect("a model").arrays;
        changed(&path, change);
        (folder, path, before)
    };
    // As another version would have hashed the graph, and as files were before they named a version.
    for gone in [None, Some("lmsc.semantics")] {
        let (_folder, path, before) = with(&|t| {
            t.metadata.insert("lmsc.hash".into(), "0".repeat(64));
            gone.map(|entry| t.metadata.remove(entry));
        });
        load(&path).expect("a model");
        let read = read_store(&path).expect("a model");
        assert_eq!((read.metadata["lmsc.semantics"].as_str(), read.arrays == before), ("1", true));
    }
    for (version, words) in [
        ("2", "was made by a newer lmsc: its semantics are of version 2, and this lmsc knows those up to 1"),
        ("4294967295", "was made by a newer lmsc"),
        ("4294967296", "names no version of its semantics"),
        ("-1", "names no version of its semantics"),
        ("", "names no version of its semantics"),
    ] {
        let (_folder, path, _) = with(&|t| {
            t.metadata.insert("lmsc.semantics".into(), version.into());
        });
        refused(&path, Code::E0801, words);
    }
    // A block that this version does not know, in a file of another: who has made it is said.
    let (_folder, path, _) = with(&|t| {
        t.metadata.insert("lmsc.graph".into(), GRAPH.replace("SegHead", "Conv4D"));
        t.metadata.insert("lmsc.version".into(), "9.0.0".into());
    });
    let found = load(&path).expect_err("an unknown block");
    assert!(found.help.iter().any(|h| h.contains("made by lmsc 9.0.0")), "{found:?}");
}

#[test]
fn what_a_model_says_of_itself_must_make_sense() {
    let with = |code: Code, words: &str, entry: &str, value: Option<&str>| {
        let (_folder, path) = saved(GRAPH);
        changed(&path, |t| {
            t.metadata.remove(entry);
            t.metadata.extend(value.map(|v| (entry.to_owned(), v.to_owned())));
        });
        refused(&path, code, words);
    };
    with(Code::E0801, "holds weights but no graph", "lmsc.graph", None);
    with(Code::E0102, "", "lmsc.graph", Some("(nodes: {"));
    with(Code::E0201, "Conv4D", "lmsc.graph", Some(&GRAPH.replace("SegHead", "Conv4D")));
    with(Code::E0801, "and a graph's text has at most", "lmsc.graph", Some(&" ".repeat(5 << 20)));
    for entry in ["labels", "colours", "class_dice", "patch", "normalise", "modalities"] {
        with(Code::E0801, entry, entry, None);
    }
    with(Code::E0801, "two of its labels have the value 4", "labels", Some(r#"[[4,"a"],[4,"b"]]"#));
    with(Code::E0801, "3 labels and 2 colours", "labels", Some(r#"[[0,"a"],[1,"b"],[2,"c"]]"#));
    with(Code::E0802, "and its graph", "modalities", Some(r#"["T1","T2"]"#));
    let (_folder, path) = saved(GRAPH);
    changed(&path, |t| {
        t.metadata.insert("labels".into(), r#"[[0,"a"],[1,"b"],[2,"c"]]"#.into());
        t.metadata.insert("colours".into(), r##"["#000000","#111111","#222222"]"##.into());
        t.metadata.insert("class_dice".into(), "[]".into());
    });
    refused(&path, Code::E0802, "3 labels");
}

#[test]
fn files_of_other_programs_have_no_seal_and_are_read() {
    let (folder, _) = saved(GRAPH);
    let path = folder.path().join("theirs.safetensors");
    let values = [1.5f32, -2.0];
    let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let header = r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    std::fs::write(&path, raw(header, &numbers)).expect("written");
    assert_eq!(read_store(&path).expect("weights").arrays["w"], Array::new([2], values.to_vec()));
}

#[test]
fn info_says_all_of_it() {
    let (folder, path) = saved(GRAPH);
    let info = |file: &str, more: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("lmsc").expect("the program");
        let out = command.current_dir(folder.path()).env("COLUMNS", "80").env("NO_COLOR", "1").arg("info").arg(file).args(more).output();
        let out = out.expect("it runs");
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let (code, page, err) = info("a.safetensors", &["--tensors"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(page.lines().all(|l| lmsc::text::columns(l) <= 80), "{page}");
    let json: serde_json::Value = serde_json::from_str(&info("a.safetensors", &["--tensors", "--json"]).1).expect("JSON");
    let seal = read_store(&path).expect("a model").metadata["lmsc.seal"].clone();
    assert_eq!((json["kind"].as_str(), json["seal"].as_str(), json["format"].as_u64()), (Some("model"), Some(seal.as_str()), Some(1)));
    assert_eq!((json["card"]["colours"][1].as_str(), json["each"][1]["shape"].to_string()), (Some("#010203"), "[2,1,1,1,1]".to_owned()));

    std::fs::write(folder.path().join("tiny.ron"), GRAPH).expect("written");
    let mut header = lmsc::volume::Header::plain([3, 4, 5], 1, [2.5, 2.0, 10.0]);
    header.sform[0][3] = -12.5;
    let labels = ndarray::Array3::from_shape_fn((3, 4, 5), |(d, h, _)| [0u8, 0, 7][d] * u8::from(h > 1));
    lmsc::volume::write_labels(&folder.path().join("labels.nii.gz"), &labels, &header).expect("written");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter("[0-9a-f]{64}", "[a hash]");
    settings.add_filter("[0-9.]+ (bytes|KiB) on disk", "[size] on disk");
    settings.bind(|| {
        insta::assert_snapshot!("info-of-model", page);
        insta::assert_snapshot!("info-of-graph", info("tiny.ron", &[]).1);
        insta::assert_snapshot!("info-of-volume", info("labels.nii.gz", &[]).1);
    });

    let mut bytes = std::fs::read(&path).expect("a file");
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    std::fs::write(&path, bytes).expect("written");
    let (code, page, err) = info("a.safetensors", &[]);
    assert_eq!((code, page.as_str()), (Some(1), ""));
    assert!(err.starts_with("error[E0803]: `a.safetensors` is not as it was written: its seal does not fit"), "{err}");
}
