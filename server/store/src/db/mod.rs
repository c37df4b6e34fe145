//! The database itself: its opening and its migrations, rows to values, and the ledger that it can be built from anew.

mod error;
pub(crate) mod keyset;
pub(crate) mod ledger;
mod open;
pub(crate) mod row;

pub use self::{
    error::{Result, StoreError},
    keyset::Cursor,
    open::Store,
};
