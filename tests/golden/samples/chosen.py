"""Which entries of PyTorch's `op_db` are dumped, and why the others are not."""

import fnmatch

# Entries with their variant behind a slash. Whatever Talweg has under PyTorch's name or another.
CHOSEN = """
neg abs sign sgn exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh
tanh asinh acosh atanh erf erfc erfinv lgamma digamma sigmoid floor ceil round round/* trunc frac clamp clamp_min
clamp_max isnan isinf isfinite nan_to_num positive deg2rad rad2deg logit sinc
nn.functional.logsigmoid nn.functional.softplus nn.functional.softsign nn.functional.relu nn.functional.relu6
nn.functional.leaky_relu nn.functional.prelu nn.functional.elu nn.functional.selu nn.functional.celu nn.functional.gelu
nn.functional.silu nn.functional.mish nn.functional.hardtanh nn.functional.hardsigmoid nn.functional.hardswish
nn.functional.tanhshrink nn.functional.softshrink nn.functional.hardshrink nn.functional.threshold nn.functional.glu
add sub rsub mul div/* true_divide floor_divide pow float_power remainder fmod maximum minimum fmax fmin atan2 hypot lerp addcmul
addcdiv max/* min/* logaddexp xlogy __radd__ __rsub__ __rmul__ __rdiv__ __rpow__ __rmod__ __rmatmul__
eq ne lt le gt ge equal isclose allclose logical_and logical_or logical_xor logical_not where
sum mean prod amax amin aminmax argmax argmin var var/* std std/* var_mean var_mean/* std_mean std_mean/* norm
norm/fro norm/inf linalg.norm linalg.vector_norm logsumexp any all count_nonzero cumsum cumprod cummax cummin logcumsumexp
sort argsort msort topk kthvalue median quantile unique bincount histc searchsorted bucketize sum_to_size nansum nanmean dist
reshape reshape_as view view_as ravel transpose permute movedim squeeze squeeze/multiple unsqueeze broadcast_to
broadcast_tensors expand expand_as flatten unflatten flip fliplr flipud roll rot90 cat stack hstack vstack dstack
column_stack split split/list_args split_with_sizes tensor_split chunk narrow select unbind T t mT
nn.functional.pad/* constant_pad_nd tile repeat repeat_interleave diag diagonal linalg.diagonal diag_embed tril triu
unfold nn.functional.unfold nn.functional.pixel_shuffle nn.functional.pixel_unshuffle nn.functional.channel_shuffle
meshgrid/* contiguous clone atleast_1d atleast_2d atleast_3d hsplit vsplit dsplit diff cartesian_prod block_diag
__getitem__ gather scatter scatter_add scatter_reduce/* index_select index_add index_copy index_fill index_put take
take_along_dim masked_fill masked_select masked_scatter nonzero argwhere nn.functional.one_hot nn.functional.embedding
nn.functional.embedding_bag
zeros ones full arange linspace eye zeros_like ones_like full_like new_zeros new_ones new_full fill
float double long bool byte bfloat16 half
matmul mm mv dot vdot inner outer bmm baddbmm addmm addmm/decomposed addbmm addmv addr nn.functional.linear
nn.functional.bilinear einsum kron trace tensordot linalg.multi_dot linalg.vecdot linalg.det linalg.slogdet logdet
linalg.inv linalg.solve linalg.cholesky linalg.qr linalg.eigh linalg.eigvalsh linalg.svd linalg.svdvals svd
linalg.cross cross
nn.functional.conv1d nn.functional.conv2d nn.functional.conv3d nn.functional.conv_transpose1d
nn.functional.conv_transpose2d nn.functional.conv_transpose3d nn.functional.max_pool1d nn.functional.max_pool2d
nn.functional.max_pool3d nn.functional.avg_pool1d nn.functional.avg_pool2d nn.functional.avg_pool3d
nn.functional.adaptive_avg_pool1d nn.functional.adaptive_avg_pool2d nn.functional.adaptive_avg_pool3d
nn.functional.adaptive_max_pool1d nn.functional.adaptive_max_pool2d nn.functional.adaptive_max_pool3d
nn.functional.interpolate/* nn.functional.upsample_bilinear nn.functional.upsample_nearest nn.functional.grid_sample
nn.functional.batch_norm nn.functional.layer_norm nn.functional.group_norm nn.functional.instance_norm
nn.functional.rms_norm nn.functional.local_response_norm softmax softmax/with_dtype log_softmax log_softmax/with_dtype
nn.functional.softmin nn.functional.softmin/with_dtype
nn.functional.scaled_dot_product_attention nn.functional.cosine_similarity nn.functional.pairwise_distance cdist
nn.functional.pdist nn.functional.normalize nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d
nn.functional.alpha_dropout
nn.functional.l1_loss nn.functional.mse_loss nn.functional.smooth_l1_loss nn.functional.huber_loss nn.functional.nll_loss
nn.functional.cross_entropy nn.functional.kl_div nn.functional.poisson_nll_loss nn.functional.gaussian_nll_loss
nn.functional.hinge_embedding_loss nn.functional.multi_margin_loss nn.functional.margin_ranking_loss
nn.functional.cosine_embedding_loss nn.functional.triplet_margin_loss nn.functional.ctc_loss
nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits nn.functional.soft_margin_loss
nn.functional.multilabel_margin_loss nn.functional.multilabel_soft_margin_loss
""".split()

