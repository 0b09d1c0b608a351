//! Tables to numbers: values worked out by hand, round trips, and a table of refusals.

use proptest::prelude::*;
use talweg_data::DataError;
use talweg_data::formats::csv::{CsvOptions, Table};
use talweg_data::preprocessing::{
    Encoding, Missing, Preprocessing, PreprocessingOptions, TargetKind, Targets, Task,
};

fn table(text: &str) -> Table {
    Table::from_reader(text.as_bytes(), "t.csv", &CsvOptions::default()).unwrap()
}

fn bare_table(text: &str) -> Table {
    let options = CsvOptions { header: false, ..CsvOptions::default() };
    Table::from_reader(text.as_bytes(), "t.csv", &options).unwrap()
}

fn fit(text: &str, options: &PreprocessingOptions) -> Result<Preprocessing, DataError> {
    let table = table(text);
    Preprocessing::fit(&table, &(0..table.len()).collect::<Vec<_>>(), options)
}

fn options() -> PreprocessingOptions {
    PreprocessingOptions::default()
}

#[test]
fn only_the_given_rows_are_learnt_from() {
    // Rows 0 and 2: numbers 2 and 6, so mean 4, deviation 2. Row 1 would change both, and its colour is unknown.
    let table = table("size,colour,kind\n2,red,b\n100,green,c\n6,blue,a\n8,red,a\n");
    let learnt = Preprocessing::fit(&table, &[0, 2], &options()).unwrap();
    assert_eq!(learnt.input_names(), ["size", "colour=blue", "colour=red"]);
    let (encoded, targets) = learnt.encode_with_targets(&table, &[3, 0]).unwrap();
    assert_eq!((encoded.width, encoded.rows), (3, vec![3, 0]));
    assert_eq!(encoded.values, [2.0, 0.0, 1.0, -1.0, 0.0, 1.0]);
    assert_eq!(targets, Targets::Classes(vec![0, 1]));
    let message = learnt.encode(&table).unwrap_err().to_string();
    assert_eq!(
        message,
        "t.csv: row 2 (line 3), column 2 `colour`: unknown category `green`; the training data held `blue`, `red`"
    );
}

#[test]
fn the_kind_of_target_is_found_from_its_cells() {
    let kind = |cells: [&str; 4], task: Task| {
        let text = format!("x,y\n1,{}\n2,{}\n3,{}\n4,{}\n", cells[0], cells[1], cells[2], cells[3]);
        fit(&text, &PreprocessingOptions { task, ..options() }).unwrap().target
    };
    let classes = |names: &[&str]| TargetKind::Classes(names.iter().map(ToString::to_string).collect());
    assert_eq!(kind(["b", "a", "b", "a"], Task::Auto).kind, classes(&["a", "b"]));
    assert_eq!(kind(["10", "9", "10", "9"], Task::Auto).kind, classes(&["9", "10"]));
    assert_eq!(kind(["1.5", "2", "1.5", "2"], Task::Classification).kind, classes(&["1.5", "2"]));
    for target in [kind(["1.5", "2", "3", "5.5"], Task::Auto), kind(["1", "2", "3", "6"], Task::Regression)] {
        assert_eq!(target.classes(), None);
        // Mean 3, deviation sqrt((2.25 + 1 + 0 + 6.25) / 4) and sqrt((4 + 1 + 0 + 9) / 4).
        let TargetKind::Number(scale) = target.kind else { panic!("{target:?}") };
        assert_eq!(scale.mean, 3.0);
        assert!([(9.5f64 / 4.0).sqrt(), (14.0f64 / 4.0).sqrt()].contains(&scale.deviation));
        assert!((target.value(scale.apply(5.25) as f32) - 5.25).abs() < 1e-6);
    }
    let many: String = (0..21).map(|i| format!("{i},{i}\n")).collect();
    assert_eq!(fit(&format!("x,y\n{many}"), &options()).unwrap().target.classes(), None);
}

