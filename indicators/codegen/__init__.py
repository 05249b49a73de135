"""Writes ``indicators/_kernels/``: the compiled kernels of every catalogue entry and the tick program over all of them.

``python -m indicators.codegen`` rewrites the files whose content differs; ``--check`` only names them and exits 1.

The kernels are real files because numba can cache a function's machine code only under the file that defines it, and
never for closures over other compiled functions. The cache looks at that one file's time and size. A kernel therefore
carries a digest of everything else that was compiled into it, so that it changes when one of them does.

A kernel runs the stages in order. A window stage is a call into ``windows.py`` (over time) or ``rings.py`` (over the
lanes); a step stage is a loop around a copy of the step's source.
"""
