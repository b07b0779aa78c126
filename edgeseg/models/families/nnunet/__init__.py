"""nnU-Net v2, https://github.com/MIC-DKFZ/nnUNet: networks that plan themselves from a data set."""
