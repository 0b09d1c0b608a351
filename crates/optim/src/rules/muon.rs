//! Muon.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::adam::AdamW;
use super::moments::{approach, norm};
use crate::rule::{Rule, Slots, Step};

/// Muon: momentum whose steps are brought near the closest matrix with orthogonal rows or columns, so that a step
/// moves all directions alike. For the weight matrices of hidden layers.
///
/// ```text
/// m <- momentum m + (1 - momentum) g
/// x <- m                                     (Nesterov: x <- momentum m + (1 - momentum) g)
/// x <- x / max(|x|, eps)
/// x <- a x + (b x xᵀ + c (x xᵀ)²) x          (steps times)
/// w <- w - lr weight_decay w
/// w <- w - lr scale x
/// ```
/// A weight with more than two axes, such as a convolution's, is taken as a matrix of its first axis against all
/// others. Parameters that are no matrices, biases and the like, are moved by `others`; so should be embeddings and the last
/// layer, by a group of their own.
///
/// # Hyperparameters
/// - `momentum`: decay of the mean of gradients; no unit, 0 to below 1, usually 0.95.
/// - `nesterov`: whether the newest gradient counts twice; usually so.
/// - `coefficients`: a, b and c, chosen so that singular values between 0 and 1 come near 1 quickly; none reaches it
///   exactly, all end between about 0.7 and 1.2.
/// - `steps`: how often; usually 5.
/// - `eps`: the smallest norm that is divided by; usually 1e-7.
/// - `scale`: the factor for the matrix's shape, see [`MuonScale`].
/// - `weight_decay`: the share of w taken away each step, times the learning rate; no unit, usually 0.1.
/// - `others`: the rule for what is no matrix.
/// - `others_lr`: the factor of its learning rate; no unit, usually about 0.1.
///
/// # Source
/// Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, "Muon: an optimizer for hidden layers in neural networks"
/// (2024); Liu, Su and others, "Muon is scalable for LLM training" (2025), for the weight decay.
///
/// # Differs from the paper in
/// The matrix products are computed in the parameter's type, not in bf16.
///
/// # Examples
/// ```
/// # use talweg_optim::{Muon, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64, 0.0, 0.0, 1.0], [2, 2]));
/// let rule = Muon { weight_decay: 0.0, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, 0.1, vec![("w".into(), w.clone())]);
/// // Both directions of the gradient diag(2, 8) move by about 0.1, although one is four times the other.
/// optimizer.step(&(w.get() * Tensor::from_slice(&[2.0, 0.0, 0.0, 8.0], [2, 2])).sum(..).backward());
/// let w = w.get().to_vec::<f64>();
/// assert!((w[0] - 0.9).abs() < 0.035 && (w[3] - 0.9).abs() < 0.035, "{w:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Muon {
    /// Decay of the mean of gradients.
    pub momentum: f64,
    /// Whether the newest gradient counts twice.
    pub nesterov: bool,
    /// The polynomial's coefficients.
    pub coefficients: [f64; 3],
    /// How often it is applied.
    pub steps: u32,
    /// The smallest norm that is divided by.
    pub eps: f64,
    /// The factor for the matrix's shape.
    pub scale: MuonScale,
    /// The share of the weights taken away each step, times the learning rate.
    pub weight_decay: f64,
    /// The rule for parameters that are no matrices.
    pub others: AdamW,
    /// The factor of its learning rate.
    pub others_lr: f64,
}

/// By what [`Muon`] multiplies the step of a matrix `[n, m]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MuonScale {
    /// √max(1, n / m): that of the authors.
    #[default]
    Original,
    /// 0.2 √max(n, m): steps of the size of AdamW's, so that its learning rates fit (Liu, Su and others, 2025).
    LikeAdamW,
    /// √(n / m): the change of the output per change of the input is the same for every shape (Bernstein, 2025).
    Spectral,
}

impl MuonScale {
    fn factor(self, n: usize, m: usize) -> f64 {
        let (n, m) = (n as f64, m as f64);
        match self {
            MuonScale::Original => (n / m).max(1.0).sqrt(),
            MuonScale::LikeAdamW => 0.2 * n.max(m).sqrt(),
            MuonScale::Spectral => (n / m).sqrt(),
        }
    }
}

impl Default for Muon {
    fn default() -> Muon {
        Muon {
            momentum: 0.95,
            nesterov: true,
            coefficients: [3.4445, -4.775, 2.0315],
            steps: 5,
            eps: 1e-7,
            scale: MuonScale::Original,
            weight_decay: 0.1,
            others: AdamW::default(),
            others_lr: 0.1,
        }
    }
}

impl Muon {
    /// The matrix brought near orthogonality: the iteration of Newton and Schulz, with a polynomial of degree five.
    fn orthogonal(&self, x: &Tensor) -> Tensor {
        let [a, b, c] = self.coefficients;
        let tall = x.size(0) > x.size(1);
        // The products are between the shorter sides.
        let x = if tall { x.t() } else { x.clone() };
        let mut x = &x / &norm(&x).clamp(self.eps, f64::INFINITY);
        for _ in 0..self.steps {
            let square = x.matmul(&x.t());
            let factor = square.matmul(&square) * c + &(&square * b);
            x = factor.matmul(&x) + &(&x * a);
        }
        if tall { x.t() } else { x }
    }
}

impl Rule for Muon {
    fn name(&self) -> &'static str {
        "muon"
    }

    fn init(&self, param: &Tensor) -> Slots {
        if param.rank() < 2 { self.others.init(param) } else { Slots::zeros(param, &["m"]) }
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        if param.rank() < 2 {
            return self.others.update(param, grad, slots, Step { lr: at.lr * self.others_lr, ..at });
        }
        if param.numel() == 0 {
            return;
        }
        let g = grad.to_dense(param.shape());
        let [m] = slots.tensors_mut() else { unreachable!("init made one") };
        approach(m, &g, self.momentum);
        let mut x = m.clone();
        if self.nesterov {
            // g + momentum (m - g)
            x = (x - &g) * self.momentum + &g;
        }
        let rows = param.size(0);
        let columns = param.numel() / rows;
        let x = self.orthogonal(&x.reshape([rows, columns])).reshape(*param.shape());
        let lr = at.lr * self.scale.factor(rows, columns);
        *param = &*param * (1.0 - at.lr * self.weight_decay) - x * lr;
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Muon { weight_decay, others: AdamW { weight_decay, ..self.others }, ..*self }))
    }
}
