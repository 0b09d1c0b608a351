//! The processor as a device: turns views into slices and calls the kernels.

mod attention;
mod binary_cross_entropy;
mod bound;
mod chain;
mod conv2d;
mod copy;
mod cross_entropy;
mod dropout;
mod elementwise;
mod index;
mod matmul;
mod mse_loss;
mod norm;
mod pool2d;
mod recurrent;
mod reduce;
mod rms_norm;
mod softmax;
mod update;

pub(crate) use bound::Bound;
pub use conv2d::{convolution, set_convolution};
pub(crate) use copy::number;

use talweg_kernels::{Buffer, Pod};

use crate::backend::{Backend, HostArray, HostArrayMut, Kernel, Out, Storage, View};
use crate::dtype::DType;

/// The backend of [`crate::Device::cpu`].
#[derive(Debug)]
pub(crate) struct Cpu;

/// Calls a generic function for the floating-point type of `$dtype`.
macro_rules! float {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::dtype::DType::Bf16 => {
                panic!("bf16 is for storage and matmul only; convert the tensor with .cast(DType::F32) first")
            }
            $crate::dtype::DType::F16 => {
                panic!("f16 is for storage only; convert the tensor with .cast(DType::F32) first")
            }
            other => unreachable!("the shape rule lets only floating-point types here, not {other}"),
        }
    };
}

/// The same for any element type, by how it is stored.
macro_rules! stored {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::dtype::DType::F16 => {
                type $t = talweg_kernels::F16;
                $body
            }
            $crate::dtype::DType::Bf16 => {
                type $t = talweg_kernels::Bf16;
                $body
            }
            $crate::dtype::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::dtype::DType::U8 | $crate::dtype::DType::Bool => {
                type $t = u8;
                $body
            }
        }
    };
}
pub(in crate::cpu) use {float, stored};

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn alloc(&self, bytes: usize) -> Storage {
        Storage::Host(Buffer::take(bytes))
    }

    fn upload(&self, host: Buffer) -> Storage {
        Storage::Host(host)
    }

    fn download(&self, view: View<'_>) -> Buffer {
        let mut buffer = Buffer::take(view.layout.shape().numel() * view.dtype.size());
        copy::gather(&view, &mut buffer);
        buffer
    }

    fn run(&self, kernel: &Kernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
        let out = &mut outputs[0];
        match kernel {
            Kernel::Copy => copy::convert(&inputs[0], out),
            Kernel::Fill(x) => copy::fill(*x, out),
            Kernel::Random(draw) => copy::random(draw, out),
            Kernel::Cat(axis) => copy::cat(inputs, *axis, out),
            Kernel::Embed(places) => copy::embed(&inputs[0], places, out),
            Kernel::Unary(f) => elementwise::unary(*f, &inputs[0], out),
            Kernel::Slope(f) => elementwise::slope(*f, &inputs[0], &inputs[1], out),
            Kernel::Binary(f) => elementwise::binary(*f, &inputs[0], &inputs[1], out),
            Kernel::Affine(scale, shift) => elementwise::affine(*scale, *shift, &inputs[0], out),
            Kernel::Compare(f) => elementwise::compare(*f, &inputs[0], &inputs[1], out),
            Kernel::Where => elementwise::select(&inputs[0], &inputs[1], &inputs[2], out),
            Kernel::Reduce(f, axes) => reduce::reduce(*f, *axes, &inputs[0], out),
            Kernel::ArgReduce(f, axis) => reduce::arg_reduce(*f, *axis, &inputs[0], out),
            Kernel::MatMul(p) => matmul::matmul(*p, &inputs[0], &inputs[1], out),
            Kernel::Linear(f, p) => matmul::linear(*f, *p, inputs, out),
            Kernel::Conv2d(s) => conv2d::conv2d(s, inputs, out),
            Kernel::Conv2dInputGrad(s) => conv2d::conv2d_input_grad(s, &inputs[0], &inputs[1], out),
            Kernel::Conv2dWeightGrad(s) => conv2d::conv2d_weight_grad(s, &inputs[0], &inputs[1], out),
            Kernel::MaxPool2d(s) => pool2d::max_pool2d(s, &inputs[0], outputs),
            Kernel::MaxPool2dGrad(s) => pool2d::max_pool2d_grad(s, &inputs[0], &inputs[1], out),
            Kernel::AvgPool2d(s) => pool2d::avg_pool2d(s, &inputs[0], out),
            Kernel::AvgPool2dGrad(s) => pool2d::avg_pool2d_grad(s, &inputs[0], out),
            Kernel::Softmax => softmax::softmax(&inputs[0], out),
            Kernel::SoftmaxGrad => softmax::softmax_grad(&inputs[0], &inputs[1], out),
            Kernel::LogSoftmax => softmax::log_softmax(&inputs[0], out),
            Kernel::LogSoftmaxGrad => softmax::log_softmax_grad(&inputs[0], &inputs[1], out),
            Kernel::CrossEntropy(s) => cross_entropy::cross_entropy(s, inputs, outputs),
            Kernel::CrossEntropyGrad(s) => cross_entropy::cross_entropy_grad(s, inputs, out),
            Kernel::BinaryCrossEntropyWithLogits => binary_cross_entropy::losses(&inputs[0], &inputs[1], out),
            Kernel::BinaryCrossEntropyWithLogitsSlope => binary_cross_entropy::slopes(inputs, out),
            Kernel::MseLoss(f) => mse_loss::mse_loss(*f, &inputs[0], &inputs[1], out),
            Kernel::MseLossGrad(factor) => mse_loss::mse_loss_grad(*factor, inputs, out),
            Kernel::LayerNorm(n, s) => norm::layer_norm(*n, s, inputs, outputs),
            Kernel::LayerNormGrad(n, s) => norm::layer_norm_grad(*n, s, inputs, outputs),
            Kernel::BatchNorm(s) => norm::batch_norm(s, inputs, outputs),
            Kernel::BatchNormGrad(s) => norm::batch_norm_grad(s, inputs, outputs),
            Kernel::RmsNorm(eps) => rms_norm::rms_norm(*eps, inputs, outputs),
            Kernel::RmsNormGrad(eps) => rms_norm::rms_norm_grad(*eps, inputs, outputs),
            Kernel::Lstm => recurrent::lstm(inputs, outputs),
            Kernel::LstmGrad => recurrent::lstm_grad(inputs, outputs),
            Kernel::Gru => recurrent::gru(inputs, outputs),
            Kernel::GruGrad => recurrent::gru_grad(inputs, outputs),
            Kernel::Attention(s) => attention::attention(s, inputs, outputs),
            Kernel::AttentionGrad(s) => attention::attention_grad(s, inputs, outputs),
            Kernel::Dropout { p, seed, stream, offset } => {
                dropout::dropout(*p, [*seed, *stream, *offset], &inputs[0], out)
            }
            Kernel::GatherRows => index::gather_rows(&inputs[0], &inputs[1], out),
            Kernel::ScatterRows => index::scatter_rows(&inputs[0], &inputs[1], out),
            Kernel::Gather(axis) => index::gather(*axis, &inputs[0], &inputs[1], out),
            Kernel::ScatterAdd(axis) => index::scatter_add(*axis, &inputs[0], &inputs[1], out),
            Kernel::Chain(links) => chain::chain(links, inputs, out),
            Kernel::Update(_) | Kernel::PutRows => unreachable!("updates run in place"),
            Kernel::Custom(custom) => run_custom(custom.as_ref(), inputs, outputs),
        }
    }

    fn run_over(&self, kernel: &Kernel, outputs: &mut [Out<'_>], inputs: &[View<'_>]) {
        if let Kernel::Update(step) = kernel {
            return update::update(step, outputs, &inputs[0]);
        }
        let out = &mut outputs[0];
        match kernel {
            Kernel::Unary(f) => elementwise::unary_over(*f, out),
            Kernel::Slope(f) => elementwise::slope_over(*f, out, &inputs[0]),
            Kernel::Binary(f) => elementwise::binary_over(*f, out, &inputs[0]),
            Kernel::Affine(scale, shift) => elementwise::affine_over(*scale, *shift, out),
            Kernel::PutRows => index::put_rows(&inputs[0], &inputs[1], out),
            other => unreachable!("{other:?} does not run in place"),
        }
    }
}

