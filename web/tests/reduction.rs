//! Facts about a comparison whose rows average their KL differently.

#![allow(clippy::unwrap_used)]

mod sample;

use retort_spec::{ExperimentSpec, MethodName};
use retort_web::{Template, export::TableFormat, pages::ComparisonPage};

/// A comparison of KD and ARD with these reductions.
fn page(kd: &str, ard: &str) -> ComparisonPage {
    let spec = ExperimentSpec { methods: vec![MethodName::KD, MethodName::ARD], ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 99);
    page.classes = ["Bag"; 10].map(str::to_owned).into();
    for run in page.runs.iter().filter(|run| run.label.is_training() && !run.label.is_teacher) {
        let reduction = if run.label.method == MethodName::KD { kd } else { ard };
        page.configs.insert(run.label.id, [("method.reduction".to_owned(), reduction.to_owned())].into());
    }
    page
}

#[test]
fn rows_of_different_reductions_are_said_to_be_so_above_the_table_and_in_its_files() {
    let page = page("batch_mean", "element_mean");
    let html = page.render().unwrap();
    let (above, _) = html.split_once(r#"<table class="results"#).unwrap();
    let words = "The KL reduction differs. Over batch and classes (element_mean): ARD. Over the batch alone (batch_mean), where soft \
                 labels weigh 10 times as much: KD.";
    assert!(above.contains(words), "{above}");
    for format in [TableFormat::Latex, TableFormat::Markdown, TableFormat::Json] {
        let file = page.export(format);
        assert!(file.contains("The KL reduction differs. Over batch"), "{file}");
    }
}

#[test]
fn rows_of_one_reduction_need_no_word_about_it() {
    for reduction in ["batch_mean", "element_mean"] {
        let html = page(reduction, reduction).render().unwrap();
        assert!(!html.contains("The KL reduction differs"), "{html}");
    }
}
