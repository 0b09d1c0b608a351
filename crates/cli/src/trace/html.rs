//! The explanation as one self-contained page, with a picture of the network.

use std::fmt::Write;

use super::document::{Document, Table, number};
use super::explain::Subject;
use super::network::Stage;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2733;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d5dde5;padding-bottom:.2rem}
table{border-collapse:collapse;margin:.8rem 0 1.4rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.3rem 0}th,td{text-align:left;padding:.15rem .9rem .15rem 0;vertical-align:top}
th{color:#5a6b7b;font-weight:500;border-bottom:1px solid #d5dde5}td:first-child{color:#5a6b7b}
td{font-family:ui-monospace,monospace;font-size:.9rem}.wide{overflow-x:auto}svg{max-width:100%;height:auto}
.key{color:#5a6b7b;font-size:.9rem}
@media (prefers-color-scheme:dark){body{background:#12181f;color:#dbe4ec}h2,th{border-color:#33404d}th,td:first-child,.key{color:#93a4b4}}";

/// The whole page.
pub(crate) fn page(document: &Document, subject: &Subject<'_>) -> String {
    let mut out = String::new();
    let title = escape(&document.title);
    out += &format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    out += &diagram(subject);
    for section in &document.sections {
        out += &format!("<h2>{}</h2>\n", escape(&section.heading));
        section.text.iter().for_each(|line| out += &format!("<p>{}</p>\n", escape(line)));
        section.tables.iter().for_each(|t| out += &table(t));
    }
    out += "</body>\n</html>\n";
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn table(t: &Table) -> String {
    let cells = |tag: &str, row: &[String]| {
        row.iter().fold(String::new(), |out, cell| out + &format!("<{tag}>{}</{tag}>", escape(cell)))
    };
    let mut out = format!("<div class=\"wide\"><table><caption>{}</caption>\n", escape(&t.caption));
    out += &format!("<tr>{}</tr>\n", cells("th", &t.columns));
    t.rows.iter().for_each(|row| out += &format!("<tr>{}</tr>\n", cells("td", row)));
    out + "</table></div>\n"
}

/// A column of the picture: what its units are called, their values and error terms.
struct Column<'a> {
    name: String,
    values: &'a [f64],
    errors: Option<&'a [f64]>,
}

/// Columns with more units are not drawn: nobody could read them.
const MOST_UNITS: usize = 24;

/// The picture: its columns, the weights between them, and where the circles are.
struct Picture<'a> {
    columns: Vec<Column<'a>>,
    weights: Vec<&'a Vec<Vec<f64>>>,
    tallest: usize,
}

/// Distance between columns and between units.
const ACROSS: f64 = 230.0;
const DOWN: f64 = 64.0;

/// The network as a picture: a circle for each unit with its value and error, a line for each weight.
fn diagram(s: &Subject<'_>) -> String {
    let picture = Picture::new(s);
    if picture.tallest > MOST_UNITS {
        return String::new();
    }
    let (width, height) = (ACROSS * picture.columns.len() as f64, DOWN * picture.tallest as f64 + 50.0);
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"the network with its values and error terms\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\">\n"
    );
    picture.lines(&mut out);
    picture.circles(&mut out);
    out + "</svg>\n<p class=\"key\">In the circles: values going forward. Below them: error terms δ coming back. \
           Lines: weights, blue where positive, orange where negative, thicker where larger.</p>\n"
}

impl<'a> Picture<'a> {
    fn new(s: &Subject<'a>) -> Picture<'a> {
        let mut columns = vec![Column { name: "input".into(), values: s.x, errors: None }];
        let mut weights = Vec::new();
        for (i, stage) in s.network.stages.iter().enumerate() {
            let values = &s.step.values[i + 1];
            match stage {
                Stage::Linear { weight, .. } => {
                    weights.push(weight);
                    let name = format!("layer {}", weights.len());
                    columns.push(Column { name, values, errors: Some(&s.step.errors[i + 1]) });
                }
                // The circle shows the activation; its error term stays that of the weighted sum.
                Stage::Activation(f) => {
                    if let Some(column) = columns.last_mut() {
                        (column.name, column.values) = (format!("{} ({})", column.name, f.name()), values);
                    }
                }
            }
        }
        let tallest = columns.iter().map(|c| c.values.len()).max().unwrap_or(0);
        Picture { columns, weights, tallest }
    }

    /// The middle of a unit's circle.
    fn at(&self, column: usize, unit: usize) -> (f64, f64) {
        let top = (self.tallest - self.columns[column].values.len()) as f64 * DOWN / 2.0;
        (ACROSS * (column as f64 + 0.5), 60.0 + top + DOWN * unit as f64)
    }

    fn lines(&self, out: &mut String) {
        let largest =
            self.weights.iter().flat_map(|w| w.iter().flatten()).fold(1e-12f64, |m, w| m.max(w.abs()));
        for (c, weight) in self.weights.iter().enumerate() {
            for (j, i, w) in
                weight.iter().enumerate().flat_map(|(j, row)| (0..row.len()).map(move |i| (j, i, row[i])))
            {
                let ((x1, y1), (x2, y2)) = (self.at(c, i), self.at(c + 1, j));
                let (x1, x2, wide) = (x1 + 20.0, x2 - 20.0, 0.4 + 4.0 * w.abs() / largest);
                let colour = if w < 0.0 { "#c2410c" } else { "#0369a1" };
                let name = format!("W{}[{},{}] = {}", c + 1, j + 1, i + 1, number(w));
                put(
                    out,
                    format_args!(
                        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
                         stroke-width=\"{wide:.2}\" opacity=\"0.6\"><title>{name}</title></line>\n"
                    ),
                );
            }
        }
    }

    fn circles(&self, out: &mut String) {
        for (c, column) in self.columns.iter().enumerate() {
            let (x, name) = (ACROSS * (c as f64 + 0.5), escape(&column.name));
            put(
                out,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"24\" text-anchor=\"middle\" fill=\"currentColor\" \
                     font-weight=\"600\">{name}</text>\n"
                ),
            );
            for (u, value) in column.values.iter().enumerate() {
                let (_, y) = self.at(c, u);
                let (inside, below) = (y + 4.0, y + 34.0);
                put(
                    out,
                    format_args!(
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"20\" fill=\"#e0f2fe\" stroke=\"#0369a1\"/>\
                         <text x=\"{x:.1}\" y=\"{inside:.1}\" text-anchor=\"middle\" fill=\"#0c2433\" \
                         font-size=\"11\">{}</text>\n",
                        short(*value)
                    ),
                );
                if let Some(errors) = column.errors {
                    put(
                        out,
                        format_args!(
                            "<text x=\"{x:.1}\" y=\"{below:.1}\" text-anchor=\"middle\" fill=\"#c2410c\" \
                             font-size=\"11\">δ {}</text>\n",
                            short(errors[u])
                        ),
                    );
                }
            }
        }
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

fn short(x: f64) -> String {
    if x != 0.0 && x.abs() < 0.001 { format!("{x:.0e}") } else { format!("{x:.3}") }
}
