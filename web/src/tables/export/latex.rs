//! A LaTeX document that compiles as it is, with the table in booktabs.

use super::{About, head};
use crate::tables::{Cell, ComparisonTable, Spread};

pub(super) fn write(table: &ComparisonTable, about: &About) -> String {
    let columns = 1 + table.columns.len();
    let mut rows = String::new();
    for (i, group) in table.groups.iter().enumerate() {
        if i > 0 {
            rows += "    \\midrule\n";
        }
        rows += &format_row(&[format!("\\multicolumn{{{columns}}}{{l}}{{\\textit{{{}}}}}", escape(&group.title))]);
        for row in &group.rows {
            let cells = row.cells.iter().map(|cell| cell.as_ref().map_or_else(|| "--".into(), words));
            rows += &format_row(&std::iter::once(escape(&row.title())).chain(cells).collect::<Vec<_>>());
            for seed in row.seeds.iter().filter(|_| about.unfolds_seeds && row.seeds.len() > 1) {
                let cells = seed.cells.iter().map(|cell| cell.as_ref().map_or_else(|| "--".into(), words));
                let name = format!("\\quad seed {}", seed.value);
                rows += &format_row(&std::iter::once(name).chain(cells).collect::<Vec<_>>());
            }
        }
    }
    let heads = table.columns.iter().map(|column| {
        let words = escape(&head(column.as_ref()));
        let lines = words
            .split_once(", ")
            .map_or_else(|| words.clone(), |(name, rest)| format!("{name}\\\\ {{\\footnotesize {rest}}}"));
        format!("\\begin{{tabular}}[b]{{@{{}}r@{{}}}}{lines}\\end{{tabular}}")
    });
    let heads = format_row(&std::iter::once("Method".to_owned()).chain(heads).collect::<Vec<_>>());
    let alignment = "r".repeat(table.columns.len());
    format!(
        "\\documentclass{{article}}\n\\usepackage[margin=1cm]{{geometry}}\n\\usepackage{{booktabs}}\n\\pagestyle{{empty}}\n\
         \\begin{{document}}\n\
         % Needs booktabs. Everything between here and the end of the table can stand in a paper.\n\
         \\begin{{table}}\n  \\centering\\small\n  \\caption{{{}. {}. {}}}\n  \\begin{{tabular}}{{l{alignment}}}\n    \\toprule\n\
         {heads}    \\midrule\n{rows}    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n\\end{{document}}\n",
        escape(&about.title),
        escape(&about.setting),
        escape(&about.legend),
    )
}

fn words(cell: &Cell) -> String {
    let value = if cell.is_best { format!("\\textbf{{{}}}", cell.value()) } else { cell.value() };
    let spread = match cell.spread {
        Spread::Deviation { std, n } => format!("$\\pm$ {std:.2} ($n$={n})"),
        Spread::Interval([low, high]) => format!("[{low:.1}, {high:.1}]"),
    };
    let star = if cell.is_significant() { "$^{*}$" } else { "" };
    format!("{value}{star} {{\\footnotesize {spread}}}")
}

fn format_row(cells: &[String]) -> String {
    format!("    {} \\\\\n", cells.join(" & "))
}

/// Text as LaTeX prints it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' | '>' | '|' => {
                out.push('$');
                out.push(c);
                out.push('$');
            }
            'ε' => out.push_str("$\\varepsilon$"),
            'κ' => out.push_str("$\\kappa$"),
            'μ' => out.push_str("$\\mu$"),
            '×' => out.push_str("$\\times$"),
            '±' => out.push_str("$\\pm$"),
            '−' => out.push_str("$-$"),
            '·' => out.push_str("$\\cdot$"),
            '–' => out.push_str("--"),
            '…' => out.push_str("\\ldots{}"),
            '“' => out.push_str("``"),
            '”' => out.push_str("''"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() => {}
            // Letters of Europe print with any LaTeX; others would need fonts that may be missing.
            c if c as u32 > 0x17f => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
