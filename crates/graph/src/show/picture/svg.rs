//! The picture as SVG: one file without anything from outside, in the colours of a light page.
//!
//! May use `model`, `plan`, `place`, `label`, `colour`. A link is drawn from row to row, so a value's way is shared by all its readers.

use std::fmt::Write;

use super::colour;
use super::dock::Docks;
use super::label;
use super::model::{Kind, Mark, Picture};
use super::place::{HEAD, PAD, Placed, bow, closed, lines, place};
use super::plan::{Holds, Plan, Plans, plans};
use crate::show::format::mebibytes;

const FONT: &str = "Inter,'Helvetica Neue',Helvetica,Arial,sans-serif";

/// The picture with some items open, as a file of its own.
pub fn svg(p: &Picture, open: &[bool]) -> String {
    let plans = plans(p);
    let placed = place(p, &plans, open);
    let (w, h) = (f64::max(placed.width, 380.0) + 48.0, placed.height + 132.0);
    let shift = (w - placed.width) / 2.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" font-family=\"{FONT}\">\n<title>{}</title>\n<style>\n{}</style>\n",
        escape(&p.name),
        style()
    );
    let _ = writeln!(
        out,
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 .8 7.4 4 0 7.2z\"/></marker></defs>"
    );
    let _ = writeln!(
        out,
        "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n<text class=\"title\" x=\"24\" y=\"34\">{}</text>\n<text class=\"sub\" x=\"24\" y=\"52\">{}</text>",
        escape(&p.name),
        escape(&subtitle(p))
    );
    out.push_str(&body(p, &plans, &placed, open, shift, 72.0));
    legend(&mut out, p, h - 22.0);
    out + "</svg>\n"
}

/// What stands under the title.
pub fn subtitle(p: &Picture) -> String {
    let set = p.set.iter().map(|s| format!("{s} · ")).collect::<String>();
    format!(
        "{set}{} parameters · {} MACs · activations {} MiB",
        label::short(p.total.params),
        label::short(p.total.macs),
        mebibytes(p.total.activations)
    )
}

/// Boxes and links, without what surrounds them.
pub(super) fn body(p: &Picture, plans: &Plans, placed: &Placed, open: &[bool], x: f64, y: f64) -> String {
    let mut d = Pen { p, plans, open, out: String::new() };
    d.scope(&plans.root, placed, x, y);
    d.out
}

fn style() -> String {
    let mut css = String::from(
        ".paper{fill:#fff}.title{font-size:18px;font-weight:600;fill:#17202c}.sub{font-size:11.5px;fill:#5b6676}\n\
         .box{stroke:#8a97a8;stroke-width:1}.end .box{fill:#fff;stroke:#5b6676}.back{fill:#fff;stroke:#8a97a8}.frame{fill:#f4f6f9;fill-opacity:.75;stroke:#9aa6b5;stroke-dasharray:4 3}\n\
         text{fill:#17202c}.name{font-size:13.5px;font-weight:600;text-anchor:middle}.block{font-size:11px;text-anchor:middle;opacity:.85}.cost{font-size:10px;text-anchor:middle;opacity:.8}\n\
         .head{font-size:13.5px;font-weight:600}.head tspan{font-size:11px;font-weight:400;fill:#5b6676}\n\
         .link{fill:none;stroke:#6a7789;stroke-width:1.4;stroke-linecap:round}.tip{marker-end:url(#tip)}marker path{fill:#6a7789}\n\
         .shape{font-size:9.5px;fill:#4a5667;stroke:#fff;stroke-width:3px;paint-order:stroke;stroke-linejoin:round}.legend{font-size:10px;fill:#5b6676}\n\
         .added .box{stroke:#1a7f37;stroke-width:2.4}.removed .box{stroke:#c62f2f;stroke-width:2.4;stroke-dasharray:5 3}.changed .box{stroke:#b26a00;stroke-width:2.4}\n\
         .link.added{stroke:#1a7f37}.link.removed{stroke:#c62f2f;stroke-dasharray:5 3}\n",
    );
    for s in 0..colour::STEPS {
        let (fill, text) = colour::light(s);
        let _ = writeln!(css, ".c{s} .box{{fill:{fill}}}.c{s} text{{fill:{text}}}");
    }
    css
}

