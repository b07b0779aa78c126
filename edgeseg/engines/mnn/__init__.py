"""MNN: models converted on this machine, for processors, those of ARM above all."""
