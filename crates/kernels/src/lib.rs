//! Numeric kernels over slices, for several instruction sets.
