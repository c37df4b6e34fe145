//! The fonts of exported figures: `DejaVu` Sans, which is part of the program, and for the signs that it lacks those of the
//! machine. A sign that none of them has is written in Latin letters, so that no figure shows a box.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use resvg::usvg::{
    FontResolver, Group, Node, Options, Tree,
    fontdb::{Database, FaceInfo, ID, Style, Weight},
};

use super::super::{Figure, text::rewritten};
use crate::words::{escape, latin};

/// Fonts that have a sign for everything, and it shows nothing.
const EMPTY: [&str; 3] = ["LastResort", "Last Resort", "Adobe Blank"];

/// Fonts for drawings.
pub(super) struct Fonts(Arc<Database>);

impl Fonts {
    /// The font of the program alone.
    pub(super) fn own() -> Self {
        let mut fonts = Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.load_font_data(dejavu::sans::bold().to_vec());
        Self(Arc::new(fonts))
    }

    /// That and the fonts of the machine, which are looked for once.
    pub(super) fn all() -> &'static Self {
        static ALL: LazyLock<Fonts> = LazyLock::new(|| {
            let Fonts(own) = Fonts::own();
            let mut fonts = Arc::unwrap_or_clone(own);
            fonts.load_system_fonts();
            let is_empty =
                |face: &&FaceInfo| face.families.iter().any(|(name, _)| EMPTY.iter().any(|e| name.contains(e)));
            let empty: Vec<ID> = fonts.faces().filter(is_empty).map(|face| face.id).collect();
            for id in empty {
                fonts.remove_face(id);
            }
            Fonts(Arc::new(fonts))
        });
        &ALL
    }

    /// The drawing of a figure as usvg reads it, of a document that `document` makes of the figure and of what is to be said of
    /// its fonts.
    ///
    /// # Errors
    /// When the document cannot be read.
    pub(super) fn read(&self, figure: &Figure, document: impl Fn(&Figure, &str) -> String) -> Result<Tree, String> {
        let mut tree = self.tree(&document(figure, ""))?;
        let mut transcribed = BTreeSet::new();
        // Where words need several fonts at once, a sign may be missing that one of them has: those that none has go first.
        for is_lacking in [|fonts: &Self, sign: char| !fonts.has(sign), |_: &Self, _: char| true] {
            let missing = missing_signs(tree.root());
            if missing.is_empty() {
                return Ok(tree);
            }
            transcribed.extend(missing.into_iter().filter(|sign| is_lacking(self, *sign)));
            tree = self.tree(&document(&in_latin(figure, |sign| transcribed.contains(&sign)), NOTE))?;
        }
        if missing_signs(tree.root()).is_empty() {
            return Ok(tree);
        }
        let own = Self::own();
        self.tree(&document(&in_latin(figure, |sign| !own.has(sign)), NOTE))
    }

    fn tree(&self, svg: &str) -> Result<Tree, String> {
        let resolver = FontResolver { select_fallback: Box::new(fallback), ..FontResolver::default() };
        let options = Options { fontdb: self.0.clone(), font_resolver: resolver, ..Options::default() };
        Tree::from_str(svg, &options).map_err(|e| format!("the drawing cannot be read: {e}"))
    }

    fn has(&self, sign: char) -> bool {
        self.0.faces().any(|face| has_sign(&self.0, face.id, sign))
    }
}

/// What a figure says below itself where signs of it are transcribed.
const NOTE: &str = "Signs that no font of the server has are written in Latin letters.";

/// A figure whose words are written in Latin letters where `is_missing` says so. Signs beyond ASCII stand in its words alone.
fn in_latin(figure: &Figure, is_missing: impl Fn(char) -> bool) -> Figure {
    let write = |sign: char| {
        if sign.is_ascii() || !is_missing(sign) { sign.to_string() } else { latin(sign) }
    };
    let words = |text: &str| text.chars().map(write).collect();
    let svg = rewritten(&figure.svg, |sign| if sign.is_ascii() { sign.into() } else { escape(&write(sign)) });
    Figure { title: words(&figure.title), svg, caption: words(&figure.caption) }
}

