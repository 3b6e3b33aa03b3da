"""Which of ONNX's operations leave a shape as it is, and what they are called as layers."""

from __future__ import annotations

ACTIVATIONS = frozenset(
    "Relu LeakyRelu PRelu Elu Celu Selu Sigmoid HardSigmoid HardSwish Tanh Gelu Mish Softplus Softsign "
    "ThresholdedRelu Shrink Swish Softmax LogSoftmax Hardmax".split()
)
NORMALISATIONS = frozenset(
    "BatchNormalization InstanceNormalization LayerNormalization GroupNormalization RMSNormalization "
    "LpNormalization LRN MeanVarianceNormalization".split()
)
MERGES = frozenset("Add Sub Mul Div Sum Mean Max Min Where".split())
POINTWISE = ACTIVATIONS | NORMALISATIONS | MERGES
POINTWISE |= frozenset(
    "Identity Dropout Cast CastLike Clip Abs Neg Exp Log Sqrt Reciprocal Floor Ceil Round Sign Erf Sin Cos "
    "Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Pow Mod And Or Xor Not Equal Greater Less GreaterOrEqual "
    "LessOrEqual IsNaN IsInf BitShift QuantizeLinear DequantizeLinear Trilu CumSum".split()
)
# Operations with weights, as `depth` counts them.
WEIGHTED = frozenset("Conv ConvTranspose Linear ConvInteger QLinearConv".split())
POOLS = frozenset(
    "MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool ReduceMean ReduceMax ReduceSum".split()
)
GLOBAL_AVERAGE, GLOBAL_MAX = "GlobalAveragePool", "GlobalMaxPool"
