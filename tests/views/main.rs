//! The pictures of a graph and the comparison of two: what they show, and that every reader of their formats can read them.

mod difference;
mod listing;
mod verbs;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use lmsc::compile::{Program, compile};
use lmsc::read::Set;
use lmsc::show::diff::{compare, json, page, text as diff_text};
use lmsc::show::picture::{Holds, Kind, Picture, Plan, Plans, Style, View, draw, place, plans};
use lmsc::text::{Source, render};

/// A small U with a composite, a pair of parallel paths, a block of several outputs and one that passes its input on.
const SMALL: &str = r#"(
    name: "small",
    params: { "width": 4 },
    inputs: { "image": (channels: 2, size: (32, 32, 32)) },
    blocks: {
        "Stage": (
            params: { "out": Required },
            inputs: ["x", "anchors?"],
            nodes: {
                "conv": Conv3D(x: "x", out: "out"),
                "film": AnchorFiLM(x: "conv", anchors: "anchors"),
                "act": Activation(x: "film", function: silu),
            },
            output: "act",
        ),
    },
    nodes: {
        "prior": LSPM(x: "image", groups: 2),
        "down": Stage(x: "prior.features", out: "width"),
        "pool": MaxPool3D(x: "down", kernel: 2),
        "deep": Stage(x: "pool", out: "width * 2"),
        "pool2": MaxPool3D(x: "deep", kernel: 2),
        "floor": Conv3D(x: "pool2", out: "width * 2"),
        "up": UpConv3D(x: "floor", out: "width * 2"),
        "join": Concat(x: ["up", "deep"]),
        "up2": UpConv3D(x: "join", out: "width"),
        "route": TextureRouting(x: "up2", texture: "prior.texture"),
        "top": Concat(x: ["route", "down"]),
        "head": SegHead(x: "top", classes: 3),
    },
    outputs: { "logits": "head" },
)"#;

fn compiled(source: &std::sync::Arc<Source>, sets: &[&str]) -> Program {
    let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).expect("a change")).collect();
    match compile(source, &sets, None) {
        Ok(p) => p,
        Err(found) => panic!("{}", found.0.iter().map(|d| render::full(d, false, 120)).collect::<Vec<_>>().join("\n")),
    }
}

fn picture_of(text: &str) -> Picture {
    Picture::new(&compiled(&Source::new("small.ron", text), &[]), &[]).expect("it fits")
}

fn file(name: &str, sets: &[&str]) -> Picture {
    let source = Source::read(&Path::new("graphs").join(name)).expect("the graph is there");
    let set: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Picture::new(&compiled(&source, sets), &set).expect("it fits")
}

fn at(p: &Picture, path: &str) -> usize {
    p.items.iter().position(|i| i.path == path && i.kind != Kind::Operation).unwrap_or_else(|| panic!("no {path}"))
}

/// Nothing open, composites open, everything open.
fn states(p: &Picture) -> [Vec<bool>; 3] {
    [p.opened_to(1), p.opened_to(9), vec![true; p.items.len()]]
}

fn settings() -> insta::Settings {
    let mut s = insta::Settings::clone_current();
    s.set_snapshot_path("../../snapshots/views");
    s.set_prepend_module_to_snapshot(false);
    s.set_omit_expression(true);
    s
}

#[test]
fn pictures_are_as_kept() {
    let small = picture_of(SMALL);
    let light = file("lightmedseg.ron", &[]);
    settings().bind(|| {
        for (name, style) in [("text", Style::Text), ("mermaid", Style::Mermaid), ("dot", Style::Dot)] {
            insta::assert_snapshot!(format!("small.{name}"), draw(&small, &small.opened_to(1), style));
            insta::assert_snapshot!(format!("small-open.{name}"), draw(&small, &small.opened_to(2), style));
            insta::assert_snapshot!(format!("lightmedseg.{name}"), draw(&light, &light.opened_to(1), style));
        }
    });
}

