"""The reference model reproduces the seed's worked example; summaries keep counted, measured and modelled apart."""

import pytest

from analysis.savings import ReferenceModel, saved_share


def test_the_worked_example() -> None:
    """1000 users x 5 conditions; 500 unique ones on one indicator of one series."""
    model = ReferenceModel()
    isolated_ms = model.isolated_ms(1000 * 5)
    shared_ms = model.shared_ms(series=1, indicators=1, conditions=500)
    assert isolated_ms == 5000 * 160
    assert isolated_ms / 1000 == 800
    assert shared_ms / 1000 == 5.15
    assert f"{saved_share(isolated_ms, shared_ms):.2%}" == "99.36%"


def test_the_general_form_when_conditions_read_many_series_and_indicators() -> None:
    """The same 5000 evaluations on 20 series with 3 indicators each: the example's 5.15 s does not hold."""
    model = ReferenceModel()
    shared_ms = model.shared_ms(series=20, indicators=60, conditions=500)
    assert shared_ms == 20 * 100 + 60 * 50 + 500 * 10
    assert f"{saved_share(model.isolated_ms(5000), shared_ms):.2%}" == "98.75%"


def test_isolated_parts_add_up_to_the_example() -> None:
    model = ReferenceModel()
    assert model.isolated_parts_ms(loads=5000, indicators=5000, evaluations=5000) == model.isolated_ms(5000)


@pytest.mark.parametrize(("isolated", "shared", "share"), [(0, 0, 0.0), (10, 10, 0.0), (10, 0, 1.0), (10, 12, -0.2)])
def test_the_saved_share(isolated: float, shared: float, share: float) -> None:
    assert saved_share(isolated, shared) == pytest.approx(share)
