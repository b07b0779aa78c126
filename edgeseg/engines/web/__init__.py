"""Web pages: a folder that segments pictures, videos and the camera in a browser, by ONNX Runtime Web."""
