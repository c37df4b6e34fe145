//! What of a comparison can be chosen, and the form that does it.

use std::collections::HashMap;

use retort_spec::{Architecture, MethodName};

use super::ComparisonPage;
use crate::tables::{Column, ComparisonTable, ComparisonView, Row};

/// A choice of the form: its value, its words, and whether it is chosen.
pub(super) struct Choice {
    pub value: String,
    pub words: String,
    pub is_chosen: bool,
}

impl ComparisonPage {
    /// The rows that could be the baseline.
    pub(super) fn baselines(&self, table: &ComparisonTable) -> Vec<Choice> {
        let row = |row: &Row| Choice {
            value: row.key.clone(),
            words: table.name(row),
            is_chosen: row.key == self.view.baseline,
        };
        table.rows().map(row).collect()
    }

    pub(super) fn student_choices(&self) -> Vec<Choice> {
        let mut students: Vec<_> = self.compared().iter().flat_map(|c| c.spec.students.clone()).collect();
        students.sort_unstable();
        students.dedup();
        let choice = |s: Architecture| Choice {
            value: s.id().into(),
            words: s.to_string(),
            is_chosen: self.view.shows_student(s.id()),
        };
        students.into_iter().map(choice).collect()
    }

    pub(super) fn method_choices(&self) -> Vec<Choice> {
        let mut methods: Vec<_> = self.compared().iter().flat_map(|c| c.spec.methods.clone()).collect();
        methods.sort_unstable();
        methods.dedup();
        let choice = |m: MethodName| Choice {
            value: m.id().into(),
            words: m.to_string(),
            is_chosen: self.view.shows_method(m.id()),
        };
        methods.into_iter().map(choice).collect()
    }

    pub(super) fn column_choices(&self) -> Vec<Choice> {
        let all = ComparisonView { column: Vec::new(), ..ComparisonView::default() };
        let table = ComparisonTable::new(&self.compared(), &all, &HashMap::new());
        let choice = |column: &Column| Choice {
            value: column.name(),
            words: column.title(),
            is_chosen: self.view.shows_column(column),
        };
        table.columns.iter().map(choice).collect()
    }

    /// The lists of the form: a field, its words, what can be chosen.
    pub(super) fn choices(&self) -> [(&'static str, &'static str, Vec<Choice>); 3] {
        [
            ("student", "Students", self.student_choices()),
            ("method", "Methods", self.method_choices()),
            ("column", "Columns", self.column_choices()),
        ]
    }

    /// Forgets choices of everything, so that the address of the whole table is the short one.
    pub fn simplify(&mut self) {
        let is_all = self.choices().map(|(_, _, choices)| choices.iter().all(|choice| choice.is_chosen));
        let view = &mut self.view;
        for (is_all, chosen) in is_all.into_iter().zip([&mut view.student, &mut view.method, &mut view.column]) {
            if is_all {
                chosen.clear();
            }
        }
    }

    /// Whether something was chosen, so that the choices are to be seen.
    pub(super) fn has_choices(&self) -> bool {
        let ComparisonView { with, student, method, column, baseline, .. } = &self.view;
        !(with.is_empty() && student.is_empty() && method.is_empty() && column.is_empty() && baseline.is_empty())
    }
}
