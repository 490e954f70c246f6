//! Valid names, and globs: names with `*`, `?` and `[a-c]`, as in a shell.

/// Whether a text is a valid name: an ASCII letter or digit, then letters, digits, `-`, `_` and `.`, at most 100
/// characters in all. Such a name needs no quotes in a line and can be a file name.
pub fn is_name(text: &str) -> bool {
    let is_lawful = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins && text.len() <= 100 && text.chars().all(is_lawful)
}

/// Whether a name matches a glob. `*` matches any text, `?` any character, `[a-c]` one of these characters,
/// `[!a-c]` any other character. Everything else matches itself.
pub fn matches(glob: &str, name: &str) -> bool {
    if !is_glob(glob) {
        return glob == name;
    }
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    // Where matching resumes if the last `*` has to match one more character.
    let mut again = None;
    while n < name.len() {
        if glob.get(g) == Some(&'*') {
            again = Some((g, n + 1));
            g += 1;
        } else if let Some(length) = one(&glob[g..], name[n]) {
            (g, n) = (g + length, n + 1);
        } else if let Some((star, next)) = again {
            again = Some((star, next + 1));
            (g, n) = (star + 1, next);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// The number of characters at the start of the glob that match the character `c`. `None` if they do not match it.
fn one(glob: &[char], c: char) -> Option<usize> {
    match glob.first()? {
        '?' => Some(1),
        '[' => {
            // A `]` directly after the `[` belongs to the set.
            let end = glob.iter().skip(2).position(|c| *c == ']').map(|i| i + 2);
            let Some(end) = end else { return (c == '[').then_some(1) };
            let set = &glob[1..end];
            let (is_not, set) = if set[0] == '!' { (true, &set[1..]) } else { (false, set) };
            let mut rest = set;
            let mut is_in = false;
            while let Some(low) = rest.first() {
                let range = rest.get(1) == Some(&'-') && rest.len() > 2;
                let high = if range { rest[2] } else { *low };
                is_in |= (*low..=high).contains(&c);
                rest = &rest[if range { 3 } else { 1 }..];
            }
            (is_in != is_not).then_some(end + 1)
        }
        same => (*same == c).then_some(1),
    }
}

/// Whether a text contains a wildcard.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_those_of_a_shell() {
        for (glob, names, others) in [
            ("web-*", &["web-001", "web-"][..], &["db-001", "a-web-1"][..]),
            ("*", &["", "a"], &[]),
            ("*-1", &["api-1", "a-1-1"], &["api-11", "1"]),
            ("web-00?", &["web-001"], &["web-00", "web-0010"]),
            ("web-00[1-3]", &["web-001", "web-003"], &["web-004"]),
            ("web-00[!1-3]", &["web-004"], &["web-001", "web-003"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("a[", &["a["], &["a"]),
            ("a*b*c", &["abc", "axxbxbxc"], &["ac", "abcx"]),
        ] {
            names.iter().for_each(|name| assert!(matches(glob, name), "{glob} {name}"));
            others.iter().for_each(|name| assert!(!matches(glob, name), "{glob} {name}"));
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_the_product_of_the_lengths() {
        let (glob, name) = ("*a".repeat(2_000), "b".repeat(4_000));
        assert!(!matches(&glob, &name));
    }
}
