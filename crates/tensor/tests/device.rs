//! A device outside the crate: plain loops over memory of its own kind, in `f32`, with the few kernels that a
//! small network needs. Nothing in tensors, operations or the backward walk knows that it exists.
//!
//! `docs/adding.md` explains it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use talweg_kernels::Buffer;
use talweg_tensor::{
    AxisSet, Backend, Binary, DType, Device, Kernel, Layout, Out, Reduce, Rng, Shape, Storage, Tensor, Unary,
    View,
};

/// Memory that the host cannot read: a vector behind `Any`, as a handle to a graphics card's memory would be.
struct Memory(Vec<f32>);

#[derive(Debug)]
struct Loops {
    /// Which kernels have run, by name.
    ran: Mutex<BTreeSet<String>>,
}

static LOOPS: Loops = Loops { ran: Mutex::new(BTreeSet::new()) };

impl Backend for Loops {
    fn name(&self) -> &'static str {
        "loops"
    }

    fn alloc(&self, bytes: usize) -> Storage {
        // NaN, so that an element that a kernel forgets to write is seen in the result.
        Storage::Foreign(Box::new(Memory(vec![f32::NAN; bytes / 4])))
    }

    fn upload(&self, host: Buffer) -> Storage {
        Storage::Foreign(Box::new(Memory(host.as_slice().to_vec())))
    }

    fn download(&self, view: View<'_>) -> Buffer {
        let numbers = gather(&view, view.layout.shape());
        let mut buffer = Buffer::take(numbers.len() * 4);
        buffer.as_mut_slice()[..numbers.len()].copy_from_slice(&numbers);
        buffer
    }

    fn run(&self, kernel: &Kernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
        let inputs: Vec<Dense> = inputs.iter().map(Dense::of).collect();
        self.compute(kernel, &inputs, &mut outputs[0]);
    }

    fn run_over(&self, kernel: &Kernel, outputs: &mut [Out<'_>], inputs: &[View<'_>]) {
        let out = &mut outputs[0];
        let first = Dense { numbers: memory(out.storage).0.clone(), shape: out.shape };
        let inputs: Vec<Dense> = std::iter::once(first).chain(inputs.iter().map(Dense::of)).collect();
        self.compute(kernel, &inputs, out);
    }
}

impl Loops {
    fn compute(&self, kernel: &Kernel, inputs: &[Dense], out: &mut Out<'_>) {
        assert_eq!(out.dtype, DType::F32, "this device has f32 only");
        let name = format!("{kernel:?}");
        let name = name.split(['(', ' ']).next().unwrap_or_default().to_string();
        self.ran.lock().expect("no test panics while it holds the lock").insert(name);
        let shape = out.shape;
        let numbers = match (kernel, inputs) {
            (Kernel::Copy, [x]) => x.numbers.clone(),
            (Kernel::Fill(x), []) => vec![*x as f32; shape.numel()],
            (Kernel::Affine(scale, shift), [x]) => x.map(|x| x * *scale as f32 + *shift as f32),
            (Kernel::Unary(Unary::Tanh), [x]) => x.map(f32::tanh),
            (Kernel::Unary(Unary::Square), [x]) => x.map(|x| x * x),
            // The slope of tanh is written in its output, that of the square in its input.
            (Kernel::Slope(Unary::Tanh), [dy, y]) => dy.zip(y, &shape, |dy, y| dy * (1.0 - y * y)),
            (Kernel::Slope(Unary::Square), [dy, x]) => dy.zip(x, &shape, |dy, x| dy * 2.0 * x),
            (Kernel::Binary(Binary::Add), [a, b]) => a.zip(b, &shape, |a, b| a + b),
            (Kernel::Binary(Binary::Sub), [a, b]) => a.zip(b, &shape, |a, b| a - b),
            (Kernel::Binary(Binary::Mul), [a, b]) => a.zip(b, &shape, |a, b| a * b),
            (Kernel::Reduce(kind, axes), [x]) => reduce(*kind, *axes, x, shape.numel()),
            (Kernel::MatMul(_), [a, b]) => matmul(a, b),
            (other, _) => panic!("loops: the kernel {other:?} is not there yet"),
        };
        assert_eq!(numbers.len(), shape.numel(), "{kernel:?}");
        memory_mut(out.storage).0.copy_from_slice(&numbers);
    }
}

/// An input, row by row.
struct Dense {
    numbers: Vec<f32>,
    shape: Shape,
}

impl Dense {
    fn of(view: &View<'_>) -> Dense {
        Dense { numbers: gather(view, view.layout.shape()), shape: *view.layout.shape() }
    }

    fn map(&self, f: impl Fn(f32) -> f32) -> Vec<f32> {
        self.numbers.iter().map(|&x| f(x)).collect()
    }

    fn zip(&self, other: &Dense, shape: &Shape, f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let spread = |x: &Dense| {
            let layout = Layout::dense(x.shape);
            positions(&layout, shape).into_iter().map(|at| x.numbers[at]).collect::<Vec<f32>>()
        };
        spread(self).into_iter().zip(spread(other)).map(|(a, b)| f(a, b)).collect()
    }
}

