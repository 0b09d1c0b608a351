//! The one door to a tensor's bytes: every computation is a [`Kernel`] run by a [`Backend`].
//!
//! A kernel is plain data, so that a step can be recorded and replayed, or run by another device.

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;

use talweg_kernels::Buffer;
use talweg_kernels::conv::Conv2d;
use talweg_kernels::gemm::{Activation, Precision};
use talweg_kernels::pool2d::Pool2d;

use crate::dtype::DType;
use crate::layout::Layout;
use crate::ops::{
    ArgReduce, AttentionKernel, Binary, Compare, CrossEntropyKernel, NormKernel, Reduce, Reduction, Unary,
    Update,
};
use crate::random::{Draw, Rng};
use crate::shape::{AxisSet, Shape};

/// Where tensors live and who computes on them. A copyable handle; devices live as long as the program.
#[derive(Clone, Copy)]
pub struct Device(&'static dyn Backend);

impl Device {
    /// A handle to a backend. A program makes one for each device and keeps it: see [`Box::leak`].
    pub fn new(backend: &'static dyn Backend) -> Device {
        Device(backend)
    }

    /// The processor itself: the default device.
    pub fn cpu() -> Device {
        Device(&crate::cpu::Cpu)
    }

    /// The device's name, e.g. `cpu`.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn backend(&self) -> &'static dyn Backend {
        self.0
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        std::ptr::addr_eq(self.0, other.0)
    }
}

impl Eq for Device {}

impl Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The memory of one value, on the host or on a device.
#[derive(Debug)]
pub enum Storage {
    /// Host memory from the caching pool.
    Host(Buffer),
    /// A device's own kind of memory, which only its backend understands.
    Foreign(Box<dyn Any + Send + Sync>),
}

/// No memory, on the host.
impl Default for Storage {
    fn default() -> Storage {
        Storage::Host(Buffer::default())
    }
}

/// An input of a kernel: memory and how to read it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The memory.
    pub storage: &'a Storage,
    /// Shape, and where each element is.
    pub layout: &'a Layout,
    /// Element type.
    pub dtype: DType,
}

/// An output of a kernel: dense memory, every element of which the kernel writes.
pub struct Out<'a> {
    /// The memory, at least as long as the shape asks; contents unspecified unless the kernel works in place.
    pub storage: &'a mut Storage,
    /// The shape, row-major.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

/// A device: allocates memory, moves bytes, runs kernels.
pub trait Backend: Debug + Send + Sync + 'static {
    /// The device's name, e.g. `cpu`.
    fn name(&self) -> &'static str;

    /// Memory for `bytes` bytes, contents unspecified.
    fn alloc(&self, bytes: usize) -> Storage;

    /// A copy of host bytes on the device.
    fn upload(&self, host: Buffer) -> Storage;

    /// The elements of a view as row-major host memory.
    fn download(&self, view: View<'_>) -> Buffer;

    /// Computes `outputs` from `inputs`.
    ///
    /// Shapes and types have been checked by the operation's shape rule.
    fn run(&self, kernel: &Kernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]);

    /// The same with `outputs[0]` holding the first input, which the result replaces.
    ///
    /// Only kernels that may overwrite their first input come here; `inputs` are the second and later ones.
    fn run_over(&self, kernel: &Kernel, outputs: &mut [Out<'_>], inputs: &[View<'_>]);
}

