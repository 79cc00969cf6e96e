//! Pictures of a segmentation: three planes through the lesion, the image alone, with the reference and with the prediction.
//!
//! May use `text`, and `affine`, `plane`, `write` beside it. Planes are shown as radiologists see them: the patient's right is on the left,
//! front and head are up. Distances are true: voxels are drawn as large as they are.

use std::io;
use std::path::Path;

use ndarray::ArrayView3;

use super::affine::Affine;
use super::plane::{Canvas, Plane, planes};
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
    let columns: Vec<Option<ArrayView3<'_, u8>>> =
        std::iter::once(None).chain(what.reference.map(Some)).chain(std::iter::once(Some(what.prediction))).collect();
    let pixels = |mm: f64| ((mm * scale).round() as usize).max(1);
    let heights: Vec<usize> = planes.iter().map(|p| pixels(p.extent[0])).collect();
    let width = GAP + columns.len() * (COLUMN + GAP);
    let height = GAP + heights.iter().map(|h| h + GAP).sum::<usize>();
    let mut canvas = Canvas::new(width, height);
    let mut top = GAP;
    for (plane, row) in planes.iter().zip(&heights) {
        for (n, labels) in columns.iter().enumerate() {
            let left = GAP + n * (COLUMN + GAP);
            panel(&mut canvas, what, plane, labels.as_ref(), window, [top, left, *row, pixels(plane.extent[1]).min(COLUMN)]);
        }
        top += row + GAP;
    }
    Ok(Picture { width, height, rgb: canvas.into_rgb() })
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
        let p = draw(&Overlay { image: image.view(), reference: Some(none.view()), prediction: label.view(), affine: IDENTITY }).unwrap();
        assert_eq!((p.width, p.height), (GAP + 3 * (COLUMN + GAP), GAP + 3 * (COLUMN + GAP)));
        let at = |row: usize, column: usize, y: f64, x: f64| {
            let place = |n: usize, part: f64| GAP + n * (COLUMN + GAP) + (part * COLUMN as f64) as usize;
            let i = 3 * (place(row, y) * p.width + place(column, x));
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
        assert!(draw(&Overlay { image: image.view(), reference: None, prediction: label.view(), affine: IDENTITY }).is_ok());
        let other = Array3::zeros((1, 1, 199));
        let wrong = Overlay { image: image.view(), reference: Some(other.view()), prediction: label.view(), affine: IDENTITY };
        assert_eq!(draw(&wrong).unwrap_err().code, Code::E0703);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write(&path, &Overlay { reference: None, ..wrong }).unwrap();
        assert!(std::fs::read(path).unwrap().starts_with(b"\x89PNG"));
    }
}
