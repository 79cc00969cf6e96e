//! The compiled program: the op graph with everything that is asked of it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::divide;
use super::lower::{Inside, Lowering};
use crate::ir::{self, Cost, Fact, Fault, Graph, Hash};
use crate::op::{Input, Op};
use crate::read::{self, Claim, GraphText, Scope, Set, Tree, Value};
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
    multiple: [usize; 3],
}

impl Program {
    /// A program around an op graph that was made by hand, without a text.
    pub fn from_graph(name: impl Into<String>, graph: Graph<Op>, inputs: Vec<(String, ir::Value)>) -> Self {
        Self {
            name: name.into(),
            graph,
            rows: vec![],
            inputs,
            params: Scope::new(),
            claims: vec![],
            warnings: Diagnostics::default(),
            resolved: Resolved::default(),
            multiple: [1; 3],
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

    /// In words, what sizes must be and which nodes ask for it.
    pub fn sizes(&self) -> String {
        super::reason::sentence(self)
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
        divide::fits(self.multiple, size).map_err(|(message, help)| Diagnostic::error(Code::E0303, message).help(help).help(self.sizes()))
    }
}

/// Compiles a graph with changes from outside, at a size `[D, H, W]` or the one that the graph states.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn compile(source: &Arc<Source>, sets: &[Set], size: Option<[usize; 3]>) -> Result<Program> {
    compiled(source, sets, size).map_err(told)
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

fn compiled(source: &Arc<Source>, sets: &[Set], size: Option<[usize; 3]>) -> Result<Program> {
    let tree = read::load(source, sets)?;
    let text = read::graph(&tree)?;
    let (params, faulty) = parameters(&text);
    if faulty.has_errors() {
        return Err(beside(faulty, &text, &params));
    }
    let size = match size {
        Some(size) => size,
        None => stated(&text, &params)?,
    };
    match at(&text, &params, size) {
        Ok(mut program) => {
            program.resolved.tree = Some(Arc::new(tree));
            program.multiple = divide::multiple(&program, size);
            count(&program, &text)?;
            let found = super::lint::lint(&program, &text);
            if found.has_errors() {
                return Err(found);
            }
            program.warnings.0.extend(found.0);
            program.warnings = told(program.warnings);
            Ok(program)
        }
        Err(found) => Err(divide::explain(found, size, |s| {
            let mut program = at(&text, &params, s).ok()?;
            program.multiple = divide::multiple(&program, s);
            Some(program)
        })),
    }
}

/// The size that the first input states, or the default.
fn stated(text: &GraphText, params: &Scope) -> Result<[usize; 3]> {
    let Some(tree) = text.inputs.iter().find_map(|i| i.size.as_ref()) else { return Ok(super::DEFAULT_SIZE) };
    Ok(read::typed::<crate::ir::Triple>(tree, params)?.0)
}

/// With faulty parameters the names and fields can still be checked, but no number that comes of them.
fn beside(mut faulty: Diagnostics, text: &GraphText, params: &Scope) -> Diagnostics {
    if let Err(more) = at(text, params, super::DEFAULT_SIZE) {
        faulty.0.extend(more.0.into_iter().filter(|d| d.code < Code::E0301 && d.code != Code::E0105));
    }
    faulty
}

/// The values of the parameters, and what is wrong with them; a faulty one is 8.
fn parameters(text: &GraphText) -> (Scope, Diagnostics) {
    let mut scope = Scope::new();
    let mut found = Diagnostics::default();
    for p in &text.params {
        let n = found.keep(
            read::value(&p.value, &scope)
                .map_err(|d| if d.code == Code::E0105 { d.help("a parameter may use those that stand before it") } else { d }),
        );
        scope.insert(p.name.clone(), n.unwrap_or(Value::Int(8)));
    }
    (scope, found)
}

fn at(text: &GraphText, params: &Scope, size: [usize; 3]) -> Result<Program> {
    let dead = text.lints.iter().rev().find(|(n, ..)| n == "E0206").map_or("deny", |(_, _, level)| level);
    let dead = match dead {
        "allow" => None,
        "warn" => Some(Severity::Warning),
        _ => Some(Severity::Error),
    };
    let mut l = Lowering::new(&text.blocks, &text.dropped, dead);
    check_composites(text, &mut l.found);
    let mut inputs = HashMap::new();
    let mut named = vec![];
    for i in &text.inputs {
        let Some(channels) = l.found.keep(read::typed::<usize>(&i.channels, params)) else { continue };
        let n = channels;
        if n == 0 || size.contains(&0) {
            l.found.push(
                Diagnostic::error(Code::E0301, format!("the input is {n}x{}x{}x{}: nothing", size[0], size[1], size[2]))
                    .at(i.channels.place.clone(), "here")
                    .help("use 1 or more channels, and 1 or more voxels in each direction"),
            );
            continue;
        }
        // The size asked for is the first input's; others that state their own keep it.
        let own = i.size.as_ref().filter(|_| !named.is_empty()).and_then(|t| l.found.keep(read::typed::<crate::ir::Triple>(t, params)));
        let v = l.graph.input(i.name.clone(), Input.into(), Fact::new(1, n, own.map_or(size, |t| t.0)));
        inputs.insert(i.name.clone(), Some(v));
        named.push((i.name.clone(), v));
    }
    if text.outputs.is_empty() {
        l.found.push(
            Diagnostic::error(Code::E0106, "the graph has no output")
                .at(start(&text.place), "in this graph")
                .help("add `outputs: {\"logits\": \"node\"}`"),
        );
    }
    let inside = Inside { nodes: &text.nodes, outputs: &text.outputs, params, inputs, prefix: "", within: &[], used: &[] };
    let outputs = l.scope(inside);
    l.found.dedup();
    let Lowering { mut graph, rows, found, .. } = l;
    let warnings = found.clone();
    found.or(())?;
    graph.outputs = outputs.into_iter().filter_map(|(n, v)| Some((n, v?))).collect();
    Ok(Program {
        name: text.name.clone(),
        graph,
        rows,
        inputs: named,
        params: params.clone(),
        claims: text.claims.clone(),
        warnings,
        resolved: Resolved::default(),
        multiple: [1; 3],
    })
}

/// A composite may not take the name of a block, nor give one name to an input and a parameter.
fn check_composites(text: &GraphText, found: &mut Diagnostics) {
    for c in &text.blocks {
        if crate::block::Spec::LIST.iter().any(|e| e.name == c.name) {
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
        entries.retain(|e| !matches!(e.key.as_str(), "extends" | "import" | "set" | "replace" | "claims"));
    }
    format!("{t}\n")
}
