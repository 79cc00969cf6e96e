//! The op graph as text and as JSON, as written and after each pass.

use lmsc::compile::{Program, passes};
use lmsc::ir::{Fact, Graph, Triple};
use lmsc::op::{Conv3d, Input, Softmax};
use lmsc::show::picture::{Picture, Style, draw};
use lmsc::show::{listing, operations, operations_text, scheduled};
use lmsc::text::Source;

use serde_json::json;

use super::{SMALL, compiled, settings};

fn small() -> Program {
    compiled(&Source::new("small.ron", SMALL), &[])
}

#[test]
fn operations_for_programs_are_those_of_the_graph() {
    let p = small();
    let all: serde_json::Value = serde_json::from_str(&operations_text(&p)).expect("JSON");
    assert_eq!(all, operations(&p));
    let each = all["ops"].as_array().expect("a list");
    assert_eq!(each.len(), p.graph.len());
    for (i, o) in each.iter().enumerate() {
        assert_eq!(o["value"].as_u64(), Some(i as u64));
        assert!(o["inputs"].as_array().expect("a list").iter().all(|j| j.as_u64() < Some(i as u64)), "an order that can be run: {o}");
    }
    let weights = each.iter().flat_map(|o| o["weights"].as_object().expect("by name").values());
    let names: Vec<&str> = weights.filter_map(|w| w["name"].as_str()).collect();
    let owned: Vec<String> = p.graph.weights().into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names, owned);
    assert_eq!(all["outputs"][0]["name"], "logits");
}

#[test]
fn weights_that_are_shared_go_by_their_owner() {
    let mut g = Graph::default();
    let x = g.input("x".into(), Input.into(), Fact::new(1, 2, [4, 4, 4]));
    let conv = Conv3d::new(2, Triple::all(3)).bias(false);
    let a = g.add("a".into(), conv.clone().into(), &[x]).expect("it fits");
    let b = g.add_shared("b".into(), conv.into(), &[a], a).expect("it fits");
    let s = g.add("s".into(), Softmax.into(), &[b]).expect("it fits");
    g.outputs.push(("y".into(), s));
    let all = operations(&Program::from_graph("two", g, vec![("x".into(), x)]));
    assert_eq!(all["ops"][2]["weights"]["weight"], json!({ "name": "a.weight", "shape": [2, 2, 3, 3, 3] }));
    assert_eq!(all["ops"][2]["op"]["Conv3d"]["kernel"], json!(3));
    assert_eq!(all["ops"][3]["op"], json!({ "Softmax": null }));
    assert_eq!((&all["ops"][3]["inputs"], &all["outputs"][0]["value"]), (&json!([2]), &json!(3)));
    assert_eq!(all["ops"][1]["macs"], 2 * 2 * 27 * 64);
}

#[test]
fn the_graph_as_it_runs_has_every_operation_once_in_its_arena() {
    let o = passes::optimise(&small()).expect("sound");
    let text = scheduled(&o).expect("it fits");
    for v in o.program.graph.values() {
        assert_eq!(text.matches(&format!("%{} {} = ", v.0, o.program.graph.node(v).path)).count(), 1, "%{}\n{text}", v.0);
    }
    settings().bind(|| insta::assert_snapshot!("small.scheduled", text));
}

#[test]
fn every_pass_can_be_looked_at() {
    let p = small();
    for pass in passes::PASSES {
        let after = passes::after(&p, pass.name).expect("a pass").expect("sound").program;
        assert!(!listing(&after).is_empty());
        let picture = Picture::new(&after, &[]).expect("it fits");
        for style in [Style::Text, Style::Mermaid, Style::Dot, Style::Svg, Style::Html] {
            assert!(draw(&picture, &vec![true; picture.items.len()], style).contains("head"), "{} as {style:?}", pass.name);
        }
    }
}
