//! Activations made the last part of the linear map before them.
//!
//! The kernel of the map computes them by the formula of the elementwise kernel, so the numbers are the same to the bit.
//! (Its rectifier is another one for -0, and stays a kernel of its own.)

use talweg_kernels::gemm::Activation;

use crate::backend::{Device, Kernel};
use crate::capture::recorder::{Call, Of};
use crate::op::Spec;
use crate::ops::Unary;

/// Joins each activation to the linear map that makes its operand, where nobody else reads that.
pub(super) fn products(calls: &mut Vec<Call>, specs: &[Spec], keep: &[u32]) {
    let mut readers = vec![0; specs.len()];
    let mut maker = vec![usize::MAX; specs.len()];
    for (i, call) in calls.iter().enumerate() {
        for operand in &call.inputs {
            if let Of::Made(value) = operand.of {
                readers[value as usize] += 1;
            }
        }
        call.outputs.clone().for_each(|value| maker[value as usize] = i);
    }
    keep.iter().for_each(|&value| readers[value as usize] += 1);
    let mut joined = vec![false; calls.len()];
    for i in 0..calls.len() {
        let activation = match calls[i].kernel {
            Kernel::Unary(Unary::Tanh) => Activation::Tanh,
            Kernel::Unary(Unary::Sigmoid) => Activation::Sigmoid,
            _ => continue,
        };
        let operand = &calls[i].inputs[0];
        let Of::Made(value) = operand.of else { continue };
        let at = maker[value as usize];
        let Kernel::Linear(Activation::Identity, precision) = calls[at].kernel else { continue };
        // Other devices need not know activations in the map.
        let here = specs[value as usize].device == Device::cpu();
        if here && readers[value as usize] == 1 && operand.layout.is_dense() {
            calls[i].kernel = Kernel::Linear(activation, precision);
            calls[i].inputs = std::mem::take(&mut calls[at].inputs);
            joined[at] = true;
        }
    }
    let mut joined = joined.into_iter();
    calls.retain(|_| joined.next() == Some(false));
}
