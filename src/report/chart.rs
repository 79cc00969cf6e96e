//! Curves over epochs as inline SVG, in the colours of the page around them; the page's script shows the values under the pointer.
//!
//! May use `html` beside it.

use std::fmt::Write;

use serde_json::json;

use super::html::escape;

/// Colours of curves; further ones are dashed.
const COLOURS: usize = 8;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 256.0;
/// Where the axes leave room for the numbers.
const LEFT: f64 = 48.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = HEIGHT - 42.0;

/// A curve: values by epoch. What is not finite is a gap.
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: String,
    /// Curves of one colour have one entry in the legend; what it says where that is not the name.
    pub legend: Option<String>,
    pub colour: usize,
    pub points: Vec<(usize, f64)>,
}

impl Curve {
    /// The curve without gaps: over what was not measured, a line leads to the next value.
    pub fn joined(mut self) -> Self {
        self.points.retain(|(_, v)| v.is_finite());
        self
    }
}

/// A chart.
#[derive(Clone, Debug, Default)]
pub struct Chart<'a> {
    pub title: &'a str,
    /// Said after the title.
    pub unit: &'a str,
    pub curves: Vec<Curve>,
    /// An epoch that is marked.
    pub best: Option<usize>,
    /// Values that the axis holds, whatever the curves do.
    pub holds: Vec<f64>,
}

impl Chart<'_> {
    /// As a figure with a legend; empty where there is nothing to draw.
    pub fn html(&self) -> String {
        let points = || self.curves.iter().flat_map(|c| &c.points).filter(|(_, v)| v.is_finite());
        if points().next().is_none() {
            return String::new();
        }
        let (first, last) = points().fold((usize::MAX, 0), |(a, b), (x, _)| (a.min(*x), b.max(*x)));
        let values = points().map(|(_, v)| *v).chain(self.holds.iter().copied());
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let ticks = ticks(least, most);
        let (low, high) = (ticks.first().copied().unwrap_or(0.0).min(least), ticks.last().copied().unwrap_or(1.0).max(most));
        let x = |epoch: f64| match last > first {
            true => LEFT + (epoch - first as f64) / (last - first) as f64 * (RIGHT - LEFT),
            false => (LEFT + RIGHT) / 2.0,
        };
        let y = |value: f64| BOTTOM - (value - low) / (high - low).max(f64::MIN_POSITIVE) * (BOTTOM - TOP);

        let mut svg = String::new();
        for t in &ticks {
            let (at, left) = (y(*t), LEFT - 6.0);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            let _ = write!(svg, "<text x=\"{left:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", at + 4.0, number(*t, &ticks));
        }
        for t in whole_ticks(first, last) {
            let anchor = if t == last && last > first { "end" } else { "middle" };
            let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{t}</text>", x(t as f64), HEIGHT - 25.0);
        }
        let middle = (LEFT + RIGHT) / 2.0;
        let _ = write!(svg, "<text class=\"axis\" x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\">epoch</text>", HEIGHT - 7.0);
        if let Some(best) = self.best.filter(|b| (first..=last).contains(b)) {
            let _ = write!(svg, "<path class=\"best\" d=\"M{:.1} {TOP}V{BOTTOM}\"/>", x(best as f64));
        }
        for c in &self.curves {
            svg.push_str(&drawn(c, |e| x(e as f64), y));
        }
        let data = json!({
            "left": LEFT, "right": RIGHT, "low": first, "high": last,
            "curves": self.curves.iter().map(|c| json!({
                "name": c.name, "c": c.colour % COLOURS,
                "x": c.points.iter().map(|p| p.0).collect::<Vec<_>>(), "y": c.points.iter().map(|p| p.1).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        });
        let unit = if self.unit.is_empty() { String::new() } else { format!(" <span>{}</span>", escape(self.unit)) };
        let legend = self.legend();
        format!(
            "<figure><figcaption>{0}{unit}</figcaption>\n\
             <svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\" data-curves=\"{1}\">{svg}\
             <line class=\"at\" y1=\"{TOP}\" y2=\"{BOTTOM}\" visibility=\"hidden\"/></svg>\n{legend}</figure>\n",
            escape(self.title),
            escape(&data.to_string())
        )
    }

    fn legend(&self) -> String {
        let mut seen = vec![];
        let mut entries = String::new();
        for c in &self.curves {
            if !seen.contains(&c.colour) {
                seen.push(c.colour);
                let _ =
                    write!(entries, "<span><i class=\"{}\"></i>{}</span>", class(c.colour), escape(c.legend.as_ref().unwrap_or(&c.name)));
            }
        }
        if seen.len() < 2 { String::new() } else { format!("<div class=\"legend\">{entries}</div>\n") }
    }
}

fn class(colour: usize) -> String {
    format!("c{}{}", colour % COLOURS, if colour >= COLOURS { " dash" } else { "" })
}

/// A curve as lines between its points, and dots where a point has no neighbour.
fn drawn(c: &Curve, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> String {
    let (mut path, mut dots) = (String::new(), String::new());
    let finite = |i: usize| c.points.get(i).is_some_and(|(_, v)| v.is_finite());
    for (i, (epoch, value)) in c.points.iter().enumerate().filter(|(_, (_, v))| v.is_finite()) {
        let before = i > 0 && finite(i - 1);
        let _ = write!(path, "{}{:.1} {:.1}", if before { "L" } else { "M" }, x(*epoch), y(*value));
        if !before && !finite(i + 1) {
            let _ = write!(dots, "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", class(c.colour), x(*epoch), y(*value));
        }
    }
    format!("<path class=\"line {}\" d=\"{path}\"/>{dots}", class(c.colour))
}

/// Three to seven round numbers around a range.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let span = match most - least {
        span if span > 0.0 => span,
        _ if least == 0.0 => 1.0,
        _ => least.abs(),
    };
    let rough = span / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|f| f * power).into_iter().find(|s| *s >= rough * 0.999).unwrap_or(power);
    let (first, last) = ((least / step).floor() as i64, (most / step).ceil() as i64);
    (first..=last.max(first + 1)).take(12).map(|i| i as f64 * step).collect()
}