fn legend(out: &mut String, p: &Picture, y: f64) {
    let _ = write!(out, "<g class=\"legend\"><text x=\"24\" y=\"{:.0}\">share of MACs</text>", y + 9.0);
    for s in 0..colour::STEPS {
        let x = 104.0 + 22.0 * s as f64;
        let _ = write!(out, "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"22\" height=\"11\" fill=\"{}\"/>", colour::light(s).0);
        if s % 3 == 0 && s < 9 {
            let _ =
                write!(out, "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{:.0}%</text>", y - 4.0, 100.0 * colour::from_share(s));
        }
    }
    let _ = write!(out, "<text x=\"324\" y=\"{:.0}\" text-anchor=\"middle\">100%</text>", y - 4.0);
    if p.versus.is_some() {
        let _ = write!(out, "<text x=\"24\" y=\"{:.0}\">added: green · removed: red, dashed · changed: orange</text>", y - 20.0);
    }
    out.push_str("</g>\n");
}

/// The class of a mark.
pub fn mark(m: Mark) -> &'static str {
    match m {
        Mark::Same => "",
        Mark::Changed => " changed",
        Mark::Removed => " removed",
        Mark::Added => " added",
    }
}

struct Pen<'a> {
    p: &'a Picture,
    plans: &'a Plans,
    open: &'a [bool],
    out: String,
}

