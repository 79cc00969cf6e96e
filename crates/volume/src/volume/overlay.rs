//! Pictures of a segmentation, as a paper shows them: three planes through what is labelled, the image alone, with the reference and with the
//! prediction.
//!
//! May use `text`, and `affine`, `canvas`, `errors`, `legend`, `lettering`, `palette`, `plane`, `write` beside it. Planes are shown as radiologists see them: the
//! patient's right is on the left, front and head are up; letters at the edges say so. Distances are true: voxels are drawn as large as they are, all
//! planes at one scale, and a bar says how long it is.

use std::io;
use std::path::Path;

use ndarray::{Array3, ArrayView3};

use super::affine::Affine;
use super::canvas::Canvas;
use super::errors::{ErrorKind, Hatch, errors, kinds};
use super::legend::{LINE, Legend, round_length};
use super::lettering::{self, Style};
use super::palette::{Class, classes, seen};
use super::plane::{Ink, Plane, planes};
use super::write::fill_file;
use crate::text::{Code, Diagnostic};

/// What is drawn. All arrays are `[D, H, W]` of one grid.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    /// The name of the case.
    pub title: &'a str,
    /// One channel of the image, in any unit.
    pub image: ArrayView3<'a, f32>,
    /// The label by hand; its column is left out when there is none. The slices are chosen by it if it is there.
    pub reference: Option<ArrayView3<'a, u8>>,
    pub prediction: Option<ArrayView3<'a, u8>>,
    /// Voxel (i, j, k) to mm.
    pub affine: Affine,
    /// The classes for the legend, by their places in the maps; a place that none has is called by its number.
    pub classes: &'a [Class],
    pub slices: Slices,
    /// Whether there is a column with what is right and wrong of the prediction; it needs both.
    pub errors: bool,
}

/// Where the planes lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slices {
    /// Where most is labelled, whatever the class.
    #[default]
    Foreground,
    /// Three planes for each class that is there, where most of it is; the largest [`MOST_GROUPS`] classes.
    EachClass,
}

