//! Cards as people write them, a RON file each: what an import of weights cannot know.
//!
//! Part of `infer`; may use `read`, `data`, `store`, `text` and `volume`.

use std::path::Path;
use std::sync::Arc;

use lmsc_graph::read::{Scope, Tree, parse, recognise, typed};
use serde::Deserialize;

use super::pipeline::{Pipeline, PipelineStep};
use super::{Card, Model, NamedRegions, Postprocess};
use crate::data::{CANONICAL, Spacing};
use crate::store::Trained;
use crate::text::{Code, Diagnostic, Diagnostics, FileKind, Result, Source};
use crate::volume::{Colour, Normalise, Orientation};

/// The fields of a card file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CardText {
    modalities: Vec<String>,
    labels: Vec<(u32, String)>,
    colours: Option<Vec<Colour>>,
    regions: Option<NamedRegions>,
    paint: Option<Vec<u32>>,
    /// Of a whole volume in one window; else the fields for windows that follow.
    pipeline: Option<Pipeline>,
    patch: Option<[usize; 3]>,
    overlap: Option<f64>,
    normalise: Option<Normalise>,
    orientation: Option<Orientation>,
    spacing: Option<Spacing>,
    crop: Option<bool>,
    nan: Option<f64>,
    postprocess: Option<Postprocess>,
    source: String,
    licence: Option<String>,
    citation: Option<String>,
}

/// Reads a card file.
///
/// # Errors
/// E0101 when it cannot be read, E0110 for a graph and files of other kinds; everything that is wrong with its text or a value, each at its
/// place.
pub fn read_card(path: &Path) -> Result<Card> {
    let source = Source::read(path)?;
    let card = of(&source);
    // Of a graph it would be told field by field that it is no card.
    match recognise(path) {
        kind @ (FileKind::Graph | FileKind::Config(_) | FileKind::Blocks | FileKind::Json)
            if card.is_err() && parse(&source).is_ok_and(|tree| tree.get("modalities").is_none()) =>
        {
            Err(kind.instead_of("a card", path).into())
        }
        _ => card,
    }
}

fn of(source: &Arc<Source>) -> Result<Card> {
    let tree = parse(source)?;
    let t: CardText = typed(&tree, &Scope::new())?;
    let refuse = |field: &str, message: String, help: &str| -> Diagnostics {
        Diagnostic::error(Code::E0601, message).at(place(&tree, field), "here").help(help).into()
    };
    let windows = [
        ("patch", t.patch.is_some()),
        ("overlap", t.overlap.is_some()),
        ("normalise", t.normalise.is_some()),
        ("orientation", t.orientation.is_some()),
        ("spacing", t.spacing.is_some()),
        ("crop", t.crop.is_some()),
    ];
    if t.pipeline.is_some() {
        if let Some((field, _)) = windows.iter().find(|(_, given)| *given) {
            let message =
                format!("`{field}` is for a network that goes over a volume in windows, and `pipeline` for one that sees all of it");
            return Err(refuse(field, message, "keep one of them"));
        }
    } else if t.patch.is_none() {
        let message = "neither `patch` nor `pipeline` says how the network sees a volume".into();
        return Err(refuse("modalities", message, "give the windows, `patch: (96, 96, 96)`, or steps: `pipeline: (steps: [MinMax])`"));
    }
    if t.paint.is_some() && t.regions.is_none() {
        return Err(refuse("paint", "`paint` is given without `regions`".into(), "leave it out"));
    }
    let mut card = Card::new(t.modalities, t.labels, t.patch.unwrap_or([1; 3]));
    if let Some(regions) = &t.regions {
        let painted = regions.regions(t.paint.as_deref());
        card.regions =
            Some(painted.map_err(|why| refuse("regions", format!("`regions`: {why}"), "give `paint` the label of each region"))?);
    }
    card.colours = t.colours.unwrap_or(card.colours);
    card.overlap = t.overlap.unwrap_or(if t.pipeline.is_some() { 0.0 } else { card.overlap });
    card.normalise = t.normalise.unwrap_or_default();
    card.orientation = t.orientation.unwrap_or(CANONICAL);
    (card.spacing, card.crop, card.nan) = (t.spacing, t.crop.unwrap_or_default(), t.nan);
    (card.postprocess, card.pipeline) = (t.postprocess, t.pipeline);
    (card.source, card.licence, card.citation) = (Some(t.source), t.licence, t.citation);
    match card.fault() {
        None => Ok(card),
        Some((field, why)) => Err(refuse(field, why, "see the fields of a card in docs/models.md")),
    }
}

