//! Texts use plain words, and sentences for users are short.

use std::path::PathBuf;

use super::{files, root};

/// Words and phrases that make a text hard to read, and what to write instead.
const BANNED: [(&str, &str); 24] = [
    ("nobody", "name who or what: `no user`, `no process`"),
    ("somebody", "`a user`, `another process`"),
    ("whoever", "`the user`, `a process that`"),
    ("whom", "`that`, or another sentence"),
    ("whose rows", "`the rows of`"),
    ("lawful", "`valid`, `allowed`"),
    ("hangs on", "`depends on`"),
    ("for ever", "`permanently`, `without a limit`"),
    ("of which", "two sentences"),
    ("tell", "a program reports, prints, warns or names"),
    ("tells", "a program reports, prints, warns or names"),
    ("told", "a program reports, prints, warns or names"),
    ("is no", "`is not a …`, `there is no …`"),
    ("are there already", "`already exist`"),
    ("what is to come", "`what follows`"),
    ("thereof", "`of it`"),
    ("beside", "`next to`, `in addition to`"),
    ("lies", "`is`"),
    ("stands", "`is`, `represents`"),
    ("so many", "the number"),
    ("so long", "the duration"),
    ("round again", "`round-robin`, `in turn`"),
    ("goes wrong so", "another sentence"),
    ("mend", "`fix`"),
];

/// The longest sentence in texts for users, in words.
const LONGEST_SENTENCE: usize = 40;

/// The words of a text without code in backticks, in lower case, with one space before and after each.
fn words_of(text: &str) -> String {
    let prose: Vec<&str> = text.split('`').step_by(2).collect();
    let is_part = |c: char| c.is_alphanumeric() || c == '\'';
    let mut words = String::from(" ");
    for word in prose.join(" x ").to_lowercase().split(|c| !is_part(c)).filter(|word| !word.is_empty()) {
        words.push_str(word);
        words.push(' ');
    }
    words
}

/// The banned words of a text, each with the advice.
fn banned_in(text: &str) -> Vec<String> {
    let words =
        words_of(text).replace(" there is no ", " there is not ").replace(" is no longer ", " is not ");
    let is_there = |(word, _): &&(&str, &str)| words.contains(&format!(" {word} "));
    BANNED.iter().filter(is_there).map(|(word, instead)| format!("`{word}`: write {instead}")).collect()
}

/// The comments and string literals of a Rust file: (line, text). Comment lines that follow each other are one text.
fn texts_of(source: &str) -> Vec<(usize, String)> {
    let mut texts: Vec<(usize, String)> = Vec::new();
    let mut last_comment = 0;
    let mut rest = source;
    let line_at = |rest: &str| source[..source.len() - rest.len()].matches('\n').count() + 1;
    while let Some(at) = rest.find(['/', '"', '\'', 'r']) {
        let (before, here) = rest.split_at(at);
        let line = line_at(here);
        if here.starts_with("//") {
            let end = here.find('\n').unwrap_or(here.len());
            let text = here[..end].trim_start_matches(['/', '!']);
            match texts.last_mut() {
                Some((_, comment)) if last_comment + 1 == line && line > 1 => {
                    comment.push(' ');
                    comment.push_str(text);
                }
                _ => texts.push((line, text.into())),
            }
            last_comment = line;
            rest = &here[end..];
        } else if let Some(raw) = here.strip_prefix('r').map(|raw| raw.trim_start_matches('#'))
            && raw.starts_with('"')
            && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            let end = format!("\"{}", "#".repeat(here.len() - raw.len() - 1));
            let text = &raw[1..];
            let length = text.find(&end).unwrap_or(text.len());
            texts.push((line, text[..length].into()));
            rest = text.get(length + end.len()..).unwrap_or("");
        } else if let Some(text) = here.strip_prefix('"') {
            let mut escaped = false;
            let is_end = |c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            };
            let length = text.find(is_end).unwrap_or(text.len());
            texts.push((line, text[..length].into()));
            rest = text.get(length + 1..).unwrap_or("");
        } else if let Some(text) = here.strip_prefix('\'') {
            // A character, or a lifetime.
            let characters = if text.starts_with('\\') { 2 } else { 1 };
            let length = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
            rest = text[length..].strip_prefix('\'').unwrap_or(text);
        } else {
            rest = &here[1..];
        }
    }
    texts
}

#[test]
fn texts_use_plain_words() {
    let mut found = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            found.extend(banned_in(line).into_iter().map(|banned| format!("{place} has {banned}")));
        }
    }
    for folder in ["src", "tests", "benches", "examples"] {
        for path in files(&root().join(folder), "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            // This list itself.
            let source = source.split("const BANNED").next().unwrap();
            let mut texts = texts_of(source);
            let names = source.match_indices("fn ").map(|(at, _)| &source[at + 3..]);
            let names = names.filter_map(|rest| rest.split('(').next()).map(|name| name.replace('_', " "));
            texts.extend(names.map(|name| (0, name)));
            for (line, text) in texts {
                let place = format!("{}:{line}", path.display());
                found.extend(banned_in(&text).into_iter().map(|banned| format!("{place} has {banned}")));
            }
        }
    }
    assert!(
        found.is_empty(),
        "{}\n{} places have words that the house style bans",
        found.join("\n"),
        found.len()
    );
}

#[test]
fn sentences_for_users_are_short() {
    let mut found = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        // Outside of blocks of code; an item of a list and a cell of a table are texts of their own.
        let prose: String = text.split("```").step_by(2).collect();
        let prose = prose.replace("\n- ", "\n\n").replace("\n|", "\n\n").replace(" | ", "\n\n");
        for sentence in prose.split("\n\n").flat_map(|text| text.split_inclusive(['.', ':', ';', '?'])) {
            let length = sentence.split_whitespace().count();
            if length > LONGEST_SENTENCE {
                found.push(format!("{}: {length} words: {}", path.display(), sentence.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The documents for users and developers.
fn documents() -> Vec<PathBuf> {
    let mut documents = files(&root().join("docs"), "md");
    let others = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "benches/README.md"];
    documents.extend(others.map(|name| root().join(name)));
    documents
}
