//! The documentation of a block, read from the file that defines it.

/// What a block's file says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The first sentence of the file.
    pub summary: String,
    /// What it computes: paragraphs.
    pub text: Vec<String>,
    pub fields: Vec<WrittenField>,
}

/// A field of the block's struct.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenField {
    pub name: String,
    pub rust: String,
    pub doc: String,
    /// It has no default.
    pub required: bool,
}

/// Reads the file of the block called `name`.
pub fn written(source: &str, name: &str) -> Written {
    let summary = paragraphs(source.lines().map_while(|l| l.strip_prefix("//!"))).into_iter().next().unwrap_or_default();
    let mut w = Written { summary: first_sentence(&summary), ..Written::default() };
    let head = format!("pub struct {name} {{");
    let mut docs: Vec<&str> = vec![];
    let mut lines = source.lines();
    for line in lines.by_ref() {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc);
        } else if line.starts_with(&head) {
            w.text = paragraphs(docs.iter().copied());
            if line.trim_end().ends_with('}') {
                return w;
            }
            break;
        } else if !line.starts_with("#[") {
            docs.clear();
        }
    }
    docs.clear();
    let mut default = false;
    for line in lines.map(str::trim).take_while(|l| *l != "}") {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc);
        } else if line.starts_with("#[serde(") {
            default |= line.contains("default");
        } else if let Some((name, rust)) = line.strip_prefix("pub ").and_then(|l| l.trim_end_matches(',').split_once(": ")) {
            let doc = paragraphs(docs.drain(..)).join(" ");
            w.fields.push(WrittenField { name: name.into(), rust: rust.into(), doc, required: !std::mem::take(&mut default) });
        }
    }
    w
}

/// A choice of an enum: its name in snake case, what is said of it, and its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenChoice {
    pub name: String,
    pub doc: String,
    pub fields: Vec<String>,
}

/// The choices of the enum called `name`, as the file that defines it writes them.
pub fn choices(source: &str, name: &str) -> Vec<WrittenChoice> {
    let head = format!("pub enum {name} {{");
    let mut all: Vec<WrittenChoice> = vec![];
    let mut docs: Vec<&str> = vec![];
    let mut open = false;
    for line in source.lines().skip_while(|l| !l.starts_with(&head)).skip(1).take_while(|l| *l != "}").map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc);
        } else if line == "}," {
            open = false;
        } else if let (true, Some((field, _)), Some(last)) = (open, line.split_once(": "), all.last_mut()) {
            last.fields.push(field.into());
        } else if !line.starts_with('#') && !line.is_empty() {
            open = line.ends_with('{');
            let name = line.split([',', ' ', '(']).next().unwrap_or_default();
            all.push(WrittenChoice { name: snake(name), doc: paragraphs(docs.drain(..)).join(" "), fields: vec![] });
        }
    }
    all
}

/// `leaky_relu` of `LeakyRelu`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.char_indices() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// Lines joined to paragraphs.
fn paragraphs<'s>(lines: impl Iterator<Item = &'s str>) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in lines.map(str::trim) {
        match all.last_mut() {
            Some(last) if line.is_empty() && !last.is_empty() => all.push(String::new()),
            Some(last) => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
            None => {}
        }
    }
    all.retain(|p| !p.is_empty());
    // Links of rustdoc are of no use outside it.
    all.into_iter().map(|p| p.replace("[`", "`").replace("`]", "`")).collect()
}

/// Up to the first full stop that ends a sentence, the stop included.
pub fn first_sentence(text: &str) -> String {
    match text.find(". ") {
        Some(i) => text[..=i].to_owned(),
        None => text.to_owned(),
    }
}
