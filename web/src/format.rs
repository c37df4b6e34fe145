//! Numbers, durations and times in words.

use std::borrow::Borrow;

use retort_spec::Accuracy;

/// A percentage with two decimals, without its sign: `82.70`.
pub fn percent(value: f64) -> String {
    format!("{:.2}", half_up(value, 2))
}

/// A number rounded to so many decimals, halves away from zero as people round: 5.625 is 5.63. Printing alone would round
/// what lies in the middle to the even digit.
fn half_up(value: f64, decimals: usize) -> f64 {
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    (value * scale).round() / scale
}

/// A difference in percentage points with its sign: `+1.20`, `−0.85`.
pub fn signed(value: f64) -> String {
    signed_to(value, 2)
}

/// A difference with its sign and so many decimals.
pub fn signed_to(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", half_up(value.abs(), decimals));
    // What is zero on the page has no sign.
    let is_zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    match () {
        () if is_zero => text,
        () if value < 0.0 => format!("−{text}"),
        () => format!("+{text}"),
    }
}

/// A factor without decimals: `16`.
pub fn rounded(value: f64) -> String {
    format!("{value:.0}")
}

/// The 95 % interval of an accuracy, in percent: `40.1–46.2`.
pub fn interval(accuracy: Accuracy) -> String {
    let [low, high] = accuracy.interval();
    format!("{low:.1}–{high:.1}")
}

/// A count with its thousands set off: `4,000`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A large count to three figures: `78.0 k`, `11.2 M`.
pub fn rounded_count(n: usize) -> String {
    let (value, unit) = match n {
        0..1_000 => return n.to_string(),
        // 999,950 and more would round to 1000.0 k.
        1_000..999_500 => (n as f64 / 1e3, "k"),
        _ => (n as f64 / 1e6, "M"),
    };
    if value < 99.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A count with its noun: `1 run`, `1,200 runs`.
pub fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// Words as a list: `KD`, `KD and ARD`, `KD, ARD and GACD`.
pub fn list<S: Borrow<str>>(words: &[S]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {}", rest.join(", "), last.borrow()),
        _ => words.concat(),
    }
}

