//! Model files: one safetensors file that holds the graph's text, its parameters and its hash beside the weights. Names and shapes of the
//! weights match a file to its graph, and the version of its semantics says whether they mean the same; the hash is for people.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::file::{Store, read_store, write_store};
use super::semantics;
use crate::compile::{Program, compile};
use crate::ir::Arrays;
use crate::text::{Code, Diagnostic, Diagnostics, MAX_TEXT_BYTES, Result, Source, printable, suggestion};

/// A trained network as its file has it: the compiled graph and a finite array for each of its weights.
#[derive(Clone, Debug)]
pub struct Trained {
    pub program: Arc<Program>,
    pub weights: Arrays,
    /// Further sets of weights of the same graph, where the file has several: the folds of a cross-validation.
    pub more: Vec<Arrays>,
    /// Models that are part of this one, by name: what finds the box that it looks at.
    pub attached: Vec<(String, Self)>,
    /// All of the file's metadata: how images are prepared, classes, metrics.
    pub metadata: BTreeMap<String, String>,
}

impl Trained {
    /// Its sets of weights by their names, in the file's order: `fold_0`, `fold_1`. The only one of a file that names none has the empty name.
    pub fn sets(&self) -> Vec<(String, &Arrays)> {
        let names: Vec<String> = self.metadata.get(SETS).and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
        let mut names = names.into_iter();
        std::iter::once(&self.weights).chain(&self.more).map(|weights| (names.next().unwrap_or_default(), weights)).collect()
    }

    /// The model with one of its sets of weights alone, by its place in [`Trained::sets`]; the first where there are fewer.
    pub fn only(mut self, set: usize) -> Self {
        if let Some(n) = set.checked_sub(1).filter(|n| *n < self.more.len()) {
            self.weights = self.more.swap_remove(n);
        }
        self.more.clear();
        self.metadata.remove(SETS);
        self
    }
}

/// Writes weights with `meta` beside the graph's own metadata (`lmsc.graph`, `lmsc.params`, `lmsc.hash`,
/// `lmsc.semantics`).
///
/// # Errors
/// E0603 when the file cannot be written.
pub fn save(path: &Path, program: &Program, weights: Arrays, meta: &BTreeMap<String, String>) -> Result<()> {
    let mut store = Store { arrays: weights, metadata: meta.clone() };
    store.metadata.insert("format".into(), "pt".into());
    store.metadata.insert("lmsc.version".into(), env!("CARGO_PKG_VERSION").into());
    store.metadata.insert(semantics::ENTRY.into(), semantics::SEMANTICS.to_string());
    store.metadata.insert("lmsc.graph".into(), program.resolved().into());
    store.metadata.insert("lmsc.params".into(), serde_json::to_string(&program.params).unwrap_or_default());
    store.metadata.insert("lmsc.hash".into(), program.hash().to_string());
    write_store(path, &store)
}

/// The entry that names the sets of weights of a file with several, a list as JSON: the weight `W` of the set `S` is the tensor `S/W`.
pub const SETS: &str = "lmsc.sets";
/// No file has more sets of weights.
const MOST_SETS: usize = 64;

/// As [`save`], with several sets of weights under their names.
///
/// # Errors
/// E0603 when the file cannot be written.
pub fn save_sets(path: &Path, program: &Program, sets: Vec<(String, Arrays)>, meta: &BTreeMap<String, String>) -> Result<()> {
    let mut meta = meta.clone();
    let names: Vec<&String> = sets.iter().map(|(name, _)| name).collect();
    meta.insert(SETS.into(), serde_json::to_string(&names).unwrap_or_default());
    let named = |(set, arrays): (String, Arrays)| arrays.into_iter().map(move |(name, array)| (format!("{set}/{name}"), array));
    save(path, program, sets.into_iter().flat_map(named).collect(), &meta)
}

