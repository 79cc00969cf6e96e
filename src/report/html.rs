//! HTML helpers: the frame with its styles and script, escaped texts, tables.
//!
//! Depends on nothing of this crate. Nothing on a page comes from the network.

/// A text between tags or in an attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page; `about` stands beside its title, `body` is HTML.
pub fn document(title: &str, about: &str, body: &str) -> String {
    format!(
        include_str!("page/page.html"),
        title = escape(title),
        about = escape(about),
        css = include_str!("page/page.css"),
        body = body,
        script = include_str!("page/page.js"),
    )
}

/// A part of a page under a heading.
pub fn section(heading: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(heading))
}

/// A part that opens with a click.
pub fn details(summary: &str, body: &str, open: bool) -> String {
    format!("<details{}><summary>{}</summary>\n{body}</details>\n", if open { " open" } else { "" }, escape(summary))
}

/// A cell: its text, whether it is a number, and whether it is the best of its column.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub text: String,
    pub number: bool,
    pub best: bool,
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub fn number(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: true, ..Self::default() }
    }
}

/// A table that scrolls sideways where the screen is narrow.
pub fn table(headings: &[Cell], rows: &[Vec<Cell>]) -> String {
    let line = |cells: &[Cell], tag: &str| -> String {
        let cell = |c: &Cell| {
            let class = match (c.number, c.best) {
                (true, true) => " class=\"n best\"",
                (true, false) => " class=\"n\"",
                (false, true) => " class=\"best\"",
                (false, false) => "",
            };
            format!("<{tag}{class}>{}</{tag}>", escape(&c.text))
        };
        format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
    };
    let rows: String = rows.iter().map(|r| line(r, "td")).collect();
    format!("<div class=\"wide\"><table>\n<thead>{}</thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n", line(headings, "th"))
}

/// Bytes as an address that holds them.
pub fn embedded(kind: &str, bytes: &[u8]) -> String {
    use base64::Engine;
    format!("data:{kind};base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_tags() {
        let evil = "<script>alert(\"&\")</script>";
        assert!(!escape(evil).contains('<'));
        let page = document(evil, evil, &section(evil, &table(&[Cell::text(evil)], &[vec![Cell::number(evil)]])));
        assert!(!page.contains("<script>alert"), "{page}");
    }
}
