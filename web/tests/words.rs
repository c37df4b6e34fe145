//! Facts about titles, names and classes of any script, on every page and in every figure and table.

#![allow(clippy::unwrap_used)]

mod sample;

use resvg::usvg::roxmltree;
use retort_web::{
    export::TableFormat,
    figures::{Figure, FigureFormat},
};

/// Names as people have them, and as those have them who want to harm: each is a title, a class, a dataset and a model.
const NAMES: [&str; 24] = [
    "golden retriever",
    "犬 🐕",
    "été",
    "a&b",
    "=cmd|'C calc'!A0",
    "<img src=x onerror=alert(1)>",
    "back\"quote",
    "per%cent_under#",
    "nul\0 bell\u{7} del\u{7f} next\u{85}",
    "line\nbreak\r\ttab",
    "\u{1b}[31mred\u{1b}[0m",
    "evil\u{202e}gpj.exe\u{202c}",
    "\u{2066}isolate\u{2069}\u{200e}\u{200f}\u{61c}",
    "zero\u{200b}width\u{2060}joiner\u{200d}",
    "\u{feff}bom \u{fff9}note\u{fffb} \u{e0001}\u{e0061}tag \u{fffe}",
    "Ελληνικά και Кириллица",
    "שלום עולם مرحبا بالعالم",
    "می\u{200c}خواهم 👩\u{200d}🔬 ❤\u{fe0f}",
    "e\u{301}\u{323} Z\u{351}\u{36b}\u{343} \u{301}",
    "]]> <!-- --> </title></script><script>",
    "{{ 7 * 7 }} {% if %} \\ ~ ^ $",
    "| a | `b` | **c** | [d](e)",
    "한국어 日本語 ไทย हिन्दी",
    "antidisestablishmentarianismantidisestablishmentarianismantidisestablishmentarianismantidisestabl",
];

/// Signs that must not stand anywhere as they are: controls, those that turn the direction of writing, those without width.
fn is_bare(sign: char) -> bool {
    sign.is_control() && sign != '\n'
        || matches!(
            sign,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0001}'..='\u{e007f}'
        )
}

fn assert_nothing_is_bare(what: &str, text: &str) {
    if let Some((at, sign)) = text.char_indices().find(|(_, sign)| is_bare(*sign)) {
        let from = text[..at].char_indices().rev().nth(80).map_or(0, |(start, _)| start);
        panic!("{what} has U+{:04X} behind {:?}", u32::from(sign), &text[from..at]);
    }
}