#[test]
fn comparisons_are_as_kept() {
    let base = file("lightmedseg.ron", &[]);
    let small = picture_of(SMALL);
    let other = picture_of(
        &SMALL
            .replace("\"floor\": Conv3D(x: \"pool2\"", "\"floor\": GhostConv3D(x: \"pool2\"")
            .replace("x: [\"up\", \"deep\"]", "x: [\"deep\", \"up\"]"),
    );
    settings().bind(|| {
        insta::assert_snapshot!("small.diff", diff_text(&compare(&small, &other)));
        insta::assert_snapshot!("small.diff.json", json(&compare(&small, &other)));
        for name in ["no-lspm", "no-router", "standard", "literal"] {
            insta::assert_snapshot!(
                format!("lightmedseg-{name}.diff"),
                diff_text(&compare(&base, &file(&format!("lightmedseg-{name}.ron"), &[])))
            );
        }
        insta::assert_snapshot!("lightmedseg-anchors16.diff", diff_text(&compare(&base, &file("lightmedseg.ron", &["anchors=16"]))));
    });
}

#[test]
fn every_node_and_connection_is_in_the_picture() {
    let p = picture_of(SMALL);
    let paths: HashSet<&str> = p.items.iter().filter(|i| i.kind != Kind::Operation).map(|i| i.path.as_str()).collect();
    for path in ["image", "prior", "down", "down.conv", "down.film", "down.act", "deep.act", "route", "head", "logits"] {
        assert!(paths.contains(path), "{path}");
    }
    let view = View::new(&p, &p.opened_to(9));
    let lines: HashSet<(&str, &str)> = view.lines.iter().map(|l| (p.items[l.from].path.as_str(), p.items[l.to].path.as_str())).collect();
    // AnchorFiLM without anchors makes nothing, but it stands between its neighbours all the same.
    let expected = [
        ("image", "prior"),
        ("prior", "down.conv"),
        ("down.conv", "down.film"),
        ("down.film", "down.act"),
        ("down.act", "pool"),
        ("pool", "deep.conv"),
        ("deep.conv", "deep.film"),
        ("deep.film", "deep.act"),
        ("deep.act", "pool2"),
        ("pool2", "floor"),
        ("floor", "up"),
        ("up", "join"),
        ("deep.act", "join"),
        ("join", "up2"),
        ("up2", "route"),
        ("prior", "route"),
        ("route", "top"),
        ("down.act", "top"),
        ("top", "head"),
        ("head", "logits"),
    ];
    assert_eq!(lines, expected.into_iter().collect());
    assert_eq!(
        p.items[at(&p, "prior")].outputs.iter().map(|o| (o.port.as_str(), o.shape.as_str())).collect::<Vec<_>>(),
        [("texture", "1×32³"), ("features", "2×32³")]
    );
}

#[test]
fn costs_and_weights_add_up() {
    let p = file("lightmedseg.ron", &[]);
    let roots: u64 = p.roots.iter().map(|i| p.items[*i].cost.params).sum();
    assert_eq!((roots, p.total.params), (482_778, 482_778));
    let numbers: usize = p.items.iter().flat_map(|i| &i.weights).map(|(_, dims)| dims.iter().product::<usize>()).sum();
    assert_eq!(numbers, 482_778);
    for i in p.items.iter().filter(|i| !i.children.is_empty()) {
        assert_eq!(i.children.iter().map(|c| p.items[*c].cost.macs).sum::<u64>(), i.cost.macs, "{}", i.path);
    }
    let router = at(&p, "skips.router");
    assert!(
        p.items.iter().any(|i| i.parent == Some(router) && i.shares.is_some()),
        "the router's second controller uses the first one's weights"
    );
    let (name, line) = p.items[at(&p, "stem")].place.clone().expect("a place");
    let text = std::fs::read_to_string(&name).expect("the graph");
    assert!(text.lines().nth(line - 1).is_some_and(|l| l.trim_start().starts_with("\"stem\"")), "{name}:{line}");
    let field =
        |path: &str, name: &str| p.items[at(&p, path)].fields.iter().find(|f| f.name == name).map(|f| (f.text.clone(), f.value.clone()));
    assert_eq!(field("enc2", "out"), Some(("\"width * 2 ^ (i - 1)\"".into(), "16".into())));
    assert_eq!(field("enc2.ghost1", "out"), Some(("\"out\"".into(), "16".into())));
    assert_eq!(field("pool1", "kernel"), Some(("2".into(), String::new())));
}

/// Every scope's plan with the items that it lays out.
fn scopes<'a>(p: &'a Picture, all: &'a Plans) -> Vec<(&'a Plan, &'a [usize])> {
    let inside = all.inside.iter().enumerate().filter_map(|(i, plan)| Some((plan.as_ref()?, p.items[i].children.as_slice())));
    std::iter::once((&all.root, p.roots.as_slice())).chain(inside).collect()
}