/// The sets of weights of a file, each under the names of its graph: one, unless the metadata names several.
fn sets(file: &str, t: &mut Store) -> Result<Vec<Arrays>> {
    let Some(names) = t.metadata.get(SETS) else { return Ok(vec![std::mem::take(&mut t.arrays)]) };
    let names: Vec<String> = serde_json::from_str(names).unwrap_or_default();
    let twice = names.iter().enumerate().any(|(n, name)| names[..n].contains(name));
    if names.is_empty() || names.len() > MOST_SETS || twice || names.iter().any(|n| n.is_empty() || n.contains('/')) {
        let message = format!("`{file}` names its sets of weights in a way that cannot be read (`{SETS}`)");
        return Err(Diagnostic::error(Code::E0801, message).help("use the file as `lmsc import` wrote it").into());
    }
    let mut all: Vec<Arrays> = names.iter().map(|_| Arrays::new()).collect();
    for (name, array) in std::mem::take(&mut t.arrays) {
        let set = name.split_once('/').and_then(|(set, own)| Some((names.iter().position(|n| n == set)?, own.to_owned())));
        let Some((set, own)) = set else {
            let message = format!("`{}` in `{file}` belongs to none of its sets of weights", printable(&name));
            return Err(Diagnostic::error(Code::E0802, message).help("use the file as `lmsc import` wrote it").into());
        };
        all[set].insert(own, array);
    }
    Ok(all)
}

/// The entry with the metadata of each attached model, by its name, as JSON: the weight `W` of the model `M` is the tensor `M/W`.
pub const ATTACHED: &str = "lmsc.models";
/// No file has more models within it.
const MOST_ATTACHED: usize = 16;

/// Adds models to what [`save`] will write: their weights to `weights`, what they say of themselves to `meta`.
///
/// # Errors
/// E0802 where a model has several sets of weights or models within it, or a name is not one of its own.
pub fn attach(models: Vec<(String, Trained)>, weights: &mut Arrays, meta: &mut BTreeMap<String, String>) -> Result<()> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, model) in models {
        let refuse = |why: &str| {
            Err(Diagnostic::error(Code::E0802, format!("the model `{}` cannot become part of another one: {why}", printable(&name)))
                .help("use a model with one set of weights and a name of its own")
                .into())
        };
        if !model.more.is_empty() || !model.attached.is_empty() {
            return refuse("it has several sets of weights, or models within it");
        }
        if name.is_empty() || name.contains('/') || all.contains_key(&name) || weights.keys().any(|w| w.split('/').next() == Some(&name)) {
            return refuse("its name is taken, or has a slash");
        }
        weights.extend(model.weights.into_iter().map(|(weight, array)| (format!("{name}/{weight}"), array)));
        all.insert(name, model.metadata.into_iter().filter(|(entry, _)| entry != "lmsc.seal").collect());
    }
    if !all.is_empty() {
        meta.insert(ATTACHED.into(), serde_json::to_string(&all).unwrap_or_default());
    }
    Ok(())
}

/// Takes the attached models out of a file's content.
fn detach(path: &Path, t: &mut Store) -> Result<Vec<(String, Trained)>> {
    let Some(entry) = t.metadata.get(ATTACHED) else { return Ok(vec![]) };
    let file = path.display();
    let read: Option<BTreeMap<String, BTreeMap<String, String>>> = serde_json::from_str(entry).ok();
    let read =
        read.filter(|all| all.len() <= MOST_ATTACHED && all.values().all(|meta| !meta.contains_key(ATTACHED) && !meta.contains_key(SETS)));
    let Some(read) = read else {
        let message = format!("`{file}` describes the models within it in a way that cannot be read (`{ATTACHED}`)");
        return Err(Diagnostic::error(Code::E0801, message).help("use the file as `lmsc import` wrote it").into());
    };
    let mut all = vec![];
    for (name, metadata) in read {
        let prefix = format!("{name}/");
        let own: Vec<String> = t.arrays.keys().filter(|w| w.starts_with(&prefix)).cloned().collect();
        let arrays = own.iter().filter_map(|w| Some((w.strip_prefix(&prefix)?.to_owned(), t.arrays.remove(w)?))).collect();
        let mut store = Store { arrays, metadata };
        semantics::update(&format!("{file} ({name})"), &mut store)?;
        all.push((name, trained(path, store)?));
    }
    Ok(all)
}

/// Reads a file that [`save`] or [`save_sets`] wrote. Everything in the file is checked.
///
/// # Errors
/// E0801 when the file cannot be read or holds no graph; what is wrong with its graph; E0802 when the weights do not fit it; E0803 when the
/// file was damaged, or a weight is no finite number.
pub fn load(path: &Path) -> Result<Trained> {
    let mut t = read_store(path)?;
    let attached = detach(path, &mut t)?;
    Ok(Trained { attached, ..trained(path, t)? })
}

