"""R's generators of uniform random numbers: what each makes of its state, as in R's ``RNG.c``.

A generator's state is what follows the code of the kinds in R's ``.Random.seed``. The Mersenne-Twister is NumPy's bit
generator, seeded and positioned as R does it; L'Ecuyer's comes in blocks; the older ones, which nobody takes for
large samples, draw one by one.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["GENERATORS", "Generator", "GeneratorStateError"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_TWISTER_WORDS = 624
_UNIT = np.float64(2.0**-32)
_R_UNIT = 2.328306437080797e-10  # R's i2_32m1, 1 / (2³² - 1)
_KNUTH_UNIT = 9.31322574615479e-10  # 2⁻³⁰ as R writes it, which is not all of its digits
_WORD = 0xFFFFFFFF
_FEW = 16  # numbers up to which one by one is quicker than a block
_BLOCK = 512


class GeneratorStateError(ValueError):
    """A state that is none of this kind of generator."""


class Generator(Protocol):
    """A generator of uniforms, as :class:`pytrainr.RRandom` uses it."""

    kind: str

    def seed(self, scrambled: int) -> None:
        """Start as R's ``set.seed`` does, from a seed that has been scrambled."""

    @property
    def state(self) -> NDArray[np.int32]:
        """The integers that R keeps. Setting them raises :class:`GeneratorStateError` where they are none."""

    @state.setter
    def state(self, state: NDArray[np.int32]) -> None: ...

    def uniforms(self, n: int) -> Floats:
        """The next ``n`` numbers, in (0, 1)."""

    def sixteen_bits(self, n: int) -> Integers:
        """Of each of the next ``n`` numbers the first 16 bits, 0 to 65535."""


def congruential(seed: int) -> int:
    """R's x ← 69069·x + 1 modulo 2³²."""
    return (69069 * seed + 1) & _WORD


@lru_cache(maxsize=1)
def _scrambling() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The twister's words after set.seed as factor · seed + summand, modulo 2³².

    The first number from the scrambled seed stands for the position, which then becomes another.
    """
    factors, summands = [], []
    factor, summand = 1, 0
    for _ in range(1 + _TWISTER_WORDS):
        factor, summand = 69069 * factor & _WORD, congruential(summand)
        factors.append(factor)
        summands.append(summand)
    return np.array(factors[1:], dtype=np.uint32), np.array(summands[1:], dtype=np.uint32)


class MersenneTwister:
    """Matsumoto and Nishimura (1998); R's default."""

    kind = "Mersenne-Twister"

    def __init__(self) -> None:
        self._words = np.random.MT19937(0)
        # The generator's own words and position: its property ``state`` copies them one by one, in sixty microseconds.
        state = (ctypes.c_uint32 * (_TWISTER_WORDS + 1)).from_address(self._words.ctypes.state_address)
        self._state: NDArray[np.uint32] = np.ctypeslib.as_array(state)

    def seed(self, scrambled: int) -> None:
        factors, summands = _scrambling()
        self._place(factors * np.uint32(scrambled) + summands, _TWISTER_WORDS)

    @property
    def state(self) -> NDArray[np.int32]:
        state = self._state.view(np.int32)
        return np.concatenate([state[-1:], state[:-1]])

    @state.setter
    def state(self, state: NDArray[np.int32]) -> None:
        _check_size(self, state, 1 + _TWISTER_WORDS)
        position, words = int(state[0]), state[1:].view(np.uint32)
        if position > _TWISTER_WORDS:
            raise GeneratorStateError(f"[1], the position, should be at most {_TWISTER_WORDS}; it is {position}")
        if not words.any():
            raise GeneratorStateError(" should hold at least one word that is not 0: this is not a state of R's")
        self._place(words, position if position > 0 else _TWISTER_WORDS)  # R mends a position of 0 or less like this

    def _place(self, words: NDArray[np.uint32], position: int) -> None:
        self._state[:-1], self._state[-1] = words, position

    def uniforms(self, n: int) -> Floats:
        uniform: Floats = self._words.random_raw(n) * _UNIT
        uniform[uniform == 0.0] = 0.5 * _R_UNIT
        return uniform

    def sixteen_bits(self, n: int) -> Integers:
        return (self._words.random_raw(n) >> 16).astype(np.int64)


