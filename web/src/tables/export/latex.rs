//! A LaTeX document that compiles as it is, with the table in booktabs.

use super::{
    About,
    tex::{PREAMBLE, Tex},
};
use crate::tables::{Cell, ComparisonTable, Spread};

pub(super) fn write(table: &ComparisonTable, about: &About) -> String {
    let mut tex = Tex::default();
    let columns = 1 + table.columns.len();
    let mut rows = String::new();
    for (i, group) in table.groups.iter().enumerate() {
        if i > 0 {
            rows += "    \\midrule\n";
        }
        rows += &format_row(&[format!("\\multicolumn{{{columns}}}{{l}}{{\\textit{{{}}}}}", tex.words(&group.title))]);
        for row in &group.rows {
            let cells = row.cells.iter();
            let cells =
                cells.map(|cell| cell.as_ref().map_or_else(|| "--".into(), |cell| words(cell, table.has_seeds)));
            rows += &format_row(&std::iter::once(tex.words(&row.title())).chain(cells).collect::<Vec<_>>());
            for seed in row.seeds.iter().filter(|_| about.unfolds_seeds && row.seeds.len() > 1) {
                let cells = seed.cells.iter();
                let cells = cells.map(|cell| cell.as_ref().map_or_else(|| "--".into(), |cell| words(cell, false)));
                let name = format!("\\quad seed {}", seed.value);
                rows += &format_row(&std::iter::once(name).chain(cells).collect::<Vec<_>>());
            }
        }
    }
    let heads = table.columns.iter().map(|column| {
        let words = tex.words(&column.describe());
        let lines = words
            .split_once(", ")
            .map_or_else(|| words.clone(), |(name, rest)| format!("{name}\\\\ {{\\footnotesize {rest}}}"));
        format!("\\begin{{tabular}}[b]{{@{{}}r@{{}}}}{lines}\\end{{tabular}}")
    });
    let heads = format_row(&std::iter::once("Method".to_owned()).chain(heads).collect::<Vec<_>>());
    let alignment = "r".repeat(table.columns.len());
    let [title, setting, legend] = [&about.title, &about.setting, &about.legend].map(|text| tex.words(text));
    format!(
        "\\documentclass{{article}}\n\\usepackage[margin=1cm]{{geometry}}\n\\usepackage{{booktabs}}\n{PREAMBLE}\
         \\pagestyle{{empty}}\n\\begin{{document}}\n\
         % Needs booktabs, and with pdfLaTeX the font encoding T1. All from here to the end of the table can stand in a paper.\n{}\
         \\begin{{table}}\n  \\centering\\small\n  \\caption{{{title}. {setting}. {legend}}}\n  \\begin{{tabular}}{{l{alignment}}}\n    \\toprule\n\
         {heads}    \\midrule\n{rows}    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n\\end{{document}}\n",
        tex.note(),
    )
}

/// A cell; `beside_means` says whether others are means over several seeds.
fn words(cell: &Cell, beside_means: bool) -> String {
    let value = if cell.is_among_best { format!("\\textbf{{{}}}", cell.value()) } else { cell.value() };
    let spread = match cell.spread {
        Spread::Deviation { std, n } => format!("$\\pm$ {std:.2} ($n$={n})"),
        Spread::Interval([low, high]) if beside_means => format!("[{low:.1}, {high:.1}] ($n$=1)"),
        Spread::Interval([low, high]) => format!("[{low:.1}, {high:.1}]"),
    };
    let star = if cell.is_significant() { "$^{*}$" } else { "" };
    format!("{value}{star} {{\\footnotesize {spread}}}")
}

fn format_row(cells: &[String]) -> String {
    format!("    {} \\\\\n", cells.join(" & "))
}
