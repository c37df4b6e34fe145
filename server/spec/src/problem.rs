//! What is wrong with an input, and where.

use std::fmt;

/// One fault of a spec or a form: the field, and a sentence that says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field's name, as in the JSON of the spec: `seeds`, `method.attack.eps`.
    pub field: String,
    /// A sentence that a person can act on.
    pub message: String,
}

impl Problem {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Adds a fault of `field` unless something holds.
pub(crate) fn expect(holds: bool, field: &str, message: &str, problems: &mut Vec<Problem>) {
    if !holds {
        problems.push(Problem::new(field, message));
    }
}

/// Every fault that was found, so that a person can mend them all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<Problem>);

impl Invalid {
    /// Ok without problems, else all of them.
    ///
    /// # Errors
    /// When there is at least one problem.
    pub fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
