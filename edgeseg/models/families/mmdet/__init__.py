"""MMDetection: Mask R-CNN on a feature pyramid over ResNet and ResNeXt."""
