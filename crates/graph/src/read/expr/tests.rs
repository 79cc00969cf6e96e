use super::*;

fn eval(text: &str) -> Result<Value, String> {
    let scope = Scope::from([
        ("width".to_owned(), Value::Int(8)),
        ("k".to_owned(), Value::Int(3)),
        ("deep".to_owned(), Value::Bool(true)),
        ("act".to_owned(), Value::Text("relu".into())),
        ("f".to_owned(), Value::list([32, 64, 128].map(Value::Int).to_vec())),
        ("s".to_owned(), Value::Int(0)),
        ("stride".to_owned(), Value::list([1, 2, 2].map(Value::Int).to_vec())),
    ]);
    evaluate(text, &scope).map_err(|w| format!("{}; {}", w.message, w.help))
}

#[test]
fn precedence_and_functions() {
    for (text, value) in [
        ("1 + 2 * width - 4 / 2", 15),
        ("(1+2)*-k", -9),
        ("max(width / 16, 4) + min(k, 2) % 2", 4),
        ("10 - 3 - 2", 5),
        ("width * 2 ^ (k - 1)", 32),
        ("-2 ^ 2", -4),
        ("if(deep && k > 2, 1, 0)", 1),
        ("7 / 2", 3),
    ] {
        assert_eq!(eval(text), Ok(Value::Int(value)), "{text}");
    }
    assert_eq!(eval("width / 16.0"), Ok(Value::Float(0.5)));
    for (text, value) in
        [("!deep || k == 3", true), ("k != 3", false), ("act == 'relu'", true), ("deep == true && !(k < 3)", true), ("0.5 <= 1", true)]
    {
        assert_eq!(eval(text), Ok(Value::Bool(value)), "{text}");
    }
}

#[test]
fn every_name_that_is_missing_is_told_and_nothing_of_what_is_unknown() {
    assert_eq!(
        eval("widht + wide * widht"),
        Err("there are no parameters `widht` and `wide`; did you mean `width`?".to_owned()
            + ", parameters: `act`, `deep`, `f`, `k`, `s`, `stride`, `width`")
    );
    let scope = Scope::from([("w".to_owned(), Value::Unknown), ("k".to_owned(), Value::Int(3))]);
    for text in ["w", "w * 2", "w == 'a' && w > 1", "1 / (w - 1)", "min(w, 'a')"] {
        assert!(evaluate(text, &scope).expect_err(text).echo, "{text}");
    }
    for text in ["w * ", "w + z", "(w"] {
        assert!(!evaluate(text, &scope).expect_err(text).echo, "{text}");
    }
    assert_eq!(evaluate("k * 2", &scope), Ok(Value::Int(6)));
}

#[test]
fn lists_are_calculated_entry_by_entry() {
    for (text, shown) in [
        ("8 * 2 ^ (0..3)", "[8, 16, 32]"),
        ("0..=2", "[0, 1, 2]"),
        ("rev(0..3)", "[2, 1, 0]"),
        ("stride / 2", "[0, 1, 1]"),
        ("-stride", "[-1, -2, -2]"),
        ("f + [1, 2, 3]", "[33, 66, 131]"),
        ("max(stride, 2)", "[2, 2, 2]"),
        ("min(f, [64, 64, 64])", "[32, 64, 64]"),
        ("[1, (1, 2)[0]]".replace("(1, 2)[0]", "stride[1]").as_str(), "[1, 2]"),
        ("[1, stride]", "[1, [1, 2, 2]]"),
        ("[1, stride][1][2]", "2"),
        ("f[len(f) - 1] + last(f) + sum(f)", "480"),
        ("if(s == 0, 1, f[s - 1])", "1"),
        ("s > 0 && f[s - 1] > 1", "false"),
        ("s == 0 || f[s - 1] > 1", "true"),
        ("max(stride) > 1 && max(k) == 3", "true"),
        ("stride == [1, 2, 2] && stride != f", "true"),
        ("['silu', 'tanh']", "[silu, tanh]"),
        ("[]", "[]"),
        ("1..1", "[]"),
        ("f[0..2]", "[32, 64]"),
        ("f[1..=2][0]", "64"),
        ("f[[2, 0, 0]]", "[128, 32, 32]"),
        ("f[rev(0..len(f))] == rev(f)", "true"),
        ("f[0..0]", "[]"),
        ("concat(f, [1], 2..4)", "[32, 64, 128, 1, 2, 3]"),
        ("concat(f)", "[32, 64, 128]"),
        ("concat([], ['silu'])", "[silu]"),
    ] {
        assert_eq!(eval(text).map(|v| v.to_string()), Ok(shown.to_owned()), "{text}");
    }
}

