//! How tensors print: nested brackets, aligned columns, long axes cut in the middle.

use std::fmt::{self, Debug, Display};

use talweg_kernels::{Bf16, F16};

use crate::dtype::DType;
use crate::tensor::Tensor;

/// Axes longer than this show their ends only, unless the whole tensor is small.
const EDGE: usize = 3;
const SMALL: usize = 1000;

impl Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shape, cells) = (self.shape().to_vec(), cells(self));
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        write_axis(f, &shape, &cells, width, self.numel() > SMALL, 1)
    }
}

impl Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {} {}", self.dtype(), self.shape())?;
        if let Some(history) = self.history() {
            write!(f, " tracked by {history:?}")?;
        }
        write!(f, "\n{self}")
    }
}

fn cells(x: &Tensor) -> Vec<String> {
    match x.dtype() {
        DType::I64 => x.to_vec::<i64>().iter().map(i64::to_string).collect(),
        DType::U8 => x.to_vec::<u8>().iter().map(u8::to_string).collect(),
        DType::Bool => x.to_vec::<bool>().iter().map(bool::to_string).collect(),
        DType::F32 => floats(&x.to_vec::<f32>().iter().map(|&x| x as f64).collect::<Vec<_>>()),
        DType::F64 => floats(&x.to_vec::<f64>()),
        DType::F16 => floats(&x.to_vec::<F16>().iter().map(|x| x.to_f32() as f64).collect::<Vec<_>>()),
        DType::Bf16 => floats(&x.to_vec::<Bf16>().iter().map(|x| x.to_f32() as f64).collect::<Vec<_>>()),
    }
}

/// Four decimals, or scientific notation when those would not show the numbers.
fn floats(xs: &[f64]) -> Vec<String> {
    let finite = || xs.iter().filter(|x| x.is_finite() && **x != 0.0).map(|x| x.abs());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(0.0, f64::max));
    let whole = finite().all(|x| x.fract() == 0.0);
    xs.iter()
        .map(|x| match x {
            x if !x.is_finite() => format!("{x}").to_lowercase(),
            x if whole && high < 1e7 => format!("{x:.0}."),
            x if high >= 1e5 || low < 1e-3 => format!("{x:.4e}"),
            x => format!("{x:.4}"),
        })
        .collect()
}

fn write_axis(
    f: &mut fmt::Formatter<'_>,
    shape: &[usize],
    cells: &[String],
    width: usize,
    cut: bool,
    depth: usize,
) -> fmt::Result {
    let [size, rest @ ..] = shape else { return write!(f, "{:>width$}", cells[0]) };
    let step = rest.iter().product::<usize>();
    f.write_str("[")?;
    for i in 0..*size {
        if cut && *size > 2 * EDGE && i >= EDGE && i < size - EDGE {
            if i == EDGE {
                separate(f, i, rest, depth)?;
                f.write_str("...")?;
            }
            continue;
        }
        separate(f, i, rest, depth)?;
        write_axis(f, rest, &cells[i * step..], width, cut, depth + 1)?;
    }
    f.write_str("]")
}

fn separate(f: &mut fmt::Formatter<'_>, i: usize, rest: &[usize], depth: usize) -> fmt::Result {
    match (i, rest) {
        (0, _) => Ok(()),
        (_, []) => f.write_str(", "),
        _ => write!(f, ",{}{:depth$}", "\n".repeat(rest.len()), ""),
    }
}

#[cfg(test)]
mod tests {
    use crate::tensor::Tensor;

    #[test]
    fn tensors_print_as_they_nest() {
        let x = Tensor::from_slice(&[1.5f32, -2.25, 0.0, 10.0], [2, 2]);
        assert_eq!(x.to_string(), "[[ 1.5000, -2.2500],\n [ 0.0000, 10.0000]]");
        assert_eq!(Tensor::from_slice(&[1i64, 20], [2]).to_string(), "[ 1, 20]");
        assert_eq!(Tensor::scalar(true).to_string(), "true");
        assert_eq!(Tensor::scalar(3.15f32).cast(crate::DType::Bf16).to_string(), "3.1562");
        assert_eq!(Tensor::zeros([2, 0], crate::DType::F32).to_string(), "[[],\n []]");
        assert_eq!(Tensor::from_slice(&[1e-7f64, f64::NAN], [2]).to_string(), "[1.0000e-7,       nan]");
        assert_eq!(Tensor::arange(2000).to_string(), "[   0,    1,    2, ..., 1997, 1998, 1999]");
    }
}
