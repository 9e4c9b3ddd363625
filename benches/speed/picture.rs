//! The throughput as a picture for the README: a bar for each row, its median, and a line from the slowest to the
//! fastest run.

use std::{fmt::Write as _, path::Path};

use anyhow::Context as _;

use crate::{
    report::{Row, Section},
    statistics::{max, median, min},
};

/// A viewer's dark scheme is followed where the image is shown by itself; the bars' colors are readable on both.
const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .small { font-size: 11px; fill: #57606a; }
  .bar { fill: #6e7781; } .worker { fill: #1f7a4d; } .spread { stroke: #24292f; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; }
    .bar { fill: #7d8590; } .worker { fill: #3fb27f; } .spread { stroke: #e6edf3; }
  }";

const WIDTH: f64 = 760.0;
const NAMES: f64 = 190.0;
const VALUES: f64 = 130.0;
const LINE: f64 = 26.0;
const BAR: f64 = 16.0;
const TOP: f64 = 44.0;

/// Draws a section's first figure.
pub(crate) fn draw(section: &Section, machine: &str, file: &Path) -> anyhow::Result<()> {
    let rates: Vec<_> = section.rows.iter().filter_map(|row| Some((row, Bar::of(row)?))).collect();
    let longest = rates.iter().map(|(_, bar)| bar.max).fold(1.0, f64::max);
    let scale = (WIDTH - NAMES - VALUES) / longest;
    let mut y = TOP;
    let mut bars = String::new();
    for (row, bar) in &rates {
        let class = if row.name.starts_with("worker") { "worker" } else { "bar" };
        let [width, low, high] = [bar.median, bar.min, bar.max].map(|value| value * scale);
        let ratio = section.ratio(row).map_or(String::new(), |ratio| format!("{ratio:.2} ×"));
        let (middle, end) = (y + BAR / 2.0, NAMES + high + 8.0);
        writeln!(
            bars,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <path class=\"spread\" d=\"M{:.1} {middle}H{:.1}\"/>\
             <text x=\"{end:.1}\" y=\"{:.1}\">{}<tspan class=\"small\" dx=\"8\">{ratio}</tspan></text>",
            NAMES - 10.0,
            y + 12.5,
            escaped(&row.name),
            NAMES + low,
            NAMES + high,
            y + 12.5,
            grouped(bar.median),
        )?;
        y += LINE;
    }
    let [title, machine] = [section.title.as_str(), machine].map(escaped);
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}\n</style>\n\
         <text x=\"10\" y=\"22\" font-weight=\"600\">Notifications a second</text>\n{bars}\
         <text class=\"small\" x=\"10\" y=\"{:.0}\">{title}. Beside the bar: the ratio to the forwarder.</text>\n\
         <text class=\"small\" x=\"10\" y=\"{:.0}\">{machine}</text>\n</svg>\n",
        y + 48.0,
        y + 16.0,
        y + 34.0,
    );
    std::fs::write(file, picture).with_context(|| file.display().to_string())
}

struct Bar {
    median: f64,
    min: f64,
    max: f64,
}

impl Bar {
    fn of(row: &Row) -> Option<Self> {
        let runs = &row.figures.first()?.runs;
        Some(Self { median: median(runs)?, min: min(runs)?, max: max(runs)? })
    }
}

/// `12,345`
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