/// Seconds as people say them: `40 s`, `4 min`, `1 h 12 min`, `3 d 4 h`. Negative or unknown (NaN) counts as 0.
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match s {
        0..60 => format!("{s} s"),
        // Seconds still matter in the first ten minutes.
        60..600 => two(s / 60, "min", s % 60, "s"),
        600..3_600 => format!("{} min", s / 60),
        3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

/// Seconds as an estimate, to about two figures: `less than a minute`, `about 4 min`, `about 2 h 10 min`.
pub fn estimate(seconds: f64) -> String {
    if is_under_a_minute(seconds) { "less than a minute".into() } else { format!("about {}", rough(seconds)) }
}

/// Whether an estimate would not even round to a minute; one that is not known would not.
fn is_under_a_minute(seconds: f64) -> bool {
    seconds.max(0.0) < 45.0
}

/// The same in fewer words: `< 1 min`, `4 min`, `2 h 10 min`.
pub fn rough(seconds: f64) -> String {
    if is_under_a_minute(seconds) {
        return "< 1 min".into();
    }
    let minutes = seconds / 60.0;
    let step = match minutes {
        m if m < 20.0 => 1.0,
        m if m < 60.0 => 5.0,
        m if m < 600.0 => 10.0,
        m if m < 2_880.0 => 60.0,
        _ => 1_440.0,
    };
    let rounded = ((minutes / step).round() * step).max(1.0);
    duration(60.0 * rounded)
}

/// Bytes in decimal units, as disks are sold: `412 GB`, `3.1 GB`, `640 MB`.
pub fn bytes(n: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (size, unit) = units.into_iter().find(|(size, _)| n as f64 >= *size).unwrap_or((1.0, "B"));
    let value = n as f64 / size;
    if value < 9.95 && size > 1.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A value of a loss or another figure, to three significant digits: `0.912`, `12.3`, `1,204`.
pub fn figure(value: f64) -> String {
    match value.abs() {
        a if !a.is_finite() => "not a number".into(),
        a if a >= 999.5 => format!("{}{}", if value < 0.0 { "−" } else { "" }, count(a.round() as usize)),
        a if a >= 99.95 => format!("{value:.0}"),
        a if a >= 9.995 => format!("{value:.1}"),
        a if a >= 0.9995 || a == 0.0 => format!("{value:.2}"),
        a if a >= 0.0995 => format!("{value:.3}"),
        a if a >= 0.009_95 => format!("{value:.4}"),
        a if a >= 0.000_995 => format!("{value:.5}"),
        _ => format!("{value:.1e}"),
    }
}

/// The text with a capital at its start.
pub fn upper_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The text with a small letter at its start.
pub fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A point in time, RFC 3339 in UTC as the journal writes it: `2026-01-31T09:05:00Z`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub String);

impl Moment {
    /// `31 Jan 2026, 09:05 UTC`; what it is not able to read is shown as it stands.
    pub fn text(&self) -> String {
        self.parts().map_or_else(|| self.0.clone(), |(date, time)| format!("{date}, {} UTC", &time[..5]))
    }

    /// `09:05:00`, for the lines of a log.
    pub fn clock(&self) -> String {
        self.parts().map_or_else(|| self.0.clone(), |(_, time)| time.to_owned())
    }

    fn parts(&self) -> Option<(String, &str)> {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (date, time) = self.0.split_once('T')?;
        let mut fields = date.splitn(3, '-');
        let (year, month, day) = (fields.next()?, fields.next()?.parse::<usize>().ok()?, fields.next()?);
        let month = MONTHS.get(month.checked_sub(1)?)?;
        Some((format!("{} {month} {year}", day.trim_start_matches('0')), time.get(..8)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_has_two_decimals() {
        assert_eq!([percent(82.7), percent(0.0), percent(100.0)], ["82.70", "0.00", "100.00"]);
        assert_eq!([percent(5.625), percent(15.375), signed(-8.125)], ["5.63", "15.38", "−8.13"]);
    }

    #[test]
    fn thousands_are_set_off() {
        assert_eq!([0, 999, 1_000, 50_000, 11_173_962].map(count), ["0", "999", "1,000", "50,000", "11,173,962"]);
    }

    #[test]
    fn durations_are_said_in_two_units() {
        let said = [0.4, 59.6, 61.0, 599.4, 1_500.0, 4_320.0, 86_400.0, 273_600.0, -3.0, f64::NAN].map(duration);
        assert_eq!(
            said,
            ["0 s", "1 min", "1 min 1 s", "9 min 59 s", "25 min", "1 h 12 min", "1 d", "3 d 4 h", "0 s", "0 s"]
        );
    }

    #[test]
    fn a_large_count_has_three_figures() {
        let said = [0, 999, 1_000, 78_042, 272_474, 999_499, 999_500, 11_173_962, 46_160_474].map(rounded_count);
        assert_eq!(said, ["0", "999", "1.0 k", "78.0 k", "272 k", "999 k", "1.0 M", "11.2 M", "46.2 M"]);
    }

    #[test]
    fn estimates_do_not_pretend_to_know_seconds() {
        let said = [10.0, 55.0, 250.0, 2_000.0, 7_900.0, 111_000.0].map(estimate);
        assert_eq!(
            said,
            ["less than a minute", "about 1 min", "about 4 min", "about 35 min", "about 2 h 10 min", "about 1 d 7 h"]
        );
        assert_eq!([f64::NAN, -3.0].map(estimate), ["less than a minute"; 2]);
        assert_eq!([f64::NAN, 44.0, 45.0].map(rough), ["< 1 min", "< 1 min", "1 min"]);
    }

    #[test]
    fn bytes_are_decimal() {
        assert_eq!([7, 640_000_000, 3_140_000_000, 412_000_000_000].map(bytes), ["7 B", "640 MB", "3.1 GB", "412 GB"]);
    }

    #[test]
    fn figures_keep_three_digits() {
        let said = [0.912_3, 12.34, 1_204.4, 0.0, 2.5, 0.000_12, 150.2, 0.055_31, 0.008_8].map(figure);
        assert_eq!(said, ["0.912", "12.3", "1,204", "0.00", "2.50", "1.2e-4", "150", "0.0553", "0.00880"]);
    }

    #[test]
    fn a_moment_is_read_from_rfc_3339_with_and_without_fractions() {
        assert_eq!(Moment("2026-01-31T09:05:00Z".into()).text(), "31 Jan 2026, 09:05 UTC");
        assert_eq!(Moment("2026-11-02T23:59:59.125Z".into()).clock(), "23:59:59");
        assert_eq!(Moment("yesterday".into()).text(), "yesterday");
    }
}
