//! The picture as one page: the same layout, drawn anew in the browser when a box is opened. Nothing comes from the network.
//!
//! May use `model`, `plan`, `place`, `svg`, `label`, `colour`, and the scripts and styles in `page/`.

use std::fmt::Write;

use serde_json::{Value, json};

use super::colour;
use super::label;
use super::model::{Item, Kind, Picture};
use super::place::{closed, lines, place};
use super::plan::{Holds, Plan, Plans, plans};
use super::svg::{body, escape, subtitle};

/// The page with some items open; `changes` are sentences for its panel.
pub fn html(p: &Picture, open: &[bool], changes: &[String]) -> String {
    let plans = plans(p);
    let drawn = body(p, &plans, &place(p, &plans, open), open, 24.0, 24.0);
    // `<` would end the script.
    let data = data(p, &plans, open, changes).to_string().replace('<', "\\u003c");
    let title = match &p.versus {
        Some(other) => format!("{} → {other}", p.name),
        None => p.name.clone(),
    };
    let marks = if p.versus.is_some() {
        "<span><em style=\"color:var(--added)\">added</em></span><span><em style=\"color:var(--removed)\">removed</em></span><span><em style=\"color:var(--changed)\">changed</em></span>"
    } else {
        ""
    };
    let scale: String = (0..colour::STEPS)
        .map(|s| {
            let tick = if s % 3 == 0 { format!("<b>{:.0}%</b>", 100.0 * colour::from_share(s)) } else { String::new() };
            format!("<i style=\"background:var(--f{s})\">{tick}</i>")
        })
        .collect();
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title}</title>
<link rel="icon" href="data:,"/>
<style>
{css}{colours}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{subtitle}</p>
<div class="find"><input id="search" type="search" placeholder="Search ( / )" aria-label="search for a node" autocomplete="off"/><div id="found"></div></div>
<div class="zooms"><button id="out" title="smaller (-)" aria-label="smaller">−</button> <button id="in" title="larger (+)" aria-label="larger">+</button> <button id="fit" title="all of it (0)">Fit</button> <button id="all" title="open all composites, or close them (o, c)">Open all</button> <button id="theme" title="light or dark (t)" >Theme</button></div>
</header>
<main>
<svg id="view" xmlns="http://www.w3.org/2000/svg" role="group" aria-label="{title}">
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .8 7.4 4 0 7.2z"/></marker><marker id="hot" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="11" markerHeight="11" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .8 7.4 4 0 7.2z"/></marker></defs>
<g id="scene">
{drawn}</g>
</svg>
<div class="keys"><span>share of MACs</span><span class="scale">{scale}</span>{marks}</div>
</main>
<aside id="panel" aria-live="polite"></aside>
<script type="application/json" id="data">{data}</script>
<script>
{layout}{draw}{page}</script>
</body>
</html>
"#,
        title = escape(&title),
        subtitle = escape(&subtitle(p)),
        css = include_str!("page/page.css"),
        colours = colours(),
        layout = include_str!("page/layout.js"),
        draw = include_str!("page/draw.js"),
        page = include_str!("page/page.js"),
    )
}

/// The scale for light and dark, by the system's choice unless the page's own button says otherwise.
fn colours() -> String {
    let dark = "--paper:#10151d;--ink:#e8edf5;--faint:#9aa7b8;--line:#8794a6;--edge:#5d6b7e;--frame:#1a2230;--panel:#161c26;--rule:#2a3443;--hot:#fb923c;--added:#3fb950;--removed:#f4706b;--changed:#e3a33b;color-scheme:dark;";
    let steps = |of: fn(usize) -> (String, &'static str)| -> String {
        (0..colour::STEPS).map(|s| (s, of(s))).map(|(s, (f, t))| format!("--f{s}:{f};--t{s}:{t};")).collect()
    };
    let (l, d) = (steps(colour::light), steps(colour::dark));
    let mut css = format!(
        ":root{{{l}}}\n@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}{d}}}}}\n:root[data-theme=dark]{{{dark}{d}}}\n"
    );
    for s in 0..colour::STEPS {
        let _ = writeln!(css, ".c{s} .box{{fill:var(--f{s})}}#view .c{s} text{{fill:var(--t{s})}}");
    }
    css
}

fn data(p: &Picture, plans: &Plans, open: &[bool], changes: &[String]) -> Value {
    let items: Vec<Value> = p.items.iter().enumerate().map(|(i, it)| item(p, it, plans.inside[i].as_ref())).collect();
    json!({
        "name": p.name,
        "versus": p.versus,
        "changes": changes,
        "total": [p.total.params, p.total.macs, p.total.activations],
        "open": (0..p.items.len()).filter(|i| open[*i]).collect::<Vec<_>>(),
        "items": items,
        "wires": p.wires.iter().map(|w| json!([w.from, w.to, w.port, w.mark as u8])).collect::<Vec<_>>(),
        "root": plan(&plans.root),
    })
}

/// Short keys: there may be tens of thousands of these.
fn item(p: &Picture, i: &Item, inside: Option<&Plan>) -> Value {
    let kind = match i.kind {
        Kind::Input => 0,
        Kind::Output => 1,
        Kind::Composite => 2,
        Kind::Block => 3,
        Kind::Operation => 4,
    };
    let (w, h) = closed(i);
    json!({
        "p": i.path, "n": i.name, "b": i.block, "k": kind,
        "u": i.parent.map_or(-1, |u| u as i64),
        "f": i.fields.iter().map(|f| json!([f.name, f.text, f.value])).collect::<Vec<_>>(),
        "in": i.inputs,
        "o": i.outputs.iter().map(|o| json!([o.port, o.from, o.shape, label::width(&o.port, 9.5) + label::width(&o.shape, 9.5)])).collect::<Vec<_>>(),
        "c": [i.cost.params, i.cost.macs, i.cost.activations],
        "s": colour::step(i.cost.macs, p.total.macs),
        "w": i.weights, "h": i.shares,
        "l": i.place.as_ref().map(|(file, line)| format!("{file}:{line}")),
        "m": i.mark as u8, "t": i.notes,
        "z": [w, h], "g": lines(i),
        "tw": (label::width(&i.name, 13.5) + label::width(&i.block, 11.0) + 60.0).ceil(),
        "a": inside.map(plan),
    })
}

fn plan(p: &Plan) -> Value {
    let slot = |s: &super::plan::Slot| match s.holds {
        Holds::Item(i) => json!([0, i, s.row, s.side]),
        Holds::Lane(v) => json!([1, v, s.row, s.side]),
        Holds::Port { value, enters } => json!([if enters { 2 } else { 3 }, value, s.row, s.side]),
    };
    json!({
        "s": p.slots.iter().map(slot).collect::<Vec<_>>(),
        "r": p.rows, "w": p.wish,
        "l": p.links.iter().map(|l| json!([l.from, l.to, l.value, l.mark as u8])).collect::<Vec<_>>(),
    })
}
