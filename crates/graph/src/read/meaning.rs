//! From a tree to the graph that it means; everything that is missing, unknown or of the wrong form is told at once.
//!
//! May use `graph`, `reference`, `claim`, `turns`, `budget` beside it and `text`.

use std::collections::{HashMap, HashSet};

use super::budget::{CHANGES, NAME, PARAMETERS, PORTS, at_most};
use super::claim::Claim;
use super::expr::{is_name, used};
use super::graph::{Changes, Composite, Dropped, GraphText, InputText, NodeText, OutputText, Param, PortText, Whole};
use super::habit;
use super::parameter::class;
use super::reference::Reference;
use super::slip::meant;
use super::syntax::first_input;
use super::tree::{Entry, Kind, Tree};
use super::turns::variables;
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, printable, suggestion};

fn wrong(tree: &Tree, expected: &str) -> Diagnostic {
    Diagnostic::error(Code::E0104, format!("{expected} is expected, but {} is given", tree.what()))
        .at(tree.place.clone(), "here")
        .echo(tree.kind == Kind::Fault)
}

const FIELDS: &[&str] = &[
    "name", "source", "extends", "import", "params", "inputs", "blocks", "nodes", "outputs", "set", "drop", "over", "replace", "claims",
    "lints",
];
const COMPOSITE_FIELDS: &[&str] = &["params", "inputs", "nodes", "output", "outputs", "over"];
const INPUT_FIELDS: &[&str] = &["channels", "size", "dims"];

/// Gives a tree its meaning.
///
/// # Errors
/// Everything that is missing, unknown or of the wrong form, at once.
pub fn graph(tree: &Tree) -> Result<GraphText> {
    let (mut g, mut found) = meaning(tree)?;
    found.0.append(&mut g.unread.0);
    found.or(g)
}

/// The meaning of a tree as far as it has one, and everything that is missing, unknown or of the wrong form; what is wrong with claims is in
/// [`GraphText::unread`].
///
/// # Errors
/// When the tree is not a group of fields.
pub fn meaning(tree: &Tree) -> Result<(GraphText, Diagnostics)> {
    let mut r = Reader { found: Diagnostics::default() };
    let Some(top) = tree.entries() else {
        return Err(wrong(tree, "a group of fields, `(name: ..., nodes: {...})`,").help("put the whole graph in parentheses").into());
    };
    r.known(top, FIELDS);
    let name = match tree.get("name") {
        Some(Tree { kind: Kind::Str(s), .. }) => s.clone(),
        Some(t) => {
            r.found.push(wrong(t, "a name in quotes").help("write `name: \"small\"`"));
            String::new()
        }
        None => tree.place.source.name.rsplit(['/', '\\']).next().unwrap_or_default().trim_end_matches(".ron").to_owned(),
    };
    let mut dropped: Vec<(String, Place)> = vec![];
    if let Some(t) = tree.get("drop") {
        let all = Reference::all(t, &mut r.found).into_iter().filter(|d| !d.faulty);
        dropped.extend(all.map(|d| (d.text.trim().to_owned(), d.place)));
    }
    let is_map = |key: &str| tree.get(key).is_some_and(|t| t.entries().is_some());
    let slip = |e: &Entry| e.key != "params" && meant(e, top, FIELDS) == Some("params");
    let whole = Whole {
        params: if tree.get("params").is_some() { is_map("params") } else { !top.iter().any(slip) },
        nodes: is_map("nodes") && is_map("inputs"),
        outputs: is_map("outputs"),
        blocks: tree.get("blocks").is_none() || is_map("blocks"),
    };
    let inputs = r.few(tree, "inputs", PORTS).into_iter().map(|e| r.input(e)).collect();
    let mut blocks: Vec<Composite> = r.map(tree, "blocks", false).into_iter().map(|e| r.composite(e)).collect();
    let mut nodes = r.nodes(tree);
    let mut outputs = r.outputs(tree);
    let mut changes = Changes { over: r.over(tree), ..Changes::default() };
    let mut own: Vec<(String, Place)> = vec![];
    for (text, place) in dropped {
        match text.split_once('.') {
            Some(("outputs", name)) if outputs.iter().any(|o| o.name == name) => outputs.retain(|o| o.name != name),
            Some((block, node)) if blocks.iter().any(|c| c.name == block) => {
                if let Some(c) = blocks.iter_mut().find(|c| c.name == block) {
                    r.drop(vec![(node.to_owned(), place)], &mut c.nodes, &mut c.changes, c.names);
                }
            }
            _ => own.push((text, place)),
        }
    }
    r.drop(own, &mut nodes, &mut changes, whole.nodes);
    for e in tree.get("set").and_then(Tree::entries).unwrap_or_default().iter().take(CHANGES) {
        let field = |name: &str| Entry { key: name.to_owned(), key_place: e.key_place.clone(), value: e.value.clone() };
        match e.key.split('.').collect::<Vec<_>>().as_slice() {
            [node, name] => changes.turns.push(((*node).to_owned(), field(name))),
            [block, node, name] => {
                let c = blocks.iter_mut().find(|c| c.name == *block);
                c.into_iter().for_each(|c| c.changes.turns.push(((*node).to_owned(), field(name))));
            }
            _ => {}
        }
    }
    let mut claims = Reader { found: Diagnostics::default() };
    let g = GraphText {
        name,
        params: r.params(tree),
        inputs,
        blocks,
        nodes,
        outputs,
        changes,
        claims: claims.claims(tree),
        unread: claims.found,
        lints: r.lints(tree),
        place: tree.place.clone(),
        whole,
    };
    Ok((g, r.found))
}

