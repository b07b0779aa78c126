"""TensorRT for RTX: the API of TensorRT in another library, whose engines are built anywhere."""