class _OneByOne:
    """A generator whose state is some 32-bit words, ``self._words``."""

    kind: str
    size: int

    def __init__(self) -> None:
        self._words = [1] * self.size

    def seed(self, scrambled: int) -> None:
        for k in range(self.size):
            scrambled = congruential(scrambled)
            self._words[k] = scrambled
        self._mend()

    def _mend(self) -> None:
        """Make a state of any words, as R does."""

    @property
    def state(self) -> NDArray[np.int32]:
        return np.array(self._words, dtype=np.uint32).view(np.int32)

    @state.setter
    def state(self, state: NDArray[np.int32]) -> None:
        _check_size(self, state, self.size)
        self._words = state.view(np.uint32).tolist()
        self._mend()

    def _next(self) -> float:
        raise NotImplementedError

    def uniforms(self, n: int) -> Floats:
        return np.array([_inside(self._next()) for _ in range(n)], dtype=np.float64)

    def sixteen_bits(self, n: int) -> Integers:
        return (self.uniforms(n) * 65536.0).astype(np.int64)


def _inside(value: float) -> float:
    """Never 0 or 1."""
    if value <= 0.0:
        return 0.5 * _R_UNIT
    return 1.0 - 0.5 * _R_UNIT if 1.0 - value <= 0.0 else value


def _check_size(generator: Generator | _OneByOne, state: NDArray[np.int32], size: int) -> None:
    if state.size != size:
        raise GeneratorStateError(
            f" should be R's .Random.seed of the kind {generator.kind}, {size + 1} integers; it has {state.size + 1}"
        )


class WichmannHill(_OneByOne):
    """Wichmann and Hill (1982), AS 183: the sum of three, modulo 1."""

    kind, size = "Wichmann-Hill", 3

    def _mend(self) -> None:
        self._words = [word % m or 1 for word, m in zip(self._words, (30269, 30307, 30323), strict=True)]

    def _next(self) -> float:
        a, b, c = self._words
        self._words = [a, b, c] = [a * 171 % 30269, b * 172 % 30307, c * 170 % 30323]
        return (a / 30269.0 + b / 30307.0 + c / 30323.0) % 1.0


class MarsagliaMulticarry(_OneByOne):
    """Marsaglia's two multiply-with-carry generators of 16 bits."""

    kind, size = "Marsaglia-Multicarry", 2

    def _mend(self) -> None:
        self._words = [self._words[0] or 0o77, self._words[1] or 0o33]

    def _next(self) -> float:
        a, b = self._words
        a = 36969 * (a & 0xFFFF) + (a >> 16) & _WORD
        b = 18000 * (b & 0xFFFF) + (b >> 16) & _WORD
        self._words = [a, b]
        return (((a << 16) & _WORD) ^ (b & 0xFFFF)) * _R_UNIT


class SuperDuper(_OneByOne):
    """Marsaglia's Super-Duper as of Reeds et al. (1984): Tausworthe and congruential."""

    kind, size = "Super-Duper", 2

    def _mend(self) -> None:
        self._words = [self._words[0] or 1, self._words[1] | 1]

    def _next(self) -> float:
        a, b = self._words
        a ^= (a >> 15) & 0o377777
        a ^= (a << 17) & _WORD
        b = 69069 * b & _WORD
        self._words = [a, b]
        return (a ^ b) * _R_UNIT


class KnuthTaocp(_OneByOne):
    """Knuth's lagged Fibonacci generator, x(n) = x(n-100) - x(n-37) modulo 2³⁰; 100 numbers of every 1009 are used."""

    kind, size = "Knuth-TAOCP", 101

    def seed(self, scrambled: int) -> None:
        raise GeneratorStateError(f": a stream of the kind {self.kind} is not begun here; give R's .Random.seed")

    def _mend(self) -> None:
        if self._words[100] > 100 or self._words[100] <= 0:
            self._words[100] = 100
        if not any(self._words[:100]):
            raise GeneratorStateError(" should hold at least one word that is not 0: this is not a state of R's")

    def _next(self) -> float:
        position = self._words[100]
        if position >= 100:
            self._renew()
            position = 0
        self._words[100] = position + 1
        return self._words[position] * _KNUTH_UNIT

    def _renew(self) -> None:
        numbers = self._words[:100]
        for _ in range(1009):
            numbers.append((numbers[-100] - numbers[-37]) & 0x3FFFFFFF)
        self._words[:100] = numbers[-100:]