# Why an entry is not dumped: patterns, the first that fits.
LEFT_OUT = [
    ("fft.* stft istft signal.* *complex* polar angle real imag conj conj_physical resolve_conj resolve_neg mH H "
     "view_as_real isreal cdouble cfloat chalf", "complex numbers and signal processing: Talweg has real numbers only"),
    ("special.* i0 igamma igammac mvlgamma/* polygamma/*", "a special function beyond those of neural networks"),
    ("masked.*", "PyTorch's prototype of masked reductions"),
    ("bernoulli cauchy exponential geometric log_normal multinomial normal normal/* rand_like randint randint_like randn "
     "randn_like uniform nn.functional.rrelu nn.functional.feature_alpha_dropout/* nn.functional.fractional_max_pool2d "
     "nn.functional.fractional_max_pool3d", "random: another generator gives other numbers"),
    ("empty empty_like empty_permuted empty_strided new_empty new_empty_strided resize_ resize_as_",
     "memory that is not initialised: nothing to compare"),
    ("as_strided as_strided/* as_strided_* *_copy *_scatter zero_ put", "views and writes by memory layout or in place"),
    ("jiterator_* torch.* sparse.* to_sparse _* bmm/triton_optimized hash_tensor native_* "
     "max_pool2d_with_indices_backward grid_sampler_2d grid_sampler_3d unsafe_* alias_copy nonzero_static index_reduce/*",
     "internal to PyTorch, sparse, or another door to an entry that is dumped"),
    ("bitwise_* gcd lcm char short int frexp ldexp nextafter signbit copysign heaviside isneginf isposinf isin "
     "__rand__ __ror__ __rxor__", "whole numbers bit by bit, or the make-up of floating-point numbers"),
    ("linalg.* cholesky_* lu lu_* geqrf ormqr svd_lowrank pca_lowrank pinverse matrix_exp triangular_solve norm/nuc",
     "linear algebra beyond det, inverse, solve, Cholesky, QR, eigh and SVD"),
    ("nn.functional.silu/complex", "complex numbers"),
    ("nn.functional.max_unpool*", "unpooling, which Talweg does not have"),
    ("nn.functional.linear_cross_entropy* nn.functional.multi_head_attention_forward "
     "nn.functional.triplet_margin_with_distance_loss", "a layer or a loss with a function as its argument: the layers' own "
     "golden numbers cover it"),
    ("nn.functional.batch_norm/without_cudnn", "the same as nn.functional.batch_norm on a CPU"),
    ("arange/* linspace/* logspace logspace/* scalar_tensor item to clone broadcast_shapes", "about tensors and numbers of "
     "PyTorch, not about arithmetic"),
    ("combinations corrcoef cov cumulative_trapezoid trapezoid trapz gradient histogram histogramdd logaddexp2 mode "
     "nanmedian nanquantile renorm slice take tril_indices triu_indices unique_consecutive unravel_index vdot diagflat "
     "addr", "beyond what Talweg offers"),
]


def chosen(name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in CHOSEN)


def reason(name):
    """Why the entry is left out; an error when no reason is known."""
    for patterns, why in LEFT_OUT:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split()):
            return why
    raise SystemExit(f"{name}: neither dumped nor left out with a reason")
