//! Letters for pictures, of a font that is part of the program: DejaVu Sans with Latin, Greek and Cyrillic letters (`font/LICENSE`). What
//! it has no letter for is written as its number, `\u{8133}`.
//!
//! May use `canvas` beside it.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

use super::canvas::Canvas;

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| match FontRef::try_from_slice(include_bytes!("font/DejaVuSans-subset.ttf")) {
    Ok(font) => font,
    Err(e) => unreachable!("the font is part of the program: {e}"),
});

/// Units of the font that a capital is high.
const CAPITAL: f32 = 1493.0;
/// Pixels by which a rim goes beyond the letters.
const RIM: f32 = 1.7;

/// How a line of text is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Height of a capital in pixels.
    pub height: f32,
    pub ink: [u8; 3],
    /// A rim that keeps letters legible on any ground.
    pub rim: Option<[u8; 3]>,
}

/// Whether the font has a letter for each character.
pub(super) fn has(text: &str) -> bool {
    text.chars().all(|c| FONT.glyph_id(c).0 != 0)
}

/// The width of a text in pixels.
pub(super) fn width(text: &str, height: f32) -> usize {
    letters(text, height).last().map_or(0, |(_, left, wide)| (left + wide).ceil() as usize)
}

/// A text that is at most `most` pixels wide; what is cut off is told by `…`.
pub(super) fn cut(text: &str, most: usize, height: f32) -> String {
    if width(text, height) <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(width("…", height)) as f32;
    let mut out = String::new();
    let mut wide = 0.0;
    for c in text.chars() {
        wide += letters(c.encode_utf8(&mut [0; 4]), height).map(|(_, _, wide)| wide).sum::<f32>();
        if wide > room {
            break;
        }
        out.push(c);
    }
    out.trim_end().to_owned() + "…"
}

/// Writes a text whose capitals have their left top at `left`, `top`.
pub(super) fn write(canvas: &mut Canvas, text: &str, left: f32, top: f32, style: Style) {
    let Style { height, ink, rim } = style;
    let edge = RIM.ceil() as isize;
    // Marks stand above capitals, and descenders below the line; the rim goes around both.
    let (from, to) = ((top - height).floor() as isize - edge, (top + 2.0 * height).ceil() as isize + edge);
    let start = left.floor() as isize - 2 * edge;
    let columns = width(text, height) + 4 * edge as usize + height.ceil() as usize;
    let rows = (to - from).max(0) as usize;
    let mut cover = vec![0f32; rows * columns];
    for (glyph, x, _) in letters(text, height) {
        let Some(outline) = FONT.outline_glyph(glyph.with_scale_and_position(scale(height), point(left + x, top + height))) else {
            continue;
        };
        let bounds = outline.px_bounds();
        outline.draw(|x, y, c| {
            let (row, column) = (bounds.min.y as isize + y as isize - from, bounds.min.x as isize + x as isize - start);
            let place = usize::try_from(row).ok().zip(usize::try_from(column).ok()).filter(|(r, c)| *r < rows && *c < columns);
            if let Some(place) = place.map(|(r, c)| r * columns + c) {
                cover[place] = cover[place].max(c);
            }
        });
    }
    let mut ink_over = |ink, strength: &dyn Fn(isize, isize) -> f32| {
        for (row, column) in (0..rows as isize).flat_map(|r| (0..columns as isize).map(move |c| (r, c))) {
            if let (Ok(y), Ok(x)) = (usize::try_from(row + from), usize::try_from(column + start)) {
                canvas.blend(y, x, ink, strength(row, column).min(1.0));
            }
        }
    };
    let at = |row: isize, column: isize| {
        let inside = (0..rows as isize).contains(&row) && (0..columns as isize).contains(&column);
        if inside { cover[row as usize * columns + column as usize] } else { 0.0 }
    };
    if let Some(rim) = rim {
        let near: Vec<(isize, isize, f32)> = (-edge..=edge)
            .flat_map(|dy| (-edge..=edge).map(move |dx| (dy, dx, (RIM + 0.5 - (dy as f32).hypot(dx as f32)).clamp(0.0, 1.0))))
            .collect();
        ink_over(rim, &|row, column| near.iter().map(|(dy, dx, part)| at(row + dy, column + dx) * part).fold(0.0, f32::max));
    }
    ink_over(ink, &at);
}