#[test]
fn layouts_hold_everything_and_lead_on() {
    for p in [picture_of(SMALL), file("lightmedseg.ron", &[]), file("lightmedseg-no-router.ron", &[])] {
        let all = plans(&p);
        let wired: HashSet<(usize, usize)> = p.wires.iter().map(|w| (w.from, w.to)).collect();
        let mut met = HashSet::new();
        for (plan, items) in scopes(&p, &all) {
            let held: Vec<usize> = plan.slots.iter().filter_map(|s| if let Holds::Item(i) = s.holds { Some(i) } else { None }).collect();
            assert_eq!(held, items);
            let placed: usize = plan.rows.iter().map(Vec::len).sum();
            assert_eq!(placed, plan.slots.len());
            // The readers that each value reaches from its source, by links.
            let mut next: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
            for l in &plan.links {
                next.entry((l.from, l.value)).or_default().push(l.to);
                assert!(plan.slots[l.from].row.abs_diff(plan.slots[l.to].row) <= 1, "a link leads to a neighbouring row");
            }
            let rank: BTreeMap<usize, usize> = items.iter().copied().zip(plan.rank.iter().copied()).collect();
            for (s, slot) in plan.slots.iter().enumerate() {
                let Holds::Item(from) = slot.holds else { continue };
                for value in plan.links.iter().filter(|l| l.from == s).map(|l| l.value).collect::<HashSet<_>>() {
                    let mut ways = vec![s];
                    while let Some(at) = ways.pop() {
                        for to in next.get(&(at, value)).into_iter().flatten() {
                            match plan.slots[*to].holds {
                                Holds::Item(to) => {
                                    assert!(rank[&from] < rank[&to], "{} leads on to {}", p.items[from].path, p.items[to].path);
                                    met.insert((value, from, to));
                                }
                                Holds::Lane(v) => {
                                    assert_eq!(v, value);
                                    ways.push(*to);
                                }
                                Holds::Port { .. } => {}
                            }
                        }
                    }
                }
            }
        }
        // Each wire is met where its ends part: between the two items that stand for them in the innermost scope that has both.
        let up = |i: usize| std::iter::successors(Some(i), |i| p.items[*i].parent).collect::<Vec<_>>();
        for (from, to) in wired {
            let (a, b) = (up(from), up(to));
            let pair =
                a.iter().find_map(|x| b.iter().find(|y| p.items[*x].parent == p.items[**y].parent).map(|y| (*x, *y))).expect("they meet");
            assert!(met.contains(&(from, pair.0, pair.1)), "{} -> {}", p.items[from].path, p.items[to].path);
        }
    }
}

#[test]
fn boxes_do_not_overlap() {
    fn check(all: &Plans, plan: &Plan, placed: &lmsc::show::picture::Placed) {
        let boxes: Vec<usize> = (0..plan.slots.len()).filter(|s| matches!(plan.slots[*s].holds, Holds::Item(_))).collect();
        for (k, a) in boxes.iter().enumerate() {
            let (x, y, (w, h)) = (placed.x[*a], placed.y[*a], placed.size[*a]);
            assert!(
                x - w / 2.0 >= -0.01 && x + w / 2.0 <= placed.width + 0.01 && y - h / 2.0 >= -0.01 && y + h / 2.0 <= placed.height + 0.01
            );
            for b in &boxes[k + 1..] {
                let apart =
                    (x - placed.x[*b]).abs() >= (w + placed.size[*b].0) / 2.0 || (y - placed.y[*b]).abs() >= (h + placed.size[*b].1) / 2.0;
                assert!(apart, "{:?} and {:?}", plan.slots[*a], plan.slots[*b]);
            }
            // Nor does a line pass through a box.
            for lane in plan.rows[plan.slots[*a].row].iter().filter(|s| matches!(plan.slots[**s].holds, Holds::Lane(_))) {
                assert!((placed.x[*lane] - x).abs() > w / 2.0);
            }
        }
        for (s, inner) in &placed.inside {
            let Holds::Item(i) = plan.slots[*s].holds else { panic!("an open slot holds an item") };
            check(all, all.inside[i].as_ref().expect("it opens"), inner);
        }
    }
    for p in [picture_of(SMALL), file("lightmedseg.ron", &[]), file("lightmedseg-literal.ron", &[])] {
        let all = plans(&p);
        for open in states(&p) {
            check(&all, &all.root, &place(&p, &all, &open));
        }
    }
}

