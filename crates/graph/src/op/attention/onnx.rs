//! Attention as nodes of ONNX.

use super::{Attention, AttentionBias, MASKED};
use crate::ir::{OnnxAttribute, OnnxBuilder, OnnxValue};

/// Products, a softmax and products again, on `[N, heads, windows, tokens, channels]`, or without the windows where there are none.
pub(super) fn write(a: &Attention, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
    let (d, channels) = (n.channels(0) / a.heads.max(1), n.channels(2));
    let windows = match a.window {
        Some(_) => Some(a.tokens(n.fixed_size(0)?)),
        None => None,
    };
    let [q, k, v] = [0, 1, 2].map(|slot| {
        let x = n.heads(slot, a.heads);
        cut(n, x, windows.as_deref())
    });
    // Tokens before channels for queries and values; keys stay as they are.
    let last: &[i64] = if windows.is_some() { &[0, 1, 2, 4, 3] } else { &[0, 1, 3, 2] };
    let (q, v) = (n.transpose(q, last), n.transpose(v, last));
    let factor = n.scalar(a.factor(d));
    let mut q = n.node("Mul", &[q, factor], vec![]);
    let by_head: &[usize] = if windows.is_some() { &[1, 1, 1] } else { &[1, 1] };
    if a.temperature {
        let temperature = n.weight_as("temperature", [&[a.heads], by_head].concat());
        q = n.node("Mul", &[q, temperature], vec![]);
    }
    let mut logits = n.node("MatMul", &[q, k], vec![]);
    if a.bias != AttentionBias::None {
        let bias = bias(a, n, windows.is_some())?;
        logits = n.node("Add", &[logits, bias], vec![]);
    }
    if let Some(regions) = n.fixed_size(0).and_then(|size| a.regions(size)) {
        let (count, tokens) = (regions.len(), regions.first().map_or(0, Vec::len));
        let all = || regions.iter().flatten().copied();
        let (rows, columns) = (n.indices([count, tokens, 1], all()), n.indices([count, 1, tokens], all()));
        let same = n.node("Equal", &[rows, columns], vec![]);
        let (none, apart) = (n.scalar(0.0), n.scalar(MASKED));
        let mask = n.node("Where", &[same, none, apart], vec![]);
        logits = n.node("Add", &[logits, mask], vec![]);
    }
    let shares = n.node("Softmax", &[logits], vec![("axis", OnnxAttribute::Int(-1))]);
    let sums = n.node("MatMul", &[shares, v], vec![]);
    let whole = match &windows {
        None => n.transpose(sums, last),
        Some(all) => {
            // Back from windows to the order of memory.
            let mut places = vec![0; all.iter().map(Vec::len).sum()];
            all.iter().flatten().enumerate().for_each(|(at, place)| places[*place] = at);
            let e = i64::try_from(channels / a.heads.max(1)).ok()?;
            let by_channel = n.transpose(sums, &[0, 1, 4, 2, 3]);
            let flat = n.reshape(by_channel, &[0, 0, e, -1]);
            gather(n, flat, 3, &[places.len()], places.iter().copied())
        }
    };
    Some(n.volume(whole, channels, 0))
}

/// `[N, heads, channels, voxels]` as `[N, heads, windows, channels, tokens]`.
fn cut(n: &mut OnnxBuilder<'_>, x: OnnxValue, windows: Option<&[Vec<usize>]>) -> OnnxValue {
    let Some(all) = windows else { return x };
    let tokens = all.first().map_or(0, Vec::len);
    let taken = gather(n, x, 3, &[all.len(), tokens], all.iter().flatten().copied());
    n.transpose(taken, &[0, 1, 3, 2, 4])
}

fn gather(n: &mut OnnxBuilder<'_>, x: OnnxValue, axis: usize, dims: &[usize], places: impl IntoIterator<Item = usize>) -> OnnxValue {
    let places = n.indices(dims, places);
    n.node("Gather", &[x, places], vec![("axis", axis.into())])
}

/// The biases of queries and keys, `[heads, queries, keys]`, or `[heads, 1, queries, keys]` for windows.
fn bias(a: &Attention, n: &mut OnnxBuilder<'_>, in_windows: bool) -> Option<OnnxValue> {
    let (q, k) = (n.fixed_size(0)?, n.fixed_size(1)?);
    let places = a.bias_places(q, k)?;
    let seen = if in_windows { a.window_over(q).ok()?.0 } else { k };
    let keys = seen.iter().product::<usize>().max(1);
    let dims = [places.len() / keys, keys];
    let table = n.weight("table");
    let heads_first = matches!(a.bias, AttentionBias::Offsets { .. });
    let found = gather(n, table, usize::from(heads_first), &dims, places);
    let found = if heads_first { found } else { n.transpose(found, &[2, 0, 1]) };
    let int = |v: usize| i64::try_from(v).ok();
    Some(if in_windows { n.reshape(found, &[int(a.heads)?, 1, int(dims[0])?, int(dims[1])?]) } else { found })
}