#[test]
fn numbers_can_stay_as_they_are_and_stand_for_categories() {
    let text = "code,x,y\n20,1,a\n10,5,b\n20,9,a\n";
    let choice = PreprocessingOptions { categorical: vec!["code".into()], standardise: false, ..options() };
    let learnt = fit(text, &choice).unwrap();
    assert_eq!(learnt.encode(&table(text)).unwrap().values, [0.0, 1.0, 1.0, 1.0, 0.0, 5.0, 0.0, 1.0, 9.0]);
    let ignoring = PreprocessingOptions { ignore: vec!["1".into()], target: Some("y".into()), ..options() };
    assert_eq!(fit(text, &ignoring).unwrap().input_names(), ["x"]);
}

#[test]
fn a_constant_column_becomes_zeros() {
    let learnt = fit("x,y\n0.1,a\n0.1,b\n0.1,a\n", &options()).unwrap();
    let values = learnt.encode(&table("x\n0.1\n")).unwrap().values;
    assert!(values[0].abs() < 1e-6, "{values:?}");
}

#[test]
fn missing_values_by_policy() {
    let text = "x,c,y\n1,r,a\n?,r,b\n5,NA,a\n3,,a\n6,b,\n";
    let all = table(text);
    let drop = PreprocessingOptions { missing: Missing::Drop, ..options() };
    let learnt = fit(text, &PreprocessingOptions { target: Some("y".into()), ..drop.clone() });
    // Only the first row is complete, so that one class is left.
    assert!(learnt.unwrap_err().to_string().contains("the target is `a` in all training rows"));

    let text = "x,c,y\n1,r,a\n?,r,b\n5,b,b\n3,,a\n6,b,\n";
    let dropping = fit(text, &drop).unwrap();
    let (encoded, targets) = dropping.encode_with_targets(&table(text), &[0, 1, 2, 3, 4]).unwrap();
    assert_eq!((encoded.rows, targets), (vec![0, 2], Targets::Classes(vec![0, 1])));
    assert_eq!(encoded.values, [-1.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
    let error = dropping.encode(&table(text)).unwrap_err().to_string();
    assert!(error.starts_with("t.csv: row 2 (line 3), column 1 `x`: a value is missing (`?`)"), "{error}");

    let filling = PreprocessingOptions { missing: Missing::Mean, ..options() };
    let error = fit(text, &filling).unwrap_err().to_string();
    assert!(
        error.contains("row 5 (line 6), column 3 `y`: a value is missing (``); it is the target"),
        "{error}"
    );
    let text = "x,c,y\n1,r,a\n?,r,b\n5,b,b\n3,,a\n";
    let filled = fit(text, &filling).unwrap().encode(&table(text)).unwrap();
    // The mean of 1, 5 and 3 is 3, which becomes 0; `r` is the most frequent of `r`, `r`, `b`.
    assert_eq!(filled.values[3..6], [0.0, 0.0, 1.0]);
    assert_eq!(filled.values[9..], [0.0, 0.0, 1.0]);

    let error = Preprocessing::fit(&all, &[0, 1], &options()).unwrap_err().to_string();
    assert_eq!(
        error,
        "t.csv: row 2 (line 3), column 1 `x`: a value is missing (`?`); set missing = \"mean\" to put in the mean, \
         \"drop\" to leave such rows out, or fill it in"
    );
}

#[test]
fn refusals_when_learning() {
    let with = |change: fn(&mut PreprocessingOptions)| {
        let mut options = options();
        change(&mut options);
        options
    };
    let plain = options();
    let cases: Vec<(&str, PreprocessingOptions, &str)> = vec![
        (
            "x,y\n1,a\nabc,b\n",
            plain.clone(),
            "t.csv: row 2 (line 3), column 1 `x`: `abc` is not a number; the column holds numbers too: correct the cell, or list the column as categorical or ignored",
        ),
        (
            "x,y\nNaN,a\n1,b\n",
            plain.clone(),
            "t.csv: row 1 (line 2), column 1 `x`: `NaN` is not a finite number, which training needs; correct it, or name it as a marker of missing values",
        ),
        (
            "x,y\nred,a\nnan,b\n",
            plain.clone(),
            "t.csv: row 2 (line 3), column 1 `x`: `nan` is not a finite number",
        ),
        (
            "x,y\n1,a\n-inf,b\n",
            plain.clone(),
            "t.csv: row 2 (line 3), column 1 `x`: `-inf` is not a finite number",
        ),
        (
            "x,y\n1,a\n1e39,b\n",
            plain.clone(),
            "t.csv: row 2 (line 3), column 1 `x`: `1e39` is not a finite number",
        ),
        (
            "x,y\n1,a\n\"2,5\",b\n",
            plain.clone(),
            "t.csv: row 2 (line 3), column 1 `x`: `2,5` is not a number; a decimal comma? use a point",
        ),
        (
            "x,y\n1,1.5\n1,inf\n",
            plain.clone(),
            "t.csv: row 2 (line 3), column 2 `y`: `inf` is not a finite number",
        ),
        (
            "x,y\n1,1\n2,b\n",
            with(|o| o.task = Task::Regression),
            "t.csv: row 2 (line 3), column 2 `y`: `b` is not a number; the target of a regression must be numbers",
        ),
        ("x,y\n1,a\n2,a\n", plain.clone(), "t.csv: column `y`: the target is `a` in all training rows"),
        (
            "x,y\n,a\n?,b\n",
            with(|o| o.missing = Missing::Mean),
            "t.csv: column `x`: holds no value in any training row",
        ),
        ("x,y\n,a\n?,b\n", with(|o| o.missing = Missing::Drop), "t.csv: no rows are left"),
        ("y\na\nb\n", plain.clone(), "t.csv: no column is left as input beside the target"),
        (
            "x,y\na,1\nb,2\nc,1\n",
            with(|o| o.most_categories = 2),
            "t.csv: column `x`: 3 different texts, but 2 categories",
        ),
        (
            "x,y\n1,a\n2,b\n",
            with(|o| o.target = Some("z".into())),
            "t.csv: no column `z`; the table's columns are `x`, `y`",
        ),
        ("x,y\n1,a\n2,b\n", with(|o| o.ignore = vec!["z".into()]), "t.csv: no column `z`"),
        ("x,y\n1,a\n2,b\n", with(|o| o.ignore = vec!["y".into()]), "column `y` is the target"),
        ("x,y\n1,a\n2,b\n", with(|o| o.categorical = vec!["2".into()]), "column `y` is the target"),
    ];
    for (text, options, expected) in cases {
        let message = fit(text, &options).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{text:?}\n{message}\n{expected}");
    }
    let error = Preprocessing::fit(&table("x,y\n1,a\n"), &[], &plain).unwrap_err().to_string();
    assert!(error.starts_with("t.csv: no rows are left"), "{error}");
}

#[test]
fn new_tables_are_matched_by_name() {
    let learnt = fit("x,c,y\n1,r,a\n3,b,b\n", &options()).unwrap();
    let reordered = table("note,c,x\nhi,b,3\n");
    assert_eq!(learnt.encode(&reordered).unwrap().values, [1.0, 1.0, 0.0]);
    let error = learnt.encode(&table("x,y\n1,a\n")).unwrap_err().to_string();
    assert_eq!(
        error,
        "t.csv: no column `c`, which the model was trained on; the table's columns are `x`, `y`"
    );
    let error = learnt.encode_with_targets(&reordered, &[0]).unwrap_err().to_string();
    assert!(error.starts_with("t.csv: no column `y`"), "{error}");
    let error = learnt.encode(&table("x,c\nfour,r\n")).unwrap_err().to_string();
    assert_eq!(error, "t.csv: row 1 (line 2), column 1 `x`: `four` is not a number");
    let error = learnt.encode_with_targets(&table("x,c,y\n1,r,z\n"), &[0]).unwrap_err().to_string();
    assert!(
        error.ends_with("column 3 `y`: unknown category `z`; the training data held `a`, `b`"),
        "{error}"
    );
}

#[test]
fn new_tables_without_a_header_are_matched_by_position() {
    let all = bare_table("1,a,5\n3,b,7\n");
    let learnt =
        Preprocessing::fit(&all, &[0, 1], &PreprocessingOptions { target: Some("2".into()), ..options() })
            .unwrap();
    assert_eq!(learnt.encode(&all).unwrap().values, [-1.0, -1.0, 1.0, 1.0]);
    assert_eq!(learnt.encode(&bare_table("3,5\n")).unwrap().values, [1.0, -1.0]);
    let error = learnt.encode(&bare_table("1,2,3,4\n")).unwrap_err().to_string();
    assert!(error.starts_with("t.csv: 4 columns, but the model was trained on 3"), "{error}");
    let error = learnt.encode_with_targets(&bare_table("3,5\n"), &[0]).unwrap_err().to_string();
    assert_eq!(error, "t.csv: 2 columns, so the target is not among them; 3 expected");
}

#[test]
fn damaged_saved_files_are_refused() {
    let learnt = fit("x,c,y\n1,r,a\n3,b,b\n", &options()).unwrap();
    let json = learnt.to_json();
    for cut in 0..json.len() {
        assert!(Preprocessing::from_json(&json[..cut], "p.json").is_err(), "{cut}");
    }
    for (from, to) in [
        ("\"deviation\": 1.0", "\"deviation\": 0.0"),
        ("\"most_frequent\": 0", "\"most_frequent\": 2"),
        ("\"table_width\": 3", "\"table_width\": 2"),
        ("\"header\"", "\"heading\""),
        ("\"missing\": \"refuse\"", "\"missing\": \"guess\""),
    ] {
        assert!(json.contains(from), "{from} in {json}");
        let message = Preprocessing::from_json(&json.replace(from, to), "p.json").unwrap_err().to_string();
        assert!(message.starts_with("p.json: not a saved preprocessing: "), "{message}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    learnt.save(file.path()).unwrap();
    assert_eq!(Preprocessing::load(file.path()).unwrap(), learnt);
}

/// The mean and deviation by Welford's method, another than the code's.
fn welford(numbers: &[f64]) -> (f64, f64) {
    let (mut mean, mut sum) = (0.0, 0.0);
    for (index, number) in numbers.iter().enumerate() {
        let from_mean = number - mean;
        mean += from_mean / (index + 1) as f64;
        sum += from_mean * (number - mean);
    }
    (mean, (sum / numbers.len() as f64).sqrt())
}

proptest! {
    #[test]
    fn scaling_agrees_with_welford_and_survives_saving_to_the_bit(
        numbers in prop::collection::vec(-1e6f64..1e6, 2..30),
    ) {
        let text: String = numbers.iter().enumerate().map(|(i, x)| format!("{x},{}\n", ["a", "b"][i % 2])).collect();
        let learnt = fit(&format!("x,y\n{text}"), &options()).unwrap();
        let Encoding::Number(scale) = &learnt.columns[0].encoding else { panic!("{learnt:?}") };
        let (mean, deviation) = welford(&numbers);
        prop_assert!((scale.mean - mean).abs() <= 1e-9 * 1e6);
        prop_assert!((scale.deviation - deviation).abs() <= 1e-9 * 1e6);
        prop_assert_eq!(&Preprocessing::from_json(&learnt.to_json(), "p.json").unwrap(), &learnt);
    }

    #[test]
    fn tables_at_random_never_panic(
        cells in prop::collection::vec(
            prop::sample::select(vec!["", "?", "NA", "1", "-2.5", "1e308", "nan", "inf", "a", "b", "é", "\"1,5\""]),
            12,
        ),
        missing in prop::sample::select(vec![Missing::Refuse, Missing::Mean, Missing::Drop]),
        task in prop::sample::select(vec![Task::Auto, Task::Classification, Task::Regression]),
    ) {
        let rows: Vec<_> = cells.chunks(3).map(|row| row.join(",")).collect();
        let table = table(&format!("p,q,r\n{}\n", rows.join("\n")));
        let options = PreprocessingOptions { missing, task, ..options() };
        if let Ok(learnt) = Preprocessing::fit(&table, &[0, 1, 2], &options) {
            let labelled = learnt.encode_with_targets(&table, &[3, 2]).map(|(encoded, _)| encoded);
            for encoded in [learnt.encode(&table), labelled].into_iter().flatten() {
                prop_assert_eq!(encoded.values.len(), encoded.rows.len() * learnt.width());
                prop_assert!(encoded.values.iter().all(|value| value.is_finite()));
            }
        }
    }
}
