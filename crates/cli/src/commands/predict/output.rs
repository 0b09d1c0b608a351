//! Predictions as text, CSV or JSON.

use std::fmt::Write as _;

use clap::ValueEnum;

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line each for a reader at the terminal
    Text,
    /// A header, then one row each
    Csv,
    /// One array with an object each
    Json,
}

/// What the model says about one input.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// The probability of each class, in the order of the classes.
    Classes(Vec<f64>),
    /// A number.
    Number(f64),
}

/// Writes one answer for each named input. `classes` are the names of the classes; `target` is what a number is
/// called.
pub(super) fn write(
    format: Format,
    classes: &[String],
    target: &str,
    answers: &[(String, Answer)],
) -> String {
    match format {
        Format::Text => text(classes, target, answers),
        Format::Csv => csv(classes, target, answers),
        Format::Json => json(classes, target, answers),
    }
}

/// `photo.png: cat 97.1 % (dog 2.8 %, fox 0.1 %)`
fn text(classes: &[String], target: &str, answers: &[(String, Answer)]) -> String {
    let mut out = String::new();
    for (name, answer) in answers {
        let said = match answer {
            Answer::Number(number) => format!("{target} {number}"),
            Answer::Classes(probabilities) => {
                let mut ranked: Vec<usize> = (0..probabilities.len()).collect();
                // Stable, so that of equal probabilities the first class leads, as in `best`.
                ranked.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
                let named = |i: &usize| format!("{} {:.1} %", classes[*i], 100.0 * probabilities[*i]);
                let others = ranked[1..].iter().take(2).map(named).collect::<Vec<_>>().join(", ");
                if others.is_empty() {
                    named(&ranked[0])
                } else {
                    format!("{} ({others})", named(&ranked[0]))
                }
            }
        };
        writeln!(out, "{name}: {said}").expect("writing to a string cannot fail");
    }
    out
}

fn csv(classes: &[String], target: &str, answers: &[(String, Answer)]) -> String {
    let mut header = vec!["input".to_owned()];
    match answers.first() {
        Some((_, Answer::Number(_))) => header.push(target.to_owned()),
        _ => {
            header.push("class".to_owned());
            header.extend(classes.iter().map(|class| format!("p({class})")));
        }
    }
    let mut out = row(&header);
    for (name, answer) in answers {
        let mut cells = vec![name.clone()];
        match answer {
            Answer::Number(number) => cells.push(number.to_string()),
            Answer::Classes(probabilities) => {
                cells.push(classes[best(probabilities)].clone());
                cells.extend(probabilities.iter().map(f64::to_string));
            }
        }
        out.push_str(&row(&cells));
    }
    out
}

/// Cells parted by commas; quoted where they hold a comma, a quote or a line end.
fn row(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

fn json(classes: &[String], target: &str, answers: &[(String, Answer)]) -> String {
    let object = |(name, answer): &(String, Answer)| match answer {
        Answer::Number(number) => serde_json::json!({ "input": name, target: number }),
        Answer::Classes(probabilities) => {
            let each = classes.iter().cloned().zip(probabilities.iter().map(|p| serde_json::json!(p)));
            let each: serde_json::Map<String, serde_json::Value> = each.collect();
            serde_json::json!({ "input": name, "class": classes[best(probabilities)], "probabilities": each })
        }
    };
    format!("{:#}\n", serde_json::Value::Array(answers.iter().map(object).collect()))
}

/// The class of the largest probability; the first of equal ones.
pub(crate) fn best(probabilities: &[f64]) -> usize {
    let mut best = 0;
    for (i, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<String> {
        ["cat", "dog, wet", "fox"].map(str::to_owned).to_vec()
    }

    fn answers() -> Vec<(String, Answer)> {
        vec![
            ("a.png".to_owned(), Answer::Classes(vec![0.25, 0.625, 0.125])),
            ("b \"2\".png".to_owned(), Answer::Classes(vec![0.5, 0.5, 0.0])),
        ]
    }

    #[test]
    fn text_ranks_the_classes() {
        assert_eq!(
            write(Format::Text, &classes(), "", &answers()),
            "a.png: dog, wet 62.5 % (cat 25.0 %, fox 12.5 %)\nb \"2\".png: cat 50.0 % (dog, wet 50.0 %, fox 0.0 %)\n"
        );
        let number = [("row 1".to_owned(), Answer::Number(2.5))];
        assert_eq!(write(Format::Text, &[], "price", &number), "row 1: price 2.5\n");
    }

    #[test]
    fn csv_quotes_what_must_be() {
        assert_eq!(
            write(Format::Csv, &classes(), "", &answers()),
            "input,class,p(cat),\"p(dog, wet)\",p(fox)\na.png,\"dog, wet\",0.25,0.625,0.125\n\
             \"b \"\"2\"\".png\",cat,0.5,0.5,0\n"
        );
        let number = [("row 1".to_owned(), Answer::Number(2.5))];
        assert_eq!(write(Format::Csv, &[], "price", &number), "input,price\nrow 1,2.5\n");
    }

    #[test]
    fn json_reads_back() {
        let text = write(Format::Json, &classes(), "", &answers());
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value[0]["class"], "dog, wet");
        assert_eq!(value[0]["probabilities"]["fox"], 0.125);
        assert_eq!(value[1]["input"], "b \"2\".png");
        let number = [("row 1".to_owned(), Answer::Number(2.5))];
        let value: serde_json::Value =
            serde_json::from_str(&write(Format::Json, &[], "price", &number)).expect("JSON");
        assert_eq!(value, serde_json::json!([{ "input": "row 1", "price": 2.5 }]));
    }

    #[test]
    fn the_first_of_equal_classes_wins() {
        assert_eq!(best(&[0.2, 0.4, 0.4]), 1);
        assert_eq!(best(&[0.0, 0.0]), 0);
    }
}
