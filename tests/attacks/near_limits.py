"""Conditions near every limit of the language: a little less than allowed, exactly as much, and a little more."""

import random
from collections.abc import Callable, Iterator

from indicators.catalogue import PRICES, catalogue
from registry.language.limits import MOST_BARS, MOST_UNFOLDED, TYPED

_NUMBERS = ("0", "-0", "1", "30", "0.1", "-7.5", "1e15", "-1e15", "1e-7", "123456.789012345", "2e15", "5e-324")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_PLACES = ("", "", "", "", "@4h", "@1d", "@ETHUSDT", "@ETHUSDT@4h", "@SOLUSDT@1d")
_STEPS = ("", "", "", "[1]", "[2]", "[250]", f"[{TYPED.steps}]", f"[{TYPED.steps + 1}]")
_COMPARISONS = ("<", "<=", ">", ">=", "crosses_above", "crosses_below", "crosses")
_CHANNELS = ("between", "outside", "enters", "exits")
_FUNCTIONS = ("abs", "min", "max")
_TIMES = ("00:00-00:01", "00:01-00:00", "23:59-00:01", "22:00-06:00", "08:00-16:00", "23:00-24:00", "13:30-13:31")
_DAYS = ("mon-fri", "sat-sun", "fri-mon", "tue, thu", "wed", "sun-fri")
_ZONES = (
    "", "", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "america/st_johns", "Etc/GMT+12",
)  # fmt: skip


def near_limits(seed: int, count: int, heavy_share: float = 0.1) -> Iterator[str]:
    """That many texts. The heavy ones come down to thousands of comparisons: reading one takes a tenth of a second."""
    chance = random.Random(seed)
    heavy: list[Callable[[random.Random], str]] = [_many_moves, _moves_of_a_sum, _moves_of_an_average, _many_crossings]
    light: list[Callable[[random.Random], str]] = [
        _any_tree, _any_tree, _any_tree, _deep, _wide, _long_comparison, _long_text, _far_back, _counted, _gated,
        _in_order,
    ]  # fmt: skip
    for _ in range(count):
        kind = chance.choice(heavy if chance.random() < heavy_share else light)
        yield f"{chance.choice(SYMBOLS)} 1h: {kind(chance)}"


def _variable(chance: random.Random) -> str:
    record = chance.choice(list(catalogue().values()))
    if chance.random() < 0.5:
        name = chance.choice(PRICES)
    else:
        values = {}
        for parameter in record.parameters:
            if record.rule is None and chance.random() < 0.3:
                low, high = max(parameter.low, 0.01), min(parameter.high, 400.0)
                value = chance.choice([low, high, (low + high) / 3])
                values[parameter.name] = round(value) if parameter.whole else value
        arguments = [f"{name}={value!r}" for name, value in values.items()]
        if record.has_source and chance.random() < 0.4:
            arguments.append(f"source={_source(chance, chance.choice([1, 2, 2, 3]))}")
        name = f"{record.name}({', '.join(arguments)})" if arguments else record.name
        if len(record.outputs) > 1:
            name += f".{chance.choice(record.outputs).name}"
    return name + chance.choice(_STEPS[:-1] if chance.random() < 0.995 else _STEPS) + chance.choice(_PLACES)


def _source(chance: random.Random, levels: int) -> str:
    """What an indicator may be computed from, with at most so many levels; now and then a little too deep, or wrong."""
    if levels == 0:
        return chance.choice(PRICES) if chance.random() < 0.98 else chance.choice(["atr", "close[1]", "close@4h", "7"])
    if chance.random() < 0.2:
        return f"{chance.choice(_FUNCTIONS[1:])}({_source(chance, levels - 1)}, {chance.choice(PRICES)})"
    if chance.random() < 0.4:
        sides = [_source(chance, levels - 1), chance.choice([*_NUMBERS[2:5], *PRICES])]
        chance.shuffle(sides)
        return f"({sides[0]} {chance.choice('+-*/')} {sides[1]})"
    record = chance.choice([record for record in catalogue().values() if record.has_source])
    dot = f".{chance.choice(record.outputs).name}" if len(record.outputs) > 1 else ""
    return f"{record.name}(source={_source(chance, levels - 1)}){dot}"


