//! Figures to take along: the drawing of the page as a file of its own, with its colours inside. PNG and PDF are made of
//! that SVG, so all three are one drawing.

mod fonts;

use std::fmt::Write;

use krilla::{Document, geom::Size, page::PageSettings};
use krilla_svg::{SurfaceExt, SvgSettings};
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::Tree,
};

use self::fonts::Fonts;
use super::{Figure, chart::SHADES, panels::LEVELS};
use crate::words::{escape, shown, wrapped};

/// A format of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureFormat {
    /// Scalable Vector Graphics.
    Svg,
    /// Portable Network Graphics, three pixels for each unit of the drawing.
    Png,
    /// Portable Document Format, its text as text.
    Pdf,
}

impl FigureFormat {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Svg, Self::Png, Self::Pdf];

    /// The ending of a file of this format.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
            Self::Pdf => "pdf",
        }
    }

    /// The name that people know.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Svg => "SVG",
            Self::Png => "PNG",
            Self::Pdf => "PDF",
        }
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
            Self::Pdf => "application/pdf",
        }
    }

    /// The format whose files end so.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// Makes the file of a figure.
    ///
    /// # Errors
    /// When the drawing cannot be read or has no size.
    pub fn write(self, figure: &Figure) -> Result<Vec<u8>, String> {
        match self {
            Self::Svg => Ok(document(figure, "").into_bytes()),
            Self::Png => png(&Fonts::all().read(figure, document)?),
            Self::Pdf => pdf(&Fonts::all().read(figure, document)?),
        }
    }
}

/// Pixels of a PNG for each unit of a drawing.
const PIXELS: f32 = 3.0;

/// The height of a line of words around a drawing, the sizes of the letters of a title, which is bold, and of a note, and the
/// margin around them.
const LINE: f64 = 18.0;
const TITLE: f64 = 14.6;
const NOTE: f64 = 11.0;
const MARGIN: f64 = 8.0;

/// A drawing as a document of its own, below its title and above a note, which is mostly empty: on white, in the colours of the
/// page by day.
fn document(figure: &Figure, note: &str) -> String {
    let view = figure.svg.split("viewBox=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("0 0 1 1");
    let numbers: Vec<f64> = view.split(' ').filter_map(|number| number.parse().ok()).collect();
    let (width, height) = match numbers.as_slice() {
        [_, _, width, height] => (*width, *height),
        _ => (1.0, 1.0),
    };
    let inner = figure.svg.split_once('>').map_or("", |(_, rest)| rest);
    let class = figure.svg.split("class=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let inner = inner.strip_suffix("</svg>").unwrap_or(inner);
    let title = wrapped(&shown(&figure.title), width - 2.0 * MARGIN, TITLE);
    let note = wrapped(note, width - 2.0 * MARGIN, NOTE);
    let [above, below] = [&title, &note].map(|lines| MARGIN + lines.len() as f64 * LINE);
    let mut words = String::new();
    for (class, lines, top) in [("title", &title, MARGIN), ("", &note, above + height)] {
        for (line, text) in lines.iter().enumerate() {
            let y = top + (line as f64 + 0.7) * LINE;
            let _ = write!(words, r#"<text class="{class}" x="{MARGIN}" y="{y:.1}">{}</text>"#, escape(text));
        }
    }
    let height = above + height + if note.is_empty() { 0.0 } else { below };
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"><title>{}</title><desc>{}</desc><style>{}</style><rect width="{width}" height="{height}" fill="#ffffff"/>{words}<g class="{class}" transform="translate(0 {above})">{inner}</g></svg>"##,
        escape(&figure.title),
        escape(&figure.caption),
        style()
    )
}

/// The colours of the page by day, as static/style.css has them.
const METHODS: [(&str, &str); 12] = [
    ("method-natural", "#3f97cf"),
    ("method-pgd-at", "#d55e00"),
    ("method-kd", "#0072b2"),
    ("method-ard", "#c98200"),
    ("method-gacd", "#009e73"),
    ("method-gacd-aft", "#b4508c"),
    ("method-other-1", "#6a51a3"),
    ("method-other-2", "#8a5a2b"),
    ("method-other-3", "#4d7c0f"),
    ("method-other-4", "#b3324f"),
    ("method-other-5", "#2f4b7c"),
    ("method-teacher", "#5d6470"),
];

/// The rules that a drawing needs, without variables, which not every program reads.
fn style() -> String {
    let mut css = String::from(
        "text{font-family:'DejaVu Sans',Verdana,sans-serif;font-size:11px;fill:#5b6472}\
         .name{font-size:12px;fill:#1c2026}.wrong{fill:#b3261e}.title{font-size:13px;font-weight:bold;fill:#1c2026}.head{font-size:12px;font-weight:bold;fill:#1c2026}\
         .front{fill:none;stroke:#8d8578;stroke-dasharray:4 3}.whisker{fill:none;stroke-opacity:.45}\
         .grid{stroke:#e4dfd7}.rule{stroke:#8d8578;stroke-dasharray:2 3}.line{fill:none;stroke-width:2}\
         .marker{stroke:#ffffff;stroke-width:1}.band{fill-opacity:.14}.ground{fill:#f4f1eb}.frame{fill:none;stroke:#e4dfd7}\
         .kind-0{fill:#0072b2}.kind-1{fill:#c98200}.kind-2{fill:#1c2026}.zero{fill:#ffffff}",
    );
    let mut shades = String::new();
    for (class, colour) in METHODS {
        for shade in 1..=SHADES {
            // As the page mixes it with its ink.
            let share = [0.25, 0.45, 0.65, 0.85][(shade - 1) % 4];
            let mixed = mixed(colour, share);
            let _ = write!(
                shades,
                ".line.{class}.shade-{shade}{{stroke:{mixed}}}.marker.{class}.shade-{shade}{{fill:{mixed}}}"
            );
        }
        let _ = write!(shades, ".marker.{class}.hollow{{fill:#ffffff;stroke:{colour}}}");
        let _ = write!(
            css,
            ".line.{class},.whisker.{class}{{stroke:{colour}}}.marker.{class},.band.{class}{{fill:{colour}}}"
        );
    }
    css += &shades;
    for level in 1..=LEVELS {
        for (side, colour) in [("above", [0xd5, 0x5e, 0x00]), ("below", [0x00, 0x72, 0xb2])] {
            let share = level as f64 / LEVELS as f64;
            let [r, g, b] = colour.map(|c: u8| (255.0 + share * (f64::from(c) - 255.0)).round() as u8);
            let _ = write!(css, ".{side}.l{level}{{fill:#{r:02x}{g:02x}{b:02x}}}");
        }
    }
    css
}

/// A colour with so large a share of the page's ink by day.
fn mixed(colour: &str, share: f64) -> String {
    let part = |text: &str, at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or("00"), 16).unwrap_or_default();
    let mix = |at| (f64::from(part(colour, at)) * (1.0 - share) + f64::from(part("#1c2026", at)) * share).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(1), mix(3), mix(5))
}

