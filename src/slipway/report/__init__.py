"""The report: verdict and evidence in, a document out. Pure functions, no input or output.

`content` decides what is said, `document` what a report is made of, `markdown` and `html` how it looks.
"""
