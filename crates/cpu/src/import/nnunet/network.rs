//! The graph of a network of nnU-Net, and the name that each of its weights has there.
//!
//! Part of `import::nnunet`; may use `infer` and `text`. Levels are numbered from the finest, 1, as people speak of a U-Net: `enc2_conv1` is
//! `encoder.stages.1.0.convs.0`, and `dec2_conv1`, which joins the features of `enc2`, is in `decoder.stages` counted from the coarsest.

use std::fmt::Write;

use serde_json::Value;

use super::plans::{Configuration, Plans};
use super::refused;
use super::weights::About;
use crate::infer::Card;
use crate::text::{Diagnostic, Result, printable};

/// No network has more stages, blocks in one, or features.
const MOST_STAGES: usize = 16;
const MOST_BLOCKS: usize = 64;
const MOST_FEATURES: usize = 1 << 16;
/// What PyTorch takes where plans do not say: the epsilon of norms, the slope of LeakyReLU.
const EPSILON: f64 = 1e-5;
const SLOPE: f64 = 0.01;

/// A graph, and its weights by both names.
#[derive(Debug)]
pub struct ImportedNetwork {
    /// The text of the graph.
    pub text: String,
    /// Ours and nnU-Net's name of every weight.
    pub names: Vec<(String, String)>,
}

/// A stage of the encoder.
#[derive(Clone, Copy, Debug)]
struct Stage {
    features: usize,
    kernel: [usize; 3],
    stride: [usize; 3],
    /// Convolutions, or residual blocks.
    count: usize,
}

/// A network as plans describe it.
#[derive(Debug)]
struct Shape {
    residual: bool,
    stages: Vec<Stage>,
    /// Convolutions of each stage of the decoder, the coarsest first.
    decoder: Vec<usize>,
    stem: usize,
    bias: bool,
    /// The norm as a graph has it, and the names of its weights.
    norm: Option<(String, Vec<&'static str>)>,
    activation: String,
}

/// Writes the graph for so many channels of the image and of the answer.
///
/// # Errors
/// E0804 for a network that is another one than `PlainConvUNet` or `ResidualEncoderUNet`, or has parts that the graph language does not.
pub fn write(plans: &Plans, c: &Configuration, card: &Card, about: &About) -> Result<ImportedNetwork> {
    let (channels, classes, patch) = (card.modalities.len(), card.channels(), card.patch);
    // Some trainers put batch norms where the plans say instance norms: the weights tell.
    let batch = about.checkpoint.names().any(|name| name.ends_with(".norm.running_mean"));
    let shape = Reader { plans, c, trainer: &about.trainer, batch }.shape()?;
    let mut w = Writer { shape: &shape, body: String::new(), names: vec![] };
    let logits = w.all(classes);
    let [d, h, wd] = patch;
    let plain = |text: &str| text.chars().map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' }).collect::<String>();
    let name = format!("{} {}", plain(&plans.dataset), plain(&c.name));
    let text = format!(
        "// Of nnU-Net's plans: `encN` and `decN` are the stages of the encoder and the decoder, 1 the finest.\n(\n    name: \"{}\",\n    \
         source: \"nnU-Net v2, {}\",\n    inputs: {{ \"image\": (channels: {channels}, size: ({d}, {h}, {wd})) }},\n    nodes: {{\n{}    }},\n    \
         outputs: {{ \"logits\": \"{logits}\" }},\n    // Instance normalisation after a bias is how nnU-Net has it.\n    \
         lints: {{ \"W0301\": allow, \"W0302\": allow, \"W0501\": allow }},\n)\n",
        name.trim(),
        if shape.residual { "ResidualEncoderUNet" } else { "PlainConvUNet" },
        w.body,
    );
    Ok(ImportedNetwork { text, names: w.names })
}

/// Reads the network from either form of plans.
struct Reader<'a> {
    plans: &'a Plans,
    c: &'a Configuration,
    trainer: &'a str,
    /// Whether the weights are those of batch norms.
    batch: bool,
}

