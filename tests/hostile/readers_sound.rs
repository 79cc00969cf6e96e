//! What holds for every file that is read beside graphs, volumes and models, however broken: it is refused with a reason and a remedy or a place, or
//! it is used. The fuzz targets and the tests share it.
#![allow(dead_code, reason = "each fuzz target takes one")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use lmsc::data::{Dataset, DatasetSpec, Preprocess};
use lmsc::report;
use lmsc::store::NameMap;
use lmsc::text::{Diagnostics, Source, render};
use lmsc::train::{RunConfig, RunStatus};
use lmsc::volume::{Header, Normalise, write_image, write_labels};

pub const GRAPH: &str = include_str!("../given/tiny.ron");

fn told(found: &Diagnostics) {
    assert!(found.has_errors(), "refused without an error");
    for d in &found.0 {
        assert!(!d.message.is_empty() && d.message.len() < 5000, "{d:?}");
        assert!(!d.help.is_empty() || d.labels.iter().any(|l| l.primary), "neither a remedy nor a place: {d:?}");
        for l in &d.labels {
            let (text, span) = (&l.place.source.text, l.place.span);
            assert!(span.start <= span.end && text.get(span.start..span.end).is_some(), "{span:?} of {}: {d:?}", text.len());
        }
    }
    for d in found.0.iter().take(3) {
        let shown = [render::concise(d), render::full(d, false, 100)].concat();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{}", shown.escape_debug());
    }
}

/// Whether it is used; what is wrong with it is said well.
fn used<T>(result: Result<T, Diagnostics>) -> Option<T> {
    result.map_err(|found| told(&found)).ok()
}

/// A run config: written and read again it is one.
pub fn config(bytes: &[u8]) -> bool {
    let source = Source::new("run.ron", String::from_utf8_lossy(bytes));
    let Some(config) = used(RunConfig::read(&source, &[])) else { return false };
    let text = ron::to_string(&config).expect("it is written");
    let again: Arc<Source> = Source::new("again.ron", text.as_str());
    assert!(RunConfig::read(&again, &[]).is_ok(), "written again, it is none: {text}");
    true
}

/// A folder in which [`dataset`] finds the files of two cases in both layouts.
pub fn cases(folder: &Path) {
    let header = Header::plain([2, 2, 2], 1, [1.0; 3]);
    for (layout, ending) in [("msd", ""), ("nnunet", "_0000")] {
        let [images, labels] = ["imagesTr", "labelsTr"].map(|name| folder.join(layout).join(name));
        [&images, &labels].into_iter().for_each(|f| std::fs::create_dir_all(f).expect("a folder"));
        for case in ["a", "b"] {
            let image = images.join(format!("{case}{ending}.nii.gz"));
            write_image(&image, &ndarray::Array4::zeros((1, 2, 2, 2)), &header).expect("written");
            write_labels(&labels.join(format!("{case}.nii.gz")), &ndarray::Array3::<u8>::zeros((2, 2, 2)), &header).expect("written");
        }
    }
}

/// The description of a data set, in the folder of [`cases`], as that of either layout.
pub fn dataset(folder: &Path, bytes: &[u8]) -> bool {
    let roots = ["msd", "nnunet"].map(|layout| folder.join(layout));
    for root in &roots {
        std::fs::write(root.join("dataset.json"), bytes).expect("a place to write");
        used(lmsc::data::guess(root).map_err(Diagnostics::from));
    }
    let [msd, nnunet] = roots;
    let both = [DatasetSpec::Msd { root: msd }, DatasetSpec::Nnunet { root: nnunet }];
    let opened = both.map(|spec| used(Dataset::open(&spec, Preprocess::default(), None)));
    for set in opened.iter().flatten() {
        let all = set.survey(|| ());
        used(Err::<(), _>(Diagnostics(all.into_iter().flat_map(|c| c.findings).collect())).or_else(|found: Diagnostics| found.or(())));
    }
    opened.iter().flatten().count() > 0
}

/// Rules from names to names, applied to some.
pub fn map(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("rules.map");
    std::fs::write(&path, bytes).expect("a place to write");
    let Some(map) = used(NameMap::read(&path)) else { return false };
    let known: HashSet<String> = ["enc1.ghost1.norm.weight", "head.conv.bias", "a"].map(String::from).into();
    for name in ["param/encoder.0.conv.1.norm.weight", "head.bias", "a", "", "18446744073709551616.1", "é.7.☃", &"1.2.".repeat(40)] {
        assert!(map.apply(name, &known).is_none_or(|to| known.contains(&to)));
    }
    true
}

/// The files of a run that a report reads, each with these bytes in turn.
pub fn journal(folder: &Path, bytes: &[u8]) -> bool {
    let files = ["metrics.jsonl", "cases.jsonl", "starts.jsonl", "split.json"];
    std::fs::write(folder.join("graph.ron"), GRAPH).expect("written");
    std::fs::write(folder.join("config.ron"), r#"(graph: "graph.ron", data: Phantom(), patch: (16, 16, 16), epochs: 3)"#).expect("written");
    files
        .iter()
        .filter(|name| {
            files.iter().for_each(|f| drop(std::fs::remove_file(folder.join(f))));
            std::fs::write(folder.join(name), bytes).expect("a place to write");
            let run = used(report::Run::read(folder));
            let page = run.as_ref().map(|run| report::page(run, &[], None));
            assert!(page.is_none_or(|page| page.trim_end().ends_with("</html>")));
            run.is_some_and(|run| report::compare("x", &[run.clone(), run]).contains("</html>"))
        })
        .count()
        == files.len()
}

/// The state of a run, as it is and with a hash that fits.
pub fn state(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::write(folder.join("config.ron"), "()").expect("written");
    hashed(bytes).into_iter().any(|file| {
        std::fs::write(folder.join("resume.state"), &file).expect("a place to write");
        used(RunStatus::at(folder)).is_some()
    })
}

/// How the cases of [`case`] are prepared.
pub fn prepared() -> Preprocess {
    Preprocess { normalise: Normalise::ZScore, spacing: Some([1.0, 1.0, 2.0].into()), ..Preprocess::default() }
}

/// A prepared case in the cache `kept` of a folder that `phantom::write` has made, as it is and with a hash that fits: it is used or made again.
pub fn case(folder: &Path, kept: &Path, bytes: &[u8]) {
    let spec = DatasetSpec::Msd { root: folder.into() };
    let set = Dataset::open(&spec, prepared(), kept.parent()).expect("the data set");
    let id = set.description.ids().into_iter().find(|id| kept.file_name().is_some_and(|n| n.to_string_lossy().starts_with(id.as_str())));
    for file in hashed(bytes) {
        std::fs::write(kept, &file).expect("a place to write");
        let loaded = set.load(id.as_deref().expect("a case")).expect("it is used, or made again");
        assert_eq!(loaded.sample.image.dim().0, loaded.sample.image.shape()[0]);
    }
}

/// A file that ends in the hash of what is before it, as it is and with one that fits.
fn hashed(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![bytes.to_vec()];
    if let Some((body, _)) = bytes.split_last_chunk::<32>() {
        all.push([body, blake3::hash(body).as_bytes()].concat());
    }
    all
}
