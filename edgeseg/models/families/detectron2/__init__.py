"""detectron2: Mask R-CNN and semantic FPN on feature pyramids over ResNet and ResNeXt."""
