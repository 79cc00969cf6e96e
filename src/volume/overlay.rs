//! Pictures of a segmentation: three planes through the lesion, the image alone, with the reference and with the prediction.
//!
//! May use `text`, and `affine`, `canvas`, `lettering`, `plane`, `write` beside it. Planes are shown as radiologists see them: the patient's right is on the left,
//! front and head are up; letters at the edges say so. Distances are true: voxels are drawn as large as they are. A legend names the classes.

use std::io;
use std::path::Path;

use ndarray::ArrayView3;

use super::affine::Affine;
use super::canvas::Canvas;
use super::lettering::{self, Style};
use super::plane::{Plane, planes};
use super::write::fill_file;
use crate::text::{Code, Diagnostic};

/// What is drawn. All arrays are `[D, H, W]` of one grid.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    /// One channel of the image, in any unit.
    pub image: ArrayView3<'a, f32>,
    /// The label by hand; its column is left out when there is none.
    pub reference: Option<ArrayView3<'a, u8>>,
    pub prediction: ArrayView3<'a, u8>,
    /// Voxel (i, j, k) to mm.
    pub affine: Affine,
    /// Value and name of the classes, for the legend; what is not named is called by its value.
    pub classes: &'a [(u8, String)],
}

/// Pixels, three bytes each.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// Width of a column and the gap between panels, in pixels.
const COLUMN: usize = 320;
const GAP: usize = 10;
/// Height of the line of titles, and of a line of the legend.
const TITLE: usize = 26;
const LINE: usize = 24;
/// Side of a colour in the legend.
const SWATCH: usize = 14;

const TEXT: Style = Style { height: 11.0, ink: [40, 40, 40], rim: None };
const LETTER: Style = Style { height: 12.0, ink: [255, 255, 255], rim: Some([0, 0, 0]) };

/// The colour of a class, 1 and up; they come again after eight.
pub fn colour(class: u8) -> [u8; 3] {
    const COLOURS: [[u8; 3]; 8] =
        [[76, 201, 240], [239, 71, 111], [255, 196, 46], [6, 214, 160], [171, 130, 255], [255, 150, 60], [180, 220, 80], [255, 140, 200]];
    COLOURS[usize::from(class.max(1) - 1) % COLOURS.len()]
}

/// Draws it.
///
/// # Errors
/// E0703 when the arrays differ in shape or are empty.
pub fn draw(what: &Overlay<'_>) -> Result<Picture, Diagnostic> {
    let shape = what.image.dim();
    let same = what.prediction.dim() == shape && what.reference.is_none_or(|r| r.dim() == shape);
    if !same || what.image.is_empty() {
        let message = format!("cannot draw an image of {shape:?} voxels with labels of {:?}", what.prediction.dim());
        return Err(Diagnostic::error(Code::E0703, message).help("image, reference and prediction must lie on one grid"));
    }
    // A cut-away background, even after normalisation (where 0 is a middling grey), is shown black.
    let outside = what.image.iter().filter(|v| **v == 0.0).count() * 20 > what.image.len();
    let window = window(&what.image, outside);
    let image = what.image.mapv(|v| if v.is_finite() && !(outside && v == 0.0) { v.clamp(window[0], window[1]) } else { window[0] });
    let what = &Overlay { image: image.view(), ..*what };
    let guide = what.reference.filter(|r| r.iter().any(|l| *l > 0)).unwrap_or(what.prediction);
    let planes = planes(&what.affine, &guide);
    // One scale for all planes: the widest fills its column.
    let widest = planes.iter().map(|p| p.extent[1]).fold(f64::MIN_POSITIVE, f64::max);
    let tallest = planes.iter().map(|p| p.extent[0]).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (COLUMN as f64 / widest).min(2.0 * COLUMN as f64 / tallest);
    let mut columns = vec![("image", None)];
    columns.extend(what.reference.map(|r| ("reference", Some(r))));
    columns.push(("prediction", Some(what.prediction)));
    let pixels = |mm: f64| ((mm * scale).round() as usize).max(1);
    let heights: Vec<usize> = planes.iter().map(|p| pixels(p.extent[0])).collect();
    let width = GAP + columns.len() * (COLUMN + GAP);
    let legend = legend(what, width - 2 * GAP);
    let lines = legend.last().map_or(0, |e| e.line + 1);
    let bottom = TITLE + heights.iter().map(|h| h + GAP).sum::<usize>();
    let height = bottom + lines * LINE;
    let mut canvas = Canvas::new(width, height);
    for (n, (title, _)) in columns.iter().enumerate() {
        let left = GAP + n * (COLUMN + GAP) + (COLUMN - lettering::width(title, TEXT.height)) / 2;
        lettering::write(&mut canvas, title, left as f32, 7.0, TEXT);
    }
    let mut top = TITLE;
    for (plane, row) in planes.iter().zip(&heights) {
        for (n, (_, labels)) in columns.iter().enumerate() {
            let left = GAP + n * (COLUMN + GAP);
            panel(&mut canvas, what, plane, labels.as_ref(), window, [top, left, *row, pixels(plane.extent[1]).min(COLUMN)]);
        }
        top += row + GAP;
    }
    for entry in &legend {
        let (top, left) = (bottom + entry.line * LINE, GAP + entry.left);
        canvas.fill([top + 1, left, SWATCH, SWATCH], entry.colour);
        lettering::write(&mut canvas, &entry.name, (left + SWATCH + 7) as f32, top as f32 + 2.5, TEXT);
    }
    Ok(Picture { width, height, rgb: canvas.into_rgb() })
}

