//! The compiled program: the op graph with everything that is asked of it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::divide;
use super::flow::{Flow, FlowOutput};
use super::inputs;
use super::lower::{Inside, Lowering};
use super::parameters::{Parameters, parameters};
use crate::ir::{self, Cost, Fact, Fault, Graph, Hash};
use crate::op::Op;
use crate::read::{self, Claim, GraphText, Scope, Set, Tree};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Severity, Source};

/// A node as the user wrote it, with the operations that it became.
#[derive(Clone, Debug)]
pub struct Row {
    /// `enc1`, or `enc1.ghost1` inside a composite.
    pub path: String,
    /// `EncoderStage`
    pub block: String,
    /// 0 for the graph's own nodes.
    pub depth: usize,
    /// Its operations, those of the nodes inside it among them.
    pub values: Range<usize>,
    /// Its first output.
    pub output: ir::Value,
    pub place: Place,
}

/// The whole graph as text, written when it is first asked for.
#[derive(Clone, Debug, Default)]
struct Resolved {
    tree: Option<Arc<Tree>>,
    text: OnceLock<String>,
}

/// A graph that has been checked and can be run, counted and drawn.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    pub graph: Graph<Op>,
    /// Its nodes in the order of running, each before those inside it.
    pub rows: Vec<Row>,
    /// Its inputs by name.
    pub inputs: Vec<(String, ir::Value)>,
    /// The values of the graph's parameters.
    pub params: Scope,
    /// What the file says of its costs; see [`super::verify`].
    pub claims: Vec<Claim>,
    /// What is sound but rarely meant.
    pub warnings: Diagnostics,
    resolved: Resolved,
    /// Which inputs state a size of their own, in their order; the others have the first one's.
    own_size: Vec<bool>,
    multiple: [usize; 3],
    flat: bool,
}

impl Program {
    /// A program around an op graph that was made by hand, without a text. Inputs of another size than the first one's keep theirs.
    pub fn from_graph(name: impl Into<String>, graph: Graph<Op>, inputs: Vec<(String, ir::Value)>) -> Self {
        let size = |v: &ir::Value| graph.fact(*v).size;
        let own_size = inputs.iter().map(|(_, v)| inputs.first().is_some_and(|(_, first)| size(first) != size(v))).collect();
        Self {
            own_size,
            name: name.into(),
            graph,
            rows: vec![],
            inputs,
            params: Scope::new(),
            claims: vec![],
            warnings: Diagnostics::default(),
            resolved: Resolved::default(),
            multiple: [1; 3],
            flat: false,
        }
    }

    /// The whole graph as one text: `extends` and `set` applied, comments gone.
    pub fn resolved(&self) -> &str {
        self.resolved.text.get_or_init(|| self.resolved.tree.as_deref().map(resolved).unwrap_or_default())
    }

    /// The same program with another graph that gives the same outputs.
    pub(super) fn with_graph(&self, graph: Graph<Op>, rows: Vec<Row>, inputs: Vec<(String, ir::Value)>) -> Self {
        Self { graph, rows, inputs, ..self.clone() }
    }

    /// The depth, height and width of an input must be multiples of these.
    pub fn multiple(&self) -> [usize; 3] {
        self.multiple
    }

    /// Whether the graph is in two dimensions: the depth of every value is 1.
    pub fn flat(&self) -> bool {
        self.flat
    }

    /// In words, what sizes must be and which nodes ask for it.
    pub fn sizes(&self) -> String {
        super::reason::sentence(self)
    }

    /// The facts of its inputs for a batch, where the first one has the size `[D, H, W]`: inputs that state a size of their own keep it.
    pub fn inputs_at(&self, batch: usize, size: [usize; 3]) -> Vec<Fact> {
        let own = self.own_size.iter().copied().chain(std::iter::repeat(false));
        let facts = self.inputs.iter().map(|(_, v)| self.graph.fact(*v)).zip(own);
        facts.map(|(f, own)| Fact { batch, size: if own { f.size } else { size }, ..f }).collect()
    }

    /// Whether an input always has the size of the first one; so has the first.
    pub fn follows(&self, input: ir::Value) -> bool {
        let at = self.inputs.iter().position(|(_, v)| *v == input);
        at.is_some_and(|at| !self.own_size.get(at).copied().unwrap_or(false))
    }

    /// Channels of the first input.
    pub fn input_channels(&self) -> usize {
        self.inputs.first().map_or(0, |(_, v)| self.graph.fact(*v).channels)
    }

    /// Channels of the first output.
    pub fn classes(&self) -> usize {
        self.graph.outputs.first().map_or(0, |(_, v)| self.graph.fact(*v).channels)
    }

    pub fn hash(&self) -> Hash {
        Hash::of(&self.graph)
    }