/// The signs of a drawing that are drawn as a box, as no font has them.
fn missing_signs(group: &Group) -> BTreeSet<char> {
    let mut missing = BTreeSet::new();
    for node in group.children() {
        match node {
            Node::Group(group) => missing.append(&mut missing_signs(group)),
            Node::Text(text) => {
                let glyphs = text.layouted().iter().flat_map(|span| &span.positioned_glyphs);
                missing.extend(glyphs.filter(|glyph| glyph.id.0 == 0).flat_map(|glyph| glyph.text.chars()));
            }
            Node::Path(_) | Node::Image(_) => {}
        }
    }
    missing
}

/// The font for a sign that others lack: upright, without serifs and as bold as the first of them where there is such a one.
fn fallback(sign: char, others: &[ID], fonts: &mut Arc<Database>) -> Option<ID> {
    let weight = others.first().and_then(|first| fonts.face(*first)).map_or(Weight::NORMAL, |face| face.weight);
    let unlike = |face: &FaceInfo| {
        let name = face.families.first().map_or("", |(name, _)| name.as_str());
        (face.style != Style::Normal, !name.contains("Sans"), face.monospaced, weight.0.abs_diff(face.weight.0))
    };
    let mut faces: Vec<&FaceInfo> = fonts.faces().filter(|face| !others.contains(&face.id)).collect();
    faces.sort_by_cached_key(|face| (unlike(face), face.post_script_name.clone()));
    faces.into_iter().map(|face| face.id).find(|id| has_sign(fonts, *id, sign))
}

fn has_sign(fonts: &Database, font: ID, sign: char) -> bool {
    let has = |data: &[u8], index| {
        ttf_parser::Face::parse(data, index).is_ok_and(|face| face.glyph_index(sign).is_some_and(|glyph| glyph.0 != 0))
    };
    fonts.with_face_data(font, has).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        Figure {
            title: "北京 犬 🐕 ε".into(),
            svg: "<svg viewBox=\"0 0 400 50\"><text x=\"4\" y=\"20\">שלום привет 한국어 हिन्दी 👩\u{200d}🔬 e\u{301}\u{323}</text></svg>"
                .into(),
            caption: "犬".into(),
        }
    }

    fn document(figure: &Figure, note: &str) -> String {
        let inner = figure.svg.split_once('>').unwrap().1;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="400" height="80" font-family="DejaVu Sans"><text y="40">{}</text><text y="60">{note}</text>{inner}"#,
            figure.title
        )
    }

    /// The texts that are drawn.
    fn words(group: &Group) -> Vec<String> {
        let of = |node: &Node| match node {
            Node::Group(group) => words(group),
            Node::Text(text) => text.chunks().iter().map(|chunk| chunk.text().to_owned()).collect(),
            Node::Path(_) | Node::Image(_) => Vec::new(),
        };
        group.children().iter().flat_map(of).collect()
    }

    #[test]
    fn every_sign_that_is_drawn_has_a_glyph() {
        for fonts in [&Fonts::own(), Fonts::all()] {
            let tree = fonts.read(&figure(), document).unwrap();
            assert_eq!(missing_signs(tree.root()), BTreeSet::new(), "{:?}", words(tree.root()));
        }
    }

    #[test]
    fn signs_without_a_font_are_written_in_latin_letters_and_the_figure_says_so() {
        let drawn = words(Fonts::own().read(&figure(), document).unwrap().root());
        assert_eq!(drawn[..2], ["Bei Jing Quan [dog] ε", NOTE]);
        assert!(drawn[2].contains("привет hangugeo "), "{drawn:?}");
    }

    #[test]
    fn signs_with_a_font_on_the_machine_stay_as_they_are() {
        let plain = Figure { title: "犬 ε".into(), svg: "<svg></svg>".into(), caption: String::new() };
        let drawn = words(Fonts::all().read(&plain, document).unwrap().root());
        if Fonts::all().has('犬') {
            assert_eq!(drawn, ["犬 ε"]);
        } else {
            assert_eq!(drawn, ["Quan ε", NOTE]);
        }
    }
}
