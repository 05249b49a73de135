"""The hub for hours on a simulated exchange with faults: does anything grow, lag or differ?"""
