//! A block as its reference page knows it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::probe::Probe;
use super::source::written;
use crate::block::{Arity, Entry, Spec};
use crate::block::{FunctionForm, InitForm, NormForm};
use crate::compile::compile;
use crate::read::{self, Scope, Tree};
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source};

/// Voxels of a size of 1 in [`crate::block::Block::SHAPES`], along each axis.
pub const UNIT: usize = 32;

/// Everything about a block.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub name: String,
    /// The name that it had before, which is still read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older: Option<&'static str>,
    pub summary: String,
    /// What it computes: paragraphs.
    pub text: Vec<String>,
    pub inputs: Vec<Input>,
    pub outputs: Vec<String>,
    pub fields: Vec<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
    /// `false` for a composite.
    pub built_in: bool,
}

/// Where a value enters.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    pub name: String,
    /// `one`, `optional`, `many`
    pub arity: &'static str,
    pub doc: String,
}

/// A field that is written in a node.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub required: bool,
    /// What it is when it is not given, as RON; nothing: it has no value then.
    pub default: Option<Value>,
    pub doc: String,
}

/// The types of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A whole number or an expression.
    Integer,
    /// One for all axes, or depth, height and width; height and width in two dimensions.
    #[serde(rename = "triple")]
    Axes,
    Number,
    Bool,
    /// One of [`functions`].
    Function,
    /// One of the norms, with its fields.
    Norm,
    /// One of the initialisations, with its fields, or a number.
    Init,
    /// One of a few words.
    Word,
    Integers,
    /// A list whose entries are as [`Kind::Axes`].
    Sizes,
    /// A parameter of a composite.
    Any,
}

impl Kind {
    fn of(rust: &str) -> Option<Kind> {
        let inner = rust.strip_prefix("Option<").and_then(|r| r.strip_suffix('>')).unwrap_or(rust);
        Some(match inner {
            "usize" | "u64" | "u32" | "i64" => Kind::Integer,
            "Axes" => Kind::Axes,
            "f64" | "f32" => Kind::Number,
            "bool" => Kind::Bool,
            "FunctionForm" => Kind::Function,
            "NormForm" => Kind::Norm,
            "InitForm" => Kind::Init,
            "Interpolation" | "PadMode" | "GlobalStatistic" | "Reduction" | "AttentionBiasKind" => Kind::Word,
            "Vec<usize>" => Kind::Integers,
            "Vec<Axes>" => Kind::Sizes,
            _ => return None,
        })
    }

    /// In a word or two.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Integer => "integer",
            Kind::Axes => "integer or (D, H, W)",
            Kind::Number => "number",
            Kind::Bool => "true or false",
            Kind::Function => "function",
            Kind::Norm => "norm",
            Kind::Init => "initialisation",
            Kind::Word => "word",
            Kind::Integers => "list of integers",
            Kind::Sizes => "list of (D, H, W)",
            Kind::Any => "parameter",
        }
    }
}

/// A node of the block, and what it costs.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    pub ron: String,
    /// Its inputs by name, `[N, C, D, H, W]` with N = 1.
    pub inputs: Vec<(String, [usize; 5])>,
    pub outputs: Vec<(String, [usize; 5])>,
    pub params: u64,
    pub macs: u64,
}

/// The functions that an activation may be.
pub fn functions() -> Vec<&'static str> {
    <FunctionForm as serde::Deserialize>::deserialize(Probe).err().unwrap_or_default().0
}

/// The norms that may follow a convolution.
pub fn norms() -> Vec<&'static str> {
    NormForm::NAMES.to_vec()
}

/// What weights may start as.
pub fn inits() -> Vec<&'static str> {
    InitForm::NAMES.to_vec()
}

/// The fields of a block, as reading it asks for them.
pub fn fields(name: &str) -> Vec<&'static str> {
    Spec::read(name, Probe).and_then(|r| r.err()).unwrap_or_default().0
}

/// What fields are called by every block, where a block does not say more of them.
const USUAL: &[(&str, &str)] = &[
    ("activation", "What follows; nothing when not given."),
    ("bias", "Whether a learned number is added to each channel."),
    ("dilation", "Voxels from one tap of the kernel to the next."),
    ("function", "Which function."),
    ("groups", "Groups of channels that are normalised together."),
    ("hidden", "Length of the hidden vector."),
    ("init", "What the weights start as: `kaiming(slope: 0.01)`, `trunc_normal(0.02)`, a number; PyTorch's default when not given."),
    ("kernel", "Voxels of the kernel."),
    ("layers", "How many layers."),
    ("reduction", "By how much the width between the two layers is smaller than that of the input."),
    ("scale", "By how much each axis grows."),
    ("norm", "A norm that follows: `instance`, `group(4)`, `batch`, `layer`; a number is a group norm of so many groups."),
    ("norm_init", "What the norm's scale of each channel starts as, if it has one; 1 when not given."),
    ("stride", "Voxels of the input from one voxel of the output to the next."),
    ("width", "Channels inside."),
];

