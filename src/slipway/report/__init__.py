"""Reports: pure functions from verdicts and evidence to a document, and renderers of documents.

`content`, `deployment`, `health`, `monitoring`, `release`, `replay` and `retraining` each write one report from the
blocks in `document`. `markdown` and `html` render it. `submitted` validates evidence that comes from a pull request.
"""