/// A class in the legend; `left` from the start of its line, in pixels.
struct Entry {
    name: String,
    colour: [u8; 3],
    line: usize,
    left: usize,
}

/// The classes that are named or seen, in lines of at most `width` pixels.
fn legend(what: &Overlay<'_>, width: usize) -> Vec<Entry> {
    let mut seen = [false; 256];
    what.prediction.iter().chain(what.reference.iter().flatten()).for_each(|l| seen[usize::from(*l)] = true);
    let name = |class: u8| what.classes.iter().find(|(value, _)| *value == class).map(|(_, name)| name.clone());
    let (mut line, mut left) = (0, 0);
    let mut all = vec![];
    for class in (1..=u8::MAX).filter(|c| seen[usize::from(*c)] || name(*c).is_some()) {
        let mut name = name(class).unwrap_or_else(|| class.to_string());
        let room = width - SWATCH - 7;
        while lettering::width(&name, TEXT.height) > room {
            name.pop();
        }
        let wide = SWATCH + 7 + lettering::width(&name, TEXT.height);
        if left > 0 && left + wide > width {
            (line, left) = (line + 1, 0);
        }
        all.push(Entry { name, colour: colour(class), line, left });
        left += wide + 22;
    }
    all
}

/// One panel: a black cell with the plane in its middle. `place`: top, left, rows and columns of the plane.
fn panel(canvas: &mut Canvas, what: &Overlay<'_>, plane: &Plane, labels: Option<&ArrayView3<'_, u8>>, window: [f32; 2], place: [usize; 4]) {
    let [top, left, rows, columns] = place;
    canvas.fill([top, left, rows, COLUMN], [0; 3]);
    let left = left + (COLUMN - columns) / 2;
    let grey = plane.smooth(&what.image, rows, columns);
    let grey = grey.iter().map(|v| ((v - window[0]) / (window[1] - window[0])).clamp(0.0, 1.0) * 255.0);
    let mut shown: Vec<[f32; 3]> = grey.map(|g| [g; 3]).collect();
    if let Some(labels) = labels {
        plane.paint(labels, rows, columns, &mut shown);
    }
    canvas.put(top, left, columns, &shown);
    letters(canvas, plane, place);
}

/// The sides of the patient, at the edges of a plane; left out where it is too small for them.
fn letters(canvas: &mut Canvas, plane: &Plane, place: [usize; 4]) {
    let [top, left, rows, columns] = place.map(|n| n as f32);
    const MARGIN: f32 = 5.0;
    let left = left + (COLUMN as f32 - columns) / 2.0;
    let [up, down, start, end] = plane.sides.map(|s| s.letter().to_string());
    let wide = |text: &str| lettering::width(text, LETTER.height) as f32;
    let high = LETTER.height;
    let mut write = |text: &str, x: f32, y: f32| lettering::write(canvas, text, x, y, LETTER);
    if rows >= 5.0 * high {
        write(&up, left + (columns - wide(&up)) / 2.0, top + MARGIN);
        write(&down, left + (columns - wide(&down)) / 2.0, top + rows - MARGIN - high);
    }
    if columns >= 5.0 * high && rows >= 1.5 * high {
        let middle = top + (rows - high) / 2.0;
        write(&start, left + MARGIN, middle);
        write(&end, left + columns - MARGIN - wide(&end), middle);
    }
}

