//! What people see: a struct for each page with its askama template, tables and figures.
//!
//! The application fills a page struct from the database and calls [`Template::render`]. A page decides here what it
//! shows and how it words it; it never asks for data itself. Nothing in a page needs inline script or inline style, so
//! that a strict Content-Security-Policy holds.

#![forbid(unsafe_code)]

pub mod analyses;
mod arrival;
mod dataset_form;
pub mod figures;
mod form;
pub mod format;
mod frame;
mod mark;
pub mod pages;
mod run_row;
pub mod settings;
mod tables;
pub mod words;

pub use arrival::{Arrival, ArrivalKind, ArrivalState, Step};
pub use askama::Template;
pub use form::ExperimentForm;
pub use frame::{Frame, Section};
pub use run_row::{Progress, RunLabel, RunRow, Score, Scores};
pub use tables::{Answers, Column, Compared, ComparisonView, Config, RightAnswers, Row, Values, XAxis, export};
