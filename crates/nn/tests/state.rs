//! States: out of a model, into another, and as safetensors bytes.

extern crate talweg_nn as talweg;

use std::collections::BTreeMap;

use proptest::prelude::*;
use talweg_nn::{Linear, Load, Module, Relu, Sequential, StateError, StateFile, seq, to_safetensors};
use talweg_tensor::{Buffer, DType, Param, Rng, Tensor};

type Entries = Vec<(String, Tensor)>;

fn model(seed: u64) -> Sequential {
    let rng = &mut Rng::seed(seed);
    seq![Linear::new(2, 3, rng), Relu, Linear::new(3, 1, rng)]
}

fn numbers(module: &dyn Module) -> Vec<Vec<f32>> {
    module.state().iter().map(|(_, x)| x.to_vec::<f32>()).collect()
}

#[test]
fn a_state_moves_a_model_into_another() {
    let (a, b) = (model(1), model(2));
    let state = a.state();
    assert_ne!(numbers(&a), numbers(&b));
    let report = b.load_state(&state, Load::Strict).unwrap();
    assert!(report.is_exact());
    assert_eq!(report.loaded, ["0.weight", "0.bias", "2.weight", "2.bias"]);
    assert_eq!(numbers(&a), numbers(&b));
    // The state is a picture of the moment: it does not follow the model.
    let before = state[0].1.to_vec::<f32>();
    a.params()[0].1.update(|w| *w = &*w * 2.0);
    assert_eq!(state[0].1.to_vec::<f32>(), before);
    assert!(state.iter().all(|(_, x)| !x.is_tracked()));
}

#[test]
fn every_misfit_is_listed_and_nothing_is_changed() {
    let b = model(2);
    let before = numbers(&b);
    let f32s = |shape: &[usize]| Tensor::ones(shape, DType::F32);
    let state: Entries = vec![
        ("0.wieght".into(), f32s(&[3, 2])),
        ("0.bias".into(), f32s(&[4])),
        ("2.weight".into(), Tensor::ones([1, 3], DType::F64)),
        ("2.bias".into(), f32s(&[1])),
        ("head.scale".into(), f32s(&[7])),
    ];
    let error = b.load_state(&state, Load::Strict).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state does not fit the model: 2 fit, 1 missing, 2 unexpected, 2 of another shape or type\n  \
         missing: `0.weight`; the state has `0.wieght`\n  \
         unexpected: `0.wieght`\n  \
         unexpected: `head.scale`\n  \
         `0.bias`: the state has f32 [4], the model takes f32 [3]\n  \
         `2.weight`: the state has f64 [1, 3], the model takes f32 [1, 3]"
    );
    assert_eq!(numbers(&b), before);

    let report = b.load_state(&state, Load::Lenient).unwrap();
    assert_eq!(report.loaded, ["2.weight", "2.bias"]);
    let after = numbers(&b);
    assert_eq!((&after[0], &after[1]), (&before[0], &before[1]));
    assert_eq!((&after[2][..], &after[3][..]), (&[1.0; 3][..], &[1.0][..]));
}

#[test]
fn integers_are_not_taken_for_floats() {
    let w = Param::new(Tensor::zeros([2], DType::F32));
    let state = vec![(String::new(), Tensor::from_slice(&[1i64, 2], [2]))];
    let report = w.load_state(&state, Load::Lenient).unwrap();
    assert_eq!((report.loaded.len(), report.mismatched.len()), (0, 1));
    assert_eq!(w.get().to_vec::<f32>(), [0.0, 0.0]);
}

#[test]
fn a_name_occurs_once() {
    let state = vec![("w".to_string(), Tensor::scalar(1.0f32)), ("w".to_string(), Tensor::scalar(2.0f32))];
    let error = model(1).load_state(&state, Load::Lenient).unwrap_err();
    assert!(matches!(error, StateError::Twice(name) if name == "w"));
}

#[derive(Module)]
struct Tied {
    embed: Param,
    head: Param,
    steps: Buffer,
    again: Buffer,
}

fn tied() -> Tied {
    let (w, steps) = (Param::new(Tensor::zeros([2], DType::F32)), Buffer::new(Tensor::scalar(0i64)));
    Tied { embed: w.clone(), head: w, steps: steps.clone(), again: steps }
}

#[test]
fn a_tied_weight_is_saved_once_and_found_under_any_name() {
    let names = |entries: &Entries| entries.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&tied().state()), ["embed", "steps"]);
    let one = Tensor::from_slice(&[1.0f32, 1.5], [2]);
    let five = Tensor::scalar(5i64);
    for (w, b) in [("embed", "steps"), ("head", "again")] {
        let module = tied();
        module.load_state(&[(w.into(), one.clone()), (b.into(), five.clone())], Load::Strict).unwrap();
        assert_eq!(module.head.get().to_vec::<f32>(), [1.0, 1.5]);
        assert_eq!(module.steps.get().item(), 5.0);
    }
    // Other programs save both names.
    let both = ["embed", "head"].map(|name| (name.to_string(), one.clone()));
    let module = tied();
    let mut state = both.to_vec();
    state.push(("steps".into(), five));
    assert!(module.load_state(&state, Load::Strict).unwrap().is_exact());
}