/// The names in expressions of a composite that are no parameters, inputs, nodes or loop variables of its own.
fn free(params: &[Param], inputs: &[PortText], nodes: &[NodeText], outputs: &[OutputText]) -> HashMap<String, Place> {
    let own: HashSet<&str> = params
        .iter()
        .map(|p| p.name.as_str())
        .chain(inputs.iter().map(|i| i.name.as_str()))
        .chain(nodes.iter().map(|n| n.id.as_str()))
        .collect();
    let mut all = HashMap::new();
    let mut add = |text: &str, place: &Place, locals: &[String]| {
        let holes = text.split('{').skip(1).filter_map(|part| part.split('}').next());
        for name in holes.chain([text]).flat_map(used) {
            if !own.contains(name) && locals.iter().all(|l| l != name) && name != "last" {
                all.entry(name.to_owned()).or_insert_with(|| place.clone());
            }
        }
    };
    for p in params {
        each_text(&p.value, &mut |s, place| add(s, place, &[]));
    }
    for n in nodes {
        let locals = variables(n);
        add(&n.id, &n.id_place, &locals);
        add(&n.block, &n.block_place, &locals);
        for e in &n.entries {
            each_text(&e.value, &mut |s, place| {
                let list = s.split_once(" in ").filter(|_| matches!(e.key.as_str(), "for" | "chain"));
                add(list.map_or(s, |(_, list)| list), place, &locals);
            });
        }
    }
    outputs.iter().flat_map(|o| &o.from).for_each(|r| add(&r.text, &r.place, &[]));
    all
}

/// Every text of a value.
fn each_text(tree: &Tree, f: &mut dyn FnMut(&str, &Place)) {
    match &tree.kind {
        Kind::Str(s) => f(s, &tree.place),
        Kind::List(items) | Kind::Tuple(_, items) => items.iter().for_each(|t| each_text(t, f)),
        Kind::Struct(_, e) | Kind::Map(e) => e.iter().for_each(|e| each_text(&e.value, f)),
        _ => {}
    }
}

struct Reader {
    found: Diagnostics,
}

