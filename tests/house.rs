//! The house itself: who may use whom, and that what the code cites is there.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const CRATES: [&str; 5] = ["server/spec", "server/engine", "server/store", "server/app", "web"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files with this ending below a folder, with their names inside of it.
fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// What no crate may depend on, as docs/architecture.md says.
#[test]
fn no_crate_depends_on_what_stands_above_or_beside_it() {
    for (folder, forbidden) in [
        ("server/spec", &["candle", "sqlx", "axum", "askama", "tokio", "retort"][..]),
        ("server/engine", &["sqlx", "axum", "askama", "tokio", "retort-store", "retort-web"]),
        ("server/store", &["candle", "axum", "askama", "retort-engine", "retort-web"]),
        ("web", &["candle", "sqlx", "axum", "retort-engine", "retort-store"]),
        ("server/app", &["candle"]),
    ] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in dependencies.lines().filter(|line| line.contains('=')) {
            assert!(!forbidden.iter().any(|name| line.starts_with(name)), "{folder} must not depend on {line}");
        }
    }
}

/// The text of a file without its tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The first names of what stands behind `crate::` in a text, be it one or several in braces.
fn used(text: &str) -> BTreeSet<&str> {
    let name = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(inside) = rest.strip_prefix('{') else {
            names.insert(&rest[..name(rest)]);
            continue;
        };
        let (mut depth, mut is_first) = (0, true);
        for (i, letter) in inside.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => is_first = true,
                c if is_first && depth == 0 && (c.is_alphanumeric() || c == '_') => {
                    names.insert(&inside[i..i + name(&inside[i..])]);
                    is_first = false;
                }
                _ => {}
            }
        }
    }
    names
}

/// Which modules of a crate each of its modules uses. What the crate hands out at its root counts as the module's that has it.
fn uses(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    let mut root = String::new();
    for (name, text) in files(source, "rs") {
        let first = name.split('/').next().unwrap().trim_end_matches(".rs");
        if first == "lib" || first == "main" {
            root = code(&text);
        } else if !name.ends_with("tests.rs") && !name.contains("/tests/") && first != "testing" {
            modules.entry(first.to_owned()).or_default().push_str(&code(&text));
        }
    }
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for statement in root.split(';').filter_map(|part| part.split("pub use ").nth(1)) {
        let Some((module, names)) = statement.split_once("::") else { continue };
        let names = names.split(|c: char| !c.is_alphanumeric() && c != '_');
        owners.extend(names.filter(|name| !name.is_empty()).map(|name| (name, module)));
        if statement.ends_with("::*") {
            let declared = modules.get(module).map(String::as_str).unwrap_or_default();
            for item in declared.split("pub ").filter_map(|item| item.split(';').next()) {
                let Some((kind, names)) = item.split_once(' ') else { continue };
                let names = names.split(|c: char| !c.is_alphanumeric() && c != '_');
                let mut names = names.filter(|name| !matches!(*name, "" | "fn" | "self"));
                match kind {
                    "use" => owners.extend(names.map(|name| (name, module))),
                    "struct" | "enum" | "fn" | "const" => owners.extend(names.next().map(|name| (name, module))),
                    _ => {}
                }
            }
        }
    }
    let of = |name: &str, text: &str| -> BTreeSet<String> {
        let owner = |used: &str| {
            if modules.contains_key(used) { Some(used.to_owned()) } else { owners.get(used).map(|o| (*o).to_owned()) }
        };
        used(text).into_iter().filter_map(owner).filter(|used| used != name).collect()
    };
    modules.iter().map(|(name, text)| (name.clone(), of(name, text))).collect()
}

/// Whether `from` comes to `to`.
fn reaches(uses: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str, seen: &mut BTreeSet<String>) -> bool {
    let next = uses.get(from).into_iter().flatten();
    next.into_iter().any(|next| next == to || seen.insert(next.clone()) && reaches(uses, next, to, seen))
}

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    for folder in CRATES {
        let uses = uses(&root().join(folder).join("src"));
        assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 4, "{folder}: the test reads it: {uses:?}");
        for (module, of) in &uses {
            for other in of {
                let is_circle = reaches(&uses, other, module, &mut BTreeSet::new());
                assert!(!is_circle, "{folder}: {module} uses {other}, which uses {module}, be it through others");
            }
        }
    }
}

/// Names of one text, at their boundaries.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// What a file imports, and what its paths from the crate or a folder above name.
fn named(code: &str) -> BTreeSet<&str> {
    let is_import = |line: &str| {
        let import = line.trim_start().trim_start_matches("pub ").strip_prefix("use ");
        import.is_some_and(|path| ["crate", "super", "self"].iter().any(|start| path.starts_with(start)))
    };
    let begin = |(at, _): (usize, &str)| code[at + 1..].split(';').next().filter(|rest| is_import(rest));
    let imports = code.match_indices('\n').filter_map(begin).flat_map(words);
    let starts = ["crate::", "super::", "self::"];
    let paths = starts.into_iter().flat_map(|start| code.split(start).skip(1)).flat_map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':')).unwrap_or(rest.len());
        words(&rest[..end])
    });
    imports.chain(paths).collect()
}

