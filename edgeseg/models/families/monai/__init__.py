"""MONAI, https://monai.io: networks for medical images."""