/// The font's own measure for capitals of a height in pixels.
fn scale(height: f32) -> PxScale {
    PxScale::from(height / CAPITAL * FONT.height_unscaled())
}

/// The letters of a text, where each begins and how far it goes, in pixels.
fn letters(text: &str, height: f32) -> impl Iterator<Item = (GlyphId, f32, f32)> {
    let scaled = FONT.as_scaled(scale(height));
    let known = |c: char| FONT.glyph_id(c).0 != 0;
    let shown = text
        .chars()
        .flat_map(move |c| known(c).then_some(c).into_iter().chain((!known(c)).then(|| c.escape_unicode()).into_iter().flatten()));
    shown.scan(0.0, move |left, c| {
        let (glyph, start) = (FONT.glyph_id(c), *left);
        let wide = scaled.h_advance(glyph);
        *left += wide;
        Some((glyph, start, wide))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { height: 12.0, ink: [0; 3], rim: None };

    /// The dark pixels of a text.
    fn dark(text: &str) -> usize {
        let mut canvas = Canvas::new(400, 60);
        write(&mut canvas, text, 10.0, 24.0, STYLE);
        canvas.into_rgb().chunks_exact(3).filter(|p| p[0] < 128).count()
    }

    #[test]
    fn latin_greek_and_cyrillic_have_letters() {
        for text in [
            "Hemorragia, oedème, Ödem",
            "Łódź, český, şişlik",
            "όγκος του εγκεφάλου",
            "опухоль, отёк, Київ",
            "phù nề não",
            "1,5 mm³ ± 2 %, ≤ 3 µm – …",
        ] {
            assert!(has(text), "{text}");
        }
        for text in ["脳腫瘍", "ورم", "🧠", "a\u{200b}b", "a\nb"] {
            assert!(!has(text), "{text}");
        }
        let capital = FONT.outline(FONT.glyph_id('H')).unwrap().bounds;
        // The font's axis runs upwards.
        assert_eq!(capital.min.y - capital.max.y, CAPITAL);
        // A mark that follows its letter takes no room of its own.
        assert_eq!(width("oede\u{300}me", 12.0), width("oedeme", 12.0));
        assert!(dark("e\u{300}") > dark("e"));
    }

    #[test]
    fn what_has_no_letter_is_written_as_its_number() {
        assert_eq!(width("脳", 12.0), width("\\u{8133}", 12.0));
        assert_eq!(dark("脳"), dark("\\u{8133}"));
        assert_eq!((width("", 12.0), dark(""), dark(" ")), (0, 0, 0));
    }

    #[test]
    fn widths_are_those_of_the_letters() {
        assert!(width("WWWW", 12.0) > 3 * width("llll", 12.0));
        assert!(width("HH", 12.0).abs_diff(2 * width("H", 12.0)) <= 1);
        let long = "a very long name of a case ".repeat(1000);
        let short = cut(&long, 200, 12.0);
        assert!(short.ends_with('…') && (150..=200).contains(&width(&short, 12.0)), "{short}");
        assert_eq!(cut("short", 200, 12.0), "short");
        assert!(width(&cut("脳".repeat(50).as_str(), 200, 12.0), 12.0) <= 200);
    }

    #[test]
    fn ink_stays_on_the_sheet() {
        let mut canvas = Canvas::new(20, 20);
        let style = Style { rim: Some([9, 9, 9]), ..STYLE };
        write(&mut canvas, "WWWW", -5.0, -3.0, style);
        write(&mut canvas, "Ég", 15.0, 15.0, style);
        // Inside the sheet nothing is cut off: an l is a line of its height.
        assert!((12..=60).contains(&dark("l")), "{} pixels of an l", dark("l"));
    }
}
