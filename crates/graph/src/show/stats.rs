//! What each node of a program costs, and what the whole needs of memory.

use serde::{Serialize, Serializer};

use super::convention::Convention;
use crate::compile::Program;
use crate::compile::memory::{
    Aspect, Optimiser, Plan, Precision, Schedule, Segments, Training, facts_at, largest, parameters, plan, training,
};
use crate::compile::passes::optimise;
use crate::ir::{Cost, Fact, Fault};

/// What rows are sorted by, within the composite that they stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Params,
    /// What the cost column counts.
    Macs,
    Activations,
    Name,
}

/// What is asked of a program.
#[derive(Clone, Debug)]
pub struct Question {
    /// Composites are opened down to so many levels; 1: the graph's own nodes.
    pub depth: usize,
    /// What was changed from outside, `anchors=16`.
    pub set: Vec<String>,
    pub batch: usize,
    pub precision: Precision,
    pub optimiser: Optimiser,
    /// Whether training is counted with activation checkpointing.
    pub checkpointing: bool,
    pub convention: Convention,
    pub sort: Option<Sort>,
    /// Only nodes whose path or block contains this, with `*` for anything.
    pub filter: Option<String>,
    /// Whether the memory of a forward pass is that of the graph after all passes, or of the graph as it is written.
    pub optimised: bool,
    /// Whether to name the graph's hash.
    pub hash: bool,
    /// A memory in bytes, as written and as a number, for which the largest input is looked for.
    pub fit: Option<(String, u64)>,
}

impl Default for Question {
    fn default() -> Self {
        let (precision, optimiser, convention) = Default::default();
        Self {
            depth: 1,
            set: vec![],
            batch: 1,
            precision,
            optimiser,
            checkpointing: false,
            convention,
            sort: None,
            filter: None,
            optimised: false,
            hash: true,
            fit: None,
        }
    }
}

/// The costs of one node.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub node: String,
    pub block: String,
    /// 0 for a node of the graph, 1 for one inside a composite, ...
    pub depth: usize,
    /// `[channels, D, H, W]` of its first output.
    #[serde(serialize_with = "shape")]
    pub output: Fact,
    pub params: u64,
    /// Multiply-accumulates of convolutions, linear layers and products.
    pub macs: u64,
    /// 2 x MACs.
    pub flops: u64,
    /// What other tools print as FLOPs.
    pub fvcore_flops: u64,
    pub ptflops_flops: u64,
    pub thop_flops: u64,
    /// Additions, activations, comparisons, interpolation: what no MAC is.
    pub other_operations: u64,
    /// Of all values that its operations give.
    pub activation_bytes: u64,
    /// Read and written by its operations one after the other, weights included.
    pub moved_bytes: u64,
    /// FLOPs and other operations for each byte that is moved.
    pub operations_per_byte: f64,
}

fn shape<S: Serializer>(f: &Fact, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(f)
}

impl Line {
    /// What a convention counts.
    pub fn counted(&self, c: Convention) -> u64 {
        match c {
            Convention::Macs => self.macs,
            Convention::Fvcore => self.fvcore_flops,
            Convention::Ptflops => self.ptflops_flops,
            Convention::Thop => self.thop_flops,
        }
    }
}

/// Bytes that a program needs.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Whether a forward pass is counted after all passes of the compiler.
    pub optimised: bool,
    pub precision: &'static str,
    pub optimiser: &'static str,
    /// Whether training is counted with activation checkpointing.
    pub checkpointing: bool,
    /// The weights as they are held for inference.
    pub weight_bytes: u64,
    /// The arena of a forward pass: the memory plan's size, input and output included.
    pub inference_value_bytes: u64,
    /// The most that is alive at once in it.
    pub inference_alive_bytes: u64,
    /// Weights and values.
    pub inference_peak_bytes: u64,
    pub training_weight_bytes: u64,
    pub training_gradient_bytes: u64,
    pub training_optimiser_bytes: u64,
    pub training_kept_bytes: u64,
    pub training_transient_bytes: u64,
    pub training_peak_bytes: u64,
}

/// The largest inputs that fit into some memory, `[D, H, W]`.
#[derive(Clone, Debug, Serialize)]
pub struct Fitting {
    #[serde(skip)]
    pub written: String,
    pub budget_bytes: u64,
    pub inference_cube: Option<[usize; 3]>,
    pub training_cube: Option<[usize; 3]>,
    /// With the proportions of the input that was asked for; absent when that is a cube.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_same_aspect: Option<[usize; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_same_aspect: Option<[usize; 3]>,
}

