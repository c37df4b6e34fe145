//! Tables to take along: CSV, LaTeX, Markdown and JSON, all of the same rows and columns as the page.

mod csv;
mod json;
mod latex;
mod markdown;
mod robustbench;
mod tex;

use std::collections::HashMap;

use super::ComparisonTable;

/// A format of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values, a line for each row of the table.
    Csv,
    /// The same with tabs between them.
    Tsv,
    /// A LaTeX document with the table in booktabs.
    Latex,
    /// A table of GitHub's Markdown.
    Markdown,
    /// A JSON object.
    Json,
    /// What RobustBench keeps of each model.
    RobustBench,
}

impl TableFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Csv, Self::Tsv, Self::Latex, Self::Markdown, Self::Json, Self::RobustBench];

    /// Those that a table can be written in, in the order of the page: RobustBench's has AutoAttack's accuracies alone.
    pub fn of(table: &ComparisonTable) -> impl Iterator<Item = Self> {
        let has_auto_attack = table.columns.iter().any(robustbench::is_auto_attack);
        Self::ALL.into_iter().filter(move |format| has_auto_attack || *format != Self::RobustBench)
    }

    /// The ending of a file of this format.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Latex => "tex",
            Self::Markdown => "md",
            Self::Json => "json",
            Self::RobustBench => "robustbench.json",
        }
    }

    /// The name that people know.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Latex => "LaTeX",
            Self::Markdown => "Markdown",
            Self::Json => "JSON",
            Self::RobustBench => "RobustBench's JSON",
        }
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Tsv => "text/tab-separated-values; charset=utf-8",
            Self::Latex => "application/x-latex; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Json | Self::RobustBench => "application/json",
        }
    }

    /// The format whose files end so.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// Writes a table. `about` says what it is of: the title, then how it was made.
    pub fn write(self, table: &ComparisonTable, about: &About) -> String {
        match self {
            Self::Csv => csv::comma_separated(table, about),
            Self::Tsv => csv::tab_separated(table, about),
            Self::Latex => latex::write(table, about),
            Self::Markdown => markdown::write(table, about),
            Self::Json => json::write(table, about),
            Self::RobustBench => robustbench::write(table, about),
        }
    }
}

/// What the rows of one experiment were made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The dataset's name.
    pub dataset: String,
    /// The budget's id, and the epochs where they are not its own.
    pub budget: String,
}

/// What stands beside an exported table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The comparison's title.
    pub title: String,
    /// The dataset's name.
    pub dataset: String,
    /// How each experiment was made, by its id.
    pub made: HashMap<i64, Made>,
    /// How the numbers were made: dataset, images, teacher, seeds, budget.
    pub setting: String,
    /// How the numbers are to be read.
    pub legend: String,
    /// Whether every seed has a line of its own below its row.
    pub unfolds_seeds: bool,
}

#[cfg(test)]
mod tests {
    use retort_spec::{Accuracy, Attack, ExperimentSpec, MethodName, RunKind, RunState, Setting, Variant};

    use super::*;
    use crate::{
        RunLabel, RunRow, Score,
        format::Moment,
        tables::{Compared, ComparisonView},
    };

    /// A teacher and two students of CIFAR-10, two seeds each.
    fn table() -> ComparisonTable {
        let score = |attack, correct| Score {
            attack,
            accuracy: Accuracy { correct, n: 1_000 },
            unanswered: 0,
            standing: Vec::new(),
            variety: None,
        };
        let odd = Setting::new("preset", "preset a_b & 50 %");
        let run = |id: i64, method: MethodName, seed: u64, correct: usize| RunRow {
            label: RunLabel {
                id,
                kind: RunKind::Evaluate,
                method,
                variant: if method == MethodName::ARD { Variant::of(method, odd.clone()) } else { Variant::default() },
                analysis: None,
                architecture: retort_spec::Architecture::ResNet18,
                is_teacher: method == MethodName::PGD_AT,
                is_imported: false,
                seed,
            },
            experiment: None,
            dataset: "cifar10".into(),
            device: "cpu".into(),
            state: RunState::Finished,
            cause: None,
            since: Moment("2026-01-01T00:00:00Z".into()),
            progress: None,
            seconds: None,
            scores: vec![score(None, correct + 300), score(Some(Attack::pgd(20)), correct)],
            checks: vec![],
            last_natural: None,
        };
        let spec = ExperimentSpec {
            dataset: retort_spec::DatasetChoice::all_of("cifar10"),
            teacher: retort_spec::TeacherChoice::Train(retort_spec::Architecture::ResNet18),
            students: vec![retort_spec::Architecture::ResNet18],
            methods: vec![MethodName::KD, MethodName::ARD],
            seeds: vec![1, 2],
            ..ExperimentSpec::demo()
        };
        let runs = vec![
            run(1, MethodName::PGD_AT, 1, 500),
            run(2, MethodName::PGD_AT, 2, 502),
            run(3, MethodName::KD, 1, 400),
            run(4, MethodName::KD, 2, 404),
            run(5, MethodName::ARD, 1, 510),
        ];
        let compared = [Compared { id: 1, spec: &spec, runs: &runs }];
        ComparisonTable::new(&compared, &ComparisonView::default(), &HashMap::new())
    }

