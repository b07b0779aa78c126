"""torchvision's semantic networks and Mask R-CNN, made of edgeseg's own parts, without the library."""