/// The intensities shown as black and white: the 0.5th and the 99.5th percentile, of what is not 0 if 0 is outside.
fn window(image: &ArrayView3<'_, f32>, outside: bool) -> [f32; 2] {
    // A sample is enough for a window.
    let step = (image.len() / 200_000).max(1);
    let mut v: Vec<f32> = image.iter().copied().filter(|v| v.is_finite() && !(outside && *v == 0.0)).step_by(step).collect();
    v.sort_by(f32::total_cmp);
    let at = |part: f64| v.get((part * v.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
    let (low, high) = (at(0.005), at(0.995));
    match high > low {
        true => [low, high],
        // One shade: white before what is outside, black where there is no outside.
        false if outside => [low - 1.0, low],
        false => [low, low + 1.0],
    }
}

/// Draws it into a PNG file.
///
/// # Errors
/// E0703 as [`draw`]; E0603 when the file cannot be written.
pub fn write(path: &Path, what: &Overlay<'_>) -> Result<(), Diagnostic> {
    write_png(path, &draw(what)?)
}

/// Writes a picture as PNG.
///
/// # Errors
/// E0603 when the file cannot be written.
pub fn write_png(path: &Path, picture: &Picture) -> Result<(), Diagnostic> {
    fill_file(path, |out| {
        let mut encoder = png::Encoder::new(out, picture.width as u32, picture.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(io::Error::other)?;
        writer.write_image_data(&picture.rgb).map_err(io::Error::other)?;
        writer.finish().map_err(io::Error::other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    const IDENTITY: Affine = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]];

    #[test]
    fn a_label_is_where_it_should_be() {
        // Bright at the patient's right front top; labelled there in the prediction only.
        let corner = |(d, h, w): (usize, usize, usize)| d >= 7 && h >= 7 && w >= 7;
        let image = Array3::from_shape_fn((10, 10, 10), |p| f32::from(u8::from(corner(p))));
        let label = Array3::from_shape_fn((10, 10, 10), |p| u8::from(corner(p)));
        let none = Array3::zeros((10, 10, 10));
        let overlay =
            Overlay { image: image.view(), reference: Some(none.view()), prediction: label.view(), affine: IDENTITY, classes: &[] };
        let p = draw(&overlay).unwrap();
        assert_eq!((p.width, p.height), (GAP + 3 * (COLUMN + GAP), TITLE + 3 * (COLUMN + GAP) + LINE));
        let at = |row: usize, column: usize, y: f64, x: f64| {
            let place = |n: usize, part: f64| GAP + n * (COLUMN + GAP) + (part * COLUMN as f64) as usize;
            let i = 3 * ((place(row, y) + TITLE - GAP) * p.width + place(column, x));
            [p.rgb[i], p.rgb[i + 1], p.rgb[i + 2]]
        };
        let tinted = |c: [u8; 3]| c[0] != c[2];
        for row in 0..3 {
            // In every plane it is at the top left: right, front and top of the patient (front left in the sagittal one).
            assert_eq!(at(row, 0, 0.1, 0.1), [255; 3], "row {row}");
            assert_eq!(at(row, 0, 0.9, 0.9), [0; 3]);
            assert!(!tinted(at(row, 1, 0.1, 0.1)));
            assert!(tinted(at(row, 2, 0.1, 0.1)) && !tinted(at(row, 2, 0.9, 0.9)));
        }
    }

    #[test]
    fn odd_shapes_are_drawn_or_refused() {
        let image = Array3::from_elem((1, 1, 200), f32::NAN);
        let label = Array3::zeros((1, 1, 200));
        assert!(draw(&Overlay { image: image.view(), reference: None, prediction: label.view(), affine: IDENTITY, classes: &[] }).is_ok());
        let other = Array3::zeros((1, 1, 199));
        let wrong =
            Overlay { image: image.view(), reference: Some(other.view()), prediction: label.view(), affine: IDENTITY, classes: &[] };
        assert_eq!(draw(&wrong).unwrap_err().code, Code::E0703);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write(&path, &Overlay { reference: None, ..wrong }).unwrap();
        assert!(std::fs::read(path).unwrap().starts_with(b"\x89PNG"));
    }

    #[test]
    fn the_legend_names_what_is_named_or_seen() {
        let image = Array3::from_elem((4, 4, 4), 1.0);
        let label = Array3::from_shape_fn((4, 4, 4), |(d, _, _)| if d == 0 { 9 } else { 0 });
        let classes = [(0, "background".into()), (2, "edema".into()), (4, "a name that is far too long for a line ".repeat(5))];
        let overlay = Overlay { image: image.view(), reference: None, prediction: label.view(), affine: IDENTITY, classes: &classes };
        let all = legend(&overlay, 650);
        let names: Vec<&str> = all.iter().map(|e| e.name.as_str()).collect();
        assert_eq!((names[0], names[2], names.len()), ("edema", "9", 3));
        assert_eq!(all.iter().map(|e| e.line).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(all.iter().all(|e| e.left + SWATCH + 7 + lettering::width(&e.name, TEXT.height) <= 650));
        draw(&overlay).unwrap();
    }
}