#[test]
fn questions_are_answered_by_the_scope() {
    let answers = [
        ((NodeQuestion::Channels, "x".to_owned()), Ok(Value::Int(8))),
        ((NodeQuestion::Channels, "xs".to_owned()), Ok(Value::list(vec![Value::Int(4), Value::Int(16)]))),
        ((NodeQuestion::Connected, "skip".to_owned()), Ok(Value::Bool(false))),
        ((NodeQuestion::Channels, "skip".to_owned()), Err(("nothing flows into `skip`".into(), "ask first".into()))),
        ((NodeQuestion::Length, "xs".to_owned()), Ok(Value::Int(2))),
    ];
    let scope = Scope::from([("n".to_owned(), Value::Int(3))]).answering(answers, Some(vec!["x".into(), "skip".into(), "xs".into()]));
    for (text, shown) in
        [("2 * channels(x)", "16"), ("channels(xs[len(xs) - 1])", "16"), ("connected(skip) && channels(skip) > 4", "false")]
    {
        assert_eq!(evaluate(text, &scope).map(|v| v.to_string()), Ok(shown.to_owned()), "{text}");
    }
    for (text, part) in [
        ("channels(skip)", "nothing flows into"),
        ("channels(conv1) > 4", "only its inputs `x`, `skip` and `xs`"),
        ("size(x)", "does not depend on sizes"),
        ("channels()", "asks of nothing"),
        ("channels(xs[2])", "0 to 1"),
    ] {
        assert!(evaluate(text, &scope).expect_err(text).message.contains(part), "{text}");
    }
    assert_eq!(asked("if(n > 0, channels(enc{s - 1}.y | x), len(xs))").len(), 2);
}

#[test]
fn lists_stay_within_their_limits() {
    for text in ["0..1000000000", "[0..100000, 0..100000]", "(0..9223372036854775807)[0]", "-9223372036854775807 .. 9223372036854775807"] {
        assert!(eval(text).is_err(), "{text}");
    }
    let long = format!("sum(0..100000){}", " + sum(0..100000)".repeat(2000));
    assert!(eval(&long).expect_err("too much work").contains("too many entries"));
    let grown = format!("sum(concat(0..50000, 0..50000)[0..90000]){}", " + sum(concat(0..50000, 0..50000)[0..90000])".repeat(400));
    assert!(eval(&grown).expect_err("too much work").contains("too many entries"));
    assert!(eval("concat(0..60000, 0..60000)").expect_err("too long").contains("at most"));
    assert!(eval("[0..50000][[0, 0, 0]]").expect_err("too long").contains("at most"));
}

#[test]
fn faults_are_told() {
    for (text, part) in [
        ("widht", "did you mean `width`?"),
        ("1 / (k - 3)", "divides by zero"),
        ("9223372036854775807 + 1", "beyond 64 bits"),
        ("2 ^ 64", "beyond 64 bits"),
        ("2 ^ -1", "beyond 64 bits"),
        ("99999999999999999999", "not a whole number"),
        ("1 +", "where a number or a name is expected"),
        ("", "empty"),
        ("1 2", "left over"),
        ("8x", "neither a number nor a name"),
        ("max()", "takes 2 values"),
        ("if(1, 2, 3)", "`true` or `false` is expected"),
        ("act + 1", "cannot be combined"),
        ("act < 'z'", "cannot be compared"),
        ("'relu", "is missing"),
        ("f[3]", "`f` has 3 entries, 0 to 2, and entry 3"),
        ("f[0 - 1]", "entry -1"),
        ("k[0]", "has no entries"),
        ("f[0.5]", "no whole number"),
        ("f[['a']]", "no whole number"),
        ("f[2..5]", "entry 3 is asked for"),
        ("f[1..]", "the range has no end"),
        ("f[-1]", "`last(f)`"),
        ("f[0 - 2]", "`f[len(f) - 2]`"),
        ("concat(f, 2)", "takes lists, but `2`"),
        ("concat(f, ['silu'])", "one kind"),
        ("concat()", "takes lists"),
        ("range(3)", "no function `range`"),
        ("1 2 + z", "left over"),
        ("f[0", "`]` is missing"),
        ("stride == 1", "max(stride)"),
        ("stride < f", "max(stride)"),
        ("[1, 2] + [1, 2, 3]", "2 and 3 entries"),
        ("[1, 'relu']", "one kind"),
        ("last([])", "empty"),
        ("max([])", "empty"),
        ("len(k)", "takes a list"),
        ("if(s == 0, 1, g[0])", "no parameter `g`"),
        (&"[".repeat(1000), "nests more than"),
        (&"(".repeat(1000), "nests more than"),
        (&"-".repeat(1000), "nests more than"),
        (&"!".repeat(1000), "nests more than"),
    ] {
        let e = eval(text).expect_err(text);
        assert!(e.contains(part), "{text}: {e}");
    }
}