def _operand(chance: random.Random, atoms: int = 1) -> str:
    """An operand of that many numbers and variables."""
    if atoms == 1:
        return chance.choice(_NUMBERS[:-2]) if chance.random() < 0.2 else _variable(chance)
    left = chance.randint(1, atoms - 1)
    sides = _operand(chance, left), _operand(chance, atoms - left)
    if chance.random() < 0.3:
        name = chance.choice(_FUNCTIONS)
        return f"abs({sides[0]} - {sides[1]})" if name == "abs" else f"{name}({sides[0]}, {sides[1]})"
    return f"({sides[0]} {chance.choice('+-*/')} {sides[1]})"


def _bars(chance: random.Random) -> int:
    return chance.choice([1, 2, 3, 10, 40, MOST_BARS // 4] * 4 + [MOST_BARS - 1, MOST_BARS, MOST_BARS + 1])


def _window(chance: random.Random) -> str:
    parts = [chance.choice(_TIMES)] if chance.random() < 0.7 else []
    if not parts or chance.random() < 0.5:
        parts.append(chance.choice(_DAYS))
    zone = chance.choice(_ZONES) if chance.random() < 0.99 else "Nowhere"
    return f"during({', '.join([*parts, zone] if zone else parts)})"


def _leaf(chance: random.Random, atoms: int = 1) -> str:
    if chance.random() < 0.1:
        return _window(chance)
    other = _operand(chance)
    value = _variable(chance) if atoms == 1 and chance.random() < 0.95 else _operand(chance, atoms)
    match chance.randrange(6):
        case 0 | 1:
            return f"{value} {chance.choice(_COMPARISONS)} {other}"
        case 2:
            return f"{value} {chance.choice(_CHANNELS)} {chance.choice(_NUMBERS[:5])} and {other}"
        case 3:
            return f"{value} {chance.choice(['rising', 'falling'])} {_bars(chance)} bars"
        case 4:
            return f"{value} {chance.choice(['rises_by', 'falls_by'])} 0.5% within {chance.randint(1, 30)} bars"
    return f"{value} {chance.choice(['rises_by', 'falls_by'])} {other} within {chance.randint(1, 30)} bars"


def _tree(chance: random.Random, levels: int) -> str:
    if levels <= 1:
        return _leaf(chance, chance.choice([1, 1, 1, 2, 4]))
    first = _tree(chance, levels - 1)
    others = [_tree(chance, chance.choice([1, 1, max(1, levels - 5)])) for _ in range(chance.randint(0, 2))]
    listed = [first, *others]
    chance.shuffle(listed)
    match chance.randrange(8):
        case 0:
            return f"all({', '.join(listed)})"
        case 1:
            return f"any({', '.join(listed)})"
        case 2:
            return f"not ({first})"
        case 3:
            return f"{chance.randint(1, len(listed))} of ({', '.join(listed)})"
        case 4:
            return f"({first}) for {_bars(chance)} bars"
        case 5:
            return f"before({first})"
        case 6:
            return f"({_tree(chance, max(1, levels - 3))}) then ({first}) within {_bars(chance)} bars"
    return f"({first}) within {_bars(chance)} bars"


def _any_tree(chance: random.Random) -> str:
    tree = _tree(chance, chance.randint(1, 5))
    return f"every({tree})" if chance.random() < 0.2 else tree


def _deep(chance: random.Random) -> str:
    levels = TYPED.levels + chance.choice([-1, 0, 0, 0, 1])
    if chance.random() < 0.5:
        return f"every({_tree(chance, levels - 1)})"
    return _tree(chance, levels)


def _wide(chance: random.Random) -> str:
    count = TYPED.leaves + chance.choice([-1, 0, 0, 1])
    word = chance.choice([" and ", " or "])
    return word.join(f"{chance.choice(PRICES)} {chance.choice(_COMPARISONS)} {n + 0.5}" for n in range(count))


def _long_comparison(chance: random.Random) -> str:
    atoms = TYPED.operands - chance.choice([0, 1, 1, 2, 8, 16])
    return f"{_operand(chance, atoms)} {chance.choice(_COMPARISONS)} {_variable(chance)}"


def _long_text(chance: random.Random) -> str:
    written = ""
    while len(written) < TYPED.characters - chance.choice([100, 250, 400]):
        written += ("" if not written else " or ") + (
            f"keltner(20, 1.{chance.randrange(10**15)}, 10).upper crosses_above bbands({chance.randint(2, 400)},"
            f" 2.{chance.randrange(10**15)}, volume).lower"
        )
    return written


def _far_back(chance: random.Random) -> str:
    source = chance.choice(["close", "volume", "ema(1000, rsi(1000))", "max(high, low, ema(1000, hl2))"])
    value = f"sma({chance.choice([2, 400, 1000])}, {source})[{TYPED.steps}]"
    inner = f"{value} rises_by 1 within {_bars(chance) % 40 + 1} bars"
    for _ in range(chance.randint(1, 6)):
        inner = f"({inner}) {chance.choice(['for', 'within', 'then close > 1 within'])} {_bars(chance)} bars"
    return inner


def _counted(chance: random.Random) -> str:
    leaves = [_leaf(chance) for _ in range(chance.randint(2, 16))]
    count = chance.choice([1, 2, len(leaves) - 1, len(leaves), len(leaves) + 1])
    return f"{'not ' * chance.randint(0, 3)}{count} of ({', '.join(leaves)})"


def _gated(chance: random.Random) -> str:
    """As many time windows as a condition may have leaves, and what may come true in them."""
    count = TYPED.leaves - chance.choice([0, 1, 1, 1, 2])
    windows = [f"{chance.choice(['', 'not '])}{_window(chance)}" for _ in range(count)]
    return f"{_leaf(chance)} and {chance.choice(['any', 'all', '2 of'])}({', '.join(windows)})"


def _in_order(chance: random.Random) -> str:
    """Things that have to come one after another, nested as deeply as is allowed, or once more."""
    steps = TYPED.levels - 1 + chance.choice([-1, 0, 0, 1])
    text = _leaf(chance)
    for _ in range(chance.randint(1, steps)):
        first = chance.choice([_leaf(chance), f"before({_leaf(chance)})", f"({_leaf(chance)}) for 3 bars"])
        text = f"({first}) then ({text}) within {_bars(chance)} bars"
    return text


def _many_moves(chance: random.Random) -> str:
    """Moves that add up to nearly as many operands as are allowed, or to a few too many."""
    wanted = MOST_UNFOLDED + chance.choice([-400, -12, -6, 0, 6, 400, 6_000])
    moves = []
    for number, field in enumerate(chance.sample(PRICES, 7)):
        bars = min(MOST_BARS, max(1, wanted // 6))
        moves.append(f"{field}{'' if number else '[1]'} rises_by {number + 1}% within {bars} bars")
        wanted -= 6 * bars
        if wanted < 6:
            break
    return f"{chance.choice(['any', 'all', '2 of '])}({', '.join(moves)}, close > 1)"


def _moves_of_a_sum(chance: random.Random) -> str:
    atoms = chance.randint(2, 12)
    bars = min(MOST_BARS, (MOST_UNFOLDED + chance.choice([-50, 0, 50])) // (4 * atoms + 2))
    return f"{_operand(chance, atoms)} falls_by 0.1% within {bars} bars"


def _moves_of_an_average(chance: random.Random) -> str:
    """An indicator of indicators on each of as many candles as are allowed."""
    source = _source(chance, 2)
    # Each name in a source counts as an operand.
    atoms = 1 + sum(source.count(word) for word in ("(", "close", "open", "high", "low", "hl", "volume"))
    bars = min(MOST_BARS, (MOST_UNFOLDED + chance.choice([-50, 0, 50])) // (4 * atoms + 2))
    return f"sma({chance.choice([2, 1000])}, {source}) {chance.choice(['rises_by', 'falls_by'])} 1% within {bars} bars"


def _many_crossings(chance: random.Random) -> str:
    """Channels and crossings, each of which comes down to several comparisons."""
    leaves = [
        f"{_operand(chance, 8)} {chance.choice(['enters', 'exits'])} {n} and {_operand(chance, 8)}"
        for n in range(TYPED.leaves // 4)
    ]
    return f"any({', '.join(leaves)})"
