"""The CRFs that are compared: widths of position (pixels) and colour (levels), and weight of appearance.

With all of them: smoothness of 3 pixels and weight 3, five iterations, which are CRFSpec's defaults.
"""

SETTINGS = {"A": (80.0, 13.0, 10.0), "B": (67.0, 3.0, 4.0)}
ITERATIONS = 5
