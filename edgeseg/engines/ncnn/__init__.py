"""ncnn: models converted by edgeseg itself, for processors, those of ARM above all."""