    fn about() -> About {
        About {
            title: "KD & ARD_1".into(),
            dataset: "cifar10".into(),
            made: HashMap::from([(1, Made { dataset: "cifar10".into(), budget: "smoke".into() })]),
            setting: "cifar10, 100 % of it".into(),
            legend: "± is a deviation.".into(),
            unfolds_seeds: false,
        }
    }

    #[test]
    fn each_seed_has_a_line_where_the_page_shows_it() {
        let about = About { unfolds_seeds: true, ..about() };
        let csv = TableFormat::Csv.write(&table(), &about);
        let seeds: Vec<_> =
            csv.lines().filter(|line| line.starts_with("1,cifar10,smoke,student,ResNet-18,ResNet-18,KD,,")).collect();
        assert_eq!(seeds.len(), 3, "{csv}");
        assert!(seeds[0].contains(",KD,,1 2,70.2,") && seeds[1].contains(",KD,,1,70,,"), "{csv}");
        // ARD has one seed: its row says it.
        assert_eq!(csv.lines().filter(|line| line.contains(",ARD,")).count(), 1);
        assert_eq!(TableFormat::Latex.write(&table(), &about).matches("quad seed").count(), 4);
        assert_eq!(TableFormat::Markdown.write(&table(), &about).matches("| seed ").count(), 4);
    }

    #[test]
    fn csv_has_a_line_for_each_row_and_quotes_what_needs_it() {
        let csv = TableFormat::Csv.write(&table(), &about());
        let lines: Vec<_> = csv.split("\r\n").collect();
        assert_eq!(
            lines[0],
            "\u{feff}experiments,dataset,budget,role,student,teacher,method,variant,seeds,Natural,Natural std,Natural low,Natural high,Natural n,Natural paper,\
             \"PGD-20, ε 8/255, step 2/255\",\"PGD-20, ε 8/255, step 2/255 std\",\"PGD-20, ε 8/255, step 2/255 low\",\
             \"PGD-20, ε 8/255, step 2/255 high\",\"PGD-20, ε 8/255, step 2/255 n\",\"PGD-20, ε 8/255, step 2/255 paper\""
        );
        assert_eq!(
            lines[1],
            "1,cifar10,smoke,teacher,,ResNet-18,PGD-AT,,1 2,80.1,0.1414213562373,,,2,76.54,50.1,0.1414213562373,,,2,44.46"
        );
        assert!(
            lines[3].starts_with("1,cifar10,smoke,student,ResNet-18,ResNet-18,ARD,preset a_b & 50 %,1,81,,78."),
            "{}",
            lines[3]
        );
    }

    #[test]
    fn tsv_has_what_csv_has_and_nothing_before_it() {
        let [csv, tsv] = [TableFormat::Csv, TableFormat::Tsv].map(|format| format.write(&table(), &about()));
        let (csv, tsv) = (csv.lines().nth(1).unwrap(), tsv.lines().collect::<Vec<_>>());
        assert_eq!(tsv[1].replace('\t', ","), csv);
        assert!(tsv[0].starts_with("experiments\tdataset\t"), "{}", tsv[0]);
    }

    #[test]
    fn latex_is_a_whole_document_and_escapes_what_latex_reads_as_commands() {
        let latex = TableFormat::Latex.write(&table(), &about());
        assert!(latex.starts_with("\\documentclass") && latex.trim_end().ends_with("\\end{document}"));
        assert!(latex.contains("\\toprule") && latex.contains("\\bottomrule"));
        assert!(latex.contains("ARD (preset a\\_b \\& 50 \\%)") && latex.contains("KD \\& ARD\\_1"), "{latex}");
        assert!(latex.contains("$\\varepsilon$ 8/255") && latex.contains("81.00 {\\footnotesize ["), "{latex}");
        assert!(latex.contains("50.10 {\\footnotesize $\\pm$ 0.14 ($n$=2)}"), "{latex}");
        assert!(latex.is_ascii(), "{latex}");
    }

    #[test]
    fn markdown_has_as_many_cells_in_every_line() {
        let markdown = TableFormat::Markdown.write(&table(), &about());
        let table: Vec<_> = markdown.lines().filter(|line| line.starts_with('|')).collect();
        assert!(table.iter().all(|line| line.matches('|').count() == table[0].matches('|').count()), "{markdown}");
        assert!(markdown.contains("| KD | 1, 2 | 70.20 ± 0.28 (n=2), paper 76.13 (−5.93) |"), "{markdown}");
    }

    #[test]
    fn json_says_all_that_is_known_of_a_cell() {
        let json: serde_json::Value = serde_json::from_str(&TableFormat::Json.write(&table(), &about())).unwrap();
        let cell = &json["rows"][1]["cells"][1];
        assert_eq!(
            (cell["column"].as_str(), cell["paper"].as_f64()),
            (Some("PGD-20, ε 8/255, step 2/255"), Some(40.13))
        );
        assert_eq!((cell["mean"].as_f64(), cell["n"].as_u64()), (Some(40.2), Some(2)));
        assert_eq!(json["rows"][2]["cells"][0]["interval"].as_array().unwrap().len(), 2);
    }
}
