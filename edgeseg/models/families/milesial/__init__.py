"""U-Nets as milesial/Pytorch-UNet has them, and as tutorials write them."""
