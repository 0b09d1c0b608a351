//! The samples as files: an index of calls, and the numbers of all tensors one after another.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use talweg::tensor::{DType, Tensor};

/// Everything that PyTorch computed.
pub(crate) struct Samples {
    /// The samples of each operation, by PyTorch's name.
    pub(crate) ops: BTreeMap<String, Vec<Sample>>,
    /// The entries of `op_db` that are not in the file, with the reason.
    pub(crate) left_out: BTreeMap<String, String>,
    /// All tensors.
    pub(crate) arrays: Vec<Array>,
}

/// One call.
pub(crate) struct Sample {
    /// The arguments in their order.
    pub(crate) arguments: Vec<Arg>,
    /// The arguments by name.
    pub(crate) named: BTreeMap<String, Arg>,
    /// The outputs.
    pub(crate) outputs: Vec<usize>,
    /// Whether PyTorch's own f32 is far from its f64 here, so that only f64 is compared.
    pub(crate) unstable: bool,
}

/// An argument as PyTorch was given it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point, perhaps infinite.
    Float(f64),
    /// A text.
    Text(String),
    /// A list or a tuple.
    List(Vec<Arg>),
    /// A tensor.
    Tensor {
        /// Its place among [`Samples::arrays`].
        array: usize,
        /// Its gradient, of a tensor that wanted one; `None` inside when nothing depends on it.
        gradient: Option<Option<usize>>,
    },
    /// A Python slice.
    Slice([Option<i64>; 3]),
    /// `...`.
    Ellipsis,
    /// An element type.
    Dtype(String),
    /// A device or a memory layout: of no meaning here.
    Place,
}

/// Numbers with a shape.
pub(crate) struct Array {
    /// The sizes.
    pub(crate) shape: Vec<usize>,
    /// The type that PyTorch had.
    pub(crate) kind: Kind,
    /// The numbers.
    pub(crate) data: Vec<f64>,
}

/// The type of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// f64, also where half the bytes hold it.
    Float,
    /// f32, as the result of a conversion.
    Single,
    /// i64.
    Whole,
    /// bool.
    Truth,
    /// u8.
    Byte,
}

impl Samples {
    /// Reads both files.
    pub(crate) fn read() -> Samples {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/samples");
        let unpacked = |name: &str| {
            let path = folder.join(name);
            let file = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let mut bytes = Vec::new();
            GzDecoder::new(file)
                .read_to_end(&mut bytes)
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            bytes
        };
        let index: Value = serde_json::from_slice(&unpacked("index.json.gz")).expect("an index in JSON");
        let arrays = arrays(&index["tensors"], &unpacked("numbers.bin.gz"));
        let entries = |key: &str| index[key].as_object().unwrap_or_else(|| panic!("no {key} in the index"));
        let ops = entries("ops").iter().map(|(name, list)| (name.clone(), array_of(list, sample))).collect();
        let reason =
            |(name, why): (&String, &Value)| (name.clone(), why.as_str().expect("a reason").to_string());
        Samples { ops, left_out: entries("left_out").iter().map(reason).collect(), arrays }
    }
}

fn array_of<T>(value: &Value, make: fn(&Value) -> T) -> Vec<T> {
    value.as_array().expect("a list").iter().map(make).collect()
}

fn sample(value: &Value) -> Sample {
    let named = match value.get("k") {
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), argument(value))).collect(),
        _ => BTreeMap::new(),
    };
    Sample {
        arguments: array_of(&value["a"], argument),
        named,
        outputs: array_of(&value["o"], |place| place.as_u64().expect("a place") as usize),
        unstable: value.get("unstable").is_some(),
    }
}

fn argument(value: &Value) -> Arg {
    match value {
        Value::Null => Arg::None,
        Value::Bool(x) => Arg::Bool(*x),
        Value::Number(x) => match x.as_i64() {
            Some(whole) => Arg::Int(whole),
            None => Arg::Float(x.as_f64().expect("a number")),
        },
        Value::String(x) => Arg::Text(x.clone()),
        Value::Array(list) => Arg::List(list.iter().map(argument).collect()),
        Value::Object(map) => tagged(map),
    }
}

/// What JSON has no words for.
fn tagged(map: &Map<String, Value>) -> Arg {
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    if let Some(array) = map.get("t") {
        let gradient = map.get("g").map(|place| place.as_u64().map(|place| place as usize));
        return Arg::Tensor { array: array.as_u64().expect("a place") as usize, gradient };
    }
    if let Some(number) = text("f") {
        return Arg::Float(number.parse().expect("inf, -inf or nan"));
    }
    if let Some(name) = text("dtype") {
        return Arg::Dtype(name.to_string());
    }
    if let Some(parts) = map.get("slice") {
        let parts = array_of(parts, Value::as_i64);
        return Arg::Slice([parts[0], parts[1], parts[2]]);
    }
    match map.contains_key("ellipsis") {
        true => Arg::Ellipsis,
        false => Arg::Place,
    }
}

fn arrays(table: &Value, mut bytes: &[u8]) -> Vec<Array> {
    let mut arrays = Vec::new();
    for entry in table.as_array().expect("a table of tensors") {
        let shape = array_of(&entry[1], |size| size.as_u64().expect("a size") as usize);
        let count = shape.iter().product::<usize>();
        let mut take = |size: usize| -> &[u8] {
            let (front, rest) = bytes.split_at_checked(count * size).expect("numbers for every tensor");
            bytes = rest;
            front
        };
        let single = |b: &[u8; 4]| f64::from(f32::from_le_bytes(*b));
        let (kind, data) = match entry[0].as_str().expect("a type") {
            "d" => (Kind::Float, take(8).as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
            "s" => (Kind::Float, take(4).as_chunks().0.iter().map(single).collect()),
            "f" => (Kind::Single, take(4).as_chunks().0.iter().map(single).collect()),
            "q" => {
                (Kind::Whole, take(8).as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect())
            }
            "?" => (Kind::Truth, take(1).iter().map(|b| f64::from(*b)).collect()),
            "B" => (Kind::Byte, take(1).iter().map(|b| f64::from(*b)).collect()),
            other => panic!("no type {other}"),
        };
        arrays.push(Array { shape, kind, data });
    }
    assert!(bytes.is_empty(), "{} bytes belong to no tensor", bytes.len());
    arrays
}

impl Array {
    /// As a tensor, its floats in `dtype`.
    pub(crate) fn tensor(&self, dtype: DType) -> Tensor {
        let dense = |dtype| match dtype {
            DType::F32 => {
                Tensor::from_slice(&self.data.iter().map(|&x| x as f32).collect::<Vec<_>>(), &self.shape[..])
            }
            _ => Tensor::from_slice(&self.data, &self.shape[..]),
        };
        match self.kind {
            Kind::Float => dense(dtype),
            Kind::Single => dense(DType::F32),
            Kind::Whole => {
                let whole: Vec<i64> = self.data.iter().map(|&x| x as i64).collect();
                Tensor::from_slice(&whole, &self.shape[..])
            }
            Kind::Truth => {
                Tensor::from_slice(&self.data.iter().map(|&x| x != 0.0).collect::<Vec<_>>(), &self.shape[..])
            }
            Kind::Byte => {
                Tensor::from_slice(&self.data.iter().map(|&x| x as u8).collect::<Vec<_>>(), &self.shape[..])
            }
        }
    }
}
