//! CSV files: round trips, a table of malformed files, and bytes at random.

use std::io::{self, Read};

use proptest::prelude::*;
use talweg_data::DataError;
use talweg_data::formats::csv::{CsvOptions, Table};

fn read(bytes: &[u8], options: &CsvOptions) -> Result<Table, DataError> {
    Table::from_reader(bytes, "t.csv", options)
}

fn no_header() -> CsvOptions {
    CsvOptions { header: false, ..CsvOptions::default() }
}

#[test]
fn accepted_spellings_of_one_table() {
    let semicolon = CsvOptions { delimiter: b';', ..CsvOptions::default() };
    let plain = CsvOptions::default();
    let table: [(&[u8], &CsvOptions); 8] = [
        (b"a,b\n1,x y\n2,z\n", &plain),
        (b"a,b\n1,x y\n2,z", &plain),
        (b"a,b\r\n1,x y\r\n2,z\r\n", &plain),
        (b"\xEF\xBB\xBFa,b\n1,x y\n2,z\n", &plain),
        (b"\xEF\xBB\xBF\"a\",\"b\"\n\"1\",\"x y\"\n2,z\n", &plain),
        (b"\n\na , b\n\n 1,x y\t\n\r\n2, z\n\n", &plain),
        (b"a;b\n1;x y\n2;z\n", &semicolon),
        (b"a,b\r1,x y\r2,z\r", &plain),
    ];
    for (bytes, options) in table {
        let table = read(bytes, options).unwrap();
        assert_eq!(table.columns(), ["a", "b"], "{bytes:?}");
        let cells: Vec<_> = (0..table.len()).map(|row| (table.cell(row, 0), table.cell(row, 1))).collect();
        assert_eq!(cells, [("1", "x y"), ("2", "z")], "{bytes:?}");
    }
}

#[test]
fn numbers_that_count_or_rise_may_be_names() {
    for header in ["0,1,2", "label,0,1,2", "country,2019,2020", "country,2020,2019", "x,7", "q10,q50", "1,a"]
    {
        let cells = vec!["5"; header.split(',').count()].join(",");
        let table = read(format!("{header}\n{cells}\n").as_bytes(), &CsvOptions::default()).unwrap();
        assert_eq!(table.columns().join(","), header);
    }
}

#[test]
fn quotes_hold_delimiters_line_breaks_and_quotes() {
    let table = read(b"a,b\n\"x,y\",\"say \"\"hi\"\"\nthere\"\n", &CsvOptions::default()).unwrap();
    assert_eq!((table.cell(0, 0), table.cell(0, 1)), ("x,y", "say \"hi\"\nthere"));
}

#[test]
fn without_a_header_columns_are_numbered() {
    let table = read(b"1,2\n3,4\n", &no_header()).unwrap();
    assert_eq!((table.columns().to_vec(), table.len()), (vec!["column 1".into(), "column 2".to_string()], 2));
    assert_eq!((table.position("2").unwrap(), table.position("column 1").unwrap()), (1, 0));
}

#[test]
fn compressed_files_are_read() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"a,b\n1,2\n").unwrap();
    let bytes = encoder.finish().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    assert_eq!(Table::read(file.path(), &CsvOptions::default()).unwrap().cell(0, 1), "2");
    for cut in 2..bytes.len() {
        std::fs::write(file.path(), &bytes[..cut]).unwrap();
        let error = Table::read(file.path(), &CsvOptions::default()).unwrap_err();
        assert!(matches!(error, DataError::Gzip { .. }), "{cut}: {error}");
    }
}

