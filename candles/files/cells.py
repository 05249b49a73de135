"""Reads cells as numbers and as text, in the ways in which files write them."""

import polars as pl

_EMPTY = ("", "null", "none", "na", "n/a", "-")
_CURRENCY = r"^([-+]?)[$€£¥]\s?"
_GROUPED = r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$"
_GROUPED_BY_DOTS = r"^[-+]?\d{1,3}(\.\d{3})+(,\d+)?$"
_SHORTENED = r"^([-+]?\d+(?:\.\d+)?)\s?([KMB])$"
_THOUSANDS = {"K": 1e3, "M": 1e6, "B": 1e9}


def numbers(column: pl.Series, *, decimal_comma: bool = False) -> tuple[pl.Series, pl.Series]:
    """The column as float64, null where a value is missing or no number, and a mask of the cells that are no number.

    ``$1,234.50`` and ``12.3K`` are numbers as well; with ``decimal_comma`` so are ``1,5``, which is one and a half, and
    ``1.234,50``.
    """
    if column.dtype.is_float() or column.dtype.is_integer():
        return column.cast(pl.Float64), pl.repeat(False, len(column), eager=True)
    # Decimals are read from their text too: dividing a large unscaled integer would round twice.
    text = as_text(column)
    if decimal_comma:
        grouped = text.str.contains(_GROUPED_BY_DOTS).fill_null(False)
        text = text.zip_with(~grouped, text.str.replace_all(".", "", literal=True)) if grouped.any() else text
    values = text.cast(pl.Float64, strict=False)
    unread = values.is_null() & is_filled(text)
    if not unread.any():
        return values, unread
    position = pl.arg_where(unread, eager=True)
    values = values.scatter(position, _written(text.gather(position), decimal_comma=decimal_comma))
    return values, values.is_null() & is_filled(text)


def as_text(column: pl.Series) -> pl.Series:
    """The cells as text, stripped; null for types without a textual form, such as lists."""
    return column.cast(pl.String, strict=False).str.strip_chars()


def is_filled(text: pl.Series) -> pl.Series:
    """Whether a text cell has a value: neither null nor one of the usual words for a missing one."""
    return ~text.str.to_lowercase().is_in(_EMPTY).fill_null(True)


def _written(text: pl.Series, *, decimal_comma: bool) -> pl.Series:
    """Numbers that are written for people."""
    plain = text.str.replace(_CURRENCY, "$1")
    if decimal_comma:
        plain = plain.str.replace(r"^([-+]?\d+),(\d+)(\s?[KMB])?$", "$1.$2$3")
    grouped = plain.str.contains(_GROUPED)
    plain = pl.select(pl.when(grouped).then(plain.str.replace_all(",", "")).otherwise(plain)).to_series()
    shortened = plain.to_frame("cell").select(pl.col("cell").str.extract_groups(_SHORTENED).struct.unnest())
    factor = shortened["2"].replace_strict(_THOUSANDS, default=None, return_dtype=pl.Float64)
    return pl.select(
        pl.coalesce(plain.cast(pl.Float64, strict=False), shortened["1"].cast(pl.Float64, strict=False) * factor)
    ).to_series()
