//! Weights from checkpoints under the names of the graph.
//!
//! Part of `import::nnunet`; may use `import::pytorch`, `compile`, `ir` and `text`.

use super::folder::Fold;
use super::network::{ImportedNetwork, all_used};
use super::refused;
use crate::compile::Program;
use crate::import::pytorch::Checkpoint;
use crate::ir::Arrays;
use crate::text::{Code, Diagnostic, Diagnostics, Result, a_few, printable};

/// Where nnU-Net keeps its weights in a checkpoint.
const WEIGHTS: &str = "network_weights";

/// The most weights that are named in a line.
const NAMED: usize = 5;

/// A checkpoint with what it says of itself.
#[derive(Debug)]
pub struct About {
    pub checkpoint: Checkpoint,
    pub trainer: String,
    pub configuration: Option<String>,
    /// Axes along which images are mirrored, of the network's.
    pub mirror: Vec<usize>,
}

/// Opens the checkpoints, which are of one configuration.
///
/// # Errors
/// E0801 for one that cannot be read, E0804 where they are not alike.
pub fn open(folds: &[Fold]) -> Result<Vec<About>> {
    let all = folds.iter().map(about).collect::<Result<Vec<About>>>()?;
    for (fold, own) in folds.iter().zip(&all) {
        for (what, a, b) in [
            ("trainer", Some(&all[0].trainer), Some(&own.trainer)),
            ("configuration", all[0].configuration.as_ref(), own.configuration.as_ref()),
        ] {
            if a != b {
                let shown = |v: Option<&String>| v.map_or("none".to_owned(), |v| format!("`{}`", printable(v)));
                let message = format!("`{}` is of the {what} {}, and the first fold of {}", fold.file.display(), shown(b), shown(a));
                return Err(refused(message).help("import folds of one training; choose them with --fold").into());
            }
        }
    }
    Ok(all)
}

fn about(fold: &Fold) -> Result<About> {
    let checkpoint = Checkpoint::open(&fold.file, Some(WEIGHTS))?;
    if let Some(other) = checkpoint.left_out.first() {
        let message = format!("`{}` has something that no checkpoint of nnU-Net needs: {other}", fold.file.display());
        return Err(Diagnostic::error(Code::E0801, message).help("take it from the model's source again").into());
    }
    let Some(trainer) = checkpoint.text(&["trainer_name"]).map(str::to_owned) else {
        let message = format!("`{}` does not say which trainer of nnU-Net wrote it", fold.file.display());
        return Err(refused(message).help("name a model of nnU-Net v2; v1 wrote other files").into());
    };
    let configuration = checkpoint.text(&["init_args", "configuration"]).map(str::to_owned);
    // Checkpoints of the first releases do not say: no mirror images then.
    let axes = checkpoint.integers(&["inference_allowed_mirroring_axes"]);
    let axis = |axis: i64| usize::try_from(axis).ok().filter(|a| *a < 3);
    let mirror = axes.and_then(|axes| axes.into_iter().map(axis).collect::<Option<Vec<usize>>>());
    let Some(mirror) = mirror else {
        let message = format!("`{}` names axes of mirror images that are none (`inference_allowed_mirroring_axes`)", fold.file.display());
        return Err(refused(message).help("take it from the model's source again").into());
    };
    Ok(About { checkpoint, trainer, configuration, mirror })
}

/// The weights of each fold, by the graph's names. All of them are there, in their shapes, and nothing is left over.
///
/// # Errors
/// E0804 for a weight that is missing, of another shape or left over, by name; what is wrong with a file.
pub fn take(program: &Program, network: &ImportedNetwork, all: &[About], folds: &[Fold]) -> Result<Vec<(String, Arrays)>> {
    let dims: std::collections::BTreeMap<String, Vec<usize>> =
        program.graph.tensors().into_iter().map(|(_, name, w)| (name, w.dims)).collect();
    let mut sets = vec![];
    for (about, fold) in all.iter().zip(folds) {
        let file = fold.file.display().to_string();
        all_used(&network.names, about.checkpoint.names(), &about.trainer, &file)?;
        let mut found = Diagnostics::default();
        let missing: Vec<&str> =
            network.names.iter().map(|(_, theirs)| theirs.as_str()).filter(|name| about.checkpoint.shape(name).is_none()).collect();
        if !missing.is_empty() {
            let shown = a_few(&missing, NAMED);
            let message = format!("`{file}` lacks weights of its plans' network: {shown}; its trainer is `{}`", printable(&about.trainer));
            return Err(refused(message)
                .help("the plans and the checkpoint do not belong together, or the trainer builds another network")
                .into());
        }
        for (ours, theirs) in &network.names {
            let Some(wanted) = dims.get(ours) else {
                return Err(Diagnostic::error(Code::E0901, format!("the graph has no weight `{ours}`"))
                    .help("this is a fault of the program; please report it")
                    .into());
            };
            let there = about.checkpoint.shape(theirs).unwrap_or_default();
            if !same(there, wanted) {
                let message = format!("`{theirs}` is {there:?} in `{file}`, and {wanted:?} in the network of its plans");
                found.push(refused(message).help("the plans and the checkpoint do not belong together"));
            }
        }
        found.or(())?;
        let named: std::collections::HashSet<&str> = network.names.iter().map(|(ours, _)| ours.as_str()).collect();
        if let Some(other) = dims.keys().find(|name| !named.contains(name.as_str())) {
            return Err(Diagnostic::error(Code::E0901, format!("the weight `{other}` of the graph has no name in nnU-Net"))
                .help("this is a fault of the program; please report it")
                .into());
        }
        let mut arrays = Arrays::new();
        for (ours, theirs) in &network.names {
            if let Some(wanted) = dims.get(ours) {
                arrays.insert(ours.clone(), about.checkpoint.array(theirs, wanted)?);
            }
        }
        sets.push((format!("fold_{}", fold.name), arrays));
    }
    Ok(sets)
}

/// Whether two shapes are the same; of a 2D network the kernel has no first axis, and ours is 1 along it.
fn same(theirs: &[usize], ours: &[usize]) -> bool {
    match (theirs, ours) {
        ([o, i, h, w], [own @ .., 1, _, _]) if own.len() == 2 => [*o, *i] == *own && [*h, *w] == ours[3..],
        _ => theirs == ours,
    }
}