#[test]
fn malformed_files_get_one_clear_message() {
    let plain = CsvOptions::default();
    let numbered = no_header();
    let short = CsvOptions { longest_row: 20, ..CsvOptions::default() };
    let quote = CsvOptions { delimiter: b'"', ..CsvOptions::default() };
    let long_1 = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let table: [(&[u8], &CsvOptions, &str); 23] = [
        (b"", &plain, "empty: no line with any text"),
        (b"\n\r\n\n", &plain, "empty: no line with any text"),
        (b"\xEF\xBB\xBF", &plain, "empty: no line with any text"),
        (b"a,b", &plain, "a header but no rows"),
        (b"a,b\r\n\r\n", &plain, "a header but no rows"),
        (b"a,b\n1\n", &plain, "row 1 (line 2): 1 fields, but 2 expected, as in the first line"),
        (b"a,b\n1,2\n\n1,2,3\n", &plain, "row 2 (line 4): 3 fields, but 2 expected, as in the first line"),
        (
            b"a,b\r\n1,2\r\n\r\n1,2,3\r\n",
            &plain,
            "row 2 (line 4): 3 fields, but 2 expected, as in the first line",
        ),
        (b"a,b\n\"1\n1\",2\n1,2,3", &plain, "row 2 (line 4): 3 fields, but 2 expected, as in the first line"),
        (b"1,2\n1,2,3", &numbered, "row 2 (line 2): 3 fields, but 2 expected, as in the first line"),
        (
            b"a,b\n1,2\n3,caf\xE9\n",
            &plain,
            "row 2 (line 3), column 2 `b`: not UTF-8 text (byte 0xe9 at position 3); save the file as UTF-8",
        ),
        (
            b"a,caf\xE9\n1,2\n",
            &plain,
            "header (line 1), column 2 `column 2`: not UTF-8 text (byte 0xe9 at position 3); save the file as UTF-8",
        ),
        (
            b"\xFF\xFEa\0,\0b\0\n\0",
            &plain,
            "header (line 1), column 1 `column 1`: not UTF-8 text (byte 0xff at position 0); save the file as UTF-8",
        ),
        (b"a,b,a\n1,2,3\n", &plain, "the header names `a` twice, as columns 1 and 3"),
        (
            b"5.1,3.5,setosa\n4.9,3.0,setosa\n",
            &plain,
            "the header holds the number `5.1`, so the file seems to have no header line: set header = false (in a configuration has_header = false), or rename the column",
        ),
        (
            b"1,2\n3,4\n",
            &plain,
            "the header holds the number `1`, so the file seems to have no header line: set header = false (in a configuration has_header = false), or rename the column",
        ),
        (
            b"39, State-gov, 77516, 13\n50, Private, 83311, 9\n",
            &plain,
            "the header holds the number `39`, so the file seems to have no header line: set header = false (in a configuration has_header = false), or rename the column",
        ),
        (
            b"a;b\n1;2\n",
            &plain,
            "a single column `a;b`; its text holds a semicolon: set that as the delimiter (now ',')",
        ),
        (
            b"a\tb\n1\t2\n",
            &plain,
            "a single column `a\\tb`; its text holds a tab: set that as the delimiter (now ',')",
        ),
        (
            b"a,b\n1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
            &short,
            "the row that starts on line 2 is longer than 20 bytes; \
             the file may lack line breaks or a closing quote",
        ),
        (
            b"a,b\n\"1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n13,14\n15,16\n",
            &short,
            "the row that starts on line 2 is longer than 20 bytes; \
             the file may lack line breaks or a closing quote",
        ),
        (
            long_1,
            &short,
            "the row that starts on line 1 is longer than 20 bytes; \
             the file may lack line breaks or a closing quote",
        ),
        (b"a,b\n1,2\n", &quote, "delimiter '\"': quotes and line ends cannot part fields"),
    ];
    for (bytes, options, expected) in table {
        let message = read(bytes, options).unwrap_err().to_string();
        assert_eq!(message.trim_start_matches("t.csv: "), expected, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_wanted_column_that_is_not_there_is_named_beside_those_that_are() {
    let table = read(b"a,b\n1,2\n", &CsvOptions::default()).unwrap();
    for wanted in ["c", "0", "3", ""] {
        let message = table.position(wanted).unwrap_err().to_string();
        assert_eq!(message, format!("t.csv: no column `{wanted}`; the table's columns are `a`, `b`"));
    }
}

/// Counts what is read, to show that an endless line stops early.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 += count as u64;
        Ok(count)
    }
}

#[test]
fn a_gigabyte_on_one_line_is_refused_after_sixteen_megabytes() {
    for byte in *b"a,\"1" {
        let mut input = Counted(io::repeat(byte).take(1 << 30), 0);
        let error = Table::from_reader(&mut input, "endless.csv", &CsvOptions::default()).unwrap_err();
        assert!(matches!(error, DataError::RowTooLong { line: 1, limit: 16777216, .. }), "{error}");
        assert!(input.1 < (16 << 20) + (1 << 16), "{} bytes were read", input.1);
    }
}

#[test]
fn the_longest_row_is_counted_for_each_row_alone() {
    let options = CsvOptions { longest_row: 8, ..CsvOptions::default() };
    let text = format!("a,b\n{}", "123,456\n".repeat(5_000));
    assert_eq!(read(text.as_bytes(), &options).unwrap().len(), 5_000);
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9é中 ,;\"]{0,6}", 1 => "[a-z\n\"]{0,5}"].prop_map(|text| text.trim().to_string())
}

proptest! {
    /// Reading brings back every cell that was written, and every row knows its line.
    #[test]
    fn what_is_written_is_read_back(
        rows in (2usize..5).prop_flat_map(|width| {
            prop::collection::vec((prop::collection::vec(cell(), width), 0usize..3), 1..8)
        }),
        crlf in any::<bool>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut text = (0..rows[0].0.len()).map(|i| format!("name{i}")).collect::<Vec<_>>().join(",") + end;
        let mut lines = Vec::new();
        for (row, blank_lines) in &rows {
            text += &end.repeat(*blank_lines);
            lines.push(text.matches('\n').count() as u64 + 1);
            let quoted: Vec<_> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            text += &quoted.join(",");
            text += end;
        }
        let table = read(text.as_bytes(), &CsvOptions::default()).unwrap();
        prop_assert_eq!(table.len(), rows.len());
        for (index, (row, _)) in rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                prop_assert_eq!(table.cell(index, column), cell);
            }
            prop_assert_eq!(table.place(index, 0).line, lines[index], "{:?}", text);
        }
    }

    #[test]
    fn bytes_at_random_never_panic(
        bytes in prop::collection::vec(
            prop_oneof![4 => prop::sample::select(b"a1,\"\r\n;.-".to_vec()), 1 => any::<u8>()],
            0..80,
        ),
        header in any::<bool>(),
        longest_row in 0u64..40,
        delimiter in any::<u8>(),
    ) {
        let options = CsvOptions { header, longest_row, delimiter: b',' };
        for options in [options.clone(), CsvOptions { delimiter, ..options }, CsvOptions::default()] {
            if let Ok(table) = read(&bytes, &options) {
                prop_assert!(!table.is_empty());
                prop_assert!((1..=bytes.len() as u64 + 1).contains(&table.place(table.len() - 1, 0).line));
            }
        }
    }
}
