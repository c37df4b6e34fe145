//! Words as LaTeX prints them with any of its programs: commands of the encoding T1, of textcomp and of mathematics, in ASCII.
//! What has none is transcribed, and a comment lists it.

use std::collections::BTreeMap;

use unicode_normalization::{
    UnicodeNormalization,
    char::{decompose_canonical, is_combining_mark},
};

use crate::words::{code_point, latin, shown};

/// What makes pdfLaTeX know the commands; the others know them by themselves.
pub(super) const PREAMBLE: &str = "\\ifdefined\\Umathcode\\else\\usepackage[T1]{fontenc}\\usepackage{textcomp}\\fi\n\
                                   \\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}\n";

/// Writes words, and remembers what it had to transcribe.
#[derive(Default)]
pub(super) struct Tex {
    transcribed: BTreeMap<char, String>,
}

impl Tex {
    /// Text as LaTeX prints it: ASCII, with its braces in pairs.
    pub(super) fn words(&mut self, text: &str) -> String {
        let text: String = shown(text).nfc().collect();
        let mut out = String::with_capacity(text.len());
        let mut rest = text.chars().peekable();
        let mut before = None;
        while let Some(sign) = rest.next() {
            let (mut base, mut marks) = (sign, Vec::new());
            if command(sign).is_none() {
                decompose_canonical(sign, |part| if is_combining_mark(part) { marks.push(part) } else { base = part });
            }
            if !base.is_ascii() && command(base).is_none() {
                // Accents are for letters that LaTeX has.
                (base, marks) = (sign, Vec::new());
            }
            while let Some(mark) = rest.next_if(|next| is_combining_mark(*next)) {
                marks.push(mark);
            }
            let letter = match command(base) {
                Some(command) => command.into(),
                // Two of these beside each other would be printed as one other sign.
                None if before == Some(base) && "-,'".contains(base) => format!("{{\\kern0pt}}{base}"),
                None if base.is_ascii() => base.into(),
                None => self.transcribe(base),
            };
            out += &marks.into_iter().fold(letter, |letter, mark| self.accented(&letter, base, mark));
            before = Some(base);
        }
        out.trim_end().replace("  ", " ")
    }

    /// A letter below or above a mark.
    fn accented(&mut self, letter: &str, base: char, mark: char) -> String {
        let greek = letter.strip_prefix("$\\").and_then(|rest| rest.strip_suffix('$'));
        let accent = ACCENTS.iter().find(|(of, ..)| *of == mark);
        match (accent, greek) {
            (Some((.., math)), Some(letter)) if !math.is_empty() => format!("${math}{{\\{letter}}}$"),
            (Some((_, text, _)), None) if has_accent(letter, base, mark) => {
                // What stands above takes the place of the dot.
                let is_below = matches!(mark, '\u{323}'..='\u{328}' | '\u{331}');
                let letter = match (base, letter) {
                    ('i', "i") if !is_below => "\\i",
                    ('j', "j") if !is_below => "\\j",
                    _ => letter,
                };
                format!("{text}{{{letter}}}")
            }
            _ => {
                self.transcribed.insert(mark, String::new());
                letter.into()
            }
        }
    }

    fn transcribe(&mut self, sign: char) -> String {
        let letters = if is_combining_mark(sign) { String::new() } else { latin(sign) };
        self.transcribed.insert(sign, letters.trim().into());
        letters.chars().map(|c| command(c).map_or_else(|| c.to_string(), str::to_owned)).collect()
    }

    /// A comment that lists what was transcribed; empty where nothing was.
    pub(super) fn note(&self) -> String {
        if self.transcribed.is_empty() {
            return String::new();
        }
        let list = self.transcribed.iter().map(|(sign, letters)| match letters.as_str() {
            "" => format!("{} is left out", code_point(*sign)),
            letters => format!("{} is written \"{letters}\"", code_point(*sign)),
        });
        format!("% Signs that the fonts of LaTeX lack: {}.\n", list.collect::<Vec<_>>().join(", "))
    }
}

