"""Name the operators of ONNX that become layers of ncnn; see `operators`, where each does."""

OPERATORS = frozenset(
    (
        *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"),
        *("Relu", "LeakyRelu", "PRelu", "Elu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish"),
        *("Abs", "Exp", "Log", "Sqrt", "Neg", "Softmax", "ArgMax"),
        *("Add", "Sub", "Mul", "Div", "Max", "Min", "BatchNormalization", "InstanceNormalization"),
        *(
            "Cast",
            "Concat",
            "Constant",
            "Expand",
            "Gather",
            "Identity",
            "Pad",
            "Reshape",
            "Resize",
            "Transpose",
        ),
    )
)
