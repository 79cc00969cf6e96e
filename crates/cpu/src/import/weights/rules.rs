//! Rules of a map from pairs of names: pairs that differ in their numbers alone, by one law, are one rule.
//!
//! Part of `import::weights`.

/// A foreign name and the graph's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePair {
    pub theirs: String,
    pub ours: String,
}

/// Names of numbers in a rule.
const NAMES: [&str; 8] = ["i", "j", "k", "l", "m", "n", "p", "q"];

/// The texts of a name around its numbers, one more than there are numbers: `enc`, `.conv`, `` and 1, 2 of `enc1.conv2`.
pub fn skeleton(name: &str) -> (Vec<String>, Vec<i64>) {
    let (mut texts, mut numbers, mut text) = (vec![], vec![], String::new());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        // A number with zeros before it is a text: it would be written otherwise.
        match rest[..digits].parse::<i64>().ok().filter(|n| n.to_string().len() == digits) {
            Some(number) => {
                texts.push(std::mem::take(&mut text));
                numbers.push(number);
                rest = &rest[digits..];
            }
            None => {
                let cut = digits.max(first.len_utf8());
                text.push_str(&rest[..cut]);
                rest = &rest[cut..];
            }
        }
    }
    texts.push(text);
    (texts, numbers)
}

/// Pairs with the same texts on either side, and their numbers.
struct Group {
    theirs: Vec<String>,
    ours: Vec<String>,
    /// Numbers on the left and on the right, of each pair.
    numbers: Vec<(Vec<i64>, Vec<i64>)>,
    pairs: Vec<NamePair>,
}

/// The rules, in the order of their first pairs.
pub fn generalised(pairs: &[NamePair]) -> Vec<String> {
    let mut groups: Vec<Group> = vec![];
    for pair in pairs {
        let ((theirs, left), (ours, right)) = (skeleton(&pair.theirs), skeleton(&pair.ours));
        match groups.iter_mut().find(|g| g.theirs == theirs && g.ours == ours) {
            Some(group) => {
                group.numbers.push((left, right));
                group.pairs.push(pair.clone());
            }
            None => groups.push(Group { theirs, ours, numbers: vec![(left, right)], pairs: vec![pair.clone()] }),
        }
    }
    let mut rules: Vec<(String, String)> = vec![];
    for group in &groups {
        match lawful(group) {
            Some(rule) => rules.push(rule),
            None => rules.extend(group.pairs.iter().map(|p| (p.theirs.clone(), p.ours.clone()))),
        }
    }
    joined(rules)
}

/// One rule for a group, if one law gives each number on the right.
fn lawful(group: &Group) -> Option<(String, String)> {
    let (left, right) = group.numbers.first()?;
    let varies = |at: usize| group.numbers.iter().any(|(numbers, _)| numbers[at] != left[at]);
    let named: Vec<Option<&str>> = {
        let mut names = NAMES.iter();
        (0..left.len()).map(|at| if varies(at) { names.next().copied() } else { None }).collect()
    };
    if (0..left.len()).any(|at| varies(at) && named[at].is_none()) {
        return None;
    }
    let law = |at: usize| -> Option<String> {
        if group.numbers.iter().all(|(_, numbers)| numbers[at] == right[at]) {
            return Some(right[at].to_string());
        }
        (0..left.len()).filter_map(|from| Some((from, named[from]?))).find_map(|(from, name)| {
            let points: Vec<(i64, i64)> = group.numbers.iter().map(|(l, r)| (l[from], r[at])).collect();
            expression(name, &points)
        })
    };
    let laws = (0..right.len()).map(law).collect::<Option<Vec<String>>>()?;
    let theirs: Vec<String> =
        left.iter().zip(&named).map(|(n, name)| name.map_or_else(|| n.to_string(), |name| format!("{{{name}}}"))).collect();
    let ours: Vec<String> = laws.into_iter().map(|law| if law.parse::<i64>().is_ok() { law } else { format!("{{{law}}}") }).collect();
    Some((woven(&group.theirs, &theirs), woven(&group.ours, &ours)))
}

/// The texts with the numbers between them.
fn woven(texts: &[String], numbers: &[String]) -> String {
    texts.iter().zip(numbers.iter().map(String::as_str).chain([""])).flat_map(|(text, number)| [text.as_str(), number]).collect()
}

/// A law from the first to the second number of all points, if there is a simple one.
fn expression(name: &str, points: &[(i64, i64)]) -> Option<String> {
    let (x, y) = *points.first()?;
    let shift = |n: i64| match n {
        0 => String::new(),
        n if n > 0 => format!(" + {n}"),
        n => format!(" - {}", -n),
    };
    let fits = |law: &dyn Fn(i64) -> i64| points.iter().all(|(x, y)| law(*x) == *y);
    if fits(&|v| v + y - x) {
        return Some(format!("{name}{}", shift(y - x)));
    }
    if fits(&|v| x + y - v) {
        return Some(format!("{} - {name}", x + y));
    }
    for by in 2..=8 {
        for start in 0..by {
            if fits(&|v| (v + start).div_euclid(by) + y - (x + start).div_euclid(by)) {
                let inner = if start == 0 { name.to_owned() } else { format!("({name} + {start})") };
                return Some(format!("{inner} / {by}{}", shift(y - (x + start).div_euclid(by))));
            }
        }
        if fits(&|v| v * by + y - x * by) {
            return Some(format!("{name} * {by}{}", shift(y - x * by)));
        }
    }
    None
}

/// Rules that differ in an equal end alone (`a.weight -> b.weight`, `a.bias -> b.bias`) are one with `{*}`.
fn joined(rules: Vec<(String, String)>) -> Vec<String> {
    fn cut(rule: &(String, String)) -> Option<(&str, &str)> {
        let ((theirs, end), (ours, own)) = (rule.0.rsplit_once('.')?, rule.1.rsplit_once('.')?);
        (end == own && !end.contains('{')).then_some((theirs, ours))
    }
    let mut out: Vec<String> = vec![];
    for rule in &rules {
        let one = format!("{} -> {}", rule.0, rule.1);
        let line = match cut(rule) {
            Some(stem) if rules.iter().filter(|other| cut(other) == Some(stem)).count() > 1 => {
                format!("{}.{{*}} -> {}.{{*}}", stem.0, stem.1)
            }
            _ => one,
        };
        if !out.contains(&line) {
            out.push(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_rules() {
        let pair = |theirs: &str, ours: &str| NamePair { theirs: theirs.into(), ours: ours.into() };
        let all = [
            pair("model.0.0.weight", "conv1.conv.weight"),
            pair("model.0.0.bias", "conv1.conv.bias"),
            pair("model.1.0.weight", "conv2.conv.weight"),
            pair("model.1.0.bias", "conv2.conv.bias"),
            pair("ups.2.weight", "up0.weight"),
            pair("ups.0.weight", "up2.weight"),
            pair("seq.10.weight", "block5.weight"),
            pair("seq.12.weight", "block6.weight"),
            pair("odd.3.weight", "any7.weight"),
            pair("odd.4.weight", "any9.weight"),
            pair("odd.5.weight", "any8.weight"),
            pair("25/kernel", "head.weight"),
        ];
        assert_eq!(
            generalised(&all),
            [
                "model.{i}.0.{*} -> conv{i + 1}.conv.{*}",
                "ups.{i}.weight -> up{2 - i}.weight",
                "seq.{i}.weight -> block{i / 2}.weight",
                "odd.3.weight -> any7.weight",
                "odd.4.weight -> any9.weight",
                "odd.5.weight -> any8.weight",
                "25/kernel -> head.weight",
            ]
        );
    }
}