/// Pixels, three bytes each.
#[derive(Clone, Debug, PartialEq)]
pub struct RgbImage {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// The most classes that have planes of their own.
pub const MOST_GROUPS: usize = 12;

/// Width of a column and the gap between panels, in pixels.
const COLUMN: usize = 320;
const GAP: usize = 10;
/// Height of the line with the case, of that with the titles of columns, and of that over the planes of a class.
const HEAD: usize = 30;
const TITLE: usize = 22;

const CASE: Style = Style { height: 13.0, ink: [20, 20, 20], rim: None };
const TEXT: Style = Style { height: 11.0, ink: [40, 40, 40], rim: None };
const LETTER: Style = Style { height: 12.0, ink: [255, 255, 255], rim: Some([0, 0, 0]) };

/// Three planes, and the class that they are for.
struct Group {
    class: Option<Class>,
    planes: [Plane; 3],
}

/// How intensities become grey.
struct Intensity {
    window: [f32; 2],
    /// Pixels in a mm.
    scale: f64,
}

impl Intensity {
    /// Rows and columns of a plane in pixels.
    fn size(&self, plane: &Plane) -> [usize; 2] {
        let pixels = |mm: f64| ((mm * self.scale).round() as usize).max(1);
        [pixels(plane.extent[0]), pixels(plane.extent[1]).min(COLUMN)]
    }
}

/// Draws it.
///
/// # Errors
/// E0703 when the arrays differ in shape or are empty.
pub fn draw(what: &Overlay<'_>) -> Result<RgbImage, Diagnostic> {
    let shape = what.image.dim();
    let labels = || what.reference.iter().chain(&what.prediction);
    if let Some(other) = labels().map(|l| l.dim()).find(|d| *d != shape).or(what.image.is_empty().then_some(shape)) {
        let message = format!("cannot draw an image of {shape:?} voxels with labels of {other:?}");
        return Err(Diagnostic::error(Code::E0703, message).help("image, reference and prediction must lie on one grid"));
    }
    // A cut-away background, even after normalisation (where 0 is a middling grey), is shown black.
    let outside = what.image.iter().filter(|v| **v == 0.0).count() * 20 > what.image.len();
    let window = window(&what.image, outside);
    let image = what.image.mapv(|v| if v.is_finite() && !(outside && v == 0.0) { v.clamp(window[0], window[1]) } else { window[0] });
    let what = &Overlay { image: image.view(), ..*what };

    let all = classes(what.classes, &seen(labels().flatten()));
    let groups = groups(what, &all);
    // One scale for all planes: the widest fills its column.
    let largest = |side: usize| groups.iter().flat_map(|g| &g.planes).map(|p| p.extent[side]).fold(f64::MIN_POSITIVE, f64::max);
    let look = Intensity { window, scale: (COLUMN as f64 / largest(1)).min(2.0 * COLUMN as f64 / largest(0)) };

    let mut titles = vec!["image"];
    titles.extend(what.reference.map(|_| "reference"));
    titles.extend(what.prediction.map(|_| "prediction"));
    // The errors of each group: of its class, or of all classes.
    let both = what.prediction.zip(what.reference).filter(|_| what.errors);
    let wrong: Vec<Array3<u8>> =
        groups.iter().filter_map(|g| Some(errors(&both?.0, &both?.1, g.class.as_ref().map(|c| c.place)))).collect();
    titles.extend(both.map(|_| "errors of the prediction"));
    let seen = seen(wrong.iter().flatten());
    let kinds: Vec<ErrorKind> = kinds().into_iter().filter(|k| seen[usize::from(k.class.place)]).collect();
    let all: Vec<ErrorKind> = all.into_iter().map(|class| ErrorKind { class, hatch: Hatch::None }).collect();
    let inks = |kinds: &[ErrorKind]| {
        let mut inks = [Ink::default(); 256];
        kinds.iter().for_each(|k| inks[usize::from(k.class.place)] = Ink { colour: k.class.colour.0, hatch: k.hatch });
        inks
    };
    let (inks, kind_inks) = (inks(&all), inks(&kinds));
    let width = GAP + titles.len() * (COLUMN + GAP);
    let legends = [&all, &kinds].map(|classes| Legend::new(classes, width - 2 * GAP, TEXT));
    let body: usize = groups.iter().map(|g| height(g, &look)).sum();
    let height_in_all = HEAD + TITLE + body + legends.iter().map(Legend::height).sum::<usize>();
    let mut canvas = Canvas::new(width, height_in_all);
    lettering::write(&mut canvas, &lettering::cut(what.title, width - 2 * GAP, CASE.height), GAP as f32, 9.0, CASE);
    for (n, title) in titles.iter().enumerate() {
        let left = GAP + n * (COLUMN + GAP) + (COLUMN - lettering::width(title, TEXT.height)) / 2;
        lettering::write(&mut canvas, title, left as f32, HEAD as f32 + 3.0, TEXT);
    }
    let mut top = HEAD + TITLE;
    for (g, group) in groups.iter().enumerate() {
        let mut row = top;
        let mut columns = vec![None];
        columns.extend([what.reference, what.prediction].into_iter().flatten().map(|l| Some((l, &inks))));
        columns.extend(wrong.get(g).map(|w| Some((w.view(), &kind_inks))));
        if let Some(class) = &group.class {
            Legend::new(&[ErrorKind { class: class.clone(), hatch: Hatch::None }], width - 2 * GAP, TEXT).draw(&mut canvas, row, GAP);
            row += LINE;
        }
        for plane in &group.planes {
            for (n, labels) in columns.iter().enumerate() {
                panel(&mut canvas, what, plane, labels.as_ref(), &look, [row, GAP + n * (COLUMN + GAP)]);
            }
            row += look.size(plane)[0] + GAP;
        }
        top += height(group, &look);
    }
    for legend in &legends {
        legend.draw(&mut canvas, top, GAP);
        top += legend.height();
    }
    Ok(RgbImage { width, height: height_in_all, rgb: canvas.into_rgb() })
}

/// The planes of a picture.
fn groups(what: &Overlay<'_>, all: &[Class]) -> Vec<Group> {
    let size: [usize; 3] = what.image.dim().into();
    let guide = what.reference.filter(|r| r.iter().any(|l| *l > 0)).or(what.prediction).or(what.reference);
    let mut counts = [0usize; 256];
    guide.iter().flatten().for_each(|l| counts[usize::from(*l)] += 1);
    let mut there: Vec<&Class> = all.iter().filter(|c| counts[usize::from(c.place)] > 0).collect();
    there.sort_by_key(|c| std::cmp::Reverse(counts[usize::from(c.place)]));
    there.truncate(MOST_GROUPS);
    there.sort_by_key(|c| c.place);
    if what.slices == Slices::Foreground || there.is_empty() {
        return vec![Group { class: None, planes: planes(&what.affine, size, guide.as_ref(), |l| l > 0) }];
    }
    let group = |c: &Class| Group { class: Some(c.clone()), planes: planes(&what.affine, size, guide.as_ref(), |l| l == c.place) };
    there.into_iter().map(group).collect()
}

/// The height of a group in pixels.
fn height(group: &Group, look: &Intensity) -> usize {
    group.class.as_ref().map_or(0, |_| LINE) + group.planes.iter().map(|p| look.size(p)[0] + GAP).sum::<usize>()
}

/// Labels and the ink of each.
type Painted<'a> = (ArrayView3<'a, u8>, &'a [Ink; 256]);

/// One panel: a black cell with the plane in its middle; `at`: top, left. Without labels it is the image's own, which has the scale.
fn panel(canvas: &mut Canvas, what: &Overlay<'_>, plane: &Plane, labels: Option<&Painted<'_>>, look: &Intensity, at: [usize; 2]) {
    let ([top, left], [rows, columns], window) = (at, look.size(plane), look.window);
    canvas.fill([top, left, rows, COLUMN], [0; 3]);
    let inner = left + (COLUMN - columns) / 2;
    let grey = plane.smooth(&what.image, rows, columns);
    let grey = grey.iter().map(|v| ((v - window[0]) / (window[1] - window[0])).clamp(0.0, 1.0) * 255.0);
    let mut shown: Vec<[f32; 3]> = grey.map(|g| [g; 3]).collect();
    if let Some((labels, inks)) = labels {
        plane.paint(labels, inks, rows, columns, &mut shown);
    }
    canvas.put(top, inner, columns, &shown);
    letters(canvas, plane, [top, left, rows, columns]);
    if labels.is_none() {
        scale_bar(canvas, look.scale, [top, left, rows]);
    }
}

/// A round length at the left bottom of a panel; left out where the panel is too low for it.
fn scale_bar(canvas: &mut Canvas, scale: f64, [top, left, rows]: [usize; 3]) {
    const MARGIN: usize = 8;
    const THICK: usize = 3;
    let Some((length, words)) = round_length(COLUMN as f64 / scale / 4.0) else { return };
    let high = LETTER.height as usize;
    if rows < 5 * high {
        return;
    }
    let pixels = ((length * scale).round() as usize).clamp(1, COLUMN / 2);
    let (row, column) = (top + rows - MARGIN - THICK, left + MARGIN);
    canvas.fill([row - 1, column - 1, THICK + 2, pixels + 2], [0; 3]);
    canvas.fill([row, column, THICK, pixels], [255; 3]);
    let small = Style { height: 10.0, ..LETTER };
    lettering::write(canvas, &words, column as f32, (row - 16) as f32, small);
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
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<(), Diagnostic> {
    fill_file(path, |out| encode(out, picture))
}

/// Writes a picture as PNG to whatever takes bytes.
///
/// # Errors
/// What that has.
pub fn encode(out: impl io::Write, picture: &RgbImage) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // By which it is known to be replaced: see `text::Form`.
    encoder.add_text_chunk("Software".into(), "lmsc".into()).map_err(io::Error::other)?;
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(&picture.rgb).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::super::palette::Colour;
    use super::*;
    use ndarray::Array3;

    const IDENTITY: Affine = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]];

    fn of<'a>(image: &'a Array3<f32>, reference: Option<&'a Array3<u8>>, prediction: &'a Array3<u8>) -> Overlay<'a> {
        Overlay {
            title: "case",
            image: image.view(),
            reference: reference.map(|r| r.view()),
            prediction: Some(prediction.view()),
            affine: IDENTITY,
            classes: &[],
            slices: Slices::Foreground,
            errors: false,
        }
    }

    /// The pixel at a part of the width and height of a panel, of square panels.
    fn at(p: &RgbImage, row: usize, column: usize, y: f64, x: f64) -> [u8; 3] {
        let inside = |part: f64| (part * COLUMN as f64) as usize;
        let (y, x) = (HEAD + TITLE + row * (COLUMN + GAP) + inside(y), GAP + column * (COLUMN + GAP) + inside(x));
        let i = 3 * (y * p.width + x);
        [p.rgb[i], p.rgb[i + 1], p.rgb[i + 2]]
    }

    #[test]
    fn a_label_is_where_it_should_be() {
        // Bright at the patient's right front top; labelled there in the prediction only.
        let corner = |(d, h, w): (usize, usize, usize)| d >= 7 && h >= 7 && w >= 7;
        let image = Array3::from_shape_fn((10, 10, 10), |p| f32::from(u8::from(corner(p))));
        let label = Array3::from_shape_fn((10, 10, 10), |p| u8::from(corner(p)));
        let none = Array3::zeros((10, 10, 10));
        let p = draw(&of(&image, Some(&none), &label)).unwrap();
        assert_eq!((p.width, p.height), (GAP + 3 * (COLUMN + GAP), HEAD + TITLE + 3 * (COLUMN + GAP) + LINE));
        let tinted = |c: [u8; 3]| c[0] != c[2];
        for row in 0..3 {
            // In every plane it is at the top left: right, front and top of the patient (front left in the sagittal one).
            assert_eq!(at(&p, row, 0, 0.1, 0.1), [255; 3], "row {row}");
            assert_eq!(at(&p, row, 0, 0.9, 0.9), [0; 3]);
            assert!(!tinted(at(&p, row, 1, 0.1, 0.1)));
            assert!(tinted(at(&p, row, 2, 0.1, 0.1)) && !tinted(at(&p, row, 2, 0.9, 0.9)));
        }
    }

    #[test]
    fn classes_have_their_own_planes_and_colours() {
        let image = Array3::from_shape_fn((10, 10, 10), |(d, _, _)| d as f32);
        // Class 1 is large and low, class 3 small and high.
        let label = Array3::from_shape_fn((10, 10, 10), |(d, h, w)| match d {
            0..=4 => 1,
            8 if h < 5 && w < 5 => 3,
            _ => 0,
        });
        let class = |place: u8, ink: [u8; 3]| Class { value: u32::from(place) + 300, place, name: "a".into(), colour: Colour(ink) };
        let classes = [class(0, [9; 3]), class(1, [0, 0, 255]), class(2, [1; 3]), class(3, [255, 0, 0])];
        let one = Overlay { classes: &classes, ..of(&image, None, &label) };
        let p = draw(&one).unwrap();
        let [r, g, b] = at(&p, 0, 1, 0.5, 0.5);
        assert!(b > r && r == g, "class 1 in its own blue");
        let each = draw(&Overlay { slices: Slices::EachClass, ..one }).unwrap();
        // Class 2 is nowhere: two groups.
        let group = LINE + 3 * (COLUMN + GAP);
        assert_eq!(each.height, HEAD + TITLE + 2 * group + LINE);
        // The axial plane of the second group, at the patient's left back: low h, low w, so right bottom.
        let below = RgbImage { rgb: each.rgb[3 * each.width * (group + LINE)..].to_vec(), ..each };
        let [r, g, b] = at(&below, 0, 1, 0.75, 0.75);
        assert!(r > g && g == b, "class 3 in its own red: {r} {g} {b}");
    }

    #[test]
    fn errors_have_a_column_and_a_legend() {
        let image = Array3::from_shape_fn((10, 10, 10), |(d, _, _)| d as f32);
        // At the patient's right there is what the prediction found alone, in the middle what both found, at the left what it missed.
        let prediction = Array3::from_shape_fn((10, 10, 10), |(_, _, w)| u8::from(w >= 3));
        let reference = Array3::from_shape_fn((10, 10, 10), |(_, _, w)| u8::from(w < 7));
        let one = Overlay { errors: true, ..of(&image, Some(&reference), &prediction) };
        let p = draw(&one).unwrap();
        assert_eq!((p.width, p.height), (GAP + 4 * (COLUMN + GAP), HEAD + TITLE + 3 * (COLUMN + GAP) + 2 * LINE));
        let around = |x: f64| (0..7).map(|n| at(&p, 0, 3, 0.5, x + f64::from(n) / COLUMN as f64)).collect::<Vec<_>>();
        let [wrong, right, missed] = [0.15, 0.5, 0.85].map(around);
        // What is wrong is hatched: some pixels of it are the image's own.
        let own = |c: &[u8; 3]| c[0] == c[1] && c[1] == c[2];
        for (hatched, sign) in [(&wrong, 1), (&missed, -1)] {
            let tinted = |c: &&[u8; 3]| (i32::from(c[0]) - i32::from(c[2])) * sign > 40;
            assert!(hatched.iter().any(own) && hatched.iter().filter(tinted).count() >= 2, "{hatched:?}");
        }
        assert!(right.iter().all(own) && right[0][0] > at(&p, 0, 0, 0.5, 0.5)[0], "{right:?}");
        assert!(draw(&Overlay { slices: Slices::EachClass, ..one }).unwrap().height > p.height);
        // Without a reference there is nothing to compare with.
        let alone = draw(&Overlay { reference: None, ..one }).unwrap();
        assert_eq!(alone.width, GAP + 2 * (COLUMN + GAP));
    }

    #[test]
    fn distances_are_true() {
        // Slices 5 mm apart, voxels of 1 mm: the coronal and the sagittal plane are as high as the axial one is wide.
        let mut affine = IDENTITY;
        affine[2][2] = 5.0;
        let (image, label) = (Array3::from_shape_fn((8, 40, 40), |(d, h, w)| (d * h + w) as f32), Array3::zeros((8, 40, 40)));
        let p = draw(&Overlay { affine, prediction: None, ..of(&image, None, &label) }).unwrap();
        assert_eq!((p.width, p.height), (GAP + COLUMN + GAP, HEAD + TITLE + 3 * (COLUMN + GAP)));
    }

    #[test]
    fn odd_shapes_are_drawn_or_refused() {
        let image = Array3::from_elem((1, 1, 200), f32::NAN);
        let label = Array3::zeros((1, 1, 200));
        let title = "a very long name of a case ".repeat(20);
        assert!(draw(&Overlay { title: &title, ..of(&image, None, &label) }).is_ok());
        assert!(draw(&Overlay { slices: Slices::EachClass, ..of(&image, None, &label) }).is_ok());
        let other = Array3::zeros((1, 1, 199));
        let wrong = of(&image, Some(&other), &label);
        assert_eq!(draw(&wrong).unwrap_err().code, Code::E0703);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write(&path, &Overlay { reference: None, ..wrong }).unwrap();
        assert!(std::fs::read(path).unwrap().starts_with(b"\x89PNG"));
    }
}
