"""What the generated kernels are compiled from and run with."""
