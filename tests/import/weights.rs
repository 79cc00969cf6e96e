//! Weights of any program for a graph: read whatever the form of their file, named by a map, exported under foreign names again.

use std::path::Path;

use lmsc::compile::compile;
use lmsc::import::weights::{fit, read, suggest};
use lmsc::store::{NameMap, read_store};
use lmsc::text::Source;

use super::given::{beside, lmsc, text};
use super::made::{Item, legacy, saved};
use super::weights_sound as sound;

const GRAPH: &str = r#"(
    inputs: { "image": (channels: 1, size: (8, 8, 8)) },
    nodes: {
        "conv{i}": Conv(chain: "i in 1..=3", x: "image", out: 2, norm: batch, activation: relu),
        "head": SegHead(x: "conv{last}", classes: 2),
    },
    outputs: { "logits": "head" },
)"#;

/// The weights of the graph under the names of a sequence of PyTorch's, with the counters of its batch norms.
fn sequence(prefix: &str) -> (Vec<(String, Item)>, Vec<Vec<f32>>) {
    let (mut entries, mut storages) = (vec![], vec![]);
    let mut add = |name: String, dims: &[usize]| {
        let count: usize = dims.iter().product();
        entries.push((format!("{prefix}{name}"), Item::Tensor(dims.to_vec(), storages.len())));
        storages.push((0..count).map(|i| (storages.len() * 100 + i) as f32).collect());
    };
    for layer in 0..3 {
        add(format!("{layer}.0.weight"), &[2, if layer == 0 { 1 } else { 2 }, 3, 3, 3]);
        add(format!("{layer}.0.bias"), &[2]);
        ["weight", "bias", "running_mean", "running_var"].into_iter().for_each(|part| add(format!("{layer}.1.{part}"), &[2]));
        add(format!("{layer}.1.num_batches_tracked"), &[]);
    }
    add("3.weight".into(), &[2, 2, 1, 1, 1]);
    add("3.bias".into(), &[2]);
    (entries, storages)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

#[test]
fn a_map_is_proposed_and_fits() {
    let place = tempfile::tempdir().expect("a folder");
    let program = compile(&Source::new("g.ron", GRAPH), &[], None).expect("it compiles");
    let (entries, storages) = sequence("module.");
    let nested = Item::Dict(vec![
        ("epoch".into(), Item::Int(7)),
        ("optimizer".into(), Item::Call("argparse", "Namespace", "x".into())),
        ("state_dict".into(), Item::Dict(entries)),
    ]);
    let mut found = vec![];
    for (name, bytes) in [("a.ckpt", saved(&nested, &storages)), ("a.pt", legacy(&nested, &storages))] {
        let foreign = read(&write(place.path(), name, &bytes), None).expect("it is read");
        assert_eq!(
            (foreign.key.as_str(), foreign.order.len(), &foreign.left_out[..]),
            ("state_dict", 23, &["argparse.Namespace".to_owned()][..])
        );
        let proposal = suggest(&program, &foreign);
        assert_eq!((proposal.found, proposal.all), (20, 20), "{}", proposal.text);
        let rules: Vec<&str> = proposal.text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(rules, ["{i}.0.{*} -> conv{i + 1}.conv.{*}", "{i}.1.{*} -> conv{i + 1}.norm.{*}", "3.{*} -> head.conv.{*}"]);
        let map = NameMap::read(&write(place.path(), "a.map", proposal.text.as_bytes())).expect("a map");
        let fitted = fit(&program, &foreign, &map).expect("it fits");
        assert_eq!((fitted.arrays.len(), fitted.ignored.len()), (20, 3));
        assert_eq!(fitted.names["conv2.norm.running_var"], "1.1.running_var");
        assert_eq!(fitted.arrays["head.conv.bias"].values, storages[22]);
        found.push(fitted.arrays);
    }
    assert!(found[0] == found[1], "both forms hold the same");
}

#[test]
fn what_does_not_fit_is_named_with_both_shapes_and_the_nearest() {
    let place = tempfile::tempdir().expect("a folder");
    let program = compile(&Source::new("g.ron", GRAPH), &[], None).expect("it compiles");
    let (mut entries, storages) = sequence("");
    entries[0].1 = Item::Tensor(vec![2, 1, 3, 3, 1], 1000);
    entries.retain(|(name, _)| name != "1.0.bias");
    entries.push(("aux.weight".into(), Item::Tensor(vec![2], 1)));
    let storages = [storages, vec![vec![0.0; 18]]].concat();
    let dict = Item::Dict(
        entries
            .into_iter()
            .map(|(n, i)| (n, if let Item::Tensor(d, 1000) = i { Item::Tensor(d, storages.len() - 1) } else { i }))
            .collect(),
    );
    let foreign = read(&write(place.path(), "a.pth", &saved(&dict, &storages)), None).expect("it is read");
    let map = NameMap::read(&write(
        place.path(),
        "a.map",
        b"{i}.0.{*} -> conv{i + 1}.conv.{*}\n{i}.1.{*} -> conv{i + 1}.norm.{*}\n3.{*} -> head.conv.{*}\n",
    ));
    let said = format!("{:?}", fit(&program, &foreign, &map.expect("a map")).expect_err("it does not fit").0);
    for words in [
        "`conv1.conv.weight` is [2, 1, 3, 3, 3] in the graph, and `0.0.weight` is [2, 1, 3, 3, 1]",
        "`conv2.conv.bias` [2] of the graph has no weight",
        "`aux.weight` has its shape",
        "is of no use to the graph: `aux.weight`",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let key = |key| read(&place.path().join("a.pth"), Some(key)).expect_err("no such key").to_string();
    assert!(key("net").contains("no tensors at `net`"), "{}", key("net"));
    let several = Item::Dict(vec![("a".into(), Item::Dict(sequence("").0)), ("b".into(), Item::Dict(sequence("").0))]);
    let file = write(place.path(), "b.pth", &saved(&several, &storages));
    let said = read(&file, None).expect_err("two places").to_string();
    assert!(said.contains("`a` (23 tensors), `b` (23 tensors)"), "{said}");
    assert_eq!(read(&file, Some("b")).expect("it is said which").order.len(), 23);
    for bytes in [&b"not weights"[..], b"", b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."] {
        let said = read(&write(place.path(), "odd.pth", bytes), None).expect_err("no weights");
        assert!(said.0.iter().all(|d| d.message.contains("odd.pth") && !d.help.is_empty()), "{said:?}");
    }
}

#[test]
fn the_program_imports_predicts_and_exports_again() {
    let place = tempfile::tempdir().expect("a folder");
    let (entries, storages) = sequence("");
    write(place.path(), "net.ron", GRAPH.as_bytes());
    write(place.path(), "net.pth", &saved(&Item::Dict(entries), &storages));
    write(place.path(), "card.ron", br#"(modalities: ["T1"], labels: [(0, "background"), (1, "organ")], patch: (8, 8, 8), normalise: ZScore, source: "made here", licence: "CC0")"#);
    let run = |args: &[&str]| {
        let out = lmsc(place.path(), args);
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    };
    write(place.path(), "net.map", run(&["import", "weights", "net.pth", "--graph", "net.ron", "--suggest-map"]).as_bytes());
    let said =
        run(&["import", "weights", "net.pth", "--graph", "net.ron", "--map", "net.map", "--card", "card.ron", "--out", "m.safetensors"]);
    assert!(said.contains("20 tensors of a checkpoint of PyTorch; left out: `0.1.num_batches_tracked`"), "{said}");
    let info = run(&["info", "m.safetensors"]);
    for words in ["net.pth, a checkpoint of PyTorch; graph net.ron, names by net.map, card card.ron", "CC0", "SHA-256"] {
        assert!(info.contains(words), "{words}: {info}");
    }
    run(&["export", "weights", "m.safetensors", "--map", "net.map", "--out", "plain.safetensors"]);
    run(&["export", "weights", "m.safetensors", "--map", "net.map", "--like", "net.pth", "--out", "like.safetensors"]);
    let of = |name: &str| read_store(&place.path().join(name)).expect("weights").arrays;
    let first = read(&place.path().join("net.pth"), None).expect("it is read").store.arrays;
    assert!(of("like.safetensors") == first, "with counters, in its shapes");
    let mut plain = first;
    plain.retain(|name, _| !name.ends_with("num_batches_tracked"));
    assert!(of("plain.safetensors") == plain);
    let out = lmsc(place.path(), &["import", "weights", "net.pth", "--graph", "net.ron", "--card", "card.ron", "--out", "n.safetensors"]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("--suggest-map") && !place.path().join("n.safetensors").exists());
    // What is of another program and holds a danger is data: nothing of it is run, and it is named.
    let evil = Item::Dict(vec![("weights".into(), Item::Call("os", "system", "touch ran".into()))]);
    write(place.path(), "evil.pth", &saved(&evil, &[]));
    let out = lmsc(place.path(), &["import", "weights", "evil.pth", "--graph", "net.ron", "--suggest-map"]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("os.system") && !place.path().join("ran").exists());
}

/// Bytes changed everywhere: tensors, or an error with a remedy, but no panic.
#[test]
fn broken_files_are_errors() {
    let place = tempfile::tempdir().expect("a folder");
    let corpus = |name: &str| -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(format!("fuzz/corpus/{name}")).expect("the corpus");
        files.map(|e| std::fs::read(e.expect("an entry").path()).expect("a file")).collect()
    };
    for (name, sound) in [("weights", sound::weights as fn(&Path, &[u8]) -> bool), ("card", sound::card)] {
        let all = corpus(name);
        assert!(all.iter().filter(|bytes| sound(place.path(), bytes)).count() >= 2, "{name}");
        for n in 0..600usize {
            let mut bytes = all[n % all.len()].clone();
            let at = (n * 2654435761) % bytes.len().max(1);
            match n / all.len() % 3 {
                0 => bytes[at] ^= 1 << (n / 3 % 8),
                1 => bytes.truncate(at),
                _ => drop(bytes.splice(at..at, [0xff; 3])),
            }
            sound(place.path(), &bytes);
        }
    }
}

#[test]
fn public_models_are_read_in_every_form() {
    let Some(models) = beside("models") else { return };
    for (file, same) in [
        ("brainchop-sae-robust-tissue/model.pth", "weights.safetensors"),
        ("brainchop-meshnet15-bn/model.pth", "weights.safetensors"),
        ("hippodeep/hippodeep.pt", "hippodeep.safetensors"),
        ("brainchop-model20chan3cls/tfjs/model.json", "../weights.safetensors"),
        ("brainchop-model30chan18cls/tfjs/model.json", "../weights.safetensors"),
        ("brainchop-model5/tfjs/model.json", "../weights.safetensors"),
    ] {
        let path = models.join(file);
        let foreign = read(&path, None).unwrap_or_else(|e| panic!("{file}: {e}"));
        let expected = read_store(&path.with_file_name(same)).expect("weights");
        let mut own = foreign.store.arrays;
        own.retain(|name, _| expected.arrays.contains_key(name));
        assert!(own == expected.arrays, "{file}");
    }
    let packed = std::process::Command::new("xz").args(["-dkc"]).arg(models.join("deepbet/model.pt.xz")).output().expect("xz unpacks");
    let place = tempfile::tempdir().expect("a folder");
    let foreign = read(&write(place.path(), "model.pt", &packed.stdout), None).expect("TorchScript is read");
    assert_eq!(foreign.form, "a TorchScript archive");
    assert!(foreign.store.arrays == read_store(&models.join("deepbet/model.safetensors")).expect("weights").arrays);
    // Safetensors, whatever the file is called.
    assert_eq!(read(&models.join("brainchop-model5/model.pth"), None).expect("it is read").form, "a safetensors file");
}
