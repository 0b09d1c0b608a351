//! Residual networks.

use talweg_tensor::{DType, Param, Rng, Tensor};

use crate::Module;
use crate::init::{Fan, Gain, Init};
use crate::layers::{BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d};
use crate::mode::Mode;

/// Two 3×3 convolutions with batch normalisation and a shortcut past them,
/// `y = relu(bn2(conv2(relu(bn1(conv1(x))))) + s(x))`.
///
/// The shortcut `s` is the input itself where the shapes agree, else a 1×1 convolution with batch normalisation.
///
/// # Arguments
/// - `inputs`, `outputs`: the numbers of channels.
/// - `stride`: of the first convolution and of the shortcut.
/// - `rng`: where the initial weights come from.
///
/// # Shapes
/// `[n, inputs, h, w]` to `[n, outputs, h', w']`, `h' = h / stride` rounded up, and `w'` likewise.
///
/// # Parameters
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `conv1.weight` | `[outputs, inputs, 3, 3]` | normal, standard deviation √(2 / (9 outputs)) |
/// | `conv2.weight` | `[outputs, outputs, 3, 3]` | the same |
/// | `bn1`, `bn2` | see [`BatchNorm2d`] | |
/// | `downsample.0.weight`, `downsample.1` | `[outputs, inputs, 1, 1]`; only with that shortcut | normal, √(2 / outputs) |
///
/// # Source
/// He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, figure 5 on the left and
/// section 3.3, option B; the initial distribution is that of "Delving deep into rectifiers", ICCV 2015, by `fan_out`.
///
/// # Examples
/// ```
/// # use talweg_nn::{BasicBlock, Layer, Mode};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let block = BasicBlock::new(8, 16, 2, &mut Rng::seed(1));
/// let y = block.forward(&Tensor::ones([2, 8, 5, 5], DType::F32), &mut Mode::Eval);
/// assert_eq!(y.shape(), &[2, 16, 3, 3]);
/// ```
#[derive(Debug, Module)]
pub struct BasicBlock {
    /// The first convolution, 3×3.
    pub conv1: Conv2d,
    /// Its normalisation.
    pub bn1: BatchNorm2d,
    /// The second convolution, 3×3.
    pub conv2: Conv2d,
    /// Its normalisation.
    pub bn2: BatchNorm2d,
    /// The shortcut, where the input itself does not fit.
    pub downsample: Option<(Conv2d, BatchNorm2d)>,
}

impl BasicBlock {
    /// A block.
    pub fn new(inputs: usize, outputs: usize, stride: usize, rng: &mut Rng) -> BasicBlock {
        let shortcut = |rng: &mut Rng| (conv(inputs, outputs, 1, stride, rng), BatchNorm2d::new(outputs));
        BasicBlock {
            conv1: conv(inputs, outputs, 3, stride, rng),
            bn1: BatchNorm2d::new(outputs),
            conv2: conv(outputs, outputs, 3, 1, rng),
            bn2: BatchNorm2d::new(outputs),
            downsample: (stride != 1 || inputs != outputs).then(|| shortcut(rng)),
        }
    }
}

impl Layer for BasicBlock {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let inner = self.bn1.forward_relu(&self.conv1.forward(x, mode), None, mode);
        let y = self.conv2.forward(&inner, mode);
        match &self.downsample {
            Some((conv, bn)) => {
                let shortcut = bn.forward(&conv.forward(x, mode), mode);
                self.bn2.forward_relu(&y, Some(&shortcut), mode)
            }
            None => self.bn2.forward_relu(&y, Some(x), mode),
        }
    }
}

/// How a [`ResNet`] reads its pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stem {
    /// For small pictures, such as 32×32: one 3×3 convolution that keeps the size.
    #[default]
    Small,
    /// For large ones, such as 224×224: a 7×7 convolution and a 3×3 maximum, each with stride 2.
    Large,
}