/// Whether a letter, as it is written so far, can bear a mark in text: what hangs below is there with some letters alone.
fn has_accent(letter: &str, base: char, mark: char) -> bool {
    let is_plain = letter.chars().eq([base]);
    match mark {
        '\u{327}' => is_plain && "cCsStTgGkKlLnNrR".contains(base),
        '\u{328}' => is_plain && "aAeEiIoOuU".contains(base),
        _ => !letter.starts_with(['$', '{']),
    }
}

/// Marks with their accents in text and in mathematics, where there is one.
const ACCENTS: [(char, &str, &str); 16] = [
    ('\u{300}', "\\`", "\\grave"),
    ('\u{301}', "\\'", "\\acute"),
    ('\u{302}', "\\^", "\\hat"),
    ('\u{303}', "\\~", "\\tilde"),
    ('\u{304}', "\\=", "\\bar"),
    ('\u{306}', "\\u", "\\breve"),
    ('\u{307}', "\\.", "\\dot"),
    ('\u{308}', "\\\"", "\\ddot"),
    ('\u{30a}', "\\r", ""),
    ('\u{30b}', "\\H", ""),
    ('\u{30c}', "\\v", "\\check"),
    ('\u{323}', "\\d", ""),
    ('\u{326}', "\\textcommabelow", ""),
    ('\u{327}', "\\c", ""),
    ('\u{328}', "\\k", ""),
    ('\u{331}', "\\b", ""),
];

/// The command of a sign; none where it stands for itself, or where LaTeX has none.
fn command(sign: char) -> Option<&'static str> {
    let found = COMMANDS.binary_search_by_key(&sign, |(of, _)| *of).ok()?;
    Some(COMMANDS[found].1)
}

