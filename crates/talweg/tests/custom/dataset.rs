//! A data set that computes its items, and a format of one's own read into one.

use talweg::data::{DataError, DataLoader, Dataset, Example, Examples};
use talweg::tensor::Tensor;

/// A wave, sampled at `count` places; nothing is held in memory.
struct Wave {
    count: usize,
}

impl Dataset for Wave {
    type Item = Example;

    fn len(&self) -> usize {
        self.count
    }

    fn get(&self, i: usize) -> Result<Example, DataError> {
        let x = i as f32 / self.count as f32;
        Ok(Example { x: Tensor::from_slice(&[x], [1]), y: Tensor::from_slice(&[(6.0 * x).sin()], [1]) })
    }
}

#[test]
fn a_loader_makes_batches_of_it_in_an_order_that_depends_on_seed_and_epoch_alone() {
    let loader = |workers| DataLoader::new(Wave { count: 10 }).batch(4).shuffle(3).workers(workers);
    let xs = |loader: &DataLoader<Wave>, epoch| -> Vec<Vec<f32>> {
        loader.epoch(epoch).map(|batch| batch.expect("computed items do not fail").x.to_vec()).collect()
    };
    let (alone, helped) = (loader(0), loader(2));
    assert_eq!(xs(&alone, 0).iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(xs(&alone, 0), xs(&helped, 0));
    assert_ne!(xs(&alone, 0), xs(&alone, 1));
}

/// Reads lines `x1 x2 ... -> y`.
///
/// **Accepted:** numbers separated by blanks, an arrow, one number; empty lines.
///
/// **Refused:** a line without an arrow, what is no finite number, lines of unequal length, no lines at all.
fn read_arrows(text: &str, file: &str) -> Result<Examples, DataError> {
    let (mut x, mut y, mut width) = (Vec::new(), Vec::new(), None);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let refuse = |problem: String| DataError::Malformed {
            file: file.to_string(),
            problem: format!("line {}: {problem}", index + 1),
        };
        let number = |word: &str| match word.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(refuse(format!("`{word}` is no finite number"))),
        };
        let (inputs, target) =
            line.split_once("->").ok_or_else(|| refuse("no arrow `->` before the target".to_string()))?;
        let inputs = inputs.split_whitespace().map(number).collect::<Result<Vec<f32>, DataError>>()?;
        let expected = *width.get_or_insert(inputs.len());
        if inputs.len() != expected {
            return Err(refuse(format!("{} inputs, but {expected} in the first line", inputs.len())));
        }
        x.extend(inputs);
        y.push(number(target.trim())?);
    }
    let width = width.ok_or_else(|| DataError::EmptyTable { file: file.to_string(), problem: "no lines" })?;
    let rows = y.len();
    Ok(Examples::new(Tensor::from_slice(&x, [rows, width]), Tensor::from_slice(&y, [rows, 1])))
}

#[test]
fn a_format_is_a_function_from_text_to_examples() {
    let examples = read_arrows("0 1 -> 1\n\n1 1 -> 0\n", "xor.txt").expect("well-formed");
    assert_eq!((examples.len(), examples.input_shape()), (2, vec![2]));
    let item = examples.get(1).expect("there are two");
    assert_eq!((item.x.to_vec::<f32>(), item.y.to_vec::<f32>()), (vec![1.0, 1.0], vec![0.0]));
}

#[test]
fn every_refusal_names_file_line_and_finding() {
    for (text, message) in [
        ("0 1 1", "a.txt: line 1: no arrow `->` before the target"),
        ("0 1 -> 1\n0 two -> 1", "a.txt: line 2: `two` is no finite number"),
        ("0 1 -> nan", "a.txt: line 1: `nan` is no finite number"),
        ("0 1 -> 1\n\n0 -> 1", "a.txt: line 3: 1 inputs, but 2 in the first line"),
        ("", "a.txt: no lines"),
    ] {
        let error = read_arrows(text, "a.txt").expect_err(text);
        assert_eq!(error.to_string(), message);
    }
}
