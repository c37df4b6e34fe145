//! The figures of an analysis as files.

use anyhow::{Context, Result};
use retort_engine::{RunFolder, write_atomically};
use retort_spec::{AnalyseSpec, AnalysisResult};
use retort_web::{
    Values,
    analyses::{AnalysisFiles, analysis_figure, analysis_finding, has_signs},
    figures::FigureFormat,
    words::shown,
};

/// Draws what an analysis found into its folder, and tells the files and the finding. Differences of correlations are drawn
/// twice: their size, and with their sign.
pub(super) fn draw(spec: &AnalyseSpec, folder: &RunFolder) -> Result<String> {
    let path = folder.analysis();
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let result: AnalysisResult = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let files = AnalysisFiles { result, sheet: std::fs::read(folder.gallery()).ok() };
    let signed = has_signs(spec.analysis.kind()).then_some(("figure-signed", Values::Signed));
    let drawings = [("figure", Values::Sizes)].into_iter().chain(signed);
    for (name, values) in drawings {
        let Some(figure) = analysis_figure(spec, &files, values) else { continue };
        for format in FigureFormat::ALL {
            let file = folder.dir().join(format!("{name}.{}", format.extension()));
            write_atomically(&file, &format.write(&figure).map_err(anyhow::Error::msg)?)?;
        }
    }
    let picture = folder.dir().join("figure.svg");
    Ok(format!("{}\n{}", picture.display(), shown(&analysis_finding(spec, &files))))
}
