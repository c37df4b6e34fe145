//! What a request is called in logs and on pages of errors.

/// The number of a request, as its answer and the log have it.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);