fn run_custom(custom: &dyn crate::CustomKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let inputs: Vec<(Buffer, &View<'_>)> = inputs.iter().map(|x| (Cpu.download(*x), x)).collect();
    let arrays: Vec<HostArray<'_>> = inputs
        .iter()
        .map(|(buffer, x)| HostArray { buffer, shape: *x.layout.shape(), dtype: x.dtype })
        .collect();
    let mut outs: Vec<HostArrayMut<'_>> = outputs
        .iter_mut()
        .map(|out| HostArrayMut { shape: out.shape, dtype: out.dtype, buffer: host_mut(out.storage) })
        .collect();
    custom.run(&arrays, &mut outs);
}

fn host(storage: &Storage) -> &Buffer {
    match storage {
        Storage::Host(buffer) => buffer,
        Storage::Foreign(_) => unreachable!("shape rules keep other devices' memory out"),
    }
}

fn host_mut(storage: &mut Storage) -> &mut Buffer {
    match storage {
        Storage::Host(buffer) => buffer,
        Storage::Foreign(_) => unreachable!("shape rules keep other devices' memory out"),
    }
}

/// The elements of an input as a slice: its own memory when they lie without gaps, else a copy.
enum Dense<'a, T> {
    Borrowed(&'a [T]),
    Copied(Buffer),
}

impl<T: Pod> std::ops::Deref for Dense<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Dense::Borrowed(slice) => slice,
            Dense::Copied(buffer) => buffer.as_slice(),
        }
    }
}

fn dense<'a, T: Pod>(x: &View<'a>) -> Dense<'a, T> {
    let n = x.layout.shape().numel();
    match x.layout.contiguous() {
        Some(start) => Dense::Borrowed(&host(x.storage).as_slice()[start..start + n]),
        None => {
            let mut buffer = Buffer::take(n * size_of::<T>());
            copy::gather(x, &mut buffer);
            Dense::Copied(buffer)
        }
    }
}

/// Dense, and repeated to `shape` unless there is only one element.
fn spread<'a, T: Pod>(x: &View<'a>, shape: &crate::Shape) -> Dense<'a, T> {
    if x.layout.shape() == shape || x.layout.shape().numel() == 1 {
        return dense(x);
    }
    let layout = x.layout.broadcast_to(shape);
    let mut buffer = Buffer::take(shape.numel() * size_of::<T>());
    copy::gather(&View { layout: &layout, ..*x }, &mut buffer);
    Dense::Copied(buffer)
}

fn out_slice<'a, T: Pod>(out: &'a mut Out<'_>) -> &'a mut [T] {
    let n = out.shape.numel();
    &mut host_mut(out.storage).as_mut_slice()[..n]
}

/// Row numbers and the like.
fn indices<'a>(x: &View<'a>) -> Dense<'a, i64> {
    debug_assert_eq!(x.dtype, DType::I64);
    dense(x)
}
