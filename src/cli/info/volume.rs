//! Of a volume.
//!
//! May use `text`, `volume`, and the sheet above.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::{Sheet, bytes, number, percent, shown, table};
use crate::text::{Result, printable, several, thousands};
use crate::volume::{Datatype, Header, Side, Volume, VoxelSummary, read, read_header};

/// Channels that are told of one by one.
const MOST_CHANNELS: usize = 16;
/// Labels that are told of one by one; programs get all.
const MOST_LABELS: usize = 24;

/// Everything of the NIfTI file at `path`.
pub fn sheet(path: &Path, gzip: bool) -> Result<Sheet> {
    let header = read_header(path)?;
    let size = std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
    let file = path.display().to_string();
    let form = [if header.pair { ", a pair" } else { "" }, if gzip { ", gzip" } else { "" }].concat();
    let mut sheet = Sheet {
        title: format!("{}: a volume, NIfTI-{}{form}", shown(&file), header.version),
        rows: vec![],
        doubts: vec![],
        json: json!({"file": file, "kind": "volume", "nifti": header.version, "pair": header.pair, "gzip": gzip, "bytes": size}),
    };
    stored(&mut sheet, &header, size);
    if !header.datatype.is_real() {
        sheet.doubts.push("it cannot be segmented: one real number per voxel is needed".into());
        return Ok(sheet);
    }
    let volume = read(path)?;
    place(&mut sheet, &volume);
    intensities(&mut sheet, &volume);
    sheet.doubts.extend(volume.doubts());
    sheet.json["warnings"] = json!(sheet.doubts);
    Ok(sheet)
}

/// What the header says of the voxels.
fn stored(sheet: &mut Sheet, h: &Header, size: u64) {
    let [i, j, k, c] = h.dim;
    let channels = several(c, "channel");
    sheet.row("voxels", format!("{i} x {j} x {k} (i, j, k), {channels}"));
    let order = match (h.datatype, h.big_endian) {
        (Datatype::U8 | Datatype::I8 | Datatype::Rgb | Datatype::Rgba, _) => "",
        (_, true) => ", big-endian",
        _ => ", little-endian",
    };
    let scale = h.scale.map(|(slope, inter)| format!(", slope {}, intercept {}", number(slope, 9), number(inter, 6))).unwrap_or_default();
    sheet.row("type", format!("{}{order}{scale}", h.datatype.name()));
    let voxels: u64 = h.dim.iter().map(|n| *n as u64).fold(h.datatype.bytes() as u64, u64::saturating_mul);
    sheet.row("size", format!("{} on disk, {} of voxels", bytes(size), bytes(voxels)));
    if !h.description.is_empty() {
        sheet.row("described as", printable(&h.description));
    }
    let j = &mut sheet.json;
    j["dim"] = json!([i, h.dim[1], k]);
    j["channels"] = json!(c);
    j["type"] = json!(h.datatype.name());
    j["big_endian"] = json!(h.big_endian);
    j["slope"] = json!(h.scale.map(|s| s.0));
    j["intercept"] = json!(h.scale.map(|s| s.1));
    j["description"] = json!(h.description);
}

/// Where it lies.
fn place(sheet: &mut Sheet, v: &Volume) {
    let h = &v.header;
    let [d, y, x] = v.size();
    let [sd, sy, sx] = v.spacing;
    let by = |n: [f64; 3]| n.map(|n| number(n, 4)).join(" x ");
    sheet.row("spacing", format!("{} mm (i, j, k)", by([sx, sy, sd])));
    sheet.row("extent", format!("{} mm", by([x as f64 * sx, y as f64 * sy, d as f64 * sd])));
    let unit = match h.units & 7 {
        1 => "metres, brought to mm here",
        2 => "mm",
        3 => "micrometres, brought to mm here",
        _ => "not named, taken for mm",
    };
    sheet.row("unit of file", unit);
    let orientation = v.grid().orientation();
    let [i, j, k] = orientation.sides().map(towards);
    let oblique = oblique(v);
    let tilt = if oblique >= 0.01 { format!("; off the patient's axes by up to {} degrees", number(oblique, 2)) } else { String::new() };
    sheet.row("orientation", format!("{orientation}: i {i}, j {j}, k {k}{tilt}"));
    let rows: Vec<Vec<String>> =
        v.affine.iter().take(3).zip(["x", "y", "z"]).map(|(row, n)| std::iter::once(n.into()).chain(row.map(decimals)).collect()).collect();
    sheet.rows.push(("affine", table(&rows, 1)));
    let code = |c: i16| match c {
        0 => "none",
        1 => "code 1, scanner",
        2 => "code 2, aligned to another scan",
        3 => "code 3, Talairach",
        4 => "code 4, MNI 152",
        _ => "code 5, another template",
    };
    let in_force = |this: bool| if this { ": the affine" } else { "" };
    sheet.row("sform", format!("{}{}", code(h.sform_code), in_force(h.sform_code != 0)));
    sheet.row("qform", format!("{}{}", code(h.qform_code), in_force(h.sform_code == 0 && h.qform_code != 0)));
    let json = &mut sheet.json;
    json["spacing_mm"] = json!([sx, sy, sd]);
    json["unit"] = json!(["unknown", "m", "mm", "um"].get(usize::from(h.units & 7)).unwrap_or(&"unknown"));
    json["orientation"] = json!(orientation.to_string());
    json["affine_mm"] = json!(v.affine);
    json["sform_code"] = json!(h.sform_code);
    json["qform_code"] = json!(h.qform_code);
}

