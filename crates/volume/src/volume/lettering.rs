//! Letters for pictures: strokes drawn with smooth edges.
//!
//! May use `canvas` beside it.

use super::canvas::Canvas;

/// Units of a capital's height; strokes are told on this grid.
const CAPITAL: f32 = 12.0;
/// Units between letters, and of a space.
const BETWEEN: f32 = 4.0;
const SPACE: f32 = 5.0;

/// How a line of text is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Height of a capital in pixels.
    pub height: f32,
    pub ink: [u8; 3],
    /// A rim that keeps letters legible on any ground.
    pub rim: Option<[u8; 3]>,
}

/// The width of a text in pixels.
pub(super) fn width(text: &str, height: f32) -> usize {
    let units: f32 = text.chars().map(|c| advance(c) + BETWEEN).sum();
    ((units - BETWEEN).max(0.0) * height / CAPITAL).ceil() as usize
}

/// Writes a text whose capitals have their left top at `left`, `top`.
pub(super) fn write(canvas: &mut Canvas, text: &str, left: f32, top: f32, style: Style) {
    let scale = style.height / CAPITAL;
    let thick = (style.height / 14.0).max(0.6);
    let passes = style.rim.map(|rim| (rim, thick + 1.2)).into_iter().chain([(style.ink, thick)]);
    for (ink, thick) in passes {
        let mut x = left;
        for c in text.chars() {
            let lines = strokes(c);
            let wide = advance(c);
            letter(canvas, &lines, [x, top], [wide * scale, style.height], scale, thick, ink);
            x += (wide + BETWEEN) * scale;
        }
    }
}

/// One letter: each pixel is inked by how much of it lies within `thick` of a line.
fn letter(canvas: &mut Canvas, lines: &[[f32; 4]], at: [f32; 2], size: [f32; 2], scale: f32, thick: f32, ink: [u8; 3]) {
    let rim = thick + 1.0;
    // Descenders reach a quarter below.
    let (rows, columns) = ((at[1] - rim, at[1] + size[1] * 1.25 + rim), (at[0] - rim, at[0] + size[0] + rim));
    for row in rows.0.floor().max(0.0) as usize..rows.1.ceil().max(0.0) as usize {
        for column in columns.0.floor().max(0.0) as usize..columns.1.ceil().max(0.0) as usize {
            let point = [column as f32 + 0.5 - at[0], row as f32 + 0.5 - at[1]];
            let near = lines.iter().map(|l| distance(point, l.map(|v| v * scale))).fold(f32::INFINITY, f32::min);
            canvas.blend(row, column, ink, (thick + 0.5 - near).clamp(0.0, 1.0));
        }
    }
}

/// From a point to a line between two.
fn distance(p: [f32; 2], line: [f32; 4]) -> f32 {
    let [ax, ay, bx, by] = line;
    let (dx, dy) = (bx - ax, by - ay);
    let long = dx * dx + dy * dy;
    let t = if long > 0.0 { (((p[0] - ax) * dx + (p[1] - ay) * dy) / long).clamp(0.0, 1.0) } else { 0.0 };
    (p[0] - ax - t * dx).hypot(p[1] - ay - t * dy)
}

/// The width of a character in units.
fn advance(c: char) -> f32 {
    if c == ' ' { SPACE } else { strokes(c).iter().flat_map(|[a, _, b, _]| [*a, *b]).fold(0.0, f32::max) }
}

/// The lines of a character, in units.
fn strokes(c: char) -> Vec<[f32; 4]> {
    let unit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as f32;
    let polyline = |text: &str| -> Vec<[f32; 4]> {
        let points: Vec<[f32; 2]> = text.as_bytes().as_chunks::<2>().0.iter().map(|p| p.map(unit)).collect();
        points.windows(2).map(|w| [w[0][0], w[0][1], w[1][0], w[1][1]]).collect()
    };
    path(c).split(' ').flat_map(polyline).collect()
}

