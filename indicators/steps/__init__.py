"""Functions that the steps of several indicators share. Plain Python: the generated kernels copy their source."""