/// Where a field stands; the card where it does not.
fn place(tree: &Tree, field: &str) -> crate::text::Place {
    let entry = tree.entries().unwrap_or_default().iter().find(|e| e.key == field);
    entry.map_or(&tree.place, |e| &e.key_place).clone()
}

/// Reads the models that a card's steps name by their files, for [`crate::store::attach`], and gives each the file's name without its ending
/// in the card.
///
/// # Errors
/// As [`Model::read`]; E0802 where a model cannot find a box: its card has no steps, or steps that turn or conform.
pub fn attached(card: &mut Card) -> Result<Vec<(String, Trained)>> {
    let mut all: Vec<(String, Trained)> = vec![];
    for step in card.pipeline.iter_mut().flat_map(|p| &mut p.steps) {
        let PipelineStep::Box(rule) = step else { continue };
        let Some(file) = rule.model.take() else { continue };
        let path = Path::new(&file);
        let (trained, own) = Model::read(path)?;
        let turns = |s: &PipelineStep| matches!(s, PipelineStep::Conform | PipelineStep::Orient(_));
        if own.pipeline.as_ref().is_none_or(|p| p.steps.iter().any(turns)) || own.modalities.len() != card.modalities.len() {
            let message = format!("`{file}` cannot find a box for this model");
            return Err(Diagnostic::error(Code::E0802, message)
                .help("it gets the volume as it is at that step: its card has a pipeline without `Conform` and `Orient`, and as many modalities")
                .into());
        }
        let name = path.file_stem().map_or_else(|| file.clone(), |stem| stem.to_string_lossy().into_owned());
        if !all.iter().any(|(other, _)| *other == name) {
            all.push((name.clone(), trained));
        }
        rule.model = Some(name);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::pipeline::{AxisOrder, BoxRule, Decision, QuantileRule, ResizeRule};
    use super::*;
    use crate::text::Severity;

    fn read(text: &str) -> Result<Card> {
        of(&Source::new("card.ron", text))
    }

    const STEPS: &str = r#"
        modalities: ["T1"],
        labels: [(0, "background"), (1, "brain")],
        source: "somewhere",
        licence: "MIT",
        postprocess: (largest_foreground: true, fill_holes: true),
        nan: 0,
    "#;

    #[test]
    fn a_card_says_all_of_it() {
        let text = format!(
            r#"(pipeline: (axes: xyz, steps: [
                Conform, Orient("RAS"), MinMax, Quantiles(low: 0.02, high: 0.98, clip: true, add: 0.001),
                Quantiles(low: 0.05, high: 0.95, by: nearest_rank, of: (128, 128, 64)), ZScore(unbiased: true), Divide(max), Divide(by(255)),
                Affine(scale: 0.226, shift: 0.449), Box(above: 0.5, margin: 20), Box(model: "finder.safetensors", filled: 0.02, grow: 1.2),
                Resize(size: (256, 256, 128), by: smooth),
            ], decision: sigmoid(channel: 0, above: 0.5)), {STEPS})"#
        );
        let card = read(&text).unwrap_or_else(|e| panic!("{e:?}"));
        let p = card.pipeline.clone().unwrap();
        assert_eq!((p.axes, p.decision, p.steps.len()), (AxisOrder::Xyz, Decision::Sigmoid { channel: 0, above: 0.5 }, 12));
        let found = BoxRule { above: None, model: Some("finder.safetensors".into()), filled: 0.02, grow: 1.2, margin: 0 };
        assert_eq!(p.steps[10], PipelineStep::Box(found));
        assert_eq!(p.steps[11], PipelineStep::Resize { size: [256, 256, 128], by: ResizeRule::Smooth });
        let quantiles = PipelineStep::Quantiles {
            low: 0.05,
            high: 0.95,
            clip: false,
            add: 0.0,
            by: QuantileRule::NearestRank,
            of: Some([128, 128, 64]),
        };
        assert_eq!(p.steps[4], quantiles);
        assert_eq!((card.nan, card.licence.as_deref(), card.channels()), (Some(0.0), Some("MIT"), 1));
        let entries = card.entries();
        assert_eq!(entries["normalise"], "\"pipeline\"", "an lmsc without pipelines refuses the model");
        assert_eq!(Card::from_entries(Path::new("m"), &entries).unwrap(), card);
        // For windows.
        let card = read(
            r#"(modalities: ["a", "b"], labels: [(0, "o"), (1, "x"), (4, "y")], regions: {"all": [1, 4], "y": [4]}, patch: (32, 64, 64),
                overlap: 0.25, normalise: ZScoreNonZero, orientation: "LPS", spacing: (keep, 1, 1), crop: true, source: "here")"#,
        );
        let card = card.unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((card.patch, card.overlap, card.channels(), card.pipeline.is_none()), ([32, 64, 64], 0.25, 2, true));
        assert!(!card.entries().contains_key("pipeline") && !card.entries().contains_key("licence"));
    }

    #[test]
    fn what_is_wrong_with_a_card_is_told_at_its_place() {
        for (text, at, words) in [
            ("pipeline: (steps: [Conform, Wobble]),", "Wobble", "Wobble"),
            ("pipeline: (steps: [MinMax, Conform]),", "pipeline", "`Conform` is the first step or none"),
            ("pipeline: (steps: [Box(margin: 3)]),", "pipeline", "step 1 (Box): either `above` or `model`"),
            ("pipeline: (steps: [Quantiles(low: 0.9, high: 0.1)]),", "pipeline", "from 0 to 1 and the lower one comes first"),
            ("pipeline: (steps: [Resize(size: (0, 1, 1))]),", "pipeline", "from 1 to 2048 voxels"),
            ("pipeline: (steps: [Resize(size: (2048, 2048, 2048))]),", "pipeline", "within 2048 MiB"),
            ("pipeline: (steps: [Orient(\"RAR\")]),", "\"RAR\"", "RAR"),
            ("pipeline: (decision: softmax(channel: 1, above: 1.5)),", "pipeline", "above a number from 0 to 1"),
            ("pipeline: (), patch: (8, 8, 8),", "patch", "`patch` is for a network that goes over a volume in windows"),
            ("", "modalities", "neither `patch` nor `pipeline`"),
            ("patch: (8, 8, 8), paint: [1],", "paint", "without `regions`"),
            ("patch: (8, 0, 8),", "patch", "its patch is [8, 0, 8]"),
            ("patch: (8, 8, 8), colours: [\"#000000\"],", "colours", "2 labels and 1 colour"),
            ("patch: (8, 8, 8), citation: 3,", "3", "citation"),
        ] {
            let text = format!("({text}\n{STEPS})");
            let found = read(&text).err().unwrap_or_else(|| panic!("{text} is taken"));
            let d = &found.0[0];
            let place = &d.labels.first().unwrap_or_else(|| panic!("{d:?} has no place")).place;
            assert_eq!(d.severity, Severity::Error);
            let shown = format!("{} {}", d.message, d.help.join(" "));
            assert!(shown.contains(words) || words == "citation", "{shown}");
            assert!(text[place.span.start..].starts_with(at), "{text}: {:?}", &text[place.span.start..]);
        }
        assert!(read("(labels: [], modalities: [])").is_err(), "where it is from must be said");
        let graph = concat!(env!("CARGO_MANIFEST_DIR"), "/../../graphs/meshnet.ron");
        let found = read_card(Path::new(graph)).expect_err("a graph");
        assert!(found.0.len() == 1 && found.0[0].message.ends_with("is a graph, not a card"), "{found:?}");
    }

    #[test]
    fn the_cards_of_the_project_are_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cards");
        let all: Vec<_> = std::fs::read_dir(folder).expect("the cards").map(|e| e.expect("a file").path()).collect();
        assert!(all.len() >= 11);
        for path in all {
            assert_eq!(recognise(&path), FileKind::Card, "{}", path.display());
            let card = read_card(&path).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
            assert!(card.licence.is_some(), "{} has no licence", path.display());
            assert!(card.pipeline.is_some() || card.patch.iter().all(|n| *n > 1), "{} prepares nothing", path.display());
        }
    }
}
