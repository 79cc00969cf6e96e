//! `lmsc bench`: how long a graph takes, and where.
//!
//! May use `bench`, `compile`, `net`, `read`, `text`.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value as Json, json};

use super::graph::program;
use super::output::{Overwrite, WIDTH, graph_inputs, print, width};
use super::print_lines;
use super::stats::PrecisionArg;
use crate::bench::{self, BenchCase, BenchEngine, BenchForward, BenchSetup, BenchStep, Machine, RunTimes, Setting};
use crate::compile::memory::Segments;
use crate::host;
use crate::net;
use crate::text::{Code, Diagnostic, Form, Outputs, Result, several};

/// Time a network, its nodes, and single operations
///
/// Runs a graph with weights and inputs drawn from a fixed seed (or with given weights) and prints the time of a forward pass or a
/// training step, the peak memory of the process, and for every node its time beside its static cost and beside what this machine
/// can do at most: multiply-adds and copies are measured at the start. Nothing else should run meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
On the CPU a forward pass is run by the executor, which fuses operations into stages: the time of a stage is shared among its operations by \
what each took over all threads, --stages prints the stages themselves, and `--engine burn` runs operation by operation instead. A \
training step always runs on Burn: a forward pass, Dice and cross-entropy, a backward pass and AdamW. The folder of --export gets graph.json (the \
operations with their inputs, fields and weights' names), weights.safetensors, input.safetensors and output.safetensors: all that \
another program needs to compute the same and be compared; benches/run does so with PyTorch, ONNX Runtime and OpenVINO.

Examples:
  lmsc bench graphs/lightmedseg.ron
  lmsc bench graphs/lightmedseg.ron --input 4x96x96x96 --threads 2 --depth 3
  lmsc bench graphs/lightmedseg.ron --input 64x64x64 --step
  lmsc bench graphs/lightmedseg.ron --weights w.safetensors --map maps/reference.map
  lmsc bench graphs/lightmedseg.ron --trace trace.json       # open it at chrome://tracing or in Perfetto
  lmsc bench --ops")]
pub struct Args {
    /// The graph (.ron)
    #[arg(value_name = "GRAPH", required_unless_present = "ops")]
    pub graph: Option<PathBuf>,
    /// Change a parameter or a field of the graph
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The input's size, CxDxHxW or DxHxW, HxW in two dimensions; by default the one that the graph states
    #[arg(long, value_name = "SIZE")]
    pub input: Option<String>,
    /// Volumes that pass at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Threads to compute with; by default one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Runs that count, after a warm-up
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// The weights (.safetensors); by default they are drawn
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Rules from the file's names of weights to those of the graph, as in `lmsc forward`
    #[arg(long, value_name = "FILE", requires = "weights")]
    pub map: Option<PathBuf>,
    /// Time training steps
    #[arg(long, conflicts_with_all = ["trace", "ops"])]
    pub step: bool,
    /// Compute activations again in the backward pass instead of holding them (`checkpointing: true` in a run config)
    #[arg(long, requires = "step")]
    pub checkpointing: bool,
    /// Time single operations that such networks are made of
    #[arg(long, conflicts_with_all = ["graph", "trace", "export", "weights"])]
    pub ops: bool,
    /// Divide the edges of the inputs of --ops by this, for a quick look
    #[arg(long, value_name = "N", default_value_t = 1, requires = "ops", value_parser = clap::value_parser!(u16).range(1..))]
    pub shrink: u16,
    /// What runs a forward pass
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    pub engine: EngineArg,
    /// Also print what the executor runs at once
    #[arg(long, conflicts_with_all = ["step", "ops"])]
    pub stages: bool,
    /// Open composites down to this level
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub depth: u16,
    /// Time only the whole, not its nodes or parts
    #[arg(long, conflicts_with_all = ["trace", "ops", "stages"])]
    pub whole: bool,
    /// Wait for a line on standard input between the warm-up and the runs that count
    #[arg(long, conflicts_with = "ops")]
    pub wait: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write one pass as Chrome trace events
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Write graph, weights, inputs and outputs for other programs
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// What is computed in; weights and sums stay in float32
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32, conflicts_with = "ops")]
    pub precision: PrecisionArg,
    /// Where to compute: auto, cpu, cuda, cuda:1, wgpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// The engines by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineArg {
    /// The executor on the CPU, a captured graph of the compiled program on a GPU
    Auto,
    /// Fused stages, on the CPU
    Executor,
    /// Operation by operation
    Burn,
}

