//! The comparison of two graphs, as text and as a page.

use std::collections::HashSet;

use lmsc::show::diff::{Comparison, FieldChange, Status, compare, page, text as diff_text};

use super::{SMALL, data, file, picture_of};

fn status<'c>(c: &'c Comparison, path: &str) -> Option<&'c Status> {
    c.nodes.iter().find(|n| n.path == path).map(|n| &n.status)
}

#[test]
fn a_graph_is_equal_to_itself_in_another_order() {
    let p = picture_of(SMALL);
    assert!(compare(&p, &p).equal);
    let head = "\"head\": SegHead(x: \"top\", classes: 3),";
    let shuffled = SMALL
        .replace(head, "")
        .replace("\"prior\": LSPM", &format!("{head} \"prior\": LSPM"))
        .replace("(x: \"image\", groups: 2)", "(groups: 2, x: \"image\")");
    assert_ne!(shuffled, SMALL);
    let c = compare(&p, &picture_of(&shuffled));
    assert!(c.equal, "{}", diff_text(&c));
}

#[test]
fn differences_are_found_where_they_are_written() {
    let a = picture_of(SMALL);
    let b = picture_of(
        &SMALL
            .replace("\"conv\": Conv3D(x: \"x\", out: \"out\")", "\"conv\": Conv3D(x: \"x\", out: \"out\", kernel: 1)")
            .replace("\"top\": Concat(x: [\"route\", \"down\"])", "\"top\": Concat(x: [\"route\", \"prior.features\"])"),
    );
    let c = compare(&a, &b);
    assert_eq!(status(&c, "down"), Some(&Status::Inside));
    assert_eq!(status(&c, "down.conv"), Some(&Status::Changed));
    assert_eq!(c.nodes.iter().find(|n| n.path == "deep").and_then(|n| n.same_as.clone()), Some("down".into()));
    assert_eq!(status(&c, "deep.conv"), None, "told once");
    let top = c.nodes.iter().find(|n| n.path == "top").expect("top");
    assert_eq!(top.inputs[0].sentence(), "x: route, down → route, prior.features");
    assert_eq!(top.output, ["8×32³", "6×32³"]);
    assert_eq!(status(&c, "head"), Some(&Status::Affected), "its channels follow");
    assert_eq!(status(&c, "pool"), None);
    // Differences of the parts are those of the whole.
    let lines: i128 = c.nodes.iter().filter(|n| n.depth == 0).map(|n| i128::from(n.params[1]) - i128::from(n.params[0])).sum();
    assert_eq!(lines, i128::from(b.total.params) - i128::from(a.total.params));
}

#[test]
fn what_differs_in_values_is_not_as_in_another() {
    let text = |r: &str| {
        format!(
            r#"(
    params: {{ "r": {r} }},
    inputs: {{ "image": (channels: 4, size: (8, 8, 8)) }},
    blocks: {{
        "B": (params: {{ "rate": Required }}, inputs: ["x"], output: "d | c", nodes: {{
            "c": Conv(x: "x", out: 4),
            "d": Dropout(when: "rate > 0", x: "c", rate: "rate"),
        }}),
        "S": (params: {{ "k": Required }}, inputs: ["x"], output: "b", nodes: {{ "b": B(x: "x", rate: "r * k") }}),
    }},
    nodes: {{ "s{{i}}": S(chain: "i in 0..3", x: "image", k: "max(i, 1)"), "h": SegHead(x: "s{{last}}", classes: 2) }},
    outputs: {{ "logits": "h" }},
)"#
        )
    };
    let c = compare(&picture_of(&text("0.0")), &picture_of(&text("0.125")));
    let of = |path: &str| c.nodes.iter().find(|n| n.path == path);
    let same = |path: &str| of(path).and_then(|n| n.same_as.as_deref());
    assert_eq!([same("s0"), same("s1"), same("s2")], [None, Some("s0"), Some("s0")], "{}", diff_text(&c));
    let but = |path: &str| of(path).map(|n| n.but.iter().map(FieldChange::sentence).collect::<Vec<_>>());
    assert_eq!((but("s1"), but("s2")), (Some(vec![]), Some(vec!["b.rate: 0.0 → 0.25".to_owned()])));
    assert!(diff_text(&c).contains("    inside, as in s0, but\n      b.rate: 0.0 → 0.25\n"), "{}", diff_text(&c));
}

#[test]
fn the_page_of_a_difference_has_both_graphs() {
    let a = file("lightmedseg.ron", &[]);
    let b = file("lightmedseg-no-router.ron", &[]);
    let d = data(&page(&a, &b, &compare(&a, &b)));
    let items = d["items"].as_array().expect("items");
    let mark = |path: &str| items.iter().find(|i| i["p"] == path && i["k"] != 4).map(|i| i["m"].as_u64());
    assert_eq!(["skips.router", "skips.s1", "skips", "enc1"].map(mark), [Some(Some(2)), Some(Some(3)), Some(Some(1)), Some(Some(0))]);
    let skips = items.iter().position(|i| i["p"] == "skips").expect("skips");
    assert_eq!(d["open"], serde_json::json!([skips]), "opened where it differs");
    let marks: HashSet<u64> = d["wires"].as_array().expect("wires").iter().filter_map(|w| w[3].as_u64()).collect();
    assert_eq!(marks, HashSet::from([0, 2, 3]));
}