class KnuthTaocp2002(KnuthTaocp):
    """The same with Knuth's newer way to begin."""

    kind = "Knuth-TAOCP-2002"


class LEcuyer:
    """L'Ecuyer (1999), MRG32k3a: two recurrences of order 3; the generator of R's package parallel."""

    kind = "L'Ecuyer-CMRG"

    def __init__(self) -> None:
        self._state = np.ones(6, dtype=np.uint64)

    def seed(self, scrambled: int) -> None:
        for k in range(6):
            scrambled = congruential(scrambled)
            while scrambled >= _SECOND.modulus:
                scrambled = congruential(scrambled)
            self._state[k] = scrambled

    @property
    def state(self) -> NDArray[np.int32]:
        return self._state.astype(np.uint32).view(np.int32)

    @state.setter
    def state(self, state: NDArray[np.int32]) -> None:
        _check_size(self, state, 6)
        words = state.view(np.uint32)
        for half, recurrence in ((words[:3], _FIRST), (words[3:], _SECOND)):
            if not half.any() or (half >= recurrence.modulus).any():
                raise GeneratorStateError(" should be a state of R's kind L'Ecuyer-CMRG, this is none")
        self._state = words.astype(np.uint64)

    def uniforms(self, n: int) -> Floats:
        first, second = _FIRST.following(self._state[:3], n), _SECOND.following(self._state[3:], n)
        difference = first.astype(np.int64) - second.astype(np.int64)
        return np.where(difference > 0, difference, difference + _FIRST.modulus) * 2.328306549295727688e-10

    def sixteen_bits(self, n: int) -> Integers:
        return (self.uniforms(n) * 65536.0).astype(np.int64)


class _Recurrence:
    """x(n) = a·x(n-3) + b·x(n-2) + c·x(n-1) modulo m, with m just below 2³²."""

    def __init__(self, modulus: int, *factors: int) -> None:
        self.modulus = modulus
        self._factors = [factor % modulus for factor in factors]

    def following(self, last: NDArray[np.uint64], n: int) -> NDArray[np.uint64]:
        """The ``n`` numbers that follow the three ``last``, which become the last three of them."""
        numbers = np.empty(3 + n, dtype=np.uint64)
        numbers[:3] = last
        if n <= _FEW:
            self._one_by_one(numbers)
        else:
            self._in_blocks(numbers)
        last[...] = numbers[-3:]
        return numbers[3:]

    def _one_by_one(self, numbers: NDArray[np.uint64]) -> None:
        a, b, c = self._factors
        x, y, z = numbers[:3].tolist()
        for k in range(3, numbers.size):
            x, y, z = y, z, (a * x + b * y + c * z) % self.modulus
            numbers[k] = z

    def _in_blocks(self, numbers: NDArray[np.uint64]) -> None:
        """All numbers of a block from the three before it: products of two numbers below 2³² fit into 64 bits."""
        factors, modulus = _block_factors(self), np.uint64(self.modulus)
        for begin in range(3, numbers.size, _BLOCK):
            end = min(begin + _BLOCK, numbers.size)
            terms = factors[:, : end - begin] * numbers[begin - 3 : begin, np.newaxis] % modulus
            numbers[begin:end] = terms.sum(axis=0, dtype=np.uint64) % modulus


@lru_cache(maxsize=2)
def _block_factors(recurrence: _Recurrence) -> NDArray[np.uint64]:
    """(3, block): the factors with which the three numbers before a block make each of its numbers."""
    columns = np.empty((3, _BLOCK), dtype=np.uint64)
    for k in range(3):
        numbers = np.zeros(3 + _BLOCK, dtype=np.uint64)
        numbers[k] = 1
        recurrence._one_by_one(numbers)
        columns[k] = numbers[3:]
    return columns


_FIRST = _Recurrence(4294967087, -810728, 1403580, 0)
_SECOND = _Recurrence(4294944443, -1370589, 0, 527612)

GENERATORS: tuple[type[Generator] | None, ...] = (
    WichmannHill,
    MarsagliaMulticarry,
    SuperDuper,
    MersenneTwister,
    KnuthTaocp,
    None,  # the user's own, which lives in R
    KnuthTaocp2002,
    LEcuyer,
)
"""By R's number of the kind."""