/// By sign: its command.
#[rustfmt::skip]
const COMMANDS: [(char, &str); 272] = [
    ('"', "\\textquotedbl{}"), ('#', "\\#"), ('$', "\\$"), ('%', "\\%"), ('&', "\\&"), ('<', "$<$"), ('>', "$>$"),
    ('[', "{[}"), ('\\', "\\textbackslash{}"), (']', "{]}"), ('^', "\\textasciicircum{}"), ('_', "\\_"),
    ('`', "\\textasciigrave{}"), ('{', "\\{"), ('|', "$|$"), ('}', "\\}"), ('~', "\\textasciitilde{}"), ('\u{a0}', "~"),
    ('¡', "\\textexclamdown{}"), ('¢', "\\textcent{}"), ('£', "\\textsterling{}"), ('¤', "\\textcurrency{}"),
    ('¥', "\\textyen{}"), ('¦', "\\textbrokenbar{}"), ('§', "\\textsection{}"), ('¨', "\\textasciidieresis{}"),
    ('©', "\\textcopyright{}"), ('ª', "\\textordfeminine{}"), ('«', "\\guillemotleft{}"), ('¬', "$\\neg$"),
    ('®', "\\textregistered{}"), ('¯', "\\textasciimacron{}"), ('°', "\\textdegree{}"), ('±', "$\\pm$"), ('²', "$^{2}$"),
    ('³', "$^{3}$"), ('´', "\\textasciiacute{}"), ('µ', "$\\mu$"), ('¶', "\\textparagraph{}"), ('·', "$\\cdot$"),
    ('¹', "$^{1}$"), ('º', "\\textordmasculine{}"), ('»', "\\guillemotright{}"), ('¼', "\\textonequarter{}"),
    ('½', "\\textonehalf{}"), ('¾', "\\textthreequarters{}"), ('¿', "\\textquestiondown{}"), ('Æ', "\\AE{}"),
    ('Ð', "\\DH{}"), ('×', "$\\times$"), ('Ø', "\\O{}"), ('Þ', "\\TH{}"), ('ß', "\\ss{}"), ('æ', "\\ae{}"), ('ð', "\\dh{}"),
    ('÷', "$\\div$"), ('ø', "\\o{}"), ('þ', "\\th{}"), ('Đ', "\\DJ{}"), ('đ', "\\dj{}"), ('ı', "\\i{}"), ('Ł', "\\L{}"),
    ('ł', "\\l{}"), ('Ŋ', "\\NG{}"), ('ŋ', "\\ng{}"), ('Œ', "\\OE{}"), ('œ', "\\oe{}"), ('ȷ', "\\j{}"),
    ('Α', "$\\mathrm{A}$"), ('Β', "$\\mathrm{B}$"), ('Γ', "$\\Gamma$"), ('Δ', "$\\Delta$"), ('Ε', "$\\mathrm{E}$"),
    ('Ζ', "$\\mathrm{Z}$"), ('Η', "$\\mathrm{H}$"), ('Θ', "$\\Theta$"), ('Ι', "$\\mathrm{I}$"), ('Κ', "$\\mathrm{K}$"),
    ('Λ', "$\\Lambda$"), ('Μ', "$\\mathrm{M}$"), ('Ν', "$\\mathrm{N}$"), ('Ξ', "$\\Xi$"), ('Ο', "$\\mathrm{O}$"),
    ('Π', "$\\Pi$"), ('Ρ', "$\\mathrm{P}$"), ('Σ', "$\\Sigma$"), ('Τ', "$\\mathrm{T}$"), ('Υ', "$\\Upsilon$"),
    ('Φ', "$\\Phi$"), ('Χ', "$\\mathrm{X}$"), ('Ψ', "$\\Psi$"), ('Ω', "$\\Omega$"), ('α', "$\\alpha$"), ('β', "$\\beta$"),
    ('γ', "$\\gamma$"), ('δ', "$\\delta$"), ('ε', "$\\varepsilon$"), ('ζ', "$\\zeta$"), ('η', "$\\eta$"),
    ('θ', "$\\theta$"), ('ι', "$\\iota$"), ('κ', "$\\kappa$"), ('λ', "$\\lambda$"), ('μ', "$\\mu$"), ('ν', "$\\nu$"),
    ('ξ', "$\\xi$"), ('ο', "$\\mathrm{o}$"), ('π', "$\\pi$"), ('ρ', "$\\rho$"), ('ς', "$\\varsigma$"), ('σ', "$\\sigma$"),
    ('τ', "$\\tau$"), ('υ', "$\\upsilon$"), ('φ', "$\\varphi$"), ('χ', "$\\chi$"), ('ψ', "$\\psi$"), ('ω', "$\\omega$"),
    ('ϑ', "$\\vartheta$"), ('ϕ', "$\\phi$"), ('ϖ', "$\\varpi$"), ('ϱ', "$\\varrho$"), ('ϵ', "$\\epsilon$"),
    ('\u{2000}', " "), ('\u{2001}', " "), ('\u{2002}', " "), ('\u{2003}', " "), ('\u{2004}', " "), ('\u{2005}', " "),
    ('\u{2006}', " "), ('\u{2007}', " "), ('\u{2008}', " "), ('\u{2009}', " "), ('\u{200a}', " "), ('\u{2010}', "-"),
    ('\u{2011}', "-"), ('\u{2012}', "--"), ('\u{2013}', "\\textendash{}"), ('\u{2014}', "\\textemdash{}"),
    ('\u{2015}', "\\textemdash{}"), ('‖', "$\\Vert$"), ('‘', "\\textquoteleft{}"), ('’', "\\textquoteright{}"),
    ('‚', "\\quotesinglbase{}"), ('“', "\\textquotedblleft{}"), ('”', "\\textquotedblright{}"), ('„', "\\quotedblbase{}"), ('†', "\\textdagger{}"),
    ('‡', "\\textdaggerdbl{}"), ('•', "\\textbullet{}"), ('…', "\\ldots{}"), ('\u{202f}', "~"),
    ('‰', "\\textperthousand{}"), ('′', "$\\prime$"), ('″', "$''$"), ('‹', "\\guilsinglleft{}"),
    ('›', "\\guilsinglright{}"), ('\u{205f}', " "), ('⁰', "$^{0}$"), ('ⁱ', "$^{i}$"), ('⁴', "$^{4}$"), ('⁵', "$^{5}$"),
    ('⁶', "$^{6}$"), ('⁷', "$^{7}$"), ('⁸', "$^{8}$"), ('⁹', "$^{9}$"), ('⁺', "$^{+}$"), ('⁻', "$^{-}$"), ('⁼', "$^{=}$"),
    ('⁽', "$^{(}$"), ('⁾', "$^{)}$"), ('ⁿ', "$^{n}$"), ('₀', "$_{0}$"), ('₁', "$_{1}$"), ('₂', "$_{2}$"), ('₃', "$_{3}$"),
    ('₄', "$_{4}$"), ('₅', "$_{5}$"), ('₆', "$_{6}$"), ('₇', "$_{7}$"), ('₈', "$_{8}$"), ('₉', "$_{9}$"), ('₊', "$_{+}$"),
    ('₋', "$_{-}$"), ('₌', "$_{=}$"), ('₍', "$_{(}$"), ('₎', "$_{)}$"), ('€', "\\texteuro{}"), ('ℏ', "$\\hbar$"),
    ('ℓ', "$\\ell$"), ('№', "\\textnumero{}"), ('™', "\\texttrademark{}"), ('←', "$\\leftarrow$"), ('↑', "$\\uparrow$"),
    ('→', "$\\rightarrow$"), ('↓', "$\\downarrow$"), ('↔', "$\\leftrightarrow$"), ('↕', "$\\updownarrow$"),
    ('↖', "$\\nwarrow$"), ('↗', "$\\nearrow$"), ('↘', "$\\searrow$"), ('↙', "$\\swarrow$"), ('↦', "$\\mapsto$"),
    ('⇐', "$\\Leftarrow$"), ('⇒', "$\\Rightarrow$"), ('⇔', "$\\Leftrightarrow$"), ('∀', "$\\forall$"), ('∂', "$\\partial$"),
    ('∃', "$\\exists$"), ('∅', "$\\emptyset$"), ('∆', "$\\Delta$"), ('∇', "$\\nabla$"), ('∈', "$\\in$"), ('∉', "$\\notin$"),
    ('∋', "$\\ni$"), ('∏', "$\\prod$"), ('∑', "$\\sum$"), ('\u{2212}', "$-$"), ('∓', "$\\mp$"), ('∖', "$\\setminus$"),
    ('∗', "$\\ast$"), ('∘', "$\\circ$"), ('∙', "$\\bullet$"), ('√', "$\\surd$"), ('∝', "$\\propto$"), ('∞', "$\\infty$"),
    ('∠', "$\\angle$"), ('∣', "$\\mid$"), ('∥', "$\\parallel$"), ('∧', "$\\wedge$"), ('∨', "$\\vee$"), ('∩', "$\\cap$"),
    ('∪', "$\\cup$"), ('∫', "$\\int$"), ('∼', "$\\sim$"), ('≃', "$\\simeq$"), ('≅', "$\\cong$"), ('≈', "$\\approx$"),
    ('≠', "$\\neq$"), ('≡', "$\\equiv$"), ('≤', "$\\leq$"), ('≥', "$\\geq$"), ('≪', "$\\ll$"), ('≫', "$\\gg$"),
    ('⊂', "$\\subset$"), ('⊃', "$\\supset$"), ('⊆', "$\\subseteq$"), ('⊇', "$\\supseteq$"), ('⊕', "$\\oplus$"),
    ('⊗', "$\\otimes$"), ('⊤', "$\\top$"), ('⊥', "$\\perp$"), ('⋅', "$\\cdot$"), ('⋆', "$\\star$"), ('⋯', "$\\cdots$"),
    ('⌈', "$\\lceil$"), ('⌉', "$\\rceil$"), ('⌊', "$\\lfloor$"), ('⌋', "$\\rfloor$"), ('△', "$\\triangle$"),
    ('◇', "$\\diamond$"), ('★', "$\\star$"), ('♠', "$\\spadesuit$"), ('♣', "$\\clubsuit$"), ('♥', "$\\heartsuit$"),
    ('♦', "$\\diamondsuit$"), ('♭', "$\\flat$"), ('♮', "$\\natural$"), ('♯', "$\\sharp$"), ('⟨', "$\\langle$"),
    ('⟩', "$\\rangle$"), ('⟶', "$\\longrightarrow$"), ('\u{3000}', " "),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        Tex::default().words(text)
    }

    #[test]
    fn signs_that_latex_knows_are_its_commands() {
        for (text, said) in [
            (
                "50 % of_#1 {&} $~^\\",
                "50 \\% of\\_\\#1 \\{\\&\\} \\$\\textasciitilde{}\\textasciicircum{}\\textbackslash{}",
            ),
            ("«Straße» łódź", "\\guillemotleft{}Stra\\ss{}e\\guillemotright{} \\l{}\\'{o}d\\'{z}"),
            ("é e\u{301} naïve Ångström", "\\'{e} \\'{e} na\\\"{\\i}ve \\r{A}ngstr\\\"{o}m"),
            ("x\u{30c} ệ ș ą", "\\v{x} \\^{\\d{e}} \\textcommabelow{s} \\k{a}"),
            ("ε → 0, a ≥ b", "$\\varepsilon$ $\\rightarrow$ 0, a $\\geq$ b"),
            ("λόγος", "$\\lambda$$\\acute{\\mathrm{o}}$$\\gamma$$\\mathrm{o}$$\\varsigma$"),
            (
                "“it's” a--b ,, [x]",
                "\\textquotedblleft{}it's\\textquotedblright{} a-{\\kern0pt}-b ,{\\kern0pt}, {[}x{]}",
            ),
            ("a\u{202e}b\u{1}", "a$\\langle$U+202E$\\rangle$b$\\langle$U+0001$\\rangle$"),
            ("10² cm", "10$^{2}$ cm"),
        ] {
            assert_eq!(words(text), said, "{text}");
        }
    }

    #[test]
    fn what_latex_lacks_is_transcribed_and_listed() {
        let mut tex = Tex::default();
        assert_eq!(tex.words("犬 🐕 пёс"), "Quan {[}dog{]} pios");
        assert_eq!(
            tex.note(),
            "% Signs that the fonts of LaTeX lack: U+043F is written \"p\", U+0441 is written \"s\", U+0451 is written \"io\", \
             U+72AC is written \"Quan\", U+1F415 is written \"[dog]\".\n"
        );
        assert_eq!(Tex::default().note(), "");
    }

    #[test]
    fn any_text_becomes_ascii_with_braces_and_dollars_in_pairs() {
        // A linear congruential generator (Knuth's MMIX): any signs, many of those that LaTeX reads as commands among them.
        let mut state = 1_u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32 % below
        };
        for _ in 0..4_000 {
            let sign = |kind: u32, at: u32| match kind {
                0 => char::from_u32(at % 0x80),
                1 => char::from_u32(at % 0x600),
                2 => char::from_u32(0x300 + at % 0x70),
                3 => Some(COMMANDS[at as usize % COMMANDS.len()].0),
                _ => char::from_u32(at % 0x11_0000),
            };
            let text: String = (0..30).filter_map(|_| sign(random(5), random(0x11_0000))).collect();
            let mut tex = Tex::default();
            let written = tex.words(&text);
            assert!(written.is_ascii() && tex.note().is_ascii(), "{text:?}: {written}");
            assert!(!written.chars().any(char::is_control) && tex.note().trim_end().lines().count() < 2, "{text:?}");
            let (mut depth, mut dollars, mut is_escaped) = (0_i32, 0, false);
            for c in written.chars() {
                match c {
                    _ if is_escaped => {}
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    '$' => dollars += 1,
                    '%' | '&' | '#' => panic!("{text:?}: {written}"),
                    _ => {}
                }
                is_escaped = c == '\\' && !is_escaped;
                assert!(depth >= 0, "{text:?}: {written}");
            }
            assert!(depth == 0 && dollars % 2 == 0, "{text:?}: {written}");
        }
    }
}