    /// The cost of a range of operations.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    pub fn cost(&self, values: Range<usize>) -> std::result::Result<Cost, Fault> {
        values.map(ir::Value).try_fold(Cost::default(), |sum, v| sum.plus(self.graph.cost(v)?))
    }

    /// Checks that a volume of this size can pass.
    ///
    /// # Errors
    /// E0303 with the sizes that would do.
    pub fn fits(&self, size: [usize; 3]) -> std::result::Result<(), Diagnostic> {
        inputs::deep(size, self.flat)?;
        divide::fits(self.multiple, size, self.flat)
            .map_err(|(message, help)| Diagnostic::error(Code::E0303, message).help(help).help(self.sizes()))
    }
}

/// Compiles a graph with changes from outside, at a size `[D, H, W]` or the one that the graph states.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn compile(source: &Arc<Source>, sets: &[Set], size: Option<[usize; 3]>) -> Result<Program> {
    compiled(source, sets, size, true).map_err(told)
}

/// The same graph with other changes, for a claim: nothing is said of claims.
pub(super) fn claimed(source: &Arc<Source>, sets: &[Set], size: Option<[usize; 3]>) -> Result<Program> {
    compiled(source, sets, size, false).map_err(told)
}

/// So many errors, or warnings, are told of one graph: more have few causes, and each is shown with its lines.
pub(super) const TOLD: usize = 100;

/// The first of many diagnostics, errors before warnings.
pub(super) fn told(mut found: Diagnostics) -> Diagnostics {
    let more = found.0.len().saturating_sub(TOLD);
    if more > 0 {
        found.0.sort_by_key(|d| d.severity != Severity::Error);
        found.0.truncate(TOLD);
        if let Some(last) = found.0.last_mut() {
            last.help.push(format!("{more} more are not shown: mend these first"));
        }
    }
    found
}

/// `claims`: whether what is wrong with claims is told.
fn compiled(source: &Arc<Source>, sets: &[Set], size: Option<[usize; 3]>, claims: bool) -> Result<Program> {
    let as_written = sets.is_empty() && size.is_none();
    let read::Loaded { tree, mut found, imported } = read::loaded(source, sets)?;
    let mut text = match read::meaning(&tree) {
        Ok((text, more)) => {
            found.0.extend(more.0);
            text
        }
        Err(more) => {
            found.0.extend(more.0);
            return Err(found.without_echoes());
        }
    };
    let unread = if claims { std::mem::take(&mut text.unread) } else { Diagnostics::default() };
    super::lint::names(&text, &mut found);
    let params = parameters(&text, &mut found);
    let stated = found.keep(inputs::stated(&text, &params.values));
    let flat = stated.is_some_and(|s| s.flat);
    if let Some(size) = size {
        found.keep(inputs::deep(size, flat));
    }
    let size = size.or(stated.map(|s| s.size));
    let known = text.whole.blocks && imported;
    let clean = !found.has_errors();
    let at = |size: Option<[usize; 3]>| at(&text, &params, (known, clean, flat), size);
    match at(size) {
        Ok(_) if found.has_errors() => {
            found.0.extend(unread.0);
            Err(found.without_echoes())
        }
        Ok(mut program) => {
            let size = size.unwrap_or(super::DEFAULT_SIZE);
            program.warnings.0.extend(read::dated(&tree, source));
            program.resolved.tree = Some(Arc::new(tree));
            program.multiple = divide::multiple(&program, size);
            count(&program, &text)?;
            program.warnings.0.extend(read::fmt::stray(source));
            let found = super::lint::lint(&program, &text);
            program.warnings.0.retain(|d| !super::lint::WIRED.contains(&d.code));
            if found.has_errors() {
                return Err(found);
            }
            program.warnings.0.extend(found.0);
            program.warnings = told(program.warnings);
            if unread.has_errors() {
                let mut found = unread;
                if as_written {
                    found.keep(super::claims::verify(source, &program));
                }
                return Err(found);
            }
            Ok(program)
        }
        Err(more) => {
            found.0.extend(more.0);
            found.0.extend(unread.0);
            let found = found.without_echoes();
            let Some(size) = size else { return Err(found) };
            Err(divide::explain(found, size, flat, |s| {
                let mut program = at(Some(s)).ok()?;
                program.multiple = divide::multiple(&program, s);
                Some(program)
            }))
        }
    }
}