#[test]
fn a_network_that_narrows_and_widens_is_drawn_as_a_u() {
    for p in [picture_of(SMALL), file("lightmedseg.ron", &[])] {
        let all = plans(&p);
        assert!(all.root.folded, "{}", p.name);
        let side = |path: &str| all.root.slots.iter().find(|s| s.holds == Holds::Item(at(&p, path))).map(|s| s.side);
        if p.name == "lightmedseg" {
            assert_eq!(["enc1", "enc4", "bottleneck", "dec1", "head", "skips"].map(side), [0, 0, 0, 2, 2, 1].map(Some));
        }
    }
    assert!(!plans(&picture_of(&chain(50))).root.folded);
}

/// Reads XML as strictly as needed: tags nest, attributes are quoted, names and texts are escaped. Gives the attributes of each element.
fn elements(xml: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut all = vec![];
    let mut open: Vec<String> = vec![];
    let mut rest = xml;
    while let Some(i) = rest.find('<') {
        let (text, tag) = rest.split_at(i);
        assert!(!text.contains('>') || open.last().is_some_and(|o| o == "style"), "a bare > in {text:?}");
        for part in text.split('&').skip(1) {
            assert!(part.split(';').next().is_some_and(|n| ["amp", "lt", "gt", "quot", "#39"].contains(&n)), "a bare & in {text:?}");
        }
        let mut quote = false;
        let end = tag
            .find(|c| {
                if c == '"' {
                    quote = !quote
                }
                c == '>' && !quote
            })
            .expect("a tag ends");
        let inner = &tag[1..end];
        rest = &tag[end + 1..];
        if let Some(name) = inner.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let alone = inner.ends_with('/');
        let inner = inner.trim_end_matches('/');
        let (name, mut attributes) = inner.split_once(' ').unwrap_or((inner, ""));
        let mut found = BTreeMap::new();
        while !attributes.trim().is_empty() {
            let (key, value) = attributes.trim_start().split_once("=\"").expect("a quoted attribute");
            let (value, more) = value.split_once('"').expect("a closed quote");
            assert!(!value.contains('<'));
            assert!(found.insert(key.to_owned(), value.to_owned()).is_none(), "{key} stands twice");
            attributes = more;
        }
        all.push((name.to_owned(), found));
        if !alone {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?} are open");
    all
}

#[test]
fn svg_is_well_formed_and_whole() {
    for p in [picture_of(SMALL), file("lightmedseg.ron", &[])] {
        for open in states(&p) {
            let svg = draw(&p, &open, Style::Svg);
            let all = elements(&svg);
            let seen: HashSet<&str> = all.iter().filter_map(|(_, a)| a.get("data-path").map(String::as_str)).collect();
            let view = View::new(&p, &open);
            for i in &view.items {
                assert!(seen.contains(p.items[*i].path.as_str()), "{}", p.items[*i].path);
            }
            // A line ends at each reader, with a head.
            let heads: HashSet<&str> = all
                .iter()
                .filter(|(_, a)| a.get("class").is_some_and(|c| c.contains("tip")))
                .filter_map(|(_, a)| a.get("data-to").map(String::as_str))
                .collect();
            for l in &view.lines {
                assert!(heads.contains(p.items[l.to].path.as_str()), "{}", p.items[l.to].path);
            }
            let shapes: HashSet<&str> =
                svg.split("class=\"shape\"").skip(1).filter_map(|s| s.split_once('>')?.1.split('<').next()).collect();
            assert!(shapes.iter().any(|s| s.contains('³')));
        }
    }
}

#[test]
fn nothing_comes_from_the_network() {
    let p = file("lightmedseg.ron", &[]);
    let other = file("lightmedseg-literal.ron", &[]);
    for text in [draw(&p, &p.opened_to(2), Style::Svg), draw(&p, &p.opened_to(1), Style::Html), page(&p, &other, &compare(&p, &other))] {
        let without = text.replace("http://www.w3.org/2000/svg", "");
        for sign in ["http:", "https:", "src=", "@import", "url(//", "//cdn"] {
            assert!(!without.contains(sign), "{sign}");
        }
    }
}

/// The page's data, as its script reads it.
fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").expect("the data");
    serde_json::from_str(rest.split_once("</script>").expect("its end").0).expect("JSON")
}

