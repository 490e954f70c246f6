//! Writes JUnit XML, and recognises earlier reports of the same suite.

use std::fmt::Write as _;

use crate::printable::printable;

/// A test case of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What was tested.
    pub name: String,
    /// `None` if the test passed, or else (summary in one line, full text).
    pub failure: Option<(String, String)>,
}

/// Returns a report in the JUnit XML format, which continuous integration systems read.
///
/// ```
/// use reenact::golden::{Case, junit};
/// let report = junit("reenact verify", &[Case { name: "a.yaml".into(), failure: None }]);
/// assert!(report.contains("<testcase classname=\"reenact verify\" name=\"a.yaml\"/>"));
/// ```
pub fn junit(suite: &str, cases: &[Case]) -> String {
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let (suite, tests) = (escaped(suite), cases.len());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(xml, "{text}").expect("a string takes all");
    line(format_args!("<testsuites tests=\"{tests}\" failures=\"{failures}\">"));
    line(format_args!("  <testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\">"));
    for case in cases {
        let name = escaped(&case.name);
        match &case.failure {
            None => line(format_args!("    <testcase classname=\"{suite}\" name=\"{name}\"/>")),
            Some((message, text)) => line(format_args!(
                "    <testcase classname=\"{suite}\" name=\"{name}\"><failure message=\"{}\">{}</failure></testcase>",
                escaped(message),
                escaped(text),
            )),
        }
    }
    line(format_args!("  </testsuite>\n</testsuites>"));
    xml
}

/// Whether a text is such a report of this suite.
pub fn is_junit(suite: &str, text: &str) -> bool {
    let mut elements = text.split('<').skip(1).filter(|element| !element.starts_with('?'));
    let [root, first] = [elements.next(), elements.next()].map(Option::unwrap_or_default);
    let is_suite = |element: &str| {
        element.starts_with("testsuite ") && element.contains(&format!(" name=\"{}\"", escaped(suite)))
    };
    root.starts_with("testsuites") && (is_suite(first) || first.is_empty()) || is_suite(root)
}

/// Escapes a text for XML. Characters that XML can't represent become an escape such as `\u{1b}`, or `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_of_the_same_suite_are_accepted() {
        assert!(is_junit("a", &junit("a", &[])));
        let xml = "<?xml version=\"1.0\"?>\n";
        for other in ["<project name=\"a\"/>", "<testsuites><testsuite name=\"b\"/></testsuites>", "", "a"] {
            assert!(!is_junit("a", &format!("{xml}{other}")), "{other}");
        }
    }

    #[test]
    fn what_xml_keeps_for_itself_is_escaped() {
        let failure = Some(("a < b & \"c\"".into(), "\u{1b}[1m\nline".into()));
        let report = junit("s", &[Case { name: "x".into(), failure }]);
        assert!(
            report.contains("message=\"a &lt; b &amp; &quot;c&quot;\">\\u{1b}[1m\nline</failure>"),
            "{report}"
        );
        assert!(report.contains("tests=\"1\" failures=\"1\""), "{report}");
    }
}