/// Passes whose operations are timed one by one.
const PROFILES: usize = 3;

/// Runs the verb.
///
/// # Errors
/// What is wrong with the graph, the weights, the device or a place to write to.
pub fn run(args: Args) -> Result<()> {
    let outputs = outputs(&args)?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    bench::use_threads(args.threads.map_or(processors, usize::from));
    let device = net::device(&args.device)?;
    let engine = engine(&args, device == burn::tensor::Device::flex())?;
    let Some(graph) = &args.graph else { return operations(&args, engine, &device) };
    let begun = Instant::now();
    let program = program(graph, &args.set, args.input.as_deref())?;
    let given = BenchSetup { weights: args.weights.as_deref(), map: args.map.as_deref(), precision: args.precision.into() };
    let learning = if args.step { net::learning(&device) } else { device };
    let case = BenchCase::new(program, args.batch as usize, given, &learning)?;
    let load = begun.elapsed().as_secs_f64();
    if args.step { steps(&args, case, engine, load, &outputs) } else { passes(&args, &case, engine, load, &outputs) }
}

/// What is written: the files of --export, and --trace.
fn outputs(args: &Args) -> Result<Outputs> {
    let mut outputs = args.overwrite.outputs("bench");
    args.graph.iter().for_each(|graph| graph_inputs(&mut outputs, graph));
    outputs.inputs(args.weights.iter().chain(&args.map));
    if let Some(folder) = &args.export {
        outputs.folder(folder)?;
        for name in bench::EXPORTED {
            outputs.claim(&folder.join(name), if name.ends_with(".json") { Form::Json } else { Form::Tensors })?;
        }
    }
    args.trace.iter().try_for_each(|path| outputs.claim(path, Form::Json))?;
    Ok(outputs)
}

/// What runs forward passes.
fn engine(args: &Args, cpu: bool) -> Result<BenchEngine> {
    match args.engine {
        EngineArg::Executor if !cpu => {
            let d = Diagnostic::error(Code::E0602, format!("the executor runs on the CPU, but the device is `{}`", args.device));
            Err(d.help("leave out `--engine executor`, or use `--device cpu`").into())
        }
        EngineArg::Auto | EngineArg::Executor if cpu && !args.step && args.precision != PrecisionArg::F32 => {
            let d = Diagnostic::error(Code::E0602, "the executor computes in float32".to_owned());
            Err(d.help("leave out `--precision`, or time a GPU with `--device`").into())
        }
        EngineArg::Auto | EngineArg::Executor if cpu => Ok(BenchEngine::Executor),
        EngineArg::Auto if !args.step && !args.ops => Ok(BenchEngine::Captured),
        _ => Ok(BenchEngine::Burn),
    }
}

