//! A sheet of pixels.
//!
//! Depends on nothing of this crate.

/// A white sheet.
pub(super) struct Canvas {
    width: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, rgb: vec![255; 3 * width * height] }
    }

    /// `place`: top, left, rows, columns.
    pub fn fill(&mut self, place: [usize; 4], ink: [u8; 3]) {
        let [top, left, rows, columns] = place;
        for row in top..top + rows {
            let start = 3 * (row * self.width + left);
            self.rgb[start..start + 3 * columns].as_chunks_mut::<3>().0.fill(ink);
        }
    }

    /// Puts rows of `columns` pixels.
    pub fn put(&mut self, top: usize, left: usize, columns: usize, pixels: &[[f32; 3]]) {
        for (row, line) in pixels.chunks_exact(columns).enumerate() {
            let start = 3 * ((top + row) * self.width + left);
            for (to, from) in self.rgb[start..].iter_mut().zip(line.iter().flatten()) {
                *to = from.round() as u8;
            }
        }
    }

    /// Covers a part (0 to 1) of a pixel; nothing happens outside of the sheet.
    pub fn blend(&mut self, row: usize, column: usize, ink: [u8; 3], cover: f32) {
        if column >= self.width || cover <= 0.0 {
            return;
        }
        let start = 3 * (row * self.width + column);
        let Some(pixel) = self.rgb.get_mut(start..start + 3) else { return };
        for (to, ink) in pixel.iter_mut().zip(ink) {
            *to = (f32::from(*to) + (f32::from(ink) - f32::from(*to)) * cover).round() as u8;
        }
    }

    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}
