//! Words for whoever runs the program. Where nobody reads them any more (`retort data list | head`), or the disk of a log is full,
//! the work goes on all the same: Rust's own `println!` would panic.

use std::io::Write;

/// A line on the standard output.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// A line on the error output.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

/// Text on the standard output, as it is.
pub fn say_text(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
