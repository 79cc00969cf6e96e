//! One case of the phantom.
//!
//! May use `field` and `rng`.

use ndarray::{Array3, Array4, Axis};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::super::rng::{RngStream, draw};
use super::contrasts;
use super::field::{Field, Point, blur, step};

/// A made-up case.
#[derive(Clone, Debug, PartialEq)]
pub struct Phantom {
    /// `[4, D, H, W]`: t1, t1ce, t2, flair in arbitrary units; 0 outside the brain.
    pub image: Array4<f32>,
    /// `[D, H, W]`: 0 background, 1 edema, 2 core, 3 enhancing.
    pub label: Array3<u8>,
    /// mm along D, H, W.
    pub spacing: [f64; 3],
}

impl Phantom {
    /// The same case as a scanner of fewer contrasts and a reader of fewer classes give it: the innermost classes belong to what they
    /// lie in.
    #[must_use]
    pub fn reduced(self, channels: usize, classes: usize) -> Self {
        let image = self.image.select(Axis(0), &contrasts(channels));
        let most = u8::try_from(classes).unwrap_or(u8::MAX).saturating_sub(1);
        Self { image, label: self.label.mapv_into(|c| c.min(most)), ..self }
    }
}

/// Brightness in the four contrasts.
type Intensity = [f32; 4];
const WHITE: Intensity = [0.80, 0.82, 0.45, 0.50];
const GREY: Intensity = [0.58, 0.60, 0.62, 0.64];
const FLUID: Intensity = [0.20, 0.22, 0.95, 0.15];
/// Edema, core, enhancing.
const LESION: [Intensity; 3] = [[0.62, 0.64, 0.74, 0.80], [0.40, 0.46, 0.84, 0.62], [0.56, 0.96, 0.70, 0.76]];
/// Bodies that are no lesion: a cyst (bright as the core in t2 only), an old bleeding (bright in t1ce, but in t1 too), a harmless spot (a faint edema).
const OTHERS: [Intensity; 3] = [FLUID, [0.95, 0.98, 0.50, 0.56], [0.70, 0.72, 0.62, 0.70]];

/// A round body with a soft edge.
struct Blob {
    centre: Point,
    radius: f32,
    look: Intensity,
}

/// The lesion: three nested bodies with wavy surfaces.
struct Lesion {
    centres: [Point; 3],
    /// Radius along z, y, x of each body.
    radii: [Point; 3],
    waves: [[Field; 2]; 3],
    /// How far the waves reach, relative to the radius.
    depth: f32,
}

impl Lesion {
    fn draw(rng: &mut ChaCha8Rng, body: &Body) -> Self {
        let around = |rng: &mut ChaCha8Rng, from: f32, to: f32| -> f32 { rng.random_range(from..=to) };
        let centre = loop {
            let p: Point = std::array::from_fn(|_| around(rng, -0.6, 0.6));
            if body.radius(p) < 0.62 {
                break p;
            }
        };
        let size = around(rng, 0.30, 0.50);
        let edema: Point = std::array::from_fn(|_| size * around(rng, 0.8, 1.2));
        let (core, enhancing) = (around(rng, 0.62, 0.78), around(rng, 0.60, 0.78));
        let inner = |by: f32| edema.map(|r| r * by);
        let shift = |rng: &mut ChaCha8Rng, from: Point, by: f32| -> Point {
            std::array::from_fn(|a| from[a] + by * edema[a] * around(rng, -1.0, 1.0))
        };
        let second = shift(rng, centre, 0.12);
        let third = shift(rng, second, 0.08);
        Self {
            centres: [centre, second, third],
            radii: [edema, inner(core), inner(core * enhancing)],
            waves: [5usize, 7, 9].map(|cells| [Field::new(cells, rng), Field::new(2 * cells + 1, rng)]),
            depth: around(rng, 0.35, 0.60),
        }
    }

    /// 0 outside, 1 edema, 2 core, 3 enhancing: each only within the one before.
    fn class(&self, p: Point) -> u8 {
        let inside = |i: usize| {
            let (c, r) = (self.centres[i], self.radii[i]);
            let reach = (0..3).map(|a| ((p[a] - c[a]) / r[a]).powi(2)).sum::<f32>().sqrt();
            let [long, short] = &self.waves[i];
            // Far out the waves cannot matter.
            reach < 1.9 && reach + self.depth * (long.at(p) + 0.5 * short.at(p)) < 1.0
        };
        (0..3).take_while(|i| inside(*i)).count() as u8
    }
}

/// The brain: an ellipsoid with a folded surface and two ventricles.
struct Body {
    axes: Point,
    surface: Field,
    folds: Field,
    ventricle: Point,
}