fn sample() -> (Entries, BTreeMap<String, String>) {
    let entries = vec![
        ("flag".to_string(), Tensor::from_slice(&[true, false, true], [3])),
        (
            "layers.0.weight".to_string(),
            Tensor::from_slice(&[1.5f32, -0.0, f32::NAN, f32::MIN_POSITIVE], [2, 2]),
        ),
        ("steps".to_string(), Tensor::scalar(-7i64)),
        ("empty \"quoted\" \u{e9}".to_string(), Tensor::zeros([0, 3], DType::F64)),
        ("half".to_string(), Tensor::from_slice(&[0.1f64, f64::INFINITY], [2])),
        ("bytes".to_string(), Tensor::from_slice(&[1u8, 255], [2])),
        ("view".to_string(), Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).t()),
    ];
    let metadata = ["zeta", "alpha", "line\nbreak"].map(|key| (key.to_string(), format!("value of {key}")));
    (entries, metadata.into())
}

#[test]
fn bytes_hold_every_type_to_the_bit() {
    let (entries, metadata) = sample();
    let bytes = to_safetensors(&entries, &metadata);
    let file = StateFile::from_bytes(&bytes).unwrap();
    assert_eq!(file.metadata, metadata);
    assert_eq!(file.tensors.len(), entries.len());
    for (name, x) in &entries {
        let (_, y) = file.tensors.iter().find(|(other, _)| other == name).unwrap();
        assert_eq!((x.dtype(), x.shape(), x.to_bytes()), (y.dtype(), y.shape(), y.to_bytes()), "{name}");
    }
    assert_eq!(to_safetensors(&entries, &metadata), bytes);
    let empty = StateFile::from_bytes(&to_safetensors(&[], &BTreeMap::new())).unwrap();
    assert!(empty.tensors.is_empty() && empty.metadata.is_empty());
}

/// The format written out by hand, so that reader and writer cannot agree on something else.
#[test]
fn bytes_follow_the_format() {
    let entries =
        vec![("b".to_string(), Tensor::from_slice(&[1u8], [1])), ("w".to_string(), Tensor::scalar(1.0f32))];
    let bytes = to_safetensors(&entries, &BTreeMap::from([("k".to_string(), "v".to_string())]));
    let header = "{\"__metadata__\":{\"k\":\"v\"},\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},\
                  \"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[4,5]}}";
    let padded = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let mut want = (padded.len() as u64).to_le_bytes().to_vec();
    want.extend(padded.bytes());
    want.extend([0, 0, 0x80, 0x3f, 1]);
    assert_eq!(bytes, want);
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn malformed_bytes_are_refused_by_name() {
    let tensor = |dtype: &str, shape: &str, end: usize| {
        format!("{{\"w\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    let cases = [
        (vec![], "not a safetensors file (0 bytes): header too small"),
        (vec![255; 20], "not a safetensors file (20 bytes): header too large"),
        (with_header("{", &[]), "not a safetensors file (9 bytes): invalid JSON in header"),
        (with_header(&tensor("F32", "[2]", 4), &[0; 4]), "invalid shape, data type, or offset"),
        (with_header(&tensor("F32", "[1]", 4), &[0; 3]), "not fully covered"),
        (
            with_header(&tensor("I16", "[2]", 4), &[0; 4]),
            "the tensor `w` [2] of type I16 cannot be read: the types are",
        ),
        (with_header(&tensor("U8", "[1,1,1,1,1,1,1,1,1]", 1), &[0]), "a tensor has at most 8 axes"),
        (with_header(&tensor("U8", "[4294967296,0]", 0), &[]), "a size is at most 2^32 - 1"),
        (with_header(&tensor("U8", "[4294967295,4294967295,4294967295,0]", 0), &[]), "overflow"),
    ];
    for (bytes, want) in cases {
        let error = StateFile::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains(want), "{error:?} should contain {want:?}");
    }
}

#[test]
#[should_panic(expected = "to_safetensors: two tensors are named `w`")]
fn two_names_alike_are_not_written() {
    to_safetensors(&[("w".into(), Tensor::scalar(1u8)), ("w".into(), Tensor::scalar(1u8))], &BTreeMap::new());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// A file that was cut off, or goes on too long, is always refused.
    #[test]
    fn cut_files_are_refused(at in any::<prop::sample::Index>(), more in prop::collection::vec(any::<u8>(), 1..20)) {
        let (entries, metadata) = sample();
        let bytes = to_safetensors(&entries, &metadata);
        prop_assert!(StateFile::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
        prop_assert!(StateFile::from_bytes(&[bytes, more].concat()).is_err());
    }

    /// Flipped bits either leave a readable file or give an error with a message; they never panic.
    #[test]
    fn flipped_bits_do_not_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6)) {
        let (entries, metadata) = sample();
        let mut bytes = to_safetensors(&entries, &metadata);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        match StateFile::from_bytes(&bytes) {
            Ok(file) => prop_assert!(file.tensors.len() <= entries.len()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_state(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = StateFile::from_bytes(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
