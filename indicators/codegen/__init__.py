"""Writes ``indicators/_kernels/``: the compiled kernels of every catalogue entry and the tick program over all of them.

``python -m indicators.codegen`` rewrites the files whose content differs; ``--check`` only names them and exits 1.

The kernels are real files because numba caches a function's machine code under the file that defines it, and never for
closures over other compiled functions. The cache checks only that file's time and size. A kernel therefore contains a
digest of everything else that is compiled into it, so that the file changes whenever one of these does.

A kernel runs the stages in order. A window stage is a call into ``windows.py`` (over time) or ``rings.py`` (over the
lanes); a step stage is a loop around a copy of the step's source.
"""
