"""The compiled functions that the generated kernels call, and the programs that run them."""
