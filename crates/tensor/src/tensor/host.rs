//! Tensors made from numbers on the host, and numbers taken from tensors.

use talweg_kernels::Buffer;

use super::Tensor;
use crate::backend::{Device, Kernel, Storage, View};
use crate::capture;
use crate::cpu;
use crate::dtype::{DType, Element};
use crate::layout::Layout;
use crate::op::Spec;
use crate::shape::Shape;
use crate::value::Value;

/// Making tensors from numbers, and numbers from tensors.
impl Tensor {
    /// A tensor with a copy of `data` in row-major order.
    ///
    /// # Panics
    /// When the shape does not have exactly as many elements.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1i64, 2, 3, 4, 5, 6], [2, 3]);
    /// assert_eq!(x.shape(), &[2, 3]);
    /// ```
    #[track_caller]
    pub fn from_slice<T: Element>(data: &[T], shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        assert!(
            data.len() == shape.numel(),
            "from_slice: {} numbers do not fill the shape {shape}, which has {} elements; give as many numbers as elements",
            data.len(),
            shape.numel()
        );
        let mut buffer = Buffer::take(data.len() * T::DTYPE.size());
        for (to, from) in buffer.as_mut_slice::<T::Stored>().iter_mut().zip(data) {
            *to = from.store();
        }
        capture::uploaded("from_slice");
        Tensor::upload(buffer, shape, T::DTYPE)
    }

    /// A tensor of numbers that lie on the host.
    fn upload(host: Buffer, shape: Shape, dtype: DType) -> Tensor {
        let device = Device::cpu();
        Tensor { value: Value::new(device.backend().upload(host), shape, dtype, device), history: None }
    }

    /// The numbers on the host, in row-major order, for the method named.
    pub(super) fn download(&self, method: &str) -> Buffer {
        if capture::is_on() {
            capture::looked(method, &self.value);
        }
        self.device().backend().download(self.value.view())
    }

    /// A tensor without axes: one number.
    pub fn scalar<T: Element>(x: T) -> Tensor {
        Tensor::from_slice(&[x], Shape::SCALAR)
    }

    /// All elements the same number, converted to `dtype`.
    pub fn full(shape: impl Into<Shape>, x: f64, dtype: DType) -> Tensor {
        let out = Spec { shape: shape.into(), dtype, device: Device::cpu() };
        Tensor::run(&Kernel::Fill(x), &[], &out)
    }

    /// All elements 0.
    pub fn zeros(shape: impl Into<Shape>, dtype: DType) -> Tensor {
        Tensor::full(shape, 0.0, dtype)
    }

    /// All elements 1.
    pub fn ones(shape: impl Into<Shape>, dtype: DType) -> Tensor {
        Tensor::full(shape, 1.0, dtype)
    }

    /// All elements the same number, with this tensor's shape, type and device.
    pub fn full_like(&self, x: f64) -> Tensor {
        Tensor::run(&Kernel::Fill(x), &[], &self.spec())
    }

    /// All elements 0, with this tensor's shape, type and device.
    pub fn zeros_like(&self) -> Tensor {
        self.full_like(0.0)
    }

    /// All elements 1, with this tensor's shape, type and device.
    pub fn ones_like(&self) -> Tensor {
        self.full_like(1.0)
    }

    /// The whole numbers `0, 1, .., n - 1` as `i64`.
    pub fn arange(n: usize) -> Tensor {
        let mut buffer = Buffer::take(n * size_of::<i64>());
        buffer.as_mut_slice::<i64>().iter_mut().zip(0..).for_each(|(to, i)| *to = i);
        let numbers = Tensor::upload(buffer, [n].into(), DType::I64);
        capture::always_the_same(&numbers.value);
        numbers
    }

    /// The identity matrix `[n, n]`.
    pub fn eye(n: usize, dtype: DType) -> Tensor {
        let index = Tensor::arange(n);
        index.unsqueeze(1).eq(&index).cast(dtype)
    }

    /// The elements in row-major order.
    ///
    /// # Panics
    /// When `T` is not the tensor's element type.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        assert!(
            T::DTYPE == self.dtype(),
            "to_vec: the tensor {} holds {}, not {}; convert it with .cast(..)",
            self.shape(),
            self.dtype(),
            T::DTYPE
        );
        self.download("to_vec").as_slice::<T::Stored>().iter().map(|&x| T::load(x)).collect()
    }

    /// The elements as raw bytes in row-major order, native endianness: what files hold.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.download("to_bytes").as_slice::<u8>().to_vec()
    }

    /// A tensor from raw bytes in row-major order, native endianness; any nonzero byte of a `bool` tensor is true.
    ///
    /// # Panics
    /// When the number of bytes is not the shape's number of elements times the element size.
    #[track_caller]
    pub fn from_bytes(bytes: &[u8], shape: impl Into<Shape>, dtype: DType) -> Tensor {
        let shape = shape.into();
        let want = shape.numel() * dtype.size();
        assert!(
            bytes.len() == want,
            "from_bytes: {} bytes for a {dtype} tensor {shape}, which takes {want}; is it another type or shape?",
            bytes.len()
        );
        let mut buffer = Buffer::take(want);
        let to = buffer.as_mut_slice::<u8>();
        to.copy_from_slice(bytes);
        if dtype == DType::Bool {
            to.iter_mut().for_each(|byte| *byte = (*byte != 0) as u8);
        }
        capture::uploaded("from_bytes");
        Tensor::upload(buffer, shape, dtype)
    }

    /// The only element, as `f64` whatever the type.
    ///
    /// # Panics
    /// When there is not exactly one element.
    #[track_caller]
    pub fn item(&self) -> f64 {
        assert!(
            self.numel() == 1,
            "item: needs exactly one element, got {} in {}; reduce it, or read all with to_vec",
            self.numel(),
            self.shape()
        );
        if self.device() == Device::cpu() {
            if capture::is_on() {
                capture::looked("item", &self.value);
            }
            return cpu::number(&self.value.view());
        }
        let host = Storage::Host(self.download("item"));
        let layout = Layout::dense(*self.shape());
        cpu::number(&View { storage: &host, layout: &layout, dtype: self.dtype() })
    }
}
