//! Gradients: of one input, and of all leaves.

use crate::autograd::LeafId;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::ops::Binary;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The gradient of one input or parameter.
#[derive(Clone, Debug)]
pub enum Grad {
    /// A tensor of the parameter's shape.
    Dense(Tensor),
    /// Only some rows of a table, as from embeddings: row `index[i]` has the gradient `values[i]`. Rows may repeat;
    /// their gradients add up.
    Rows {
        /// Row numbers, an `i64` tensor `[n]`.
        index: Tensor,
        /// Their gradients, `[n, ..]`.
        values: Tensor,
    },
}

impl From<Tensor> for Grad {
    fn from(x: Tensor) -> Grad {
        Grad::Dense(x)
    }
}

impl Grad {
    /// The gradient as a tensor of the given shape.
    pub fn to_dense(&self, shape: &Shape) -> Tensor {
        self.clone().into_dense(shape)
    }

    pub(crate) fn into_dense(self, shape: &Shape) -> Tensor {
        match self {
            Grad::Dense(x) => x,
            Grad::Rows { index, values } => values.scatter_rows(&index, shape.size(0)),
        }
    }

    pub(super) fn plus(self, other: Grad, shape: &Shape) -> Grad {
        match (self, other) {
            (Grad::Rows { index: i, values: a }, Grad::Rows { index: j, values: b }) => {
                Grad::Rows { index: Tensor::cat(&[&i, &j], 0), values: Tensor::cat(&[&a, &b], 0) }
            }
            (a, b) => Grad::Dense(add_into(a.into_dense(shape), b.into_dense(shape))),
        }
    }
}

/// Gradients by leaf: what [`Tensor::backward`] returns.
#[derive(Clone, Debug, Default)]
pub struct Gradients(Vec<(LeafId, Grad)>);

/// Something that is a leaf of the graph: a parameter, or a tensor made by [`Tensor::requires_grad`].
pub trait Leaf {
    /// Its identity; `None` for a tensor that is not a leaf.
    fn leaf_id(&self) -> Option<LeafId>;
    /// Its sizes.
    fn leaf_shape(&self) -> Shape;
}

impl Gradients {
    fn position(&self, id: LeafId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |entry| entry.0)
    }

    /// The gradient of a leaf, if it took part in the loss.
    pub fn get(&self, of: &impl Leaf) -> Option<&Grad> {
        self.by_id(of.leaf_id()?)
    }

    /// The gradient of the leaf with this identity.
    pub fn by_id(&self, id: LeafId) -> Option<&Grad> {
        self.position(id).ok().map(|at| &self.0[at].1)
    }

    /// The gradient of a leaf as a tensor of its shape.
    ///
    /// # Panics
    /// When the leaf took no part in the loss.
    #[track_caller]
    pub fn wrt(&self, of: &impl Leaf) -> Tensor {
        match self.get(of) {
            Some(grad) => grad.to_dense(&of.leaf_shape()),
            None => panic!(
                "gradients: nothing for the tensor {}; it took no part in the loss, or is not a leaf \
                 (a parameter, or made by requires_grad())",
                of.leaf_shape()
            ),
        }
    }

    /// Puts a gradient in, in place of the one that was there.
    pub fn set(&mut self, id: LeafId, grad: Grad) {
        match self.position(id) {
            Ok(at) => self.0[at].1 = grad,
            Err(at) => self.0.insert(at, (id, grad)),
        }
    }

    pub(super) fn add(&mut self, id: LeafId, grad: Grad, shape: &Shape) {
        match self.position(id) {
            Ok(at) => {
                let (_, old) = self.0.remove(at);
                self.0.insert(at, (id, old.plus(grad, shape)));
            }
            Err(at) => self.0.insert(at, (id, grad)),
        }
    }

    /// All gradients, in the order in which their leaves were made.
    pub fn iter(&self) -> impl Iterator<Item = (LeafId, &Grad)> {
        self.0.iter().map(|(id, grad)| (*id, grad))
    }

    /// All gradients, to be changed in place, as clipping does.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (LeafId, &mut Grad)> {
        self.0.iter_mut().map(|(id, grad)| (*id, grad))
    }

    /// How many leaves have a gradient.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no leaf has one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Adds another batch's gradients: gradient accumulation.
impl std::ops::AddAssign for Gradients {
    fn add_assign(&mut self, other: Gradients) {
        for (id, grad) in other.0 {
            let shape = match &grad {
                Grad::Dense(x) => *x.shape(),
                // Rows meeting rows stay rows; rows meeting a dense gradient take its shape.
                Grad::Rows { values, .. } => match self.by_id(id) {
                    Some(Grad::Dense(x)) => *x.shape(),
                    _ => *values.shape(),
                },
            };
            self.add(id, grad, &shape);
        }
    }
}

/// `a + b`, in the memory of one of them when nobody else sees it.
pub(super) fn add_into(a: Tensor, b: Tensor) -> Tensor {
    if matches!(a.dtype(), DType::Bf16 | DType::F16) {
        let dtype = a.dtype();
        return add_into(a.cast(DType::F32), b.cast(DType::F32)).cast(dtype);
    }
    if a.is_tracked() || b.is_tracked() {
        return &a + &b;
    }
    let (mut a, mut b) = (a.into_value(), b.into_value());
    if !a.is_unique() && b.is_unique() {
        std::mem::swap(&mut a, &mut b);
    }
    Tensor::from_parts(a.run_over(&Kernel::Binary(Binary::Add), &[&b]), None)
}