impl Reader {
    fn known(&mut self, entries: &[Entry], names: &[&str]) {
        for e in entries.iter().filter(|e| !names.contains(&e.key.as_str())) {
            let d = Diagnostic::error(Code::E0107, format!("there is no field `{}` here", printable(&e.key)));
            let help = match meant(e, entries, names) {
                Some(field) => format!("did you mean `{field}`?"),
                None => suggestion(&e.key, names.iter().copied(), "fields"),
            };
            self.found.push(d.at(e.key_place.clone(), "here").help(help));
        }
    }

    fn map<'t>(&mut self, tree: &'t Tree, key: &str, required: bool) -> Vec<&'t Entry> {
        let Some(t) = tree.get(key) else {
            if required {
                let start = tree.place.span.start;
                let place = Place::new(&tree.place.source, crate::text::Span::new(start, start + 1));
                let d = Diagnostic::error(Code::E0106, format!("the field `{key}` is missing")).at(place, "in these parentheses");
                // A field that was meant to be this one was told.
                let known = |e: &Entry| FIELDS.contains(&e.key.as_str()) || COMPOSITE_FIELDS.contains(&e.key.as_str());
                let all = tree.entries().unwrap_or_default();
                let names: &[&str] = if key == "outputs" { &["output", "outputs"] } else { &[key] };
                let slip = all.iter().any(|e| !known(e) && meant(e, all, names).is_some());
                self.found.push(d.help(format!("add `{key}: {{ ... }}`")).echo(slip));
            }
            return vec![];
        };
        let Some(entries) = t.entries() else {
            self.found.push(wrong(t, "a map, `{\"name\": ...}`,").help(format!("write `{key}: {{ \"name\": ... }}`")));
            return vec![];
        };
        for e in entries {
            if !(is_name(&e.key) || key == "nodes" && e.key.contains('{')) || e.key.chars().count() > NAME {
                let d = Diagnostic::error(Code::E0109, format!("`{}` cannot be a name", printable(&e.key))).at(e.key_place.clone(), "here");
                self.found.push(d.help("a name has letters, digits and `_`, begins with a letter, and is at most 64 long"));
            }
        }
        entries.iter().collect()
    }

    /// The entries of a map that must be there and may have `most` of them.
    fn few<'t>(&mut self, tree: &'t Tree, key: &str, most: usize) -> Vec<&'t Entry> {
        let mut all = self.map(tree, key, true);
        if let Some(e) = all.get(most) {
            self.found.keep(at_most(most, all.len(), &format!("entries of `{key}`"), &e.key_place));
            all.truncate(most);
        }
        all
    }

    fn params(&mut self, tree: &Tree) -> Vec<Param> {
        let all = if tree.get("params").is_some() { self.few(tree, "params", PARAMETERS) } else { vec![] };
        all.into_iter().map(|e| Param { name: e.key.clone(), place: e.key_place.clone(), value: e.value.clone() }).collect()
    }

    fn input(&mut self, e: &Entry) -> InputText {
        let fields = e.value.entries().unwrap_or_default();
        self.known(fields, INPUT_FIELDS);
        let channels = e.value.get("channels");
        if channels.is_none() {
            let meant = fields.iter().any(|f| !INPUT_FIELDS.contains(&f.key.as_str()) && meant(f, fields, &["channels"]).is_some());
            let d = Diagnostic::error(Code::E0106, format!("the input `{}` does not say its channels", printable(&e.key)));
            let fault = meant || e.value.kind == Kind::Fault;
            self.found.push(d.at(e.value.place.clone(), "here").help("write `(channels: 4)`").echo(fault));
        }
        let field = |name: &str| e.value.get(name).cloned();
        InputText { name: e.key.clone(), place: e.key_place.clone(), channels: field("channels"), size: field("size"), dims: field("dims") }
    }

    fn nodes(&mut self, tree: &Tree) -> Vec<NodeText> {
        self.map(tree, "nodes", true).into_iter().map(|e| self.node(e)).collect()
    }

    fn node(&mut self, e: &Entry) -> NodeText {
        let mut faulty = true;
        let entries = match (e.value.name(), e.value.entries()) {
            (Some(_), Some(entries)) => {
                faulty = false;
                entries.to_vec()
            }
            (Some(name), None) if matches!(e.value.kind, Kind::Word(_)) => {
                self.found.push(wrong(&e.value, "a block with its inputs").help(format!("write `{name}(x: \"...\")`")));
                vec![]
            }
            _ => {
                let d = wrong(&e.value, "a block with its inputs and fields");
                let first = if let Kind::Tuple(Some(block), items) = &e.value.kind { items.first().map(|t| (block, t)) } else { None };
                let help = match first {
                    Some((block, t)) => format!("name each input and field: `{block}({}: {}, ...)`", first_input(block), t.on_a_line()),
                    None => "write `Block(x: \"node\", field: value)`".to_owned(),
                };
                self.found.push(d.help(help));
                vec![]
            }
        };
        NodeText {
            id: e.key.clone(),
            id_place: e.key_place.clone(),
            // Of what is no block nothing further is said.
            block: e.value.name().filter(|_| !faulty).unwrap_or_default().to_owned(),
            block_place: e.value.name_place(),
            entries,
            locals: vec![],
            weight: e.key.len() + e.value.weight(),
            faulty,
            chained: None,
            form: None,
            shares: None,
        }
    }

    fn outputs(&mut self, tree: &Tree) -> Vec<OutputText> {
        let all = self.few(tree, "outputs", PORTS);
        all.into_iter().map(|e| OutputText::read(&e.key, &e.key_place, &e.value, &mut self.found)).collect()
    }

    fn over(&mut self, tree: &Tree) -> Vec<String> {
        let Some(t) = tree.get("over") else { return vec![] };
        let all = Reference::all(t, &mut self.found);
        self.found.keep(at_most(CHANGES, all.len(), "nodes in `over`", &t.place));
        all.into_iter().filter(|r| !r.faulty).take(CHANGES).map(|r| r.text).collect()
    }

    /// Leaves out nodes, or notes that turns of loops are to be.
    fn drop(&mut self, names: Vec<(String, Place)>, nodes: &mut Vec<NodeText>, changes: &mut Changes, whole: bool) {
        let there: HashSet<&str> = nodes.iter().map(|n| n.id.as_str()).collect();
        let loops = nodes.iter().any(|n| n.id.contains('{'));
        let mut unknown = 0;
        for (name, place) in names {
            let entry = there.contains(name.as_str());
            if entry || loops {
                changes.dropped.push(Dropped { name, place, entry });
            } else if unknown < CHANGES {
                unknown += 1;
                let help = suggestion(&name, nodes.iter().map(|n| n.id.as_str()), "nodes");
                let d = Diagnostic::error(Code::E0202, format!("there is no node `{}` to drop", printable(&name)));
                self.found.push(d.at(place, "dropped here").help(help).echo(!whole));
            }
        }
        let gone: HashSet<&str> = changes.dropped.iter().map(|d| d.name.as_str()).collect();
        nodes.retain(|n| !gone.contains(n.id.as_str()));
    }

    fn claims(&mut self, tree: &Tree) -> Vec<Claim> {
        match tree.get("claims") {
            None => vec![],
            Some(Tree { kind: Kind::List(items), place }) => {
                self.found.keep(at_most(CHANGES, items.len(), "claims", place));
                items.iter().take(CHANGES).filter_map(|t| self.found.keep(Claim::read(t))).collect()
            }
            Some(t) => {
                self.found.push(wrong(t, "a list of claims, `[(params: 482778), ...]`,").help("put it in square brackets"));
                vec![]
            }
        }
    }

    fn lints(&mut self, tree: &Tree) -> Vec<(String, Place, String)> {
        let mut all = vec![];
        for e in self.map(tree, "lints", false) {
            match &e.value.kind {
                Kind::Word(level) if matches!(level.as_str(), "allow" | "warn" | "deny") => {
                    all.push((e.key.clone(), e.key_place.clone(), level.clone()))
                }
                _ => self.found.push(wrong(&e.value, "`allow`, `warn` or `deny`").help("write `lints: { \"W0302\": allow }`")),
            }
        }
        all
    }

    fn composite(&mut self, e: &Entry) -> Composite {
        let fields = e.value.entries().filter(|_| e.value.name().is_none());
        if fields.is_none() {
            let d = wrong(&e.value, "a composite, `(inputs: [...], nodes: {...}, output: \"...\")`,");
            self.found.push(d.help("`blocks` defines composites; the nodes of the graph stand in `nodes`"));
        }
        self.known(fields.unwrap_or_default(), COMPOSITE_FIELDS);
        let slip = |e: &Entry, all: &[Entry]| !COMPOSITE_FIELDS.contains(&e.key.as_str()) && meant(e, all, COMPOSITE_FIELDS).is_some();
        let slips = fields.is_none_or(|all| all.iter().any(|e| slip(e, all)));
        let before = self.found.0.len();
        let empty = Tree { kind: Kind::Struct(None, vec![]), place: e.value.place.clone() };
        let tree = if fields.is_some() { &e.value } else { &empty };
        let mut inputs = vec![];
        if let Some(t) = tree.get("inputs") {
            for r in Reference::all(t, &mut self.found).into_iter().filter(|r| !r.faulty) {
                let text = r.text.trim();
                let one = text.trim_end_matches('?');
                let name = one.strip_suffix("[]").unwrap_or(one);
                if !is_name(name) {
                    let bare = name.trim_end_matches(['?', '[', ']']);
                    let help = match is_name(bare) {
                        true => format!(
                            "write \"{bare}[]?\" for a list that may be empty, \"{bare}[]\" for one that may not, \"{bare}?\" for one or none"
                        ),
                        false => {
                            "a name has letters, digits and `_`, and begins with a letter; `?` behind it: one or none; `[]`: a list".into()
                        }
                    };
                    let d = Diagnostic::error(Code::E0109, format!("`{}` cannot be the name of an input", printable(text)));
                    self.found.push(d.at(r.place.clone(), "here").help(help));
                    continue;
                }
                inputs.push(PortText { name: name.to_owned(), optional: one != text, list: name != one, place: r.place });
            }
        }
        if let Some(p) = inputs.get(PORTS) {
            self.found.keep(at_most(PORTS, inputs.len(), "inputs of a composite", &p.place));
            inputs.truncate(PORTS);
        }
        let named = self.found.0.len() == before;
        let params = self.params(tree);
        for p in &params {
            if let Kind::Word(w) = &p.value.kind
                && w != "Required"
                && class(&p.value).is_none()
            {
                let forms = || "write `Required`, `8`, `\"out / 2\"`, `relu` or `OneOf(silu, relu)`".to_owned();
                self.found.push(wrong(&p.value, "a value, or `Required`,").help(habit::word(w, true, false).unwrap_or_else(forms)));
            }
        }
        let outputs = match (fields, tree.get("output")) {
            (None, _) => vec![],
            (_, Some(t)) => vec![OutputText::read("", &t.place, t, &mut self.found)],
            _ => self.outputs(tree),
        };
        let whole = self.found.0.len() == before && !slips;
        let nodes = if fields.is_some() { self.nodes(tree) } else { vec![] };
        let free = free(&params, &inputs, &nodes, &outputs);
        Composite {
            free,
            name: e.key.clone(),
            place: e.key_place.clone(),
            params,
            inputs,
            nodes,
            outputs,
            changes: Changes { over: self.over(tree), ..Changes::default() },
            weight: ["params", "output", "outputs"].iter().filter_map(|k| tree.get(k)).map(Tree::weight).sum(),
            whole,
            names: named && !slips && tree.get("nodes").is_some_and(|t| t.entries().is_some()),
        }
    }
}