fn png(tree: &Tree) -> Result<Vec<u8>, String> {
    let size = tree.size().to_int_size().scale_by(PIXELS).ok_or("the drawing has no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or("the drawing has no size")?;
    resvg::render(tree, Transform::from_scale(PIXELS, PIXELS), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| format!("the PNG cannot be written: {e}"))
}

fn pdf(tree: &Tree) -> Result<Vec<u8>, String> {
    let size = Size::from_wh(tree.size().width(), tree.size().height()).ok_or("the drawing has no size")?;
    let mut document = Document::new();
    let mut page = document.start_page_with(PageSettings::new(size));
    let mut surface = page.surface();
    surface.draw_svg(tree, size, SvgSettings::default());
    surface.finish();
    page.finish();
    document.finish().map_err(|e| format!("the PDF cannot be written: {e:?}"))
}

/// The name of a figure in an address, of its title: `natural-accuracy-on-the-test-images`.
pub fn slug(title: &str) -> String {
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        Figure {
            title: "Accuracy & <loss>, %".into(),
            svg: r#"<svg class="chart" viewBox="0 0 160 27" role="img" aria-label="a > b"><text class="name" x="4" y="20">ε</text><path class="marker method-kd" d="M0,0h10v10h-10z"/></svg>"#.replace("a > b", "a"),
            caption: "KD is best.".into(),
        }
    }

    #[test]
    fn a_figure_is_a_document_with_its_colours_and_words_inside() {
        let svg = document(&figure(), "");
        assert!(svg.contains("<title>Accuracy &amp; &lt;loss&gt;, %</title><desc>KD is best.</desc>"), "{svg}");
        assert!(
            svg.contains(r#"width="160" height="71""#)
                && svg.contains(".marker.method-kd,.band.method-kd{fill:#0072b2}")
        );
        assert!(!svg.contains("var(") && !svg.contains("color-mix"));
    }

    #[test]
    fn the_png_shows_the_drawing_in_its_colours_on_white() {
        let bytes = FigureFormat::Png.write(&figure()).unwrap();
        let pixels = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (480, 213));
        let colour = |x, y| {
            let pixel = pixels.pixel(x, y).unwrap();
            [pixel.red(), pixel.green(), pixel.blue()]
        };
        assert_eq!(colour(12, 140), [0x00, 0x72, 0xb2]);
        assert_eq!(colour(470, 5), [255; 3]);
        // The letter below and the title above are drawn although the program asks the system for no font.
        let has_ink = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
            x.clone().any(|x| y.clone().any(|y| colour(x, y)[0] < 90 && colour(x, y)[2] < 90))
        };
        assert!(has_ink(12..40, 165..200) && has_ink(24..200, 24..120));
    }

    #[test]
    fn the_pdf_is_one_with_its_font_inside() {
        let pdf = FigureFormat::Pdf.write(&figure()).unwrap();
        assert!(pdf.starts_with(b"%PDF-1."));
        let holds = |words: &[u8]| pdf.windows(words.len()).any(|window| window == words);
        assert!(holds(b"DejaVuSans") && holds(b"%%EOF"));
    }

    #[test]
    fn a_title_becomes_a_name_that_an_address_can_hold() {
        assert_eq!(
            slug("ResNet-8: natural accuracy on the test images, %"),
            "resnet-8-natural-accuracy-on-the-test-images"
        );
    }
}
