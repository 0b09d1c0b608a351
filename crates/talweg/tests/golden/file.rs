//! Reads a golden file and judges tensors by it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use talweg::tensor::{DType, Tensor};

/// One golden file: its cases and its arrays.
pub(crate) struct Golden {
    /// The element type that the reference computed in.
    pub(crate) dtype: DType,
    /// What to build, in the order of the generator.
    pub(crate) cases: Vec<Case>,
    arrays: BTreeMap<String, Array>,
}

/// Numbers as f64 (f32 and the class indices fit without loss) with their shape.
#[derive(Clone)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
    integer: bool,
}

/// A case: its name, its operation and its options. Asking for an option that is not there fails the test.
pub(crate) struct Case(Value);

/// The two element types, with the largest relative error that each may show.
pub(crate) const DTYPES: [(&str, DType, f64); 2] = [("f32", DType::F32, 1e-5), ("f64", DType::F64, 1e-10)];

/// The folder of the committed files.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/data")
}

impl Golden {
    /// Reads `topic_dtype.safetensors` in `folder`.
    pub(crate) fn read(folder: &Path, topic: &str, dtype: &str) -> Golden {
        let path = folder.join(format!("{topic}_{dtype}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors header");
        let meta = header.metadata().as_ref().expect("metadata");
        assert_eq!(meta["format"], "1", "{}: another format", path.display());
        let Value::Array(cases) = serde_json::from_str(&meta["cases"]).expect("cases in JSON") else {
            panic!("{}: cases are no list", path.display())
        };
        let tensors = SafeTensors::deserialize(&bytes).expect("a whole safetensors file");
        let arrays =
            tensors.iter().map(|(name, view)| (name.to_string(), Array::decode(name, &view))).collect();
        let dtype = if meta["dtype"] == "f32" { DType::F32 } else { DType::F64 };
        assert!(!cases.is_empty(), "{}: no cases", path.display());
        Golden { dtype, cases: cases.into_iter().map(Case).collect(), arrays }
    }

    /// The array of this name, which must be there.
    #[track_caller]
    pub(crate) fn array(&self, name: &str) -> &Array {
        self.arrays.get(name).unwrap_or_else(|| panic!("the golden file has no {name}"))
    }

    /// The array of this name, if it is there.
    pub(crate) fn find(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// The array as a tensor: floats in the file's element type, class indices as i64.
    #[track_caller]
    pub(crate) fn tensor(&self, name: &str) -> Tensor {
        self.array(name).tensor(self.dtype)
    }

    /// The names that start with `prefix`, without it.
    pub(crate) fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.arrays.keys().filter_map(move |name| name.strip_prefix(prefix))
    }
}

impl Array {
    fn decode(name: &str, view: &safetensors::tensor::TensorView) -> Array {
        use safetensors::Dtype;
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::I64 => bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
            other => panic!("{name}: element type {other:?} is not expected here"),
        };
        Array { shape: view.shape().to_vec(), data, integer: view.dtype() == Dtype::I64 }
    }

    /// Entry `i` of the first axis.
    pub(crate) fn row(&self, i: usize) -> Array {
        let size: usize = self.shape[1..].iter().product();
        let data = self.data[i * size..(i + 1) * size].to_vec();
        Array { shape: self.shape[1..].to_vec(), data, integer: self.integer }
    }

    /// As a tensor: floats in `dtype`, integers as i64.
    pub(crate) fn tensor(&self, dtype: DType) -> Tensor {
        if self.integer {
            return Tensor::from_slice(
                &self.data.iter().map(|&x| x as i64).collect::<Vec<_>>(),
                &self.shape[..],
            );
        }
        match dtype {
            DType::F32 => {
                Tensor::from_slice(&self.data.iter().map(|&x| x as f32).collect::<Vec<_>>(), &self.shape[..])
            }
            _ => Tensor::from_slice(&self.data, &self.shape[..]),
        }
    }
}

impl Case {
    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    #[track_caller]
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).as_str().unwrap_or_else(|| panic!("{key} is no text in {}", self.0))
    }

    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> f64 {
        self.get(key).as_f64().unwrap_or_else(|| panic!("{key} is no number in {}", self.0))
    }

    #[track_caller]
    pub(crate) fn size(&self, key: &str) -> usize {
        self.get(key).as_u64().unwrap_or_else(|| panic!("{key} is no size in {}", self.0)) as usize
    }

    #[track_caller]
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).as_bool().unwrap_or_else(|| panic!("{key} is no flag in {}", self.0))
    }

    /// A list of numbers.
    #[track_caller]
    pub(crate) fn list(&self, key: &str) -> Vec<f64> {
        let list = self.get(key).as_array().unwrap_or_else(|| panic!("{key} is no list in {}", self.0));
        list.iter().map(|x| x.as_f64().expect("a number")).collect()
    }

    /// Two sizes, or one that stands for both.
    #[track_caller]
    pub(crate) fn pair(&self, key: &str) -> [usize; 2] {
        match self.get(key) {
            Value::Array(_) => {
                let list = self.list(key);
                [list[0] as usize, list[1] as usize]
            }
            _ => [self.size(key); 2],
        }
    }

    /// An option that may be missing.
    pub(crate) fn find(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    #[track_caller]
    pub(crate) fn get(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or_else(|| panic!("no option {key} in {}", self.0))
    }
}