/// Times forward passes.
fn passes(args: &Args, case: &BenchCase, engine: BenchEngine, load: f64, outputs: &Outputs) -> Result<()> {
    let begun = Instant::now();
    let mut forward = BenchForward::new(case, engine)?;
    let load = load + begun.elapsed().as_secs_f64();
    let first = forward.once()?;
    forward.once()?;
    if let Some(folder) = args.export.as_ref().filter(|_| args.wait) {
        case.export(folder, outputs, &forward.outputs()?)?;
    }
    ready(args);
    let times = RunTimes::new(first, (0..args.runs).map(|_| forward.once()).collect::<Result<_>>()?);
    let peak = Peak::of(&case.device);
    // After the peak, which it would raise.
    if let Some(folder) = args.export.as_ref().filter(|_| !args.wait) {
        case.export(folder, outputs, &forward.outputs()?)?;
    }
    let profiles = (0..if args.whole { 0 } else { PROFILES }).map(|_| forward.profile()).collect::<Result<Vec<_>>>()?;
    if let Some(path) = &args.trace {
        let last = profiles.last().map_or(&[][..], Vec::as_slice);
        outputs.write(path, Form::Json, &format!("{}\n", bench::trace(&case.program, last)))?;
    }
    // Last, so that its memory does not count.
    let machine = Machine::measure(&case.device);
    let pass = bench::medians(&profiles);
    let nodes = bench::nodes(&case.program, &pass, &machine, args.depth.into());
    let stages = bench::stages(&pass, &machine);
    if args.json {
        let engine = match engine {
            BenchEngine::Executor => "executor",
            BenchEngine::Captured => "recorded",
            BenchEngine::Burn => "burn",
        };
        let extra = json!({ "engine": engine, "how": forward.how(), "forward": times, "nodes": nodes, "stages": stages });
        print(&format!("{:#}\n", result(case, load, peak, &machine, extra)));
        return Ok(());
    }
    let width = width(&std::io::stdout(), WIDTH);
    let how = forward.how().map_or(String::new(), |how| format!("             {how}\n"));
    let stages = if args.stages && !stages.is_empty() { format!("\n{}", bench::stage_table(&stages, width)) } else { String::new() };
    let table =
        if args.whole { String::new() } else { format!("\n{}{stages}\n{}", bench::node_table(&nodes, width), bench::legend(&machine)) };
    print_lines(&format!("{}forward      {}\n{how}{}{table}", heading(case, load, &machine), times.line(), peak.lines()));
    Ok(())
}

/// Times training steps.
fn steps(args: &Args, case: BenchCase, engine: BenchEngine, load: f64, outputs: &Outputs) -> Result<()> {
    if let Some(folder) = &args.export {
        case.export(folder, outputs, &BenchForward::new(&case, engine)?.outputs()?)?;
    }
    let segments = segments(args, &case)?;
    let Some(mut step) = BenchStep::new(&case, segments, args.precision.into())? else {
        let d = Diagnostic::error(Code::E0601, format!("--step: `{}` takes {}", case.program.name, several(case.inputs.len(), "input")));
        return Err(d.help("only a graph with one input can be trained; leave out --step to time forward passes").into());
    };
    let mut many = |count: u32, in_parts: bool| (0..count).map(|_| step.once(in_parts)).collect::<Result<Vec<bench::StepTimes>>>();
    let mut whole = many(2, false)?;
    ready(args);
    whole.extend(many(args.runs, false)?);
    let peak = Peak::of(&case.device);
    let parts = many(if args.whole { 0 } else { PROFILES as u32 }, true)?;
    let how = step.how();
    drop(step);
    let machine = Machine::measure(&case.device);
    let seconds: Vec<f64> = whole.iter().map(bench::StepTimes::seconds).collect();
    let times = RunTimes::new(seconds.first().copied().unwrap_or_default(), seconds.into_iter().skip(2).collect());
    let losses: Vec<f64> = whole.iter().map(|p| p.loss).collect();
    if args.json {
        let extra = json!({ "how": how, "step": times, "losses": losses, "parts": parts });
        print(&format!("{:#}\n", result(&case, load, peak, &machine, extra)));
        return Ok(());
    }
    let of = |f: fn(&bench::StepTimes) -> f64| RunTimes::new(0.0, parts.iter().map(f).collect()).median * 1e3;
    let loss = |i: Option<&f64>| i.copied().unwrap_or_default();
    let (forward, backward, update) = (of(|p| p.forward), of(|p| p.backward), of(|p| p.update));
    let parts = if args.whole {
        String::new()
    } else {
        format!("parts        forward and loss {forward:.1} ms, backward {backward:.1} ms, update {update:.1} ms (medians)\n")
    };
    let how = how.map_or(String::new(), |how| format!("             {how}\n"));
    print_lines(&format!(
        "{}step         {}\n{how}{parts}loss         {:.6} before the first step, {:.6} before the last\n{}",
        heading(&case, load, &machine),
        times.line(),
        loss(losses.first()),
        loss(losses.last()),
        peak.lines()
    ));
    Ok(())
}