/// What a file declares for others.
fn declared(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| line.starts_with("pub")).filter_map(|line| {
        let mut words = words(line).skip_while(|word| {
            !matches!(*word, "struct" | "enum" | "fn" | "static" | "trait" | "type") && *word != "const"
        });
        words.next()?;
        words.find(|word| !matches!(*word, "fn" | "unsafe" | "mut"))
    })
}

/// Which files beside it in its folder each file of a crate uses, by the names that only one file declares. A folder's own file
/// uses all of them, and they it.
fn uses_of_files(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let is_test =
        |name: &str| name.ends_with("tests.rs") || ["tests/", "testing", "golden/"].iter().any(|t| name.contains(t));
    let texts: BTreeMap<String, String> = files(source, "rs")
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| (name, code(&text)))
        .collect();
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, text) in &texts {
        for name in declared(text).collect::<BTreeSet<_>>() {
            owners.entry(name).or_default().push(file);
        }
    }
    let is_of_folder = |file: &str| matches!(file.rsplit('/').next(), Some("mod.rs" | "lib.rs" | "main.rs"));
    let used = |file: &str, text: &str| -> BTreeSet<String> {
        let only = |name: &str| match owners.get(name).map(Vec::as_slice) {
            Some([owner]) => Some(*owner),
            _ => None,
        };
        let is_beside = |other: &&str| *other != file && Path::new(other).parent() == Path::new(file).parent();
        named(text)
            .into_iter()
            .filter_map(only)
            .filter(is_beside)
            .filter(|o| !is_of_folder(o))
            .map(str::to_owned)
            .collect()
    };
    let own = texts.iter().filter(|(file, _)| !is_of_folder(file));
    own.map(|(file, text)| (file.clone(), used(file, text))).collect()
}

#[test]
fn no_files_of_a_folder_use_each_other_in_a_circle() {
    for folder in CRATES {
        let uses = uses_of_files(&root().join(folder).join("src"));
        assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 4, "{folder}: the test reads it: {uses:?}");
        for (file, of) in &uses {
            for other in of {
                let is_circle = reaches(&uses, other, file, &mut BTreeSet::new());
                assert!(!is_circle, "{folder}: {file} uses {other}, which uses {file}, be it through others");
            }
        }
    }
}

#[test]
fn a_circle_and_what_is_used_are_seen() {
    let text = "\nuse super::{a::B, c};\nfn f() { crate::g::H::of(); }\npub const fn k() {}\npub(super) struct L;";
    assert_eq!(named(text).into_iter().collect::<Vec<_>>(), ["B", "H", "a", "c", "g", "of", "super", "use"]);
    assert_eq!(declared(text).collect::<Vec<_>>(), ["k", "L"]);
    let text = "use crate::{a::{B, c}, D, e};\nfn f() { crate::g::h(); }";
    assert_eq!(used(text).into_iter().collect::<Vec<_>>(), ["D", "a", "e", "g"]);
    let uses = BTreeMap::from([("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]);
    let uses = uses.into_iter().map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()]))).collect();
    assert!(reaches(&uses, "b", "a", &mut BTreeSet::new()) && !reaches(&uses, "a", "d", &mut BTreeSet::new()));
}

#[test]
fn every_section_of_the_science_that_the_code_cites_is_there() {
    let science = fs::read_to_string(root().join("docs/methods.md")).unwrap();
    let headings: BTreeSet<&str> = science
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches('#').split_whitespace().next())
        .map(|number| number.trim_end_matches('.'))
        .collect();
    let mut cited = BTreeSet::new();
    for folder in ["server", "web", "tools"] {
        for ending in ["rs", "py"] {
            for (name, text) in files(&root().join(folder), ending) {
                for rest in text.split("methods.md §").skip(1) {
                    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                    cited.insert((rest[..end].trim_end_matches('.').to_owned(), format!("{folder}/{name}")));
                }
            }
        }
    }
    assert!(cited.len() > 40, "{cited:?}");
    let missing: Vec<_> = cited.iter().filter(|(section, _)| !headings.contains(section.as_str())).collect();
    assert!(missing.is_empty(), "docs/methods.md has no section {missing:?}");
}

#[test]
fn every_file_that_the_guides_name_is_there() {
    let folders = ["server/", "web/", "tests/", "tools/", "docs/", "migrations/"];
    for guide in ["CONTRIBUTING.md", "docs/methods.md", "README.md"] {
        let text = fs::read_to_string(root().join(guide)).unwrap();
        let named = text.split('`').skip(1).step_by(2).filter(|name| folders.iter().any(|f| name.starts_with(f)));
        for name in named.filter(|name| !name.contains(' ')) {
            // A recipe's file is not there yet; its folder is.
            let there = name.split(['*', '{']).next().unwrap_or_default();
            let there = if name.contains("NAME") { Path::new(there).parent().unwrap() } else { Path::new(there) };
            assert!(root().join(there).exists(), "{guide} names {name}, which is not there");
        }
    }
}
