//! The state of a model, its parameters and buffers by name: taken out, put in, and as bytes.

mod load;
mod safetensors;

pub use load::{Load, LoadReport, Mismatch};
pub use safetensors::{StateFile, to_safetensors};

pub(crate) use load::load;

use std::fmt::{self, Display};

use talweg_tensor::{DType, Shape, Tensor};

/// Why a state cannot be read or put into a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The names, shapes or types are not those of the model. The model is unchanged.
    #[error("the state does not fit the model: {0}")]
    Misfit(Box<LoadReport>),
    /// A name occurs twice in a state.
    #[error("the state has two tensors named `{0}`; names are unique")]
    Twice(String),
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file ({length} bytes): {cause}")]
    Format {
        /// How many bytes there are.
        length: usize,
        /// What the reader of the format found.
        cause: String,
    },
    /// A tensor in a safetensors file that Talweg has no form for.
    #[error("the tensor `{name}` {shape:?} of type {dtype} cannot be read: {reason}")]
    Unsupported {
        /// Its name.
        name: String,
        /// Its sizes.
        shape: Vec<usize>,
        /// Its element type, as the file says it.
        dtype: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// Shape and type of a tensor, for messages: `f32 [2, 3]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The element type.
    pub dtype: DType,
    /// The sizes.
    pub shape: Shape,
}

impl Form {
    pub(crate) fn of(x: &Tensor) -> Form {
        Form { dtype: x.dtype(), shape: *x.shape() }
    }
}

impl Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, self.shape)
    }
}
