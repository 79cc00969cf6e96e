//! A graph file as JSON Schema (draft 2020-12), from the same pages as the reference.
//!
//! RON is richer than JSON: the schema describes it in serde's words. `Name(a: 1)` is `{"Name": {"a": 1}}`, `(a: 1)` and `{"a": 1}` are
//! objects, lists and tuples are arrays, a bare word is a string.

use serde_json::{Map, Value, json};

use super::page::{Field, Kind, Page, functions, inits, norms};

/// The schema; `composites` adds a graph's own blocks.
pub fn schema(blocks: &[Page], composites: &[Page]) -> Value {
    let all = || blocks.iter().chain(composites);
    let mut defs = Map::new();
    let number = |what: &str| json!({"description": format!("{what}, or an expression over the parameters"), "type": [if what == "a number" { "number" } else { "integer" }, "string"]});
    defs.insert("integer".into(), number("a whole number"));
    defs.insert("number".into(), number("a number"));
    defs.insert("bool".into(), json!({"description": "true, false, or an expression over the parameters", "type": ["boolean", "string"]}));
    let each = json!({"type": "array", "items": {"$ref": "#/$defs/integer"}, "minItems": 2, "maxItems": 3});
    defs.insert(
        "triple".into(),
        json!({"description": "one for all axes, or depth, height and width; height and width of a graph in two dimensions", "anyOf": [{"$ref": "#/$defs/integer"}, each]}),
    );
    let form =
        |names: Vec<&str>| json!({"anyOf": [{"enum": names}, {"type": "object", "propertyNames": {"enum": names}, "maxProperties": 1}]});
    defs.insert("function".into(), form(functions()));
    defs.insert("norm".into(), json!({"anyOf": [form(norms()), {"$ref": "#/$defs/integer"}]}));
    defs.insert("initialisation".into(), json!({"anyOf": [form(inits()), {"$ref": "#/$defs/number"}]}));
    let reference = json!({"type": "string", "description": "a node or an input; node.port for a block with several outputs; node[2] for an entry of a list; node{last} for the last turn of a loop; a | b for the first that is there"});
    defs.insert("reference".into(), reference);
    defs.insert(
        "references".into(),
        json!({"anyOf": [{"$ref": "#/$defs/reference"}, {"type": "array", "items": {"$ref": "#/$defs/reference"}}]}),
    );
    defs.insert("parameter".into(), json!({"description": "a number, true or false, a list, a size, a norm, a function, an initialisation, a block, an expression, Required, or OneOf(...)"}));
    defs.insert("parameters".into(), json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/parameter"}}));
    for p in all() {
        defs.insert(p.name.clone(), block(p));
    }
    // A block under its name, and under the one that it had before.
    let named: Vec<(&str, &str)> =
        all().flat_map(|p| std::iter::once(p.name.as_str()).chain(p.older).map(|name| (name, p.name.as_str()))).collect();
    let one = named.iter().map(|(name, block)| json!({"type": "object", "properties": {*name: {"$ref": format!("#/$defs/{block}")}}, "required": [name], "additionalProperties": false}));
    let mut one: Vec<Value> = one.collect();
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    one.push(json!({
        "description": "a composite of this graph",
        "type": "object", "minProperties": 1, "maxProperties": 1,
        "propertyNames": {"not": {"enum": names}},
        "additionalProperties": {"type": "object"},
    }));
    defs.insert("node".into(), json!({"oneOf": one}));
    defs.insert("nodes".into(), json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}}));
    defs.insert("composite".into(), composite());
    defs.insert("claim".into(), claim());
    let mut top = graph();
    top["$defs"] = Value::Object(defs);
    top
}