impl Pen<'_> {
    fn scope(&mut self, plan: &Plan, at: &Placed, x: f64, y: f64) {
        for (s, slot) in plan.slots.iter().enumerate() {
            if let (Holds::Item(i), Some(inner)) = (slot.holds, at.inside.get(&s)) {
                self.frame(i, x + at.x[s], y + at.y[s], at.size[s]);
                if let Some(inside) = &self.plans.inside[i] {
                    let left = x + at.x[s] - inner.width / 2.0;
                    self.scope(inside, inner, left, y + at.y[s] - at.size[s].1 / 2.0 + HEAD);
                }
            }
        }
        let docks = Docks::new(self.p, self.plans, plan, at);
        self.links(plan, at, &docks, x, y);
        for (s, slot) in plan.slots.iter().enumerate() {
            if let Holds::Item(i) = slot.holds
                && !at.inside.contains_key(&s)
            {
                self.node(i, x + at.x[s], y + at.y[s]);
            }
        }
        self.labels(plan, at, &docks, x, y);
    }

    fn frame(&mut self, i: usize, x: f64, y: f64, (w, h): (f64, f64)) {
        let item = &self.p.items[i];
        let (l, t) = (x - w / 2.0, y - h / 2.0);
        let _ = writeln!(
            self.out,
            "<g class=\"open{}\" data-path=\"{}\"><rect class=\"box frame\" x=\"{l:.1}\" y=\"{t:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"10\"/><text class=\"head\" x=\"{:.1}\" y=\"{:.1}\">{} <tspan>{}</tspan></text></g>",
            mark(item.mark),
            escape(&item.path),
            l + 12.0,
            t + 19.0,
            escape(&item.name),
            escape(&item.block)
        );
    }

    fn node(&mut self, i: usize, x: f64, y: f64) {
        let item = &self.p.items[i];
        let (w, h) = closed(item);
        let (l, t) = (x - w / 2.0, y - h / 2.0);
        let end = matches!(item.kind, Kind::Input | Kind::Output);
        let class = if end { "end".to_owned() } else { format!("c{}", colour::step(item.cost.macs, self.p.total.macs)) };
        let [name, block, cost] = lines(item).map(|s| escape(&s));
        let radius = if end { h / 2.0 } else { 7.0 };
        let _ = write!(
            self.out,
            "<g class=\"node {class}{}\" data-path=\"{}\"><title>{}</title>",
            mark(item.mark),
            escape(&item.path),
            escape(&item.path)
        );
        if item.kind == Kind::Composite {
            let _ = write!(
                self.out,
                "<rect class=\"back\" x=\"{:.1}\" y=\"{:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{radius}\"/>",
                l + 4.0,
                t - 4.0
            );
        }
        let _ = write!(
            self.out,
            "<rect class=\"box\" x=\"{l:.1}\" y=\"{t:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{radius}\"/><text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text><text class=\"block\" x=\"{x:.1}\" y=\"{:.1}\">{block}</text>",
            t + 18.0,
            t + 32.5
        );
        if !cost.is_empty() && h > 50.0 {
            let _ = write!(self.out, "<text class=\"cost\" x=\"{x:.1}\" y=\"{:.1}\">{cost}</text>", t + 48.0);
        }
        self.out.push_str("</g>\n");
    }

    fn links(&mut self, plan: &Plan, at: &Placed, docks: &Docks, x: f64, y: f64) {
        let own = |s: usize, below: bool| {
            let half = at.size[s].1 / 2.0;
            match (plan.slots[s].holds, below) {
                (Holds::Item(_), true) => at.y[s] + half,
                (Holds::Item(_), false) => at.y[s] - half,
                _ if below => at.rows[plan.slots[s].row].1,
                _ => at.rows[plan.slots[s].row].0,
            }
        };
        for (k, l) in plan.links.iter().enumerate() {
            let (a, b) = (plan.slots[l.from], plan.slots[l.to]);
            let (xa, xb) = (x + docks.leave[k], x + docks.enter[k]);
            let tip = if matches!(b.holds, Holds::Item(i) if !self.open[i] || self.plans.inside[i].is_none()) { " tip" } else { "" };
            let mut path = String::new();
            if a.row == b.row {
                self.beside(plan, at, l.from, l.to, x, y, (xa, xb), &mut path);
            } else {
                let down = a.row < b.row;
                let (start, end) = (y + own(l.from, down), y + own(l.to, !down));
                let leave = y + if down { at.rows[a.row].1 } else { at.rows[a.row].0 };
                let enter = y + if down { at.rows[b.row].0 } else { at.rows[b.row].1 };
                let middle = (leave + enter) / 2.0;
                let _ = write!(path, "M{xa:.1} {start:.1}");
                // A stretch of no length would turn the arrow's head aside.
                if (leave - start).abs() > 0.5 {
                    let _ = write!(path, "V{leave:.1}");
                }
                if (xa - xb).abs() < 0.5 {
                    let _ = write!(path, "V{enter:.1}");
                } else {
                    let _ = write!(path, "C{xa:.1} {middle:.1} {xb:.1} {middle:.1} {xb:.1} {enter:.1}");
                }
                if (end - enter).abs() > 0.5 {
                    let _ = write!(path, "V{end:.1}");
                }
                if let Holds::Lane(_) = b.holds {
                    let through = y + if down { at.rows[b.row].1 } else { at.rows[b.row].0 };
                    let _ = write!(path, "V{through:.1}");
                }
                // A port's end runs on to the border of the box around it.
                if let Holds::Port { .. } = a.holds {
                    path.insert_str(0, &format!("M{xa:.1} {:.1}V{start:.1}", if down { start - HEAD } else { start + PAD }));
                }
                if let Holds::Port { .. } = b.holds {
                    let _ = write!(path, "V{:.1}", if down { end + PAD } else { end - HEAD });
                }
            }
            let _ = writeln!(
                self.out,
                "<path class=\"link{tip}{}\" data-from=\"{}\" data-to=\"{}\" d=\"{path}\"/>",
                mark(l.mark),
                self.name(a.holds),
                self.name(b.holds)
            );
        }
    }

    /// A link within a row: straight between closed neighbours, else over what stands between.
    #[allow(clippy::too_many_arguments)]
    fn beside(&self, plan: &Plan, at: &Placed, from: usize, to: usize, x: f64, y: f64, (xa, xb): (f64, f64), path: &mut String) {
        let row = &plan.rows[plan.slots[from].row];
        let index = |s: usize| row.iter().position(|t| *t == s).unwrap_or(0);
        let right = index(to) > index(from);
        let item = |s: &usize| matches!(plan.slots[*s].holds, Holds::Item(_));
        let (lo, hi) = (index(from).min(index(to)), index(from).max(index(to)));
        let mid = y + at.y[from];
        // The value of an open box leaves and enters at its upper border, where the line inside ends.
        let opened = at.inside.contains_key(&from) || at.inside.contains_key(&to);
        if opened || row[lo + 1..hi].iter().any(item) {
            let own = |s: usize| y + at.y[s] - at.size[s].1 / 2.0;
            let top = y + at.rows[plan.slots[from].row].0;
            let over = top - bow(plan, from, to);
            // Away from the middle, where other values leave.
            let aside = |s: usize, right: bool| match at.inside.contains_key(&s) {
                true => 0.0,
                false => 0.38 * at.size[s].0 * if right { 1.0 } else { -1.0 },
            };
            let (xa, xb) = (xa + aside(from, right), xb + aside(to, !right));
            let rise = |s: usize, to: f64| if (own(s) - top).abs() > 0.5 { format!("V{to:.1}") } else { String::new() };
            let _ = write!(
                path,
                "M{xa:.1} {:.1}{}C{xa:.1} {over:.1} {xb:.1} {over:.1} {xb:.1} {top:.1}{}",
                own(from),
                rise(from, top),
                rise(to, own(to))
            );
        } else {
            let half = |s: usize| at.size[s].0 / 2.0;
            let (xa, xb) = if right {
                (x + at.x[from] + half(from), x + at.x[to] - half(to))
            } else {
                (x + at.x[from] - half(from), x + at.x[to] + half(to))
            };
            let _ = write!(path, "M{xa:.1} {mid:.1}H{xb:.1}");
        }
    }

    fn name(&self, h: Holds) -> String {
        match h {
            Holds::Item(i) => escape(&self.p.items[i].path),
            _ => String::new(),
        }
    }

    /// The shape of each value where it leaves a closed box.
    fn labels(&mut self, plan: &Plan, at: &Placed, docks: &Docks, x: f64, y: f64) {
        let leftwards = docks.leftwards(plan);
        let mut seen = std::collections::BTreeSet::new();
        for (k, l) in plan.links.iter().enumerate() {
            let Holds::Item(i) = plan.slots[l.from].holds else { continue };
            let item = &self.p.items[i];
            if at.inside.contains_key(&l.from) || item.kind == Kind::Input || !seen.insert((l.from, l.value)) {
                continue;
            }
            let Some(out) = item.outputs.iter().find(|o| o.from == l.value).or(item.outputs.first()) else { continue };
            let text = if out.port.is_empty() { out.shape.clone() } else { format!("{} {}", out.port, out.shape) };
            let (a, b) = (plan.slots[l.from].row, plan.slots[l.to].row);
            let half = at.size[l.from].1 / 2.0;
            let (lx, ly) = match a.cmp(&b) {
                std::cmp::Ordering::Less => (docks.leave[k] + 5.0, at.y[l.from] + half + 12.0),
                std::cmp::Ordering::Greater => (docks.leave[k] + 5.0, at.y[l.from] - half - 6.0),
                std::cmp::Ordering::Equal => (at.x[l.from] + at.size[l.from].0 / 2.0 + 6.0, at.y[l.from] - 5.0),
            };
            // Beside the line, on the side that it does not bend to; below a box at which what comes from above turns upwards.
            let bends = leftwards.contains(&(l.from, l.value));
            let (lx, ly, anchor) = match (a > b && docks.turns(plan, l.from), bends) {
                (true, _) => (at.x[l.from], at.y[l.from] + half + 13.0, " text-anchor=\"middle\""),
                (false, true) => (lx - 10.0, ly, " text-anchor=\"end\""),
                (false, false) => (lx, ly, ""),
            };
            let _ = writeln!(self.out, "<text class=\"shape\"{anchor} x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + lx, y + ly, escape(&text));
        }
    }
}

/// A text that may stand in XML, in an attribute too; what XML cannot hold is left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
