"""Charts and tables as one self-contained HTML page: inline SVG, without a script, a font or a request.

Text keeps its size however wide the page is, because positions are percentages of the chart and not of a
drawing that is scaled; so one page reads on a phone, on a desk and on paper. A page is a tree of elements, in
which every text is escaped.
"""
