"""mmsegmentation, https://github.com/open-mmlab/mmsegmentation: semantic segmentation by OpenMMLab."""