/// A tensor's numbers as f64.
pub(crate) fn numbers(x: &Tensor) -> Vec<f64> {
    match x.dtype() {
        DType::F32 => x.to_vec::<f32>().into_iter().map(f64::from).collect(),
        DType::F64 => x.to_vec::<f64>(),
        other => panic!("{other} has no numbers to compare"),
    }
}

/// max |a - b| / max |b|; infinite where a number is missing, is no number, or ought to be zero and is not.
pub(crate) fn relative(got: &[f64], want: &[f64]) -> f64 {
    let size = want.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let apart = |(a, b): (&f64, &f64)| if (a - b).is_nan() { f64::INFINITY } else { (a - b).abs() };
    let apart = got.iter().zip(want).map(apart).fold(0.0, f64::max);
    match (got.len() != want.len(), apart == 0.0) {
        (true, _) => f64::INFINITY,
        (_, true) => 0.0,
        _ => apart / size,
    }
}

/// Collects the errors of a run, so that one failure does not hide the others.
pub(crate) struct Judge {
    what: String,
    limit: f64,
    seen: Vec<(f64, String)>,
}

impl Judge {
    pub(crate) fn new(what: impl Into<String>, limit: f64) -> Judge {
        Judge { what: what.into(), limit, seen: Vec::new() }
    }

    /// Compares a tensor with the numbers that the reference has.
    pub(crate) fn tensor(&mut self, name: &str, got: &Tensor, want: &Array) {
        if got.shape().to_vec() != want.shape {
            self.note(f64::INFINITY, format!("{name}: shape {} for {:?}", got.shape(), want.shape));
            return;
        }
        self.slices(name, &numbers(got), &want.data);
    }

    /// Compares numbers, by [`relative`].
    pub(crate) fn slices(&mut self, name: &str, got: &[f64], want: &[f64]) {
        let error = relative(got, want);
        let first = got.iter().zip(want).enumerate().max_by(|a, b| {
            let apart = |(_, (x, y)): &(usize, (&f64, &f64))| (*x - *y).abs();
            apart(a).total_cmp(&apart(b))
        });
        let place = first.map_or("(lengths differ)".to_string(), |(i, (a, b))| {
            format!("at {i}: got {a:e}, expected {b:e}")
        });
        self.note(error, format!("{name} {place}"));
    }

    pub(crate) fn note(&mut self, error: f64, text: String) {
        self.seen.push((error, text));
    }

    /// The largest error so far.
    pub(crate) fn worst(&self) -> f64 {
        self.seen.iter().fold(0.0, |m, (e, _)| m.max(*e))
    }

    /// Says how close it was, and fails with every comparison that was not close enough.
    pub(crate) fn finish(mut self) {
        assert!(!self.seen.is_empty(), "{}: nothing was compared", self.what);
        println!("{}: {} comparisons, worst relative error {:.1e}", self.what, self.seen.len(), self.worst());
        self.seen.retain(|(error, _)| *error > self.limit);
        self.seen.sort_by(|a, b| b.0.total_cmp(&a.0));
        let lines: Vec<String> = self.seen.iter().take(30).map(|(e, t)| format!("  {e:.1e}  {t}")).collect();
        assert!(
            lines.is_empty(),
            "{}: {} past {:e}:\n{}",
            self.what,
            self.seen.len(),
            self.limit,
            lines.join("\n")
        );
    }
}

#[test]
fn the_judge_sees_every_kind_of_difference() {
    assert_eq!(relative(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
    assert_eq!(relative(&[1.0, 2.5], &[1.0, -5.0]), 1.5);
    assert_eq!(relative(&[0.0], &[0.0]), 0.0);
    assert_eq!(relative(&[1e-30], &[0.0]), f64::INFINITY);
    assert_eq!(relative(&[1.0, f64::NAN, 2.0], &[1.0, 1.0, 2.0]), f64::INFINITY);
    assert_eq!(relative(&[1.0], &[1.0, 2.0]), f64::INFINITY);
    let failed = |got: &Tensor, want: &Array| {
        let mut judge = Judge::new("a wrong tensor", 1e-5);
        judge.tensor("x", got, want);
        std::panic::catch_unwind(|| judge.finish()).is_err()
    };
    let want = Array { shape: vec![2], data: vec![1.0, 2.0], integer: false };
    assert!(!failed(&Tensor::from_slice(&[1.0f32, 2.00001], [2]), &want));
    assert!(failed(&Tensor::from_slice(&[1.0f32, 2.0001], [2]), &want));
    assert!(failed(&Tensor::from_slice(&[1.0f32, 2.0], [1, 2]), &want), "another shape");
    assert!(std::panic::catch_unwind(|| Judge::new("nothing", 1.0).finish()).is_err());
}