impl Reader<'_> {
    fn refuse(&self, why: String, help: &str) -> Diagnostic {
        self.plans.refuse(format!("the network of `{}` {why}", printable(&self.c.name)), help)
    }

    fn shape(&self) -> Result<Shape> {
        match (&self.c.architecture, &self.c.old) {
            (Some(_), _) => self.present(),
            (None, Some(_)) => self.old(),
            (None, None) => Err(self.refuse("is not described".into(), "take the plans from the model's source again").into()),
        }
    }

    /// Whether a class is the one with residual blocks.
    fn residual(&self, class: &str) -> Result<bool> {
        match class.rsplit('.').next() {
            Some("PlainConvUNet") => Ok(false),
            Some("ResidualEncoderUNet") => Ok(true),
            _ => {
                let message = format!("is `{}`, trained by `{}`", printable(class), printable(self.trainer));
                Err(self.refuse(message, "only PlainConvUNet and ResidualEncoderUNet are known").into())
            }
        }
    }

    /// Releases up to 2.2.1.
    fn old(&self) -> Result<Shape> {
        let Some(old) = &self.c.old else { return Err(self.refuse("is not described".into(), "look at the plans").into()) };
        let residual = self.residual(&old.class)?;
        let count = old.n_conv_per_stage_encoder.as_array().map_or(0, Vec::len);
        self.within(count, "stages", 2, MOST_STAGES)?;
        let features: Vec<usize> = (0..count).map(|i| old.base.saturating_mul(1 << i).min(old.most)).collect();
        let decoder = self.counts(&old.n_conv_per_stage_decoder, "n_conv_per_stage_decoder", count - 1)?;
        let stages = self.stages(features, &old.conv_kernel_sizes, &old.pool_op_kernel_sizes, &old.n_conv_per_stage_encoder, count)?;
        let stem = stages[0].features;
        let norm = Some(self.norm(EPSILON, true));
        Ok(Shape { residual, stages, decoder, stem, bias: true, norm, activation: "leaky_relu".into() })
    }

    /// Releases from 2.3 on.
    fn present(&self) -> Result<Shape> {
        let Some(a) = &self.c.architecture else { return Err(self.refuse("is not described".into(), "look at the plans").into()) };
        let residual = self.residual(&a.network_class_name)?;
        let none = Value::Null;
        let field = |name: &str| a.arch_kwargs.get(name).unwrap_or(&none);
        let last = |name: &str| field(name).as_str().map(|t| t.rsplit('.').next().unwrap_or(t).to_owned());
        let dims = self.c.patch_size.len();
        let expected = format!("Conv{dims}d");
        if last("conv_op").is_none_or(|c| c != expected) {
            return Err(self.refuse(format!("convolves by {}, not {expected}", field("conv_op")), "look at `conv_op` in its plans").into());
        }
        let known = [format!("InstanceNorm{dims}d"), format!("BatchNorm{dims}d")];
        let norm = match last("norm_op") {
            None if field("norm_op").is_null() => None,
            Some(name) if known.contains(&name) => {
                let said = field("norm_op_kwargs");
                let eps = said.get("eps").map_or(Some(EPSILON), Value::as_f64).filter(|eps| eps.is_finite() && *eps > 0.0);
                let eps = eps.ok_or_else(|| self.refuse(format!("has norms with {said}"), "look at `norm_op_kwargs` in its plans"))?;
                // PyTorch's instance norms have no weights unless they are asked for, its batch norms do.
                let affine = said.get("affine").map_or(name == known[1], |v| v == &Value::Bool(true));
                Some(self.norm(eps, affine))
            }
            _ => {
                let message = format!("normalises by {}", field("norm_op"));
                return Err(self.refuse(message, &format!("{} are known", known.join(" and "))).into());
            }
        };
        let slope = field("nonlin_kwargs").get("negative_slope").map_or(Some(SLOPE), Value::as_f64).filter(|s| s.is_finite());
        let activation = match (last("nonlin").as_deref(), slope) {
            (Some("LeakyReLU"), Some(SLOPE)) => "leaky_relu".to_owned(),
            (Some("LeakyReLU"), Some(slope)) => format!("leaky_relu(slope: {slope:?})"),
            (Some("ReLU"), _) => "relu".to_owned(),
            _ => {
                let message = format!("has the activation {} with {}", field("nonlin"), field("nonlin_kwargs"));
                return Err(self.refuse(message, "LeakyReLU and ReLU are known").into());
            }
        };
        if field("nonlin_first") == &Value::Bool(true) {
            return Err(self
                .refuse("has its activations before its norms (`nonlin_first`)".into(), "there is no way round that yet")
                .into());
        }
        if last("block").is_some_and(|b| b != "BasicBlockD") || !field("bottleneck_channels").is_null() {
            let message = format!("has blocks of {} with bottlenecks of {}", field("block"), field("bottleneck_channels"));
            return Err(self.refuse(message, "only BasicBlockD is known").into());
        }
        let count = field("n_stages").as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        self.within(count, "stages", 2, MOST_STAGES)?;
        let features = self.counts(field("features_per_stage"), "features_per_stage", count)?;
        let blocks = if residual { "n_blocks_per_stage" } else { "n_conv_per_stage" };
        let stages = self.stages(features, field("kernel_sizes"), field("strides"), field(blocks), count)?;
        let decoder = self.counts(field("n_conv_per_stage_decoder"), "n_conv_per_stage_decoder", count - 1)?;
        let stem = field("stem_channels").as_u64().map_or(Some(stages[0].features), |n| usize::try_from(n).ok()).unwrap_or(0);
        self.within(stem, "features in its stem", 1, MOST_FEATURES)?;
        let bias = field("conv_bias") == &Value::Bool(true);
        Ok(Shape { residual, stages, decoder, stem, bias, norm, activation })
    }

    /// A norm, with the names of its weights: batch norms where the weights are theirs.
    fn norm(&self, eps: f64, affine: bool) -> (String, Vec<&'static str>) {
        let mut fields = vec![];
        if eps != EPSILON {
            fields.push(format!("eps: {eps:?}"));
        }
        if !affine {
            fields.push("affine: false".into());
        }
        let fields = if fields.is_empty() { String::new() } else { format!("({})", fields.join(", ")) };
        let learned = ["weight", "bias"].into_iter().filter(|_| affine);
        let running = ["running_mean", "running_var"].into_iter().filter(|_| self.batch);
        (format!("{}{fields}", if self.batch { "batch" } else { "instance" }), learned.chain(running).collect())
    }

    fn stages(&self, features: Vec<usize>, kernels: &Value, strides: &Value, blocks: &Value, count: usize) -> Result<Vec<Stage>> {
        let kernels = self.triples(kernels, "kernel sizes", count)?;
        let strides = self.triples(strides, "strides", count)?;
        let blocks = self.counts(blocks, "convolutions in a stage", count)?;
        let mut stages = vec![];
        for (((features, kernel), stride), count) in features.into_iter().zip(kernels).zip(strides).zip(blocks) {
            self.within(features, "features", 1, MOST_FEATURES)?;
            self.within(count, "convolutions in a stage", 1, MOST_BLOCKS)?;
            if kernel.iter().any(|k| k % 2 == 0 || *k > 31) || stride.iter().any(|s| *s == 0 || *s > 31) {
                let message = format!("has kernels of {kernel:?} and strides of {stride:?}");
                return Err(self.refuse(message, "kernels are odd, strides are 1 or more").into());
            }
            stages.push(Stage { features, kernel, stride, count });
        }
        Ok(stages)
    }

    fn within(&self, number: usize, of: &str, least: usize, most: usize) -> Result<()> {
        if (least..=most).contains(&number) {
            return Ok(());
        }
        Err(self.refuse(format!("has {number} {of}"), &format!("{least} to {most} are possible")).into())
    }

    /// One number for each stage, or one for all.
    fn counts(&self, value: &Value, of: &str, stages: usize) -> Result<Vec<usize>> {
        let number = |v: &Value| v.as_u64().and_then(|v| usize::try_from(v).ok());
        let all: Option<Vec<usize>> = match value {
            Value::Array(all) => all.iter().map(number).collect(),
            one => number(one).map(|n| vec![n; stages]),
        };
        let all = all.filter(|all| all.len() == stages);
        all.ok_or_else(|| self.refuse(format!("has `{value}` for {of}, and {stages} are needed"), "look at its plans").into())
    }

    /// A number for each axis of each stage, or fewer where they are alike. An axis that a 2D network has not got is 1.
    fn triples(&self, value: &Value, of: &str, stages: usize) -> Result<Vec<[usize; 3]>> {
        let number = |v: &Value| v.as_u64().and_then(|v| usize::try_from(v).ok());
        let dims = self.c.patch_size.len();
        let one = |v: &Value| -> Option<[usize; 3]> {
            let axes: Vec<usize> = match v {
                Value::Array(axes) => axes.iter().map(number).collect::<Option<_>>()?,
                one => vec![number(one)?; dims],
            };
            match axes[..] {
                [h, w] if dims == 2 => Some([1, h, w]),
                [d, h, w] if dims == 3 => Some([d, h, w]),
                _ => None,
            }
        };
        let all: Option<Vec<[usize; 3]>> = match value {
            Value::Array(all) => all.iter().map(one).collect(),
            same => one(same).map(|t| vec![t; stages]),
        };
        let all = all.filter(|all| all.len() == stages);
        all.ok_or_else(|| self.refuse(format!("has `{value}` for {of}, and {stages} are needed"), "look at its plans").into())
    }
}

