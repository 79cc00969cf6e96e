//! What a picture says beside its panels: the classes and their colours, and how long a centimetre is.
//!
//! May use `canvas`, `errors`, `lettering` beside it.

use super::canvas::Canvas;
use super::errors::{ErrorKind, Hatch};
use super::lettering::{self, Style};

/// Height of a line of the legend, in pixels.
pub(super) const LINE: usize = 24;
/// Side of a colour, and what lies between it and its name.
const SWATCH: usize = 14;
const BESIDE: usize = 7;
/// Of a colour that is white or hatched.
const RIM: [u8; 3] = [120; 3];
/// Between a name and the next colour.
const APART: usize = 22;

/// A class in the legend; `left` from the start of its line, in pixels.
struct Entry {
    name: String,
    colour: [u8; 3],
    hatch: Hatch,
    line: usize,
    left: usize,
}

/// The classes of a picture, in lines.
pub(super) struct Legend {
    entries: Vec<Entry>,
    style: Style,
}

impl Legend {
    /// Lines of at most `width` pixels.
    pub fn new(kinds: &[ErrorKind], width: usize, style: Style) -> Self {
        let (mut line, mut left) = (0, 0);
        let mut entries = vec![];
        for ErrorKind { class, hatch } in kinds {
            // What the font has no letters for is called by its value.
            let name = if lettering::has(&class.name) { class.name.clone() } else { format!("class {}", class.value) };
            let name = lettering::cut(&name, width.saturating_sub(SWATCH + BESIDE), style.height);
            let wide = SWATCH + BESIDE + lettering::width(&name, style.height);
            if left > 0 && left + wide > width {
                (line, left) = (line + 1, 0);
            }
            entries.push(Entry { name, colour: class.colour.0, hatch: *hatch, line, left });
            left += wide + APART;
        }
        Self { entries, style }
    }

    /// Its height in pixels.
    pub fn height(&self) -> usize {
        self.entries.last().map_or(0, |e| (e.line + 1) * LINE)
    }

    /// Draws it with its left top there.
    pub fn draw(&self, canvas: &mut Canvas, top: usize, left: usize) {
        for e in &self.entries {
            let (top, left) = (top + e.line * LINE, left + e.left);
            // A rim, without which what is white would not be seen.
            canvas.fill([top + 1, left, SWATCH, SWATCH], if e.hatch == Hatch::None && e.colour != [255; 3] { e.colour } else { RIM });
            for place in (1..SWATCH - 1).flat_map(|row| (1..SWATCH - 1).map(move |column| (row, column))) {
                let ink = if e.hatch.covers(place.0, place.1) { e.colour } else { [60; 3] };
                canvas.fill([top + 1 + place.0, left + place.1, 1, 1], ink);
            }
            lettering::write(canvas, &e.name, (left + SWATCH + BESIDE) as f32, top as f32 + 2.5, self.style);
        }
    }
}

/// A round length of at most `most` mm, as a number and in words: 1, 2 or 5 times a power of ten.
pub(super) fn round_length(most: f64) -> Option<(f64, String)> {
    if !(most.is_finite() && (1e-6..1e9).contains(&most)) {
        return None;
    }
    let power = 10f64.powf(most.log10().floor());
    let length = [5.0, 2.0, 1.0].into_iter().map(|n| n * power).find(|l| *l <= most * (1.0 + 1e-9))?;
    // Three digits are enough for 0.002 and for 5000.
    let shown = (length * 1e6).round() / 1e6;
    Some((length, if shown >= 10.0 && shown % 10.0 == 0.0 { format!("{} cm", shown / 10.0) } else { format!("{shown} mm") }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Class, Colour};

    #[test]
    fn names_are_in_lines_and_fit() {
        let style = Style { height: 11.0, ink: [0; 3], rim: None };
        let class = |value: u32, name: &str| ErrorKind {
            class: Class { value, place: value as u8, name: name.into(), colour: Colour::of(value) },
            hatch: Hatch::None,
        };
        let classes = [class(2, "edema"), class(4, &"a name that is far too long for a line ".repeat(5)), class(9, "9")];
        let foreign = Legend::new(&[class(7, "脳腫瘍"), class(8, "отёк")], 650, style);
        assert_eq!(foreign.entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["class 7", "отёк"]);
        let legend = Legend::new(&classes, 650, style);
        assert_eq!(legend.entries.iter().map(|e| e.line).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(legend.entries.iter().all(|e| e.left + SWATCH + BESIDE + lettering::width(&e.name, style.height) <= 650));
        assert_eq!((legend.height(), Legend::new(&[], 650, style).height()), (3 * LINE, 0));
    }

    #[test]
    fn lengths_are_round() {
        let of = |most| round_length(most).map(|(_, words)| words);
        assert_eq!(
            [60.0, 49.0, 19.9, 10.0, 9.9, 1.0, 0.3, 0.0021].map(of).map(Option::unwrap),
            ["5 cm", "2 cm", "1 cm", "1 cm", "5 mm", "1 mm", "0.2 mm", "0.002 mm"]
        );
        assert_eq!([0.0, -1.0, f64::NAN, f64::INFINITY].map(of), [None, None, None, None]);
    }
}