/// One computation on whole tensors, as data. Each operation's file says what its kernels compute.
#[derive(Clone, Debug)]
pub enum Kernel {
    /// The input's elements in row-major order, converted to the output's type.
    Copy,
    /// Every element the same number.
    Fill(f64),
    /// Random numbers.
    Random(Draw),
    /// `y = f(x)`.
    Unary(Unary),
    /// `dx = dy * f'(kept)`, inputs `dy`, `kept`.
    Slope(Unary),
    /// `y = f(a, b)` with broadcasting.
    Binary(Binary),
    /// `y = a ? b` as truth values, with broadcasting.
    Compare(Compare),
    /// `y = scale x + shift`.
    Affine(f64, f64),
    /// `y = c ? a : b`, inputs `c`, `a`, `b`, with broadcasting.
    Where,
    /// Reduces the axes of the set.
    Reduce(Reduce, AxisSet),
    /// Position of the greatest or least element along an axis.
    ArgReduce(ArgReduce, usize),
    /// Matrix product over the last two axes, the axes before them batched (equal in both inputs).
    MatMul(Precision),
    /// `act(x w^T + b)` for `x [m, k]`, `w [n, k]` and, if there, `b [n]`.
    Linear(Activation, Precision),
    /// Convolution of pictures `[n, in, h, w]`: inputs `x`, `w` and, if there, the bias.
    Conv2d(Conv2d),
    /// Its gradient by `x`: inputs `dy`, `w`.
    Conv2dInputGrad(Conv2d),
    /// Its gradient by `w`: inputs `x`, `dy`.
    Conv2dWeightGrad(Conv2d),
    /// The greatest element of windows, and its place in its plane: two outputs, the second of `i64`.
    MaxPool2d(Pool2d),
    /// Its gradient: inputs `dy` and the places.
    MaxPool2dGrad(Pool2d),
    /// The mean of windows.
    AvgPool2d(Pool2d),
    /// Its gradient: input `dy`.
    AvgPool2dGrad(Pool2d),
    /// Softmax along the last axis.
    Softmax,
    /// Its gradient: inputs `y`, `dy`.
    SoftmaxGrad,
    /// The logarithm of the softmax along the last axis.
    LogSoftmax,
    /// Its gradient: inputs `y`, `dy`.
    LogSoftmaxGrad,
    /// The cross-entropy: inputs logits `[.., classes]`, target `[..]` and, if there, a factor for each class; two
    /// outputs, the loss and the softmax.
    CrossEntropy(CrossEntropyKernel),
    /// Its gradient: inputs `dy`, the softmax, the target and, if there, the factors.
    CrossEntropyGrad(CrossEntropyKernel),
    /// The cross-entropy of two classes, element by element: inputs logits and target.
    BinaryCrossEntropyWithLogits,
    /// Its derivative by the logits: the same inputs.
    BinaryCrossEntropyWithLogitsSlope,
    /// The squared error: inputs `x` and the target.
    MseLoss(Reduction),
    /// Its gradient by `x`, `factor dy (x - target)`: inputs `dy`, of one element or of all, `x` and the target.
    MseLossGrad(f64),
    /// Layer normalisation of rows of a length: inputs `x`, factor and summand; outputs `y`, and mean and
    /// 1 / √(variance + eps) of each row.
    LayerNorm(usize, NormKernel),
    /// Its gradient: inputs `x`, the two statistics, `dy` and the factor; outputs the gradients of `x`, factor and summand.
    LayerNormGrad(usize, NormKernel),
    /// Batch normalisation of `[n, c, ..]`: inputs as for `LayerNorm`, and a shortcut; outputs `y`, and mean, biased
    /// variance and 1 / √(variance + eps) of each channel.
    BatchNorm(NormKernel),
    /// Its gradient: as `LayerNormGrad`; with a rectifier also the input `y` behind a shortcut, else the summand, and
    /// behind both the gradient of the shortcut as a fourth output.
    BatchNormGrad(NormKernel),
    /// Root-mean-square normalisation of the last axis, with what is added to the mean of squares: inputs `x` and, if
    /// there, the factor; outputs `y`, and 1 / √(mean x² + eps) of each row.
    RmsNorm(f64),
    /// Its gradient: inputs `x`, the statistic, `dy` and, if there, the factor; outputs the gradients of `x` and factor.
    RmsNormGrad(f64),
    /// A long short-term memory: inputs `x [b, t, f]`, `w [4 n, f]`, `u [4 n, n]`, perhaps two biases `[4 n]`, and the
    /// first state and cells `[b, n]`; outputs states and cells `[b, t, n]`, and the gates `[b, t, 4 n]`.
    Lstm,
    /// Its gradient: inputs `u`, the first cells, cells, gates, and the gradients of states and cells; outputs those of
    /// the gates' sums, and of the first state and cells.
    LstmGrad,
    /// A gated recurrent unit: inputs as for `Lstm` with 3 in place of 4 and no cells; outputs states `[b, t, n]`, gates
    /// `[b, t, 3 n]`, and the sums that the reset gate multiplies `[b, t, n]`.
    Gru,
    /// Its gradient: inputs `u`, the first state, states, gates, those sums, and the gradient of the states; outputs
    /// those of the sums with the input and with the state, `[b, t, 3 n]` each, and of the first state.
    GruGrad,
    /// Attention: inputs `q`, `k` and `v`, `[b, heads, positions, size]`, and, if there, the mask, `[b, heads, queries,
    /// keys]`; outputs the result `[b, queries, heads, size]`, and the logarithm of each query's sum of exponentials,
    /// `[b, heads, queries]`, +∞ where no key is visible.
    Attention(AttentionKernel),
    /// Its gradient: inputs `q`, `k`, `v`, the two outputs, the result's gradient `[b, heads, queries, size]` and, if
    /// there, the mask; outputs the gradients of `q`, `k` and `v`, `[b, positions, heads, size]`, or a single one with
    /// the three side by side, `[b, positions, all heads size]`.
    AttentionGrad(AttentionKernel),
    /// Elements 0 with probability `p`, else over `1 - p`, by the random bits from a place on.
    Dropout {
        /// The probability.
        p: f64,
        /// The generator's seed.
        seed: u64,
        /// The generator's stream.
        stream: u64,
        /// The first block used.
        offset: u64,
    },
    /// Rows `index` of a table: inputs table `[n, ..]`, index.
    GatherRows,
    /// A zeroed table with rows added in: inputs values, index.
    ScatterRows,
    /// Element `index` along an axis, for each position: inputs `x`, index.
    Gather(usize),
    /// The adjoint of `Gather`: zeros with values added in: inputs values, index.
    ScatterAdd(usize),
    /// The inputs one after the other along an axis.
    Cat(usize),
    /// Zeros, with the input added in at the positions of a layout of the output: the adjoint of a view.
    Embed(Layout),
    /// One optimizer step in place: outputs parameter, state..; input gradient.
    Update(Update),
    /// Rows of a table written in place: output the table `[n, ..]`; inputs index and the new rows.
    PutRows,
    /// Elementwise kernels one after the other, in one pass; the last one makes the result.
    Chain(Vec<Link>),
    /// A computation defined outside this crate.
    Custom(Arc<dyn CustomKernel>),
}