/// Where each element of `shape` is found by a layout whose sizes broadcast to it.
fn positions(layout: &Layout, shape: &Shape) -> Vec<usize> {
    let (own, sizes, strides) = (layout.shape(), shape.to_vec(), layout.strides());
    let lead = shape.rank() - own.rank();
    let place = |flat: usize| {
        let (mut rest, mut at) = (flat, layout.offset() as isize);
        for axis in (0..sizes.len()).rev() {
            let i = (rest % sizes[axis]) as isize;
            rest /= sizes[axis];
            if axis >= lead && own.size(axis as isize - lead as isize) != 1 {
                at += i * strides[axis - lead];
            }
        }
        at as usize
    };
    (0..shape.numel()).map(place).collect()
}

fn gather(view: &View<'_>, shape: &Shape) -> Vec<f32> {
    let memory = memory(view.storage);
    positions(view.layout, shape).into_iter().map(|at| memory.0[at]).collect()
}

fn reduce(kind: Reduce, axes: AxisSet, x: &Dense, outputs: usize) -> Vec<f32> {
    let sizes = x.shape.to_vec();
    let mut sums = vec![0.0; outputs];
    for (flat, number) in x.numbers.iter().enumerate() {
        let (mut rest, mut at, mut step) = (flat, 0, 1);
        for axis in (0..sizes.len()).rev() {
            let i = rest % sizes[axis];
            rest /= sizes[axis];
            if !axes.contains(axis) {
                at += i * step;
                step *= sizes[axis];
            }
        }
        sums[at] += number;
    }
    let count = (x.numbers.len() / outputs.max(1)) as f32;
    match kind {
        Reduce::Sum => sums,
        Reduce::Mean => sums.iter().map(|sum| sum / count).collect(),
        other => panic!("loops: the reduction {other:?} is not there yet"),
    }
}

fn matmul(a: &Dense, b: &Dense) -> Vec<f32> {
    let (m, k, n) = (a.shape.size(0), a.shape.size(1), b.shape.size(1));
    let element = |i: usize, j: usize| (0..k).map(|p| a.numbers[i * k + p] * b.numbers[p * n + j]).sum();
    (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
}

fn memory(storage: &Storage) -> &Memory {
    match storage {
        Storage::Foreign(any) => any.downcast_ref().expect("memory of this device"),
        Storage::Host(_) => panic!("host memory on this device"),
    }
}

fn memory_mut(storage: &mut Storage) -> &mut Memory {
    match storage {
        Storage::Foreign(any) => any.downcast_mut().expect("memory of this device"),
        Storage::Host(_) => panic!("host memory on this device"),
    }
}

/// The loss of a network with one hidden layer, and its gradients by the weights.
fn step(x: &Tensor, y: &Tensor, weights: &[Tensor; 3]) -> (Tensor, Vec<Tensor>) {
    let leaves = weights.each_ref().map(|w| w.detach().requires_grad());
    let [w1, b1, w2] = &leaves;
    let loss = ((x.matmul(w1) + b1).tanh().matmul(w2) - y).square().mean(..);
    let grads = loss.clone().backward();
    (loss.detach(), leaves.iter().map(|w| grads.wrt(w)).collect())
}

#[test]
fn a_training_step_on_a_new_device_gives_the_numbers_of_the_processor() {
    let device = Device::new(&LOOPS);
    let rng = &mut Rng::seed(3);
    let mut draw = |shape: [usize; 2]| rng.normal(shape, 0.0, 1.0, DType::F32);
    let (x, y) = (draw([5, 2]), draw([5, 1]));
    let weights = [draw([2, 4]), draw([1, 4]), draw([4, 1])];

    let (loss, grads) = step(&x, &y, &weights);
    let there = weights.each_ref().map(|w| w.to(device));
    let (loss_there, grads_there) = step(&x.to(device), &y.to(device), &there);

    assert_eq!((loss_there.device(), grads_there[0].device()), (device, device));
    let close = |a: &Tensor, b: &Tensor| {
        let (a, b) = (a.to_vec::<f32>(), b.to_vec::<f32>());
        // Sums of at most ten products in another order.
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 2e-6 * b.abs().max(1.0))
    };
    assert!(close(&loss_there, &loss), "{loss_there} should be {loss}");
    for (there, here) in grads_there.iter().zip(&grads) {
        assert!(close(there, here), "{there} should be {here}");
    }
    let ran = LOOPS.ran.lock().expect("no test panics while it holds the lock").clone();
    for kernel in ["MatMul", "Unary", "Slope", "Binary", "Reduce"] {
        assert!(ran.contains(kernel), "{kernel} ran elsewhere; here ran {ran:?}");
    }
}

#[test]
#[should_panic(expected = "add: devices differ, cpu [2] and loops [2]; move one with .to(device)")]
fn tensors_of_two_devices_do_not_mix() {
    let a = Tensor::ones([2], DType::F32);
    let _ = &a + &a.to(Device::new(&LOOPS));
}

#[test]
#[should_panic(
    expected = "to: the tensor [2] on cpu is tracked, and its gradient would be lost on the way to loops; call \
                detach() first, and requires_grad() on the copy"
)]
fn a_tracked_tensor_does_not_lose_its_gradient_on_the_way_to_another_device() {
    let leaf = Tensor::ones([2], DType::F32).requires_grad();
    let _ = leaf.to(Device::new(&LOOPS));
}

#[test]
fn a_tracked_tensor_stays_tracked_where_it_is_and_moves_once_detached() {
    let leaf = Tensor::ones([2], DType::F32).requires_grad();
    assert!(leaf.to(Device::cpu()).is_tracked());
    let moved = leaf.detach().to(Device::new(&LOOPS));
    assert!(!moved.is_tracked());
    assert_eq!(moved.to(Device::cpu()).to_vec::<f32>(), [1.0, 1.0]);
}