/// A program's costs.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    pub name: String,
    /// What was changed from outside, `anchors=16`.
    pub set: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    pub batch: usize,
    pub input: String,
    pub output: String,
    /// Depth, height and width must be multiples of these.
    pub multiple: [usize; 3],
    /// The same in words.
    #[serde(skip)]
    pub sizes: String,
    /// What the cost column of the table counts.
    #[serde(skip)]
    pub convention: Convention,
    /// Rows stand by themselves, not below the composite they belong to.
    #[serde(skip)]
    pub filtered: bool,
    pub total: Line,
    pub memory: Memory,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_input: Option<Fitting>,
    pub nodes: Vec<Line>,
}

/// Counts a program at batch 1 in float32; composites are opened down to `depth` levels.
///
/// # Errors
/// When a count is beyond 64 bits.
pub fn stats(program: &Program, depth: usize, set: &[String]) -> Result<Stats, Fault> {
    measure(program, &Question { depth, set: set.to_vec(), ..Question::default() })
}

/// Counts a program.
///
/// # Errors
/// When a count is beyond 64 bits.
pub fn measure(program: &Program, q: &Question) -> Result<Stats, Fault> {
    let facts = facts_at(program, q.batch, None).map_err(|(_, f)| f)?;
    let costs = costs(program, &facts, q.precision)?;
    let passed = if q.optimised { Some(optimise(program)?) } else { None };
    let runs = match &passed {
        Some(o) => Runs { program: &o.program, schedule: o.schedule.clone() },
        None => Runs { program, schedule: Schedule::plain(&program.graph) },
    };
    let line = |node: &str, block: &str, depth, output: Fact, values: std::ops::Range<usize>| -> Result<Line, Fault> {
        let sum = costs.get(values).unwrap_or_default().iter().try_fold(Counts::default(), |a, b| a.plus(b))?;
        Ok(sum.line(node, block, depth, output))
    };
    let mut nodes = vec![];
    for r in program.rows.iter().filter(|r| r.depth < q.depth && q.filter.as_ref().is_none_or(|p| found(p, &r.path) || found(p, &r.block)))
    {
        nodes.push(line(&r.path, &r.block, r.depth, facts[r.output.0], r.values.clone())?);
    }
    if let Some(by) = q.sort {
        nodes = if q.filter.is_some() { flat(nodes, by, q.convention) } else { sorted(nodes, by, q.convention) };
    }
    let shown = |all: &[(String, crate::ir::Value)]| all.iter().map(|(_, v)| facts[v.0].to_string()).collect::<Vec<_>>().join(" + ");
    let first = program.graph.outputs.first().map_or(Fact::vector(0, 0), |(_, v)| facts[v.0]);
    Ok(Stats {
        name: program.name.clone(),
        set: q.set.clone(),
        hash: q.hash.then(|| program.hash().to_string()),
        batch: q.batch,
        input: shown(&program.inputs),
        output: shown(&program.graph.outputs),
        multiple: program.multiple(),
        sizes: program.sizes(),
        convention: q.convention,
        filtered: q.filter.is_some(),
        total: line("total", "", 0, first, 0..program.graph.len())?,
        memory: memory(program, &runs, &facts, q)?,
        largest_input: q.fit.as_ref().map(|(written, bytes)| fitting(program, &runs, q, written, *bytes)),
        nodes,
    })
}

/// Everything that is counted of operations.
#[derive(Clone, Copy, Default)]
struct Counts {
    cost: Cost,
    ptflops: u64,
    thop: u64,
}

impl Counts {
    fn plus(self, o: &Counts) -> Result<Counts, Fault> {
        Ok(Counts {
            cost: self.cost.plus(o.cost)?,
            ptflops: self.ptflops.saturating_add(o.ptflops),
            thop: self.thop.saturating_add(o.thop),
        })
    }

    fn line(&self, node: &str, block: &str, depth: usize, output: Fact) -> Line {
        let c = &self.cost;
        let moved = c.moved();
        let work = c.flops() as f64 + c.other as f64;
        Line {
            node: node.to_owned(),
            block: block.to_owned(),
            depth,
            output,
            params: c.params,
            macs: c.macs,
            flops: c.flops(),
            fvcore_flops: c.fvcore(),
            ptflops_flops: self.ptflops,
            thop_flops: self.thop,
            other_operations: c.other,
            activation_bytes: c.written,
            moved_bytes: moved,
            operations_per_byte: if moved == 0 { 0.0 } else { (work / moved as f64 * 1000.0).round() / 1000.0 },
        }
    }
}

/// The counts of each operation, its bytes at a precision.
fn costs(program: &Program, facts: &[Fact], precision: Precision) -> Result<Vec<Counts>, Fault> {
    use crate::ir::Operator;
    let g = &program.graph;
    let mut x = vec![];
    g.values()
        .map(|v| {
            let n = g.node(v);
            x.clear();
            x.extend(n.inputs.iter().map(|i| facts[i.0]));
            let mut c = n.op.cost(&x, &facts[v.0])?;
            if n.shares.is_some() {
                c.params = 0;
            }
            let ptflops = Convention::Ptflops.count(&n.op, &x, &facts[v.0], &c)?;
            let thop = Convention::Thop.count(&n.op, &x, &facts[v.0], &c)?;
            (c.read, c.written) = (c.read / 4 * precision.bytes(), c.written / 4 * precision.bytes());
            Ok(Counts { cost: c, ptflops, thop })
        })
        .collect()
}

