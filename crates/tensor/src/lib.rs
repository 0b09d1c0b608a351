//! Tensors with automatic differentiation.
//!
//! - [`Tensor`]: numbers with a shape, and where they came from.
//! - [`Op`] and [`apply`]: operations with their shape rules and derivatives; the methods of [`Tensor`] are made of them.
//! - [`Tensor::backward`], [`grad`]: gradients, of any order.
//! - [`Param`] and [`Buffer`]: what a model holds between steps.
//! - [`Backend`]: the one door through which all computation goes.
//! - [`testing`]: gradient checks for operations, here and elsewhere.
//!
//! ```
//! use talweg_tensor::{DType, Rng, Tensor};
//!
//! // One step of gradient descent on f(w) = |X w - y|².
//! let rng = &mut Rng::seed(1);
//! let (x, y) = (rng.normal([8, 3], 0.0, 1.0, DType::F32), rng.normal([8, 1], 0.0, 1.0, DType::F32));
//! let w = Tensor::zeros([3, 1], DType::F32).requires_grad();
//! let loss = |w: &Tensor| (x.matmul(w) - &y).square().mean(..);
//! let before = loss(&w);
//! let grads = before.clone().backward();
//! let w = (w.detach() - grads.wrt(&w) * 0.1).requires_grad();
//! assert!(loss(&w).item() < before.item());
//! ```
#![forbid(unsafe_code)]

mod anomaly;
mod autograd;
mod backend;
mod capture;
mod cpu;
mod display;
mod dtype;
mod ints;
mod layout;
mod op;
mod ops;
mod param;
mod precision;
mod random;
mod shape;
mod span;
mod tensor;
pub mod testing;
mod value;
mod watch;

pub use anomaly::{Anomaly, AnomalyOptions, Found, detect_anomaly, in_module};
pub use autograd::{
    Create, Grad, Gradients, HookHandle, Leaf, LeafId, checkpoint, checkpoint_multi, grad, grad_from,
    hessian, hessians, hvp, jacobian, jacobians, jvp, no_grad, vjp,
};
pub use backend::{
    Backend, CustomKernel, Device, HostArray, HostArrayMut, Kernel, Link, LinkInput, Out, Storage, View,
};
pub use capture::{Captured, Ran, Recordings, Status, capture};
pub use cpu::{convolution, set_convolution};
pub use dtype::{DType, Element};
pub use ints::Ints;
pub use layout::Layout;
pub use op::{MultiOp, Op, OpError, Saved, Spec, apply, apply_multi, try_apply};
pub use ops::{
    ArgReduce, AttentionDropout, AttentionKernel, AttentionOptions, AxisRange, BagMode, BatchNormOutput,
    Binary, BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions, Compare, Conv1dOptions,
    Conv2dOptions, Conv3dOptions, ConvOptions, ConvTransposeOptions, CosineEmbeddingOptions,
    CrossEntropyKernel, CrossEntropyOptions, CtcOptions, DiceOptions, Ellipsis, EmbeddingBagOptions,
    EmbeddingOptions, FocalOptions, GaussianNllOptions, Index, Indexed, Indices, InfoNceOptions,
    KlDivOptions, LocalResponseNormOptions, LossOptions, LstmOutput, MultiMarginOptions, NanToNumOptions,
    NewAxis, NllLossOptions, NormKernel, PadMode, PoissonNllOptions, Pool1dOptions, Pool2dOptions,
    Pool3dOptions, PoolOptions, RecurrentCell, RecurrentOptions, RecurrentOutput, RecurrentWeights, Reduce,
    Reduction, ScatterReduce, SigmoidFocalOptions, TripletMarginOptions, Unary, Unique, Update,
    WindowOptions,
};
pub use param::{Buffer, Param};
pub use precision::{mixed_precision, with_precision};
pub use random::{Distribution, Draw, Rng};
pub use shape::{Axes, AxisSet, MAX_RANK, Shape};
pub use span::Span;
pub use tensor::Tensor;

pub use talweg_kernels::gemm::Precision;
pub use talweg_kernels::peak;
pub use talweg_kernels::update as update_rules;
pub use talweg_kernels::{Bf16, F16};

pub use talweg_kernels::conv::Algorithm as ConvAlgorithm;

pub use talweg_kernels::buffer::{Stats as PoolStats, stats as pool_stats};
pub use talweg_kernels::threads::{set_threads, threads};