#[test]
fn the_page_holds_everything() {
    let p = file("lightmedseg.ron", &[]);
    let html = draw(&p, &p.opened_to(1), Style::Html);
    let d = data(&html);
    assert_eq!(d["items"].as_array().map(Vec::len), Some(p.items.len()));
    assert_eq!(d["wires"].as_array().map(Vec::len), Some(p.wires.len()));
    let stem = &d["items"][at(&p, "stem")];
    assert_eq!(stem["l"], "graphs/lightmedseg.ron:".to_owned() + &p.items[at(&p, "stem")].place.as_ref().expect("a place").1.to_string());
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    // Without scripts the drawing is there all the same, well formed.
    let drawing = html
        .split_once("<g id=\"scene\">")
        .and_then(|(_, r)| r.split_once("</svg>"))
        .map(|(d, _)| format!("<g id=\"scene\">{d}"))
        .expect("a drawing");
    assert!(elements(&drawing).iter().any(|(_, a)| a.get("data-path").is_some_and(|p| p == "dec4")));
}

#[test]
fn hostile_names_stay_names() {
    let evil = "</script><script>alert(1)</script>\" onload=\"x' & <b>\u{7}\n]]> %% `#quot;";
    let p = picture_of(&SMALL.replace("name: \"small\"", &format!("name: {}", ron_text(evil))));
    assert_eq!(p.name, evil);
    elements(&draw(&p, &p.opened_to(1), Style::Svg));
    for html in [draw(&p, &p.opened_to(1), Style::Html), page(&p, &p, &compare(&p, &p))] {
        assert_eq!(html.matches("<script").count(), 2);
        assert_eq!(html.matches("</script").count(), 2);
        assert!(!html.contains("onload=\"x"));
        data(&html);
    }
    let dot = draw(&p, &p.opened_to(1), Style::Dot);
    assert_eq!(dot.lines().next().map(|l| l.replace("\\\"", "").matches('"').count()), Some(2), "one name in quotes");
    let mermaid = draw(&p, &p.opened_to(1), Style::Mermaid);
    assert_eq!(mermaid.lines().nth(2), Some("---"), "the title is one line");
}

fn ron_text(s: &str) -> String {
    format!("{s:?}")
}

fn chain(n: usize) -> String {
    let nodes: Vec<String> = (0..n)
        .map(|i| {
            format!("\"n{i}\": Activation(x: \"{}\", function: silu)", if i == 0 { "image".to_owned() } else { format!("n{}", i - 1) })
        })
        .collect();
    format!(
        "(name: \"chain\", inputs: {{\"image\": (channels: 1, size: (4, 4, 4))}}, nodes: {{{}}}, outputs: {{\"out\": \"n{}\"}})",
        nodes.join(","),
        n - 1
    )
}

/// Each node of a chain is joined with an early one, so nearly all values live for long.
fn long_skips(n: usize) -> String {
    let mut nodes = vec!["\"n0\": Activation(x: \"image\", function: silu)".to_owned()];
    nodes
        .extend((1..n).map(|i| {
            format!("\"n{i}\": Add(x: [\"n{}\", \"{}\"])", i - 1, if i < 3 { "image".to_owned() } else { format!("n{}", i / 2) })
        }));
    format!(
        "(name: \"skips\", inputs: {{\"image\": (channels: 1, size: (4, 4, 4))}}, nodes: {{{}}}, outputs: {{\"out\": \"n{}\"}})",
        nodes.join(","),
        n - 1
    )
}

#[test]
fn long_graphs_are_drawn_in_a_size_that_grows_with_them() {
    for text in [chain(10_000), long_skips(5_000)] {
        let p = picture_of(&text);
        let mut sizes = vec![];
        for style in [Style::Text, Style::Mermaid, Style::Dot, Style::Svg, Style::Html] {
            sizes.push(draw(&p, &p.opened_to(1), style).len());
        }
        assert!(sizes.iter().all(|s| *s < 1_000 * p.items.len()), "{sizes:?}");
    }
}