/// The elements of a page are closed in their order, and its attributes are in quotes.
fn assert_is_html(what: &str, html: &str) {
    const VOID: [&str; 9] = ["meta", "link", "input", "img", "br", "hr", "option", "!doctype", "wbr"];
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some((_, tag)) = rest.split_once('<') {
        let mut quote = None;
        let end = tag.char_indices().find(|(_, c)| match (quote, c) {
            (None, '>') => true,
            (None, '"') => {
                quote = Some('"');
                false
            }
            (Some(_), '"') => {
                quote = None;
                false
            }
            _ => false,
        });
        let (end, _) = end.unwrap_or_else(|| panic!("{what}: a tag has no end: {tag:.200}"));
        let (inner, behind) = (&tag[..end], &tag[end + 1..]);
        assert!(!inner.contains('<') || inner.contains('"'), "{what}: <{inner}>");
        rest = behind;
        let name = inner.split([' ', '\n', '/']).find(|part| !part.is_empty()).unwrap_or_default().to_lowercase();
        if inner.starts_with('/') {
            let expected = open.pop();
            assert_eq!(expected.as_deref(), Some(name.as_str()), "{what}: before {behind:.200}");
        } else if matches!(name.as_str(), "script" | "style") {
            rest = behind.split_once(&format!("</{name}>")).unwrap().1;
        } else if !inner.ends_with('/') && (!VOID.contains(&name.as_str()) || name == "option") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{what}: {open:?}");
}

#[test]
fn every_page_shows_any_name_as_what_it_is() {
    for name in NAMES {
        for (page, html) in sample::pages_with(name) {
            let what = format!("{page} with {name:?}");
            assert_nothing_is_bare(&what, &html);
            assert_is_html(&what, &html);
            assert!(!html.contains("<img src=x") && !html.contains("</script><script>"), "{what}");
        }
    }
}

#[test]
fn every_table_shows_any_name_as_what_it_is() {
    for name in NAMES {
        let page = sample::comparison_with(name);
        for format in TableFormat::ALL {
            let (what, text) = (format!("{} with {name:?}", format.title()), page.export(format));
            // A spreadsheet knows its text by what stands first, and cells by their tabs.
            let cells = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\t', " ");
            assert_nothing_is_bare(&what, &cells);
            match format {
                TableFormat::Latex => assert!(text.is_ascii(), "{what}: {text}"),
                TableFormat::Json => {
                    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                    assert!(json["title"].as_str().unwrap().contains(name), "{what}: a title is data");
                }
                TableFormat::RobustBench => {
                    let models: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
                    assert!(
                        models.iter().all(|model| model["name"].as_str().unwrap().contains(name)),
                        "{what}: {text}"
                    );
                }
                TableFormat::Csv | TableFormat::Tsv => {
                    let separator = if format == TableFormat::Csv { ',' } else { '\t' };
                    for cell in text.lines().flat_map(|line| line.split(separator)) {
                        let is_number = cell.parse::<f64>().is_ok();
                        assert!(is_number || !cell.trim_matches('"').starts_with(['=', '+', '@']), "{what}: {cell}");
                    }
                }
                TableFormat::Markdown => assert!(!text.contains("<img") && !text.contains("[d](e)"), "{what}: {text}"),
            }
        }
    }
}

/// The figures of a comparison and of its analyses.
fn figures(name: &str) -> Vec<Figure> {
    let page = sample::comparison_with(name);
    let analyses = page.analyses.iter().map(|analysis| analysis.figure().unwrap());
    page.all_figures().into_iter().map(|(_, figure)| figure).chain(analyses).collect()
}

#[test]
fn every_figure_is_xml_and_can_be_drawn_whatever_its_names_are() {
    for name in NAMES {
        let figures = figures(name);
        assert!(figures.len() > 4, "{}", figures.len());
        for figure in figures {
            let svg = String::from_utf8(FigureFormat::Svg.write(&figure).unwrap()).unwrap();
            assert_nothing_is_bare(&format!("{:?}", figure.title), &svg);
            let read = roxmltree::Document::parse(&svg).unwrap_or_else(|e| panic!("{name:?}: {e}: {svg}"));
            assert!(read.descendants().any(|node| node.has_tag_name("text")));
        }
    }
    // Drawing takes longer: the smallest figure with each name.
    for (place, name) in NAMES.into_iter().enumerate() {
        let figure = figures(name).into_iter().min_by_key(|figure| figure.svg.len()).unwrap();
        let format = if place % 3 == 0 { FigureFormat::Pdf } else { FigureFormat::Png };
        format.write(&figure).unwrap_or_else(|e| panic!("{name:?}: {e}"));
    }
}

#[test]
fn a_name_of_91_letters_has_its_room_in_every_figure() {
    for figure in figures(NAMES[23]) {
        let svg = String::from_utf8(FigureFormat::Svg.write(&figure).unwrap()).unwrap();
        let read = roxmltree::Document::parse(&svg).unwrap();
        // The title takes the lines that it needs.
        let texts =
            read.descendants().filter(|node| node.has_tag_name("text") && node.attribute("class") != Some("title"));
        for words in texts.filter_map(|text| text.text()) {
            assert!(words.chars().count() < 60, "{}: {words}", figure.title);
        }
        // What was shortened is whole where a pointer rests.
        assert!(!svg.contains('…') || svg.contains(NAMES[23]), "{}: {svg}", figure.title);
    }
}