/// The program at a size; without one, nothing is known of what flows in, and there is none.
/// `all_blocks`: whether all composites could be read. `clean`: whether no error was told so far. `flat`: whether it is in two dimensions.
fn at(text: &GraphText, params: &Parameters, (all_blocks, clean, flat): (bool, bool, bool), size: Option<[usize; 3]>) -> Result<Program> {
    let dead = text.lints.iter().rev().find(|(n, ..)| n == "E0206").map_or("deny", |(_, _, level)| level);
    let dead = match dead {
        "allow" => None,
        "warn" => Some(Severity::Warning),
        _ => Some(Severity::Error),
    };
    let mut l = Lowering::new(text, all_blocks, clean, dead, flat);
    check_composites(text, &mut l.found);
    l.found.0.extend(super::forms::check(text, &params.values).0);
    let mut flows = HashMap::new();
    let (mut named, mut own_size) = (vec![], vec![]);
    for (k, i) in text.inputs.iter().enumerate() {
        let v = inputs::input(i, &params.values, size, k == 0, &mut l);
        own_size.push(k > 0 && i.size.is_some());
        named.extend(v.map(|v| (i.name.clone(), v)));
        flows.insert(i.name.clone(), v.map_or(Flow::Unknown, Flow::Value));
    }
    if text.outputs.is_empty() {
        l.found.push(
            Diagnostic::error(Code::E0106, "the graph has no output")
                .at(start(&text.place), "in this graph")
                .help("add `outputs: {\"logits\": \"node\"}`")
                .echo(!text.whole.outputs),
        );
    }
    let names: Vec<String> = text.inputs.iter().map(|i| i.name.clone()).collect();
    let inside = Inside {
        nodes: &text.nodes,
        outputs: &text.outputs,
        changes: &text.changes,
        params: &params.values,
        globals: &params.values,
        words: &params.words,
        inputs: flows,
        names: &names,
        whole: (text.whole.nodes, text.whole.outputs),
        prefix: "",
        within: &[],
        used: &[],
    };
    let outputs = l.scope(inside);
    l.unopened(&params.values, &params.words, &|place| place.source.name != text.place.source.name);
    l.found.dedup();
    let Lowering { mut graph, rows, mut found, .. } = l;
    // What may only be meant otherwise is told of a graph that compiles.
    if found.has_errors() {
        found.0.retain(|d| !super::lint::WIRED.contains(&d.code));
    }
    let warnings = found.clone();
    found.or(())?;
    for (name, out) in outputs {
        // What has no value was told; this is said where it was not.
        let lost = || Diagnostic::error(Code::E0204, format!("the output `{name}` has no value")).at(start(&text.place), "in this graph");
        let lost = || Diagnostics::from(lost().help("connect it to a node that is there").echo(true));
        match out {
            FlowOutput::One(v) => graph.outputs.push((name.clone(), v.ok_or_else(lost)?)),
            FlowOutput::Many(all) => {
                for (i, v) in all.into_iter().enumerate() {
                    graph.outputs.push((format!("{name}{i}"), v.ok_or_else(lost)?));
                }
            }
        }
    }
    twice(&graph.outputs, text)?;
    Ok(Program {
        name: text.name.clone(),
        graph,
        rows,
        inputs: named,
        own_size,
        params: params.values.clone(),
        claims: text.claims.clone(),
        warnings,
        resolved: Resolved::default(),
        multiple: [1; 3],
        flat,
    })
}

/// That no two outputs have one name, as an entry of a list may have that of another output.
fn twice(outputs: &[(String, ir::Value)], text: &GraphText) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match outputs.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let place = text.outputs.iter().find(|o| o.name == *name).map_or_else(|| start(&text.place), |o| o.place.clone());
            Err(Diagnostic::error(
                Code::E0103,
                format!("two outputs are called `{name}`: a list gives one for each entry, with its number"),
            )
            .at(place, "here")
            .help("rename one of them")
            .into())
        }
    }
}

/// A composite may not take the name of a block, nor give one name to an input and a parameter.
pub(super) fn check_composites(text: &GraphText, found: &mut Diagnostics) {
    for c in &text.blocks {
        if crate::block::Entry::find(&c.name).is_some() {
            found.push(
                Diagnostic::error(Code::E0103, format!("`{}` is already a block", c.name))
                    .at(c.place.clone(), "defined again here")
                    .help("choose another name; to exchange a block everywhere, use `replace`"),
            );
        }
        for p in c.inputs.iter().filter(|i| c.params.iter().any(|p| p.name == i.name)) {
            found.push(
                Diagnostic::error(Code::E0103, format!("`{}` is both an input and a parameter of `{}`", p.name, c.name))
                    .at(p.place.clone(), "here")
                    .help("rename one of them"),
            );
        }
    }
}

/// Every count must fit into 64 bits before anything is said of the graph.
fn count(program: &Program, text: &GraphText) -> Result<()> {
    for row in program.rows.iter().filter(|r| r.depth == 0) {
        program.cost(row.values.clone()).map_err(|f| {
            let d = Diagnostic::error(f.code, format!("`{}`: {}", row.path, f.message)).at(row.place.clone(), "here");
            Diagnostics::from(d.help(f.help.unwrap_or_else(|| "make the sizes or widths smaller".into())))
        })?;
    }
    program.cost(0..program.graph.len()).map(|_| ()).map_err(|f| {
        Diagnostic::error(f.code, f.message).at(start(&text.place), "in this graph").help("make sizes or widths smaller").into()
    })
}

fn start(place: &Place) -> Place {
    let s = place.span.start;
    Place::new(&place.source, crate::text::Span::new(s, s + 1))
}

/// The tree without what has been applied.
fn resolved(tree: &Tree) -> String {
    let mut t = tree.clone();
    if let Some(entries) = t.entries_mut() {
        entries.retain(|e| !matches!(e.key.as_str(), "extends" | "import" | "replace" | "claims"));
    }
    format!("{t}\n")
}
