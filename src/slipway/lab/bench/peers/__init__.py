"""What a user may pick instead of this service, each as its own documentation has it, with the same model and rows.

A peer validates a row with the problem's `Row` and scores it in ONNX Runtime. Its packages are no part of the lock of
this project: they are installed by hash into an environment of their own, from the files of requirements next to this.
"""