/// Writes the nodes.
struct Writer<'a> {
    shape: &'a Shape,
    body: String,
    names: Vec<(String, String)>,
}

/// `3`, `(1, 3, 3)`.
fn triple([d, h, w]: [usize; 3]) -> String {
    if d == h && h == w { d.to_string() } else { format!("({d}, {h}, {w})") }
}

impl Writer<'_> {
    fn node(&mut self, name: &str, text: &str) {
        // A string takes every write.
        let _ = writeln!(self.body, "        \"{name}\": {text},");
    }

    fn remark(&mut self, text: &str) {
        let _ = writeln!(self.body, "        // {text}");
    }

    /// A convolution with its norm and activation; `theirs` is nnU-Net's name of the block.
    fn conv(&mut self, name: &str, from: &str, c: Conv, theirs: &str) -> String {
        let mut text = format!("Conv3D(x: \"{from}\", out: {}, kernel: {}", c.out, triple(c.kernel));
        if c.stride != [1; 3] {
            let _ = write!(text, ", stride: {}", triple(c.stride));
        }
        if !c.bias {
            text.push_str(", bias: false");
        }
        if let Some((norm, _)) = &self.shape.norm {
            let _ = write!(text, ", norm: {norm}");
        }
        if c.active {
            let _ = write!(text, ", activation: {}", self.shape.activation);
        }
        self.node(name, &(text + ")"));
        let mut parts = vec!["conv.weight".to_owned()];
        parts.extend(c.bias.then(|| "conv.bias".into()));
        parts.extend(self.shape.norm.iter().flat_map(|(_, weights)| weights).map(|weight| format!("norm.{weight}")));
        self.names.extend(parts.iter().map(|part| (format!("{name}.{part}"), format!("{theirs}.{part}"))));
        name.to_owned()
    }

    /// A residual block: two convolutions beside a way round them.
    fn block(&mut self, name: &str, from: &str, channels: usize, stage: Stage, stride: [usize; 3], theirs: &str) -> String {
        let (out, kernel, bias) = (stage.features, stage.kernel, self.shape.bias);
        let one = Conv { out, kernel, stride, bias, active: true };
        let first = self.conv(&format!("{name}_conv1"), from, one, &format!("{theirs}.conv1"));
        let two = Conv { stride: [1; 3], active: false, ..one };
        let second = self.conv(&format!("{name}_conv2"), &first, two, &format!("{theirs}.conv2"));
        let (mut skip, mut entry) = (from.to_owned(), 0);
        if stride != [1; 3] {
            let pool = format!("{name}_pool");
            self.node(&pool, &format!("AvgPool3D(x: \"{skip}\", kernel: {})", triple(stride)));
            (skip, entry) = (pool, 1);
        }
        if channels != out {
            let widen = Conv { out, kernel: [1; 3], stride: [1; 3], bias: false, active: false };
            skip = self.conv(&format!("{name}_skip"), &skip, widen, &format!("{theirs}.skip.{entry}"));
        }
        let sum = format!("{name}_sum");
        self.node(&sum, &format!("Add(x: [\"{second}\", \"{skip}\"])"));
        let activation = &self.shape.activation;
        self.node(name, &format!("Activation(x: \"{sum}\", function: {activation})"));
        name.to_owned()
    }

    /// All of the network; the name of the last node.
    fn all(&mut self, classes: usize) -> String {
        let (shape, bias) = (self.shape, self.shape.bias);
        let stages = &shape.stages;
        let mut at = "image".to_owned();
        let mut channels = shape.stem;
        if shape.residual {
            self.remark("The stem.");
            let stem = Conv { out: shape.stem, kernel: stages[0].kernel, stride: [1; 3], bias, active: true };
            at = self.conv("stem", &at, stem, "encoder.stem.convs.0");
        }
        let mut skips = vec![];
        for (s, stage) in stages.iter().enumerate() {
            self.remark(&format!("Level {} of the encoder.", s + 1));
            for i in 0..stage.count {
                let stride = if i == 0 { stage.stride } else { [1; 3] };
                at = if shape.residual {
                    let theirs = format!("encoder.stages.{s}.blocks.{i}");
                    self.block(&format!("enc{}_block{}", s + 1, i + 1), &at, channels, *stage, stride, &theirs)
                } else {
                    let conv = Conv { out: stage.features, kernel: stage.kernel, stride, bias, active: true };
                    self.conv(&format!("enc{}_conv{}", s + 1, i + 1), &at, conv, &format!("encoder.stages.{s}.0.convs.{i}"))
                };
                channels = stage.features;
            }
            skips.push(at.clone());
        }
        for (n, count) in shape.decoder.iter().enumerate() {
            // The level below, and that which is reached.
            let (below, here) = (stages.len() - 1 - n, stages.len() - 2 - n);
            let level = here + 1;
            self.remark(&format!("Back to level {level}."));
            let up = format!("up{level}");
            let (stage, stride) = (stages[here], stages[below].stride);
            let plain = if bias { "" } else { ", bias: false" };
            self.node(&up, &format!("UpConv3D(x: \"{at}\", out: {}, kernel: {}{plain})", stage.features, triple(stride)));
            let parts = ["weight", "bias"].into_iter().take(if bias { 2 } else { 1 });
            self.names.extend(parts.map(|part| (format!("{up}.conv.{part}"), format!("decoder.transpconvs.{n}.{part}"))));
            let join = format!("join{level}");
            self.node(&join, &format!("Concat(x: [\"{up}\", \"{}\"])", skips[here]));
            at = join;
            for i in 0..*count {
                let conv = Conv { out: stage.features, kernel: stage.kernel, stride: [1; 3], bias, active: true };
                at = self.conv(&format!("dec{level}_conv{}", i + 1), &at, conv, &format!("decoder.stages.{n}.convs.{i}"));
            }
        }
        self.remark("The answer.");
        let head =
            if classes < 2 { format!("PointwiseConv3D(x: \"{at}\", out: 1)") } else { format!("SegHead(x: \"{at}\", classes: {classes})") };
        self.node("logits", &head);
        let last = stages.len() - 2;
        self.names.extend(["weight", "bias"].map(|part| (format!("logits.conv.{part}"), format!("decoder.seg_layers.{last}.{part}"))));
        "logits".into()
    }
}