/// Four digits after the point, and no "-0.0000".
fn decimals(v: f64) -> String {
    let text = format!("{v:.4}");
    if text == "-0.0000" { "0.0000".into() } else { text }
}

fn towards(side: Side) -> &'static str {
    match side {
        Side::Right => "to the right",
        Side::Left => "to the left",
        Side::Anterior => "to the front",
        Side::Posterior => "to the back",
        Side::Superior => "to the head",
        Side::Inferior => "to the feet",
    }
}

/// The largest angle in degrees between a voxel axis and the world axis that it is called after.
fn oblique(v: &Volume) -> f64 {
    let [sd, sy, sx] = v.spacing;
    let [i, j, k] = v.grid().orientation().sides().map(|s| match s {
        Side::Right | Side::Left => 0,
        Side::Anterior | Side::Posterior => 1,
        Side::Superior | Side::Inferior => 2,
    });
    [(i, 0, sx), (j, 1, sy), (k, 2, sd)]
        .iter()
        .map(|(axis, column, step): &(usize, usize, f64)| (v.affine[*axis][*column].abs() / step).min(1.0).acos().to_degrees())
        .fold(0.0, f64::max)
}

/// What the voxels hold.
fn intensities(sheet: &mut Sheet, v: &Volume) {
    let all = v.summary();
    let range = |s: &VoxelSummary| format!("{} to {}", number(s.min, 4), number(s.max, 4));
    sheet.row("range", range(&all));
    sheet.row("mean", format!("{}, standard deviation {}", number(all.mean, 4), number(all.deviation, 4)));
    sheet.row("not zero", format!("{} of the voxels", percent(all.non_zero, all.voxels)));
    match (all.nan, all.infinite) {
        (0, 0) => sheet.row("not finite", "none"),
        (nan, infinite) => {
            sheet.row("not finite", format!("{} NaN, {} infinite", thousands(nan), thousands(infinite)));
            sheet.doubts.push(
                "it holds numbers that are not finite; training refuses it unless the run config says `nan: 0`, and so does prediction"
                    .into(),
            );
        }
    }
    if all.min == all.max {
        sheet.doubts.push("all its voxels are alike".into());
    }
    sheet.json["intensities"] = json!(all);
    let channels = v.data.dim().0;
    if (2..=MOST_CHANNELS).contains(&channels) {
        let each: Vec<VoxelSummary> = v.data.outer_iter().map(|c| VoxelSummary::of(c.iter().copied())).collect();
        let mut rows = vec![["channel", "least", "most", "mean", "deviation", "not zero"].map(String::from).to_vec()];
        rows.extend(each.iter().enumerate().map(|(n, s)| {
            let numbers = [s.min, s.max, s.mean, s.deviation].map(|v| number(v, 4));
            std::iter::once(n.to_string()).chain(numbers).chain([percent(s.non_zero, s.voxels)]).collect()
        }));
        sheet.rows.push(("channels", table(&rows, 0)));
        sheet.json["channel_intensities"] = json!(each);
    }
    if let Some(counts) = v.label_counts() {
        labels(sheet, &counts, v);
    }
}

/// The labels and how much of the patient each takes.
fn labels(sheet: &mut Sheet, counts: &BTreeMap<u32, u64>, v: &Volume) {
    let voxels = v.data.len() as u64;
    let millilitres = |n: u64| n as f64 * v.spacing.iter().product::<f64>() / 1000.0;
    let mut rows = vec![["label", "voxels", "share", "ml"].map(String::from).to_vec()];
    rows.extend(
        counts
            .iter()
            .take(MOST_LABELS)
            .map(|(l, n)| vec![l.to_string(), thousands(*n), percent(*n, voxels), format!("{:.2}", millilitres(*n))]),
    );
    let mut lines = table(&rows, 0);
    if counts.len() > MOST_LABELS {
        lines.push(format!("... and {} more", counts.len() - MOST_LABELS));
    }
    sheet.rows.push(("labels", lines));
    let entry = |(label, n): (&u32, &u64)| json!({"label": label, "voxels": n, "ml": millilitres(*n)});
    sheet.json["labels"] = counts.iter().map(entry).collect();
}
