//! Axes: their ranges and ticks.

/// Maps values onto a stretch of the drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The values at its ends.
    range: (f64, f64),
    /// Where those ends lie in the drawing.
    pixels: (f64, f64),
    /// Whether equal ratios take equal room.
    is_log: bool,
    /// The values that are written at it.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis over at least `low` to `high` that begins and ends at a round number.
    pub fn linear(low: f64, high: f64, pixels: (f64, f64), about: usize) -> Self {
        let (low, high) = if high - low > 1e-9 * high.abs().max(1.0) { (low, high) } else { (low - 0.5, high + 0.5) };
        let step = nice_step((high - low) / about.max(1) as f64);
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let ticks: Vec<_> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
        Self { range: (first * step, last * step), pixels, is_log: false, ticks }
    }

    /// A linear axis that ends exactly at `low` and `high`, with ticks at whole numbers.
    pub fn whole(low: f64, high: f64, pixels: (f64, f64), about: usize) -> Self {
        let high = high.max(low + 1.0);
        let step = nice_step((high - low) / about.max(1) as f64).max(1.0).round();
        let first = (low / step).ceil();
        let last = (high / step + 1e-9).floor();
        let ticks = (0..=(last - first).max(0.0) as usize).map(|i| (first + i as f64) * step).collect();
        Self { range: (low, high), pixels, is_log: false, ticks }
    }

    /// A logarithmic axis over `low` to `high`, both above 0, with ticks at 1, 2 and 5 times the powers of ten, or at
    /// the powers alone where those are many.
    pub fn log(low: f64, high: f64, pixels: (f64, f64)) -> Self {
        let decades = (high / low).log10();
        let steps: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = low.log10().floor() as i32 - 1..=high.log10().ceil() as i32;
        let candidates: Vec<f64> = powers.flat_map(|p| steps.iter().map(move |s| s * 10_f64.powi(p))).collect();
        let below = candidates.iter().rev().copied().find(|t| *t <= low * 1.0001).unwrap_or(low);
        let above = candidates.iter().copied().find(|t| *t >= high * 0.9999).unwrap_or(high);
        let ticks = candidates.into_iter().filter(|t| (below..=above).contains(t)).collect();
        Self { range: (below, above), pixels, is_log: true, ticks }
    }

    /// Where it begins in the drawing.
    pub const fn left(&self) -> f64 {
        self.pixels.0
    }

    /// Where `value` lies in the drawing; beyond the range it stays at the end.
    pub fn place(&self, value: f64) -> f64 {
        let scale = |v: f64| if self.is_log { v.max(f64::MIN_POSITIVE).ln() } else { v };
        let (low, high) = (scale(self.range.0), scale(self.range.1));
        let share = ((scale(value) - low) / (high - low)).clamp(0.0, 1.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// A tick as it is written: with as many decimals as the step needs.
    pub fn label(&self, tick: f64) -> String {
        let step = if self.is_log { tick } else { self.ticks.get(1).map_or(1.0, |t| t - self.ticks[0]) };
        let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 8.0) as usize;
        // Minus zero reads as a misprint.
        format!("{:.decimals$}", if tick.abs() < step / 1e6 { 0.0 } else { tick })
    }
}

/// The step of 1, 2 or 5 times a power of ten that is at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= rough * 0.999_999).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|t| axis.label(*t)).collect()
    }

    #[test]
    fn a_linear_axis_ends_at_round_numbers_around_the_data() {
        let axis = Axis::linear(43.1, 82.7, (200.0, 0.0), 5);
        assert_eq!(labels(&axis), ["40", "50", "60", "70", "80", "90"]);
        assert!((axis.place(40.0) - 200.0).abs() < 1e-9 && axis.place(90.0).abs() < 1e-9);
    }

    #[test]
    fn small_steps_are_written_with_the_decimals_they_need() {
        assert_eq!(labels(&Axis::linear(-0.02, 0.61, (0.0, 1.0), 4)), ["-0.2", "0.0", "0.2", "0.4", "0.6", "0.8"]);
    }

    #[test]
    fn a_constant_still_has_an_axis() {
        let axis = Axis::linear(10.0, 10.0, (0.0, 100.0), 4);
        assert!(axis.ticks.len() > 1 && (axis.place(10.0) - 50.0).abs() < 1e-9, "{axis:?}");
    }

    #[test]
    fn epochs_are_marked_at_whole_numbers_only() {
        assert_eq!(labels(&Axis::whole(1.0, 3.0, (0.0, 1.0), 6)), ["1", "2", "3"]);
        assert_eq!(labels(&Axis::whole(1.0, 240.0, (0.0, 1.0), 6)), ["50", "100", "150", "200"]);
        assert_eq!(labels(&Axis::whole(1.0, 1.0, (0.0, 1.0), 6)), ["1", "2"]);
    }

    #[test]
    fn a_log_axis_gives_equal_ratios_equal_room() {
        let axis = Axis::log(0.9, 90.0, (0.0, 100.0));
        assert_eq!(labels(&axis), ["0.5", "1", "2", "5", "10", "20", "50", "100"]);
        let room = |a, b| axis.place(b) - axis.place(a);
        assert!((room(1.0, 10.0) - room(10.0, 100.0)).abs() < 1e-9);
    }
}
