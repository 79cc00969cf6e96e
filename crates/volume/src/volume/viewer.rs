//! A volume with its segmentation as one page: three planes to go through in a browser. Nothing comes from the network.
//!
//! May use `text`, and `affine`, `errors`, `grid`, `nifti`, `orientation`, `palette` beside it, and the page's parts in `viewer/`. Voxels are embedded with
//! eight bits each, in the order of NIfTI's own axes, gzipped, as base64. What is too much is made coarser, and the page says so.

mod reduce;

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::GzEncoder};
use ndarray::{Array3, ArrayView3};
use serde_json::{Value, json};

use self::reduce::{Levels, factors, means, modes, reduced};
use super::errors::kinds;
use super::grid::Grid;
use super::nifti::Volume;
use super::orientation::{Orientation, reorient};
use super::palette::{Class, classes, seen};
use crate::text::{Code, Diagnostic};

/// What is shown. Label maps are `[D, H, W]` on the image's grid.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    /// The name of the case.
    pub title: &'a str,
    /// All its channels can be looked at; what is no finite number is shown as the least intensity.
    pub image: &'a Volume,
    /// The names of the channels; what has none is called by its number.
    pub channels: &'a [String],
    /// Label maps by their names, the one that is filled first; the others are outlined.
    pub layers: &'a [(&'a str, ArrayView3<'a, u8>)],
    /// The classes for the legend, by their places in the maps; a place that none has is called by its number.
    pub classes: &'a [Class],
    /// Whether the page begins with the errors of the layer `prediction` against `reference`.
    pub errors: bool,
    /// The most bytes of voxels, before they are compressed.
    pub limit: u64,
}

/// The page.
///
/// # Errors
/// E0703 when the arrays differ in shape.
pub fn html(what: &Viewer<'_>) -> Result<String, Diagnostic> {
    let size = what.image.size();
    if let Some((name, other)) = what.layers.iter().map(|(name, l)| (name, l.dim())).find(|(_, d)| <[usize; 3]>::from(*d) != size) {
        let message = format!("cannot show an image of {size:?} voxels with labels of {other:?} ({name})");
        return Err(Diagnostic::error(Code::E0703, message).help("image and labels must lie on one grid"));
    }
    let from = what.image.grid().orientation();
    let upright = what.image.grid().reoriented(Orientation::RAS);
    let maps = (what.image.data.dim().0 + what.layers.len()) as u64;
    let by = factors(upright.size, upright.spacing(), what.limit / maps.max(1));
    let grid = reduced(&upright, by);
    let mut parts = vec![];
    let (mut channels, mut empty) = (vec![], 0);
    for (n, channel) in what.image.data.outer_iter().enumerate() {
        let upright = reorient(channel, from, Orientation::RAS);
        let values = means(finite(upright, &mut empty).view(), by);
        let levels = Levels::of(&values);
        let name = what.channels.get(n).cloned().unwrap_or_else(|| format!("channel {n}"));
        channels.push(json!({"name": name, "low": levels.low, "step": levels.step, "window": levels.window, "exact": levels.exact}));
        parts.push(packed(&values.mapv(|v| levels.level(f64::from(v)))));
    }
    for (_, labels) in what.layers {
        parts.push(packed(&modes(reorient(*labels, from, Orientation::RAS).view(), by)));
    }
    let known = classes(what.classes, &seen(what.layers.iter().flat_map(|(_, l)| l)));
    // The page's maps hold places; it calls them values.
    let known: Vec<Value> = known.iter().map(|c| json!({"value": c.place, "label": c.value, "name": c.name, "colour": c.colour})).collect();
    let middle = middle(what, from, by, grid.size);
    let data = json!({
        "title": what.title,
        "note": note(&upright, by, empty, what.image.data.len()),
        "size": reversed(grid.size),
        "spacing": reversed(grid.spacing()),
        "affine": grid.affine,
        "voxels": voxels(what.image, from, by),
        "at": middle,
        "channels": channels,
        "layers": what.layers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "classes": known,
        "errors": kinds(),
        "begin_with_errors": what.errors,
    });
    Ok(page(&data, &parts))
}