/// The page of a built-in block.
///
/// # Errors
/// None for a block whose example compiles and whose fields have known types, which tests see to.
pub fn page(e: &Entry) -> Result<Page> {
    let w = written(e.source, e.spec);
    let (spec, defaults) = spec(e)?;
    let mut all = vec![];
    for name in fields(e.name) {
        let field = w.fields.iter().find(|f| f.name == name).ok_or_else(|| unknown(e, name))?;
        let kind = Kind::of(&field.rust).ok_or_else(|| unknown(e, name))?;
        let usual = || USUAL.iter().find(|(n, _)| *n == name).map(|(_, d)| (*d).to_owned()).unwrap_or_default();
        let doc = if field.doc.is_empty() { usual() } else { field.doc.clone() };
        let default = defaults.get(name).filter(|_| !field.required).cloned();
        all.push(Field { name: name.into(), kind, required: field.required, default, doc });
    }
    let arity = |a| match a {
        Arity::One => "one",
        Arity::Optional => "optional",
        Arity::Many => "many",
    };
    let inputs = e.inputs.iter().map(|p| Input { name: p.name.into(), arity: arity(p.arity), doc: p.doc.into() }).collect();
    let outputs = spec.outputs();
    let example = Some(example(e, &outputs)?);
    Ok(Page {
        name: e.name.into(),
        older: e.older,
        summary: w.summary,
        text: w.text,
        inputs,
        outputs,
        fields: all,
        example,
        built_in: true,
    })
}

fn unknown(e: &Entry, field: &str) -> Diagnostics {
    Diagnostic::error(Code::E0107, format!("the field `{field}` of `{}` is not documented", e.name)).into()
}

/// The example's spec, and what its fields are when only those without a default are given.
fn spec(e: &Entry) -> Result<(Spec, Map<String, Value>)> {
    let tree = read::parse(&Source::new(e.name, e.example))?;
    let required: Vec<_> = written(e.source, e.spec).fields.into_iter().filter(|f| f.required).map(|f| f.name).collect();
    let is_port = |k: &str| e.inputs.iter().any(|p| p.name == k);
    let example = build(e, &tree, &|k| !is_port(k))?;
    let least = build(e, &tree, &|k| required.iter().any(|r| r == k))?;
    let defaults = match serde_json::to_value(&least) {
        Ok(Value::Object(mut o)) => match o.remove(e.spec) {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        },
        _ => Map::new(),
    };
    Ok((example, defaults))
}

fn build(e: &Entry, tree: &Tree, keep: &dyn Fn(&str) -> bool) -> Result<Spec> {
    let entries: Vec<_> = tree.entries().unwrap_or_default().iter().filter(|f| keep(&f.key)).collect();
    let read = read::fields(&entries, &Scope::new(), |f| Spec::read(e.name, f).unwrap_or_else(|| Err(read::no_block(e.name))));
    read.map_err(|all| Diagnostics(all.into_iter().map(|r| r.diagnostic(&tree.place, &read::Words::new())).collect()))
}

/// Compiles the example as the only node of a graph.
fn example(e: &Entry, outputs: &[String]) -> Result<Example> {
    let inputs: Vec<String> = e
        .shapes
        .iter()
        .map(|(name, channels, scale)| {
            let n = (UNIT * scale).max(1);
            format!("\"{name}\": (channels: {channels}, size: ({n}, {n}, {n}))")
        })
        .collect();
    let outs: Vec<String> = outputs
        .iter()
        .map(|o| {
            if e.list {
                "\"y\": [\"node\"]".to_owned()
            } else if o.is_empty() {
                "\"y\": \"node\"".to_owned()
            } else {
                format!("\"{o}\": \"node.{o}\"")
            }
        })
        .collect();
    let text = format!("(inputs: {{ {} }}, nodes: {{ \"node\": {} }}, outputs: {{ {} }})", inputs.join(", "), e.example, outs.join(", "));
    let first = e.shapes.first().map(|(_, _, scale)| [(UNIT * scale).max(1); 3]);
    let p = compile(&Source::new(e.name, text), &[], first)?;
    let cost = p.cost(0..p.graph.len()).map_err(|f| Diagnostic::error(f.code, f.message))?;
    let dims = |all: &[(String, crate::ir::Value)]| all.iter().map(|(n, v)| (n.clone(), p.graph.fact(*v).dims())).collect();
    Ok(Example { ron: e.example.into(), inputs: dims(&p.inputs), outputs: dims(&p.graph.outputs), params: cost.params, macs: cost.macs })
}