/// Those of activation checkpointing; one without it.
fn segments(args: &Args, case: &BenchCase) -> Result<Segments> {
    let g = &case.program.graph;
    let segments = Segments::of(args.checkpointing, g, &g.facts(), args.precision.into());
    segments
        .map_err(|f| Diagnostic::error(f.code, format!("`{}`: {}", case.program.name, f.message)).help(f.help.unwrap_or_default()).into())
}

/// Times single operations.
fn operations(args: &Args, engine: BenchEngine, device: &burn::tensor::Device) -> Result<()> {
    let machine = Machine::measure(device);
    let setting = Setting { runs: args.runs as usize, shrink: args.shrink.into(), engine, machine: &machine, device };
    let ops = bench::time_operations(setting)?;
    if args.json {
        print(&format!("{:#}\n", json!({ "machine": machine, "operations": ops })));
        return Ok(());
    }
    let table = bench::op_table(&ops, width(&std::io::stdout(), WIDTH));
    print_lines(&format!("{}\n\n{table}\n{}", machine.line(), bench::legend(&machine)));
    Ok(())
}

/// Says on standard error that all is ready, and waits, if that is asked for.
fn ready(args: &Args) {
    if args.wait {
        eprintln!("ready");
        // Whatever comes, or the end of it, is the word to go.
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

/// What every result begins with.
fn heading(case: &BenchCase, load: f64, machine: &Machine) -> String {
    let by = |dims: [usize; 5]| dims.map(|n| n.to_string()).join("x");
    let shapes: Vec<String> = case.shapes().iter().map(|dims| by(*dims)).collect();
    let machine = machine.line();
    format!(
        "{}: {} -> {}\n\nmachine      {machine}\nload         {:.1} ms (graph, weights and inputs)\n",
        case.program.name,
        shapes.join(", "),
        by(case.output().dims()),
        load * 1e3
    )
}

/// Memory at its most, in bytes: of the process, and of a GPU.
#[derive(Clone, Copy)]
struct Peak {
    process: Option<u64>,
    gpu: Option<u64>,
}

impl Peak {
    fn of(device: &burn::tensor::Device) -> Self {
        Self { process: host::peak_memory(), gpu: net::reserved(device) }
    }

    fn lines(self) -> String {
        let size = |bytes: u64| format!("{:.1} MiB", bytes as f64 / (1u64 << 20) as f64);
        let gpu = self.gpu.map_or(String::new(), |bytes| format!("GPU memory   {} held by this process for its tensors\n", size(bytes)));
        match self.process {
            Some(bytes) => format!("memory       {} at the peak of this process, input and output included\n{gpu}", size(bytes)),
            None => format!("memory       this system does not say\n{gpu}"),
        }
    }
}

fn result(case: &BenchCase, load: f64, peak: Peak, machine: &Machine, extra: Json) -> Json {
    let mut all = json!({
        "graph": case.program.name,
        "hash": case.program.hash().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "inputs": case.shapes(),
        "output": case.output().dims(),
        "machine": machine,
        "load_seconds": load,
        "peak_bytes": peak.process,
        "gpu_bytes": peak.gpu,
    });
    if let (Some(all), Json::Object(extra)) = (all.as_object_mut(), extra) {
        all.extend(extra);
    }
    all
}