impl Body {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut around = |middle: f32, by: f32| middle + rng.random_range(-by..=by);
        let axes = [around(0.80, 0.05), around(0.90, 0.04), around(0.76, 0.05)];
        let ventricle = [around(0.22, 0.05), around(0.32, 0.06), around(0.09, 0.03)];
        Self { axes, ventricle, surface: Field::new(5, rng), folds: Field::new(13, rng) }
    }

    /// 0 in the middle, 1 on the surface.
    fn radius(&self, p: Point) -> f32 {
        (0..3).map(|a| (p[a] / self.axes[a]).powi(2)).sum::<f32>().sqrt() + 0.05 * self.surface.at(p)
    }

    fn look(&self, p: Point, radius: f32) -> Intensity {
        let fold = self.folds.at(p);
        let rim = step(0.72, 0.86, radius + 0.12 * fold);
        let furrow = step(0.84, 0.95, radius) * (1.0 - step(0.05, 0.25, fold.abs()));
        let side = p[2].abs() - 0.14 - 0.1 * p[1].max(0.0);
        let [z, y, x] = self.ventricle;
        let hollow = ((p[0] / z).powi(2) + (p[1] / y).powi(2) + (side / x).powi(2)).sqrt();
        let fluid = furrow.max(1.0 - step(0.85, 1.15, hollow));
        std::array::from_fn(|m| mix(mix(WHITE[m], GREY[m], rim), FLUID[m], fluid))
    }
}

fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Makes case number `case` of the phantom of `seed`; `size` is D, H, W.
pub fn generate(size: [usize; 3], seed: u64, case: u64) -> Phantom {
    let mut rng = draw(seed, RngStream::Phantom, 0, case);
    let voxels: usize = size.iter().product();
    let body = Body::draw(&mut rng);
    let points = Points(size);
    let radii: Vec<f32> = (0..voxels).map(|n| body.radius(points.at(n))).collect();
    let (lesion, label) = lesion(&mut rng, &body, &radii, &points);
    let others = others(&mut rng, &body, &lesion);
    let jitter: [Intensity; 3] = std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(0.94..=1.06)));
    let texture = Field::new(16, &mut rng);
    let mut image = vec![0f32; 4 * voxels];
    for (n, radius) in radii.iter().copied().enumerate().filter(|(_, r)| *r < 1.05) {
        let p = points.at(n);
        let mut look = body.look(p, radius);
        for blob in &others {
            let reach = (0..3).map(|a| (p[a] - blob.centre[a]).powi(2)).sum::<f32>().sqrt() / blob.radius;
            let t = 1.0 - step(0.8, 1.2, reach);
            look = std::array::from_fn(|m| mix(look[m], blob.look[m], t));
        }
        if let Some(class) = usize::from(label[n]).checked_sub(1) {
            // Edema lets some of what it lies in shine through.
            let cover = if class == 0 { 0.85 } else { 0.95 };
            look = std::array::from_fn(|m| mix(look[m], LESION[class][m] * jitter[class][m], cover));
        }
        let grain = 1.0 + 0.05 * texture.at(p);
        (0..4).for_each(|m| image[m * voxels + n] = look[m] * grain);
    }
    for channel in image.chunks_exact_mut(voxels) {
        scan(channel, &radii, &points, &mut rng);
    }
    let [d, h, w] = size;
    let image = Array4::from_shape_fn((4, d, h, w), |(c, z, y, x)| image[((c * d + z) * h + y) * w + x]);
    let label = Array3::from_shape_fn((d, h, w), |(z, y, x)| label[(z * h + y) * w + x]);
    Phantom { image, label, spacing: [1.0; 3] }
}

/// Where voxels lie in the cube.
struct Points([usize; 3]);

impl Points {
    fn at(&self, n: usize) -> Point {
        let [d, h, w] = self.0;
        let place = |i: usize, of: usize| (i as f32 + 0.5) / of as f32 * 2.0 - 1.0;
        [place(n / (h * w), d), place(n / w % h, h), place(n % w, w)]
    }
}

/// Draws lesions until one has all its parts in the brain; the last try is taken as it is.
fn lesion(rng: &mut ChaCha8Rng, body: &Body, radii: &[f32], points: &Points) -> (Lesion, Vec<u8>) {
    let enough = (radii.len() / 5000).max(4);
    let mut tries = 0;
    loop {
        let lesion = Lesion::draw(rng, body);
        let label: Vec<u8> = radii.iter().enumerate().map(|(n, r)| if *r < 0.96 { lesion.class(points.at(n)) } else { 0 }).collect();
        tries += 1;
        let smallest = (1..=3).map(|c| label.iter().filter(|l| **l == c).count()).min().unwrap_or(0);
        if smallest >= enough || tries == 20 {
            return (lesion, label);
        }
    }
}

