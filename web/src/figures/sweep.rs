//! Accuracies against a parameter that was swept (Figure 2 of the paper).

use retort_spec::{MethodName, MethodSetting, RunKind, Sweep, Variant};

use super::{
    Figure,
    chart::{BandPoint, Chart, Line, Scale, number_variants},
};
use crate::{
    RunLabel,
    format::{self, lower_first},
    tables::{Cell, Column, ComparisonTable, Lead, Row},
};

/// A parameter with the numbers that it was swept over.
struct Swept<'a> {
    method: MethodName,
    path: &'a str,
    name: &'static str,
    values: Vec<(&'a str, f64)>,
}

/// Rows that differ in the swept parameter alone.
struct Series<'a> {
    /// What else sets them apart from the method as published.
    rest: Variant,
    points: Vec<(f64, &'a Row)>,
}

/// A figure for each column of the table and each parameter that was swept over numbers.
pub fn sweep_figures<'a>(sweeps: impl IntoIterator<Item = &'a Sweep>, table: &ComparisonTable) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut seen: Vec<&Sweep> = Vec::new();
    for sweep in sweeps {
        // Experiments of one sweep share its figures.
        if seen.contains(&sweep) {
            continue;
        }
        seen.push(sweep);
        let Some(swept) = Swept::of(sweep) else { continue };
        let series = swept.series(table);
        // The worst case is mostly the curve of the strongest attack.
        for column in (0..table.columns.len()).filter(|column| table.columns[*column] != Column::WorstCase) {
            figures.extend(draw(&swept, &series, table, column));
        }
    }
    figures
}

impl<'a> Swept<'a> {
    fn of(sweep: &'a Sweep) -> Option<Self> {
        let values = sweep.values.iter().map(|value| Some((value.as_str(), value.parse().ok()?)));
        let values: Vec<_> = values.collect::<Option<_>>()?;
        let parameters = sweep.method.parameters();
        let name = parameters.iter().find(|parameter| parameter.path == sweep.path)?.name;
        (values.len() > 1).then_some(Self { method: sweep.method, path: &sweep.path, name, values })
    }

    /// The rows of its method, and of the one that fine-tunes its models, by what else sets them apart.
    fn series<'t>(&self, table: &'t ComparisonTable) -> Vec<Series<'t>> {
        let mut series: Vec<Series> = Vec::new();
        for row in table.rows().filter(|r| r.method == self.method || r.method.fine_tunes() == Some(self.method)) {
            let is_own = |s: &MethodSetting| s.method == self.method && s.setting.path == self.path;
            let Some(own) = row.variant.settings.iter().find(|s| is_own(s)) else { continue };
            let Some((_, value)) = self.values.iter().find(|(text, _)| *text == own.setting.value) else { continue };
            let mut rest = row.variant.clone();
            rest.settings.retain(|s| !is_own(s));
            let is_same = |s: &&mut Series| {
                let (_, first) = s.points[0];
                s.rest == rest
                    && (first.method, first.architecture, first.setting) == (row.method, row.architecture, row.setting)
            };
            match series.iter_mut().find(is_same) {
                Some(found) => found.points.push((*value, row)),
                None => series.push(Series { rest, points: vec![(*value, row)] }),
            }
        }
        for one in &mut series {
            one.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        series
    }
}

fn draw(swept: &Swept, series: &[Series], table: &ComparisonTable, column: usize) -> Option<Figure> {
    let many_students = series.iter().any(|s| s.points[0].1.architecture != series[0].points[0].1.architecture);
    let (mut found, mut has_tests) = (Vec::new(), false);
    let mut line = |one: &Series| {
        let points: Vec<BandPoint> = one
            .points
            .iter()
            .filter_map(|(x, row)| {
                let cell = row.cells[column].as_ref()?;
                let seeds = || row.seeds.iter().filter_map(|seed| Some(seed.cells[column].as_ref()?.mean));
                let (low, high) = (seeds().fold(cell.mean, f64::min), seeds().fold(cell.mean, f64::max));
                Some(BandPoint { x: *x, y: cell.mean, low, high })
            })
            .collect();
        let first = one.points[0].1;
        let label = RunLabel {
            id: 0,
            kind: RunKind::Evaluate,
            method: first.method,
            variant: one.rest.clone(),
            analysis: None,
            architecture: first.architecture,
            is_teacher: false,
            is_imported: false,
            seed: 0,
        };
        let mut name = if many_students { format!("{}, {}", label.row(), first.architecture) } else { label.row() };
        if table.has_settings {
            name = format!("{name} ({})", first.experiments());
        }
        if points.len() < 2 {
            return None;
        }
        if let Some((finding, is_tested)) = finding(&name, one, column) {
            found.push(finding);
            has_tests |= is_tested;
        }
        Some(Line { label, variant: 0, name, pieces: vec![points] })
    };
    let mut lines: Vec<Line> = series.iter().filter_map(&mut line).collect();
    number_variants(&mut lines);
    if lines.is_empty() {
        return None;
    }
    let attack = table.columns[column].attack();
    let under =
        attack.map_or_else(|| "natural accuracy".into(), |attack| format!("accuracy under {}", attack.describe()));
    let title = format!("{}: {under} by {}, %", swept.method, lower_first(swept.name));
    let bands = if table.has_seeds { " Bands reach from the lowest to the highest seed." } else { "" };
    let tests =
        if has_tests { " Paired tests over the test images, adjusted for the values compared (Holm)." } else { "" };
    let caption = format!("{}.{tests}{bands}", found.join("; "));
    let xs = || swept.values.iter().map(|(_, value)| *value);
    let x = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let chart = Chart {
        description: format!("{title}. {caption}"),
        x_label: swept.name.into(),
        lines,
        x_scale: if x.0 > 0.0 && x.1 / x.0 >= 8.0 { Scale::Log } else { Scale::Linear },
        x,
        is_log: false,
        rules: Vec::new(),
    };
    Some(Figure { title, svg: chart.svg(), caption })
}

/// Where a series is highest, and whether it is best there as the test tells; with whether there was a test.
fn finding(name: &str, series: &Series, column: usize) -> Option<(String, bool)> {
    let cells: Vec<Option<&Cell>> = series.points.iter().map(|(_, row)| row.cells[column].as_ref()).collect();
    let lead = Lead::among(&cells)?;
    let cell = cells[lead.highest]?;
    let at = |place: usize| series.points[place].0.to_string();
    let highest = format::list(&lead.named(&cells).into_iter().map(at).collect::<Vec<_>>());
    let word = if lead.is_best() { "best" } else { "highest" };
    let remark = Some(lead.remark(at)).filter(|remark| !remark.is_empty()).map(|remark| format!(", {remark}"));
    let words = format!("{name} is {word} at {highest} ({} %){}", cell.value(), remark.unwrap_or_default());
    Some((words, !lead.others.is_empty() && !lead.is_untested()))
}
