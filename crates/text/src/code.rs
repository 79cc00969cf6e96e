//! The codes of every error, by decade: E01 text, E02 names and ports, E03 shapes, E04 fields of blocks,
//! E05 cost, E06 runs, devices and files, E07 data and volumes, E08 weights and checkpoints, E09 running. W marks a warning.
//!
//! A code has a page in `page/`: a code without one does not compile.

macro_rules! codes {
    ($($name:ident $text:literal,)*) => {
        /// A stable code of a kind of error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $text] $name,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as printed: `E0204`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)* }
            }

            /// What it stands for, in a line.
            pub fn summary(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// Its page, in Markdown: what it means, an example, how to mend it.
            pub fn page(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("page/", stringify!($name), ".md")),)* }
            }
        }
    };
}

codes! {
    E0101 "the file cannot be read",
    E0102 "the text is not valid RON",
    E0103 "a key, field or name stands twice",
    E0104 "a value has the wrong type",
    E0105 "an expression cannot be read or evaluated",
    E0106 "a field is missing",
    E0107 "a field is unknown",
    E0108 "a file is extended in a ring, or cannot be found",
    E0109 "a name is not allowed",
    E0110 "a file is of another kind than is needed",
    E0201 "a block is unknown",
    E0202 "an input names a node that is not there",
    E0203 "an input names a port that is not there",
    E0204 "a port is missing or has too many sources",
    E0205 "nodes feed each other in a ring",
    E0206 "a node reaches no output",
    E0207 "a parameter is unknown, missing or of the wrong type",
    E0208 "a composite contains itself",
    E0209 "weights cannot be shared",
    E0301 "a shape does not fit",
    E0302 "channels do not fit",
    E0303 "a size cannot be divided as the network needs",
    E0401 "a field of a block has a value that makes no sense",
    E0501 "a count is beyond 64 bits",
    E0502 "a claim does not hold",
    E0601 "a run config asks for what cannot be",
    E0602 "the device is not there",
    E0603 "a folder or file cannot be written",
    E0701 "a data set is not as its description says",
    E0702 "a volume cannot be read",
    E0703 "an image and its label do not match",
    E0704 "a label value is not expected",
    E0801 "a weights file cannot be read",
    E0802 "weights do not fit the graph",
    E0803 "a model file was damaged or changed",
    E0804 "a model of another program cannot be imported",
    E0805 "a model cannot be exported",
    E0901 "training cannot go on",
    E0902 "a network needs more memory than it may take",
    W0101 "a parameter is not used",
    W0102 "a text is written as it was before",
    W0103 "an alternative is never there",
    W0104 "a composite reads a parameter of what uses it",
    W0105 "documentation stands before nothing",
    W0204 "a gate has one path",
    W0301 "a norm has one channel in each group",
    W0302 "a norm follows a convolution with a bias",
    W0501 "one node holds most of the activations",
    W0502 "attention takes more than a day",
}

/// What the first two digits of a code say.
const DECADES: &[(&str, &str)] = &[
    ("01", "text"),
    ("02", "names and ports"),
    ("03", "shapes"),
    ("04", "fields of blocks"),
    ("05", "cost"),
    ("06", "runs, devices and files"),
    ("07", "data and volumes"),
    ("08", "weights and checkpoints"),
    ("09", "running"),
];

impl Code {
    /// The code that a user writes as `E0204`, `e0204`, `0204` or `204`; digits alone mean an error where there is one.
    pub fn parse(text: &str) -> Option<Code> {
        let text = text.trim().to_ascii_uppercase();
        let named = |name: &str| Code::ALL.iter().copied().find(|c| c.name() == name);
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return named(&format!("E{text:0>4}")).or_else(|| named(&format!("W{text:0>4}")));
        }
        named(&text)
    }

    /// What it is about: `names and ports`.
    pub fn subject(self) -> &'static str {
        DECADES.iter().find(|(digits, _)| self.name()[1..].starts_with(digits)).map_or("", |(_, subject)| subject)
    }

    /// Every code by what it is about, errors before warnings.
    pub fn by_subject() -> impl Iterator<Item = (&'static str, Vec<Code>)> {
        DECADES.iter().map(|(_, subject)| (*subject, Code::ALL.iter().copied().filter(|c| c.subject() == *subject).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, DECADES};

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for text in ["E0204", "e0204", "0204", "204", " E0204 "] {
            assert_eq!(Code::parse(text), Some(Code::E0204), "{text}");
        }
        assert_eq!(Code::parse("w0302"), Some(Code::W0302));
        assert_eq!(Code::parse("302"), Some(Code::E0302));
        for text in ["", "E", "E0299", "E204", "204x", "ß", "99999999999999999999"] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }

    #[test]
    fn codes_stand_in_order_and_each_has_a_subject() {
        assert!(Code::ALL.windows(2).all(|w| w[0].name() < w[1].name()));
        assert!(Code::ALL.iter().all(|c| !c.subject().is_empty()));
        assert_eq!(Code::by_subject().map(|(_, codes)| codes.len()).sum::<usize>(), Code::ALL.len());
        assert!(DECADES.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
