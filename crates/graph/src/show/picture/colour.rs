//! Colour by cost: one hue, ten steps, evenly spaced to the eye (OKLCH), for light and for dark pages.
//!
//! May use nothing.

/// Steps of the scale.
pub const STEPS: usize = 10;

/// The step of a share of the whole; the root spreads the small shares, which are most.
pub fn step(part: u64, whole: u64) -> usize {
    let share = part as f64 / whole.max(1) as f64;
    ((share.clamp(0.0, 1.0).sqrt() * STEPS as f64) as usize).min(STEPS - 1)
}

/// The share from which a step is reached.
pub fn from_share(step: usize) -> f64 {
    (step as f64 / STEPS as f64).powi(2)
}

/// Fill and text of a step on a light page.
pub fn light(step: usize) -> (String, &'static str) {
    let t = step as f64 / (STEPS - 1) as f64;
    (oklch(0.975 - 0.50 * t, 0.014 + 0.13 * t.powf(0.8), 252.0), if t > 0.52 { "#ffffff" } else { "#17202c" })
}

/// Fill and text of a step on a dark page.
pub fn dark(step: usize) -> (String, &'static str) {
    let t = step as f64 / (STEPS - 1) as f64;
    (oklch(0.285 + 0.47 * t, 0.018 + 0.115 * t.powf(0.8), 252.0), if t > 0.62 { "#0b1220" } else { "#e8edf5" })
}

/// A colour from lightness, chroma and hue (degrees) as `#rrggbb`, clamped to what screens show.
fn oklch(l: f64, c: f64, hue: f64) -> String {
    let (a, b) = (c * hue.to_radians().cos(), c * hue.to_radians().sin());
    let cube = |x: f64| x * x * x;
    let lc = cube(l + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
    let mc = cube(l - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
    let sc = cube(l - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
    let linear = [
        4.076_741_662_1 * lc - 3.307_711_591_3 * mc + 0.230_969_929_2 * sc,
        -1.268_438_004_6 * lc + 2.609_757_401_1 * mc - 0.341_319_396_5 * sc,
        -0.004_196_086_3 * lc - 0.703_418_614_7 * mc + 1.707_614_701_0 * sc,
    ];
    let byte = |x: f64| {
        let x = x.clamp(0.0, 1.0);
        let g = if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
        (g * 255.0).round() as u8
    };
    let [r, g, b] = linear.map(byte);
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours() {
        assert_eq!(oklch(1.0, 0.0, 0.0), "#ffffff");
        assert_eq!(oklch(0.0, 0.0, 0.0), "#000000");
        // CSS: oklch(62.8% 0.2577 29.23) is red.
        assert_eq!(oklch(0.627_955, 0.257_683, 29.2339), "#ff0000");
    }

    #[test]
    fn steps_cover_the_shares() {
        assert_eq!((step(0, 100), step(1, 100), step(25, 100), step(100, 100), step(5, 0)), (0, 1, 5, 9, 9));
        assert!((0..STEPS).all(|s| step((from_share(s) * 1e6).ceil() as u64, 1_000_000) == s));
    }
}
