//! Writes every page with invented data into a folder, to look at it in a browser without a server:
//! `cargo run -p retort-web --example pages -- DIR`, or `DIR NAME` for pages with this name as title, class, dataset and model.

#[path = "../tests/sample/mod.rs"]
mod sample;

use std::{fs, path::Path};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "pages".into());
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let pages = std::env::args().nth(2).map_or_else(sample::all, |name| sample::pages_with(&name));
    for (name, html) in pages {
        // There is no server to be in touch with.
        let html = html.replace(r#"<script src="/static/live.js" defer></script>"#, "").replace("\"/static/", "\"");
        fs::write(folder.join(name).with_extension("html"), html)?;
    }
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../static");
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    println!("{}", folder.display());
    Ok(())
}