fn block(p: &Page) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = vec![];
    for i in &p.inputs {
        let what = if matches!(i.arity, "many" | "any") { "references" } else { "reference" };
        properties.insert(i.name.clone(), json!({"description": i.doc, "$ref": format!("#/$defs/{what}")}));
        if !matches!(i.arity, "optional" | "any") {
            required.push(&i.name);
        }
    }
    for f in &p.fields {
        properties.insert(f.name.clone(), field(f));
        if f.required {
            required.push(&f.name);
        }
    }
    let texts = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    let described = |text: &str| {
        let mut v = texts.clone();
        v["description"] = text.into();
        v
    };
    properties.insert("for".into(), described("the node once for each value: i in 1..=4; several loops nest"));
    properties.insert("chain".into(), described("as for, and each turn feeds the input x of the next: b in 0..n"));
    properties.insert("shares".into(), json!({"type": "string", "description": "the node whose weights it uses"}));
    properties.insert("when".into(), json!({"type": ["string", "boolean"], "description": "the node is there when this holds"}));
    json!({"description": p.summary, "type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn field(f: &Field) -> Value {
    let mut v = match f.kind {
        Kind::Integers => json!({"type": "array", "items": {"$ref": "#/$defs/integer"}}),
        Kind::Sizes => json!({"type": "array", "items": {"$ref": "#/$defs/triple"}}),
        Kind::Any => json!({}),
        Kind::Integer => json!({"$ref": "#/$defs/integer"}),
        Kind::Axes => json!({"$ref": "#/$defs/triple"}),
        Kind::Number => json!({"$ref": "#/$defs/number"}),
        Kind::Bool => json!({"$ref": "#/$defs/bool"}),
        Kind::Function => json!({"$ref": "#/$defs/function"}),
        Kind::Norm => json!({"$ref": "#/$defs/norm"}),
        Kind::Init => json!({"$ref": "#/$defs/initialisation"}),
        Kind::Word => json!({"type": "string"}),
    };
    v["description"] = f.doc.clone().into();
    if let Some(d) = &f.default {
        v["default"] = d.clone();
    }
    v
}

fn composite() -> Value {
    json!({
        "type": "object",
        "properties": {
            "params": {"$ref": "#/$defs/parameters"},
            "inputs": {"type": "array", "items": {"type": "string"}, "description": "names; name? may stay unconnected, name[] takes a list"},
            "nodes": {"$ref": "#/$defs/nodes"},
            "output": {"$ref": "#/$defs/references"},
            "outputs": {"type": "object", "additionalProperties": {"$ref": "#/$defs/references"}},
            "over": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["nodes"],
        "additionalProperties": false,
    })
}

fn claim() -> Value {
    let figure = json!({"type": ["integer", "string"], "description": "exact, or as printed: 0.48M"});
    json!({
        "type": "object",
        "properties": {
            "params": figure.clone(), "macs": figure.clone(), "flops": figure.clone(), "fvcore": figure,
            "node": {"type": "string"}, "set": {"type": "object"}, "at": {"type": "array", "items": {"type": "integer"}}, "source": {"type": "string"},
        },
        "additionalProperties": false,
    })
}

/// One file of `import`, of which some is taken.
fn import() -> Value {
    json!({
        "type": "object",
        "properties": {
            "from": {"type": "string"},
            "only": {"type": "array", "items": {"type": "string"}},
            "rename": {"type": "object", "additionalProperties": {"type": "string"}},
            "set": {"type": "object"},
            "hash": {
                "anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "string"}],
                "description": "of each composite, as lmsc fmt --freeze writes it; a text is a hash of the whole file",
            },
        },
        "required": ["from"],
        "additionalProperties": false,
    })
}

fn graph() -> Value {
    let texts = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    let input = json!({
        "type": "object",
        "properties": {
            "channels": {"$ref": "#/$defs/integer"},
            "size": {"$ref": "#/$defs/triple"},
            "dims": {"$ref": "#/$defs/integer", "description": "2 where no size says it"},
        },
        "required": ["channels"], "additionalProperties": false,
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a graph of lmsc",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "source": {"type": "string", "description": "where the network is described"},
            "extends": {"type": "string", "description": "the graph to begin with"},
            "import": {"type": "array", "items": {"anyOf": [{"type": "string"}, import()]}},
            "params": {"$ref": "#/$defs/parameters"},
            "inputs": {"type": "object", "additionalProperties": input},
            "blocks": {"type": "object", "additionalProperties": {"$ref": "#/$defs/composite"}},
            "nodes": {"$ref": "#/$defs/nodes"},
            "outputs": {"type": "object", "additionalProperties": {"$ref": "#/$defs/references"}},
            "set": {"type": "object"},
            "drop": texts.clone(),
            "over": texts,
            "replace": {"type": "object", "description": "a block by another everywhere"},
            "claims": {"type": "array", "items": {"$ref": "#/$defs/claim"}},
            "lints": {"type": "object", "additionalProperties": {"enum": ["allow", "warn", "deny"]}},
        },
        "additionalProperties": false,
    })
}
