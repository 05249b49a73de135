"""Pieces that the steps of several indicators share. Plain Python: the generated kernels copy the source."""