impl Kernel {
    /// Whether the kernel may overwrite its first input with its (first) output.
    pub(crate) fn in_place(&self) -> bool {
        matches!(
            self,
            Kernel::Unary(_) | Kernel::Slope(_) | Kernel::Binary(_) | Kernel::Affine(..) | Kernel::Update(_)
        )
    }
}

/// A kernel of a [`Kernel::Chain`]: `Unary`, `Slope`, `Binary` or `Affine`.
#[derive(Clone, Debug)]
pub struct Link {
    /// The kernel.
    pub kernel: Kernel,
    /// What it reads; a kernel of one input reads the first.
    pub inputs: [LinkInput; 2],
}

/// What a link of a chain reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkInput {
    /// An input of the chain, of the result's shape or with a single element.
    Outside(usize),
    /// The result of an earlier link.
    Link(usize),
}

/// The place in a generator's sequence from which a kernel draws.
pub(crate) struct RandomPlace<'a> {
    pub(crate) seed: &'a mut u64,
    pub(crate) stream: &'a mut u64,
    pub(crate) offset: &'a mut u64,
}

impl Kernel {
    /// Where the kernel draws random numbers, if it does. A recorded step draws from another place at each run.
    pub(crate) fn random_place(&mut self) -> Option<RandomPlace<'_>> {
        match self {
            Kernel::Random(Draw { seed, stream, offset, .. })
            | Kernel::Dropout { seed, stream, offset, .. } => Some(RandomPlace { seed, stream, offset }),
            Kernel::Attention(kernel) | Kernel::AttentionGrad(kernel) => {
                let Rng { seed, stream, offset } = &mut kernel.dropout.as_mut()?.rng;
                Some(RandomPlace { seed, stream, offset })
            }
            _ => None,
        }
    }
}

/// A kernel defined outside this crate, on host memory.
pub trait CustomKernel: Debug + Send + Sync + 'static {
    /// Writes every element of the outputs from the inputs, given as dense host arrays.
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]);
}

/// A dense input of a [`CustomKernel`].
pub struct HostArray<'a> {
    /// Row-major elements.
    pub buffer: &'a Buffer,
    /// Its shape.
    pub shape: Shape,
    /// Its element type.
    pub dtype: DType,
}

/// A dense output of a [`CustomKernel`].
pub struct HostArrayMut<'a> {
    /// Row-major elements, contents unspecified.
    pub buffer: &'a mut Buffer,
    /// Its shape.
    pub shape: Shape,
    /// Its element type.
    pub dtype: DType,
}