/// Epochs at the axis: the first, the last, and round ones between.
fn whole_ticks(first: usize, last: usize) -> Vec<usize> {
    let span = last.saturating_sub(first);
    let step = [1, 2, 5].iter().flat_map(|f| (0..12).map(move |p| f * 10usize.pow(p))).filter(|s| span / s <= 6).min().unwrap_or(1);
    let mut all = vec![first];
    all.extend((first / step + 1..=last / step).map(|i| i * step).filter(|t| t - first >= step / 2 && last - t >= step / 2 && *t < last));
    if last > first {
        all.push(last);
    }
    all.dedup();
    all
}

/// A tick with as many digits as tell it from its neighbours.
fn number(value: f64, ticks: &[f64]) -> String {
    let step = ticks.windows(2).map(|w| w[1] - w[0]).next().unwrap_or(1.0);
    if step < 1e-3 || value.abs() >= 1e6 {
        return if value == 0.0 { "0".into() } else { format!("{value:.1e}").replace(".0e", "e") };
    }
    let digits = (0..5).find(|d| (step * 10f64.powi(*d)).fract().abs() < 1e-6 || (step * 10f64.powi(*d)).fract() > 1.0 - 1e-6).unwrap_or(4);
    format!("{value:.*}", digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_range() {
        for (least, most) in [(0.0, 1.0), (0.31, 0.87), (-3.0, 12.5), (1e-6, 2e-3), (5.0, 5.0), (0.0, 0.0), (1e9, 2e9), (0.85, 0.851)] {
            let t = ticks(least, most);
            assert!((2..=8).contains(&t.len()), "{least} {most}: {t:?}");
            assert!(t[0] <= least + 1e-12 && t[t.len() - 1] >= most - 1e-9 * most.abs(), "{least} {most}: {t:?}");
        }
        assert_eq!(ticks(0.0, 1.0), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(
            ticks(0.0, 1.0).iter().map(|t| number(*t, &ticks(0.0, 1.0))).collect::<Vec<_>>(),
            ["0.00", "0.25", "0.50", "0.75", "1.00"]
        );
        assert_eq!(number(20.0, &[0.0, 20.0]), "20");
        assert_eq!(number(1e-5, &[0.0, 1e-5]), "1e-5");
        assert_eq!(number(1.5e-3, &[1e-3, 1.5e-3]), "1.5e-3");
    }

    #[test]
    fn epochs_are_few_and_whole() {
        assert_eq!(whole_ticks(1, 1), [1]);
        assert_eq!(whole_ticks(1, 3), [1, 2, 3]);
        assert_eq!(whole_ticks(1, 30), [1, 5, 10, 15, 20, 25, 30]);
        for last in 1..2000 {
            let t = whole_ticks(1, last);
            assert!(t.len() <= 9 && t.windows(2).all(|w| w[0] < w[1]) && t[t.len() - 1] == last, "{last}: {t:?}");
        }
    }

    #[test]
    fn a_curve_has_gaps_where_nothing_is_known() {
        let points = vec![(1, 0.5), (2, f64::NAN), (3, 0.25), (4, 0.75)];
        let curve = Curve { name: "<a>".into(), legend: None, colour: 9, points };
        let html = Chart { title: "Dice", curves: vec![curve.clone()], best: Some(4), ..Chart::default() }.html();
        assert!(html.contains("<circle class=\"c1 dash\" cx=\"48.0\"") && html.matches('L').count() == 1, "{html}");
        assert!(html.contains("&quot;y&quot;:[0.5,null,0.25,0.75]") && !html.contains("<a>"), "{html}");
        assert_eq!(curve.clone().joined().points, [(1, 0.5), (3, 0.25), (4, 0.75)]);
        assert_eq!(Chart { curves: vec![Curve { points: vec![(1, f64::NAN)], ..curve }], ..Chart::default() }.html(), "");
    }
}