/// Polylines of points, each a column and a row as hexadecimal digits: capitals from row 0 to row c, small letters from row 4, descenders to f.
fn path(c: char) -> &'static str {
    match c {
        ' ' => "",
        'A' => "0c408c 1878",
        'B' => "0c005071755606 56878b6c0c",
        'C' => "826020020a2c6c8a",
        'D' => "000c5c89835000",
        'E' => "80000c8c 0666",
        'F' => "80000c 0666",
        'G' => "826020020a2c6c8a8757",
        'H' => "000c 808c 0686",
        'I' => "0040 202c 0c4c",
        'J' => "606a4c2c0a",
        'K' => "000c 8007 348c",
        'L' => "000c7c",
        'M' => "0c0048808c",
        'N' => "0c008c80",
        'O' => "2060828a6c2c0a0220",
        'P' => "0c006082856707",
        'Q' => "2060828a6c2c0a0220 598c",
        'R' => "0c006082856707 478c",
        'S' => "82602002042666888a6c2c0a",
        'T' => "0080 404c",
        'U' => "000a2c6c8a80",
        'V' => "004c80",
        'W' => "002c446c80",
        'X' => "008c 800c",
        'Y' => "004680 464c",
        'Z' => "00800c8c",
        '0' => "2050727a5c2c0a0220",
        '1' => "02303c",
        '2' => "02205072740c7c",
        '3' => "02205072745636 56787a5c2c0a",
        '4' => "5c500888",
        '5' => "70000555777a5c2c0a",
        '6' => "6030040a2c5c7a77552507",
        '7' => "00702c",
        '8' => "205072745626040220 26080a2c5c7a7856",
        '9' => "1c4c787250200205275775",
        'a' => "664424060a2c4c6a 646c",
        'b' => "000c 062444666a4c2c0a",
        'c' => "664424060a2c4c6a",
        'd' => "606c 664424060a2c4c6a",
        'e' => "0868664424060a2c5c",
        'f' => "5030222c 0444",
        'g' => "664424060a2c4c6a 646d4f1f",
        'h' => "000c 062444666c",
        'i' => "040c 0001",
        'j' => "242d1f0f 2021",
        'k' => "000c 6409 276c",
        'l' => "000c",
        'm' => "040c 062434464c 466474868c",
        'n' => "040c 062444666c",
        'o' => "2444666a4c2c0a0624",
        'p' => "040f 062444666a4c2c0a",
        'q' => "646f 664424060a2c4c6a",
        'r' => "040c 062444",
        's' => "65541405071858696b5c1c0b",
        't' => "212a3c5c 0444",
        'u' => "040a2c4c6a 646c",
        'v' => "043c64",
        'w' => "042c466c84",
        'x' => "046c 640c",
        'y' => "043c 641f",
        'z' => "04640c6c",
        '-' => "0848",
        '_' => "0d6d",
        '.' => "0b0c",
        ',' => "1b0e",
        ':' => "0506 0b0c",
        '(' => "2003092c",
        ')' => "0023290c",
        '/' => "600c",
        '+' => "0868 353b",
        '=' => "0666 0a6a",
        '\'' => "0002",
        '&' => "8c1240526508190a2c5c88",
        // What has no letter here is a box.
        _ => "00606c0c00",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_has_lines_and_a_width() {
        for c in '!'..='~' {
            assert!(!strokes(c).is_empty(), "{c}");
            assert!(strokes(c).iter().flatten().all(|v| *v <= 15.0), "{c}");
        }
        assert_eq!(width("", 12.0), 0);
        assert_eq!(width("H", 12.0), 8);
        assert_eq!(width("Hl H", 12.0), 8 + 4 + 4 + 5 + 4 + 8);
    }

    #[test]
    fn ink_stays_on_the_sheet() {
        let mut canvas = Canvas::new(20, 20);
        let style = Style { height: 12.0, ink: [0; 3], rim: Some([9, 9, 9]) };
        write(&mut canvas, "WWWW", -5.0, -3.0, style);
        write(&mut canvas, "g", 15.0, 15.0, style);
        let mut fresh = Canvas::new(20, 20);
        write(&mut fresh, "l", 10.0, 4.0, Style { rim: None, ..style });
        let rgb = fresh.into_rgb();
        let dark: usize = rgb.chunks_exact(3).filter(|p| p[0] < 128).count();
        assert!((12..=40).contains(&dark), "{dark} pixels of an l");
    }
}