/// A residual network of [`BasicBlock`]s: stem, four stages that halve the picture and double the channels, the mean
/// of every channel, and a linear layer.
///
/// # Arguments
/// - `inputs`: channels of the pictures, 3 for colour.
/// - `classes`: outputs.
/// - `stem`: how the pictures are read.
/// - `rng`: where the initial weights come from.
///
/// # Shapes
/// `[n, inputs, h, w]` to `[n, classes]`, logits. The sides should be at least 8 (small stem) or 32 (large).
///
/// # Parameters
/// `conv1`, `bn1`, `layer1` to `layer4` (lists of blocks) and `fc`: the names that torchvision's ResNets have.
/// Convolutions have no bias and start as in [`BasicBlock`], `fc` as [`Linear`]. ResNet-18 for 10 classes with the
/// small stem has 11,173,962 numbers.
///
/// # Source
/// He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, table 1. The small stem before
/// stages of 64, 128, 256 and 512 channels is common practice for 32×32 pictures; the paper's own networks for these
/// (section 4.2) are narrower.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, Module, ResNet, Stem};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let model = ResNet::resnet18(3, 10, Stem::Small, &mut Rng::seed(1));
/// assert_eq!(model.num_params(), 11_173_962);
/// let y = model.forward(&Tensor::zeros([2, 3, 8, 8], DType::F32), &mut Mode::Eval);
/// assert_eq!(y.shape(), &[2, 10]);
/// ```
#[derive(Debug, Module)]
pub struct ResNet {
    /// The stem's convolution.
    pub conv1: Conv2d,
    /// Its normalisation.
    pub bn1: BatchNorm2d,
    /// The stem's maximum, for large pictures.
    pub maxpool: Option<MaxPool2d>,
    /// The first stage, which keeps the size.
    pub layer1: Vec<BasicBlock>,
    /// The second stage.
    pub layer2: Vec<BasicBlock>,
    /// The third stage.
    pub layer3: Vec<BasicBlock>,
    /// The fourth stage.
    pub layer4: Vec<BasicBlock>,
    /// The classifier.
    pub fc: Linear,
}

impl ResNet {
    /// A network with so many blocks and channels in its four stages.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Module, ResNet, Stem};
    /// # use talweg_tensor::Rng;
    /// let narrow = ResNet::new(1, 10, [1, 1, 1, 1], [8, 16, 32, 64], Stem::Small, &mut Rng::seed(1));
    /// assert_eq!(narrow.params()[0].0, "conv1.weight");
    /// ```
    pub fn new(
        inputs: usize,
        classes: usize,
        blocks: [usize; 4],
        widths: [usize; 4],
        stem: Stem,
        rng: &mut Rng,
    ) -> ResNet {
        let first = widths[0];
        let (conv1, maxpool) = match stem {
            Stem::Small => (conv(inputs, first, 3, 1, rng), None),
            Stem::Large => (conv(inputs, first, 7, 2, rng), Some(MaxPool2d::new(3).stride(2).padding(1))),
        };
        let mut channels = first;
        let mut stage = |i: usize, rng: &mut Rng| -> Vec<BasicBlock> {
            let block = |k: usize| {
                let stride = if i > 0 && k == 0 { 2 } else { 1 };
                let block = BasicBlock::new(channels, widths[i], stride, rng);
                channels = widths[i];
                block
            };
            (0..blocks[i]).map(block).collect()
        };
        ResNet {
            conv1,
            bn1: BatchNorm2d::new(first),
            maxpool,
            layer1: stage(0, rng),
            layer2: stage(1, rng),
            layer3: stage(2, rng),
            layer4: stage(3, rng),
            fc: Linear::new(channels, classes, rng),
        }
    }

    /// The network with 18 layers: two blocks in each stage, 64 to 512 channels.
    pub fn resnet18(inputs: usize, classes: usize, stem: Stem, rng: &mut Rng) -> ResNet {
        ResNet::new(inputs, classes, [2, 2, 2, 2], [64, 128, 256, 512], stem, rng)
    }

    /// The network with 34 layers: 3, 4, 6 and 3 blocks in its stages, 64 to 512 channels.
    pub fn resnet34(inputs: usize, classes: usize, stem: Stem, rng: &mut Rng) -> ResNet {
        ResNet::new(inputs, classes, [3, 4, 6, 3], [64, 128, 256, 512], stem, rng)
    }
}

impl Layer for ResNet {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let x = self.bn1.forward_relu(&self.conv1.forward(x, mode), None, mode);
        let x = match &self.maxpool {
            Some(pool) => pool.forward(&x, mode),
            None => x,
        };
        let blocks = [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().flatten();
        let x = blocks.fold(x, |x, block| block.forward(&x, mode));
        self.fc.forward(&x.mean([-2, -1]), mode)
    }
}

/// A convolution without bias that keeps the size, but for the stride.
fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, rng: &mut Rng) -> Conv2d {
    let init = Init::KaimingNormal { fan: Fan::Out, gain: Gain::Relu };
    let mut conv =
        Conv2d::new(inputs, outputs, kernel, rng).stride(stride).padding(kernel / 2).without_bias();
    conv.weight = Param::new(init.draw([outputs, inputs, kernel, kernel], DType::F32, rng));
    conv
}