/// Two to five bodies that are no lesion, away from it.
fn others(rng: &mut ChaCha8Rng, body: &Body, lesion: &Lesion) -> Vec<Blob> {
    let mut blobs = vec![];
    let wanted = rng.random_range(2..=5u32);
    for _ in 0..200 {
        if blobs.len() as u32 == wanted {
            break;
        }
        let centre: Point = std::array::from_fn(|_| rng.random_range(-0.7f32..=0.7));
        let look = OTHERS[rng.random_range(0..3u32) as usize];
        let radius = rng.random_range(0.08f32..=0.16);
        let apart = (0..3).map(|a| ((centre[a] - lesion.centres[0][a]) / (lesion.radii[0][a] * 1.3 + radius)).powi(2)).sum::<f32>();
        if body.radius(centre) < 0.75 && apart > 1.0 {
            blobs.push(Blob { centre, radius, look });
        }
    }
    blobs
}

/// What a scanner adds to one contrast: soft edges, a bias field, noise, a scale of its own. Outside the brain all is 0.
fn scan(channel: &mut [f32], radii: &[f32], points: &Points, rng: &mut ChaCha8Rng) {
    blur(channel, points.0);
    let bias = Field::new(2, rng);
    let (strength, noise, unit) = (rng.random_range(0.10f32..=0.25), rng.random_range(0.02f32..=0.05), rng.random_range(200.0f32..=1500.0));
    for (n, v) in channel.iter_mut().enumerate() {
        if radii[n] >= 1.0 {
            *v = 0.0;
            continue;
        }
        let grain = normal(rng) * noise;
        // Above 0: 0 is what is not brain.
        *v = ((*v * (strength * bias.at(points.at(n))).exp() + grain) * unit).max(1.0).round();
    }
}

/// A normal number, by Box and Muller.
fn normal(rng: &mut impl Rng) -> f32 {
    let (a, b): (f32, f32) = (rng.random(), rng.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_same_each_time_and_unlike_the_others() {
        let make = |seed, case| generate([24, 28, 32], seed, case);
        assert_eq!(make(1, 0), make(1, 0));
        assert_ne!(make(1, 0).label, make(1, 1).label);
        assert_ne!(make(1, 0).label, make(2, 0).label);
    }

    #[test]
    fn every_case_has_all_classes_inside_the_brain_and_nested() {
        for case in 0..12 {
            let p = generate([32, 32, 32], 3, case);
            let count = |c: u8| p.label.iter().filter(|l| **l == c).count();
            assert!((1..=3).all(|c| count(c) >= 4), "case {case}");
            let part = (count(1) + count(2) + count(3)) as f64 / p.label.len() as f64;
            assert!((0.002..0.15).contains(&part), "case {case}: {part}");
            for ((z, y, x), l) in p.label.indexed_iter().filter(|(_, l)| **l > 0) {
                assert!((0..4).all(|m| p.image[[m, z, y, x]] > 0.0), "lesion outside the brain");
                assert!(*l <= 3);
            }
            assert!(p.image.iter().all(|v| v.is_finite() && *v >= 0.0));
        }
    }

    /// A class can be seen beside the one around it (in its best channel their means lie more than one deviation apart), but no
    /// threshold on one channel finds the smallest class.
    #[test]
    fn learnable_but_not_by_a_threshold() {
        const CASES: u64 = 6;
        let mut dice = 0.0;
        let mut apart = [0.0; 3];
        for case in 0..CASES {
            let p = generate([40, 40, 40], 11, case);
            dice += threshold_dice(&p) / CASES as f64;
            for class in 1..=3u8 {
                let seen = (0..4).map(|m| separation(&p, m, class, class - 1)).fold(0.0, f64::max);
                apart[usize::from(class) - 1] += seen / CASES as f64;
            }
        }
        assert!(dice < 0.6, "{dice}");
        assert!(apart.iter().all(|a| *a > 1.0), "{apart:?}");
    }

    /// How far apart the means of two classes lie in one channel, in deviations.
    fn separation(p: &Phantom, channel: usize, a: u8, b: u8) -> f64 {
        let moments = |class: u8| {
            let of = |((z, y, x), l): ((usize, usize, usize), &u8)| (*l == class).then(|| f64::from(p.image[[channel, z, y, x]]));
            // Class 0 within the brain.
            let v: Vec<f64> = p.label.indexed_iter().filter_map(of).filter(|v| *v > 0.0).collect();
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            (mean, v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64)
        };
        let ((m, s), (n, t)) = (moments(a), moments(b));
        (m - n).abs() / ((s + t) / 2.0).sqrt()
    }

    /// The best Dice of class 3 that one threshold on one channel reaches.
    fn threshold_dice(p: &Phantom) -> f64 {
        let mut best: f64 = 0.0;
        for channel in p.image.outer_iter() {
            let top = channel.iter().copied().fold(0.0, f32::max);
            for cut in 1..40 {
                let (mut both, mut sum) = (0, 0);
                for (v, l) in channel.iter().zip(&p.label) {
                    let found = *v > top * cut as f32 / 40.0;
                    both += u32::from(found && *l == 3);
                    sum += u32::from(found) + u32::from(*l == 3);
                }
                best = best.max(2.0 * f64::from(both) / f64::from(sum.max(1)));
            }
        }
        best
    }
}
