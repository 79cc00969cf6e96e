use super::format;
use crate::text::Source;

fn laid(text: &str) -> String {
    let once = format(&Source::new("t.ron", text)).unwrap_or_else(|e| panic!("{text}\n{e:?}"));
    let twice = format(&Source::new("t.ron", once.as_str())).expect("what was written can be read");
    assert_eq!(once, twice, "of {text}");
    once
}

#[test]
fn short_groups_stay_on_their_line() {
    assert_eq!(laid("( a :1,b:[ 1,2 , ],c:{\"x\" :  Foo ( y : (1,2,3) ),} )"), "(a: 1, b: [1, 2], c: { \"x\": Foo(y: (1, 2, 3)) })\n");
    assert_eq!(laid("()"), "()\n");
    assert_eq!(laid("{ }"), "{}\n");
    assert_eq!(laid("Foo(\n)"), "Foo(\n)\n");
}

#[test]
fn what_was_broken_stays_broken() {
    assert_eq!(laid("(a: 1,\nb: [1,\n 2])"), "(\n    a: 1,\n    b: [\n        1,\n        2,\n    ],\n)\n");
}

#[test]
fn entries_that_share_a_line_keep_sharing_it() {
    assert_eq!(laid("(a: 1, b: 2,\n c: 3,  d:[1,2] )"), "(\n    a: 1, b: 2,\n    c: 3, d: [1, 2],\n)\n");
    assert_eq!(laid("(\n  a: 1, // x\n  b: 2,c: 3, // y\n)"), "(\n    a: 1, // x\n    b: 2, c: 3, // y\n)\n");
    assert_eq!(laid("(\n  a: [\n1], b: 2,\n\n  c: 3)"), "(\n    a: [\n        1,\n    ],\n    b: 2,\n\n    c: 3,\n)\n");
    let long = "x".repeat(80);
    assert_eq!(laid(&format!("(\na: \"{long}\", b: \"{long}\")")), format!("(\n    a: \"{long}\",\n    b: \"{long}\",\n)\n"));
}

#[test]
fn a_signature_stays_on_the_first_line() {
    let text = "{\n    \"Up\": (params: { \"n\": 2 }, inputs: [\"x\"], nodes: {\n        \"up\": A(x: \"x\"),\n    }),\n}\n";
    assert_eq!(laid(text), text);
    assert_eq!(
        laid("{\"Up\":(inputs:[\"x\"],nodes:{\n\"up\":A(x:\"x\")})}"),
        "{ \"Up\": (inputs: [\"x\"], nodes: {\n    \"up\": A(x: \"x\"),\n}) }\n"
    );
    assert_eq!(laid("(a: (\n1), b: 2)"), "(\n    a: (\n        1,\n    ),\n    b: 2,\n)\n");
    assert_eq!(laid("(a: 1, b: (\n1) // x\n)"), "(\n    a: 1, b: (\n        1,\n    ), // x\n)\n".replace("a: 1, b", "a: 1,\n    b"));
}

#[test]
fn what_is_too_long_is_broken_outside_first() {
    let long = "x".repeat(130);
    assert_eq!(
        laid(&format!("(a: \"{long}\", b: (c: 1, d: 2), e: 5)")),
        format!("(\n    a: \"{long}\",\n    b: (c: 1, d: 2),\n    e: 5,\n)\n")
    );
}

#[test]
fn comments_stay_with_what_they_speak_of() {
    let text = "// file\n\n\n// value\n(  // head\n\n  // of a\n  a: 1, // behind a\n\n\n  b: /* in b */ 2 // behind b\n  // last\n) // end\n// after\n";
    let expected = "// file\n\n// value\n(  // head\n    // of a\n    a: 1, // behind a\n\n    b: /* in b */ 2, // behind b\n    // last\n) // end\n// after\n";
    assert_eq!(laid(text), expected);
    assert_eq!(laid("(a: 1 // one\n, b: 2)"), "(\n    a: 1, // one\n    b: 2,\n)\n");
    assert_eq!(laid("(a: 1, /* x */ b: 2 /* y */)"), "(a: 1, /* x */ b: 2 /* y */)\n");
    assert_eq!(laid("(a: 1, /* x */\n b: 2, /* y */)"), "(\n    a: 1, /* x */\n    b: 2, /* y */\n)\n");
    assert_eq!(laid("[ /* none /* yet */ */ ]"), "[/* none /* yet */ */]\n");
    assert_eq!(laid("(a: // why\n 1)"), "(\n    a: // why\n        1,\n)\n");
    assert_eq!(laid("(\n /* x */ )"), "(\n    /* x */\n)\n");
    assert_eq!(laid("(a: 1 // c\n // d\n , // e\n)"), "(\n    a: 1, // c\n    // d\n    // e\n)\n");
}

#[test]
fn comments_in_a_column_stay_in_one() {
    assert_eq!(laid("(\n    a: 1,     // x\n    bcd: 2,   // y\n)"), "(\n    a: 1,     // x\n    bcd: 2,   // y\n)\n");
    assert_eq!(laid("(\n  a:1,     // x\n  bcd:2,   // y\n)"), "(\n    a: 1,    // x\n    bcd: 2,  // y\n)\n");
    assert_eq!(
        laid("(\n  abcdef:[1,2,3,4],// x\n  b:2,             // y\n)"),
        "(\n    abcdef: [1, 2, 3, 4],  // x\n    b: 2,                  // y\n)\n"
    );
    assert_eq!(laid("(\n  a: 1, // x\n  bcdefg: 2, // y\n)"), "(\n    a: 1, // x\n    bcdefg: 2, // y\n)\n");
}

#[test]
fn texts_are_left_alone() {
    let text = r####"(a: "x, (y: // no", b: r#"raw " /* no */"#, c: "\"\\", d: "two
  lines")"####;
    let out = laid(text);
    for part in [r####""x, (y: // no""####, r####"r#"raw " /* no */"#"####, r#""\"\\""#, "\"two\n  lines\""] {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn line_ends_are_those_of_the_file() {
    assert_eq!(laid("// a\r\n(\r\n  a: 1,\r\n\r\n\r\n  b: 2)\r\n"), "// a\r\n(\r\n    a: 1,\r\n\r\n    b: 2,\r\n)\r\n");
    assert_eq!(laid("(a: 1)\r\n"), "(a: 1)\r\n");
}

#[test]
fn attributes_stay_on_top() {
    assert_eq!(laid("#![enable(implicit_some)] // why\n(a:1)"), "#![enable(implicit_some)] // why\n(a: 1)\n");
}

#[test]
fn what_is_not_ron_is_refused() {
    for text in ["", "(", "(a: 1", "(a: 1]", "// only", "(a: 1) 2", "(a: \"x)", "(a: 1, a: 2)"] {
        assert!(format(&Source::new("t.ron", text)).is_err(), "{text}");
    }
}