/// What a forward pass runs. Training runs the graph as it is written.
struct Runs<'p> {
    program: &'p Program,
    schedule: Schedule,
}

fn memory(program: &Program, runs: &Runs, facts: &[Fact], q: &Question) -> Result<Memory, Fault> {
    let g = &program.graph;
    let own = if q.optimised { Some(facts_at(runs.program, q.batch, None).map_err(|(_, f)| f)?) } else { None };
    let (p, weights) = inference(runs, q, own.as_deref().unwrap_or(facts))?;
    let t: Training = training(g, facts, q.precision, q.optimiser, &Segments::of(q.checkpointing, g, facts, q.precision)?)?;
    Ok(Memory {
        optimised: q.optimised,
        precision: q.precision.name(),
        optimiser: q.optimiser.name(),
        checkpointing: q.checkpointing,
        weight_bytes: weights,
        inference_value_bytes: p.bytes,
        inference_alive_bytes: p.alive,
        inference_peak_bytes: weights.saturating_add(p.bytes),
        training_weight_bytes: t.weights,
        training_gradient_bytes: t.gradients,
        training_optimiser_bytes: t.optimiser,
        training_kept_bytes: t.kept,
        training_transient_bytes: t.transient,
        training_peak_bytes: t.total(),
    })
}

/// The plan of a forward pass and the bytes of its weights.
fn inference(runs: &Runs, q: &Question, facts: &[Fact]) -> Result<(Plan, u64), Fault> {
    let g = &runs.program.graph;
    Ok((plan(g, facts, &runs.schedule, q.precision)?, parameters(g)?.saturating_mul(q.precision.bytes())))
}

fn fitting(program: &Program, runs: &Runs, q: &Question, written: &str, budget: u64) -> Fitting {
    let g = &program.graph;
    let infer = |f: &[Fact]| inference(runs, q, f).map(|(p, weights)| p.bytes.saturating_add(weights));
    let cuts = Segments::of(q.checkpointing, g, &g.facts(), q.precision).unwrap_or_default();
    let train = |f: &[Fact]| Ok(training(g, f, q.precision, q.optimiser, &cuts)?.total());
    let cube = program.inputs.first().is_some_and(|(_, v)| g.fact(*v).size.windows(2).all(|w| w[0] == w[1]));
    let keep = |program: &Program, need: &dyn Fn(&[Fact]) -> Result<u64, Fault>| {
        if cube { None } else { largest(program, q.batch, budget, Aspect::Keep, need) }
    };
    Fitting {
        written: written.to_owned(),
        budget_bytes: budget,
        inference_cube: largest(runs.program, q.batch, budget, Aspect::Cube, infer),
        training_cube: largest(program, q.batch, budget, Aspect::Cube, train),
        inference_same_aspect: keep(runs.program, &infer),
        training_same_aspect: keep(program, &train),
    }
}

/// Whether `text` contains the pattern, letters' case aside; `*` stands for anything.
fn found(pattern: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    let mut rest = text.as_str();
    pattern.to_lowercase().split('*').filter(|p| !p.is_empty()).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn order(a: &Line, b: &Line, by: Sort, convention: Convention) -> std::cmp::Ordering {
    match by {
        Sort::Params => b.params.cmp(&a.params),
        Sort::Macs => b.counted(convention).cmp(&a.counted(convention)),
        Sort::Activations => b.activation_bytes.cmp(&a.activation_bytes),
        Sort::Name => a.node.cmp(&b.node),
    }
}

fn flat(mut lines: Vec<Line>, by: Sort, convention: Convention) -> Vec<Line> {
    lines.sort_by(|a, b| order(a, b, by, convention));
    lines
}

/// Sorts the nodes of each composite among themselves; what is inside a node stays below it.
fn sorted(lines: Vec<Line>, by: Sort, convention: Convention) -> Vec<Line> {
    let mut families: Vec<(Line, Vec<Line>)> = vec![];
    for line in lines {
        match families.last_mut().filter(|(head, _)| line.depth > head.depth) {
            Some((_, inside)) => inside.push(line),
            None => families.push((line, vec![])),
        }
    }
    families.sort_by(|(a, _), (b, _)| order(a, b, by, convention));
    families
        .into_iter()
        .flat_map(|(head, inside)| {
            let inside = if inside.is_empty() { inside } else { sorted(inside, by, convention) };
            [head].into_iter().chain(inside)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn patterns() {
        assert!(found("ghost", "enc1.Ghost2"));
        assert!(found("enc*se", "enc1.se"));
        assert!(!found("se*enc", "enc1.se"));
        assert!(found("*", ""));
    }
}