/// x, y, z from D, H, W.
fn reversed<T: Copy>([d, h, w]: [T; 3]) -> [T; 3] {
    [w, h, d]
}

/// Where to begin, in x, y, z of the page's grid: the slices with the most labels of the first map that has some, else the middle.
fn middle(what: &Viewer<'_>, from: Orientation, by: [usize; 3], size: [usize; 3]) -> [usize; 3] {
    let Some((_, labels)) = what.layers.iter().find(|(_, l)| l.iter().any(|v| *v > 0)) else { return reversed(size.map(|n| n / 2)) };
    let upright = reorient(*labels, from, Orientation::RAS);
    let mut counts = size.map(|n| vec![0u64; n]);
    for ((d, h, w), _) in upright.indexed_iter().filter(|(_, v)| **v > 0) {
        for ((count, at), by) in counts.iter_mut().zip([d, h, w]).zip(by) {
            count[at / by] += 1;
        }
    }
    reversed(counts.map(|c| c.iter().enumerate().max_by_key(|(_, n)| **n).map_or(0, |(at, _)| at)))
}

/// How the file's i, j, k follow from x, y, z of the page: the page's axis, whether it runs backwards, the voxels of the file, and how many of them make one.
fn voxels(image: &Volume, from: Orientation, by: [usize; 3]) -> Value {
    let (size, by) = (reversed(image.size()), reversed(by));
    let axes = from.sides().map(|side| side.axis());
    axes.iter().zip(size).map(|((axis, high), n)| json!([axis, !high, n, by[*axis]])).collect()
}

/// An array whose numbers are finite: others are the least of those that are. `empty` counts them.
fn finite(mut image: Array3<f32>, empty: &mut usize) -> Array3<f32> {
    let odd = image.iter().filter(|v| !v.is_finite()).count();
    if odd > 0 {
        let least = image.iter().copied().filter(|v| v.is_finite()).reduce(f32::min).unwrap_or(0.0);
        image.mapv_inplace(|v| if v.is_finite() { v } else { least });
        *empty += odd;
    }
    image
}

/// What was made coarser, and how many voxels of all are shown as empty, in sentences.
fn note(grid: &Grid, by: [usize; 3], empty: usize, all: usize) -> Option<String> {
    let odd = (empty > 0)
        .then(|| format!("{empty} of {all} voxels hold no finite number (NaN or infinity); they are shown as the darkest intensity."));
    let coarse = (by != [1; 3]).then(|| {
        let shown = |[x, y, z]: [usize; 3]| format!("{x} x {y} x {z}");
        format!(
            "Coarser than the file, to keep the page small: each voxel here stands for {} of its {} voxels (x, y, z). \
             Intensities are means, labels what most of them have; small findings may be missing.",
            shown(reversed(by)),
            shown(reversed(grid.size))
        )
    });
    let all: Vec<String> = coarse.into_iter().chain(odd).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// Bytes, gzipped, as base64.
fn packed(levels: &Array3<u8>) -> String {
    let mut gzip = GzEncoder::new(vec![], Compression::new(6));
    let bytes: Vec<u8> = levels.iter().copied().collect();
    // Writing into memory does not fail.
    let packed = gzip.write_all(&bytes).and_then(|()| gzip.finish()).unwrap_or_default();
    STANDARD.encode(packed)
}

fn page(data: &Value, parts: &[String]) -> String {
    // `<` would end the script.
    let data = data.to_string().replace('<', "\\u003c");
    let parts: String =
        parts.iter().enumerate().map(|(n, p)| format!("<script type=\"text/plain\" id=\"part{n}\">{p}</script>\n")).collect();
    include_str!("viewer/page.html")
        .replace("{css}", include_str!("viewer/page.css"))
        .replace("{draw}", include_str!("viewer/draw.js"))
        .replace("{script}", include_str!("viewer/page.js"))
        // Last, so that nothing in them is taken for a place.
        .replacen("{data}", &data, 1)
        .replacen("{parts}", &parts, 1)
}

#[cfg(test)]
mod tests;
