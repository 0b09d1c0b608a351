//! States as bytes in the safetensors format: eight bytes that give the header's length, a header in JSON with names,
//! types, shapes and places, then the numbers, little-endian.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ::safetensors::{Dtype, SafeTensors};
use talweg_tensor::{DType, MAX_RANK, Tensor};

use super::StateError;

/// What a safetensors file holds.
#[derive(Clone, Debug, Default)]
pub struct StateFile {
    /// The tensors with their names, in the order in which they stand in the file.
    pub tensors: Vec<(String, Tensor)>,
    /// Texts about the file as a whole.
    pub metadata: BTreeMap<String, String>,
}

impl StateFile {
    /// Reads a file's bytes. They are checked as a whole: whatever they are, this returns an error or a state.
    ///
    /// Accepted are tensors of the types F32, F64, I64, U8 and BOOL with at most 8 axes; other types are refused by
    /// name.
    ///
    /// # Errors
    /// When the bytes are not in the format, are cut off or too many, or hold a tensor of another type.
    ///
    /// # Examples
    /// ```
    /// # use std::collections::BTreeMap;
    /// # use talweg_nn::{Linear, Load, Module, StateFile, to_safetensors};
    /// # use talweg_tensor::Rng;
    /// let (a, b) = (Linear::new(3, 2, &mut Rng::seed(1)), Linear::new(3, 2, &mut Rng::seed(2)));
    /// let bytes = to_safetensors(&a.state(), &BTreeMap::new());
    /// b.load_state(&StateFile::from_bytes(&bytes)?.tensors, Load::Strict)?;
    /// assert_eq!(a.weight.get().to_vec::<f32>(), b.weight.get().to_vec::<f32>());
    /// # Ok::<(), talweg_nn::StateError>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<StateFile, StateError> {
        let format = |cause: ::safetensors::SafeTensorError| StateError::Format {
            length: bytes.len(),
            cause: cause.to_string(),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let file = SafeTensors::deserialize(bytes).map_err(format)?;
        let mut tensors = Vec::with_capacity(file.len());
        for name in header.offset_keys() {
            let view = file.tensor(&name).map_err(format)?;
            let shape = view.shape().to_vec();
            let unsupported = |reason: &str| StateError::Unsupported {
                name: name.clone(),
                shape: shape.clone(),
                dtype: view.dtype().to_string(),
                reason: reason.to_string(),
            };
            let Some(dtype) = dtype(view.dtype()) else {
                return Err(unsupported(
                    "the types are F32, F64, I64, U8 and BOOL; convert it before saving",
                ));
            };
            if shape.len() > MAX_RANK {
                return Err(unsupported(&format!("a tensor has at most {MAX_RANK} axes")));
            }
            if shape.iter().any(|&size| u32::try_from(size).is_err()) {
                return Err(unsupported("a size is at most 2^32 - 1"));
            }
            let data = little_endian(view.data().into(), dtype.size());
            tensors.push((name, Tensor::from_bytes(&data, shape, dtype)));
        }
        Ok(StateFile { tensors, metadata })
    }
}

/// The bytes of a safetensors file with these tensors and texts.
///
/// The same state gives the same bytes: tensors stand in the given order, but those with larger elements first, so
/// that all are aligned; texts stand in the order of their keys.
///
/// # Panics
/// When a name occurs twice, or is `__metadata__`, which the format keeps for itself.
#[track_caller]
pub fn to_safetensors(tensors: &[(String, Tensor)], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        panic!("to_safetensors: two tensors are named `{}`; names are unique", pair[0]);
    }
    assert!(
        names.binary_search(&"__metadata__").is_err(),
        "to_safetensors: no tensor can be named `__metadata__`, which the format keeps for itself"
    );
    let mut order: Vec<&(String, Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(_, x)| std::cmp::Reverse(x.dtype().size()));
    let mut fields = Vec::with_capacity(tensors.len() + 1);
    if !metadata.is_empty() {
        let texts: Vec<String> =
            metadata.iter().map(|(k, v)| format!("{}:{}", quoted(k), quoted(v))).collect();
        fields.push(format!("\"__metadata__\":{{{}}}", texts.join(",")));
    }
    let mut start = 0;
    for (name, x) in &order {
        let end = start + x.numel() * x.dtype().size();
        fields.push(format!(
            "{}:{{\"dtype\":\"{}\",\"shape\":{:?},\"data_offsets\":[{start},{end}]}}",
            quoted(name),
            format_name(x.dtype()),
            x.shape().to_vec()
        ));
        start = end;
    }
    let mut header = format!("{{{}}}", fields.join(",")).into_bytes();
    // Spaces up to a multiple of eight, so that the numbers are aligned.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + start);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for (_, x) in order {
        bytes.extend_from_slice(&little_endian(x.to_bytes().into(), x.dtype().size()));
    }
    bytes
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn dtype(name: Dtype) -> Option<DType> {
    match name {
        Dtype::F32 => Some(DType::F32),
        Dtype::F64 => Some(DType::F64),
        Dtype::BF16 => Some(DType::Bf16),
        Dtype::F16 => Some(DType::F16),
        Dtype::I64 => Some(DType::I64),
        Dtype::U8 => Some(DType::U8),
        Dtype::BOOL => Some(DType::Bool),
        _ => None,
    }
}

fn format_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "F32",
        DType::F64 => "F64",
        DType::Bf16 => "BF16",
        DType::F16 => "F16",
        DType::I64 => "I64",
        DType::U8 => "U8",
        DType::Bool => "BOOL",
    }
}

/// Elements between the machine's order of bytes and the format's.
fn little_endian(mut bytes: Cow<'_, [u8]>, size: usize) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "big") {
        bytes.to_mut().chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    bytes
}