/// One model of a file's content.
fn trained(path: &Path, mut t: Store) -> Result<Trained> {
    let file = path.display().to_string();
    let Some(program) = graph_of(path, &t)? else {
        return Err(Diagnostic::error(Code::E0801, format!("`{file}` holds weights but no graph"))
            .help("a model is a file that `lmsc train` wrote; weights from elsewhere are run by `lmsc forward GRAPH --weights FILE`")
            .into());
    };
    // Before memory is taken for the network: its graph may ask for more than the file has.
    let mut found = Diagnostics::default();
    let own: BTreeMap<String, Vec<usize>> = program.graph.tensors().into_iter().map(|(_, name, w)| (name, w.dims)).collect();
    let sets = sets(&file, &mut t)?;
    for arrays in &sets {
        found.keep(check_shapes(own.iter().map(|(name, dims)| (name.clone(), dims.clone())), arrays, &file));
        let extra: Vec<&String> = arrays.keys().filter(|name| !own.contains_key(*name)).collect();
        if let Some(first) = extra.first() {
            let message = format!("`{}`{} in `{file}` is of no use to its graph", printable(first), more(extra.len()));
            found.push(Diagnostic::error(Code::E0802, message).help("the weights belong to another graph or to other parameters of it"));
        }
        if let Some((name, n)) =
            arrays.iter().find_map(|(name, a)| Some((name, a.values.iter().filter(|v| !v.is_finite()).count())).filter(|f| f.1 > 0))
        {
            let message = format!("{n} numbers of `{}` in `{file}` are not finite", printable(name));
            found.push(
                Diagnostic::error(Code::E0803, message).help("its training failed; use a checkpoint of an earlier epoch, or train anew"),
            );
        }
    }
    found.or(())?;
    let mut sets = sets.into_iter();
    let weights = sets.next().unwrap_or_default();
    Ok(Trained { program: Arc::new(program), weights, more: sets.collect(), attached: vec![], metadata: t.metadata })
}

/// The graph in a file of weights, compiled; `None` where there is none.
///
/// # Errors
/// What is wrong with it, at its place in the text; E0801 when the text is too long.
pub fn graph_of(path: &Path, store: &Store) -> Result<Option<Program>> {
    let Some(text) = store.metadata.get("lmsc.graph") else { return Ok(None) };
    if text.len() as u64 > MAX_TEXT_BYTES {
        let message =
            format!("the graph in `{}` has {} bytes, and a graph's text has at most {MAX_TEXT_BYTES}", path.display(), text.len());
        return Err(Diagnostic::error(Code::E0801, message).help("use the file as `lmsc train` wrote it").into());
    }
    let program = compile(&Source::new(format!("{} (its graph)", path.display()), text.clone()), &[], None);
    let own = env!("CARGO_PKG_VERSION");
    program.map(Some).map_err(|mut found| {
        // Blocks and fields that this version does not have may be known to another.
        if let (Some(version), Some(d)) = (store.metadata.get("lmsc.version").filter(|v| *v != own), found.0.first_mut()) {
            d.help.push(format!("the file was made by lmsc {}, and this is {own}: use that version or a newer one", printable(version)));
        }
        found
    })
}

/// Whether a file has every one of the weights, in its shape.
///
/// # Errors
/// E0802 for every weight that is missing or has another shape, all at once.
pub fn check_shapes(weights: impl Iterator<Item = (String, Vec<usize>)>, arrays: &Arrays, file: &str) -> Result<()> {
    let mut found = Diagnostics::default();
    let mut missing = vec![];
    for (name, own) in weights {
        match arrays.get(&name) {
            None => missing.push(name),
            Some(array) if array.dims != own => {
                found.push(
                    Diagnostic::error(Code::E0802, format!("`{name}` is {own:?} in the graph but {:?} in `{file}`", array.dims))
                        .help("the weights belong to another graph or to other parameters of it"),
                );
            }
            Some(_) => {}
        }
    }
    if let Some(first) = missing.first() {
        let message = format!("`{first}`{} of the graph's weights are not in `{file}`", more(missing.len()));
        let known = arrays.keys().map(String::as_str);
        found.push(Diagnostic::error(Code::E0802, message).help(suggestion(first, known, "tensors in the file")));
    }
    found.or(())
}

/// ` and 3 more` of four.
fn more(all: usize) -> String {
    if all > 1 { format!(" and {} more", all - 1) } else { String::new() }
}
