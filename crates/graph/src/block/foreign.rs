//! What blocks, fields and functions are called elsewhere, and here: for the help of an error.

use super::{Entry, Spec};
use crate::text::nearest;

/// Layers of PyTorch, without the number of their dimensions, and what is written for them.
const LAYERS: &[(&[&str], &str)] = &[
    (&["upsample", "interpolate", "upsampling", "upsamplingnearest", "upsamplingbilinear"], "Resize(x: \"...\", scale: 2)"),
    (&["batchnorm"], "Norm(x: \"...\", kind: batch)"),
    (&["instancenorm"], "Norm(x: \"...\", kind: instance)"),
    (&["layernorm"], "Norm(x: \"...\", kind: layer)"),
    (&["cat", "concatenate", "concatenation", "merge"], "Concat(x: [\"...\", \"...\"])"),
    (&["sum", "plus", "elementwiseadd"], "Add(x: [\"...\", \"...\"])"),
    (&["mul", "product"], "Multiply(a: \"...\", b: \"...\")"),
    (&["convtranspose", "transposedconv", "transposeconv", "deconv", "deconvolution"], "UpConv(x: \"...\", out: 8)"),
    (&["convolution"], "Conv(x: \"...\", out: 8)"),
    (&["adaptiveavgpool", "globalavgpool", "globalaveragepool"], "GlobalPool(x: \"...\")"),
    (&["adaptivemaxpool", "globalmaxpool"], "GlobalPool(x: \"...\", statistic: max)"),
    (&["averagepool", "averagepooling"], "AvgPool(x: \"...\", kernel: 2)"),
    (&["dense", "lazylinear", "fullyconnected"], "Linear(x: \"...\", out: 8)"),
    (&["alphadropout", "featuredropout"], "Dropout(x: \"...\")"),
    (&["stochasticdepth"], "DropPath(x: \"...\")"),
    (&["zeropad", "constantpad", "replicationpad", "reflectionpad"], "Pad(x: \"...\")"),
    (&["chunk"], "Split(x: \"...\")"),
    (&["multiheadattention", "selfattention", "scaleddotproductattention"], "Attention(q: \"...\", k: \"...\", v: \"...\", heads: 4)"),
    (&["windowattention", "swinattention"], "Attention(q: \"...\", k: \"...\", v: \"...\", heads: 4, window: 7)"),
    (&["patchembed", "patchembedding"], "Conv(x: \"...\", out: 96, kernel: 4, stride: 4, padding: 0)"),
    (&["positionalencoding", "positionembedding", "positionalembedding", "learnedposition"], "LearnedVolume(x: \"...\")"),
    (&["patchmerging", "pixelunshuffle"], "SpaceToDepth(x: \"...\", block: 2)"),
    (&["patchexpand", "pixelshuffle"], "DepthToSpace(x: \"...\", block: 2)"),
    (&["output", "outconv", "classifier"], "SegHead(x: \"...\", classes: 2)"),
];

/// Functions under other names; those that are called as ours are need no entry.
const FUNCTIONS: &[(&str, &str)] = &[
    ("lrelu", "leaky_relu"),
    ("leakyrelu", "leaky_relu"),
    ("swish", "silu"),
    ("logistic", "sigmoid"),
    ("hardswish", "hard_swish"),
    ("hardsigmoid", "hard_sigmoid"),
    ("identity", "none"),
    ("linear", "none"),
    ("instancenorm", "instance"),
    ("instance_norm", "instance"),
    ("batchnorm", "batch"),
    ("batch_norm", "batch"),
    ("layernorm", "layer"),
    ("layer_norm", "layer"),
    ("groupnorm", "group(4)"),
    ("group_norm", "group(4)"),
    ("grn", "response"),
    ("he", "kaiming"),
    ("glorot", "xavier"),
];

/// Fields under other names, each with those that it may be here.
const FIELDS: &[(&str, &[&str])] = &[
    ("kernel_size", &["kernel"]),
    ("ks", &["kernel"]),
    ("pad", &["padding"]),
    ("strides", &["stride"]),
    ("in", &["x"]),
    ("input", &["x"]),
    ("inputs", &["x"]),
    ("from", &["x"]),
    ("out_channels", &["out", "classes"]),
    ("out_features", &["out"]),
    ("filters", &["out"]),
    ("features", &["out"]),
    ("channels", &["out"]),
    ("num_classes", &["classes"]),
    ("num_groups", &["groups"]),
    ("num_heads", &["heads"]),
    ("window_size", &["window"]),
    ("shift_size", &["shift"]),
    ("scale_factor", &["scale"]),
    ("act", &["activation", "function"]),
    ("nonlin", &["activation", "function"]),
    ("activation", &["function"]),
    ("function", &["activation"]),
    ("normalization", &["norm", "kind"]),
    ("normalisation", &["norm", "kind"]),
    ("norm", &["kind"]),
    ("type", &["kind", "function"]),
    ("use_bias", &["bias"]),
    ("dilation_rate", &["dilation"]),
    ("p", &["share", "rate"]),
];

/// The help where there is no block of that name: what is written for a layer of PyTorch, the nearest name, or where all of them are listed.
/// `composites` are those of the graph.
pub fn no_such_block<'a>(name: &str, composites: impl IntoIterator<Item = &'a str>) -> String {
    let composites: Vec<&str> = composites.into_iter().collect();
    // What differs in its case alone is a slip.
    let same = composites.iter().copied().chain(all_names()).find(|n| n.eq_ignore_ascii_case(name));
    if let Some(same) = same {
        return format!("did you mean `{}`?", Entry::current(same));
    }
    let lower = name.to_ascii_lowercase();
    let bare = lower.strip_suffix("1d").or(lower.strip_suffix("2d")).or(lower.strip_suffix("3d")).unwrap_or(&lower);
    if let Some(own) = Spec::LIST.iter().find(|e| bare.len() < lower.len() && e.name.eq_ignore_ascii_case(bare)) {
        return format!("did you mean `{}`? it serves two and three dimensions", own.name);
    }
    if let Some((_, written)) = LAYERS.iter().find(|(names, _)| names.contains(&bare)) {
        return format!("write `{written}`");
    }
    let function = word_meant(&lower).or_else(|| super::FunctionForm::NAMES.iter().copied().find(|f| *f == lower));
    if let Some(function) = function.filter(|f| super::FunctionForm::NAMES.contains(f)) {
        return format!("write `Activation(x: \"...\", function: {function})`, or `activation: {function}` in the block before");
    }
    if let Some(near) = nearest(name, composites.iter().copied().chain(all_names())) {
        return format!("did you mean `{}`?", Entry::current(near));
    }
    let own = match composites.as_slice() {
        [] => String::new(),
        few if few.len() <= 8 => {
            let mut few: Vec<String> = few.iter().map(|c| format!("`{c}`")).collect();
            few.sort();
            format!(", and this graph has {}", few.join(", "))
        }
        _ => ", and `--in FILE` those of this graph".to_owned(),
    };
    format!("`lmsc blocks` lists them{own}")
}

fn all_names<'a>() -> impl Iterator<Item = &'a str> {
    Spec::LIST.iter().flat_map(|e| [Some(e.name), e.older]).flatten()
}

/// The norm, function or initialisation that a word of another program means.
pub fn word_meant(word: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(name, _)| *name == word.to_ascii_lowercase()).map(|(_, own)| *own)
}

/// The field or input, of those that there are, that one of another program means.
pub fn field_meant<'a>(name: &str, there: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (_, own) = FIELDS.iter().find(|(foreign, _)| *foreign == name)?;
    there.into_iter().find(|t| own.contains(t))
}