/// A convolution.
#[derive(Clone, Copy, Debug)]
struct Conv {
    out: usize,
    kernel: [usize; 3],
    stride: [usize; 3],
    bias: bool,
    active: bool,
}

/// That a network has no weights but those in the list and their doubles.
///
/// # Errors
/// E0804 for one that is left over, with the trainer that must have built it.
pub fn all_used<'a>(names: &[(String, String)], there: impl Iterator<Item = &'a str>, trainer: &str, file: &str) -> Result<()> {
    let used: std::collections::HashSet<&str> = names.iter().map(|(_, theirs)| theirs.as_str()).collect();
    let double = |name: &str| {
        // The same numbers under other names, how long norms were trained, and the answers of coarser levels, which only training looks at.
        name.contains(".all_modules.")
            || name.starts_with("decoder.encoder.")
            || name.starts_with("decoder.seg_layers.")
            || name.ends_with(".num_batches_tracked")
    };
    let mut left: Vec<&str> = there.filter(|name| !used.contains(name) && !double(name)).collect();
    left.sort_unstable();
    let Some(first) = left.first() else { return Ok(()) };
    let more = if left.len() > 1 { format!(" and {} more", left.len() - 1) } else { String::new() };
    let message = format!(
        "`{file}` has weights that the network of its plans has not: `{}`{more}; its trainer `{}` builds another one",
        printable(first),
        printable(trainer)
    );
    Err(refused(message).help("only networks that are built as the plans say are known").into())
}
